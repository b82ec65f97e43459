// Package sqlite keeps orders, notifications, mandates and events in one SQLite file.
//
// All writing goes through one connection that begins with BEGIN IMMEDIATE, so changes run one
// after another, in this process and beside others on the same file. Changes that wait for one another share
// a transaction, and so one wait for the disk; none is answered before it is durable. Reading has connections of
// its own: in WAL mode a reader sees the last commit and waits for nobody. Tables and columns of
// AT keep their Estonian names (EMTA §3); those of our own begin with adapter_.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"ametlikudteadaanded.ee/adapter/access"
	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/schedule"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
)

// memory is SQLite's name for a database without a file.
const memory = ":memory:"

// readers is how many connections read at once. Reads take well under a millisecond, so a
// few serve many callers; each costs a page cache of 2 MB.
const readers = 4

// Store is one open SQLite database. It is safe for concurrent use.
type Store struct {
	path  string
	write *sql.DB // one connection
	read  *sql.DB // the same pool as write for a memory database

	commits *committer // every change goes through it

	check sync.Mutex // held by CheckDurability, which takes every connection
}

var (
	_ order.Store    = (*Store)(nil)
	_ event.Store    = (*Store)(nil)
	_ mandate.Store  = (*Store)(nil)
	_ schedule.Store = (*Store)(nil)
	_ setting.Store  = (*Store)(nil)
	_ access.Store   = (*Store)(nil)
	_ security.Store = (*Store)(nil)
)

// settings are the pragmas of every connection. They are spelt out here and read back by
// CheckDurability.
type settings struct {
	journal     string // journal_mode
	synchronous string
	busy        int // busy_timeout in milliseconds
}

// durable is what a file is opened with: a commit is on the disk when it returns, also after
// a power cut. Another process that writes is waited for 5 s, longer than any change takes.
func durable() settings { return settings{journal: "WAL", synchronous: "FULL", busy: 5000} }

// Open opens the file at path and creates it, readable by its owner only, if it is missing; its
// folder must exist. Path ":memory:" is a database without a file, gone with Close, that
// CheckDurability always refuses: for tests. Open does not migrate.
func Open(ctx context.Context, path string) (*Store, error) {
	return open(ctx, path, durable())
}

func open(ctx context.Context, path string, set settings) (*Store, error) {
	if path == memory {
		db, err := connect(ctx, set.dsn(memory, false), 1)
		if err != nil {
			return nil, fmt.Errorf("sqlite: open a memory database: %w", err)
		}
		return &Store{path: path, write: db, read: db, commits: newCommitter(db)}, nil
	}
	if path == "" || strings.HasPrefix(path, "//") {
		return nil, errors.New("sqlite: want the path of a file, as in sqlite:adapter.db or sqlite:/var/lib/adapter.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	write, err := connect(ctx, set.dsn(path, false), 1)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	read, err := connect(ctx, set.dsn(path, true), readers)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s to read: %w", path, err), write.Close())
	}
	return &Store{path: path, write: write, read: read, commits: newCommitter(write)}, nil
}

// create makes the file before SQLite does, which would let the group and others read it.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (set settings) dsn(path string, readOnly bool) string {
	q := url.Values{"_txlock": {"immediate"}, "_dqs": {"0"}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", set.busy),
		fmt.Sprintf("journal_mode(%s)", set.journal),
		fmt.Sprintf("synchronous(%s)", set.synchronous),
		"foreign_keys(1)",
	}}
	if readOnly {
		q.Set("_txlock", "deferred")
		q.Set("_query_only", "1")
	}
	return "file:" + url.PathEscape(path) + "?" + q.Encode()
}

func connect(ctx context.Context, dsn string, size int) (*sql.DB, error) {
	connector, err := driver.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Ping asks for an answer of the database on either side, without waiting for a lock.
func (s *Store) Ping(ctx context.Context) error {
	for _, db := range []*sql.DB{s.write, s.read} {
		var version int
		if err := db.QueryRowContext(ctx, `PRAGMA schema_version`).Scan(&version); err != nil {
			return fmt.Errorf("sqlite: ping: %w", err)
		}
	}
	return nil
}

// Close finishes the changes that were begun or wait, refuses those that come later, ends all
// connections and folds the write-ahead log into the file.
func (s *Store) Close() error {
	s.commits.end()
	if s.read == s.write {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// querier is what reads: a pool, or the transaction that will write.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// row is a row to scan, alone or of several.
type row interface{ Scan(dest ...any) error }

// collect scans all rows and closes them.
func collect[T any](rows *sql.Rows, err error, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// changed says whether a statement met a row.
func changed(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// wrap says what was being done, and that a key was taken where that was it. SQLite's
// messages name columns and never values.
func wrap(err error, doing string) error {
	var refused *driver.Error
	if errors.As(err, &refused) {
		switch refused.Code() {
		case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_PRIMARYKEY:
			return fmt.Errorf("%s: %w: %w", doing, order.ErrConflict, err)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
