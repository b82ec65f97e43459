package postgrestest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

func number(t *testing.T, address, query string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), query).Scan(&n))
	return n
}

func run(t *testing.T, address, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), statement)
	require.NoError(t, err)
}

func TestOpen(t *testing.T) {
	first, second := postgrestest.Open(t), postgrestest.Open(t)
	require.NotEqual(t, first, second)
	run(t, first, `CREATE TABLE things AS SELECT 7 AS n`)
	const tables = `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`
	require.Equal(t, 1, number(t, first, tables))
	require.Equal(t, 0, number(t, second, tables))
	third := postgrestest.Copy(t, first)
	require.Equal(t, 7, number(t, third, `SELECT n FROM things`))
}

func TestServer(t *testing.T) {
	s := postgrestest.Start(t, "fsync=off")
	address := s.Database(t)
	require.Equal(t, 1, number(t, address, `SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'off'`))
	run(t, address, `CREATE TABLE things AS SELECT 7 AS n`)
	for _, end := range []func(testing.TB){s.Stop, s.Crash} {
		end(t)
		_, err := pgx.Connect(t.Context(), address)
		require.Error(t, err)
		s.Restart(t)
		require.Equal(t, 7, number(t, address, `SELECT n FROM things`))
	}
}
