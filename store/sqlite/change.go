package sqlite

import (
	"context"
	"errors"
	"fmt"

	"ametlikudteadaanded.ee/adapter/order"
)

// errNoNew is a change that means its new order where it has none.
var errNoNew = errors.New("a new order is meant, and the change has none")

// Start shows decide the announcement's orders and writes the change; see order.Store.
func (s *Store) Start(ctx context.Context, announcementID int64, lease order.Lease, decide func([]order.Order) (order.Change, error)) (order.Order, error) {
	var started order.Order
	err := s.transact(ctx, func(tx transaction) error {
		orders, err := findOrdersOf(ctx, tx, announcementID)
		if err != nil {
			return err
		}
		c, err := decide(orders)
		if err != nil {
			return err
		}
		if c.New != nil && c.New.AnnouncementID != announcementID {
			return fmt.Errorf("start announcement %d: the new order is of announcement %d", announcementID, c.New.AnnouncementID)
		}
		id, err := apply(ctx, tx, c, lease)
		if err != nil || id == 0 {
			return err
		}
		started, err = findOrder(ctx, tx, id)
		return err
	})
	if err != nil {
		return order.Order{}, err
	}
	return started, nil
}

// Change shows decide one order and writes the change; see order.Store.
func (s *Store) Change(ctx context.Context, id int64, token string, decide func(order.View) (order.Change, error)) (order.Order, error) {
	var written order.Order
	err := s.transact(ctx, func(tx transaction) error {
		v, err := view(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := checkLease(ctx, tx, orderLease, id, token); err != nil {
			return err
		}
		c, err := decide(v)
		if err != nil {
			return err
		}
		if err := applyToExisting(ctx, tx, c); err != nil {
			return err
		}
		written, err = findOrder(ctx, tx, id)
		return err
	})
	if err != nil {
		return order.Order{}, err
	}
	return written, nil
}

func view(ctx context.Context, tx transaction, id int64) (order.View, error) {
	o, err := findOrder(ctx, tx, id)
	if err != nil {
		return order.View{}, err
	}
	v := order.View{Order: o}
	all, err := findOrdersOf(ctx, tx, o.AnnouncementID)
	if err != nil {
		return order.View{}, err
	}
	for _, other := range all {
		if other.ID != id {
			v.Others = append(v.Others, other)
		}
	}
	if o.EMTAOrderID != "" {
		v.Open, err = openNotification(ctx, tx, o.EMTAOrderID)
	}
	return v, err
}

// Notified shows decide what is known of EMTA's id and writes the change; see order.Store.
func (s *Store) Notified(ctx context.Context, emtaOrderID string, decide func(order.Known) (order.Change, error)) error {
	return s.transact(ctx, func(tx transaction) error {
		k, err := known(ctx, tx, emtaOrderID)
		if err != nil {
			return err
		}
		c, err := decide(k)
		if err != nil {
			return err
		}
		return applyToExisting(ctx, tx, c)
	})
}

const counts = `SELECT
	(SELECT count(*) FROM maksemooduli_tellimused WHERE tellimuse_seisund_kl = 'U' AND tellimuse_id IS NULL),
	(SELECT count(*) FROM krediitkaardi_teavitused n WHERE n.toodeldud = 0
		AND NOT EXISTS (SELECT 1 FROM maksemooduli_tellimused t WHERE t.tellimuse_id = n.tellimuse_id))`

// known counts nothing where an order has the id: then nobody needs to know, and there may be thousands.
func known(ctx context.Context, tx transaction, emtaOrderID string) (order.Known, error) {
	var k order.Known
	o, err := findOrderByEMTA(ctx, tx, emtaOrderID)
	switch {
	case err == nil:
		k.Order = &o
	case !errors.Is(err, order.ErrNotFound):
		return k, err
	}
	if k.Open, err = openNotification(ctx, tx, emtaOrderID); err != nil {
		return k, err
	}
	if k.Order != nil {
		return k, nil
	}
	if err := tx.QueryRowContext(ctx, counts).Scan(&k.Creating, &k.OpenUnknown); err != nil {
		return k, fmt.Errorf("count what is open: %w", err)
	}
	return k, nil
}

// ChangeNotification shows decide one notification and writes the change; see order.Store.
func (s *Store) ChangeNotification(ctx context.Context, id int64, token string, decide func(order.Notification) (order.Change, error)) error {
	return s.transact(ctx, func(tx transaction) error {
		n, err := findNotification(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := checkLease(ctx, tx, notificationLease, id, token); err != nil {
			return err
		}
		c, err := decide(n)
		if err != nil {
			return err
		}
		return applyToExisting(ctx, tx, c)
	})
}

// applyToExisting writes a change that inserts no order: without a lease of Start nobody would hold it.
func applyToExisting(ctx context.Context, tx transaction, c order.Change) error {
	if c.New != nil {
		return errors.New("a new order can only come out of Start")
	}
	_, err := apply(ctx, tx, c, order.Lease{})
	return err
}

// apply writes all of a change and returns the key of its new order, 0 if there is none.
func apply(ctx context.Context, tx transaction, c order.Change, lease order.Lease) (int64, error) {
	// Attempts that end go first: one that begins in the same change takes their place.
	for _, live := range []bool{false, true} {
		for _, o := range c.Orders {
			if o.Live != live {
				continue
			}
			if err := updateOrder(ctx, tx, o); err != nil {
				return 0, err
			}
		}
	}
	var id int64
	if c.New != nil {
		if err := checkToken(lease.Token); err != nil {
			return 0, err
		}
		var err error
		if id, err = insertOrder(ctx, tx, *c.New, lease); err != nil {
			return 0, err
		}
	}
	for _, n := range c.Notifications {
		if err := writeNotification(ctx, tx, n); err != nil {
			return 0, err
		}
	}
	for _, e := range c.Log {
		if err := insertLog(ctx, tx, e, id); err != nil {
			return 0, err
		}
	}
	for _, e := range c.Events {
		if err := insertEvent(ctx, tx, e, id); err != nil {
			return 0, err
		}
	}
	for _, susp := range c.Suspicions {
		if err := insertSuspicion(ctx, tx, susp); err != nil {
			return 0, err
		}
	}
	for _, a := range c.Audits {
		if err := insertAudit(ctx, tx, a, id); err != nil {
			return 0, err
		}
	}
	return id, nil
}
