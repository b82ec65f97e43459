package sqlite

import (
	"context"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

const (
	// Each month is looked for behind the one before, by the index.
	exchangeMonths = `SELECT DISTINCT substr(day, 1, 7) FROM exchange_seal WHERE system = ?1
		UNION SELECT substr(day, 1, 7) FROM exchange_head WHERE system = ?1 AND NOT sealed ORDER BY 1`
	// A seal that somebody removed does not hide its segment.
	monthSegments = `SELECT replica, part, segment, max(seal) FROM (
			SELECT DISTINCT replica, part, segment, NULL AS seal FROM exchange_record WHERE system = ?1 AND substr(day, 1, 7) = ?2
			UNION ALL SELECT replica, part, segment, line FROM exchange_seal WHERE system = ?1 AND substr(day, 1, 7) = ?2)
		GROUP BY replica, part, segment ORDER BY replica, part, segment`
	removedExchanges = `SELECT month, manifest FROM exchange_archive WHERE system = ?`
	keepManifest     = `INSERT INTO exchange_archive (system, month, manifest, removed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	countExchanges   = `SELECT count(*) FROM exchange_record WHERE system = ? AND substr(day, 1, 7) = ?`
	removeSome       = `DELETE FROM exchange_record WHERE rowid IN
		(SELECT rowid FROM exchange_record WHERE system = ? AND substr(day, 1, 7) = ? LIMIT ?)`
	removeSeals = `DELETE FROM exchange_seal WHERE system = ? AND substr(day, 1, 7) = ?`
)

// removeAtOnce is how many records are removed in one transaction: others wait for it no longer than for a few commits.
const removeAtOnce = 2000

var _ exchangelog.MonthTables = (*Store)(nil)

// ExchangeMonths is for exchangelog.MonthTables.
func (s *Store) ExchangeMonths(ctx context.Context, system string) ([]exchangelog.Month, error) {
	rows, err := s.read.QueryContext(ctx, exchangeMonths, system)
	months, err := collect(rows, err, func(r row) (exchangelog.Month, error) {
		var text string
		if err := r.Scan(&text); err != nil {
			return exchangelog.Month{}, err
		}
		return exchangelog.ParseMonth(text)
	})
	if err != nil {
		return nil, fmt.Errorf("list the months of the exchange log: %w", err)
	}
	return months, nil
}

// ExchangeSegments is for exchangelog.MonthTables.
func (s *Store) ExchangeSegments(ctx context.Context, system string, m exchangelog.Month) ([]exchangelog.StoredStream, error) {
	rows, err := s.read.QueryContext(ctx, monthSegments, system, m.String())
	type found struct {
		stream  exchangelog.Stream
		segment exchangelog.TableSegment
	}
	list, err := collect(rows, err, func(r row) (found, error) {
		f := found{stream: exchangelog.Stream{System: system}}
		return f, r.Scan(&f.stream.Replica, &f.stream.Part, &f.segment.Number, (*text)(&f.segment.Seal))
	})
	if err != nil {
		return nil, fmt.Errorf("list the segments of %s: %w", m, err)
	}
	var streams []exchangelog.StoredStream
	for _, f := range list {
		if n := len(streams); n == 0 || streams[n-1].Stream != f.stream {
			streams = append(streams, exchangelog.StoredStream{Stream: f.stream})
		}
		stored := &streams[len(streams)-1]
		name := fmt.Sprintf("exchange_record, segment %d", f.segment.Number)
		stored.Segments = append(stored.Segments, f.segment.Stored(name, func(ctx context.Context, after int64, limit int) ([]exchangelog.TableLine, error) {
			return s.lines(ctx, f.stream, f.segment.Number, after, limit)
		}))
	}
	return streams, nil
}

// RemovedExchanges is for exchangelog.MonthTables.
func (s *Store) RemovedExchanges(ctx context.Context, system string) (map[exchangelog.Month][]byte, error) {
	rows, err := s.read.QueryContext(ctx, removedExchanges, system)
	removed := map[exchangelog.Month][]byte{}
	_, err = collect(rows, err, func(r row) (exchangelog.Month, error) {
		var month, manifest string
		if err := r.Scan(&month, &manifest); err != nil {
			return exchangelog.Month{}, err
		}
		m, err := exchangelog.ParseMonth(month)
		removed[m] = []byte(manifest)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the archived months: %w", err)
	}
	return removed, nil
}

// MayRemoveExchanges is for exchangelog.MonthTables: who can write the file may.
func (s *Store) MayRemoveExchanges(context.Context) error { return nil }

// RemoveExchanges is for exchangelog.MonthTables. Others write between its transactions.
func (s *Store) RemoveExchanges(ctx context.Context, system string, m exchangelog.Month, manifest []byte, records int64) error {
	doing := fmt.Sprintf("remove %s %s", system, m)
	err := s.transact(ctx, func(tx transaction) error {
		kept, err := changed(tx.ExecContext(ctx, keepManifest, system, m.String(), string(manifest), instant(time.Now())))
		if err != nil {
			return wrap(err, doing)
		}
		if !kept { // it was begun
			return nil
		}
		var there int64
		if err := tx.QueryRowContext(ctx, countExchanges, system, m.String()).Scan(&there); err != nil {
			return wrap(err, doing)
		}
		if there != records {
			return fmt.Errorf("%s: the table has %d records, and the archive %d", doing, there, records)
		}
		return nil
	})
	for more := true; more && err == nil; {
		err = s.transact(ctx, func(tx transaction) error {
			var err error
			more, err = changed(tx.ExecContext(ctx, removeSome, system, m.String(), removeAtOnce))
			if err == nil && !more {
				_, err = tx.ExecContext(ctx, removeSeals, system, m.String())
			}
			if err != nil {
				return wrap(err, doing)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}
