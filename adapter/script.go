package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// scene is one story of the day. play returns what did not come out right.
type scene struct {
	title string
	play  func(ctx context.Context) error
}

// script is the day. The two scenes in which EMTA's answers are wrong come first, while no other order is asked about.
func (d *demo) script() []scene {
	abandoned := simulator.CoreOrder{}
	payments := []scene{
		{"EMTA says that another amount was paid. The order is held until an operator accepts it.", d.wrongAmount},
		{"EMTA answers about somebody else's order. Ours is not touched.", d.foreignAnswer},
		{"A payer gets a payment link and walks away. (The end of this comes last.)", func(ctx context.Context) (err error) {
			abandoned, err = d.started(ctx)
			return err
		}},
		{"A payer pays. EMTA notifies, the core hears of it and confirms.", d.paid},
		{"The payer's bank refuses the card.", d.refused},
		{"The answer to cpgOrderInit is lost. The order is found in EMTA's list, and paid.", d.lost},
		{"EMTA's notifications are switched off. Asking EMTA now and then suffices.", d.unnotified},
		{"EMTA notifies of an order that nobody knows.", d.unknown},
		{"EMTA notifies three times of the same. The core hears of it once.", d.repeated},
		{"A payment is annulled after the core has published.", d.annulled},
		{"Two browser windows start a payment for the same announcement at once.", d.twice},
	}
	expired := scene{"The abandoned order has expired.", func(ctx context.Context) error { return d.expired(ctx, abandoned) }}
	logged := scene{"All that went in and out is in the exchange log, and nothing in it can be changed without a trace.", d.logged}
	return append(append(payments, d.mandateScenes()...), expired, logged)
}

// sceneTimeout bounds the waiting for one thing to happen.
const sceneTimeout = 20 * time.Second

// started asks for a payment of 30 euros for a new announcement.
func (d *demo) started(ctx context.Context) (simulator.CoreOrder, error) {
	o, _, err := d.world.Core.StartPayment(ctx, d.ask())
	if err == nil && o.PaymentURL == "" {
		err = errors.New("there is no payment link")
	}
	return o, err
}

func (d *demo) ask() simulator.StartPayment {
	d.sequence++
	digits := fmt.Sprintf("%06d", d.sequence)
	return simulator.StartPayment{
		AnnouncementID: d.sequence, Amount: "30.00", Currency: "EUR", ReferenceNumber: digits + string(order.ReferenceCheckDigit(digits)),
		PayerCode: "60001019906", PayerCountry: "EE", PayerEmail: "maksja.naidis@example.com",
		Language: "et", RedirectURL: "https://at.example.ee/makse?id=${id}",
	}
}

// heard waits for an event of the order.
func (d *demo) heard(ctx context.Context, kind, id string) (simulator.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, sceneTimeout)
	defer cancel()
	e, err := d.world.Core.Await(ctx, func(e simulator.Event) bool { return e.Type == kind && e.Order.ID == id })
	if err != nil {
		return e, fmt.Errorf("the core did not hear of %s for order %s: %w", kind, id, err)
	}
	return e, nil
}

// completions is how often the core heard of the order's completion as new.
func (d *demo) completions(id string) int {
	n := 0
	for _, r := range d.world.Core.Received() {
		if r.Accepted && r.Event.Type == order.EventCompleted && r.Event.Order.ID == id && r.Event.Attempt == 1 {
			n++
		}
	}
	return n
}

// claimed waits for the completion and confirms it.
func (d *demo) claimed(ctx context.Context, id string) error {
	if _, err := d.heard(ctx, order.EventCompleted, id); err != nil {
		return err
	}
	o, err := d.world.Core.Claim(ctx, id)
	if err == nil && !o.ClaimForwarded {
		err = errors.New("the confirmed claim is not marked as forwarded")
	}
	return err
}

func (d *demo) state(ctx context.Context, id, want string) error {
	o, err := d.world.Core.Order(ctx, id)
	if err == nil && o.State != want {
		err = fmt.Errorf("order %s is %s, not %s", id, o.State, want)
	}
	return err
}

func (d *demo) paid(ctx context.Context) error {
	o, err := d.started(ctx)
	if err == nil {
		err = d.world.EMTA.Pay(o.EMTAOrderID)
	}
	if err == nil {
		err = d.claimed(ctx, o.ID)
	}
	return err
}

func (d *demo) refused(ctx context.Context) error {
	o, err := d.started(ctx)
	if err == nil {
		err = d.world.EMTA.Refuse(o.EMTAOrderID)
	}
	if err == nil {
		_, err = d.heard(ctx, order.EventCancelled, o.ID)
	}
	return err
}

func (d *demo) expired(ctx context.Context, o simulator.CoreOrder) error {
	if _, err := d.heard(ctx, order.EventCancelled, o.ID); err != nil {
		return err
	}
	return d.state(ctx, o.ID, string(order.Cancelled))
}

func (d *demo) lost(ctx context.Context) error {
	slow := simulator.Mischief{Place: simulator.AtSecurityServer, DelayAfter: 3 * time.Second}
	if err := d.world.Misbehave(simulator.OperationInit, slow); err != nil {
		return err
	}
	_, err := d.started(ctx)
	var refused *simulator.Problem
	if !errors.As(err, &refused) || refused.Code != string(order.OutcomeUnknown) || refused.Order == nil {
		return fmt.Errorf("the core should have been told that the outcome is not known, got: %v", err)
	}
	id := refused.Order.ID
	e, err := d.heard(ctx, order.EventCreated, id)
	if err != nil {
		return err
	}
	if made := d.world.EMTA.ByStamp(id); len(made) != 1 {
		return fmt.Errorf("EMTA has %d orders of this payment, not 1", len(made))
	}
	if err := d.world.EMTA.Pay(e.Order.EMTAOrderID); err != nil {
		return err
	}
	return d.claimed(ctx, id)
}

func (d *demo) unnotified(ctx context.Context) error {
	d.world.EMTA.SetNotifyMode(simulator.NotifyNever)
	defer d.world.EMTA.SetNotifyMode(simulator.NotifyAlways)
	return d.paid(ctx)
}

func (d *demo) unknown(ctx context.Context) error {
	const id = "00000000-0000-4000-8000-000000000000"
	answer, err := d.world.EMTA.Notify(ctx, id)
	if err == nil && answer.FaultString != "Order not found with id: "+id {
		err = fmt.Errorf("the answer is not the agreed fault: %q", answer.FaultString)
	}
	return err
}

func (d *demo) repeated(ctx context.Context) error {
	o, err := d.started(ctx)
	if err != nil {
		return err
	}
	d.world.EMTA.SetNotifyMode(simulator.NotifyNever)
	defer d.world.EMTA.SetNotifyMode(simulator.NotifyAlways)
	if err := d.world.EMTA.Pay(o.EMTAOrderID); err != nil {
		return err
	}
	for range 3 {
		answer, err := d.world.EMTA.Notify(ctx, o.EMTAOrderID)
		if err != nil {
			return err
		}
		if !answer.OK() {
			return fmt.Errorf("the notification was not accepted: %s", answer.FaultString)
		}
	}
	if err := d.claimed(ctx, o.ID); err != nil {
		return err
	}
	// Asking again brings nothing new to the core.
	if _, err := d.world.Core.Refresh(ctx, o.ID); err != nil {
		return err
	}
	if n := d.completions(o.ID); n != 1 {
		return fmt.Errorf("the core heard of the completion %d times", n)
	}
	return nil
}

func (d *demo) annulled(ctx context.Context) error {
	o, err := d.started(ctx)
	if err == nil {
		err = d.world.EMTA.Pay(o.EMTAOrderID)
	}
	if err == nil {
		err = d.claimed(ctx, o.ID)
	}
	if err == nil {
		err = d.world.EMTA.Annul(o.EMTAOrderID, false)
	}
	if err != nil {
		return err
	}
	e, err := d.heard(ctx, order.EventReverted, o.ID)
	if err == nil && e.Order.ClaimForwarded {
		err = errors.New("the claim still counts as forwarded")
	}
	return err
}

func (d *demo) twice(ctx context.Context) error {
	ask := d.ask()
	var orders [2]simulator.CoreOrder
	var errs [2]error
	var both sync.WaitGroup
	for i := range orders {
		both.Go(func() { orders[i], _, errs[i] = d.world.Core.StartPayment(ctx, ask) })
	}
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if orders[0].ID != orders[1].ID || orders[0].PaymentURL != orders[1].PaymentURL {
		return fmt.Errorf("the windows got orders %s and %s", orders[0].ID, orders[1].ID)
	}
	if made := d.world.EMTA.ByStamp(orders[0].ID); len(made) != 1 {
		return fmt.Errorf("EMTA has %d orders of this payment, not 1", len(made))
	}
	_, err := d.world.Core.Cancel(ctx, orders[0].ID)
	return err
}

func (d *demo) foreignAnswer(ctx context.Context) error {
	o, err := d.started(ctx)
	if err == nil {
		err = d.world.Misbehave(simulator.OperationGet, simulator.Mischief{AnotherOrder: true})
	}
	if err != nil {
		return err
	}
	defer d.world.Behave()
	if _, err := d.heard(ctx, order.EventSuspicious, o.ID); err != nil {
		return err
	}
	after, err := d.world.Core.Order(ctx, o.ID)
	if err == nil && (after.State != string(order.Created) || after.EMTAOrderID != o.EMTAOrderID || after.Amount != o.Amount) {
		err = errors.New("the order was touched")
	}
	if err == nil {
		_, err = d.world.Core.Cancel(ctx, o.ID)
	}
	return err
}

func (d *demo) wrongAmount(ctx context.Context) error {
	one := decimal.NewFromInt(1)
	o, err := d.started(ctx)
	if err != nil {
		return err
	}
	defer d.world.Behave()
	for range 20 { // whatever asks first is answered wrongly
		if err := d.world.Misbehave(simulator.OperationGet, simulator.Mischief{WrongAmount: &one}); err != nil {
			return err
		}
	}
	if err := d.world.EMTA.Pay(o.EMTAOrderID); err != nil {
		return err
	}
	if _, err := d.heard(ctx, order.EventSuspicious, o.ID); err != nil {
		return err
	}
	held, err := d.world.Core.Refresh(ctx, o.ID)
	if err != nil {
		return err
	}
	_, claimErr := d.world.Core.Claim(ctx, o.ID)
	var refused *simulator.Problem
	switch {
	case held.State != string(order.Completed) || !held.AmountMismatch:
		return fmt.Errorf("the order is %s, mismatch %t", held.State, held.AmountMismatch)
	case d.completions(o.ID) != 0:
		return errors.New("the core was told that it is paid")
	case !errors.As(claimErr, &refused) || refused.Code != string(order.Mismatched):
		return fmt.Errorf("the claim should have been refused, got: %v", claimErr)
	}
	if _, err := d.world.Core.Accept(ctx, o.ID, "the rest was paid in cash"); err != nil {
		return err
	}
	return d.claimed(ctx, o.ID)
}
