//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// traffic is what payers, EMTA and the core do while the adapter is killed, and what they know of it.
type traffic struct {
	seed     uint64
	world    *simulator.World
	points   *points
	patience time.Duration // with one call of the internal API

	mu        sync.Mutex
	asked     int64                          // announcements so far
	answered  map[string]simulator.CoreOrder // the latest answer about each order, by our key
	paid      map[string]int                 // how often each of EMTA's orders was paid
	cancelled map[string]time.Time           // when those ended that were paid although cancelled
	unsettled []int64                        // announcements whose start had no clear answer
	acked     []acknowledgement
	feed      []simulator.Event // as the core read it
	claimed   map[string]bool   // by completion: the core was told that its claim is confirmed
	wrong     []string          // what nobody should have seen
}

func newTraffic(seed uint64) *traffic {
	return &traffic{seed: seed, points: &points{}, patience: callPatience, answered: map[string]simulator.CoreOrder{}, paid: map[string]int{},
		cancelled: map[string]time.Time{}, claimed: map[string]bool{}}
}

func (t *traffic) wrongf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wrong) < 20 {
		t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// upTo is a duration of chance.
func upTo(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most)))
}

// customer brings announcements to the core, one after another, until ctx ends.
func (t *traffic) customer(ctx context.Context, most time.Duration) {
	for ctx.Err() == nil {
		t.mu.Lock()
		t.asked++
		announcement := t.asked
		t.mu.Unlock()
		rng := rand.New(rand.NewPCG(t.seed, uint64(announcement)))
		t.visit(ctx, rng, announcement)
		if again, ok := t.takeUnsettled(rng); ok {
			t.visit(ctx, rng, again)
		}
		pause(ctx, upTo(rng, most))
	}
}

// takeUnsettled takes one of the announcements that a customer comes back to.
func (t *traffic) takeUnsettled(rng *rand.Rand) (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.unsettled) == 0 || rng.IntN(2) == 0 {
		return 0, false
	}
	i := rng.IntN(len(t.unsettled))
	announcement := t.unsettled[i]
	t.unsettled = slices.Delete(t.unsettled, i, i+1)
	return announcement, true
}

func askFor(announcement int64, amount string) simulator.StartPayment {
	ask := (&demo{sequence: announcement - 1}).ask()
	ask.Amount = amount
	return ask
}

// visit starts a payment, sometimes in several windows, and does with it what the dice say.
func (t *traffic) visit(ctx context.Context, rng *rand.Rand, announcement int64) {
	windows := 1
	if rng.IntN(3) == 0 {
		windows = 2 + rng.IntN(2)
	}
	orders := make([]simulator.CoreOrder, windows)
	var open sync.WaitGroup
	for i := range orders {
		open.Go(func() { orders[i] = t.start(ctx, askFor(announcement, "30.00")) })
	}
	open.Wait()
	fates := []func(context.Context, *rand.Rand, int64, simulator.CoreOrder){t.pays, t.pays, t.refuses, t.walksAway, t.isNotifiedOften,
		t.cancels, t.cancelsAndPays, t.changesAmount, t.isAnnulled, t.walksAwayFromTheBank}
	fate := fates[rng.IntN(len(fates))]
	i := slices.IndexFunc(orders, func(o simulator.CoreOrder) bool { return o.PaymentURL != "" && o.State == string(order.Created) })
	if i < 0 {
		t.mu.Lock()
		t.unsettled = append(t.unsettled, announcement)
		t.mu.Unlock()
		return
	}
	for _, o := range orders {
		if o.EMTAOrderID != "" && o.EMTAOrderID != orders[i].EMTAOrderID && o.State == orders[i].State {
			t.wrongf("announcement %d: the windows got EMTA's orders %s and %s", announcement, o.EMTAOrderID, orders[i].EMTAOrderID)
		}
	}
	fate(ctx, rng, announcement, orders[i])
	if rng.IntN(3) == 0 {
		t.call(ctx, func(ctx context.Context) (simulator.CoreOrder, error) { return t.world.Core.Refresh(ctx, orders[i].ID) })
	}
}

// start asks until there is an answer that says something. The zero order means that there was none.
func (t *traffic) start(ctx context.Context, ask simulator.StartPayment) simulator.CoreOrder {
	o, _ := t.call(ctx, func(ctx context.Context) (simulator.CoreOrder, error) {
		o, _, err := t.world.Core.StartPayment(ctx, ask)
		if err == nil {
			t.points.reached(afterStart)
		}
		return o, err
	})
	return o
}

// Of one call of the internal API.
const (
	callPatience = 500 * time.Millisecond // a browser's is longer; here the next kill is near
	callRetry    = 20 * time.Millisecond  // while the adapter is down
	callTries    = 50
)

// call calls the internal API until it answers, and keeps what it said. An answer that does not come in time is no answer.
func (t *traffic) call(ctx context.Context, call func(context.Context) (simulator.CoreOrder, error)) (simulator.CoreOrder, error) {
	expected := []order.Code{order.OutcomeUnknown, order.InProgress, order.AlreadyPaid, order.NotCancellable, order.NotCompleted}
	for range callTries {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.patience)
		o, err := call(once)
		late := once.Err() != nil
		cancel()
		refused := t.refusal(err)
		if refused != nil {
			if !slices.Contains(expected, order.Code(refused.Code)) {
				t.wrongf("the core was refused: %d %s %s %s", refused.Status, refused.Code, refused.Title, refused.Detail)
			}
			if refused.Order != nil {
				o = *refused.Order
			}
		}
		if err == nil || refused != nil || late || ctx.Err() != nil {
			t.keep(o)
			return o, err
		}
		pause(ctx, callRetry)
	}
	return simulator.CoreOrder{}, context.DeadlineExceeded
}

// refusal is the adapter's no, nil for any other error and for one that says to come again: the adapter starts, or its database is away.
func (t *traffic) refusal(err error) *simulator.Problem {
	var refused *simulator.Problem
	if !errors.As(err, &refused) || refused.Code == string(order.Unavailable) {
		return nil
	}
	return refused
}

// keep remembers an answer about an order, for comparison.answers.
func (t *traffic) keep(o simulator.CoreOrder) {
	if o.ID == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if before, known := t.answered[o.ID]; known && o.EMTAOrderID == "" {
		o.EMTAOrderID = before.EMTAOrderID
	}
	t.answered[o.ID] = o
}

// move makes a move of the payer's or EMTA's that the order's state may not allow any more.
func (t *traffic) move(do func(id string) error, o simulator.CoreOrder) bool {
	err := do(o.EMTAOrderID)
	if errors.Is(err, simulator.ErrNotFound) {
		t.wrongf("order %s has EMTA's id %s, which EMTA does not know", o.ID, o.EMTAOrderID)
	}
	return err == nil
}

// pay counts the payments that went through.
func (t *traffic) pay(do func(id string) error, o simulator.CoreOrder) {
	if t.move(do, o) {
		t.mu.Lock()
		t.paid[o.EMTAOrderID]++
		t.mu.Unlock()
	}
}

func (t *traffic) pays(ctx context.Context, rng *rand.Rand, _ int64, o simulator.CoreOrder) {
	if rng.IntN(2) == 0 {
		t.move(t.world.EMTA.ChooseMethod, o)
		pause(ctx, upTo(rng, 100*time.Millisecond))
	}
	t.pay(t.world.EMTA.Pay, o)
}

func (t *traffic) refuses(_ context.Context, rng *rand.Rand, _ int64, o simulator.CoreOrder) {
	if rng.IntN(2) == 0 {
		t.move(t.world.EMTA.Refuse, o)
		return
	}
	t.move(t.world.EMTA.CancelByPayer, o)
}

func (t *traffic) walksAway(context.Context, *rand.Rand, int64, simulator.CoreOrder) {}

func (t *traffic) walksAwayFromTheBank(_ context.Context, _ *rand.Rand, _ int64, o simulator.CoreOrder) {
	t.move(t.world.EMTA.ChooseMethod, o)
}

// isNotifiedOften has EMTA notify of one payment several times at once, of an order that nobody knows too.
func (t *traffic) isNotifiedOften(ctx context.Context, rng *rand.Rand, _ int64, o simulator.CoreOrder) {
	t.pay(t.world.EMTA.Pay, o)
	ids := []string{o.EMTAOrderID, o.EMTAOrderID, o.EMTAOrderID, fmt.Sprintf("nobodys-%d", rng.Uint64())}
	var sent sync.WaitGroup
	for _, id := range ids {
		sent.Go(func() {
			answer, err := t.world.EMTA.Notify(context.WithoutCancel(ctx), id)
			if err == nil && answer.OK() && id != o.EMTAOrderID {
				t.wrongf("a notification of an order that nobody knows was acknowledged")
			}
		})
	}
	sent.Wait()
}

func (t *traffic) cancels(ctx context.Context, _ *rand.Rand, _ int64, o simulator.CoreOrder) {
	t.call(ctx, func(ctx context.Context) (simulator.CoreOrder, error) { return t.world.Core.Cancel(ctx, o.ID) })
}

// cancelsAndPays has a payment arrive that was faster than the cancelling.
func (t *traffic) cancelsAndPays(ctx context.Context, rng *rand.Rand, announcement int64, o simulator.CoreOrder) {
	t.cancels(ctx, rng, announcement, o)
	if made, ok := t.world.EMTA.Order(o.EMTAOrderID); ok && made.State == simulator.OrderCancelled {
		t.mu.Lock()
		t.cancelled[made.ID] = made.Finished
		t.mu.Unlock()
		t.pay(t.world.EMTA.PayCancelled, o)
	}
}

// changesAmount starts anew with another amount, which the order that exists does not fit.
func (t *traffic) changesAmount(ctx context.Context, rng *rand.Rand, announcement int64, o simulator.CoreOrder) {
	if other := t.start(ctx, askFor(announcement, "25.00")); other.PaymentURL != "" && other.State == string(order.Created) {
		t.pays(ctx, rng, announcement, other)
	}
}

// isAnnulled takes a payment back, partly or whole, and sometimes pays again.
func (t *traffic) isAnnulled(ctx context.Context, rng *rand.Rand, announcement int64, o simulator.CoreOrder) {
	partly, again := rng.IntN(2) == 0, rng.IntN(2) == 0
	t.pays(ctx, rng, announcement, o)
	pause(ctx, upTo(rng, 300*time.Millisecond))
	t.move(func(id string) error { return t.world.EMTA.Annul(id, partly) }, o)
	if again {
		pause(ctx, upTo(rng, 300*time.Millisecond))
		t.pay(t.world.EMTA.Pay, o)
	}
}

// core reads the feed from where it was and claims each completion, some only when they are offered again, until ctx ends.
func (t *traffic) core(ctx context.Context) {
	after := ""
	for ctx.Err() == nil {
		events, next, err := t.world.Core.Events(ctx, after, 50, 300*time.Millisecond)
		if err != nil {
			if t.refusal(err) != nil {
				t.wrongf("the feed was refused: %v", err)
			}
			pause(ctx, callRetry)
			continue
		}
		after = next
		t.mu.Lock()
		t.feed = append(t.feed, events...)
		t.mu.Unlock()
		for _, e := range events {
			if e.Type == order.EventCompleted {
				t.claim(ctx, e)
			}
		}
	}
}

// claim confirms a completion: three of four at the first offer, the rest at the second, and one of four twice.
func (t *traffic) claim(ctx context.Context, e simulator.Event) {
	t.mu.Lock()
	done := t.claimed[e.CompletionID]
	t.mu.Unlock()
	if done || e.Attempt == 1 && e.CompletionID < "4" {
		return
	}
	_, err := t.call(ctx, func(ctx context.Context) (simulator.CoreOrder, error) {
		o, err := t.world.Core.Claim(ctx, e.Order.ID)
		if err == nil {
			t.points.reached(afterClaim)
		}
		return o, err
	})
	if e.CompletionID >= "c" {
		_, _ = t.call(ctx, func(ctx context.Context) (simulator.CoreOrder, error) { return t.world.Core.Claim(ctx, e.Order.ID) })
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimed[e.CompletionID] = err == nil
}
