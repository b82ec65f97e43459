package postgres_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// cut ends all other sessions of the database and waits until they are gone.
func cut(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	_, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		left := -1
		err := admin.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&left)
		return err == nil && left == 0
	}, 30*time.Second, 5*time.Millisecond)
}

// attempt adds one to an order's attempts and calls meanwhile between reading and writing.
func attempt(meanwhile func()) func(order.View) (order.Change, error) {
	return func(v order.View) (order.Change, error) {
		v.Order.Attempts++
		meanwhile()
		return order.Change{Orders: []order.Order{v.Order}, Events: events(1)}, nil
	}
}

// TestConnectionCut ends the session between what a change read and what it writes.
func TestConnectionCut(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	o := started(t, s, 5, "emta-1")
	admin := connect(t, address)
	_, err := s.Change(t.Context(), o.ID, "", attempt(func() { cut(t, admin) }))
	require.Error(t, err, "never a success that is not known")
	got, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err, "the pool has other connections, or makes them")
	require.Equal(t, 0, got.Attempts)
	list, err := s.Events(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = s.Change(t.Context(), o.ID, "", attempt(func() {}))
	require.NoError(t, err)
}

// TestAnswerLost loses the answer to a COMMIT on its way. The change is done, and must be neither reported as done nor
// done a second time.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	direct, address := migrated(t)
	o := started(t, direct, 5, "emta-1")
	r := newRelay(t, address)
	s := open(t, r.address+"&pool_max_conns=1")
	_, err := s.Change(t.Context(), o.ID, "", attempt(func() {})) // after it the statements are prepared
	require.NoError(t, err)
	decided := 0
	_, err = s.Change(t.Context(), o.ID, "", attempt(func() {
		decided++
		r.lose.Store(true)
	}))
	require.Error(t, err)
	require.False(t, r.lose.Load(), "an answer was lost")
	require.Equal(t, 1, decided)
	got, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, 2, got.Attempts)
	list, err := s.Events(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
}

// TestAnswerLostBefore loses the answer to what a change reads, and to a read: nothing can have come of them, so they
// are tried again.
func TestAnswerLostBefore(t *testing.T) {
	t.Parallel()
	direct, address := migrated(t)
	o := started(t, direct, 5, "emta-1")
	r := newRelay(t, address)
	s := open(t, r.address+"&pool_max_conns=1")
	require.NoError(t, s.Ping(t.Context())) // it is connected
	r.lose.Store(true)
	written, err := s.Change(t.Context(), o.ID, "", attempt(func() {}))
	require.NoError(t, err)
	require.False(t, r.lose.Load(), "an answer was lost")
	require.Equal(t, 1, written.Attempts)
	r.lose.Store(true)
	_, err = s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.False(t, r.lose.Load(), "an answer was lost")
}

// TestCommitRefused has a server that carries out statements and then refuses to commit them.
func TestCommitRefused(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	o := started(t, s, 5, "emta-1")
	_, err := s.TakeOrder(t.Context(), o.ID, noon, order.Lease{Token: "a", Until: noon.Add(time.Minute)})
	require.NoError(t, err)
	run(t, address, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused at the commit'; END $$;
		CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON atis.adapter_order DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`)
	for name, work := range map[string]func() error{
		"Change": func() error {
			_, err := s.Change(t.Context(), o.ID, "", attempt(func() {}))
			return err
		},
		"RenewOrder":   func() error { return s.RenewOrder(t.Context(), o.ID, order.Lease{Token: "a", Until: noon}) },
		"ReleaseOrder": func() error { return s.ReleaseOrder(t.Context(), o.ID, "a") },
		"TakeOrder": func() error {
			_, err := s.TakeOrder(t.Context(), o.ID, noon, order.Lease{Token: "a", Until: noon})
			return err
		},
	} {
		require.ErrorContains(t, work(), "refused at the commit", name)
	}
	run(t, address, `DROP TRIGGER refuse ON atis.adapter_order`)
	written, err := s.Change(t.Context(), o.ID, "a", attempt(func() {}))
	require.NoError(t, err, "the lease is held as before")
	require.Equal(t, 1, written.Attempts)
}

// relay stands between a store and its server.
type relay struct {
	address string
	lose    atomic.Bool // the server's next answer and the connection
}

func newRelay(t *testing.T, address string) *relay {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	require.NoError(t, err)
	network, server := pgconn.NetworkAddress(config.Host, config.Port)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	q.Del("host")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), q.Encode()
	r := &relay{address: u.String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client, network, server)
		}
	}()
	return r
}

func (r *relay) serve(client net.Conn, network, address string) {
	defer client.Close()
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	buffer := make([]byte, 1<<16)
	for {
		n, err := server.Read(buffer)
		if err != nil || r.lose.CompareAndSwap(true, false) {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// TestIdleConnectionsCut ends all sessions while nobody uses them, as a restart of the server does: no call
// that decides or reads fails for that.
func TestIdleConnectionsCut(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	o := started(t, s, 5, "emta-1")
	admin := connect(t, address)
	for i := range 3 {
		cut(t, admin)
		written, err := s.Change(t.Context(), o.ID, "", attempt(func() {}))
		require.NoError(t, err)
		require.Equal(t, i+1, written.Attempts)
		cut(t, admin)
		_, err = s.Order(t.Context(), o.ID)
		require.NoError(t, err)
	}
}

// TestDeadlock has two transactions wait for each other. The server undoes one, and if that is ours it is done anew.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	a, b := started(t, s, 5, "emta-1"), started(t, s, 6, "emta-2")
	watcher := connect(t, address)
	other, err := connect(t, address).Begin(t.Context())
	require.NoError(t, err)
	// It is slow to look for deadlocks, so that ours finds it, and is the one to be undone.
	_, err = other.Exec(t.Context(), `SET LOCAL deadlock_timeout = '1min'`)
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), `UPDATE atis.adapter_order SET fault = 'other' WHERE order_id = $1`, b.ID)
	require.NoError(t, err)
	decided := 0
	blocked := make(chan error, 1)
	written, err := s.Change(t.Context(), a.ID, "", func(v order.View) (order.Change, error) {
		decided++
		if decided == 1 {
			go func() { // waits for the order that this change holds
				_, err := other.Exec(context.WithoutCancel(t.Context()), `UPDATE atis.adapter_order SET fault = 'other' WHERE order_id = $1`, a.ID)
				if err == nil {
					err = other.Commit(context.WithoutCancel(t.Context()))
				}
				blocked <- err
			}()
			waiting(t, watcher, 1)
		}
		v.Order.Attempts++
		second := b
		second.Attempts = 7
		return order.Change{Orders: []order.Order{v.Order, second}, Events: events(1)}, nil
	})
	require.NoError(t, err)
	require.NoError(t, <-blocked)
	require.Equal(t, 2, decided)
	require.Equal(t, 1, written.Attempts)
	require.Equal(t, "other", written.Fault, "the second decision saw what the other wrote")
	list, err := s.Events(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// TestPoolIsBounded has more callers than connections, and a lock that all wait for: those who find no connection
// are refused soon, and leave nothing.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	o := started(t, s, 5, "emta-1")
	small := open(t, address+"&pool_max_conns=2")
	holder, err := connect(t, address).Begin(t.Context())
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), `SELECT 1 FROM atis.maksemooduli_tellimused WHERE id = $1 FOR UPDATE`, o.ID)
	require.NoError(t, err)
	const callers = 6
	errs := make(chan error, callers)
	begin := time.Now()
	for range callers {
		go func() {
			_, err := small.Change(t.Context(), o.ID, "", attempt(func() {}))
			errs <- err
		}()
	}
	for range callers - 2 {
		require.ErrorContains(t, <-errs, "none was free or made within 3s")
	}
	require.Less(t, time.Since(begin), 15*time.Second)
	require.NoError(t, holder.Rollback(t.Context()))
	done := 0
	for range 2 {
		if err := <-errs; err == nil {
			done++
		} else {
			require.ErrorContains(t, err, "lock timeout") // on a busy machine
		}
	}
	got, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, done, got.Attempts)
}

// TestKillServer kills the server again and again under a load of changes. What was answered is there afterwards, once; what
// was refused is there not at all or once; and the store finds the server again by itself.
func TestKillServer(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	address := server.Database(t)
	s := open(t, address)
	_, err := s.Migrate(t.Context())
	require.NoError(t, err)
	const callers, crashes = 4, 2
	type tally struct{ answered, refused int }
	tallies := make(chan tally, callers)
	stop := make(chan struct{})
	var ids []int64
	for c := range callers {
		ids = append(ids, started(t, s, int64(c+1), fmt.Sprintf("emta-%d", c)).ID)
	}
	progress := make(chan struct{}, 1000)
	for _, id := range ids {
		go func() {
			var n tally
			defer func() { tallies <- n }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Change(t.Context(), id, "", attempt(func() {})); err != nil {
					n.refused++
					time.Sleep(5 * time.Millisecond) // as a caller does that repeats
					continue
				}
				n.answered++
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		}()
	}
	for range crashes {
		for range 5 * callers {
			<-progress
		}
		server.Crash(t)
		for len(progress) > 0 {
			<-progress
		}
		server.Restart(t)
		<-progress
	}
	close(stop)
	var total tally
	for range callers {
		n := <-tallies
		total.answered, total.refused = total.answered+n.answered, total.refused+n.refused
	}
	attempts := 0
	for _, id := range ids {
		o, err := s.Order(t.Context(), id)
		require.NoError(t, err)
		attempts += o.Attempts
	}
	list, err := s.Events(t.Context(), 0, 1_000_000)
	require.NoError(t, err)
	require.Len(t, list, attempts, "orders and events are written together or not at all")
	require.GreaterOrEqual(t, attempts, total.answered)
	require.LessOrEqual(t, attempts, total.answered+total.refused)
	require.Positive(t, total.refused, "the server was away")
}
