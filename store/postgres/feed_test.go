package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/setting"
	"ametlikudteadaanded.ee/adapter/store/postgres"
)

// waiting returns once so many sessions of the database wait for a lock.
func waiting(t *testing.T, conn *pgx.Conn, sessions int) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n == sessions
	}, 30*time.Second, 5*time.Millisecond)
}

func feed(t *testing.T, s *postgres.Store, after int64) (ids []string, last int64) {
	t.Helper()
	list, err := s.Events(t.Context(), after, 100)
	require.NoError(t, err)
	last = after
	for _, e := range list {
		ids, last = append(ids, e.ID), e.Seq
	}
	return ids, last
}

// TestFeedTrap shows the trap that the lock of the feed's end is for: a transaction that takes a number and
// commits late is passed over by a reader. The writer here does not take the lock.
func TestFeedTrap(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	o := started(t, s, 5, "emta-1")
	late, err := connect(t, address).Begin(t.Context())
	require.NoError(t, err)
	_, err = late.Exec(t.Context(), postgres.AppendEvent, "late", "t", "order/9", noon, []byte(`{}`), nil)
	require.NoError(t, err)
	e := events(1)
	_, err = s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) { return order.Change{Events: e}, nil })
	require.NoError(t, err)
	ids, last := feed(t, s, 0)
	require.Equal(t, []string{e[0].ID}, ids)
	require.NoError(t, late.Commit(t.Context()))
	ids, _ = feed(t, s, last)
	require.Empty(t, ids, "the late event stands before what was read, and would never be seen")
}

// TestFeedOrder is the same with a writer as our own are: who comes second waits, and has the greater number.
func TestFeedOrder(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	o := started(t, s, 5, "emta-1")
	watcher := connect(t, address)
	late, err := connect(t, address).Begin(t.Context())
	require.NoError(t, err)
	_, err = late.Exec(t.Context(), postgres.LockFeed)
	require.NoError(t, err)
	_, err = late.Exec(t.Context(), postgres.AppendEvent, "late", "t", "order/9", noon, []byte(`{}`), nil)
	require.NoError(t, err)

	e := events(1)
	done := make(chan error, 1)
	go func() {
		_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) { return order.Change{Events: e}, nil })
		done <- err
	}()
	waiting(t, watcher, 1)
	ids, last := feed(t, s, 0)
	require.Empty(t, ids)
	require.Zero(t, last)
	taken, err := s.TakeDeliveries(t.Context(), noon, "w", noon.Add(time.Minute), 10)
	require.NoError(t, err)
	require.Empty(t, taken)

	// What appends no events does not wait.
	require.NoError(t, s.Notified(t.Context(), "emta-9", func(order.Known) (order.Change, error) {
		return order.Change{Notifications: []order.Notification{{EMTAOrderID: "emta-9", NotifiedAt: noon}}}, nil
	}))

	require.NoError(t, late.Commit(t.Context()))
	require.NoError(t, <-done)
	ids, _ = feed(t, s, 0)
	require.Equal(t, []string{"late", e[0].ID}, ids)
}

// TestListen hears of what another store appends, also after its connection was cut.
func TestListen(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	other := open(t, address)
	o := started(t, s, 5, "emta-1")
	woken, changed := make(chan struct{}, 100), make(chan struct{}, 100)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(ended)
		s.Listen(ctx, func() { woken <- struct{}{} }, func() { changed <- struct{}{} })
	}()
	hear := func(why string) {
		t.Helper()
		select {
		case <-woken:
		case <-time.After(30 * time.Second):
			t.Fatal("not woken: " + why)
		}
	}
	hear("it begins to listen")
	appendTo := func(list []event.Event) {
		t.Helper()
		_, err := other.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) { return order.Change{Events: list}, nil })
		require.NoError(t, err)
	}
	appendTo(events(2))
	hear("events were appended")
	appendTo(nil)
	require.Empty(t, woken, "there was nothing to tell, and once is enough for two")
	<-changed // it began to listen
	require.NoError(t, other.ChangeSettings(t.Context(), setting.Stored{Version: 1, At: time.Now(), By: "EE60001019906", Changes: []byte(`{}`)}))
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		t.Fatal("not woken: settings were changed")
	}
	require.Empty(t, woken, "of events there is nothing to tell")

	run(t, address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	hear("it listens again")
	appendTo(events(1))
	hear("events were appended again")
	cancel()
	<-ended
}
