// Package store opens the database that keeps orders, mandates, notifications and events.
// Each kind of database has its own package with its own SQL; the suite in
// storetest holds them to one behaviour.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ametlikudteadaanded.ee/adapter/access"
	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/schedule"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
	"ametlikudteadaanded.ee/adapter/store/postgres"
	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

// Store is an open database. It is safe for concurrent use.
type Store interface {
	order.Store
	mandate.Store
	event.Store
	schedule.Store
	setting.Store
	access.Store
	security.Store
	exchangelog.Tables
	exchangelog.MonthTables

	// Migrate creates what the database lacks, never drops anything, and returns the names of
	// the migrations that it applied, none when there was nothing to do. On SQLite one caller at a time; on PostgreSQL
	// replicas may migrate at once, and who finds nothing to do needs no right to change the schema.
	Migrate(ctx context.Context) ([]string, error)
	// Status returns every migration, oldest first. On PostgreSQL it changes nothing.
	Status(ctx context.Context) ([]Migration, error)
	// CheckDurability reads the settings back that a commit's durability hangs on, from the
	// connections in use, and says which is wrong (design §4). nil: what is committed stays.
	CheckDurability(ctx context.Context) error
	// Ping asks whether the database answers, and on PostgreSQL whether it can be written.
	Ping(ctx context.Context) error
	// Close ends all connections; nothing may be called afterwards.
	Close() error
}

// Listener is a Store that hears of other replicas' work. A Store without it has its file to itself.
type Listener interface {
	// Listen calls events when some replica has appended events, and settings when one has changed them, until ctx ends. It
	// is a hint that may come late, once for many, or not at all. Neither may block.
	Listen(ctx context.Context, events, settings func())
}

// Pooled is a Store that keeps connections to a server.
type Pooled interface {
	// Pool counts the connections of this moment.
	Pool() postgres.PoolFigures
}

// Privileged is a Store whose role may lack rights.
type Privileged interface {
	// Rights asks what the role of the address may do; it changes nothing.
	Rights(ctx context.Context) (postgres.Rights, error)
}

// Migration is one numbered step of the schema.
type Migration struct {
	Name    string
	Applied bool
}

// Open opens the database that url names: "sqlite:PATH" a file, which is created if missing;
// "sqlite::memory:" one that is gone with Close and fails CheckDurability, for tests; "postgres://USER@HOST/DATABASE" a
// PostgreSQL database, which is also a Listener (docs/operations-postgres.md) and is not connected to yet. It does not migrate. Of a url an error
// shows no more than its scheme, a file's path, or a server's host, user and database; never a password.
func Open(ctx context.Context, url string) (Store, error) {
	scheme, rest, found := strings.Cut(url, ":")
	if !found {
		return nil, errors.New("store: the url has no scheme, want sqlite:PATH or postgres://…")
	}
	switch scheme {
	case "sqlite":
		s, err := sqlite.Open(ctx, rest)
		if err != nil {
			return nil, err
		}
		return sqliteStore{s}, nil
	case "postgres", "postgresql":
		s, err := postgres.Open(ctx, url)
		if err != nil {
			return nil, err
		}
		return postgresStore{s}, nil
	}
	return nil, fmt.Errorf("store: unknown scheme %q, want sqlite:PATH or postgres://…", scheme)
}

// Passing says in words what of err a start waits for, since it passes by itself or by an administrator's hand: a server
// that is away, comes up, is full, or may not be written yet, and migrations that this role may not make. It is "" for any
// other error, and for nil.
func Passing(err error) string { return postgres.Passing(err) }

type sqliteStore struct{ *sqlite.Store }

type postgresStore struct{ *postgres.Store }

var (
	_ Store      = sqliteStore{}
	_ Store      = postgresStore{}
	_ Listener   = postgresStore{}
	_ Pooled     = postgresStore{}
	_ Privileged = postgresStore{}
)

func (s sqliteStore) Status(ctx context.Context) ([]Migration, error) {
	return statusOf(s.Store.Status(ctx))
}

func (s postgresStore) Status(ctx context.Context) ([]Migration, error) {
	return statusOf(s.Store.Status(ctx))
}

// statusOf is a store's list of its migrations as ours.
func statusOf[M ~struct {
	Name    string
	Applied bool
}](migrations []M, err error) ([]Migration, error) {
	if err != nil {
		return nil, err
	}
	status := make([]Migration, 0, len(migrations))
	for _, m := range migrations {
		status = append(status, Migration(m))
	}
	return status, nil
}
