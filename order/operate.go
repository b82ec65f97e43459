package order

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Refresh asks EMTA about an order now and returns it as it stands then (AT-CC-002, 7; AT-CC-007). An order without an id
// is looked for in EMTA's list. Where EMTA did not say, the error is an *Error OutcomeUnknown with the last known order.
func (m *Module) Refresh(ctx context.Context, id int64, actor string) (Order, error) {
	return m.operate(ctx, id, actor, "refresh", func(ctx context.Context, o Order, token string) (Order, error) {
		if o.EMTAOrderID == "" && o.State != Creating {
			return o, nil // refused or given up: EMTA has nothing to say of it
		}
		admitted := m.circuit.admit()
		if admitted == noCall {
			return o, &Error{Code: OutcomeUnknown, Order: &o, Err: errHeld}
		}
		defer m.circuit.ended(admitted)
		if o.EMTAOrderID == "" {
			written, _, err := m.found(ctx, o, token, m.readList)
			if err == nil && written.State == Creating { // an order that was found is known, whatever else the list lacked
				err = &Error{Code: OutcomeUnknown, Order: &written}
			}
			return written, err
		}
		written, unanswered, err := m.refreshed(ctx, o, token)
		if err == nil && unanswered != nil {
			err = &Error{Code: OutcomeUnknown, Order: &written, Refusal: refusalOf(unanswered, cancelNames, cancelNumbers), Err: unanswered}
		}
		return written, err
	})
}

// Cancel asks EMTA to cancel an order, which only one in Created can be (AT-CC-003, AT-CC-007).
func (m *Module) Cancel(ctx context.Context, id int64, actor string) (Order, error) {
	return m.operate(ctx, id, actor, "cancel", func(ctx context.Context, o Order, token string) (Order, error) {
		if o.State != Created {
			return o, &Error{Code: NotCancellable, Order: &o}
		}
		written, refused, err := m.cancelledAt(ctx, o, token)
		if err != nil || refused == nil {
			return written, err
		}
		refusal := refusalOf(refused, cancelNames, cancelNumbers)
		failed := &Error{Code: OutcomeUnknown, Order: &written, Refusal: refusal, Err: refused}
		switch {
		case cancelOutcomeOf(refused) == cancelNotAllowed:
			failed.Code = NotCancellable
		case refusal != nil && (refusal.Own || provesNothingCreated(refused)):
			failed.Code = Refused
		case refusal == nil && provesNothingCreated(refused):
			failed.Code = Unavailable
		}
		return written, failed
	})
}

// operate works on one order under its lease at somebody's wish, who is written to the audit log first.
func (m *Module) operate(ctx context.Context, id int64, actor, action string, work func(ctx context.Context, o Order, token string) (Order, error)) (Order, error) {
	if !m.settings.configured() || m.sender == nil {
		return Order{}, &Error{Code: NotConfigured, Err: ErrNotConfigured}
	}
	o, token, err := m.take(ctx, id)
	if err != nil {
		return Order{}, m.translated(err)
	}
	// EMTA's answer is written even if the caller goes away.
	ctx = context.WithoutCancel(ctx)
	err = m.held(ctx, m.orderRow(id), token, func(ctx context.Context) error {
		_, err := m.store.Change(ctx, id, token, func(v View) (Change, error) {
			return Change{Audits: []Audit{{At: m.now(), OrderID: id, Actor: actor, Action: action}}}, nil
		})
		if err != nil {
			return err
		}
		o, err = work(ctx, o, token)
		return err
	})
	return o, m.translated(err)
}

// Claim confirms that the core has bound the claim of a completed order (AT-CC-006). Confirming again changes nothing.
// completionID, if given, must be the present completion's: one that was taken back since is not confirmed.
func (m *Module) Claim(ctx context.Context, id int64, completionID, actor string) (Order, error) {
	var refused *Error
	o, err := m.store.Change(ctx, id, "", func(v View) (Change, error) {
		d, o := m.decision(), v.Order
		refused = nil
		entry := LogEntry{OrderID: id, At: d.now, Action: LogClaim}
		switch {
		case o.Mismatch:
			refused = &Error{Code: Mismatched, Order: &v.Order}
		case o.State != Completed || completionID != "" && completionID != o.CompletionID:
			refused = &Error{Code: NotCompleted, Order: &v.Order}
		case o.ClaimForwarded:
			return Change{}, nil
		}
		if refused != nil {
			entry.Message = "Nõude kinnitamisest keelduti: " + string(refused.Code)
			return Change{Log: []LogEntry{entry}}, nil
		}
		o.ClaimForwarded, o.NextOffer = true, time.Time{}
		entry.Message = "Nõue kinnitatud"
		return Change{Orders: []Order{o}, Log: []LogEntry{entry},
			Audits: []Audit{{At: d.now, OrderID: id, Actor: actor, Action: "claim"}}}, nil
	})
	if err == nil && refused != nil {
		return o, refused
	}
	return o, m.translated(err)
}

// maxReason bounds an operator's reason, which stands in the audit log.
const maxReason = 1000

// Accept lets an order count although EMTA's amount is not the asked one; reason says why (EMTA §3).
func (m *Module) Accept(ctx context.Context, id int64, reason, actor string) (Order, error) {
	if strings.TrimSpace(reason) == "" {
		return Order{}, &Error{Code: Invalid, Fields: []FieldError{{"reason", "required", "must say why the amount is accepted"}}}
	}
	if len([]rune(reason)) > maxReason {
		return Order{}, &Error{Code: Invalid, Fields: []FieldError{{"reason", "max-length", "must have at most 1000 characters"}}}
	}
	var events []happening
	o, err := m.store.Change(ctx, id, "", func(v View) (Change, error) {
		if !v.Order.Mismatch {
			return Change{}, &Error{Code: NotMismatched, Order: &v.Order}
		}
		d := m.decision()
		out := outcome{order: v.Order}
		out.order.Mismatch, out.order.AcceptedBy = false, actor
		out.offer(d, v)
		events = out.events
		c, err := m.change(d, out)
		c.Audits = []Audit{{At: d.now, OrderID: id, Actor: actor, Action: "accept",
			Detail: fmt.Sprintf("%s %s instead of %s %s: %s", v.Order.Amount.StringFixed(2), v.Order.Currency,
				v.Order.AskedAmount.StringFixed(2), v.Order.AskedCurrency, reason)}}
		return c, err
	})
	if err == nil {
		m.told(o, events)
	}
	return o, m.translated(err)
}

// translated gives the store's errors their meaning for the core; an *Error has it already.
func (m *Module) translated(err error) error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, ErrNotFound):
		return &Error{Code: NotFound, Err: err}
	case errors.Is(err, ErrLeaseLost):
		return &Error{Code: InProgress, Err: err}
	}
	return err
}
