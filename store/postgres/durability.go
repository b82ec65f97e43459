package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const readDurability = `SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
	pg_is_in_recovery(), current_setting('transaction_read_only')::boolean`

// CheckDurability reads back, from each connection that is not in use and from one at least, what a commit's durability
// hangs on, and whether the server is one to write to. synchronous_commit may be anything but off: each
// other value waits for the server's own disk.
func (s *Store) CheckDurability(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	conns := s.pool.AcquireAllIdle(ctx)
	if len(conns) == 0 {
		conn, err := s.acquire(ctx)
		if err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		conns = []*pgxpool.Conn{conn}
	}
	var wrong error
	for _, conn := range conns {
		if err := checkConnection(ctx, conn.Conn()); err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("postgres: a connection: %w", err))
		}
		conn.Release()
	}
	return wrong
}

func checkConnection(ctx context.Context, conn *pgx.Conn) error {
	var fsync, pages, commit string
	var standby, readOnly bool
	b := &batch{}
	b.row("read the settings", readDurability, nil, &fsync, &pages, &commit, &standby, &readOnly)
	if err := b.run(ctx, conn); err != nil {
		return err
	}
	var wrong error
	if fsync != "on" {
		wrong = errors.Join(wrong, fmt.Errorf("fsync is %s, want on", fsync))
	}
	if pages != "on" {
		wrong = errors.Join(wrong, fmt.Errorf("full_page_writes is %s, want on", pages))
	}
	if commit == "off" {
		wrong = errors.Join(wrong, errors.New("synchronous_commit is off, want on"))
	}
	switch {
	case standby:
		wrong = errors.Join(wrong, errors.New("the server is a standby"))
	case readOnly:
		wrong = errors.Join(wrong, errors.New("transactions are read only"))
	}
	return wrong
}
