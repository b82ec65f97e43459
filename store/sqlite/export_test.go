package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"ametlikudteadaanded.ee/adapter/order"
)

// OpenWith opens a file with other settings than Open's, to see them refused.
func OpenWith(ctx context.Context, path, journal, synchronous string, busy int) (*Store, error) {
	return open(ctx, path, settings{journal: journal, synchronous: synchronous, busy: busy})
}

// Writer and Reader are the pools.
func (s *Store) Writer() *sql.DB { return s.write }
func (s *Store) Reader() *sql.DB { return s.read }

// Queries are the statements of requests and due searches, by name.
func Queries() map[string]string {
	queries := map[string]string{
		"orderByID": orderByID, "orderByEMTA": orderByEMTA, "ordersOf": ordersOf,
		"updateOrderAT": updateOrderAT, "updateOrderOurs": updateOrderOurs,
		"notificationByID": notificationByID, "notificationByEMTA": notificationByEMTA, "counts": counts,
		"updateNotificationAT": updateNotificationAT, "updateNotificationOurs": updateNotificationOurs,
		"dueOrders": dueOrders, "dueNotifications": dueNotifications, "freeOrder": freeOrder, "dueOffers": dueOffers,
		"eventsAfter": eventsAfter, "lastEvent": lastEvent, "dueDeliveries": dueDeliveries, "takeDelivery": takeDelivery,
		"delivered": delivered, "deliveryFailed": deliveryFailed, "backlog": backlog,
		"logOf": logOf, "suspicionsOf": suspicionsOf, "auditsOf": auditsOf, "openFigures": openFigures,
	}
	for _, l := range []leased{orderLease, notificationLease} {
		queries[l.noun+" held"], queries[l.noun+" take"], queries[l.noun+" release"] = l.held, l.take, l.release
		if l.renew != "" {
			queries[l.noun+" renew"] = l.renew
		}
	}
	for i, f := range []order.Filter{{}, {AnnouncementID: 1}, {EMTAOrderID: "x"}, {State: order.Created}, {AnnouncementID: 1, EMTAOrderID: "x", State: order.Created}} {
		queries[fmt.Sprintf("orders %d", i)], _ = ordersQuery(f)
	}
	return queries
}
