package sqlite

import (
	"context"
	"fmt"

	"ametlikudteadaanded.ee/adapter/security"
)

const (
	appendSecurity = `INSERT INTO security_log (at, replica, kind, caller, actor, address, request_id, detail, count)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	lastSecurity = `SELECT at, replica, kind, caller, actor, address, request_id, detail, count FROM security_log ORDER BY id DESC LIMIT ?`
)

// AppendSecurity keeps events of the security log, in their order; see security.Store.
func (s *Store) AppendSecurity(ctx context.Context, events []security.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.transact(ctx, func(tx transaction) error {
		for _, e := range events {
			_, err := tx.ExecContext(ctx, appendSecurity, instant(e.At), e.Replica, e.Kind, text(e.Caller), text(e.Actor), text(e.Address),
				text(e.RequestID), text(e.Detail), e.Count)
			if err != nil {
				return wrap(err, "append to the security log")
			}
		}
		return nil
	})
}

// SecurityEvents returns events of the security log, the last first; see security.Store. A limit of 0 or less returns none.
func (s *Store) SecurityEvents(ctx context.Context, limit int) ([]security.Event, error) {
	rows, err := s.read.QueryContext(ctx, lastSecurity, max(limit, 0))
	list, err := collect(rows, err, func(r row) (security.Event, error) {
		var e security.Event
		err := r.Scan((*instant)(&e.At), &e.Replica, &e.Kind, (*text)(&e.Caller), (*text)(&e.Actor), (*text)(&e.Address), (*text)(&e.RequestID),
			(*text)(&e.Detail), &e.Count)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the security log: %w", err)
	}
	return list, nil
}
