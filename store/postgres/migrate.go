package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migration is one numbered step of the schema.
type Migration struct {
	Name    string
	Applied bool
}

// migrationTable is where goose writes down what it did, in our schema so as not to meet the core's.
const migrationTable = "atis.adapter_migration"

// migrationLockTimeout is how long a step waits for a table that others use. While it waits, they wait behind it.
const migrationLockTimeout = "10s"

// lockMigrations lasts until the session ends.
const lockMigrations = `SELECT pg_advisory_lock(hashtextextended('atis.adapter_migration', 7004))`

// Migrate creates what the database lacks; it drops, narrows and rewrites nothing. Replicas that migrate at once do
// so one after another, and each step runs once. It returns the names of the steps that it applied itself, also when a
// later one fails. With nothing to do it needs no right but to read.
func (s *Store) Migrate(ctx context.Context) ([]string, error) {
	status, err := s.Status(ctx)
	if err != nil || !pending(status) {
		return nil, err
	}
	db := s.administer()
	defer db.Close()
	names, err := migrate(ctx, db)
	if err != nil {
		err = fmt.Errorf("postgres: migrate: %w", err)
		if code(err) == insufficientRight {
			err = fmt.Errorf("%w; run adapter migrate up as a role that owns schema atis", err)
		}
	}
	return names, err
}

func pending(status []Migration) bool {
	for _, m := range status {
		if !m.Applied {
			return true
		}
	}
	return false
}

// administer returns connections whose statements may take as long as they need.
func (s *Store) administer() *sql.DB {
	config := s.config.ConnConfig.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = migrationLockTimeout
	return stdlib.OpenDB(*config)
}

func migrate(ctx context.Context, db *sql.DB) ([]string, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// The lock ends with the session, so the connection must not go back to a pool that lives on.
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SET lock_timeout = 0`); err != nil { // another replica may be migrating for long
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, lockMigrations); err != nil {
		return nil, err
	}
	if err := createSchema(ctx, conn); err != nil {
		return nil, err
	}
	provider, err := migrator(db)
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	var names []string
	for _, r := range results {
		names = append(names, path.Base(r.Source.Path))
	}
	return names, err
}

// createSchema asks first: CREATE SCHEMA IF NOT EXISTS wants the right also where there is nothing to create.
func createSchema(ctx context.Context, conn *sql.Conn) error {
	var exists bool
	err := conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'atis')`).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.ExecContext(ctx, `CREATE SCHEMA atis`)
	}
	return err
}

// migrator applies what is missing, whatever its number: steps build on none of another package's, and one with a lower number may
// come with a later version.
func migrator(db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, folder, goose.WithTableName(migrationTable), goose.WithAllowOutofOrder(true))
}

// Status returns every migration, oldest first. It changes nothing, also in an empty database. Steps of a newer
// version of the adapter are passed over.
func (s *Store) Status(ctx context.Context) ([]Migration, error) {
	db := s.administer()
	defer db.Close()
	provider, err := migrator(db)
	if err != nil {
		return nil, fmt.Errorf("postgres: migrations: %w", err)
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, fmt.Errorf("postgres: migration status: %w", err)
	}
	var list []Migration
	for _, source := range provider.ListSources() {
		list = append(list, Migration{Name: path.Base(source.Path), Applied: applied[source.Version]})
	}
	return list, nil
}

// applied are the versions that the database has.
func (s *Store) applied(ctx context.Context) (map[int64]bool, error) {
	var exists bool
	err := s.read(ctx, func(b *batch) {
		b.row("look for the table of migrations", `SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname || '.' || tablename = $1)`, []any{migrationTable}, &exists)
	})
	if err != nil || !exists {
		return nil, err
	}
	var versions []int64
	err = s.read(ctx, func(b *batch) {
		rows(b, "read the table of migrations", `SELECT version_id FROM `+migrationTable+` WHERE is_applied`, nil, pgx.RowTo[int64], &versions)
	})
	applied := map[int64]bool{}
	for _, v := range versions {
		applied[v] = true
	}
	return applied, err
}
