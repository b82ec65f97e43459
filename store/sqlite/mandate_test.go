package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/sqlite"
	"ametlikudteadaanded.ee/adapter/store/storetest"
)

func TestMandates(t *testing.T) {
	for name, path := range map[string]func(tb testing.TB) string{
		"file":   func(tb testing.TB) string { return filepath.Join(tb.TempDir(), "adapter.db") },
		"memory": func(testing.TB) string { return ":memory:" },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.RunMandates(t, func(tb testing.TB) (storetest.MandateStore, storetest.Core) {
				s := migrated(tb, path(tb))
				return s, core(s)
			})
		})
	}
}

// core runs statements beside the store's own.
func core(s *sqlite.Store) storetest.Core {
	return func(tb testing.TB, statement string) {
		tb.Helper()
		_, err := s.Writer().Exec(strings.ReplaceAll(statement, "atis.", ""))
		require.NoError(tb, err)
	}
}
