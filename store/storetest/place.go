package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func placeTests() []test {
	return []test{
		{"orders and notifications share the places", testPlacesShared},
		{"a dead holder's places are free with its leases", testPlacesOfTheDead},
		{"who takes one order needs no place", testPlacesOfOthers},
		{"a notification's lease is renewed", testNotificationRenew},
		{"takers at once never hold more than there are", testPlacesAtOnce},
	}
}

// takes takes due orders, as many as places allow.
func takes(t *testing.T, s Store, token string, at time.Time, places int) []order.Order {
	t.Helper()
	taken, err := s.TakeOrders(t.Context(), at, order.Lease{Token: token, Until: at.Add(time.Minute)}, many, places)
	require.NoError(t, err)
	return taken
}

func testPlacesShared(t *testing.T, s Store) {
	ctx := t.Context()
	var orders []order.Order
	for i := range 4 {
		orders = append(orders, due(t, s, fmt.Sprintf("emta-%d", i), noon().Add(time.Duration(i)*time.Microsecond-time.Second)))
		notify(t, s, fmt.Sprintf("unknown-%d", i), noon())
	}
	taken, err := s.TakeOrders(ctx, noon(), forAMinute("a"), 2, 3)
	require.NoError(t, err)
	requireIDs(t, taken, orders[0].ID, orders[1].ID)
	notifications, err := s.TakeNotifications(ctx, noon(), forAMinute("b"), 4, 3)
	require.NoError(t, err)
	require.Len(t, notifications, 1, "one place is left")
	require.Empty(t, takes(t, s, "c", noon(), 3))
	require.Empty(t, takes(t, s, "c", noon(), 0))
	require.Empty(t, takes(t, s, "c", noon(), -1))

	require.NoError(t, s.ReleaseOrder(ctx, orders[0].ID, "a"))
	requireIDs(t, takes(t, s, "c", noon(), 3), orders[0].ID)
	require.NoError(t, s.ReleaseNotification(ctx, notifications[0].ID, "b"))
	requireIDs(t, takes(t, s, "d", noon(), 3), orders[2].ID)
	requireIDs(t, takes(t, s, "e", noon(), 4), orders[3].ID)
	notifications, err = s.TakeNotifications(ctx, noon(), forAMinute("b"), 4, 4)
	require.NoError(t, err)
	require.Empty(t, notifications)
}

func testPlacesOfTheDead(t *testing.T, s Store) {
	ctx := t.Context()
	for i := range 4 {
		due(t, s, fmt.Sprintf("emta-%d", i), noon())
	}
	notify(t, s, "unknown-1", noon())
	_, err := s.TakeNotifications(ctx, noon(), forAMinute("dead"), 1, 2)
	require.NoError(t, err)
	require.Len(t, takes(t, s, "dead", noon(), 2), 1)
	require.Empty(t, takes(t, s, "b", noon().Add(time.Minute-time.Microsecond), 2))
	require.Len(t, takes(t, s, "b", noon().Add(time.Minute), 2), 2)

	// A lease that is renewed keeps its place.
	require.NoError(t, s.RenewOrder(ctx, takes(t, s, "c", noon().Add(2*time.Minute), 1)[0].ID, order.Lease{Token: "c", Until: noon().Add(time.Hour)}))
	require.Empty(t, takes(t, s, "d", noon().Add(30*time.Minute), 1))
	require.Len(t, takes(t, s, "d", noon().Add(time.Hour), 1), 1)
}

func testPlacesOfOthers(t *testing.T, s Store) {
	ctx := t.Context()
	first, second := due(t, s, "emta-1", noon()), due(t, s, "emta-2", noon())
	_, err := s.TakeOrder(ctx, first.ID, noon(), forAMinute("operator"))
	require.NoError(t, err)
	fresh := creating(7)
	_, err = s.Start(ctx, 7, forAMinute("payer"), func([]order.Order) (order.Change, error) { return order.Change{New: &fresh}, nil })
	require.NoError(t, err)
	requireIDs(t, takes(t, s, "a", noon(), 1), second.ID)
	_, err = s.TakeOrder(ctx, first.ID, noon(), forAMinute("operator"))
	require.NoError(t, err, "also where none is left")

	// A place that ran out is not the place of the operator who takes the order then.
	at := noon().Add(time.Minute)
	_, err = s.TakeOrder(ctx, second.ID, at, order.Lease{Token: "operator", Until: at.Add(time.Hour)})
	require.NoError(t, err)
	requireIDs(t, takes(t, s, "b", at, 1), first.ID)
}

func testNotificationRenew(t *testing.T, s Store) {
	ctx := t.Context()
	notify(t, s, "unknown-1", noon())
	taken, err := s.TakeNotifications(ctx, noon(), forAMinute("a"), 1, many)
	require.NoError(t, err)
	require.Len(t, taken, 1)
	id := taken[0].ID
	require.ErrorIs(t, s.RenewNotification(ctx, id, forAMinute("b")), order.ErrLeaseLost)
	require.ErrorIs(t, s.RenewNotification(ctx, id+1, forAMinute("a")), order.ErrLeaseLost)
	require.NoError(t, s.RenewNotification(ctx, id, order.Lease{Token: "a", Until: noon().Add(time.Hour)}))
	taken, err = s.TakeNotifications(ctx, noon().Add(time.Minute), order.Lease{Token: "b", Until: noon().Add(time.Hour)}, 1, many)
	require.NoError(t, err)
	require.Empty(t, taken)
}

// testPlacesAtOnce has many takers, as on several replicas, take what is due and give it back when it is done.
func testPlacesAtOnce(t *testing.T, s Store) {
	const orders, notifications, takers, places = 20, 10, 6, 3
	for i := range orders {
		due(t, s, fmt.Sprintf("emta-%d", i), noon())
	}
	for i := range notifications {
		notify(t, s, fmt.Sprintf("unknown-%d", i), noon())
	}
	var held, most, done atomic.Int64
	work := func(n int) {
		now := held.Add(int64(n))
		for {
			before := most.Load()
			if now <= before || most.CompareAndSwap(before, now) {
				break
			}
		}
	}
	never := func(o order.View) (order.Change, error) {
		o.Order.NextCheck = time.Time{}
		return order.Change{Orders: []order.Order{o.Order}}, nil
	}
	var wait sync.WaitGroup
	for i := range takers {
		wait.Go(func() {
			token := fmt.Sprintf("taker-%d", i)
			for done.Load() < orders+notifications && !t.Failed() {
				taken, err := s.TakeOrders(t.Context(), noon(), forAMinute(token), 2, places)
				work(len(taken))
				for _, o := range taken {
					if err == nil {
						_, err = s.Change(t.Context(), o.ID, token, never)
					}
					held.Add(-1)
					done.Add(1)
					if err == nil {
						err = s.ReleaseOrder(t.Context(), o.ID, token)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
				looked, err := s.TakeNotifications(t.Context(), noon(), forAMinute(token), 1, places)
				work(len(looked))
				for _, n := range looked {
					if err == nil {
						err = s.ChangeNotification(t.Context(), n.ID, token, func(n order.Notification) (order.Change, error) {
							n.NextCheck = time.Time{}
							return order.Change{Notifications: []order.Notification{n}}, nil
						})
					}
					held.Add(-1)
					done.Add(1)
					if err == nil {
						err = s.ReleaseNotification(t.Context(), n.ID, token)
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	require.LessOrEqual(t, most.Load(), int64(places))
	require.Positive(t, most.Load())
	require.EqualValues(t, orders+notifications, done.Load())
}
