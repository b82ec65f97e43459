package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/order"
)

// A lease is held by its token until another takes it, which is possible once lease_until has come.
// A holder whose time is over and whom nobody replaced still holds it.

// leased is a table whose rows are worked on under a lease, as statements.
type leased struct {
	noun    string
	held    string // is the row's token ?
	take    string
	takeDue string // the same by background work
	renew   string
	release string
}

var (
	orderLease = leased{
		noun:    "order",
		held:    `SELECT EXISTS (SELECT 1 FROM adapter_order WHERE order_id = ? AND lease_token = ?)`,
		take:    `UPDATE adapter_order SET lease_token = ?, lease_until = ?, lease_background = 0 WHERE order_id = ?`,
		takeDue: `UPDATE adapter_order SET lease_token = ?, lease_until = ?, lease_background = 1 WHERE order_id = ?`,
		renew:   `UPDATE adapter_order SET lease_until = ? WHERE order_id = ? AND lease_token = ?`,
		release: `UPDATE adapter_order SET lease_token = NULL, lease_until = NULL, lease_background = 0 WHERE order_id = ? AND lease_token = ?`,
	}
	notificationLease = leased{
		noun:    "notification",
		held:    `SELECT EXISTS (SELECT 1 FROM adapter_notification WHERE notification_id = ? AND lease_token = ?)`,
		takeDue: `UPDATE adapter_notification SET lease_token = ?, lease_until = ? WHERE notification_id = ?`,
		renew:   `UPDATE adapter_notification SET lease_until = ? WHERE notification_id = ? AND lease_token = ?`,
		release: `UPDATE adapter_notification SET lease_token = NULL, lease_until = NULL WHERE notification_id = ? AND lease_token = ?`,
	}
)

// checkToken refuses an empty token, which would be a lease that nobody can hold.
func checkToken(token string) error {
	if token == "" {
		return errors.New("a lease needs a token")
	}
	return nil
}

// checkLease asks whether the row's lease has the token; an empty token asks for nothing.
func checkLease(ctx context.Context, tx transaction, l leased, id int64, token string) error {
	if token == "" {
		return nil
	}
	var held bool
	if err := tx.QueryRowContext(ctx, l.held, id, token).Scan(&held); err != nil {
		return fmt.Errorf("read the lease of %s %d: %w", l.noun, id, err)
	}
	if !held {
		return fmt.Errorf("%s %d: %w", l.noun, id, order.ErrLeaseLost)
	}
	return nil
}

// setLease leases a row by one of the statements that take.
func setLease(ctx context.Context, tx transaction, l leased, take string, id int64, lease order.Lease) error {
	if _, err := tx.ExecContext(ctx, take, lease.Token, instant(lease.Until), id); err != nil {
		return wrap(err, fmt.Sprintf("lease %s %d", l.noun, id))
	}
	return nil
}

// renew moves the end of a lease that is still held, else order.ErrLeaseLost.
func (s *Store) renew(ctx context.Context, l leased, id int64, lease order.Lease) error {
	return s.transact(ctx, func(tx transaction) error {
		held, err := changed(tx.ExecContext(ctx, l.renew, instant(lease.Until), id, lease.Token))
		if err != nil {
			return wrap(err, fmt.Sprintf("renew the lease of %s %d", l.noun, id))
		}
		if !held {
			return fmt.Errorf("%s %d: %w", l.noun, id, order.ErrLeaseLost)
		}
		return nil
	})
}

func (s *Store) release(ctx context.Context, l leased, id int64, token string) error {
	return s.transact(ctx, func(tx transaction) error {
		if _, err := tx.ExecContext(ctx, l.release, id, token); err != nil {
			return wrap(err, fmt.Sprintf("release %s %d", l.noun, id))
		}
		return nil
	})
}

// CROSS JOIN makes SQLite begin with the due rows.
const (
	dueOrders = `SELECT ` + orderColumns + `
		FROM adapter_order a CROSS JOIN maksemooduli_tellimused t ON t.id = a.order_id
		WHERE a.next_check_at <= ? AND (a.lease_until IS NULL OR a.lease_until <= ?)
		ORDER BY a.next_check_at, a.order_id LIMIT ?`
	dueNotifications = `SELECT ` + notificationColumns + `
		FROM adapter_notification a CROSS JOIN krediitkaardi_teavitused n ON n.id = a.notification_id
		WHERE a.next_check_at <= ? AND (a.lease_until IS NULL OR a.lease_until <= ?)
		ORDER BY a.next_check_at, a.notification_id LIMIT ?`
	freeOrder = `SELECT EXISTS (SELECT 1 FROM adapter_order a
		WHERE a.order_id = ? AND (a.lease_until IS NULL OR a.lease_until <= ? OR a.lease_token = ?))`
	dueOffers = `SELECT order_id FROM adapter_order WHERE next_offer_at <= ? ORDER BY next_offer_at, order_id LIMIT ?`
)

// liveLeases are those of background work that last.
const liveLeases = `SELECT (SELECT count(*) FROM adapter_order WHERE lease_background = 1 AND lease_until > ?1)
	+ (SELECT count(*) FROM adapter_notification WHERE lease_token IS NOT NULL AND lease_until > ?1)`

// TakeOrders leases due orders; see order.Store. A limit of 0 or less takes none.
func (s *Store) TakeOrders(ctx context.Context, now time.Time, lease order.Lease, limit, places int) ([]order.Order, error) {
	return take(ctx, s, orderLease, dueOrders, now, lease, limit, places, scanOrder, func(o order.Order) int64 { return o.ID })
}

// TakeNotifications leases due notifications; see order.Store. A limit of 0 or less takes none.
func (s *Store) TakeNotifications(ctx context.Context, now time.Time, lease order.Lease, limit, places int) ([]order.Notification, error) {
	return take(ctx, s, notificationLease, dueNotifications, now, lease, limit, places, scanNotification, func(n order.Notification) int64 { return n.ID })
}

// take leases due rows as long as there are places.
func take[T any](ctx context.Context, s *Store, l leased, due string, now time.Time, lease order.Lease, limit, places int,
	scan func(row) (T, error), id func(T) int64) ([]T, error) {
	if err := checkToken(lease.Token); err != nil {
		return nil, err
	}
	var taken []T
	err := s.transact(ctx, func(tx transaction) error {
		var live int
		if err := tx.QueryRowContext(ctx, liveLeases, instant(now)).Scan(&live); err != nil {
			return fmt.Errorf("count leases: %w", err)
		}
		rows, err := tx.QueryContext(ctx, due, instant(now), instant(now), max(0, min(limit, places-live)))
		if taken, err = collect(rows, err, scan); err != nil {
			return fmt.Errorf("search a due %s: %w", l.noun, err)
		}
		for _, t := range taken {
			if err := setLease(ctx, tx, l, l.takeDue, id(t), lease); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// TakeOrder leases one order, due or not; who holds it already may take it anew.
func (s *Store) TakeOrder(ctx context.Context, id int64, now time.Time, lease order.Lease) (order.Order, error) {
	if err := checkToken(lease.Token); err != nil {
		return order.Order{}, err
	}
	var o order.Order
	err := s.transact(ctx, func(tx transaction) error {
		var err error
		if o, err = findOrder(ctx, tx, id); err != nil {
			return err
		}
		var free bool
		if err := tx.QueryRowContext(ctx, freeOrder, id, instant(now), lease.Token).Scan(&free); err != nil {
			return fmt.Errorf("read the lease of order %d: %w", id, err)
		}
		if !free {
			return fmt.Errorf("order %d: %w", id, order.ErrLeaseLost)
		}
		return setLease(ctx, tx, orderLease, orderLease.take, id, lease)
	})
	if err != nil {
		return order.Order{}, err
	}
	return o, nil
}

// RenewOrder moves the end of a lease that is still held, else order.ErrLeaseLost.
func (s *Store) RenewOrder(ctx context.Context, id int64, lease order.Lease) error {
	return s.renew(ctx, orderLease, id, lease)
}

// RenewNotification moves the end of a lease that is still held, else order.ErrLeaseLost.
func (s *Store) RenewNotification(ctx context.Context, id int64, lease order.Lease) error {
	return s.renew(ctx, notificationLease, id, lease)
}

// ReleaseOrder gives a lease back; one that is no longer held is no error.
func (s *Store) ReleaseOrder(ctx context.Context, id int64, token string) error {
	return s.release(ctx, orderLease, id, token)
}

// ReleaseNotification gives a lease back; one that is no longer held is no error.
func (s *Store) ReleaseNotification(ctx context.Context, id int64, token string) error {
	return s.release(ctx, notificationLease, id, token)
}

// DueOffers returns the keys of orders to be offered; see order.Store.
func (s *Store) DueOffers(ctx context.Context, now time.Time, limit int) ([]int64, error) {
	rows, err := s.read.QueryContext(ctx, dueOffers, instant(now), max(limit, 0))
	ids, err := collect(rows, err, func(r row) (int64, error) {
		var id int64
		err := r.Scan(&id)
		return id, err
	})
	if err != nil {
		return nil, fmt.Errorf("search due offers: %w", err)
	}
	return ids, nil
}
