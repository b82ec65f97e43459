package order

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// idle is how long Run waits before it looks again whether something is due. Wake cuts it short.
const idle = 500 * time.Millisecond

// Run does the background work (EMTA §7) until ctx ends: due orders, notifications of ids that no order has, and
// completions that the core has not confirmed. What has ended makes place at once for what is due. It returns when what it had
// begun is done.
func (m *Module) Run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	failed := func(err error) {
		if ctx.Err() == nil {
			m.log.Error("background work", "error", err)
		}
	}
	for ctx.Err() == nil {
		n, err := m.begin(context.WithoutCancel(ctx), func(work func() error) { // what is in hand is finished
			working.Go(func() {
				if err := work(); err != nil {
					failed(err)
					return
				}
				m.Wake()
			})
		})
		if err != nil {
			failed(err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-m.wake:
		case <-time.After(idle):
		}
	}
}

// Work does what is due now, once, and returns how many rows that were.
func (m *Module) Work(ctx context.Context) (int, error) {
	var working sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	n, err := m.begin(ctx, func(work func() error) {
		working.Go(func() {
			if err := work(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	})
	working.Wait()
	return n, errors.Join(append(errs, err)...)
}

// begin offers what is to be offered, leases what is due as far as there are places, and has start run the work on each row.
// It returns how many rows that were. What fails keeps nothing else from being begun. While EMTA does not answer, one row at a time is leased
// as a probe, and the others stay due.
func (m *Module) begin(ctx context.Context, start func(work func() error)) (int, error) {
	n, err := m.offerDue(ctx)
	if !m.settings.configured() || m.sender == nil {
		return n, err
	}
	admitted, limit := m.circuit.admit(), m.settings.Parallel
	switch admitted {
	case noCall:
		return n, err
	case probeCall:
		limit = 1
	}
	kinds := []func(context.Context, int, func(func() error)) (int, error){m.checkDue, m.lookUpDue}
	if m.passes.Add(1)%2 == 0 {
		slices.Reverse(kinds) // neither kind may keep the other from the last place for ever
	}
	for _, kind := range kinds {
		more, kindErr := kind(ctx, limit, func(work func() error) {
			start(func() error {
				defer m.circuit.ended(admitted)
				return work()
			})
		})
		n += more
		err = errors.Join(err, kindErr)
		if admitted == probeCall && more > 0 {
			return n, err // the probe ends with its work
		}
	}
	m.circuit.ended(admitted)
	return n, err
}

// checkDue checks due orders, at most limit, and as many at a time as there are places over all replicas.
func (m *Module) checkDue(ctx context.Context, limit int, start func(work func() error)) (int, error) {
	lease := m.lease()
	orders, err := m.store.TakeOrders(ctx, m.now(), lease, limit, m.settings.Parallel)
	if err != nil {
		return 0, err
	}
	for _, o := range orders {
		start(func() error {
			return m.worked(ctx, m.orderRow(o.ID), lease.Token, func(ctx context.Context) error { return m.check(ctx, o, lease.Token) })
		})
	}
	return len(orders), nil
}

// worked is held for background work: a row that another has now is the other's to work on. A panic is an error, as it is in a
// request; the row is tried again when its lease has run out, and the others are worked on.
func (m *Module) worked(ctx context.Context, row leasedRow, token string, work func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic at work on %s %d: %v\n%s", row.noun, row.id, p, debug.Stack())
		}
	}()
	err = m.held(ctx, row, token, work)
	if errors.Is(err, ErrLeaseLost) {
		m.log.Warn("lease lost at work", row.noun, row.id)
		return nil
	}
	return err
}

// offerDue offers completions again that the core has not confirmed (AT-CC-006).
func (m *Module) offerDue(ctx context.Context) (int, error) {
	ids, err := m.store.DueOffers(ctx, m.now(), 100)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		_, err := m.store.Change(ctx, id, "", func(v View) (Change, error) {
			d := m.decision()
			if v.Order.NextOffer.IsZero() || v.Order.NextOffer.After(d.now) {
				return Change{}, nil // another replica was faster, or the core confirmed
			}
			out := outcome{order: v.Order}
			out.offerAgain(d)
			return m.change(d, out)
		})
		if err != nil {
			return 0, err
		}
	}
	if len(ids) > 0 {
		m.appended()
	}
	return len(ids), nil
}

// lookUpDue asks EMTA about ids that it notified us of and no order has, while some order's outcome is unknown (EMTA §6).
func (m *Module) lookUpDue(ctx context.Context, _ int, start func(work func() error)) (int, error) {
	lease := m.lease()
	notifications, err := m.store.TakeNotifications(ctx, m.now(), lease, 1, m.settings.Parallel)
	if err != nil {
		return 0, err
	}
	for _, n := range notifications {
		start(func() error {
			return m.worked(ctx, m.notificationRow(n.ID), lease.Token, func(ctx context.Context) error { return m.lookUp(ctx, n, lease.Token) })
		})
	}
	return len(notifications), nil
}

// lookUp asks EMTA about one such id. If it is of an order of ours, that order gets it and its own check covers the
// notification from then on; if it is not, the answer is kept with the notification.
func (m *Module) lookUp(ctx context.Context, n Notification, token string) error {
	if o, err := m.store.OrderByEMTA(ctx, n.EMTAOrderID); err == nil {
		return m.covered(ctx, n, token, o.ID)
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	a, callErr := m.getCall(ctx, n.EMTAOrderID)
	if _, known := stateOf(a.state); callErr == nil && !known {
		callErr = errUnknownState
		m.measures.unknown.Inc()
	}
	if callErr != nil {
		return m.lookUpFailed(ctx, n, token, clipped(faultText(callErr)))
	}
	o, reason, err := m.ownerOf(ctx, a, n.EMTAOrderID)
	if err != nil {
		return err
	}
	if reason != "" {
		return m.nobodys(ctx, n, token, a, reason)
	}
	lease := m.lease()
	o, err = m.store.TakeOrder(ctx, o.ID, m.now(), lease)
	if errors.Is(err, ErrLeaseLost) {
		return m.lookUpFailed(ctx, n, token, "the order is being worked on")
	} else if err != nil {
		return err
	}
	err = m.held(ctx, m.orderRow(o.ID), lease.Token, func(ctx context.Context) error {
		_, reason, err = m.adopt(ctx, o, lease.Token, a, LogSync)
		return err
	})
	if err != nil {
		return err
	}
	if reason != "" {
		return m.nobodys(ctx, n, token, a, reason)
	}
	return m.covered(ctx, n, token, o.ID)
}

// ownerOf is the order of ours that an answer is about; the reason says why there is none.
func (m *Module) ownerOf(ctx context.Context, a answer, askedID string) (Order, string, error) {
	key, ok := keyOf(a.stamp)
	if !ok {
		return Order{}, foreignStamp, nil
	}
	o, err := m.store.Order(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return Order{}, foreignStamp, nil
	}
	return o, a.foreign(o, askedID), err
}

// covered leaves a notification to the order that has its id: the order is due, and its check settles the notification.
func (m *Module) covered(ctx context.Context, n Notification, token string, orderID int64) error {
	ctx = context.WithoutCancel(ctx)
	_, err := m.store.Change(ctx, orderID, "", func(v View) (Change, error) {
		return Change{Orders: m.decision().dueNow(&v.Order)}, nil
	})
	if err != nil {
		return err
	}
	return m.store.ChangeNotification(ctx, n.ID, token, func(n Notification) (Change, error) {
		n.NextCheck = time.Time{}
		return Change{Notifications: []Notification{n}}, nil
	})
}

// lookUpFailed keeps why EMTA did not say, and tries again later; after too many attempts the row is parked, open and shown.
func (m *Module) lookUpFailed(ctx context.Context, n Notification, token, failure string) error {
	return m.store.ChangeNotification(context.WithoutCancel(ctx), n.ID, token, func(n Notification) (Change, error) {
		n.Attempts++
		n.Failure = failure
		n.NextCheck = m.now().Add(m.settings.retryDelay(n.Attempts))
		if n.Attempts >= parkedAttempts {
			n.NextCheck, n.ParkedAt = time.Time{}, m.now()
		}
		return Change{Notifications: []Notification{n}}, nil
	})
}

// nobodys closes a notification whose order is none of ours. One that was renewed meanwhile is closed too: EMTA's
// answer about whose order it is does not change.
func (m *Module) nobodys(ctx context.Context, n Notification, token string, a answer, reason string) error {
	if err := m.strange(ctx, a, reason); err != nil {
		return err
	}
	return m.store.ChangeNotification(context.WithoutCancel(ctx), n.ID, token, func(n Notification) (Change, error) {
		n.Attempts++
		n.Processed, n.Answer, n.Failure, n.NextCheck, n.ParkedAt = true, a.raw, "", time.Time{}, time.Time{}
		return Change{Notifications: []Notification{n}}, nil
	})
}
