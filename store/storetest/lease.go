package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func leaseTests() []test {
	return []test{
		{"due orders, the longest due first", testTakeOrders},
		{"taken, expired, taken anew", testLeaseExpiry},
		{"renewed", testLeaseRenew},
		{"released", testLeaseRelease},
		{"one order, due or not", testTakeOrder},
		{"writing keeps the lease", testLeaseKept},
		{"takers at once get different orders", testTakersDisjoint},
	}
}

// due is an order in Created that is due at the time at.
func due(t testing.TB, s Store, emtaOrderID string, at time.Time) order.Order {
	t.Helper()
	o := creating(5)
	o.State, o.EMTAOrderID, o.Live, o.NextCheck = order.Created, emtaOrderID, false, at
	return start(t, s, o)
}

func testTakeOrders(t *testing.T, s Store) {
	second := due(t, s, "emta-1", noon().Add(-time.Microsecond))
	first := due(t, s, "emta-2", noon().Add(-time.Hour))
	third := due(t, s, "emta-3", noon())
	due(t, s, "emta-4", noon().Add(time.Microsecond))
	due(t, s, "emta-5", time.Time{})

	none, err := s.TakeOrders(t.Context(), noon(), forAMinute("z"), 0, many)
	require.NoError(t, err)
	require.Empty(t, none)
	taken, err := s.TakeOrders(t.Context(), noon(), forAMinute("a"), 2, many)
	require.NoError(t, err)
	requireIDs(t, taken, first.ID, second.ID)
	requireOrder(t, first, taken[0])
	taken, err = s.TakeOrders(t.Context(), noon(), forAMinute("a"), 2, many)
	require.NoError(t, err)
	requireIDs(t, taken, third.ID)
	_, err = s.TakeOrders(t.Context(), noon(), order.Lease{Until: noon().Add(time.Hour)}, 2, many)
	require.Error(t, err, "a lease that nobody could hold")
}

func testLeaseExpiry(t *testing.T, s Store) {
	ctx := t.Context()
	o := due(t, s, "emta-1", noon())
	_, err := s.TakeOrders(ctx, noon(), forAMinute("a"), 1, many)
	require.NoError(t, err)
	taken, err := s.TakeOrders(ctx, noon().Add(time.Minute-time.Microsecond), forAMinute("b"), 1, many)
	require.NoError(t, err)
	require.Empty(t, taken)

	// It ran out; as nobody took it, the holder may still write.
	_, err = s.Change(ctx, o.ID, "a", nothing)
	require.NoError(t, err)
	taken, err = s.TakeOrders(ctx, noon().Add(time.Minute), order.Lease{Token: "b", Until: noon().Add(time.Hour)}, 1, many)
	require.NoError(t, err)
	requireIDs(t, taken, o.ID)

	decided := false
	_, err = s.Change(ctx, o.ID, "a", func(order.View) (order.Change, error) {
		decided = true
		return order.Change{}, nil
	})
	require.ErrorIs(t, err, order.ErrLeaseLost)
	require.False(t, decided)
	require.ErrorIs(t, s.RenewOrder(ctx, o.ID, forAMinute("a")), order.ErrLeaseLost)
	_, err = s.Change(ctx, o.ID, "b", nothing)
	require.NoError(t, err)
	_, err = s.Change(ctx, o.ID, "", nothing)
	require.NoError(t, err, "an empty token asks for no lease")
}

func testLeaseRenew(t *testing.T, s Store) {
	ctx := t.Context()
	o := due(t, s, "emta-1", noon())
	require.ErrorIs(t, s.RenewOrder(ctx, o.ID, forAMinute("a")), order.ErrLeaseLost)
	require.ErrorIs(t, s.RenewOrder(ctx, o.ID, order.Lease{Until: noon()}), order.ErrLeaseLost, "an empty token holds nothing")
	_, err := s.TakeOrders(ctx, noon(), forAMinute("a"), 1, many)
	require.NoError(t, err)
	require.NoError(t, s.RenewOrder(ctx, o.ID, order.Lease{Token: "a", Until: noon().Add(time.Hour)}))
	taken, err := s.TakeOrders(ctx, noon().Add(time.Minute), order.Lease{Token: "b", Until: noon().Add(time.Hour)}, 1, many)
	require.NoError(t, err)
	require.Empty(t, taken)
	require.ErrorIs(t, s.RenewOrder(ctx, o.ID, forAMinute("b")), order.ErrLeaseLost)
}

func testLeaseRelease(t *testing.T, s Store) {
	ctx := t.Context()
	o := due(t, s, "emta-1", noon())
	_, err := s.TakeOrders(ctx, noon(), forAMinute("a"), 1, many)
	require.NoError(t, err)
	require.NoError(t, s.ReleaseOrder(ctx, o.ID, "b"))
	require.NoError(t, s.ReleaseOrder(ctx, o.ID, ""))
	_, err = s.Change(ctx, o.ID, "a", nothing)
	require.NoError(t, err)
	require.NoError(t, s.ReleaseOrder(ctx, o.ID, "a"))
	require.NoError(t, s.ReleaseOrder(ctx, o.ID, "a"))
	require.NoError(t, s.ReleaseOrder(ctx, o.ID+1, "a"))
	_, err = s.Change(ctx, o.ID, "a", nothing)
	require.ErrorIs(t, err, order.ErrLeaseLost)
	taken, err := s.TakeOrders(ctx, noon(), forAMinute("b"), 1, many)
	require.NoError(t, err)
	requireIDs(t, taken, o.ID)
}

func testTakeOrder(t *testing.T, s Store) {
	ctx := t.Context()
	o := due(t, s, "emta-1", time.Time{})
	taken, err := s.TakeOrder(ctx, o.ID, noon(), forAMinute("a"))
	require.NoError(t, err)
	requireOrder(t, o, taken)
	_, err = s.TakeOrder(ctx, o.ID, noon(), forAMinute("b"))
	require.ErrorIs(t, err, order.ErrLeaseLost)
	_, err = s.TakeOrder(ctx, o.ID, noon(), forAMinute("a"))
	require.NoError(t, err, "the holder itself")
	_, err = s.TakeOrder(ctx, o.ID, noon().Add(time.Minute), order.Lease{Token: "b", Until: noon().Add(time.Hour)})
	require.NoError(t, err)
	_, err = s.Change(ctx, o.ID, "a", nothing)
	require.ErrorIs(t, err, order.ErrLeaseLost)
	_, err = s.TakeOrder(ctx, o.ID, noon().Add(2*time.Hour), order.Lease{})
	require.Error(t, err, "a lease that nobody could hold")
}

func testLeaseKept(t *testing.T, s Store) {
	ctx := t.Context()
	o := due(t, s, "emta-1", noon())
	_, err := s.TakeOrders(ctx, noon(), forAMinute("a"), 1, many)
	require.NoError(t, err)
	write(t, s, o.ID, order.Change{Orders: []order.Order{o}})
	notify(t, s, "emta-1", noon())
	taken, err := s.TakeOrders(ctx, noon(), forAMinute("b"), 1, many)
	require.NoError(t, err)
	require.Empty(t, taken)
	_, err = s.Change(ctx, o.ID, "a", nothing)
	require.NoError(t, err)
}

func testTakersDisjoint(t *testing.T, s Store) {
	const orders, takers = 30, 6
	for i := range orders {
		due(t, s, fmt.Sprintf("emta-%d", i), noon())
	}
	var mu sync.Mutex
	takenBy := map[int64]string{}
	var wait sync.WaitGroup
	for i := range takers {
		wait.Go(func() {
			token := fmt.Sprintf("taker-%d", i)
			for {
				taken, err := s.TakeOrders(t.Context(), noon(), forAMinute(token), 4, many)
				if err != nil || len(taken) == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				for _, o := range taken {
					if other, ok := takenBy[o.ID]; ok {
						t.Errorf("order %d was taken by %s and %s", o.ID, other, token)
					}
					takenBy[o.ID] = token
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	require.Len(t, takenBy, orders)
}
