package postgres

import (
	"context"
	"errors"
	"fmt"

	"ametlikudteadaanded.ee/adapter/order"
)

// writing is a transaction that writes a change. It knows the rows that are locked: with all of them the last
// batch cannot miss a row any more, and may carry the COMMIT.
type writing struct {
	tx            *transaction
	lease         order.Lease // of a new order
	orders        map[int64]order.Order
	notifications map[int64]order.Notification
}

// hold remembers orders that are locked, as they are.
func (w *writing) hold(orders ...order.Order) {
	if w.orders == nil {
		w.orders = map[int64]order.Order{}
	}
	for _, o := range orders {
		w.orders[o.ID] = o
	}
}

// holdNotification remembers a notification that is locked, as it is; nil is none.
func (w *writing) holdNotification(n *order.Notification) {
	if w.notifications == nil {
		w.notifications = map[int64]order.Notification{}
	}
	if n != nil {
		w.notifications[n.ID] = *n
	}
}

// applyToExisting writes a change that inserts no order: without a lease of Start nobody would hold it.
func (w *writing) applyToExisting(ctx context.Context, c order.Change) (*batch, error) {
	if c.New != nil {
		return nil, errors.New("a new order can only come out of Start")
	}
	_, b, err := w.apply(ctx, c)
	return b, err
}

// apply returns the batch that writes the last of a change, to be committed, and the key of its new order, 0 if
// there is none.
func (w *writing) apply(ctx context.Context, c order.Change) (int64, *batch, error) {
	if err := check(c); err != nil {
		return 0, nil, err
	}
	if err := w.lockRest(ctx, c); err != nil {
		return 0, nil, err
	}
	b := w.tx.batch()
	// Attempts that end go first: one that begins in the same change takes their place.
	for _, live := range []bool{false, true} {
		for _, o := range c.Orders {
			if o.Live == live {
				b.updateOrder(w.orders[o.ID], o)
				w.orders[o.ID] = o // a change may name a row twice
			}
		}
	}
	var id int64
	if c.New != nil {
		if err := checkToken(w.lease.Token); err != nil {
			return 0, nil, err
		}
		b.insertOrder(*c.New, w.lease, &id)
		if err := w.tx.run(ctx, b); err != nil {
			return 0, nil, err
		}
		b = w.tx.batch()
	}
	for _, n := range c.Notifications {
		b.writeNotification(w.notifications[n.ID], n)
		w.notifications[n.ID] = n
	}
	if err := b.appendRest(c, id); err != nil {
		return 0, nil, err
	}
	return id, b, nil
}

// lockRest locks rows that the change writes and decide was not shown, or returns order.ErrNotFound.
func (w *writing) lockRest(ctx context.Context, c order.Change) error {
	var orderIDs, notificationIDs []int64
	for _, o := range c.Orders {
		if _, ok := w.orders[o.ID]; !ok {
			orderIDs = append(orderIDs, o.ID)
		}
	}
	for _, n := range c.Notifications {
		if _, ok := w.notifications[n.ID]; !ok && n.ID != 0 {
			notificationIDs = append(notificationIDs, n.ID)
		}
	}
	if orderIDs == nil && notificationIDs == nil {
		return nil
	}
	var orders []order.Order
	var notifications []order.Notification
	b := w.tx.batch()
	rows(b, "lock orders", lockOrders, []any{orderIDs}, scanOrder, &orders)
	rows(b, "lock notifications", lockNotifications, []any{notificationIDs}, scanNotification, &notifications)
	if err := w.tx.run(ctx, b); err != nil {
		return err
	}
	w.hold(orders...)
	for i := range notifications {
		w.holdNotification(&notifications[i])
	}
	for _, id := range orderIDs {
		if _, ok := w.orders[id]; !ok {
			return fmt.Errorf("update order %d: %w", id, order.ErrNotFound)
		}
	}
	for _, id := range notificationIDs {
		if _, ok := w.notifications[id]; !ok {
			return fmt.Errorf("update notification %d: %w", id, order.ErrNotFound)
		}
	}
	return nil
}

// appendRest queues what is only ever appended. Events come last: from then on nobody else's
// events are committed.
func (b *batch) appendRest(c order.Change, newID int64) error {
	for _, e := range c.Log {
		if err := b.insertLog(e, newID); err != nil {
			return err
		}
	}
	for _, p := range c.Suspicions {
		b.insertSuspicion(p)
	}
	for _, a := range c.Audits {
		if err := b.insertAudit(a, newID); err != nil {
			return err
		}
	}
	return b.appendEvents(c.Events, newID)
}

// check says what of a change does not fit its column, before anything is sent.
func check(c order.Change) error {
	if c.New != nil {
		if err := checkOrder(*c.New); err != nil {
			return fmt.Errorf("insert an order: %w", err)
		}
	}
	for _, o := range c.Orders {
		if err := checkOrder(o); err != nil {
			return fmt.Errorf("update order %d: %w", o.ID, err)
		}
	}
	var err error
	for _, n := range c.Notifications {
		err = errors.Join(err, checkMoment(n.NotifiedAt), checkMoment(n.NextCheck), checkMoment(n.ParkedAt))
	}
	for _, e := range c.Log {
		err = errors.Join(err, checkMoment(e.At))
	}
	for _, e := range c.Events {
		err = errors.Join(err, checkMoment(e.Time))
	}
	for _, p := range c.Suspicions {
		err = errors.Join(err, checkMoment(p.At))
	}
	for _, a := range c.Audits {
		err = errors.Join(err, checkMoment(a.At))
	}
	return err
}
