package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	driver "modernc.org/sqlite"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/order"
)

// OpenWith opens a file with other settings than Open's, to see them refused.
func OpenWith(ctx context.Context, path, journal, synchronous string, busy int) (*Store, error) {
	return open(ctx, path, settings{journal: journal, synchronous: synchronous, busy: busy})
}

// Writer and Reader are the pools.
func (s *Store) Writer() *sql.DB { return s.write }
func (s *Store) Reader() *sql.DB { return s.read }

// ShareFor bounds a transaction that several share, instead of maxGroupTime; call it before the first change.
func (s *Store) ShareFor(d time.Duration) { s.commits.share = d }

// Waiting is how many units of work are handed over and not begun.
func (s *Store) Waiting() int { return len(s.commits.queue) }

// MaxGroup and MaxQueued are the limits.
const (
	MaxGroup  = maxGroup
	MaxQueued = maxQueued
)

// ErrClosed is what a change of a closed store returns.
func ErrClosed() error { return errClosed }

// Queries are the statements of requests and due searches, by name.
func Queries() map[string]string {
	queries := map[string]string{
		"orderByID": orderByID, "orderByEMTA": orderByEMTA, "ordersOf": ordersOf,
		"updateOrderAT": updateOrderAT, "updateOrderOurs": updateOrderOurs,
		"notificationByID": notificationByID, "notificationByEMTA": notificationByEMTA, "counts": counts, "liveLeases": liveLeases,
		"parkedNotifications": parkedNotifications, "notificationAuditsOf": notificationAuditsOf,
		"updateNotificationAT": updateNotificationAT, "updateNotificationOurs": updateNotificationOurs,
		"dueOrders": dueOrders, "dueNotifications": dueNotifications, "freeOrder": freeOrder, "dueOffers": dueOffers,
		"eventsAfter": eventsAfter, "lastEvent": lastEvent, "dueDeliveries": dueDeliveries, "takeDelivery": takeDelivery,
		"delivered": delivered, "deliveryFailed": deliveryFailed, "backlog": backlog,
		"logOf": logOf, "suspicionsOf": suspicionsOf, "auditsOf": auditsOf, "openFigures": openFigures,
	}
	for _, l := range []leased{orderLease, notificationLease} {
		queries[l.noun+" held"], queries[l.noun+" take due"], queries[l.noun+" release"], queries[l.noun+" renew"] = l.held, l.takeDue, l.release, l.renew
		if l.take != "" {
			queries[l.noun+" take"] = l.take
		}
	}
	for name, query := range map[string]string{
		"mandateByID": mandateByID, "mandatesOfRow": mandatesOfRow, "heldMandates": heldMandates, "representeeByCode": representeeByCode,
		"representeeByID": representeeByID, "delegateByCode": delegateByCode, "answeredRequest": answeredRequest, "updateMandate": updateMandate,
		"adoptMandates": adoptMandates, "forgetRequests": forgetRequests, "auditsOfMandate": auditsOfMandate, "scheduleByName": scheduleByName,
	} {
		queries[name] = query
	}
	for i, f := range []mandate.Filter{{Representee: "EE10391131"}, {Delegate: "EE60001019906"}, {Representee: "EE10391131", Delegate: "EE60001019906", History: true, Limit: 51}} {
		queries[fmt.Sprintf("mandates %d", i)], _ = mandatesQuery(f)
	}
	for i, f := range []order.Filter{{}, {AnnouncementID: 1}, {EMTAOrderID: "x"}, {State: order.Created}, {AnnouncementID: 1, EMTAOrderID: "x", State: order.Created}} {
		queries[fmt.Sprintf("orders %d", i)], _ = ordersQuery(f)
	}
	return queries
}

// OnCommit has hook run at each commit of the store, before it is made; what hook returns other than 0 makes
// it fail.
func (s *Store) OnCommit(ctx context.Context, hook func() int32) error {
	return s.hook(ctx, func(c driver.HookRegisterer) { c.RegisterCommitHook(hook) })
}

// OnRow has hook run in a statement, before each row that it writes.
func (s *Store) OnRow(ctx context.Context, hook func(table string)) error {
	return s.hook(ctx, func(c driver.HookRegisterer) {
		c.RegisterPreUpdateHook(func(row driver.SQLitePreUpdateData) { hook(row.TableName) })
	})
}

func (s *Store) hook(ctx context.Context, register func(c driver.HookRegisterer)) error {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error {
		register(c.(driver.HookRegisterer))
		return nil
	})
}

// Path is the file's.
func (s *Store) Path() string { return s.path }

// WriteThenEnd writes a notification of an id under a context that ends behind the last statement.
func (s *Store) WriteThenEnd(id string) error {
	ctx, cancel := context.WithCancel(context.Background())
	return s.transact(ctx, func(tx transaction) error {
		defer cancel()
		return writeNotification(ctx, tx, order.Notification{EMTAOrderID: id})
	})
}
