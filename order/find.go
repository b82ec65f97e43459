package order

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"ametlikudteadaanded.ee/adapter/event"
)

// found looks for an order in Creating in EMTA's list, as read reads it, under the order's lease, and writes what came of it
// (EMTA §7). It returns the order as written, and whether the whole list was read; a list that failed is unanswered.
func (m *Module) found(ctx context.Context, o Order, token string, read func(context.Context, Order) (listReading, error)) (written Order, complete bool, err error) {
	r, err := read(ctx, o)
	if err != nil {
		return o, r.complete, err
	}
	complete = r.complete
	match, ok := r.entries[stampOf(o.ID)]
	if !ok {
		var events []happening
		written, err = m.store.Change(context.WithoutCancel(ctx), o.ID, token, func(v View) (Change, error) {
			d := m.decision()
			out := d.listed(v, complete)
			events = out.events
			return m.change(d, out)
		})
		if err == nil {
			m.told(written, events)
		}
		return written, complete, err
	}
	written, _, err = m.adopt(ctx, o, token, match, "")
	return written, complete, err
}

// adopt writes an answer of Init or List to an order if it is about it, with a log row if action names one. It returns the
// order as written and the reason why the answer was held back, "" if it was not.
func (m *Module) adopt(ctx context.Context, o Order, token string, a answer, action string) (written Order, reason string, err error) {
	state, known := stateOf(a.state)
	if !known {
		m.measures.unknown.Inc()
		m.log.Error("EMTA used an unknown state", "order", o.ID)
	}
	kept, err := m.keptReasons(ctx, a.id)
	if err != nil {
		return o, "", err
	}
	owner, err := m.store.OrderByEMTA(ctx, a.id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return o, "", err
	}
	anothers := err == nil && owner.ID != o.ID
	var events []happening
	written, err = m.store.Change(context.WithoutCancel(ctx), o.ID, token, func(v View) (Change, error) {
		d := m.decision()
		reason = a.foreign(v.Order, "")
		if reason == "" && anothers {
			reason = foreignStamp
		}
		if reason == "" && !known {
			reason = unknownState
		}
		out := d.listed(v, false)
		if reason == "" {
			out = d.applied(v, a, state)
		}
		events = out.events
		c, err := m.change(d, out)
		if err != nil {
			return Change{}, err
		}
		if action != "" {
			c.Log = append([]LogEntry{{OrderID: o.ID, At: d.now, Action: action, Message: adoptMessage(v.Order, out.order, reason)}}, c.Log...)
		}
		if reason != "" && !kept[reason] {
			err = m.suspect(&c, d, v.Order, a, reason)
		}
		return c, err
	})
	if err != nil {
		return o, reason, err
	}
	m.told(written, events)
	if reason != "" {
		m.heldBack(o, reason)
	}
	return written, reason, nil
}

// unknownState is the reason of an answer that would make an order known to us in a state that is not.
const unknownState = "unknown-state"

func adoptMessage(before, after Order, reason string) string {
	if reason != "" {
		return foreignMessage(reason)
	}
	return fmt.Sprintf("Tellimus loodud: (%s) → (%s)", before.State.Code(), after.State.Code())
}

// listEntry deals with an entry of EMTA's list that was not looked for. One of an order of ours that has moved makes that
// order due; one of an order without id is left to that order's own search; any other is kept and told of, once.
func (m *Module) listEntry(ctx context.Context, a answer) error {
	ctx = context.WithoutCancel(ctx)
	key, ok := keyOf(a.stamp)
	if !ok {
		return m.strange(ctx, a, foreignStamp)
	}
	o, err := m.store.Order(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return m.strange(ctx, a, foreignStamp)
	}
	if err != nil {
		return err
	}
	if o.State == Creating {
		return nil
	}
	if reason := a.foreign(o, ""); reason != "" {
		return m.strange(ctx, a, reason)
	}
	if state, known := stateOf(a.state); known && state == o.State {
		return nil
	}
	_, err = m.store.Change(ctx, o.ID, "", func(v View) (Change, error) {
		return Change{Orders: m.decision().dueNow(&v.Order)}, nil
	})
	return err
}

// strange keeps an answer about an order that is none of ours and tells the core, unless that was done before.
func (m *Module) strange(ctx context.Context, a answer, reason string) error {
	kept, err := m.keptReasons(ctx, a.id)
	if err != nil || kept[reason] {
		return err
	}
	err = m.store.Notified(ctx, a.id, func(Known) (Change, error) {
		d := m.decision()
		e, err := m.strangeEvent(d.now, a.id, reason)
		if err != nil {
			return Change{}, err
		}
		return Change{
			Suspicions: []Suspicion{{At: d.now, EMTAOrderID: a.id, Reason: reason, Answer: a.raw}},
			Events:     []event.Event{e},
		}, nil
	})
	if err == nil {
		m.appended()
		m.measures.suspicions.WithLabelValues(reason).Inc()
		m.log.Warn("EMTA named an order that is not ours", "reason", reason)
	}
	return err
}

// logError is an error with its stack, for a log row of a kind that nobody foresaw (AT-CC-008).
func logError(err error) string { return clipped(err.Error() + "\n" + string(debug.Stack())) }
