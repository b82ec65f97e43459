package simulator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// OrderState is EMTA's word for the state of an order (EMTA sheet §3).
type OrderState string

// The states of an order. Annulled payments take a completed order back.
const (
	OrderCreated   OrderState = "created"   // the payer has not chosen a method
	OrderPending   OrderState = "pending"   // the payer has chosen a method
	OrderCompleted OrderState = "completed" // paid in full
	OrderCancelled OrderState = "cancelled"
)

// Order is a copy of an order as EMTA holds it. Times are zero while unset.
type Order struct {
	ID           string
	Merchant     xroadhdr.ClientID // whose order it is
	Issue        string            // the merchant code of the request, may be empty
	MerchantName string
	Stamp        string
	Notes        string

	State        OrderState
	CancelReason string // EMTA sheet §9; empty unless cancelled

	DescriptionET, DescriptionEN, DescriptionRU string

	Amount   decimal.Decimal
	Currency string
	Methods  []string // payment method codes that the merchant asked for

	CustomerCode, CustomerCountry, CustomerEmail string
	Language, Reference                          string

	Redirect string // with ${id} replaced
	Notify   bool   // over X-Road
	PayURL   string // where the payer pays

	Created, Expires, Finished time.Time
	Payments                   []Payment

	reverted bool // annulled: it does not expire any more
}

// Payment is one attempt of the payer.
type Payment struct {
	State             OrderState // pending, completed or cancelled
	Created, Finished time.Time
	Amount            decimal.Decimal
	Stamp             string
}

func (o *Order) copy() Order {
	c := *o
	c.Methods = slices.Clone(o.Methods)
	c.Payments = slices.Clone(o.Payments)
	return c
}

// ErrNotFound is wrapped where a move names an order that EMTA does not hold.
var ErrNotFound = errors.New("no such order")

// Orders returns all orders, the oldest first. Expired ones are expired by then.
func (e *EMTA) Orders() []Order {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
	all := make([]Order, len(e.orders))
	for i, o := range e.orders {
		all[i] = o.copy()
	}
	return all
}

// Order returns the order with that id.
func (e *EMTA) Order(id string) (Order, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
	if o := e.find(id); o != nil {
		return o.copy(), true
	}
	return Order{}, false
}

// ByStamp returns the orders with that merchant's stamp, the oldest first.
func (e *EMTA) ByStamp(stamp string) []Order {
	var found []Order
	for _, o := range e.Orders() {
		if o.Stamp == stamp {
			found = append(found, o)
		}
	}
	return found
}

func (e *EMTA) find(id string) *Order {
	for _, o := range e.orders {
		if o.ID == id {
			return o
		}
	}
	return nil
}

// Sweep cancels the orders whose time has passed, and notifies of them. Every
// other method does so first; Run does it by itself.
func (e *EMTA) Sweep() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
}

func (e *EMTA) sweep() {
	if e.o.KeepExpired {
		return
	}
	now := e.o.Clock()
	for _, o := range e.orders {
		open := o.State == OrderCreated || o.State == OrderPending
		if !open || o.reverted || now.Before(o.Expires) {
			continue
		}
		reason := "expired"
		if o.State == OrderPending {
			reason = "timedout_broker"
		}
		e.cancel(o, reason)
	}
}

// cancel ends o and tells the merchant.
func (e *EMTA) cancel(o *Order, reason string) {
	now := e.o.Clock()
	o.State, o.CancelReason, o.Finished = OrderCancelled, reason, now
	for i := range o.Payments {
		if p := &o.Payments[i]; p.State == OrderPending {
			p.State, p.Finished = OrderCancelled, now
		}
	}
	e.changed(o)
}

// move finds the order, checks that it is in one of the states, and does act.
func (e *EMTA) move(id string, from []OrderState, act func(o *Order)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
	o := e.find(id)
	if o == nil {
		return fmt.Errorf("order %q: %w", id, ErrNotFound)
	}
	if !slices.Contains(from, o.State) {
		return fmt.Errorf("order %s is %s", id, o.State)
	}
	act(o)
	return nil
}
