package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/postgres"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

var allMigrations = []string{"00001_tables.sql", "00002_columns.sql", "00003_indexes.sql", "00004_columns.sql", "00005_indexes.sql",
	"00007_settings.sql", "00008_security_log.sql", "00009_exchange_log.sql", "00011_exchange_archive.sql", "00020_mandates.sql", "00021_mandate_indexes.sql", "00022_schedule.sql", "00030_tokens.sql", "00040_event_trace.sql"}

func requireStatus(t *testing.T, s *postgres.Store, applied bool) {
	t.Helper()
	status, err := s.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, status, len(allMigrations))
	for i, m := range status {
		require.Equal(t, postgres.Migration{Name: allMigrations[i], Applied: applied}, m)
	}
}

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	address := postgrestest.Open(t)
	s := open(t, address)
	empty := dump(t, address)
	requireStatus(t, s, false)
	require.Equal(t, empty, dump(t, address), "asking changes nothing")
	names, err := s.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, allMigrations, names)
	before := dump(t, address)

	names, err = s.Migrate(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	require.Equal(t, before, dump(t, address))
	requireStatus(t, s, true)

	// Every step once more on a database that has it all and whose record of that is gone.
	run(t, address, `DROP TABLE atis.adapter_migration`)
	names, err = s.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, allMigrations, names)
	require.Equal(t, before, dump(t, address))
}

// dump is the schema and the rows that migrations write.
func dump(t *testing.T, address string) string {
	t.Helper()
	var all strings.Builder
	conn := connect(t, address)
	lines := func(query string) {
		found, err := conn.Query(t.Context(), query)
		require.NoError(t, err)
		list, err := pgx.CollectRows(found, pgx.RowTo[string])
		require.NoError(t, err)
		all.WriteString(strings.Join(append(list, "\n"), "\n"))
	}
	lines(`SELECT format('%s.%s %s %s %s %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
			pg_get_expr(d.adbin, d.adrelid))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relnamespace = to_regnamespace('atis') AND a.attnum > 0 AND c.relname NOT LIKE 'adapter_migration%' ORDER BY 1`)
	lines(`SELECT indexdef FROM pg_indexes WHERE schemaname = 'atis' AND tablename <> 'adapter_migration' ORDER BY 1`)
	lines(`SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
		WHERE connamespace = to_regnamespace('atis') AND conname NOT LIKE 'adapter_migration%' ORDER BY 1`)
	if strings.Contains(all.String(), "atis.adapter_order.") {
		lines(`SELECT to_jsonb(k)::text FROM atis.klassifikaatorid k ORDER BY 1`)
		lines(`SELECT to_jsonb(a)::text FROM atis.adapter_order a ORDER BY order_id`)
	}
	return all.String()
}

// TestTables compares the columns with those of the specification (EMTA §3), which the file names.
func TestTables(t *testing.T) {
	t.Parallel()
	_, address := migrated(t)
	want, err := os.ReadFile(filepath.Join("testdata", "columns.txt"))
	require.NoError(t, err)
	found, err := connect(t, address).Query(t.Context(), `SELECT c.relname || ': ' || string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'atis'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
		AND c.relname <> 'adapter_migration' GROUP BY c.relname ORDER BY c.relname`)
	require.NoError(t, err)
	got, err := pgx.CollectRows(found, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, string(want), strings.Join(got, "\n")+"\n")
}

// TestMigrateAtOnce has many replicas come to an empty database before the first of them gets its turn.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	const replicas = 5
	address := postgrestest.Open(t)
	type outcome struct {
		names []string
		err   error
	}
	outcomes := make(chan outcome, replicas)
	holder := connect(t, address)
	_, err := holder.Exec(t.Context(), postgres.LockMigrations)
	require.NoError(t, err)
	for range replicas {
		s := open(t, address)
		go func() {
			names, err := s.Migrate(t.Context())
			outcomes <- outcome{names, err}
		}()
	}
	waiting(t, connect(t, address), replicas)
	require.NoError(t, holder.Close(t.Context()))
	var all []string
	for range replicas {
		o := <-outcomes
		require.NoError(t, o.err)
		all = append(all, o.names...)
	}
	require.Equal(t, allMigrations, all, "each step once, all by one replica")
	var times int
	require.NoError(t, connect(t, address).QueryRow(t.Context(), `SELECT count(*) FROM atis.adapter_migration WHERE version_id > 0`).Scan(&times))
	require.Equal(t, len(allMigrations), times)
}

// TestMigrateExisting has tables that a core database might hold.
func TestMigrateExisting(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	address := postgrestest.Open(t)
	script, err := os.ReadFile(filepath.Join("testdata", "existing.sql"))
	require.NoError(t, err)
	run(t, address, string(script))
	old := contents(t, address)
	before := dump(t, address)
	s := open(t, address)
	_, err = s.Migrate(ctx)
	require.NoError(t, err)
	after := dump(t, address)
	for line := range strings.Lines(before) {
		require.Contains(t, after, line, "what was there is as it was")
	}
	require.Equal(t, old, contents(t, address))

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

	n, err := s.OpenNotification(ctx, "vana-1")
	require.NoError(t, err)
	require.Equal(t, 0, n.Attempts, "the column was missing")
	n.Attempts = 3
	due[0].Fault, due[0].PaymentURL, due[0].Created = "Viga", "https://pay.example/7", due[0].Created.Add(time.Minute)
	written, err := s.Change(ctx, 7, "", func(order.View) (order.Change, error) {
		return order.Change{Orders: due, Notifications: []order.Notification{n, {EMTAOrderID: "vana-3", NotifiedAt: due[0].Created}},
			Log: []order.LogEntry{{OrderID: 7, At: due[0].Created, Action: order.LogSync}}}, nil
	})
	require.NoError(t, err)
	require.Equal(t, "https://pay.example/7", written.PaymentURL)
	require.Equal(t, due[0].Created, written.Created, "a column without a zone is UTC")

	next := order.Order{AnnouncementID: 3, State: order.Creating}
	started, err := s.Start(ctx, 3, order.Lease{Token: "b", Until: time.Now()}, func(orders []order.Order) (order.Change, error) {
		require.Len(t, orders, 2)
		return order.Change{New: &next}, nil
	})
	require.NoError(t, err)
	require.Equal(t, int64(9), started.ID, "after the ids that were there")
	next.AnnouncementID = 5
	_, err = s.Start(ctx, 5, order.Lease{Token: "b", Until: time.Now()}, func([]order.Order) (order.Change, error) { return order.Change{New: &next}, nil })
	require.ErrorContains(t, err, "vana_fk", "constraints that were there hold")
}

// contents are the core's rows and columns.
func contents(t *testing.T, address string) string {
	t.Helper()
	var all string
	require.NoError(t, connect(t, address).QueryRow(t.Context(), `SELECT concat(
		(SELECT string_agg(concat_ws('|', id, tabel_veerg, kood, nimetus_est, jrk), ';' ORDER BY id) FROM atis.klassifikaatorid WHERE id <= 2),
		(SELECT string_agg(concat_ws('|', id, teate_id, tellimuse_id, tellimuse_seisund_kl, loodud, summa, valuuta, noue_edastatud, lisaveerg), ';' ORDER BY id)
			FROM atis.maksemooduli_tellimused),
		(SELECT string_agg(concat_ws('|', id, tellimuse_id, teavituse_aeg, toodeldud), ';' ORDER BY id) FROM atis.krediitkaardi_teavitused),
		(SELECT string_agg(concat_ws('|', id, kood, nimi, liik), ';' ORDER BY id) FROM atis.andmeandjad),
		(SELECT string_agg(concat_ws('|', id, isikukood, eesnimi, perenimi, epost), ';' ORDER BY id) FROM atis.kasutajad),
		(SELECT string_agg(concat_ws('|', id, andmeandjad_id, kasutajad_id, role, staatus_kl, telefon), ';' ORDER BY id) FROM atis.andmeandjad_kasutajad),
		(SELECT string_agg(concat_ws('|', id, sisu), ';' ORDER BY id) FROM atis.avaldamisoiguse_taotlused),
		(SELECT string_agg(concat_ws('|', id, summa), ';' ORDER BY id) FROM atis.vaade))`).Scan(&all))
	return all
}

// TestMigrateRefuses has tables that cannot be used as they are; the migration stops and says why.
func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, script, want string }{
		{"a key without a default", `CREATE TABLE atis.maksemooduli_tellimused (id bigint PRIMARY KEY)`,
			"table atis.maksemooduli_tellimused: its id must be"},
		{"a key that is not unique", `CREATE TABLE atis.krediitkaardi_teavitused (id bigserial)`,
			"table atis.krediitkaardi_teavitused: its id must be"},
		{"other types", `CREATE TABLE atis.maksemooduli_tellimused (id bigserial PRIMARY KEY, summa float8, noue_edastatud char(1))`,
			"atis.maksemooduli_tellimused.summa is double precision, want numeric; atis.maksemooduli_tellimused.noue_edastatud is character(1), want boolean"},
		{"a representee's key without a default", `CREATE TABLE atis.andmeandjad (id bigint PRIMARY KEY)`, "table atis.andmeandjad: its id must be"},
		{"a mandate's other types", `CREATE TABLE atis.andmeandjad_kasutajad (id bigserial PRIMARY KEY, staatus_kl integer, on_tahtajatu text)`,
			"atis.andmeandjad_kasutajad.staatus_kl is integer, want text; atis.andmeandjad_kasutajad.on_tahtajatu is text, want boolean"},
		{"an id twice", `CREATE TABLE atis.maksemooduli_tellimused (id bigserial PRIMARY KEY, tellimuse_id text);
			INSERT INTO atis.maksemooduli_tellimused (tellimuse_id) VALUES ('a'), ('a'), ('b'), (NULL), (NULL)`,
			"table atis.maksemooduli_tellimused: 1 values of tellimuse_id stand in more than one row"},
		{"two open notifications", `CREATE TABLE atis.krediitkaardi_teavitused (id bigserial PRIMARY KEY, tellimuse_id text, toodeldud boolean);
			INSERT INTO atis.krediitkaardi_teavitused (tellimuse_id, toodeldud) VALUES ('a', false), ('a', false), ('b', true), ('b', false)`,
			"table atis.krediitkaardi_teavitused: 1 values of tellimuse_id have more than one row with toodeldud false"},
	} {
		t.Run(row.name, func(t *testing.T) {
			address := postgrestest.Open(t)
			run(t, address, `CREATE SCHEMA atis; `+row.script)
			_, err := open(t, address).Migrate(t.Context())
			require.ErrorContains(t, err, row.want)
		})
	}
}

// TestMigrateReference has the announcements' table there and no orders yet.
func TestMigrateReference(t *testing.T) {
	t.Parallel()
	address := postgrestest.Open(t)
	run(t, address, `CREATE SCHEMA atis; CREATE TABLE atis.teated (id integer PRIMARY KEY); INSERT INTO atis.teated VALUES (5)`)
	s := open(t, address)
	_, err := s.Migrate(t.Context())
	require.NoError(t, err)
	for id, want := range map[int64]string{5: "", 6: "maksemooduli_tellimused_teate_id_fkey"} {
		o := order.Order{AnnouncementID: id, State: order.Creating}
		_, err := s.Start(t.Context(), id, order.Lease{Token: "a", Until: time.Now()}, func([]order.Order) (order.Change, error) { return order.Change{New: &o}, nil })
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

// TestMigrateLowerNumber has a step that comes with a later version than steps with greater numbers.
func TestMigrateLowerNumber(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	run(t, address, `DELETE FROM atis.adapter_migration WHERE version_id IN (4, 5); DROP TABLE atis.adapter_notification_audit;
		ALTER TABLE atis.adapter_order DROP COLUMN lease_background, DROP COLUMN after_cancel; ALTER TABLE atis.adapter_notification DROP COLUMN parked_at`)
	names, err := s.Migrate(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"00004_columns.sql", "00005_indexes.sql"}, names)
	requireStatus(t, s, true)
	started(t, s, 5, "emta-1")
}

// TestMigrationsOnlyExpand holds every step of both stores to what lets replicas of the version before go on beside those of the next:
// nothing is dropped, renamed or narrowed, and a column that is added says what a row has that is written without it.
func TestMigrationsOnlyExpand(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../*/migrations/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	comment, statement := regexp.MustCompile(`--.*`), regexp.MustCompile(`(?i)\b(drop|rename|truncate|delete\s+from|alter\s+column|set\s+not\s+null)\b`)
	added := regexp.MustCompile(`(?i)add\s+column[^,;]*`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		sql := comment.ReplaceAllString(string(text), "")
		require.Empty(t, statement.FindAllString(sql, -1), file)
		for _, column := range added.FindAllString(sql, -1) {
			if upper := strings.ToUpper(column); strings.Contains(upper, "NOT NULL") {
				require.Contains(t, upper, "DEFAULT", "%s: %s", file, column)
			}
		}
	}
}
