package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
)

func changeTests() []test {
	return []test{
		{"decide sees the order, the others and the open notification", testChangeSees},
		{"everything is written", testChangeWrites},
		{"the error of decide is returned and nothing written", testChangeError},
		{"a change that fails on its way writes nothing", testChangeHalf},
		{"a panic of decide writes nothing and locks nothing", testChangePanic},
		{"a context that ends meanwhile writes nothing", testChangeEnded},
		{"a suspicion is kept once", testSuspicionOnce},
	}
}

func testChangeSees(t *testing.T, s Store) {
	a, b, c := started(t, s, 5, "emta-1"), started(t, s, 5, "emta-2"), started(t, s, 5, "emta-3")
	started(t, s, 6, "emta-4")
	see := func() (seen order.View) {
		_, err := s.Change(t.Context(), b.ID, "", func(v order.View) (order.Change, error) {
			seen = v
			return order.Change{}, nil
		})
		require.NoError(t, err)
		return seen
	}
	v := see()
	requireOrder(t, b, v.Order)
	requireIDs(t, v.Others, c.ID, a.ID)
	require.Nil(t, v.Open)

	notify(t, s, "emta-1", noon())
	notify(t, s, "emta-2", noon().Add(time.Second))
	v = see()
	require.NotNil(t, v.Open)
	require.Equal(t, "emta-2", v.Open.EMTAOrderID)
	require.Equal(t, noon().Add(time.Second), v.Open.NotifiedAt)
}

func testChangeWrites(t *testing.T, s Store) {
	ctx := t.Context()
	a, b := started(t, s, 5, "emta-1"), started(t, s, 5, "emta-2")
	a.State, a.Finished = order.Completed, noon()
	b.DuplicateOf = a.ID
	log := []order.LogEntry{
		{OrderID: a.ID, At: noon(), Action: order.LogSync, Message: "Tellimuse staatus uuendatud: (L) → (T)"},
		{OrderID: a.ID, At: noon(), Action: order.LogClaim},
	}
	suspicions := []order.Suspicion{{At: noon(), OrderID: a.ID, EMTAOrderID: "emta-9", Reason: "stamp", Answer: "<a>õ</a>"}}
	audits := []order.Audit{{At: noon(), OrderID: a.ID, Actor: "clerk", Action: "accept", Detail: "agreed"}}
	written := write(t, s, a.ID, order.Change{
		Orders: []order.Order{a, b}, Log: log, Suspicions: suspicions, Audits: audits, Events: eventsOf(a.ID, 2),
		Notifications: []order.Notification{{EMTAOrderID: "emta-8", NotifiedAt: noon(), Attempts: 2, Failure: "timeout", Answer: "<x/>", NextCheck: noon()}},
	})
	requireOrder(t, a, written)

	got := snapshot(t, s, "emta-8")
	require.Equal(t, [][]order.LogEntry{log, nil}, got.Log)
	require.Equal(t, suspicions, got.Suspicions)
	require.Equal(t, [][]order.Audit{audits, nil}, got.Audits)
	requireOrder(t, a, got.Orders[0])
	requireOrder(t, b, got.Orders[1])
	require.Len(t, got.Notifications, 1)
	require.NotZero(t, got.Notifications[0].ID)
	got.Notifications[0].ID = 0
	require.Equal(t, order.Notification{EMTAOrderID: "emta-8", NotifiedAt: noon(), Attempts: 2, Failure: "timeout", Answer: "<x/>", NextCheck: noon()}, got.Notifications[0])
	require.Len(t, got.Events, 2)
	of, err := s.Suspicions(ctx, "emta-9")
	require.NoError(t, err)
	require.Equal(t, suspicions, of)
	of, err = s.Suspicions(ctx, "emta-1")
	require.NoError(t, err)
	require.Empty(t, of)
}

func testChangeError(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	before := snapshot(t, s)
	refused := errors.New("refused")
	o.Attempts++
	c := order.Change{Orders: []order.Order{o}, Events: eventsOf(o.ID, 1)}

	_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) { return c, refused })
	require.True(t, err == refused, "as it is: %v", err)
	err = s.Notified(t.Context(), "emta-1", func(order.Known) (order.Change, error) { return c, refused })
	require.True(t, err == refused, "as it is: %v", err)
	require.Equal(t, before, snapshot(t, s))
}

// testChangeHalf puts what fails last, behind rows that could be written.
func testChangeHalf(t *testing.T, s Store) {
	o, other := started(t, s, 5, "emta-1"), started(t, s, 6, "emta-2")
	write(t, s, o.ID, order.Change{Events: eventsOf(o.ID, 1)})
	notify(t, s, "emta-1", noon())
	before := snapshot(t, s, "emta-1", "emta-2", "emta-3")

	sameID, unknownState, tooExact, absent := other, other, other, other
	sameID.EMTAOrderID = "emta-1"
	unknownState.State = "paid"
	tooExact.Amount = decimal.RequireFromString("30.001")
	absent.ID += 1000
	fresh := creating(7)
	for _, row := range []struct {
		name string
		add  func(c *order.Change)
		want error
	}{
		{"EMTA's id is another order's", func(c *order.Change) { c.Orders = append(c.Orders, sameID) }, order.ErrConflict},
		{"no such order", func(c *order.Change) { c.Orders = append(c.Orders, absent) }, order.ErrNotFound},
		{"no such notification", func(c *order.Change) {
			c.Notifications = append(c.Notifications, order.Notification{ID: 1000, EMTAOrderID: "emta-4"})
		}, order.ErrNotFound},
		{"a second open notification of an id", func(c *order.Change) {
			c.Notifications = append(c.Notifications, order.Notification{EMTAOrderID: "emta-1", NotifiedAt: noon()})
		}, order.ErrConflict},
		{"an event's id twice", func(c *order.Change) { c.Events = append(c.Events, eventsOf(o.ID, 1)...) }, order.ErrConflict},
		{"unknown state", func(c *order.Change) { c.Orders = append(c.Orders, unknownState) }, nil},
		{"more than cents", func(c *order.Change) { c.Orders = append(c.Orders, tooExact) }, nil},
		{"a new order outside a start", func(c *order.Change) { c.New = &fresh }, nil},
		{"log of a new order where none is", func(c *order.Change) { c.Log = append(c.Log, order.LogEntry{At: noon(), Action: order.LogSync}) }, nil},
		{"log of no such order", func(c *order.Change) {
			c.Log = append(c.Log, order.LogEntry{OrderID: 1000, At: noon(), Action: order.LogSync})
		}, nil},
		{"event of a new order where none is", func(c *order.Change) {
			c.Events = append(c.Events, event.Event{ID: "event-x", Type: "t", Time: noon()})
		}, nil},
		{"audit of a new order where none is", func(c *order.Change) {
			c.Audits = append(c.Audits, order.Audit{At: noon(), Actor: "a", Action: "cancel"})
		}, nil},
	} {
		written := o
		written.Attempts = 7
		c := order.Change{
			Orders:        []order.Order{written},
			Notifications: []order.Notification{{EMTAOrderID: "emta-3", NotifiedAt: noon()}},
			Log:           []order.LogEntry{{OrderID: o.ID, At: noon(), Action: order.LogSync}},
			Suspicions:    []order.Suspicion{{At: noon(), EMTAOrderID: "emta-9", Reason: "stamp"}},
			Events:        []event.Event{occurrence(o.ID, 2)},
			Audits:        []order.Audit{{At: noon(), OrderID: o.ID, Actor: "a", Action: "refresh"}},
		}
		row.add(&c)
		_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) { return c, nil })
		require.Error(t, err, row.name)
		if row.want != nil {
			require.ErrorIs(t, err, row.want, row.name)
		}
		require.Equal(t, before, snapshot(t, s, "emta-1", "emta-2", "emta-3"), row.name)
		require.Error(t, s.Notified(t.Context(), "emta-1", func(order.Known) (order.Change, error) { return c, nil }), row.name)
		require.Equal(t, before, snapshot(t, s, "emta-1", "emta-2", "emta-3"), row.name)
	}
}

func testChangePanic(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	before := snapshot(t, s)
	require.Panics(t, func() {
		_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) { panic("impossible") })
		t.Error("returned", err)
	})
	require.Equal(t, before, snapshot(t, s))
	o.Attempts = 1
	requireOrder(t, o, write(t, s, o.ID, order.Change{Orders: []order.Order{o}}))
}

func testChangeEnded(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	before := snapshot(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	o.Attempts = 1
	_, err := s.Change(ctx, o.ID, "", func(order.View) (order.Change, error) {
		cancel()
		return order.Change{Orders: []order.Order{o}, Events: eventsOf(o.ID, 1)}, nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, before, snapshot(t, s))
	_, err = s.Order(ctx, o.ID)
	require.ErrorIs(t, err, context.Canceled)
	requireOrder(t, o, write(t, s, o.ID, order.Change{Orders: []order.Order{o}}))
}

func testSuspicionOnce(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	first := order.Suspicion{At: noon(), OrderID: o.ID, EMTAOrderID: "emta-9", Reason: "stamp", Answer: "first"}
	again := first
	again.At, again.Answer = noon().Add(time.Hour), "again"
	otherReason, otherID, nobodys := first, first, first
	otherReason.Reason = "reference-number"
	otherID.EMTAOrderID = "emta-8"
	nobodys.OrderID, nobodys.EMTAOrderID = 0, "emta-7"
	write(t, s, o.ID, order.Change{Suspicions: []order.Suspicion{first, again}})
	write(t, s, o.ID, order.Change{Suspicions: []order.Suspicion{again, otherReason, otherID, nobodys, nobodys}})
	got, err := s.Suspicions(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []order.Suspicion{first, otherReason, otherID, nobodys}, got)
}

// eventsOf are the first n events of an order.
func eventsOf(orderID int64, n int) []event.Event {
	var list []event.Event
	for i := range n {
		list = append(list, occurrence(orderID, i+1))
	}
	return list
}
