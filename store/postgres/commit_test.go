package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// TestNoEarlyAnswer has a server that writes commits down and does not confirm them, as it waits for a standby that is
// not there. No method that writes may return before it does. Those who wait, wait together: one
// flush of the server's log serves all of them.
func TestNoEarlyAnswer(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	address := server.Database(t)
	s := open(t, address)
	_, err := s.Migrate(t.Context())
	require.NoError(t, err)
	o := started(t, s, 5, "emta-1")
	e := events(2)
	change := func(e int, list []order.Notification) (order.Change, error) {
		return order.Change{Events: events(e), Notifications: list}, nil
	}
	_, err = s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) { return order.Change{Events: e}, nil })
	require.NoError(t, err)
	taken, err := s.TakeDeliveries(t.Context(), noon, "w", noon, 1)
	require.NoError(t, err)
	require.Len(t, taken, 1)

	admin := connect(t, address)
	set := func(standby string) {
		t.Helper()
		_, err := admin.Exec(t.Context(), fmt.Sprintf(`ALTER SYSTEM SET synchronous_standby_names = '%s'`, standby))
		require.NoError(t, err)
		_, err = admin.Exec(t.Context(), `SELECT pg_reload_conf()`)
		require.NoError(t, err)
	}
	_, err = admin.Exec(t.Context(), `CREATE TABLE probe (n int)`)
	require.NoError(t, err)
	set("nobody")
	require.Eventually(t, func() bool {
		var names string
		err := admin.QueryRow(t.Context(), `SHOW synchronous_standby_names`).Scan(&names)
		return err == nil && names == "nobody"
	}, 30*time.Second, 5*time.Millisecond)

	// Commits wait once the server's checkpointer has read the setting too: a write of the test's own shows when.
	waiting := func() int {
		var n int
		err := admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'`).Scan(&n)
		require.NoError(t, err)
		return n
	}
	probe, written := connect(t, address), make(chan error, 1)
	write := func() { _, err := probe.Exec(t.Context(), `INSERT INTO probe VALUES (1)`); written <- err }
	go write()
	for waiting() == 0 {
		select {
		case err := <-written:
			require.NoError(t, err)
			go write()
		default:
		}
	}

	works := map[string]func() error{
		"Delivered": func() error { return s.Delivered(t.Context(), taken[0].Event.Seq, "w", noon) },
		"TakeOrder": func() error {
			_, err := s.TakeOrder(t.Context(), o.ID, noon, order.Lease{Token: "a", Until: noon})
			return err
		},
		"Start": func() error {
			_, err := s.Start(t.Context(), 6, order.Lease{Token: "a", Until: noon}, func([]order.Order) (order.Change, error) {
				return order.Change{New: &order.Order{AnnouncementID: 6, State: order.Creating}, Events: events(1)}, nil
			})
			return err
		},
	}
	for i := range 5 {
		id := fmt.Sprintf("unknown-%d", i)
		works["Notified "+id] = func() error {
			return s.Notified(t.Context(), id, func(order.Known) (order.Change, error) {
				return change(0, []order.Notification{{EMTAOrderID: id, NotifiedAt: noon}})
			})
		}
	}
	type answer struct {
		name string
		err  error
	}
	answers := make(chan answer, len(works))
	for name, work := range works {
		go func() { answers <- answer{name, work()} }()
	}
	require.Eventually(t, func() bool { return waiting() == len(works)+1 }, 15*time.Second, 5*time.Millisecond, "all wait for the server's word, at once")
	select {
	case a := <-answers:
		t.Fatalf("%s answered %v before its commit was confirmed", a.name, a.err)
	default:
	}
	set("")
	require.NoError(t, <-written)
	for range works {
		a := <-answers
		require.NoError(t, a.err, a.name)
	}
}
