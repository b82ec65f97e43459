package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

func TestCheckDurability(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "adapter.db"))
	require.NoError(t, s.CheckDurability(t.Context()))
	require.NoError(t, s.CheckDurability(t.Context()), "it gives back what it takes")
	require.NoError(t, s.Ping(t.Context()))
}

func TestCheckDurabilityRefuses(t *testing.T) {
	for _, row := range []struct {
		name, journal, synchronous string
		busy                       int
		want                       []string
	}{
		{"rollback journal", "DELETE", "FULL", 5000, []string{"writing: journal_mode is delete, want wal", "reading: journal_mode is delete, want wal"}},
		{"no journal", "OFF", "FULL", 5000, []string{"journal_mode is off, want wal"}},
		{"normal", "WAL", "NORMAL", 5000, []string{"writing: synchronous is 1, want 2", "reading: synchronous is 1, want 2"}},
		{"off", "WAL", "OFF", 5000, []string{"synchronous is 0, want 2"}},
		{"no patience", "WAL", "FULL", 0, []string{"busy_timeout is 0, want more than 0"}},
		{"all at once", "TRUNCATE", "OFF", 0, []string{"journal_mode is truncate", "synchronous is 0", "busy_timeout is 0"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := sqlite.OpenWith(t.Context(), filepath.Join(t.TempDir(), "adapter.db"), row.journal, row.synchronous, row.busy)
			require.NoError(t, err)
			defer s.Close()
			err = s.CheckDurability(t.Context())
			for _, want := range row.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// TestCheckDurabilityEveryConnection spoils one connection of a pool, each in turn.
func TestCheckDurabilityEveryConnection(t *testing.T) {
	for _, row := range []struct {
		use  string
		pool func(*sqlite.Store) *sql.DB
		size int
	}{{"writing", (*sqlite.Store).Writer, 1}, {"reading", (*sqlite.Store).Reader, 4}} {
		for nth := range row.size {
			s := migrated(t, filepath.Join(t.TempDir(), "adapter.db"))
			var conns []*sql.Conn
			for range row.size {
				c, err := row.pool(s).Conn(t.Context())
				require.NoError(t, err)
				conns = append(conns, c)
			}
			_, err := conns[nth].ExecContext(t.Context(), `PRAGMA synchronous = NORMAL`)
			require.NoError(t, err)
			for _, c := range conns {
				require.NoError(t, c.Close())
			}
			require.EqualError(t, s.CheckDurability(t.Context()), "sqlite: a connection for "+row.use+": synchronous is 1, want 2 (full)", nth)
		}
	}
}

func TestCheckDurabilityFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(folder, 0o700))
	s := migrated(t, filepath.Join(folder, "adapter.db"))
	require.NoError(t, os.RemoveAll(folder))
	require.ErrorContains(t, s.CheckDurability(t.Context()), "folder cannot be written")
}

func TestCheckDurabilityMemory(t *testing.T) {
	require.EqualError(t, migrated(t, ":memory:").CheckDurability(t.Context()), "sqlite: a memory database keeps nothing")
}

func TestReadersCannotWrite(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "adapter.db"))
	_, err := s.Reader().ExecContext(t.Context(), `DELETE FROM adapter_event`)
	require.ErrorContains(t, err, "readonly")
}
