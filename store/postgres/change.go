package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/order"
)

// Locks that are not rows last until the transaction ends. Their keys are hashes, with a seed for each
// kind; two that are the same by chance make one wait for the other and no more.
const (
	lockAnnouncement   = `SELECT pg_advisory_xact_lock(hashtextextended($1::bigint::text, 7001))`
	lockAnnouncementOf = `SELECT pg_advisory_xact_lock(hashtextextended(teate_id::text, 7001)) FROM atis.maksemooduli_tellimused WHERE id = $1`
	lockEMTA           = `SELECT pg_advisory_xact_lock(hashtextextended($1, 7002))`
)

// Statements that read what a decision sees, and lock it. Each sees what was committed when it began,
// so they come after the lock that they stand under.
const (
	lockOrdersOf = ordersOf + ` FOR UPDATE`
	// lockView are an order and the others of its announcement, newest first.
	lockView = selectOrder + ` WHERE t.id = $1 OR t.teate_id = (SELECT o.teate_id FROM atis.maksemooduli_tellimused o WHERE o.id = $1)
		ORDER BY t.id DESC FOR UPDATE`
	lockOrderByEMTA        = orderByEMTA + ` FOR UPDATE`
	lockOrders             = ordersByID + ` ORDER BY t.id FOR UPDATE`
	lockNotificationByEMTA = notificationByEMTA + ` FOR UPDATE`
	lockNotificationOf     = selectNotification + ` WHERE NOT n.toodeldud
		AND n.tellimuse_id = (SELECT o.tellimuse_id FROM atis.maksemooduli_tellimused o WHERE o.id = $1) FOR UPDATE`
	lockNotifications = notificationsByID + ` ORDER BY n.id FOR UPDATE`

	// counts counts nothing where an order has the id: then nobody needs to know, and there may be thousands.
	counts = `SELECT
		(SELECT count(*) FROM atis.maksemooduli_tellimused WHERE tellimuse_seisund_kl = 'U' AND tellimuse_id IS NULL),
		(SELECT count(*) FROM atis.krediitkaardi_teavitused n WHERE NOT n.toodeldud
			AND NOT EXISTS (SELECT 1 FROM atis.maksemooduli_tellimused t WHERE t.tellimuse_id = n.tellimuse_id))
		WHERE NOT EXISTS (SELECT 1 FROM atis.maksemooduli_tellimused WHERE tellimuse_id = $1)`
)

// Start shows decide the announcement's orders and writes the change; see order.Store.
func (s *Store) Start(ctx context.Context, announcementID int64, lease order.Lease, decide func([]order.Order) (order.Change, error)) (order.Order, error) {
	var started order.Order
	err := s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		b := tx.batch()
		b.exec("lock an announcement", lockAnnouncement, announcementID)
		var orders []order.Order
		rows(b, fmt.Sprintf("read the orders of announcement %d", announcementID), lockOrdersOf, []any{announcementID}, scanOrder, &orders)
		if err := tx.run(ctx, b); err != nil {
			return err
		}
		c, err := decide(orders)
		if err != nil {
			return err
		}
		if c.New != nil && c.New.AnnouncementID != announcementID {
			return fmt.Errorf("start announcement %d: the new order is of announcement %d", announcementID, c.New.AnnouncementID)
		}
		w := writing{tx: tx, lease: lease}
		w.hold(orders...)
		id, b, err := w.apply(ctx, c)
		if err != nil {
			return err
		}
		var written []order.Order
		rows(b, "read the new order", orderByID, []any{id}, scanOrder, &written)
		if err := tx.commit(ctx, b); err != nil {
			return err
		}
		started = order.Order{}
		if len(written) > 0 {
			started = written[0]
		}
		return nil
	})
	if err != nil {
		return order.Order{}, err
	}
	return started, nil
}

// Change shows decide one order and writes the change; see order.Store.
func (s *Store) Change(ctx context.Context, id int64, token string, decide func(order.View) (order.Change, error)) (order.Order, error) {
	var written order.Order
	err := s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		v, err := view(ctx, tx, id, token)
		if err != nil {
			return err
		}
		c, err := decide(v)
		if err != nil {
			return err
		}
		w := writing{tx: tx}
		w.hold(append(v.Others, v.Order)...)
		w.holdNotification(v.Open)
		b, err := w.applyToExisting(ctx, c)
		if err != nil {
			return err
		}
		var read []order.Order
		rows(b, fmt.Sprintf("read order %d", id), orderByID, []any{id}, scanOrder, &read)
		if err := tx.commit(ctx, b); err != nil {
			return err
		}
		written = read[0] // locked since it was seen
		return nil
	})
	if err != nil {
		return order.Order{}, err
	}
	return written, nil
}

func view(ctx context.Context, tx *transaction, id int64, token string) (order.View, error) {
	b := tx.batch()
	b.exec("lock an announcement", lockAnnouncementOf, id)
	var orders []leasedOrder
	rows(b, fmt.Sprintf("read order %d", id), lockView, []any{id}, scanLeasedOrder, &orders)
	var open []order.Notification
	rows(b, "read an open notification", lockNotificationOf, []any{id}, scanNotification, &open)
	if err := tx.run(ctx, b); err != nil {
		return order.View{}, err
	}
	var v order.View
	for _, o := range orders {
		if o.ID != id {
			v.Others = append(v.Others, o.Order)
			continue
		}
		v.Order = o.Order
		if token != "" && o.token != token {
			return order.View{}, fmt.Errorf("order %d: %w", id, order.ErrLeaseLost)
		}
	}
	if v.Order.ID == 0 {
		return order.View{}, fmt.Errorf("read order %d: %w", id, order.ErrNotFound)
	}
	if len(open) > 0 {
		v.Open = &open[0]
	}
	return v, nil
}

// Notified shows decide what is known of EMTA's id and writes the change; see order.Store.
func (s *Store) Notified(ctx context.Context, emtaOrderID string, decide func(order.Known) (order.Change, error)) error {
	return s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		k, err := known(ctx, tx, emtaOrderID)
		if err != nil {
			return err
		}
		w := writing{tx: tx}
		if k.Order != nil {
			w.hold(*k.Order)
		}
		w.holdNotification(k.Open)
		c, err := decide(k)
		if err != nil {
			return err
		}
		b, err := w.applyToExisting(ctx, c)
		if err != nil {
			return err
		}
		return tx.commit(ctx, b)
	})
}

func known(ctx context.Context, tx *transaction, emtaOrderID string) (order.Known, error) {
	var k order.Known
	var orders []order.Order
	var open []order.Notification
	b := tx.batch()
	b.exec("lock an EMTA id", lockEMTA, emtaOrderID)
	rows(b, "read the order of an EMTA id", lockOrderByEMTA, []any{emtaOrderID}, scanOrder, &orders)
	rows(b, "read an open notification", lockNotificationByEMTA, []any{emtaOrderID}, scanNotification, &open)
	var counted []int
	rows(b, "count what is open", counts, []any{emtaOrderID}, func(r pgx.CollectableRow) (int, error) {
		return 1, r.Scan(&k.Creating, &k.OpenUnknown)
	}, &counted)
	if err := tx.run(ctx, b); err != nil {
		return order.Known{}, err
	}
	if len(orders) == 0 && len(counted) == 0 {
		return order.Known{}, errMoved // an order got the id between the two statements
	}
	if len(orders) > 0 {
		k.Order = &orders[0]
	}
	if len(open) > 0 {
		k.Open = &open[0]
	}
	return k, nil
}

// ChangeNotification shows decide one notification and writes the change; see order.Store.
func (s *Store) ChangeNotification(ctx context.Context, id int64, token string, decide func(order.Notification) (order.Change, error)) error {
	return s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		doing := fmt.Sprintf("read notification %d", id)
		var found []leasedNotification
		b := tx.batch()
		rows(b, doing, lockNotifications, []any{[]int64{id}}, scanLeasedNotification, &found)
		if err := tx.run(ctx, b); err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("%s: %w", doing, order.ErrNotFound)
		}
		if token != "" && found[0].token != token {
			return fmt.Errorf("notification %d: %w", id, order.ErrLeaseLost)
		}
		w := writing{tx: tx}
		w.holdNotification(&found[0].Notification)
		c, err := decide(found[0].Notification)
		if err != nil {
			return err
		}
		if b, err = w.applyToExisting(ctx, c); err != nil {
			return err
		}
		return tx.commit(ctx, b)
	})
}

// errNoNew is a change that means its new order where it has none.
var errNoNew = errors.New("a new order is meant, and the change has none")
