package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func orderTests() []test {
	return []test{
		{"round trip of every field", testRoundTrip},
		{"round trip of empty fields", testRoundTripEmpty},
		{"not found", testNotFound},
		{"orders of an announcement, newest first", testOrdersOf},
		{"pages and filters", testOrders},
		{"figures", testFigures},
	}
}

func testRoundTrip(t *testing.T, s Store) {
	want := full(5, "emta-1")
	got := start(t, s, want)
	require.NotZero(t, got.ID)
	want.ID = got.ID
	requireOrder(t, want, got)

	read, err := s.Order(t.Context(), got.ID)
	require.NoError(t, err)
	requireOrder(t, want, read)
	read, err = s.OrderByEMTA(t.Context(), "emta-1")
	require.NoError(t, err)
	requireOrder(t, want, read)
}

func testRoundTripEmpty(t *testing.T, s Store) {
	first := start(t, s, full(5, "emta-1"))
	empty := order.Order{ID: first.ID, State: order.Cancelled}
	requireOrder(t, empty, write(t, s, first.ID, order.Change{Orders: []order.Order{empty}}))
	read, err := s.Order(t.Context(), first.ID)
	require.NoError(t, err)
	requireOrder(t, empty, read)
}

func testNotFound(t *testing.T, s Store) {
	ctx := t.Context()
	o := started(t, s, 5, "emta-1")
	missing := o.ID + 1

	_, err := s.Order(ctx, missing)
	require.ErrorIs(t, err, order.ErrNotFound)
	_, err = s.OrderByEMTA(ctx, "emta-2")
	require.ErrorIs(t, err, order.ErrNotFound)
	_, err = s.OpenNotification(ctx, "emta-1")
	require.ErrorIs(t, err, order.ErrNotFound)
	_, err = s.Change(ctx, missing, "", nothing)
	require.ErrorIs(t, err, order.ErrNotFound)
	err = s.ChangeNotification(ctx, 1, "", func(order.Notification) (order.Change, error) { return order.Change{}, nil })
	require.ErrorIs(t, err, order.ErrNotFound)
	_, err = s.TakeOrder(ctx, missing, noon(), forAMinute("a"))
	require.ErrorIs(t, err, order.ErrNotFound)

	orders, err := s.OrdersOf(ctx, 6)
	require.NoError(t, err)
	require.Empty(t, orders)
	log, err := s.LogOf(ctx, missing)
	require.NoError(t, err)
	require.Empty(t, log)
	audits, err := s.Audits(ctx, missing)
	require.NoError(t, err)
	require.Empty(t, audits)
}

func testOrdersOf(t *testing.T, s Store) {
	first, second := started(t, s, 5, "emta-1"), started(t, s, 5, "emta-2")
	started(t, s, 6, "emta-3")
	require.Greater(t, second.ID, first.ID)
	orders, err := s.OrdersOf(t.Context(), 5)
	require.NoError(t, err)
	requireIDs(t, orders, second.ID, first.ID)
}

func testOrders(t *testing.T, s Store) {
	a, b := started(t, s, 5, "emta-1"), started(t, s, 5, "emta-2")
	c, d := start(t, s, creating(6)), started(t, s, 7, "emta-4")
	for _, row := range []struct {
		filter order.Filter
		want   []int64
	}{
		{order.Filter{Limit: 10}, []int64{a.ID, b.ID, c.ID, d.ID}},
		{order.Filter{Limit: 2}, []int64{a.ID, b.ID}},
		{order.Filter{Limit: 2, After: b.ID}, []int64{c.ID, d.ID}},
		{order.Filter{Limit: 2, After: d.ID}, nil},
		{order.Filter{Limit: 10, AnnouncementID: 5}, []int64{a.ID, b.ID}},
		{order.Filter{Limit: 10, AnnouncementID: 5, After: a.ID}, []int64{b.ID}},
		{order.Filter{Limit: 10, EMTAOrderID: "emta-2"}, []int64{b.ID}},
		{order.Filter{Limit: 10, EMTAOrderID: "emta-2", AnnouncementID: 6}, nil},
		{order.Filter{Limit: 10, State: order.Created}, []int64{a.ID, b.ID, d.ID}},
		{order.Filter{Limit: 1, State: order.Created, After: a.ID}, []int64{b.ID}},
		{order.Filter{Limit: 10, State: order.Created, AnnouncementID: 7}, []int64{d.ID}},
		{order.Filter{Limit: 10, State: order.Completed}, nil},
		{order.Filter{Limit: 10, State: "no such state"}, nil},
		{order.Filter{}, nil},
		{order.Filter{Limit: -1}, nil},
	} {
		orders, err := s.Orders(t.Context(), row.filter)
		require.NoError(t, err, "%+v", row.filter)
		requireIDs(t, orders, row.want...)
	}
}

func testFigures(t *testing.T, s Store) {
	now := noon()
	empty, err := s.Figures(t.Context(), now)
	require.NoError(t, err)
	require.Empty(t, empty.Orders)
	empty.Orders = nil
	require.Zero(t, empty)

	states := map[string]func(o *order.Order){
		"emta-1": func(o *order.Order) { o.NextCheck = now.Add(-time.Hour) },
		"emta-2": func(o *order.Order) { o.NextCheck = now },
		"emta-3": func(o *order.Order) { o.NextCheck = now.Add(time.Microsecond) },
		"emta-4": func(o *order.Order) { o.State, o.OfferAttempt, o.NextCheck = order.Completed, 1, time.Time{} },
		"emta-5": func(o *order.Order) {
			o.State, o.OfferAttempt, o.ClaimForwarded, o.NextCheck = order.Completed, 1, true, time.Time{}
		},
		"emta-6": func(o *order.Order) { o.State, o.Mismatch, o.NextCheck = order.Completed, true, time.Time{} },
	}
	for id, set := range states {
		o := creating(5)
		o.State, o.EMTAOrderID, o.Live = order.Created, id, false
		set(&o)
		start(t, s, o)
	}
	notify(t, s, "unknown-1", now.Add(-time.Minute))
	notify(t, s, "unknown-2", now.Add(-time.Second))

	got, err := s.Figures(t.Context(), now)
	require.NoError(t, err)
	require.Equal(t, order.Figures{
		Orders:    map[order.State]int{order.Created: 3, order.Completed: 3},
		DueOrders: 2, OldestDue: now.Add(-time.Hour),
		OpenNotifications: 2, OldestOpen: now.Add(-time.Minute),
		UnclaimedOrders: 1, Mismatches: 1,
	}, got)
}
