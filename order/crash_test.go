package order_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// errDead is what everything fails with once the process is dead.
var errDead = errors.New("the process is dead")

// mortal is a store whose process dies: from some call on nothing reaches the database any more. The call at which it
// dies is either not made, or made and not heard of.
type mortal struct {
	order.Store

	mu    sync.Mutex
	left  int  // calls until death; -1: it lives
	heard bool // the last call is made
	dead  bool
	calls int
}

// dieAfter lets calls more calls through and dies at the next; made says that the next is made all the same.
func (m *mortal) dieAfter(calls int, made bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.heard = calls, made
}

func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// next counts a call. made: it reaches the database; told: the caller hears of it.
func (m *mortal) next() (made, told bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	switch {
	case m.dead:
		return false, false
	case m.left == 0:
		m.dead = true
		return m.heard, false
	case m.left > 0:
		m.left--
	}
	return true, true
}

func through[T any](m *mortal, call func() (T, error)) (T, error) {
	var zero T
	made, told := m.next()
	if !made {
		return zero, errDead
	}
	result, err := call()
	if !told {
		return zero, errDead
	}
	return result, err
}

func throughOnly(m *mortal, call func() error) error {
	_, err := through(m, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

func (m *mortal) Order(ctx context.Context, id int64) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.Order(ctx, id) })
}

func (m *mortal) OrderByEMTA(ctx context.Context, id string) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.OrderByEMTA(ctx, id) })
}

func (m *mortal) OrdersOf(ctx context.Context, id int64) ([]order.Order, error) {
	return through(m, func() ([]order.Order, error) { return m.Store.OrdersOf(ctx, id) })
}

func (m *mortal) OpenNotification(ctx context.Context, id string) (order.Notification, error) {
	return through(m, func() (order.Notification, error) { return m.Store.OpenNotification(ctx, id) })
}

func (m *mortal) Start(ctx context.Context, id int64, l order.Lease, decide func([]order.Order) (order.Change, error)) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.Start(ctx, id, l, decide) })
}

func (m *mortal) Change(ctx context.Context, id int64, token string, decide func(order.View) (order.Change, error)) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.Change(ctx, id, token, decide) })
}

func (m *mortal) Notified(ctx context.Context, id string, decide func(order.Known) (order.Change, error)) error {
	return throughOnly(m, func() error { return m.Store.Notified(ctx, id, decide) })
}

func (m *mortal) ChangeNotification(ctx context.Context, id int64, token string, decide func(order.Notification) (order.Change, error)) error {
	return throughOnly(m, func() error { return m.Store.ChangeNotification(ctx, id, token, decide) })
}

func (m *mortal) TakeOrders(ctx context.Context, now time.Time, l order.Lease, limit, places int) ([]order.Order, error) {
	return through(m, func() ([]order.Order, error) { return m.Store.TakeOrders(ctx, now, l, limit, places) })
}

func (m *mortal) TakeNotifications(ctx context.Context, now time.Time, l order.Lease, limit, places int) ([]order.Notification, error) {
	return through(m, func() ([]order.Notification, error) { return m.Store.TakeNotifications(ctx, now, l, limit, places) })
}

func (m *mortal) TakeOrder(ctx context.Context, id int64, now time.Time, l order.Lease) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.TakeOrder(ctx, id, now, l) })
}

func (m *mortal) RenewOrder(ctx context.Context, id int64, l order.Lease) error {
	return throughOnly(m, func() error { return m.Store.RenewOrder(ctx, id, l) })
}

func (m *mortal) ReleaseOrder(ctx context.Context, id int64, token string) error {
	return throughOnly(m, func() error { return m.Store.ReleaseOrder(ctx, id, token) })
}

func (m *mortal) ReleaseNotification(ctx context.Context, id int64, token string) error {
	return throughOnly(m, func() error { return m.Store.ReleaseNotification(ctx, id, token) })
}

func (m *mortal) DueOffers(ctx context.Context, now time.Time, limit int) ([]int64, error) {
	return through(m, func() ([]int64, error) { return m.Store.DueOffers(ctx, now, limit) })
}

func (m *mortal) Suspicions(ctx context.Context, id string) ([]order.Suspicion, error) {
	return through(m, func() ([]order.Suspicion, error) { return m.Store.Suspicions(ctx, id) })
}

// Wherever the process dies, what it was doing comes right after the next start: it dies at each call of the store in
// turn, made and not made, in each of the ways through the module.
func TestCrashAnywhere(t *testing.T) {
	t.Parallel()
	start := func(amount string) func(*world) {
		return func(w *world) { _, _, _ = w.module.Start(ctx, ask(101, amount)) }
	}
	startAgain := func(amount string) func(*world) { return and(sleep(36*time.Second), start(amount)) }
	notified := func(w *world) { _, _ = w.emta.Deliver(ctx, 0); workOnce(w) }
	cancel := func(w *world) { _, _ = w.module.Cancel(ctx, 1, operator) }
	claim := func(w *world) { _, _ = w.module.Claim(ctx, 1, "", operator) }
	seldom := func(s *order.Settings) {
		s.Delays = []time.Duration{10 * time.Second, time.Minute, 2 * time.Minute, 12 * time.Hour}
	}
	const day = 24 * time.Hour
	for _, row := range []struct {
		name   string
		before func(*world)
		act    func(*world) // what the process dies in
		again  func(*world) // what its caller does after the next start
		expiry time.Duration
		wait   time.Duration
		ends   []order.State // of EMTA's orders, and ours of them
		heard  []string      // of the first of them
	}{
		{"start", nothing, start("30.00"), startAgain("30.00"), 3 * day, 27 * time.Hour, states(order.Created), []string{"order.created"}},
		{"start after a cancel", startedOnce, start("45.00"), startAgain("45.00"), 3 * day, 27 * time.Hour,
			states(order.Cancelled, order.Created), []string{"order.created", "order.cancelled"}},
		{"start that finds", and(lost, sleep(36*time.Second)), start("30.00"), startAgain("30.00"), 3 * day, 27 * time.Hour, states(order.Created), []string{"order.created"}},
		{"notification", and(startedOnce, pays("pay")), notified, nothing, 0, time.Hour, states(order.Completed), []string{"order.created", "order.completed"}},
		{"notification of an unknown id", and(lost, pays("pay")), notified, nothing, 0, time.Hour, states(order.Completed), []string{"order.completed"}},
		{"poll", and(startedOnce, pays("pay"), sleep(time.Minute)), workOnce, nothing, 0, time.Hour, states(order.Completed), []string{"order.created", "order.completed"}},
		{"offer", and(startedOnce, pays("pay"), refresh, sleep(11*time.Minute)), workOnce, nothing, 0, time.Hour, states(order.Completed), []string{"order.created", "order.completed"}},
		{"list", and(lost, pays("pay"), sleep(time.Minute)), workOnce, nothing, 0, time.Hour, states(order.Completed), []string{"order.completed"}},
		{"expiry", and(startedOnce, sleep(16*time.Minute)), workOnce, nothing, 0, 2 * time.Hour, states(order.Cancelled), []string{"order.created", "order.cancelled"}},
		{"reversal", and(startedOnce, pays("pay"), refresh, annulled(false), sleep(25*time.Hour)), workOnce, nothing, 0, 2 * time.Hour, states(order.Created),
			[]string{"order.created", "order.completed", "order.reverted"}},
		{"foreign answer", and(startedOnce, pays("pay"), sleep(time.Minute), wrong(opGet, simulator.Mischief{WrongReference: "13"})), workOnce, nothing, 0, time.Hour,
			states(order.Completed), []string{"order.created", "order.completed"}},
		{"refresh", and(startedOnce, pays("pay")), func(w *world) { _, _ = w.module.Refresh(ctx, 1, operator) }, nothing, 0, time.Hour,
			states(order.Completed), []string{"order.created", "order.completed"}},
		{"cancel", startedOnce, cancel, cancel, 0, 2 * time.Hour, states(order.Cancelled), []string{"order.created", "order.cancelled"}},
		{"claim", and(startedOnce, pays("pay"), refresh), claim, claim, 0, time.Hour, states(order.Completed), []string{"order.created", "order.completed"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			died := true
			for calls := 0; died; calls++ {
				for _, made := range []bool{false, true} {
					inWorld(t, worldOptions{settings: seldom, emta: simulator.EMTAOptions{KeepExpired: true, Expiry: row.expiry}}, func(t *testing.T, w *world) {
						row.before(w)
						w.mortal.dieAfter(calls, made)
						row.act(w)
						died = w.mortal.isDead()
						w.restart()
						row.again(w)
						w.wait(row.wait)
						w.agrees(row.ends, row.heard, fmt.Sprintf("dead at call %d, made: %t", calls, made))
					})
				}
			}
		})
	}
}

func nothing(*world) {}

// workOnce is one pass of the background work, which may die in it.
func workOnce(w *world) { _, _ = w.module.Work(ctx) }

// agrees wants EMTA's orders in states, ours to agree, and the core to have heard of the first of them, repeats left out.
func (w *world) agrees(ends []order.State, heard []string, when string) {
	w.t.Helper()
	var atEMTA []order.State
	for i, e := range w.emta.Orders() {
		atEMTA = append(atEMTA, order.State(e.State))
		o, err := w.store.OrderByEMTA(ctx, e.ID)
		require.NoError(w.t, err, when)
		require.Equal(w.t, order.State(e.State), o.State, when)
		require.Equal(w.t, strconv.FormatInt(o.ID, 10), e.Stamp, when)
		if i > 0 {
			continue
		}
		var firsts []string
		for _, word := range w.heard(subjectOf(o)) {
			if !strings.HasPrefix(word, order.EventSuspicious) && !strings.ContainsAny(word, "0123456789") {
				firsts = append(firsts, word)
			}
		}
		require.Equal(w.t, heard, firsts, when)
	}
	require.Equal(w.t, ends, atEMTA, when)
	for _, o := range w.orders() {
		require.NotEqual(w.t, order.Creating, o.State, when)
	}
}
