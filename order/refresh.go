package order

import (
	"context"
	"errors"
	"fmt"
)

// refreshed asks EMTA about an order that has an id, under its lease, and writes what the answer means: to the
// order, to its open notification, and a log row for the call whatever came of it (EMTA §§3, 6, AT-CC-008). It returns the
// order as written and why the answer does not count, nil if it does.
func (m *Module) refreshed(ctx context.Context, o Order, token string) (written Order, unanswered error, err error) {
	seen, err := m.seen(ctx, o.EMTAOrderID)
	if err != nil {
		return o, nil, err
	}
	a, callErr := m.getCall(ctx, o.EMTAOrderID)
	state, known := stateOf(a.state)
	if callErr == nil && !known {
		callErr = fmt.Errorf("%w: %.40q", errUnknownState, a.state)
		m.measures.unknown.Inc()
		m.log.Error("EMTA used an unknown state", "order", o.ID)
	}
	kept, err := m.keptReasons(ctx, a.id)
	if err != nil {
		return o, nil, err
	}
	var reason string
	var events []happening
	written, err = m.store.Change(context.WithoutCancel(ctx), o.ID, token, func(v View) (Change, error) {
		d := m.decision()
		var out outcome
		var message, failure, foreignAnswer string
		reason = ""
		if callErr == nil {
			reason = a.foreign(v.Order, o.EMTAOrderID)
		}
		switch {
		case callErr != nil:
			failure = clipped(faultText(callErr))
			message = failure
			if errors.Is(callErr, errUnreadable) || errors.Is(callErr, errUnknownState) {
				message = logError(callErr)
			}
			out = d.checked(v, unknownToEMTA(callErr), failure)
		case reason != "":
			foreignAnswer, message = a.raw, foreignMessage(reason)
			out = d.checked(v, false, "")
		default:
			out = d.applied(v, a, state)
			message = fmt.Sprintf("Tellimuse staatus uuendatud: (%s) → (%s)", v.Order.State.Code(), out.order.State.Code())
		}
		notifications := d.settled(v, seen, &out.order, failure, foreignAnswer)
		c, err := m.change(d, out)
		if err != nil {
			return Change{}, err
		}
		c.Notifications = notifications
		c.Log = append([]LogEntry{{OrderID: o.ID, At: d.now, Action: LogSync, Message: message}}, c.Log...)
		events = out.events
		if reason != "" && !kept[reason] {
			err = m.suspect(&c, d, v.Order, a, reason)
		}
		return c, err
	})
	if err != nil {
		return o, nil, err
	}
	m.told(written, events)
	if reason != "" {
		m.heldBack(o, reason)
		callErr = fmt.Errorf("%w: %s", errForeign, reason)
	}
	return written, callErr, nil
}

// keptReasons are the reasons for which answers that name EMTA's id are kept already: each is told of once.
func (m *Module) keptReasons(ctx context.Context, emtaOrderID string) (map[string]bool, error) {
	if emtaOrderID == "" {
		return nil, nil
	}
	kept, err := m.store.Suspicions(ctx, emtaOrderID)
	if err != nil {
		return nil, err
	}
	reasons := map[string]bool{}
	for _, s := range kept {
		reasons[s.Reason] = true
	}
	return reasons, nil
}

// heldBack counts and logs an answer that was not applied.
func (m *Module) heldBack(o Order, reason string) {
	m.appended()
	m.measures.suspicions.WithLabelValues(reason).Inc()
	m.log.Warn("EMTA's answer held back", "order", o.ID, "reason", reason)
}

func foreignMessage(reason string) string { return "Vastus ei ole selle tellimuse kohta: " + reason }

// errForeign says that EMTA answered about somebody else's order.
var errForeign = errors.New("EMTA's answer is not about this order")

// seen is the open notification that a check begins from, nil if there is none.
func (m *Module) seen(ctx context.Context, emtaOrderID string) (*Notification, error) {
	n, err := m.store.OpenNotification(ctx, emtaOrderID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return &n, err
}

// suspect adds to the change that an answer is kept whole, and the event that tells of it (EMTA §3).
func (m *Module) suspect(c *Change, d decision, o Order, a answer, reason string) error {
	e, err := m.event(d.now, o, happening{kind: EventSuspicious, reason: reason})
	if err != nil {
		return err
	}
	c.Events = append(c.Events, e)
	c.Suspicions = append(c.Suspicions, Suspicion{At: d.now, OrderID: o.ID, EMTAOrderID: a.id, Reason: reason, Answer: a.raw})
	return nil
}

// cancelledAt asks EMTA to cancel an order in Created, under its lease, and writes what came of it: Cancelled if EMTA
// did, else the order is left alone (EMTA §4, 1), but for one that EMTA does not know (EMTA §7). It returns the order as written and why it was not cancelled.
func (m *Module) cancelledAt(ctx context.Context, o Order, token string) (written Order, refused error, err error) {
	callErr := m.cancelCall(ctx, o.EMTAOrderID)
	came := cancelOutcomeOf(callErr)
	var events []happening
	written, err = m.store.Change(context.WithoutCancel(ctx), o.ID, token, func(v View) (Change, error) {
		d := m.decision()
		out := outcome{order: v.Order}
		message := "Tellimus tühistatud"
		if came != cancelDone {
			message = clipped(faultText(callErr))
		}
		switch came {
		case cancelDone:
			out = d.cancelled(v, "")
		case cancelUnknownID:
			out = d.checked(v, true, message)
			if v.Open != nil {
				out.order.NextCheck = d.now
			}
		}
		events = out.events
		c, err := m.change(d, out)
		c.Log = append(c.Log, LogEntry{OrderID: o.ID, At: d.now, Action: LogCancel, Message: message})
		return c, err
	})
	if err == nil {
		m.told(written, events)
	}
	if came == cancelDone {
		callErr = nil
	}
	return written, callErr, err
}

// check does what a due order needs, under its lease: it looks for an order without id in EMTA's list, asks about one with
// id, and cancels one that nobody paid in time (EMTA §7).
func (m *Module) check(ctx context.Context, o Order, token string) error {
	if o.EMTAOrderID == "" {
		_, _, err := m.found(ctx, o, token, m.sharedList)
		return err
	}
	o, unanswered, err := m.refreshed(ctx, o, token)
	if err != nil || unanswered != nil {
		return err
	}
	if o.State == Created && !o.Expires.After(m.now()) && o.RevertedAt.IsZero() {
		_, _, err = m.cancelledAt(ctx, o, token)
	}
	return err
}

// clipped bounds a text that comes from outside before it is kept.
func clipped(s string) string {
	const most = 2000 // a fault's text is a sentence; a page of HTML says no more in its rest
	r := []rune(s)
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
