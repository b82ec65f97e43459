package postgres_test

import (
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/postgres"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// documented returns the SQL block of the operator's page that is marked with the word.
func documented(t *testing.T, word string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations-postgres.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```sql" + word + "\n(.*?)```").FindSubmatch(page)
	require.NotNil(t, found)
	return string(found[1])
}

// as is the address with another user.
func as(t *testing.T, address, user string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	q.Set("user", user)
	u.User, u.RawQuery = nil, q.Encode()
	return u.String()
}

// TestTwoRoles follows the operator's page: an administrator migrates, and a role that may not change the
// schema serves.
func TestTwoRoles(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, "fsync=off") // roles are the whole server's
	roles, rights, _ := strings.Cut(documented(t, ""), "CREATE SCHEMA")
	rights = "CREATE SCHEMA" + rights
	run(t, server.Database(t), roles)
	t.Run("empty", func(t *testing.T) { testTwoRoles(t, server.Database(t), rights) })
	t.Run("existing", func(t *testing.T) { testTwoRolesExisting(t, server.Database(t), rights) })
}

func requireRights(t *testing.T, s *postgres.Store, migrate bool, missing ...string) {
	t.Helper()
	rights, err := s.Rights(t.Context())
	require.NoError(t, err)
	require.Equal(t, migrate, rights.Migrate)
	require.Equal(t, missing, rights.Missing)
}

func testTwoRoles(t *testing.T, address, rights string) {
	run(t, address, rights)
	app := open(t, as(t, address, "adapter_app"))
	requireStatus(t, app, false)
	requireRights(t, app, false)
	_, err := app.Migrate(t.Context())
	require.ErrorContains(t, err, "permission denied")
	require.ErrorContains(t, err, "run adapter migrate up as a role that owns schema atis")

	admin := open(t, as(t, address, "adapter_admin"))
	names, err := admin.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, allMigrations, names)
	requireRights(t, admin, true)
	requireRights(t, app, false)
	run(t, address, `REVOKE INSERT ON atis.adapter_order FROM adapter_app; REVOKE SELECT ON atis.security_log FROM adapter_app`)
	requireRights(t, app, false, "adapter_order", "security_log")
	run(t, address, `GRANT INSERT ON atis.adapter_order TO adapter_app; GRANT SELECT ON atis.security_log TO adapter_app`)

	serves(t, address, "adapter_app", 1)
	for _, statement := range []string{`CREATE TABLE atis.x ()`, `DROP TABLE atis.adapter_event`, `DELETE FROM atis.maksemooduli_tellimused`,
		`ALTER TABLE atis.adapter_order ADD COLUMN x int`, `UPDATE pg_class SET relname = relname`} {
		_, err := connect(t, as(t, address, "adapter_app")).Exec(t.Context(), statement)
		require.Error(t, err, statement)
	}
	run(t, address, documented(t, " restore"))
	serves(t, address, "adapter_app", 100001)
}

// testTwoRolesExisting has tables there that belong to the core.
func testTwoRolesExisting(t *testing.T, address, rights string) {
	run(t, address, `CREATE ROLE core LOGIN; GRANT CREATE ON DATABASE `+strings.TrimPrefix(must(url.Parse(address)).Path, "/")+` TO core`)
	script, err := os.ReadFile("testdata/existing.sql")
	require.NoError(t, err)
	run(t, as(t, address, "core"), string(script)+`; CREATE TABLE atis.sys_maksemoodul_logi (aeg timestamptz)`)
	run(t, address, rights)
	run(t, address, documented(t, " existing")+`; GRANT core TO adapter_admin`)

	names, err := open(t, as(t, address, "adapter_admin")).Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, allMigrations, names)
	serves(t, address, "adapter_app", 9)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// serves starts an order of announcement 3 as the user, changes it, and hears of it; its key is wanted.
func serves(t *testing.T, address, user string, want int64) {
	t.Helper()
	s := open(t, as(t, address, user))
	names, err := s.Migrate(t.Context())
	require.NoError(t, err, "there is nothing to do")
	require.Empty(t, names)
	requireStatus(t, s, true)
	require.NoError(t, s.Ping(t.Context()))

	o := order.Order{AnnouncementID: 3, State: order.Creating, NextCheck: noon}
	written, err := s.Start(t.Context(), 3, order.Lease{Token: "a", Until: noon}, func([]order.Order) (order.Change, error) {
		return order.Change{New: &o, Log: []order.LogEntry{{At: noon, Action: order.LogInit}}, Events: events(1),
			Audits: []order.Audit{{At: noon, Actor: "a", Action: "x"}}}, nil
	})
	require.NoError(t, err)
	require.Equal(t, want, written.ID)
	taken, err := s.TakeOrders(t.Context(), noon, order.Lease{Token: "b", Until: noon.Add(time.Minute)}, 1, 1000)
	require.NoError(t, err)
	require.Len(t, taken, 1)
	taken[0].State, taken[0].EMTAOrderID, taken[0].NextCheck = order.Completed, time.Now().String(), time.Time{}
	_, err = s.Change(t.Context(), written.ID, "b", func(order.View) (order.Change, error) {
		return order.Change{Orders: taken, Events: events(1), Suspicions: []order.Suspicion{{At: noon, Reason: "r"}},
			Notifications: []order.Notification{{EMTAOrderID: taken[0].EMTAOrderID, NotifiedAt: noon}}}, nil
	})
	require.NoError(t, err)
	require.NoError(t, s.ReleaseOrder(t.Context(), written.ID, "b"))
	deliveries, err := s.TakeDeliveries(t.Context(), noon, "w", noon.Add(time.Minute), 10)
	require.NoError(t, err)
	require.NotEmpty(t, deliveries)
	require.NoError(t, s.Delivered(t.Context(), deliveries[0].Event.Seq, "w", noon))
	_, err = s.Figures(t.Context(), noon)
	require.NoError(t, err)
}
