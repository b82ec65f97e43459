package postgres_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/postgres"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

func TestCheckDurability(t *testing.T) {
	t.Parallel()
	s := open(t, postgrestest.Open(t))
	require.NoError(t, s.CheckDurability(t.Context()))
	require.NoError(t, s.CheckDurability(t.Context()), "it gives back what it takes")
	require.NoError(t, s.Ping(t.Context()))
}

// TestCheckDurabilitySession has settings that a role, a database or the address may change.
func TestCheckDurabilitySession(t *testing.T) {
	t.Parallel()
	address := postgrestest.Open(t)
	for _, row := range []struct{ parameter, want string }{
		{"synchronous_commit=off", "synchronous_commit is off, want on"},
		{"default_transaction_read_only=on&target_session_attrs=any", "transactions are read only"},
		{"synchronous_commit=local", ""},
		{"synchronous_commit=remote_apply", ""},
	} {
		s := open(t, address+"&"+row.parameter)
		err := s.CheckDurability(t.Context())
		if row.want == "" {
			require.NoError(t, err, row.parameter)
			continue
		}
		require.ErrorContains(t, err, row.want, row.parameter)
		if strings.Contains(row.parameter, "read_only") {
			require.ErrorContains(t, s.Ping(t.Context()), "read only")
		}
	}
	err := open(t, address+"&default_transaction_read_only=on").Ping(t.Context())
	require.ErrorContains(t, err, "read only", "without target_session_attrs it is not even connected to")
	require.Contains(t, postgres.Passing(err), "refuses writes")
}

// TestCheckDurabilityEveryConnection spoils one connection of the pool, each in turn.
func TestCheckDurabilityEveryConnection(t *testing.T) {
	t.Parallel()
	const size = 3
	s := open(t, postgrestest.Open(t)+"&pool_max_conns=3")
	for nth := range size {
		err := s.SpoilConnection(t.Context(), size, nth, `SET synchronous_commit = off`)
		require.NoError(t, err)
		require.EqualError(t, s.CheckDurability(t.Context()), "postgres: a connection: synchronous_commit is off, want on", nth)
		require.NoError(t, s.SpoilConnection(t.Context(), size, -1, `RESET synchronous_commit`))
	}
	require.NoError(t, s.CheckDurability(t.Context()))
}

// TestCheckDurabilityServer has settings of a whole server, and one that became a standby.
func TestCheckDurabilityServer(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
	address := server.Database(t)
	s := open(t, address+"&target_session_attrs=any")
	err := s.CheckDurability(t.Context())
	require.ErrorContains(t, err, "fsync is off, want on")
	require.ErrorContains(t, err, "full_page_writes is off, want on")
	require.ErrorContains(t, err, "synchronous_commit is off, want on")

	server.Stop(t)
	server.Standby(t)
	s = open(t, address+"&target_session_attrs=any")
	err = s.CheckDurability(t.Context())
	require.ErrorContains(t, err, "the server is a standby")
	require.Empty(t, postgres.Passing(err), "the address asks for it: nothing to wait for")
	require.ErrorContains(t, s.Ping(t.Context()), "read only")
	err = open(t, address).CheckDurability(t.Context())
	require.ErrorContains(t, err, "read only")
	require.Contains(t, postgres.Passing(err), "refuses writes", "it may be promoted yet")
}
