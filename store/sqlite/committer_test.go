package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

// line keeps a store from beginning a transaction while callers come, one behind the other.
type line struct {
	t       *testing.T
	s       *sqlite.Store
	conn    *sql.Conn
	waits   int64
	came    int
	results []chan error
}

// hold takes the only connection that writes, until open. What comes meanwhile goes into one group.
func hold(t *testing.T, s *sqlite.Store) *line {
	t.Helper()
	s.ShareFor(time.Hour)
	conn, err := s.Writer().Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // where the test ends early; else it is closed already
	return &line{t: t, s: s, conn: conn, waits: s.Writer().Stats().WaitCount}
}

// add has a caller begin, and returns when it stands in line.
func (l *line) add(call func() error) {
	l.t.Helper()
	result := make(chan error, 1)
	l.results = append(l.results, result)
	go func() {
		err := errors.New("the goroutine ended")
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
			result <- err
		}()
		err = call()
	}()
	l.came++
	// The first is in the committer's hands, who waits for the connection.
	for began := time.Now(); l.s.Writer().Stats().WaitCount == l.waits || l.s.Waiting() < l.came-1; runtime.Gosched() {
		require.Less(l.t, time.Since(began), time.Minute, "caller %d does not stand in line", l.came)
	}
}

// open lets the line move.
func (l *line) open() { require.NoError(l.t, l.conn.Close()) }

// wait returns what each caller got, in the order in which they came.
func (l *line) wait() []error {
	var errs []error
	for _, r := range l.results {
		errs = append(errs, <-r)
	}
	return errs
}

// keep stores a notification of an unknown id, which is enough of a change to be looked for.
func keep(ctx context.Context, s *sqlite.Store, id string) error {
	return s.Notified(ctx, id, func(order.Known) (order.Change, error) { return note(id), nil })
}

func note(id string) order.Change {
	return order.Change{Notifications: []order.Notification{{EMTAOrderID: id, NotifiedAt: time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)}}}
}

// kept says which ids another connection to the file sees.
func kept(t testing.TB, s *sqlite.Store) []string {
	t.Helper()
	rows, err := s.Reader().Query(`SELECT tellimuse_id FROM krediitkaardi_teavitused ORDER BY id`)
	require.NoError(t, err)
	defer rows.Close()
	ids := []string{}
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	return ids
}

func names(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("id-%03d", i))
	}
	return ids
}

// file is a store on a file of its own.
func file(t *testing.T) *sqlite.Store { return migrated(t, filepath.Join(t.TempDir(), "adapter.db")) }

// commits counts the commits of a store from now on.
func commits(t *testing.T, s *sqlite.Store) *atomic.Int64 {
	var n atomic.Int64
	require.NoError(t, s.OnCommit(t.Context(), func() int32 { n.Add(1); return 0 }))
	return &n
}

func TestGroup(t *testing.T) {
	for _, row := range []struct {
		callers int
		share   time.Duration
		commits int64
	}{
		{1, time.Hour, 1},
		{2, time.Hour, 1},
		{sqlite.MaxGroup, time.Hour, 1},
		{sqlite.MaxGroup + 1, time.Hour, 2},
		{5, 0, 5}, // the time is over when the first has run
	} {
		s := file(t)
		n := commits(t, s)
		l := hold(t, s)
		s.ShareFor(row.share)
		for _, id := range names(row.callers) {
			l.add(func() error { return keep(t.Context(), s, id) })
		}
		l.open()
		for _, err := range l.wait() {
			require.NoError(t, err)
		}
		require.Equal(t, row.commits, n.Load(), row)
		require.Equal(t, names(row.callers), kept(t, s), "in the order in which they came")
	}
}

// TestNoAnswerBeforeTheCommit stops the commit of a group whose work is all done, and then lets it go.
func TestNoAnswerBeforeTheCommit(t *testing.T) {
	const callers = 20
	s := file(t)
	other := reopened(t, s)
	committing, proceed := make(chan struct{}), make(chan struct{})
	require.NoError(t, s.OnCommit(t.Context(), func() int32 {
		close(committing)
		<-proceed
		return 0
	}))
	var ran, answered atomic.Int64
	early := make(chan string, callers)
	l := hold(t, s)
	for _, id := range names(callers) {
		l.add(func() error {
			err := s.Notified(t.Context(), id, func(order.Known) (order.Change, error) {
				ran.Add(1)
				return note(id), nil
			})
			answered.Add(1)
			early <- id
			if !slices.Contains(kept(t, other), id) {
				return errors.New("answered, and another process does not see it")
			}
			return err
		})
	}
	l.open()
	<-committing
	require.EqualValues(t, callers, ran.Load())
	select {
	case id := <-early:
		t.Errorf("%s was answered before the commit", id)
	case <-time.After(100 * time.Millisecond): // time to be wrong in
	}
	require.Empty(t, kept(t, other))
	require.Zero(t, answered.Load())
	close(proceed)
	for _, err := range l.wait() {
		require.NoError(t, err)
	}
	require.Equal(t, names(callers), kept(t, other))
}

// reopened is the file of s as another process has it.
func reopened(t *testing.T, s *sqlite.Store) *sqlite.Store {
	t.Helper()
	other, err := sqlite.Open(t.Context(), s.Path())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	return other
}

// TestGroupOfGoodAndBad has every way to fail in one group, at each place in it.
func TestGroupOfGoodAndBad(t *testing.T) {
	refused := errors.New("refused")
	bad := []struct {
		name string
		call func(s *sqlite.Store) error
		want string
	}{
		{"refused", func(s *sqlite.Store) error {
			return s.Notified(context.Background(), "bad", func(order.Known) (order.Change, error) { return note("bad"), refused })
		}, "refused"},
		{"half written", func(s *sqlite.Store) error {
			return s.Notified(context.Background(), "bad", func(order.Known) (order.Change, error) {
				c := note("bad")
				c.Notifications = append(c.Notifications, c.Notifications[0])
				return c, nil
			})
		}, "conflict"},
		{"panic", func(s *sqlite.Store) error {
			return s.Notified(context.Background(), "bad", func(order.Known) (order.Change, error) { panic("impossible") })
		}, "panic: impossible"},
		{"the goroutine ends", func(s *sqlite.Store) error {
			return s.Notified(context.Background(), "bad", func(order.Known) (order.Change, error) {
				runtime.Goexit()
				return note("bad"), nil
			})
		}, "the goroutine ended"},
		{"ended in its work", func(s *sqlite.Store) error {
			ctx, cancel := context.WithCancel(context.Background())
			return s.Notified(ctx, "bad", func(order.Known) (order.Change, error) { cancel(); return note("bad"), nil })
		}, "context canceled"},
		{"ended at the end of its work", func(s *sqlite.Store) error {
			ctx, cancel := context.WithCancel(context.Background())
			return s.Notified(ctx, "bad", func(order.Known) (order.Change, error) { cancel(); return order.Change{}, nil })
		}, "context canceled"},
		{"ended after it had written", func(s *sqlite.Store) error {
			return s.WriteThenEnd("bad")
		}, "context canceled"},
	}
	for at := range 3 {
		for _, row := range bad {
			s := file(t)
			l := hold(t, s)
			ids := names(3)
			for i, id := range ids {
				if i == at {
					l.add(func() error { return row.call(s) })
				}
				l.add(func() error { return keep(t.Context(), s, id) })
			}
			l.open()
			for i, err := range l.wait() {
				if i == at {
					require.ErrorContains(t, err, row.want, "%s at %d", row.name, at)
					continue
				}
				require.NoError(t, err, "%s at %d", row.name, at)
			}
			require.Equal(t, ids, kept(t, s), "%s at %d", row.name, at)
		}
	}
}

// TestCommitFails tells everybody: also whose work was refused, perhaps for what nobody wrote in the end.
func TestCommitFails(t *testing.T) {
	s := file(t)
	fail := int32(1)
	require.NoError(t, s.OnCommit(t.Context(), func() int32 { return fail }))
	l := hold(t, s)
	for _, id := range []string{"a", "b", "a"} {
		l.add(func() error { return keep(t.Context(), s, id) })
	}
	l.open()
	for _, err := range l.wait() {
		require.ErrorContains(t, err, "commit: ")
		require.NotErrorIs(t, err, order.ErrConflict)
	}
	require.Empty(t, kept(t, s))
	fail = 0
	require.NoError(t, keep(t.Context(), s, "a"))
	require.Equal(t, []string{"a"}, kept(t, s))
}

// TestTransactionLost has SQLite end a transaction by itself, as it does when the disk is full.
func TestTransactionLost(t *testing.T) {
	s := file(t)
	_, err := s.Writer().Exec(`CREATE TRIGGER spoil BEFORE INSERT ON krediitkaardi_teavitused WHEN NEW.tellimuse_id = 'spoil'
		BEGIN SELECT RAISE(ROLLBACK, 'spoilt'); END`)
	require.NoError(t, err)
	l := hold(t, s)
	for _, id := range []string{"spoil", "a", "b", "spoil", "c"} {
		l.add(func() error { return keep(t.Context(), s, id) })
	}
	l.open()
	errs := l.wait()
	require.ErrorContains(t, errs[0], "spoilt")
	require.ErrorContains(t, errs[1], "undo another's work")
	require.ErrorContains(t, errs[2], "undo another's work")
	require.Error(t, errs[3])
	require.NoError(t, errs[4])
	require.Equal(t, []string{"c"}, kept(t, s))
}

// TestContextEndsInAStatement is the trap of interrupting SQLite, which undoes the whole transaction.
func TestContextEndsInAStatement(t *testing.T) {
	s := file(t)
	_, err := s.Writer().Exec(`CREATE VIEW numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n;
		CREATE TRIGGER slow BEFORE INSERT ON krediitkaardi_teavitused WHEN NEW.tellimuse_id = 'slow'
		BEGIN INSERT INTO adapter_suspicion (at, order_id, emta_order_id, reason) SELECT '', 0, 'slow', i FROM numbers; END`)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, s.OnRow(t.Context(), func(table string) {
		if table == "adapter_suspicion" {
			cancel() // with nearly all of the statement's rows to come
			runtime.Gosched()
		}
	}))
	l := hold(t, s)
	l.add(func() error { return keep(t.Context(), s, "a") })
	l.add(func() error { return keep(ctx, s, "slow") })
	l.add(func() error { return keep(t.Context(), s, "b") })
	l.open()
	errs := l.wait()
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], context.Canceled)
	require.NoError(t, errs[2])
	require.Equal(t, []string{"a", "b"}, kept(t, s))
}

// TestContextEndsInLine has callers leave while nothing moves, and their work not run afterwards.
func TestContextEndsInLine(t *testing.T) {
	s := file(t)
	l := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var ran atomic.Int64
	for i, id := range names(6) {
		caller := t.Context()
		if i%2 == 0 {
			caller = ctx
		}
		l.add(func() error {
			return s.Notified(caller, id, func(order.Known) (order.Change, error) { ran.Add(1); return note(id), nil })
		})
	}
	cancel()
	for i := range 3 {
		require.ErrorIs(t, <-l.results[2*i], context.Canceled)
	}
	require.Zero(t, ran.Load())
	l.open()
	for i := range 3 {
		require.NoError(t, <-l.results[2*i+1])
	}
	require.EqualValues(t, 3, ran.Load())
	require.Equal(t, []string{"id-001", "id-003", "id-005"}, kept(t, s))
}

// TestContextEndsBeforeTheCommit does not hide from a caller what is durable.
func TestContextEndsBeforeTheCommit(t *testing.T) {
	s := file(t)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, s.OnCommit(t.Context(), func() int32 { cancel(); return 0 }))
	l := hold(t, s)
	for _, id := range names(3) {
		l.add(func() error { return keep(ctx, s, id) })
	}
	l.open()
	for _, err := range l.wait() {
		require.NoError(t, err)
	}
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Equal(t, names(3), kept(t, s))
}

// TestQueueFull has the caller that finds no place wait under its own ctx.
func TestQueueFull(t *testing.T) {
	s := file(t)
	l := hold(t, s)
	for range sqlite.MaxQueued + 1 {
		l.add(func() error { return s.ReleaseOrder(t.Context(), 1, "a") })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, keep(ctx, s, "over"), context.DeadlineExceeded)
	require.Equal(t, sqlite.MaxQueued, s.Waiting())
	last := make(chan error, 1)
	go func() { last <- keep(t.Context(), s, "last") }()
	l.open()
	for _, err := range l.wait() {
		require.NoError(t, err)
	}
	require.NoError(t, <-last)
	require.Equal(t, []string{"last"}, kept(t, s))
}

// TestCloseFinishes answers everybody who stands in line, and nobody who comes later.
func TestCloseFinishes(t *testing.T) {
	s := file(t)
	l := hold(t, s)
	s.ShareFor(0) // so that the last of them have their transactions when Close has long begun
	for _, id := range names(20) {
		l.add(func() error { return keep(t.Context(), s, id) })
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Eventually(t, func() bool { return errors.Is(keep(ended, s, "late"), sqlite.ErrClosed()) }, time.Minute, time.Millisecond)
	l.open()
	for _, err := range l.wait() {
		require.NoError(t, err)
	}
	require.NoError(t, <-closed)
	require.ErrorIs(t, keep(t.Context(), s, "late"), sqlite.ErrClosed())
	require.NoError(t, s.Close(), "twice")
	require.Equal(t, names(20), kept(t, reopened(t, s)))
}

// TestCloseAmongCallers closes at any moment: what was answered is there, what was refused is not.
func TestCloseAmongCallers(t *testing.T) {
	for range 10 {
		s := file(t)
		var mu sync.Mutex
		var wait sync.WaitGroup
		answered := []string{}
		enough := make(chan struct{})
		for c := range 8 {
			wait.Go(func() {
				for i := 0; ; i++ {
					id := fmt.Sprintf("%d-%d", c, i)
					err := keep(t.Context(), s, id)
					if err != nil {
						if !errors.Is(err, sqlite.ErrClosed()) {
							t.Error(err)
						}
						return
					}
					mu.Lock()
					answered = append(answered, id)
					if len(answered) == 20 {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		require.NoError(t, s.Close())
		wait.Wait()
		require.ElementsMatch(t, answered, kept(t, reopened(t, s)))
	}
}

// TestAnotherProcessWrites holds the lock for longer than is waited for it: those who waited so long are told at
// the same time, not one after another.
func TestAnotherProcessWrites(t *testing.T) {
	const busy, callers = 200, 40 // ms; one after another would take 8 s
	path := filepath.Join(t.TempDir(), "adapter.db")
	other := migrated(t, path)
	s, err := sqlite.OpenWith(t.Context(), path, "WAL", "FULL", busy)
	require.NoError(t, err)
	defer s.Close()
	tx, err := other.Writer().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), callers*busy*time.Millisecond/2)
	defer cancel()
	l := hold(t, s)
	for _, id := range names(callers) {
		l.add(func() error { return keep(ctx, s, id) })
	}
	l.open()
	for _, err := range l.wait() {
		require.ErrorContains(t, err, "begin: ")
		require.ErrorContains(t, err, "SQLITE_BUSY")
	}
	require.NoError(t, tx.Rollback())
	require.NoError(t, keep(t.Context(), s, "after"))
	require.Equal(t, []string{"after"}, kept(t, other))
}

// TestTwoStoresOnOneFile has two processes' worth of callers change one order; an update that is lost or done twice would show.
func TestTwoStoresOnOneFile(t *testing.T) {
	const callers, each = 8, 20
	a := file(t)
	b := reopened(t, a)
	first := order.Order{AnnouncementID: 5, EMTAOrderID: "emta-1", State: order.Created}
	o, err := a.Start(t.Context(), 5, order.Lease{Token: "a"}, func([]order.Order) (order.Change, error) { return order.Change{New: &first}, nil })
	require.NoError(t, err)
	var wait sync.WaitGroup
	for _, s := range []*sqlite.Store{a, b} {
		for range callers {
			wait.Go(func() {
				for range each {
					_, err := s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) {
						v.Order.Attempts++
						return order.Change{Orders: []order.Order{v.Order}}, nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wait.Wait()
	got, err := b.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, 2*callers*each, got.Attempts)
}
