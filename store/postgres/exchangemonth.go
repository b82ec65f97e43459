package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

const (
	exchangeMonths = `SELECT DISTINCT to_char(day, 'YYYY-MM') FROM (SELECT day FROM atis.exchange_seal WHERE system = $1
		UNION SELECT day FROM atis.exchange_head WHERE system = $1 AND NOT sealed) AS d ORDER BY 1`
	// A seal that somebody removed does not hide its segment. Each number is looked for behind the one before, by the index.
	monthSegments = `WITH RECURSIVE found AS (
			(SELECT segment FROM atis.exchange_record WHERE system = $1 AND replica = $2 AND part = $3 AND day >= $4 AND day < $5 ORDER BY segment LIMIT 1)
			UNION ALL
			SELECT (SELECT r.segment FROM atis.exchange_record r WHERE r.system = $1 AND r.replica = $2 AND r.part = $3 AND r.day >= $4 AND r.day < $5
				AND r.segment > found.segment ORDER BY r.segment LIMIT 1) FROM found WHERE found.segment IS NOT NULL)
		SELECT segment, max(seal) FROM (
			SELECT segment, NULL AS seal FROM found WHERE segment IS NOT NULL
			UNION ALL SELECT segment, line FROM atis.exchange_seal WHERE system = $1 AND replica = $2 AND part = $3 AND day >= $4 AND day < $5) AS every
		GROUP BY segment ORDER BY segment`
	headsOfSystem    = `SELECT replica, part FROM atis.exchange_head WHERE system = $1 ORDER BY replica, part`
	removedExchanges = `SELECT month, manifest FROM atis.exchange_archive WHERE system = $1`

	ownsExchanges   = `SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'atis.exchange_record'::regclass`
	keepManifest    = `INSERT INTO atis.exchange_archive (system, month, manifest, removed) VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING`
	countExchanges  = `SELECT count(*) FILTER (WHERE system = $1), count(*) FILTER (WHERE system <> $1) FROM atis.exchange_record WHERE day >= $2 AND day < $3`
	removeExchanges = `DELETE FROM atis.exchange_record WHERE system = $1 AND day >= $2 AND day < $3`
	removeSeals     = `DELETE FROM atis.exchange_seal WHERE system = $1 AND day >= $2 AND day < $3`
)

var _ exchangelog.MonthTables = (*Store)(nil)

// ExchangeMonths is for exchangelog.MonthTables.
func (s *Store) ExchangeMonths(ctx context.Context, system string) ([]exchangelog.Month, error) {
	var months []exchangelog.Month
	err := s.read(ctx, func(b *batch) {
		rows(b, "list the months of the exchange log", exchangeMonths, []any{system}, func(r pgx.CollectableRow) (exchangelog.Month, error) {
			var text string
			if err := r.Scan(&text); err != nil {
				return exchangelog.Month{}, err
			}
			return exchangelog.ParseMonth(text)
		}, &months)
	})
	return months, err
}

// bounds are the month's first day and the one after its last.
func bounds(m exchangelog.Month) (first, after string) {
	return m.String() + "-01", m.Add(1).String() + "-01"
}

// ExchangeSegments is for exchangelog.MonthTables.
func (s *Store) ExchangeSegments(ctx context.Context, system string, m exchangelog.Month) ([]exchangelog.StoredStream, error) {
	var names []exchangelog.Stream
	err := s.read(ctx, func(b *batch) {
		rows(b, "read the heads of the exchange log", headsOfSystem, []any{system}, func(r pgx.CollectableRow) (exchangelog.Stream, error) {
			stream := exchangelog.Stream{System: system}
			return stream, r.Scan(&stream.Replica, &stream.Part)
		}, &names)
	})
	if err != nil {
		return nil, err
	}
	first, after := bounds(m)
	var streams []exchangelog.StoredStream
	for _, stream := range names {
		var segments []exchangelog.TableSegment
		err := s.read(ctx, func(b *batch) {
			rows(b, "list the segments of "+stream.String(), monthSegments, []any{system, stream.Replica, string(stream.Part), first, after},
				func(r pgx.CollectableRow) (exchangelog.TableSegment, error) {
					var segment exchangelog.TableSegment
					return segment, r.Scan(&segment.Number, (*text)(&segment.Seal))
				}, &segments)
		})
		if err != nil {
			return nil, err
		}
		stored := exchangelog.StoredStream{Stream: stream}
		for _, segment := range segments {
			name := fmt.Sprintf("atis.exchange_record, segment %d", segment.Number)
			stored.Segments = append(stored.Segments, segment.Stored(name, func(ctx context.Context, after int64, limit int) ([]exchangelog.TableLine, error) {
				return s.lines(ctx, []any{system, stream.Replica, string(stream.Part), segment.Number, after, limit})
			}))
		}
		if len(stored.Segments) > 0 {
			streams = append(streams, stored)
		}
	}
	return streams, nil
}

// RemovedExchanges is for exchangelog.MonthTables.
func (s *Store) RemovedExchanges(ctx context.Context, system string) (map[exchangelog.Month][]byte, error) {
	type entry struct {
		month    exchangelog.Month
		manifest string
	}
	var list []entry
	err := s.read(ctx, func(b *batch) {
		rows(b, "read the archived months", removedExchanges, []any{system}, func(r pgx.CollectableRow) (entry, error) {
			var e entry
			var month string
			err := r.Scan(&month, &e.manifest)
			if err == nil {
				e.month, err = exchangelog.ParseMonth(month)
			}
			return e, err
		}, &list)
	})
	removed := map[exchangelog.Month][]byte{}
	for _, e := range list {
		removed[e.month] = []byte(e.manifest)
	}
	return removed, err
}

// MayRemoveExchanges is for exchangelog.MonthTables: the owner of the tables may, and the role that serves is another.
func (s *Store) MayRemoveExchanges(ctx context.Context) error {
	var owns bool
	err := s.read(ctx, func(b *batch) { b.row("ask who owns the exchange log", ownsExchanges, nil, &owns) })
	if err == nil && !owns {
		err = fmt.Errorf("postgres: %w by this role; run adapter log export --drop as the one that owns schema atis", exchangelog.ErrMayNotRemove)
	}
	return err
}

// RemoveExchanges is for exchangelog.MonthTables. It is one transaction. A month that no other system has records in is removed with
// its partition. The role that serves may not do it: the schema's owner runs it.
func (s *Store) RemoveExchanges(ctx context.Context, system string, m exchangelog.Month, manifest []byte, records int64) error {
	db := s.administer()
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err == nil {
		err = removeMonth(ctx, tx, system, m, manifest, records)
		if err == nil {
			err = tx.Commit()
		} else {
			_ = tx.Rollback() // the connection ends anyway
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("postgres: remove %s %s: %w", system, m, err)
}

// removeMonth waits for no writer but at its end, and only the month that goes is locked until then: replicas log meanwhile.
func removeMonth(ctx context.Context, tx *sql.Tx, system string, m exchangelog.Month, manifest []byte, records int64) error {
	result, err := tx.ExecContext(ctx, keepManifest, system, m.String(), string(manifest))
	if err != nil {
		return err
	}
	if kept, err := result.RowsAffected(); err != nil || kept == 0 {
		return err // all of it was done, in one transaction
	}
	first, after := bounds(m)
	partition := fmt.Sprintf("atis.exchange_record_%04d_%02d", m.Year, m.Month)
	if _, err := tx.ExecContext(ctx, `LOCK TABLE `+partition+` IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return err
	}
	var ours, others int64
	if err := tx.QueryRowContext(ctx, countExchanges, system, first, after).Scan(&ours, &others); err != nil {
		return err
	}
	if ours != records {
		return fmt.Errorf("the table has %d records, and the archive %d", ours, records)
	}
	if _, err := tx.ExecContext(ctx, removeSeals, system, first, after); err != nil {
		return err
	}
	if others > 0 {
		_, err = tx.ExecContext(ctx, removeExchanges, system, first, after)
		return err
	}
	if _, err := tx.ExecContext(ctx, `ALTER TABLE atis.exchange_record DETACH PARTITION `+partition); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DROP TABLE `+partition)
	return err
}
