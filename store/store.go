// Package store opens the database that keeps orders, notifications and events.
// Each kind of database has its own package with its own SQL; the suite in
// storetest holds them to one behaviour.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

// Store is an open database. It is safe for concurrent use.
type Store interface {
	order.Store
	event.Store

	// Migrate creates what the database lacks, never drops anything, and returns the names of
	// the migrations that it applied, none when there was nothing to do. One caller at a time.
	Migrate(ctx context.Context) ([]string, error)
	// Status returns every migration, oldest first.
	Status(ctx context.Context) ([]Migration, error)
	// CheckDurability reads the settings back that a commit's durability hangs on, from the
	// connections in use, and says which is wrong (design §4). nil: what is committed stays.
	CheckDurability(ctx context.Context) error
	// Ping asks whether the database answers.
	Ping(ctx context.Context) error
	// Close ends all connections; nothing may be called afterwards.
	Close() error
}

// Migration is one numbered step of the schema.
type Migration struct {
	Name    string
	Applied bool
}

// Open opens the database that url names: "sqlite:PATH" a file, which is created if missing;
// "sqlite::memory:" one that is gone with Close and fails CheckDurability, for tests.
// It does not migrate. No error of it shows more of the url than its scheme or a file's path.
func Open(ctx context.Context, url string) (Store, error) {
	scheme, rest, found := strings.Cut(url, ":")
	if !found {
		return nil, errors.New("store: the url has no scheme, want sqlite:PATH")
	}
	switch scheme {
	case "sqlite":
		s, err := sqlite.Open(ctx, rest)
		if err != nil {
			return nil, err
		}
		return sqliteStore{s}, nil
	case "postgres", "postgresql":
		return nil, errors.New("store: PostgreSQL is not supported yet, it comes later: use sqlite:PATH")
	}
	return nil, fmt.Errorf("store: unknown scheme %q, want sqlite:PATH", scheme)
}

type sqliteStore struct{ *sqlite.Store }

var _ Store = sqliteStore{}

func (s sqliteStore) Status(ctx context.Context) ([]Migration, error) {
	migrations, err := s.Store.Status(ctx)
	if err != nil {
		return nil, err
	}
	status := make([]Migration, 0, len(migrations))
	for _, m := range migrations {
		status = append(status, Migration(m))
	}
	return status, nil
}
