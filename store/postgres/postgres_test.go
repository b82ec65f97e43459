package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/postgres"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
	"ametlikudteadaanded.ee/adapter/store/storetest"
)

// TestStore runs the contract on one database that is emptied in between, which takes a tenth of the
// time of a new one.
func TestStore(t *testing.T) {
	_, address := migrated(t)
	storetest.Run(t, func(tb testing.TB) storetest.Store {
		run(tb, address, `DELETE FROM atis.adapter_audit; DELETE FROM atis.adapter_suspicion; DELETE FROM atis.adapter_event;
			DELETE FROM atis.sys_maksemoodul_logi; DELETE FROM atis.adapter_notification; DELETE FROM atis.krediitkaardi_teavitused;
			DELETE FROM atis.adapter_order; DELETE FROM atis.maksemooduli_tellimused`)
		return open(tb, address)
	})
}

// open opens the database at address.
func open(tb testing.TB, address string) *postgres.Store {
	tb.Helper()
	s, err := postgres.Open(tb.Context(), address)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// migrated returns a store on a new database with all tables, and its address.
func migrated(tb testing.TB) (*postgres.Store, string) {
	tb.Helper()
	address := postgrestest.Open(tb)
	s := open(tb, address)
	_, err := s.Migrate(tb.Context())
	require.NoError(tb, err)
	return s, address
}

// connect is a session of somebody else's on the database.
func connect(tb testing.TB, address string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), address)
	require.NoError(tb, err)
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// run executes a script on the database.
func run(tb testing.TB, address, script string) {
	tb.Helper()
	_, err := connect(tb, address).Exec(tb.Context(), script)
	require.NoError(tb, err)
}
