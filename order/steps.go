package order

import "time"

// step is what a start of a payment does next (EMTA §4, 1).
type step int

const (
	stepCreate step = iota // write a new row
	stepPaid               // refuse: the fee is paid
	stepAsk                // ask EMTA about the orders named
	stepWait               // wait for the attempt that is under way
	stepFind               // look for the order in EMTA's list
	stepReuse              // answer with the order named
	stepCancel             // cancel the orders named, then go on
)

// tried are the orders that this start has dealt with, as far as it could, each with the state that it had then: one
// that has come to another state since, a found one above all, is a new case.
type tried map[int64]State

func (t tried) has(o Order) bool {
	state, ok := t[o.ID]
	return ok && state == o.State
}

// nextStep decides by the announcement's orders, newest first. Its newest order decides, but a completed
// order counts wherever it stands: whoever paid is never asked to pay again.
func (s Settings) nextStep(orders []Order, a asked, now time.Time, done tried) (step, []Order) {
	for _, o := range orders {
		if o.State == Completed {
			return stepPaid, []Order{o}
		}
	}
	if len(orders) == 0 {
		return stepCreate, nil
	}
	newest := orders[0]
	switch newest.State {
	case Pending:
		if !done.has(newest) {
			return stepAsk, orders[:1]
		}
	case Creating:
		if newest.Live && now.Before(newest.InitDeadline) {
			return stepWait, orders[:1]
		}
		if !done.has(newest) {
			return stepFind, orders[:1]
		}
	case Created:
		return s.reuseOrCancel(orders, a, now, done)
	}
	return stepCreate, nil
}

// reuseOrCancel takes the newest of the orders in Created that fits; if none fits all of them are cancelled.
func (s Settings) reuseOrCancel(orders []Order, a asked, now time.Time, done tried) (step, []Order) {
	var unfit []Order
	for _, o := range orders {
		if o.State != Created {
			continue
		}
		if s.fits(o, a, now) {
			return stepReuse, []Order{o}
		}
		if !done.has(o) {
			unfit = append(unfit, o)
		}
	}
	if len(unfit) > 0 {
		return stepCancel, unfit
	}
	return stepCreate, nil
}

// fits reports whether the payer can be sent to o for what is asked now.
func (s Settings) fits(o Order, a asked, now time.Time) bool {
	return a.same(o) && !o.Mismatch && o.PaymentURL != "" && o.Expires.Sub(now) >= s.ReuseMinimum
}

// same reports whether o was made for the same ask.
func (a asked) same(o Order) bool {
	return o.AskedAmount.Equal(a.amount) && o.AskedCurrency == a.Currency && o.ReferenceNumber == a.ReferenceNumber
}
