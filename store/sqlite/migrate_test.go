package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

var allMigrations = []string{"00001_tables.sql", "00002_columns.go", "00003_indexes.sql", "00004_columns.go", "00005_indexes.sql",
	"00007_settings.sql", "00008_security_log.sql", "00009_exchange_log.sql", "00011_exchange_archive.sql", "00020_mandates.sql", "00021_mandate_columns.go", "00022_schedule.sql", "00030_tokens.sql", "00040_columns.go"}

func TestMigrateTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapter.db")
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	defer s.Close()

	status, err := s.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, status, len(allMigrations))
	for i, m := range status {
		require.Equal(t, sqlite.Migration{Name: allMigrations[i]}, m)
	}
	names, err := s.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, allMigrations, names)
	before := dump(t, s.Writer())

	names, err = s.Migrate(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	require.Equal(t, before, dump(t, s.Writer()))
	status, err = s.Status(t.Context())
	require.NoError(t, err)
	for i, m := range status {
		require.Equal(t, sqlite.Migration{Name: allMigrations[i], Applied: true}, m)
	}
}

// TestMigrateAgain applies every step to a database that has it all and whose record of that is gone.
func TestMigrateAgain(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "adapter.db"))
	before := dump(t, s.Writer())
	_, err := s.Writer().Exec(`DROP TABLE goose_db_version`)
	require.NoError(t, err)
	names, err := s.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, allMigrations, names)
	require.Equal(t, before, dump(t, s.Writer()))
}

// dump is the schema and the rows that migrations write.
func dump(t *testing.T, db *sql.DB) string {
	t.Helper()
	var all strings.Builder
	for _, query := range []string{
		`SELECT coalesce(sql, name) FROM sqlite_schema WHERE name NOT LIKE '%goose%' ORDER BY type, name`,
		`SELECT tabel_veerg || kood || nimetus_est || nimetus_eng || kehtib FROM klassifikaatorid ORDER BY kood`,
		`SELECT order_id FROM adapter_order ORDER BY order_id`,
	} {
		rows, err := db.Query(query)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			all.WriteString(line + "\n")
		}
		require.NoError(t, rows.Err())
	}
	return all.String()
}

func TestTables(t *testing.T) {
	s := migrated(t, ":memory:")
	want, err := os.ReadFile(filepath.Join("testdata", "columns.txt"))
	require.NoError(t, err)
	rows, err := s.Writer().Query(`SELECT m.name || ': ' || group_concat(c.name || ' ' || c.type, ', ' ORDER BY c.cid)
		FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'goose_db_version' GROUP BY m.name ORDER BY m.name`)
	require.NoError(t, err)
	defer rows.Close()
	var got strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		got.WriteString(line + "\n")
	}
	require.NoError(t, rows.Err())
	require.Equal(t, string(want), got.String())
}

// TestMigrateExisting has tables that a core database might hold: columns of its own, some of
// ours missing, rows in them, other types.
func TestMigrateExisting(t *testing.T) {
	ctx := t.Context()
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "adapter.db"))
	require.NoError(t, err)
	defer s.Close()
	script, err := os.ReadFile(filepath.Join("testdata", "existing.sql"))
	require.NoError(t, err)
	_, err = s.Writer().ExecContext(ctx, string(script))
	require.NoError(t, err)

	_, err = s.Migrate(ctx)
	require.NoError(t, err)

	o, err := s.Order(ctx, 7)
	require.NoError(t, err)
	require.Equal(t, "9999999999999.99", o.Amount.StringFixed(2))
	require.Equal(t, "9999999999999.99", o.AskedAmount.StringFixed(2))
	require.Equal(t, order.Created, o.State)
	require.Equal(t, "vana-1", o.EMTAOrderID)
	require.Equal(t, time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), o.Created)
	require.False(t, o.Live)
	o, err = s.Order(ctx, 8)
	require.NoError(t, err)
	require.Equal(t, "30.00", o.Amount.StringFixed(2))
	require.True(t, o.NextCheck.IsZero(), "completed before our time")

	mandates, err := s.Mandates(ctx, mandate.Filter{Today: "2026-03-02"})
	require.NoError(t, err)
	require.Len(t, mandates, 4, "what is on, of people who are there")
	require.Equal(t, mandate.Mandate{ID: 1, Representee: mandate.Representee{ID: 1, Identifier: "EE10391131", Name: "Väikefirma OÜ"},
		Delegate: mandate.Delegate{ID: 1, Identifier: "EE60001019906", FirstName: "Mari", Surname: "Maasikas"}, Role: "ESINDAJA", On: true, Known: mandate.Active}, mandates[0])
	require.Empty(t, mandates[3].Representee.Identifier, "it has no code")
	twice, err := s.Mandates(ctx, mandate.Filter{Representee: "EE11065244", Today: "2026-03-02"})
	require.NoError(t, err)
	require.Len(t, twice, 2, "two rows have the code")
	added, err := s.ChangeMandates(ctx, mandate.Scope{Representee: "EE11065244", Delegate: "EE60001019906", Today: "2026-03-02"}, func(v mandate.View) (mandate.Change, error) {
		require.Equal(t, int64(2), v.Representee.ID, "the first of them")
		require.Len(t, v.Mandates, 2)
		return mandate.Change{New: &mandate.Mandate{Role: "AVALDAJA", Period: mandate.Period{From: "2026-03-02"}, On: true, Known: mandate.Active}}, nil
	}, nil)
	require.NoError(t, err)
	require.Equal(t, int64(7), added[0].ID, "after the ids that were there")

	due, err := s.TakeOrders(ctx, time.Now().Add(time.Hour), order.Lease{Token: "a", Until: time.Now()}, 10, 1000)
	require.NoError(t, err)
	require.Len(t, due, 1, "what is open is due")
	require.Equal(t, int64(7), due[0].ID)

	var note, name string
	require.NoError(t, s.Writer().QueryRow(`SELECT lisaveerg FROM maksemooduli_tellimused WHERE id = 7`).Scan(&note))
	require.Equal(t, "jääb alles", note)
	require.NoError(t, s.Writer().QueryRow(`SELECT nimetus_est FROM klassifikaatorid WHERE kood = 'L'`).Scan(&name))
	require.Equal(t, "loodud (vana)", name, "a row that was there stays")
	var rows int
	require.NoError(t, s.Writer().QueryRow(`SELECT count(*) FROM klassifikaatorid`).Scan(&rows))
	require.Equal(t, 6, rows)

	n, err := s.OpenNotification(ctx, "vana-1")
	require.NoError(t, err)
	require.Equal(t, 0, n.Attempts, "the column was missing")
	n.Attempts = 3
	due[0].Fault, due[0].PaymentURL = "Viga", "https://pay.example/7"
	written, err := s.Change(ctx, 7, "", func(order.View) (order.Change, error) {
		return order.Change{Orders: due, Notifications: []order.Notification{n}, Log: []order.LogEntry{{OrderID: 7, At: due[0].Created, Action: order.LogSync}}}, nil
	})
	require.NoError(t, err)
	require.Equal(t, "https://pay.example/7", written.PaymentURL)

	next := order.Order{AnnouncementID: 3, State: order.Creating}
	started, err := s.Start(ctx, 3, order.Lease{Token: "b", Until: time.Now()}, func(orders []order.Order) (order.Change, error) {
		require.Len(t, orders, 2)
		return order.Change{New: &next}, nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(9), started.ID, "after the ids that were there")
}

// TestMigrateRefusesKey leaves a database alone whose table could not give keys.
func TestMigrateRefusesKey(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "adapter.db"))
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Writer().Exec(`CREATE TABLE maksemooduli_tellimused (id bigint PRIMARY KEY)`)
	require.NoError(t, err)
	_, err = s.Migrate(t.Context())
	require.ErrorContains(t, err, "maksemooduli_tellimused: its id must be INTEGER PRIMARY KEY")
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder? with #odd%41 name", "adapter.db")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	o := order.Order{AnnouncementID: 5, State: order.Creating, Live: true, Started: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	written, err := s.Start(t.Context(), 5, order.Lease{Token: "a", Until: o.Started}, func([]order.Order) (order.Change, error) {
		return order.Change{New: &o}, nil
	})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	s = migrated(t, path)
	require.NoError(t, s.CheckDurability(t.Context()))
	read, err := s.Order(t.Context(), written.ID)
	require.NoError(t, err)
	require.Equal(t, written, read)
	_, err = s.Change(t.Context(), written.ID, "a", func(order.View) (order.Change, error) { return order.Change{}, nil })
	require.NoError(t, err, "the lease too")
}

// TestTwoProcesses has two stores on one file, as two processes would.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapter.db")
	a, b := migrated(t, path), migrated(t, path)
	o := order.Order{AnnouncementID: 5, State: order.Creating}
	written, err := a.Start(t.Context(), 5, order.Lease{Token: "a", Until: time.Now()}, func([]order.Order) (order.Change, error) {
		return order.Change{New: &o}, nil
	})
	require.NoError(t, err)
	const each = 25
	errs := make(chan error, 2)
	for _, s := range []*sqlite.Store{a, b} {
		go func() {
			for range each {
				_, err := s.Change(context.WithoutCancel(t.Context()), written.ID, "", func(v order.View) (order.Change, error) {
					v.Order.Attempts++
					return order.Change{Orders: []order.Order{v.Order}}, nil
				})
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
	read, err := b.Order(t.Context(), written.ID)
	require.NoError(t, err)
	require.Equal(t, 2*each, read.Attempts)
}

// TestMigrateLowerNumber has a step that comes with a later version than steps with greater numbers.
func TestMigrateLowerNumber(t *testing.T) {
	s := migrated(t, filepath.Join(t.TempDir(), "adapter.db"))
	_, err := s.Writer().Exec(`DELETE FROM goose_db_version WHERE version_id IN (4, 5)`)
	require.NoError(t, err)
	names, err := s.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"00004_columns.go", "00005_indexes.sql"}, names)
}
