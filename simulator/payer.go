package simulator

import (
	"time"

	"github.com/shopspring/decimal"
)

// ChooseMethod is the payer choosing a payment method: created becomes pending.
// Like every move it fails with ErrNotFound, or when the order's state does not allow it.
func (e *EMTA) ChooseMethod(id string) error {
	return e.move(id, []OrderState{OrderCreated}, func(o *Order) {
		e.choose(o)
		e.changed(o)
	})
}

// Pay is the payer paying in full, choosing a method first if need be.
func (e *EMTA) Pay(id string) error {
	return e.move(id, []OrderState{OrderCreated, OrderPending}, e.pay)
}

// PayCancelled is a payment that was faster than a cancellation: cancelled becomes completed.
func (e *EMTA) PayCancelled(id string) error {
	return e.move(id, []OrderState{OrderCancelled}, e.pay)
}

// Refuse is the card being declined by its bank.
func (e *EMTA) Refuse(id string) error {
	return e.move(id, []OrderState{OrderCreated, OrderPending}, func(o *Order) { e.cancel(o, "declined_05") })
}

// CancelByPayer is the payer going back to the merchant without paying.
func (e *EMTA) CancelByPayer(id string) error {
	return e.move(id, []OrderState{OrderCreated, OrderPending}, func(o *Order) { e.cancel(o, "refuse") })
}

// Annul takes the payments of a completed order back: all of them, and it is
// created again, or partly, and it is pending. It does not expire any more.
func (e *EMTA) Annul(id string, partly bool) error {
	return e.move(id, []OrderState{OrderCompleted}, func(o *Order) {
		o.State = OrderCreated
		if partly {
			o.State = OrderPending
		}
		e.annul(o, partly)
		o.Finished, o.reverted = time.Time{}, true
		e.changed(o)
	})
}

// annul cancels the payments; partly, half of the last one is left.
func (e *EMTA) annul(o *Order, partly bool) {
	now := e.o.Clock()
	if partly {
		last := &o.Payments[len(o.Payments)-1]
		half := last.Amount.Div(decimal.NewFromInt(2)).Truncate(2)
		back := *last
		last.Amount, back.Amount = half, last.Amount.Sub(half)
		back.State, back.Finished, back.Stamp = OrderCancelled, now, e.o.NewID()
		o.Payments = append(o.Payments, back)
		return
	}
	for i := range o.Payments {
		o.Payments[i].State, o.Payments[i].Finished = OrderCancelled, now
	}
}

// ChangeAmount makes EMTA say another amount of the order from now on, in any state.
func (e *EMTA) ChangeAmount(id string, amount decimal.Decimal) error {
	every := []OrderState{OrderCreated, OrderPending, OrderCompleted, OrderCancelled}
	return e.move(id, every, func(o *Order) { o.Amount = amount })
}

func (e *EMTA) choose(o *Order) {
	o.State = OrderPending
	o.Payments = append(o.Payments, Payment{State: OrderPending, Created: e.o.Clock(), Amount: o.Amount, Stamp: e.o.NewID()})
}

func (e *EMTA) pay(o *Order) {
	if o.State != OrderPending || o.reverted {
		e.choose(o)
	}
	now := e.o.Clock()
	last := &o.Payments[len(o.Payments)-1]
	last.State, last.Finished = OrderCompleted, now
	o.State, o.Finished, o.CancelReason, o.reverted = OrderCompleted, now, "", false
	e.changed(o)
}
