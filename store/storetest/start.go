package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func startTests() []test {
	return []test{
		{"decide sees the announcement's orders", testStartSees},
		{"without a new order", testStartNothing},
		{"the new order is leased", testStartLease},
		{"another announcement's order is refused", testStartOther},
		{"the error of decide is returned and nothing written", testStartError},
		{"a second live attempt is a conflict", testStartConflict},
		{"an attempt that ends makes room in the same change", testStartReplaces},
		{"rows that mean the new order", testStartMeansNew},
		{"two starts at once", testStartTwice},
	}
}

func testStartSees(t *testing.T, s Store) {
	first, second := started(t, s, 5, "emta-1"), started(t, s, 5, "emta-2")
	started(t, s, 6, "emta-3")
	var seen []order.Order
	_, err := s.Start(t.Context(), 5, forAMinute("a"), func(orders []order.Order) (order.Change, error) {
		seen = orders
		return order.Change{}, nil
	})
	require.NoError(t, err)
	requireIDs(t, seen, second.ID, first.ID)
	requireOrder(t, second, seen[0])
}

func testStartNothing(t *testing.T, s Store) {
	old := started(t, s, 5, "emta-1")
	old.Fault = "given up"
	none, err := s.Start(t.Context(), 5, forAMinute("a"), func([]order.Order) (order.Change, error) {
		return order.Change{Orders: []order.Order{old}}, nil
	})
	require.NoError(t, err)
	require.Equal(t, order.Order{}, none)
	got, err := s.Order(t.Context(), old.ID)
	require.NoError(t, err)
	requireOrder(t, old, got)
}

func testStartLease(t *testing.T, s Store) {
	ctx := t.Context()
	o := creating(5)
	o.NextCheck = noon()
	written, err := s.Start(ctx, 5, forAMinute("a"), func([]order.Order) (order.Change, error) { return order.Change{New: &o}, nil })
	require.NoError(t, err)
	require.Zero(t, o.ID, "the caller's order is left alone")

	taken, err := s.TakeOrders(ctx, noon(), forAMinute("b"), 10, many)
	require.NoError(t, err)
	require.Empty(t, taken)
	_, err = s.Change(ctx, written.ID, "b", nothing)
	require.ErrorIs(t, err, order.ErrLeaseLost)
	_, err = s.Change(ctx, written.ID, "a", nothing)
	require.NoError(t, err)
	taken, err = s.TakeOrders(ctx, noon().Add(time.Minute), order.Lease{Token: "b", Until: noon().Add(2 * time.Minute)}, 10, many)
	require.NoError(t, err)
	requireIDs(t, taken, written.ID)

	_, err = s.Start(ctx, 6, order.Lease{}, func([]order.Order) (order.Change, error) {
		o := creating(6)
		return order.Change{New: &o}, nil
	})
	require.Error(t, err, "a lease that nobody could hold")
}

func testStartOther(t *testing.T, s Store) {
	o := creating(6)
	_, err := s.Start(t.Context(), 5, forAMinute("a"), func([]order.Order) (order.Change, error) { return order.Change{New: &o}, nil })
	require.Error(t, err)
	require.Zero(t, snapshot(t, s))
}

func testStartError(t *testing.T, s Store) {
	refused := errors.New("refused")
	o := creating(5)
	_, err := s.Start(t.Context(), 5, forAMinute("a"), func([]order.Order) (order.Change, error) {
		return order.Change{New: &o}, refused
	})
	require.True(t, err == refused, "as it is: %v", err)
	require.Zero(t, snapshot(t, s))
	start(t, s, o) // the announcement is not locked any more
}

func testStartConflict(t *testing.T, s Store) {
	start(t, s, creating(5))
	before := snapshot(t, s)
	again := creating(5)
	_, err := s.Start(t.Context(), 5, forAMinute("a"), func([]order.Order) (order.Change, error) { return order.Change{New: &again}, nil })
	require.ErrorIs(t, err, order.ErrConflict)
	require.Equal(t, before, snapshot(t, s))

	start(t, s, creating(6))
	idle := creating(5)
	idle.Live = false
	start(t, s, idle)
}

func testStartReplaces(t *testing.T, s Store) {
	ended := start(t, s, creating(5))
	ended.State, ended.Live = order.Cancelled, false
	next := creating(5)
	written, err := s.Start(t.Context(), 5, forAMinute("a"), func([]order.Order) (order.Change, error) {
		return order.Change{Orders: []order.Order{ended}, New: &next}, nil
	})
	require.NoError(t, err)

	// And among the rows of one change, whatever their sequence.
	ended.Live, written.Live = true, false
	write(t, s, ended.ID, order.Change{Orders: []order.Order{ended, written}})
	got, err := s.OrdersOf(t.Context(), 5)
	require.NoError(t, err)
	requireOrder(t, written, got[0])
	requireOrder(t, ended, got[1])
}

func testStartMeansNew(t *testing.T, s Store) {
	ctx := t.Context()
	o := creating(5)
	ofNew := occurrence(0, 1)
	ofNew.Subject = ""
	written, err := s.Start(ctx, 5, forAMinute("a"), func([]order.Order) (order.Change, error) {
		return order.Change{
			New:    &o,
			Log:    []order.LogEntry{{At: noon(), Action: order.LogInit, Message: "sent"}},
			Audits: []order.Audit{{At: noon(), Actor: "core", Action: "claim", Detail: "d"}},
			Events: append(eventsOf(99, 1), ofNew),
		}, nil
	})
	require.NoError(t, err)

	log, err := s.LogOf(ctx, written.ID)
	require.NoError(t, err)
	require.Equal(t, []order.LogEntry{{OrderID: written.ID, At: noon(), Action: order.LogInit, Message: "sent"}}, log)
	audits, err := s.Audits(ctx, written.ID)
	require.NoError(t, err)
	require.Equal(t, []order.Audit{{OrderID: written.ID, At: noon(), Actor: "core", Action: "claim", Detail: "d"}}, audits)
	events, err := s.Events(ctx, 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, "order/99", events[0].Subject)
	require.Equal(t, occurrence(written.ID, 1).Subject, events[1].Subject)
}

// testStartTwice is the double click: whoever comes second sees the first one's order (EMTA §4.5).
func testStartTwice(t *testing.T, s Store) {
	const callers = 8
	won := make([]order.Order, callers)
	errs := make([]error, callers)
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			won[i], errs[i] = s.Start(t.Context(), 5, forAMinute("a"), func(orders []order.Order) (order.Change, error) {
				if len(orders) > 0 {
					return order.Change{}, nil
				}
				o := creating(5)
				return order.Change{New: &o}, nil
			})
		})
	}
	wait.Wait()
	created := 0
	for i := range callers {
		require.NoError(t, errs[i])
		if won[i].ID != 0 {
			created++
		}
	}
	require.Equal(t, 1, created)
	orders, err := s.OrdersOf(t.Context(), 5)
	require.NoError(t, err)
	require.Len(t, orders, 1)
}
