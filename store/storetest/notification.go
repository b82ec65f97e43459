package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func notificationTests() []test {
	return []test{
		{"what is known of an id", testKnown},
		{"a renewal while EMTA is asked", testRenewal},
		{"one open notification an id", testOneOpen},
		{"of an id that no order has", testUnknown},
		{"a lease of a notification", testNotificationLease},
	}
}

// look returns what decide sees of an id.
func look(t testing.TB, s Store, emtaOrderID string) (seen order.Known) {
	t.Helper()
	err := s.Notified(t.Context(), emtaOrderID, func(k order.Known) (order.Change, error) {
		seen = k
		return order.Change{}, nil
	})
	require.NoError(t, err)
	return seen
}

func testKnown(t *testing.T, s Store) {
	require.Equal(t, order.Known{}, look(t, s, "emta-1"))
	o := started(t, s, 5, "emta-1")
	start(t, s, creating(6))
	start(t, s, creating(7))
	notify(t, s, "emta-1", noon())
	for i := range 3 {
		notify(t, s, fmt.Sprintf("unknown-%d", i), noon())
	}

	k := look(t, s, "emta-1")
	require.NotNil(t, k.Order)
	require.Equal(t, o.ID, k.Order.ID)
	require.NotNil(t, k.Open)
	require.Equal(t, noon(), k.Open.NotifiedAt)
	require.Zero(t, k.Creating, "not counted where an order has the id: there may be thousands")
	require.Zero(t, k.OpenUnknown)

	k = look(t, s, "unknown-1")
	require.Equal(t, 2, k.Creating)
	require.Equal(t, 3, k.OpenUnknown)
	require.Nil(t, k.Order)
	require.NotNil(t, k.Open)
	require.Equal(t, "unknown-1", k.Open.EMTAOrderID)
	k = look(t, s, "unknown-9")
	require.Nil(t, k.Order)
	require.Nil(t, k.Open)

	// Who becomes known is unknown no more, and has its id.
	found := creating(8)
	found.EMTAOrderID = "unknown-1"
	start(t, s, found)
	k = look(t, s, "unknown-1")
	require.NotNil(t, k.Order)
	k = look(t, s, "unknown-9")
	require.Equal(t, 2, k.OpenUnknown)
	require.Equal(t, 2, k.Creating)
}

// testRenewal is the trap of EMTA §6: the renewal comes after EMTA was asked and before the row is marked.
func testRenewal(t *testing.T, s Store) {
	ctx := t.Context()
	o := started(t, s, 5, "emta-1")
	notify(t, s, "emta-1", noon())

	// The worker takes the order and remembers the notification that it starts from.
	taken, err := s.TakeOrders(ctx, noon(), forAMinute("worker"), 1, many)
	require.NoError(t, err)
	requireIDs(t, taken, o.ID)
	remembered, err := s.OpenNotification(ctx, "emta-1")
	require.NoError(t, err)

	// While it asks EMTA, the renewal arrives.
	notify(t, s, "emta-1", noon().Add(time.Microsecond))

	process := func(v order.View) (order.Change, error) {
		now := noon().Add(time.Second)
		checked := v.Order
		checked.State, checked.NextCheck = order.Pending, now.Add(time.Hour)
		c := order.Change{}
		if v.Open != nil && v.Open.NotifiedAt.Equal(remembered.NotifiedAt) {
			n := *v.Open
			n.Processed = true
			c.Notifications = []order.Notification{n}
		} else {
			checked.NextCheck = now
		}
		c.Orders = []order.Order{checked}
		return c, nil
	}
	_, err = s.Change(ctx, o.ID, "worker", process)
	require.NoError(t, err)
	require.NoError(t, s.ReleaseOrder(ctx, o.ID, "worker"))

	// It is open still, with the renewal's time, and due at once.
	open, err := s.OpenNotification(ctx, "emta-1")
	require.NoError(t, err)
	require.Equal(t, remembered.ID, open.ID)
	require.Equal(t, noon().Add(time.Microsecond), open.NotifiedAt)
	taken, err = s.TakeOrders(ctx, noon().Add(time.Second), order.Lease{Token: "next", Until: noon().Add(time.Hour)}, 1, many)
	require.NoError(t, err)
	requireIDs(t, taken, o.ID)

	// Undisturbed the next round closes it.
	remembered = open
	_, err = s.Change(ctx, o.ID, "next", process)
	require.NoError(t, err)
	_, err = s.OpenNotification(ctx, "emta-1")
	require.ErrorIs(t, err, order.ErrNotFound)
}

func testOneOpen(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	notify(t, s, "emta-1", noon())
	first, err := s.OpenNotification(t.Context(), "emta-1")
	require.NoError(t, err)

	second := order.Notification{EMTAOrderID: "emta-1", NotifiedAt: noon().Add(time.Second)}
	err = s.Notified(t.Context(), "emta-1", func(order.Known) (order.Change, error) {
		return order.Change{Notifications: []order.Notification{second}}, nil
	})
	require.ErrorIs(t, err, order.ErrConflict)

	first.Processed, first.Answer = true, "<answer/>"
	write(t, s, o.ID, order.Change{Notifications: []order.Notification{first, second}})
	open, err := s.OpenNotification(t.Context(), "emta-1")
	require.NoError(t, err)
	require.Greater(t, open.ID, first.ID)
	require.Equal(t, second.NotifiedAt, open.NotifiedAt)
}

func testUnknown(t *testing.T, s Store) {
	ctx := t.Context()
	start(t, s, creating(5))
	notify(t, s, "unknown-2", noon().Add(time.Second))
	notify(t, s, "unknown-1", noon())
	notify(t, s, "unknown-3", noon().Add(2*time.Second))
	known := started(t, s, 6, "emta-1")
	notify(t, s, known.EMTAOrderID, noon()) // its order's own check covers it

	taken, err := s.TakeNotifications(ctx, noon().Add(time.Second), forAMinute("a"), 10, many)
	require.NoError(t, err)
	require.Len(t, taken, 2)
	require.Equal(t, []string{"unknown-1", "unknown-2"}, []string{taken[0].EMTAOrderID, taken[1].EMTAOrderID}, "the longest due first")

	err = s.ChangeNotification(ctx, taken[0].ID, "a", func(n order.Notification) (order.Change, error) {
		require.Equal(t, taken[0], n)
		n.Attempts, n.Failure, n.Answer, n.Processed, n.NextCheck = 1, "not found", "<fault/>", true, time.Time{}
		return order.Change{
			Notifications: []order.Notification{n},
			Suspicions:    []order.Suspicion{{At: noon(), EMTAOrderID: n.EMTAOrderID, Reason: "stamp"}},
		}, nil
	})
	require.NoError(t, err)
	_, err = s.OpenNotification(ctx, "unknown-1")
	require.ErrorIs(t, err, order.ErrNotFound)
	suspicions, err := s.Suspicions(ctx, "unknown-1")
	require.NoError(t, err)
	require.Len(t, suspicions, 1)

	refused := errors.New("refused")
	err = s.ChangeNotification(ctx, taken[1].ID, "a", func(order.Notification) (order.Change, error) { return order.Change{}, refused })
	require.True(t, err == refused, "as it is: %v", err)
}

func testNotificationLease(t *testing.T, s Store) {
	ctx := t.Context()
	notify(t, s, "unknown-1", noon())
	taken, err := s.TakeNotifications(ctx, noon(), forAMinute("a"), 10, many)
	require.NoError(t, err)
	require.Len(t, taken, 1)
	id := taken[0].ID
	count := func(n order.Notification) (order.Change, error) {
		n.Attempts++
		return order.Change{Notifications: []order.Notification{n}}, nil
	}

	again, err := s.TakeNotifications(ctx, noon().Add(59*time.Second), forAMinute("b"), 10, many)
	require.NoError(t, err)
	require.Empty(t, again)
	require.ErrorIs(t, s.ChangeNotification(ctx, id, "b", count), order.ErrLeaseLost)
	require.NoError(t, s.ChangeNotification(ctx, id, "a", count))
	require.NoError(t, s.ChangeNotification(ctx, id, "", count))

	later := order.Lease{Token: "b", Until: noon().Add(2 * time.Minute)}
	again, err = s.TakeNotifications(ctx, noon().Add(time.Minute), later, 10, many)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, 2, again[0].Attempts)
	require.ErrorIs(t, s.ChangeNotification(ctx, id, "a", count), order.ErrLeaseLost)
	require.NoError(t, s.ReleaseNotification(ctx, id, "a"), "no longer held")
	require.NoError(t, s.ChangeNotification(ctx, id, "b", count), "which the release of another left alone")

	require.NoError(t, s.ReleaseNotification(ctx, id, "b"))
	again, err = s.TakeNotifications(ctx, noon().Add(time.Minute), forAMinute("c"), 10, many)
	require.NoError(t, err)
	require.Len(t, again, 1)
	_, err = s.TakeNotifications(ctx, noon(), order.Lease{}, 10, many)
	require.Error(t, err, "a lease that nobody could hold")
}
