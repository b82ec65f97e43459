package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/security"
)

const (
	appendSecurity = `INSERT INTO atis.security_log (at, replica, kind, caller, actor, address, request_id, detail, count)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	lastSecurity = `SELECT at, replica, kind, caller, actor, address, request_id, detail, count FROM atis.security_log ORDER BY id DESC LIMIT $1`
)

// AppendSecurity keeps events of the security log, in their order; see security.Store.
func (s *Store) AppendSecurity(ctx context.Context, events []security.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.ask(ctx, func(b *batch) {
		for _, e := range events {
			b.exec("append to the security log", appendSecurity, moment(e.At), e.Replica, e.Kind, word(e.Caller), word(e.Actor), word(e.Address),
				word(e.RequestID), word(e.Detail), e.Count)
		}
	})
}

// SecurityEvents returns events of the security log, the last first; see security.Store. A limit of 0 or less returns none.
func (s *Store) SecurityEvents(ctx context.Context, limit int) ([]security.Event, error) {
	var list []security.Event
	err := s.read(ctx, func(b *batch) {
		rows(b, "read the security log", lastSecurity, []any{max(limit, 0)}, func(r pgx.CollectableRow) (security.Event, error) {
			var e security.Event
			err := r.Scan((*instant)(&e.At), &e.Replica, &e.Kind, (*text)(&e.Caller), (*text)(&e.Actor), (*text)(&e.Address), (*text)(&e.RequestID),
				(*text)(&e.Detail), &e.Count)
			return e, err
		}, &list)
	})
	return list, err
}
