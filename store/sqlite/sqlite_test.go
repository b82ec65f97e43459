package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/sqlite"
	"ametlikudteadaanded.ee/adapter/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) storetest.Store {
		return migrated(tb, filepath.Join(tb.TempDir(), "adapter.db"))
	})
}

func TestStoreInMemory(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) storetest.Store { return migrated(tb, ":memory:") })
}

// migrated opens path with all tables.
func migrated(tb testing.TB, path string) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), path)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	_, err = s.Migrate(tb.Context())
	require.NoError(tb, err)
	return s
}
