package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// TestCommitsShareFlushes has many notifications at once: the server flushes its log to the disk for several commits at a time, and
// each is answered only after its own (TestNoEarlyAnswer). commit_delay stands for a disk that takes a few milliseconds.
func TestCommitsShareFlushes(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, "commit_delay=5000", "commit_siblings=1", "wal_writer_delay=10s", "autovacuum=off")
	address := server.Database(t)
	s := open(t, address+"&pool_max_conns=20")
	_, err := s.Migrate(t.Context())
	require.NoError(t, err)
	admin := connect(t, address)
	flushes := func() (n int) {
		t.Helper()
		query := `SELECT wal_sync FROM pg_stat_wal`
		var version int
		require.NoError(t, admin.QueryRow(t.Context(), `SELECT current_setting('server_version_num')::int`).Scan(&version))
		if version >= 180000 { // where it is kept since
			query = `SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'`
		}
		_, err := admin.Exec(t.Context(), `SELECT pg_stat_clear_snapshot()`)
		require.NoError(t, err)
		require.NoError(t, admin.QueryRow(t.Context(), query).Scan(&n))
		return n
	}
	const callers, each = 20, 10
	before := flushes()
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			for i := range each {
				id := fmt.Sprintf("emta-%d-%d", c, i)
				err := s.Notified(t.Context(), id, func(order.Known) (order.Change, error) {
					return order.Change{Notifications: []order.Notification{{EMTAOrderID: id, NotifiedAt: noon}}}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	require.NoError(t, s.Close()) // a session tells of its flushes when it ends
	s = open(t, address)
	figures, err := s.Figures(t.Context(), noon)
	require.NoError(t, err)
	require.Equal(t, callers*each, figures.OpenNotifications)
	shared := flushes() - before
	t.Logf("%d commits, %d flushes", callers*each, shared)
	require.Positive(t, shared, "each was flushed before it was answered")
	require.Less(t, shared, callers*each/2, "one flush serves several commits")
}
