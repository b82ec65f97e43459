package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ametlikudteadaanded.ee/adapter/order"
)

// SpoilConnection runs a statement on the nth of size connections, or on all with -1.
func (s *Store) SpoilConnection(ctx context.Context, size, nth int, statement string) error {
	var err error
	var conns []*pgxpool.Conn
	for range size {
		conn, e := s.pool.Acquire(ctx)
		if e != nil {
			return e
		}
		conns = append(conns, conn)
	}
	for i, conn := range conns {
		if i == nth || nth < 0 {
			_, e := conn.Exec(ctx, statement)
			err = errors.Join(err, e)
		}
		conn.Release()
	}
	return err
}

// LockFeed is how a transaction takes the end of the feed, and AppendEvent how it appends.
const (
	LockFeed    = lockFeed
	AppendEvent = appendEvent
)

// LockOrder is how a Change locks an order.
const LockOrder = lockView

// Transact runs work in a transaction of the store.
func (s *Store) Transact(ctx context.Context, work func(ctx context.Context, conn *pgx.Conn) error) error {
	return s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		if err := tx.run(ctx, tx.batch()); err != nil {
			return err
		}
		if err := work(ctx, tx.conn); err != nil {
			return err
		}
		return tx.commit(ctx, tx.batch())
	})
}

// Queries are the statements of requests and due searches, by name, each with arguments that meet rows of
// the millionth part of what generate.sql makes.
func Queries() map[string]Query {
	now, later := ExplainNow(), ExplainNow().Add(time.Minute)
	order1 := order.Order{ID: 500_000, AnnouncementID: 500_000, EMTAOrderID: "emta-500000", State: order.Created, NextCheck: now}
	queries := map[string]Query{
		"orderByID":              {orderByID, []any{int64(500_000)}},
		"ordersByID":             {ordersByID, []any{[]int64{5, 500_000}}},
		"orderByEMTA":            {orderByEMTA, []any{"emta-500000"}},
		"ordersOf":               {ordersOf, []any{int64(250_000)}},
		"lockOrdersOf":           {lockOrdersOf, []any{int64(250_000)}},
		"lockAnnouncementOf":     {lockAnnouncementOf, []any{int64(500_000)}},
		"lockView":               {lockView, []any{int64(500_000)}},
		"lockOrderByEMTA":        {lockOrderByEMTA, []any{"emta-500000"}},
		"lockOrders":             {lockOrders, []any{[]int64{5, 500_000}}},
		"lockNotificationByEMTA": {lockNotificationByEMTA, []any{"emta-500000"}},
		"lockNotificationOf":     {lockNotificationOf, []any{int64(500_000)}},
		"lockNotifications":      {lockNotifications, []any{[]int64{5, 50_000}}},
		"counts":                 {counts, nil},
		"updateOrderAT":          {updateOrderAT, append(columnsAT(order1), order1.ID)},
		"updateOrderOurs":        {updateOrderOurs, append(columnsOurs(order1), order1.ID)},
		"updateNotificationAT":   {updateNotificationAT, []any{"emta-500000", now, true, nil, 1, nil, int64(50_000)}},
		"updateNotificationOurs": {updateNotificationOurs, []any{now, int64(50_000)}},
		"takeOrders":             {takeOrders, []any{now, 4, "token", later}},
		"takeNotifications":      {takeNotifications, []any{now, 1, "token", later}},
		"takeOrder":              {takeOrder, []any{int64(500_000), "token", later, now}},
		"renewOrder":             {renewOrder, []any{int64(500_000), "token", later}},
		"releaseOrder":           {releaseOrder, []any{int64(500_000), "token"}},
		"releaseNotification":    {releaseNotification, []any{int64(50_000), "token"}},
		"dueOffers":              {dueOffers, []any{now, 100}},
		"eventsAfter":            {eventsAfter, []any{int64(1_000_000), 100}},
		"lastEvent":              {lastEvent, nil},
		"takeDeliveries":         {takeDeliveries, []any{now, 1, "token", later}},
		"delivered":              {delivered, []any{int64(500_000), "token", now}},
		"deliveryFailed":         {deliveryFailed, []any{int64(500_000), "token", now, "HTTP 500"}},
		"backlog":                {backlog, nil},
		"openFigures":            {openFigures, []any{now}},
		"logOf":                  {logOf, []any{int64(500_000)}},
		"suspicionsOf":           {suspicionsOf, []any{"emta-500000"}},
		"auditsOf":               {auditsOf, []any{int64(500_000)}},
	}
	for i, f := range []order.Filter{
		{Limit: 51}, {After: 900_000, Limit: 51}, {AnnouncementID: 250_000, Limit: 51}, {EMTAOrderID: "emta-500000", Limit: 51},
		{State: order.Created, Limit: 51}, {State: order.Completed, After: 900_000, Limit: 51},
		{AnnouncementID: 250_000, EMTAOrderID: "emta-500000", State: order.Created, Limit: 51},
	} {
		query, args := ordersQuery(f)
		queries[fmt.Sprintf("orders %d", i)] = Query{query, args}
	}
	return queries
}

// Query is a statement with arguments.
type Query struct {
	SQL  string
	Args []any
}

// ExplainNow is the time at which what the queries look for is due.
func ExplainNow() time.Time { return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC) }
