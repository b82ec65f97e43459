package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ametlikudteadaanded.ee/adapter/mandate"
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

// LockFeed is how a transaction takes the end of the feed, AppendEvent how it appends, and LockMigrations
// how a session takes its turn to migrate.
const (
	LockFeed       = lockFeed
	AppendEvent    = appendEvent
	LockMigrations = lockMigrations
)

// Queries are the statements of requests and due searches, by name, with arguments that meet rows in the middle of
// what generate.sql makes of n orders.
func Queries(n int64) map[string]Query {
	now := time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)
	later := now.Add(time.Minute)
	id, other, announcement, emta := n/2, int64(5), n/4, fmt.Sprintf("emta-%d", n/2)
	o := order.Order{ID: id, AnnouncementID: announcement, EMTAOrderID: emta, State: order.Created, NextCheck: now}
	queries := map[string]Query{
		"orderByID":              {orderByID, []any{id}},
		"ordersByID":             {ordersByID, []any{[]int64{other, id}}},
		"orderByEMTA":            {orderByEMTA, []any{emta}},
		"ordersOf":               {ordersOf, []any{announcement}},
		"lockOrdersOf":           {lockOrdersOf, []any{announcement}},
		"lockAnnouncementOf":     {lockAnnouncementOf, []any{id}},
		"lockView":               {lockView, []any{id}},
		"lockOrderByEMTA":        {lockOrderByEMTA, []any{emta}},
		"lockOrders":             {lockOrders, []any{[]int64{other, id}}},
		"notificationByEMTA":     {notificationByEMTA, []any{emta}},
		"lockNotificationByEMTA": {lockNotificationByEMTA, []any{emta}},
		"lockNotificationOf":     {lockNotificationOf, []any{id}},
		"lockNotifications":      {lockNotifications, []any{[]int64{other, n / 4}}},
		"notificationsByID":      {notificationsByID, []any{[]int64{other, n / 4}}},
		"counts":                 {counts, []any{"nobody"}},
		"updateOrderAT":          {updateOrderAT, append(columnsAT(o), id)},
		"updateOrderOurs":        {updateOrderOurs, append(columnsOurs(o), id)},
		"updateNotificationAT":   {updateNotificationAT, []any{emta, now, true, nil, 1, nil, n / 4}},
		"updateNotificationOurs": {updateNotificationOurs, []any{now, nil, n / 4}},
		"takeOrders":             {takeOrders, []any{now, 4, "token", later, 4}},
		"takeNotifications":      {takeNotifications, []any{now, 1, "token", later, 4}},
		"takeOrder":              {takeOrder, []any{id, "token", later, now}},
		"renewOrder":             {renewOrder, []any{id, "token", later}},
		"releaseOrder":           {releaseOrder, []any{id, "token"}},
		"renewNotification":      {renewNotification, []any{n / 4, "token", later}},
		"parkedNotifications":    {parkedNotifications, []any{0, 51}},
		"notificationAuditsOf":   {notificationAuditsOf, []any{n / 4}},
		"releaseNotification":    {releaseNotification, []any{n / 4, "token"}},
		"dueOffers":              {dueOffers, []any{now, 100}},
		"eventsAfter":            {eventsAfter, []any{n, 100}},
		"lastEvent":              {lastEvent, nil},
		"takeDeliveries":         {takeDeliveries, []any{now, 1, "token", later}},
		"delivered":              {delivered, []any{n, "token", now}},
		"deliveryFailed":         {deliveryFailed, []any{n, "token", now, "HTTP 500"}},
		"backlog":                {backlog, nil},
		"openFigures":            {openFigures, []any{now}},
		"logOf":                  {logOf, []any{id}},
		"suspicionsOf":           {suspicionsOf, []any{"strange-7"}},
		"auditsOf":               {auditsOf, []any{id}},
	}
	day, representee, delegate := "2026-03-02", fmt.Sprint(10_000_000+n/20), fmt.Sprint(30_000_000_000+n/20)
	for name, q := range map[string]Query{
		"mandateByID":           {mandateByID, []any{day, n/2 + 10}},
		"lockMandatesOf":        {lockMandatesOf, []any{day, representee}},
		"lockMandatesOfRow":     {lockMandatesOfRow, []any{day, n / 20}},
		"lockMandatesOfMandate": {lockMandatesOfMandate, []any{day, n / 2}},
		"heldMandates":          {heldMandates, []any{day, representee, delegate}},
		"lockRepresenteeOf":     {lockRepresenteeOf, []any{n / 2}},
		"representeeByCode":     {representeeByCode, []any{representee}},
		"representeeOfMandate":  {representeeOfMandate, []any{n / 2}},
		"delegateByCode":        {delegateByCode, []any{delegate}},
		"answeredRequest":       {answeredRequest, []any{"c", "7", now}},
		"updateMandate":         {updateMandate, []any{n / 2, "M", false, day}},
		"adoptMandates":         {adoptMandates, []any{day}},
		"forgetRequests":        {forgetRequests, []any{now.AddDate(-1, 0, 0)}},
		"auditsOfMandate":       {auditsOfMandate, []any{n / 2}},
	} {
		queries[name] = q
	}
	for i, f := range []mandate.Filter{
		{Representee: mandate.Estonian(representee)}, {Delegate: mandate.Estonian(delegate)}, {Representee: mandate.Estonian(representee), Delegate: mandate.Estonian(delegate), History: true},
		{Representee: mandate.Estonian(representee), History: true, Limit: 51}, {Delegate: mandate.Estonian(delegate), After: n / 2, Limit: 51},
	} {
		f.Today = mandate.Date(day)
		query, args := mandatesQuery(f)
		queries[fmt.Sprintf("mandates %d", i)] = Query{query, args}
	}
	for i, f := range []order.Filter{
		{Limit: 51}, {After: n * 9 / 10, Limit: 51}, {AnnouncementID: announcement, Limit: 51}, {EMTAOrderID: emta, Limit: 51},
		{State: order.Created, Limit: 51}, {State: order.Completed, After: n * 9 / 10, Limit: 51},
		{AnnouncementID: announcement, EMTAOrderID: emta, State: order.Created, Limit: 51},
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
