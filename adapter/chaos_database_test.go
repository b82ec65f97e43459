//go:build unix

package main

import (
	"context"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// socketOf is the path of the socket that a tests' server listens on, by a database's address.
func socketOf(t testing.TB, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	require.NoError(t, err)
	return filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
}

// databaseThrough is the database's address by a link to its server.
func databaseThrough(t testing.TB, database, link string, parameters url.Values) string {
	t.Helper()
	u, err := url.Parse(database)
	require.NoError(t, err)
	query := url.Values{"user": u.Query()["user"], "sslmode": {"disable"}}
	for name, values := range parameters {
		query[name] = values
	}
	return (&url.URL{Scheme: "postgres", Host: link, Path: u.Path, RawQuery: query.Encode()}).String()
}

// databaseFaults are what happens to the server and its sessions.
func (c *chaos) databaseFaults() []mishap {
	restart := func(end func(*postgrestest.Server, testing.TB)) func(*testing.T, *rand.Rand) func() {
		return func(t *testing.T, rng *rand.Rand) func() {
			end(c.server, t)
			c.down = true
			return func() {
				c.server.Restart(t)
				c.down = false
			}
		}
	}
	terminate := func(t *testing.T, rng *rand.Rand) func() {
		c.terminate(t, 1+rng.IntN(8))
		return func() {}
	}
	return []mishap{
		{name: "pg_terminate_backend", family: "sessions", begin: terminate},
		{name: "pg_terminate_backend again", family: "sessions", begin: terminate},
		{name: "PostgreSQL restarts at once", family: "server", begin: restart((*postgrestest.Server).Crash)},
		{name: "PostgreSQL restarts", family: "server", begin: restart((*postgrestest.Server).Stop)},
	}
}

// terminate ends some of the replicas' sessions.
func (c *chaos) terminate(t *testing.T, sessions int) {
	t.Helper()
	if c.down {
		return // and all sessions with it
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.database)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'adapter' ORDER BY random() LIMIT $1) AS unlucky`, sessions)
	require.NoError(t, err)
}

// inside is what only the database itself tells.
type inside struct {
	processed map[string]time.Time // notifications by EMTA's id, the latest
	leased    []string             // rows whose lease has not run out
	parked    []string             // rows that are not done and that nobody will look at
	confirmed map[string]int       // confirmations of claims by our key
}

// look reads it.
func look(ctx context.Context, database string) (inside, error) {
	k := inside{processed: map[string]time.Time{}, confirmed: map[string]int{}}
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return k, err
	}
	defer conn.Close(ctx)
	var id string
	var at time.Time
	var n int
	rows, err := conn.Query(ctx, `SELECT tellimuse_id, max(teavituse_aeg) FROM atis.krediitkaardi_teavitused WHERE toodeldud GROUP BY tellimuse_id`)
	if err != nil {
		return k, err
	}
	if _, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error { k.processed[id] = at; return nil }); err != nil {
		return k, err
	}
	rows, err = conn.Query(ctx, `SELECT order_id::text, count(*) FROM atis.adapter_audit WHERE action = 'claim' GROUP BY order_id`)
	if err != nil {
		return k, err
	}
	if _, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { k.confirmed[id] = n; return nil }); err != nil {
		return k, err
	}
	for list, statement := range map[*[]string]string{
		&k.leased: `SELECT 'order ' || order_id FROM atis.adapter_order WHERE lease_until > now()
			UNION ALL SELECT 'notification ' || notification_id FROM atis.adapter_notification WHERE lease_until > now()
			UNION ALL SELECT 'event ' || seq FROM atis.adapter_event WHERE lease_until > now()`,
		&k.parked: `SELECT 'order ' || id FROM atis.maksemooduli_tellimused JOIN atis.adapter_order ON order_id = id
				WHERE tellimuse_seisund_kl IN ('U', 'L', 'P') AND next_check_at IS NULL
			UNION ALL SELECT 'notification of ' || tellimuse_id FROM atis.krediitkaardi_teavitused JOIN atis.adapter_notification ON notification_id = id
				WHERE NOT toodeldud AND next_check_at IS NULL AND NOT EXISTS (SELECT 1 FROM atis.maksemooduli_tellimused t
					JOIN atis.adapter_order o ON o.order_id = t.id WHERE t.tellimuse_id = krediitkaardi_teavitused.tellimuse_id AND o.next_check_at IS NOT NULL)
			UNION ALL SELECT 'completion ' || completion_id FROM atis.maksemooduli_tellimused JOIN atis.adapter_order ON order_id = id
				WHERE tellimuse_seisund_kl = 'T' AND noue_edastatud IS NOT TRUE AND next_offer_at IS NULL`,
	} {
		rows, err := conn.Query(ctx, statement)
		if err != nil {
			return k, err
		}
		if *list, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return k, err
		}
	}
	return k, nil
}
