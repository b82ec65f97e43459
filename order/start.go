package order

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxSteps bounds the steps of one start. Each step either ends it or deals with an order for good, so only
// other starts of the same announcement, at the same moment, can make it long.
const maxSteps = 50

// Start gives the core an order that the payer can be sent to: one that exists and fits, or a new one
// (AT-CC-002, EMTA §4). reused says which. The error is an *Error, or one of the store's.
func (m *Module) Start(ctx context.Context, ask Ask) (o Order, reused bool, err error) {
	a, wrong := ask.check()
	if len(wrong) > 0 {
		return Order{}, false, &Error{Code: Invalid, Fields: wrong}
	}
	if !m.settings.configured() || m.sender == nil {
		return Order{}, false, &Error{Code: NotConfigured, Err: ErrNotConfigured}
	}
	s := start{Module: m, asked: a, done: tried{}}
	for range maxSteps {
		o, ended, err := s.advance(ctx)
		if err != nil || ended {
			return o, s.reused, s.translated(err)
		}
	}
	return Order{}, false, &Error{Code: InProgress, Err: errors.New("other starts of the announcement went on all the time")}
}

// errHeld says why a call was not made: nobody is kept waiting for an EMTA that does not answer.
var errHeld = errors.New("EMTA does not answer; it is asked again within half a minute")

// start is one start of a payment under way.
type start struct {
	*Module
	asked  asked
	done   tried
	reused bool
}

// advance takes the next step. ended says that o is the answer.
func (s *start) advance(ctx context.Context) (o Order, ended bool, err error) {
	orders, err := s.store.OrdersOf(ctx, s.asked.AnnouncementID)
	if err != nil {
		return Order{}, false, err
	}
	next, about := s.settings.nextStep(orders, s.asked, s.now(), s.done)
	switch next {
	case stepAsk, stepFind, stepCancel, stepCreate:
		admitted := s.circuit.admit()
		defer s.circuit.ended(admitted)
		if admitted == noCall && next == stepFind {
			return Order{}, false, &Error{Code: OutcomeUnknown, Order: &about[0], Err: errHeld}
		} else if admitted == noCall {
			return Order{}, false, &Error{Code: Unavailable, Err: errHeld}
		}
	}
	switch next {
	case stepPaid:
		return Order{}, false, &Error{Code: AlreadyPaid, Order: &about[0]}
	case stepAsk:
		return Order{}, false, s.askAbout(ctx, about[0])
	case stepWait:
		return s.waitFor(ctx, about[0])
	case stepFind:
		return Order{}, false, s.lookFor(ctx, about[0])
	case stepReuse:
		s.reused = true
		return about[0], true, nil
	case stepCancel:
		return Order{}, false, s.cancelAll(ctx, about)
	}
	o, err = s.create(ctx)
	if errors.Is(err, ErrConflict) {
		return Order{}, false, nil // another start was faster: look again
	}
	return o, err == nil, err
}

// askAbout refreshes an order that the payer has begun to pay. Whatever comes of it, it is not asked about again.
func (s *start) askAbout(ctx context.Context, o Order) error {
	return s.deal(ctx, o, func(ctx context.Context, o Order, token string) error {
		if o.State != Pending {
			return nil
		}
		_, _, err := s.refreshed(ctx, o, token)
		return err
	})
}

// cancelAll cancels orders that do not fit. One that EMTA does not cancel is left to expire.
func (s *start) cancelAll(ctx context.Context, orders []Order) error {
	for _, o := range orders {
		err := s.deal(ctx, o, func(ctx context.Context, o Order, token string) error {
			if o.State != Created {
				return nil
			}
			_, _, err := s.cancelledAt(ctx, o, token)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lookFor searches EMTA's list for an order whose outcome is not known. Without the whole list nothing is sent.
func (s *start) lookFor(ctx context.Context, o Order) error {
	return s.deal(ctx, o, func(ctx context.Context, o Order, token string) error {
		if o.State != Creating {
			return nil
		}
		written, complete, err := s.found(ctx, o, token, s.readList)
		if err == nil && !complete && written.State == Creating {
			return &Error{Code: OutcomeUnknown, Order: &written}
		}
		return err
	})
}

// deal works on an order under its lease, and marks it as dealt with. An order that somebody else keeps
// at work all the time counts as dealt with too; the caller's patience is the bound.
func (s *start) deal(ctx context.Context, o Order, work func(ctx context.Context, o Order, token string) error) error {
	s.done[o.ID] = o.State
	o, token, err := s.take(ctx, o.ID)
	if err != nil {
		return err
	}
	return s.held(ctx, s.orderRow(o.ID), token, func(ctx context.Context) error { return work(ctx, o, token) })
}

// pollEvery is how often a start looks whether another one's attempt has ended.
const pollEvery = 100 * time.Millisecond

// waitFor waits for the attempt that o is, at most one call's time, and answers as it ends to whoever asked the same.
// Who asked something else goes on with a start of its own.
func (s *start) waitFor(ctx context.Context, o Order) (Order, bool, error) {
	until := s.now().Add(s.settings.Timeout)
	for o.State == Creating && s.now().Before(o.InitDeadline) {
		if !s.now().Before(until) {
			return Order{}, false, &Error{Code: InProgress, Order: &o}
		}
		select {
		case <-ctx.Done():
			return Order{}, false, &Error{Code: InProgress, Order: &o, Err: ctx.Err()}
		case <-time.After(pollEvery):
		}
		now, err := s.store.Order(ctx, o.ID)
		if err != nil && ctx.Err() != nil {
			return Order{}, false, &Error{Code: InProgress, Order: &o, Err: err}
		} else if err != nil {
			return Order{}, false, err
		}
		o = now
	}
	switch {
	case !s.asked.same(o):
		return Order{}, false, nil
	case o.State == Cancelled && o.EMTAOrderID == "" && o.Fault == faultUnreached:
		return Order{}, false, &Error{Code: Unavailable, Order: &o}
	case o.State == Cancelled && o.EMTAOrderID == "":
		return Order{}, false, &Error{Code: Refused, Order: &o}
	case o.State == Created && o.PaymentURL == "":
		return Order{}, false, &Error{Code: NoPaymentLink, Order: &o}
	}
	return Order{}, false, nil
}

// errChanged says that the announcement's orders moved between the decision to create and its transaction.
var errChanged = fmt.Errorf("the announcement's orders changed: %w", ErrConflict)

// create writes a new row, commits it, and only then asks EMTA for the order (EMTA §4, 2 and 3).
func (s *start) create(ctx context.Context) (Order, error) {
	lease := s.lease()
	o, err := s.store.Start(ctx, s.asked.AnnouncementID, lease, func(orders []Order) (Change, error) {
		now := s.now()
		if next, _ := s.settings.nextStep(orders, s.asked, now, s.done); next != stepCreate {
			return Change{}, errChanged
		}
		c := Change{New: s.newOrder(now)}
		for _, old := range orders {
			if old.Live { // looked for in a whole list and not found; its search goes on
				old.Live = false
				c.Orders = append(c.Orders, old)
			}
		}
		return c, nil
	})
	if err != nil {
		return Order{}, err
	}
	// From here on the attempt runs to its end even if the caller goes away: EMTA may act on it.
	ctx = context.WithoutCancel(ctx)
	err = s.held(ctx, s.orderRow(o.ID), lease.Token, func(ctx context.Context) error {
		o, err = s.init(ctx, o, lease.Token)
		return err
	})
	if errors.Is(err, ErrLeaseLost) { // what EMTA said was not written: the order is found as any other
		err = &Error{Code: OutcomeUnknown, Order: &o, Err: err}
	}
	return o, err
}

// newOrder is the row as it stands before EMTA has heard of it.
func (s *start) newOrder(now time.Time) *Order {
	return &Order{
		AnnouncementID:  s.asked.AnnouncementID,
		State:           Creating,
		Amount:          s.asked.amount,
		Currency:        s.asked.Currency,
		AskedAmount:     s.asked.amount,
		AskedCurrency:   s.asked.Currency,
		ReferenceNumber: s.asked.ReferenceNumber,
		Started:         now,
		InitDeadline:    now.Add(s.settings.Timeout + initMargin),
		Live:            true,
		NextCheck:       now.Add(s.settings.ListDelays[0]),
	}
}

// init sends cpgOrderInit and writes what came of it (EMTA §4, 3 and 4).
func (s *start) init(ctx context.Context, o Order, token string) (Order, error) {
	a, err := s.initCall(ctx, s.initOrder(o))
	if err == nil {
		return s.inited(ctx, o, token, a)
	}
	proof := provesNothingCreated(err)
	fault := clipped(faultText(err))
	var events []happening
	written, storeErr := s.store.Change(ctx, o.ID, token, func(v View) (Change, error) {
		d := s.decision()
		out := outcome{order: v.Order}
		if proof {
			out = d.cancelled(v, fault)
		} else {
			out.order.NextCheck = s.settings.nextCheck(v.Order, d.now, d.random)
		}
		events = out.events
		c, err := s.change(d, out)
		c.Log = append(c.Log, LogEntry{OrderID: o.ID, At: d.now, Action: LogInit, Message: fault})
		return c, err
	})
	if storeErr != nil {
		return o, storeErr
	}
	s.told(written, events)
	s.Wake()
	failed := &Error{Code: OutcomeUnknown, Order: &written, Refusal: refusalOf(err, initNames, initNumbers), Err: err}
	if proof && failed.Refusal == nil {
		failed.Code = Unavailable
	} else if proof {
		failed.Code = Refused
	}
	return written, failed
}

// inited writes an answer of cpgOrderInit.
func (s *start) inited(ctx context.Context, o Order, token string, a answer) (Order, error) {
	written, reason, err := s.adopt(ctx, o, token, a, LogInit)
	switch {
	case err != nil:
		return written, err
	case reason != "":
		return written, &Error{Code: OutcomeUnknown, Order: &written, Err: fmt.Errorf("%w: %s", errForeign, reason)}
	case written.PaymentURL == "":
		return written, &Error{Code: NoPaymentLink, Order: &written}
	}
	return written, nil
}

// initOrder is what EMTA is asked for.
func (s *start) initOrder(o Order) initOrder {
	stamp := stampOf(o.ID)
	with := func(text string) string { return strings.ReplaceAll(text, "{id}", stamp) }
	return initOrder{
		description:  Description{ET: with(s.settings.Description.ET), EN: with(s.settings.Description.EN), RU: with(s.settings.Description.RU)},
		amount:       o.AskedAmount,
		currency:     o.AskedCurrency,
		merchantName: s.settings.MerchantName,
		stamp:        stamp,
		payer:        s.asked.Payer,
		language:     s.asked.Language,
		reference:    o.ReferenceNumber,
		redirect:     s.asked.RedirectURL,
	}
}
