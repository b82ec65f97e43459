package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/order"
)

// A lease is held by its token until another takes it, which is possible once lease_until has come.
// A holder whose time is over and whom nobody replaced still holds it.

// checkToken refuses an empty token, which would be a lease that nobody can hold.
func checkToken(token string) error {
	if token == "" {
		return errors.New("a lease needs a token")
	}
	return nil
}

// Rows that another transaction has in hand are passed over: whoever writes them now makes them due again if
// they still are. An ARRAY is searched for once and makes the planner look up its few rows, whatever it thinks of the
// LIMIT. The rows are read after they are leased, by a statement that sees what was written meanwhile.
const (
	// lockPlaces lasts until the commit: of those who count the leases that last, one at a time gives out what is left.
	lockPlaces = `SELECT pg_advisory_xact_lock(hashtextextended('atis.adapter_place', 7005))`
	// freePlaces is $2, or what the leases that last at $1 leave of the $5 places.
	freePlaces = `greatest(0, least($2::bigint, $5::bigint
				- (SELECT count(*) FROM atis.adapter_order WHERE lease_background AND lease_until > $1)
				- (SELECT count(*) FROM atis.adapter_notification WHERE lease_token IS NOT NULL AND lease_until > $1)))`
	takeOrders = `UPDATE atis.adapter_order SET lease_token = $3, lease_until = $4, lease_background = true WHERE order_id = ANY (ARRAY(
			SELECT order_id FROM atis.adapter_order
			WHERE next_check_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
			ORDER BY next_check_at, order_id LIMIT ` + freePlaces + ` FOR UPDATE SKIP LOCKED))
		RETURNING order_id`
	takeNotifications = `UPDATE atis.adapter_notification SET lease_token = $3, lease_until = $4 WHERE notification_id = ANY (ARRAY(
			SELECT notification_id FROM atis.adapter_notification
			WHERE next_check_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
			ORDER BY next_check_at, notification_id LIMIT ` + freePlaces + ` FOR UPDATE SKIP LOCKED))
		RETURNING notification_id`
	takeOrder = `UPDATE atis.adapter_order SET lease_token = $2, lease_until = $3, lease_background = false
		WHERE order_id = $1 AND (lease_until IS NULL OR lease_until <= $4 OR lease_token = $2)`
	renewOrder   = `UPDATE atis.adapter_order SET lease_until = $3 WHERE order_id = $1 AND lease_token = $2`
	releaseOrder = `UPDATE atis.adapter_order SET lease_token = NULL, lease_until = NULL, lease_background = false
		WHERE order_id = $1 AND lease_token = $2`
	renewNotification   = `UPDATE atis.adapter_notification SET lease_until = $3 WHERE notification_id = $1 AND lease_token = $2`
	releaseNotification = `UPDATE atis.adapter_notification SET lease_token = NULL, lease_until = NULL
		WHERE notification_id = $1 AND lease_token = $2`
	dueOffers = `SELECT order_id FROM atis.adapter_order WHERE next_offer_at <= $1 ORDER BY next_offer_at, order_id LIMIT $2`
)

// TakeOrders leases due orders; see order.Store. A limit of 0 or less takes none.
func (s *Store) TakeOrders(ctx context.Context, now time.Time, lease order.Lease, limit, places int) ([]order.Order, error) {
	taken, err := take(ctx, s, leasing{"lease due orders", takeOrders, "read leased orders", ordersByID}, now, lease, limit, places, scanOrder)
	slices.SortFunc(taken, func(a, b order.Order) int {
		return cmp.Or(a.NextCheck.Compare(b.NextCheck), cmp.Compare(a.ID, b.ID))
	})
	return taken, err
}

// TakeNotifications leases due notifications; see order.Store. A limit of 0 or less takes none.
func (s *Store) TakeNotifications(ctx context.Context, now time.Time, lease order.Lease, limit, places int) ([]order.Notification, error) {
	taken, err := take(ctx, s, leasing{"lease due notifications", takeNotifications, "read leased notifications", notificationsByID}, now, lease, limit, places, scanNotification)
	slices.SortFunc(taken, func(a, b order.Notification) int {
		return cmp.Or(a.NextCheck.Compare(b.NextCheck), cmp.Compare(a.ID, b.ID))
	})
	return taken, err
}

// leasing is how due rows of a kind are leased and then read.
type leasing struct{ leasing, take, reading, read string }

// take leases due rows and reads them, in any order.
func take[T any](ctx context.Context, s *Store, l leasing, now time.Time, lease order.Lease, limit, places int, scan func(pgx.CollectableRow) (T, error)) ([]T, error) {
	if err := checkToken(lease.Token); err != nil {
		return nil, err
	}
	var taken []T
	err := s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		var ids []int64
		b := tx.batch()
		b.exec("lock the places", lockPlaces)
		rows(b, l.leasing, l.take, []any{moment(now), max(limit, 0), lease.Token, moment(lease.Until), places}, pgx.RowTo[int64], &ids)
		if err := tx.run(ctx, b); err != nil {
			return err
		}
		taken = nil
		b = tx.batch()
		if len(ids) > 0 {
			rows(b, l.reading, l.read, []any{ids}, scan, &taken)
		}
		return tx.commit(ctx, b)
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
	doing := fmt.Sprintf("lease order %d", id)
	var free bool
	var found []order.Order
	err := s.ask(ctx, func(b *batch) {
		b.queue(doing, takeOrder, []any{id, lease.Token, moment(lease.Until), moment(now)}, func(results pgx.BatchResults) error {
			tag, err := results.Exec()
			free = tag.RowsAffected() > 0
			return err
		})
		rows(b, fmt.Sprintf("read order %d", id), orderByID, []any{id}, scanOrder, &found)
	})
	switch {
	case err != nil:
		return order.Order{}, err
	case len(found) == 0:
		return order.Order{}, fmt.Errorf("%s: %w", doing, order.ErrNotFound)
	case !free:
		return order.Order{}, fmt.Errorf("%s: %w", doing, order.ErrLeaseLost)
	}
	return found[0], nil
}

// RenewOrder moves the end of a lease that is still held, else order.ErrLeaseLost.
func (s *Store) RenewOrder(ctx context.Context, id int64, lease order.Lease) error {
	return s.ask(ctx, func(b *batch) {
		b.must(fmt.Sprintf("renew the lease of order %d", id), order.ErrLeaseLost, renewOrder, id, lease.Token, moment(lease.Until))
	})
}

// ReleaseOrder gives a lease back; one that is no longer held is no error.
func (s *Store) ReleaseOrder(ctx context.Context, id int64, token string) error {
	return s.ask(ctx, func(b *batch) { b.exec(fmt.Sprintf("release order %d", id), releaseOrder, id, token) })
}

// RenewNotification moves the end of a lease that is still held, else order.ErrLeaseLost.
func (s *Store) RenewNotification(ctx context.Context, id int64, lease order.Lease) error {
	return s.ask(ctx, func(b *batch) {
		b.must(fmt.Sprintf("renew the lease of notification %d", id), order.ErrLeaseLost, renewNotification, id, lease.Token, moment(lease.Until))
	})
}

// ReleaseNotification gives a lease back; one that is no longer held is no error.
func (s *Store) ReleaseNotification(ctx context.Context, id int64, token string) error {
	return s.ask(ctx, func(b *batch) { b.exec(fmt.Sprintf("release notification %d", id), releaseNotification, id, token) })
}

// DueOffers returns the keys of orders to be offered; see order.Store.
func (s *Store) DueOffers(ctx context.Context, now time.Time, limit int) ([]int64, error) {
	var ids []int64
	err := s.read(ctx, func(b *batch) {
		rows(b, "search due offers", dueOffers, []any{moment(now), max(limit, 0)}, pgx.RowTo[int64], &ids)
	})
	return ids, err
}
