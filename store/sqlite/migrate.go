package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migration is one numbered step of the schema.
type Migration struct {
	Name    string
	Applied bool
}

// columnsMigration is a step that is not plain SQL, by its number: SQLite has no ADD COLUMN IF NOT EXISTS.
const columnsMigration = "%05d_columns.go"

func (s *Store) migrator() (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("sqlite: migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.write, folder, goose.WithAllowOutofOrder(true), // a step with a lower number may come with a later version
		goose.WithGoMigrations(goose.NewGoMigration(2, &goose.GoFunc{RunTx: addColumns}, nil),
			goose.NewGoMigration(4, &goose.GoFunc{RunTx: addColumnsOfOurs}, nil),
			goose.NewGoMigration(21, &goose.GoFunc{RunTx: addMandateColumns}, nil),
			goose.NewGoMigration(40, &goose.GoFunc{RunTx: addEventTrace}, nil)))
	if err != nil {
		return nil, fmt.Errorf("sqlite: migrations: %w", err)
	}
	return provider, nil
}

// Migrate creates what the database lacks and drops nothing. It returns the names of the steps
// that it applied, also when a later one fails.
func (s *Store) Migrate(ctx context.Context) ([]string, error) {
	provider, err := s.migrator()
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	var names []string
	for _, r := range results {
		names = append(names, name(r.Source))
	}
	if err != nil {
		return names, fmt.Errorf("sqlite: migrate: %w", err)
	}
	return names, nil
}

// Status returns every migration, oldest first.
func (s *Store) Status(ctx context.Context) ([]Migration, error) {
	provider, err := s.migrator()
	if err != nil {
		return nil, err
	}
	states, err := provider.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlite: migration status: %w", err)
	}
	var list []Migration
	for _, m := range states {
		list = append(list, Migration{Name: name(m.Source), Applied: m.State == goose.StateApplied})
	}
	return list, nil
}

func name(s *goose.Source) string {
	switch {
	case s.Path != "":
		return path.Base(s.Path)
	case s.Version == 21:
		return mandateColumnsMigration
	}
	return fmt.Sprintf(columnsMigration, s.Version)
}

// column is a column as added to a table that was there without it.
type column struct{ table, name, declared string }

// columnsOfAT are what 00001_tables.sql creates, without what ADD COLUMN does not allow.
func columnsOfAT() []column {
	const orders, notifications, log, classifiers = "maksemooduli_tellimused", "krediitkaardi_teavitused", "sys_maksemoodul_logi", "klassifikaatorid"
	return []column{
		{classifiers, "tabel_veerg", "TEXT"},
		{classifiers, "kood", "TEXT"},
		{classifiers, "nimetus_est", "TEXT"},
		{classifiers, "nimetus_eng", "TEXT"},
		{classifiers, "kehtib", "INTEGER NOT NULL DEFAULT 1"},
		{orders, "teate_id", "INTEGER"},
		{orders, "tellimuse_id", "TEXT"},
		{orders, "tellimuse_seisund_kl", "TEXT NOT NULL DEFAULT 'U'"},
		{orders, "loodud", "TEXT"},
		{orders, "aegub", "TEXT"},
		{orders, "lopetatud", "TEXT"},
		{orders, "summa", "TEXT"},
		{orders, "valuuta", "TEXT"},
		{orders, "viitenumber", "TEXT"},
		{orders, "maksevormi_url", "TEXT"},
		{orders, "noue_edastatud", "INTEGER NOT NULL DEFAULT 0"},
		{notifications, "tellimuse_id", "TEXT"},
		{notifications, "teavituse_aeg", "TEXT"},
		{notifications, "toodeldud", "INTEGER NOT NULL DEFAULT 0"},
		{notifications, "vastus", "TEXT"},
		{notifications, "saatmise_kordi", "INTEGER NOT NULL DEFAULT 0"},
		{notifications, "viga", "TEXT"},
		{log, "makse_mooduli_tellimused_id", "INTEGER"},
		{log, "aeg", "TEXT"},
		{log, "tegevus", "TEXT"},
		{log, "teade", "TEXT"},
	}
}

// columnsOfOurs came with version 4: which leases are those of background work, of which there may be so many at a time; whether an
// order had been cancelled before it was completed; since when a notification is parked.
func columnsOfOurs() []column {
	return []column{
		{"adapter_order", "lease_background", "INTEGER NOT NULL DEFAULT 0 CHECK (lease_background IN (0, 1))"},
		{"adapter_order", "after_cancel", "INTEGER NOT NULL DEFAULT 0 CHECK (after_cancel IN (0, 1))"},
		{"adapter_notification", "parked_at", "TEXT"},
	}
}

// addEventTrace adds the trace that an event happened in, for whoever hears of it later (NA-102).
func addEventTrace(ctx context.Context, tx *sql.Tx) error {
	return addMissing(ctx, tx, []column{{"adapter_event", "traceparent", "TEXT"}})
}

func addColumnsOfOurs(ctx context.Context, tx *sql.Tx) error {
	return addMissing(ctx, tx, columnsOfOurs())
}

// addColumns adds what AT's tables of orders lack.
func addColumns(ctx context.Context, tx *sql.Tx) error {
	if err := checkKeys(ctx, tx, "maksemooduli_tellimused", "krediitkaardi_teavitused"); err != nil {
		return err
	}
	return addMissing(ctx, tx, columnsOfAT())
}

// checkKeys refuses a table whose key SQLite would not fill in.
func checkKeys(ctx context.Context, tx *sql.Tx, tables ...string) error {
	for _, table := range tables {
		var isKey bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pragma_table_info(?)
			WHERE name = 'id' AND pk = 1 AND upper(type) = 'INTEGER')`, table).Scan(&isKey)
		if err != nil {
			return fmt.Errorf("read the key of %s: %w", table, err)
		}
		if !isKey {
			return fmt.Errorf("table %s: its id must be INTEGER PRIMARY KEY", table)
		}
	}
	return nil
}

// addMissing adds the columns that are not there, of tables that are.
func addMissing(ctx context.Context, tx *sql.Tx, columns []column) error {
	present, err := columnsPresent(ctx, tx)
	if err != nil {
		return err
	}
	for _, c := range columns {
		if slices.Contains(present, column{table: c.table, name: c.name}) ||
			!slices.ContainsFunc(present, func(p column) bool { return p.table == c.table }) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `ALTER TABLE `+c.table+` ADD COLUMN `+c.name+` `+c.declared); err != nil {
			return fmt.Errorf("add %s to %s: %w", c.name, c.table, err)
		}
	}
	return nil
}

func columnsPresent(ctx context.Context, tx *sql.Tx) ([]column, error) {
	rows, err := tx.QueryContext(ctx, `SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'`)
	list, err := collect(rows, err, func(r row) (column, error) {
		var c column
		err := r.Scan(&c.table, &c.name)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the tables' columns: %w", err)
	}
	return list, nil
}
