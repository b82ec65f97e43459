package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

func TestOpen(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { testOpen(t, "sqlite:"+filepath.Join(t.TempDir(), "adapter.db")) })
	t.Run("postgres", func(t *testing.T) { testOpen(t, postgrestest.Open(t)) })
}

func testOpen(t *testing.T, url string) {
	s, err := store.Open(t.Context(), url)
	require.NoError(t, err)
	defer s.Close()
	names, err := s.Migrate(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, names)
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, status, len(names))
	for i, m := range status {
		require.Equal(t, store.Migration{Name: names[i], Applied: true}, m)
	}
	require.NoError(t, s.CheckDurability(t.Context()))
	require.NoError(t, s.Ping(t.Context()))
}

func TestOpenMemory(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	require.Error(t, s.CheckDurability(t.Context()), "never what serve runs on")
}

func TestOpenRefuses(t *testing.T) {
	for _, row := range []struct{ url, want string }{
		{"", "no scheme"},
		{"adapter.db", "no scheme"},
		{"sqlite:", "want the path of a file"},
		{"sqlite://adapter.db", "want the path of a file"},
		{"sqlite:" + filepath.Join(t.TempDir(), "missing", "adapter.db"), "no such file or directory"},
		{"sqlite:" + t.TempDir(), "is a directory"},
		{"postgres://adapter:hunter2@127.0.0.1:nine/at", "the address cannot be read"},
		{"postgres://adapter:%hunter2@127.0.0.1/at", "the address cannot be read"},
		{"postgres://adapter:hunter2@127.0.0.1/at?sslmode=hunter2", "a part or parameter of the address is wrong"},
		{"postgres://adapter:hunter2@127.0.0.1/at?pool_max_conns=hunter2", "a part or parameter of the address is wrong"},
		{"postgres:host=127.0.0.1 password=hunter2", "the address cannot be read"},
		{"mysql://adapter:hunter2@db.example/at", `unknown scheme "mysql"`},
		{"SQLITE:adapter.db", `unknown scheme "SQLITE"`},
	} {
		_, err := store.Open(t.Context(), row.url)
		require.ErrorContains(t, err, row.want, row.url)
		require.NotContains(t, err.Error(), "hunter2", row.url)
	}
}

// What is away is told by whatever is asked, as something that passes, and without a password.
func TestAway(t *testing.T) {
	for _, url := range []string{"postgres://adapter:hunter2@127.0.0.1:1/at", "postgresql://adapter:hunter2@127.0.0.1:1,127.0.0.1:2/at?connect_timeout=1"} {
		s, err := store.Open(t.Context(), url)
		require.NoError(t, err)
		defer s.Close()
		_, migrateErr := s.Migrate(t.Context())
		for _, err := range []error{migrateErr, s.CheckDurability(t.Context()), s.Ping(t.Context())} {
			require.ErrorContains(t, err, "get a connection")
			require.NotContains(t, err.Error(), "hunter2")
			require.Equal(t, "the database does not answer", store.Passing(err))
		}
	}
	require.Empty(t, store.Passing(nil))
	require.Empty(t, store.Passing(errors.New("anything else")))
}
