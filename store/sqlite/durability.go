package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// CheckDurability takes every connection of both pools, reads back what it was opened with, and
// says all that is wrong; it also asks whether the file and its folder can be written, since
// SQLite keeps its log beside the file. It waits for connections that are in use.
func (s *Store) CheckDurability(ctx context.Context) error {
	if s.path == memory {
		return errors.New("sqlite: a memory database keeps nothing")
	}
	s.check.Lock() // two checks would wait for each other's connections
	defer s.check.Unlock()
	return errors.Join(
		checkPool(ctx, s.write, 1, "writing"),
		checkPool(ctx, s.read, readers, "reading"),
		checkFolder(filepath.Dir(s.path)),
		s.checkWritable(ctx),
	)
}

func checkPool(ctx context.Context, db *sql.DB, size int, use string) error {
	var wrong error
	for range size {
		conn, err := db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("sqlite: take a connection for %s: %w", use, err)
		}
		defer conn.Close() // together, so that each is another one
		if err := checkConnection(ctx, conn); err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("sqlite: a connection for %s: %w", use, err))
		}
	}
	return wrong
}

// checkConnection wants what durable asks for. synchronous 2 is FULL: the write-ahead log reaches
// the disk with every commit.
func checkConnection(ctx context.Context, conn *sql.Conn) error {
	var journal string
	var synchronous, busy int
	for _, p := range []struct {
		query string
		value any
	}{
		{`PRAGMA journal_mode`, &journal},
		{`PRAGMA synchronous`, &synchronous},
		{`PRAGMA busy_timeout`, &busy},
	} {
		if err := conn.QueryRowContext(ctx, p.query).Scan(p.value); err != nil {
			return fmt.Errorf("%s: %w", p.query, err)
		}
	}
	var wrong error
	if journal != "wal" {
		wrong = errors.Join(wrong, fmt.Errorf("journal_mode is %s, want wal", journal))
	}
	if synchronous != 2 {
		wrong = errors.Join(wrong, fmt.Errorf("synchronous is %d, want 2 (full)", synchronous))
	}
	if busy <= 0 {
		wrong = errors.Join(wrong, fmt.Errorf("busy_timeout is %d, want more than 0", busy))
	}
	return wrong
}

func checkFolder(folder string) error {
	f, err := os.CreateTemp(folder, ".adapter-*")
	if err != nil {
		return fmt.Errorf("sqlite: the database's folder cannot be written: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// checkWritable takes the write lock and gives it back.
func (s *Store) checkWritable(ctx context.Context) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("sqlite: %s cannot be written: %w", s.path, err)
	}
	return tx.Rollback()
}
