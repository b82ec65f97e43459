package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

const (
	takeStream = `INSERT INTO exchange_head (system, replica, part, writer, segment, sealed, count, previous, first_seq, first_hash, seq, hash, at)
		VALUES (?1, ?2, ?3, ?4, 0, 1, 0, ?5, 0, ?5, 0, ?5, ?6)
		ON CONFLICT (system, replica, part) DO UPDATE SET writer = ?4, at = ?6
		RETURNING segment, sealed, count, previous, first_seq, first_hash, seq, hash`
	lastRecord = `SELECT seq, hash FROM exchange_record WHERE system = ? AND replica = ? AND part = ? ORDER BY seq DESC LIMIT 1`
	moveHead   = `UPDATE exchange_head SET segment = ?6, day = ?7, sealed = 0, count = ?8, seq = ?9, hash = ?10, at = ?12,
			previous = CASE WHEN segment = ?6 AND NOT sealed THEN previous ELSE hash END,
			first_seq = CASE WHEN segment = ?6 AND NOT sealed THEN first_seq ELSE seq + 1 END,
			first_hash = CASE WHEN segment = ?6 AND NOT sealed THEN first_hash ELSE ?11 END
		WHERE system = ?1 AND replica = ?2 AND part = ?3 AND writer = ?4 AND seq = ?5`
	appendRecord = `INSERT INTO exchange_record (system, replica, part, segment, day, seq, time, request_id, xroad_id, hash, line)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sealHead = `UPDATE exchange_head SET sealed = 1, at = ?7
		WHERE system = ?1 AND replica = ?2 AND part = ?3 AND writer = ?4 AND segment = ?5 AND seq = ?6 AND NOT sealed RETURNING day`
	appendSeal = `INSERT INTO exchange_seal (system, replica, part, segment, day, line) VALUES (?, ?, ?, ?, ?, ?)`
	allHeads   = `SELECT system, replica, part, segment, count, seq, hash FROM exchange_head ORDER BY system, replica, part`
	// Each number is looked for behind the one before, by the index: a segment has thousands of rows.
	segmentsOf = `WITH RECURSIVE found (segment) AS (
			SELECT min(segment) FROM exchange_record WHERE system = ?1 AND replica = ?2 AND part = ?3
			UNION ALL
			SELECT (SELECT min(r.segment) FROM exchange_record r WHERE r.system = ?1 AND r.replica = ?2 AND r.part = ?3 AND r.segment > found.segment)
				FROM found WHERE found.segment IS NOT NULL)
		SELECT segment, max(seal) FROM (
			SELECT segment, NULL AS seal FROM found WHERE segment IS NOT NULL
			UNION ALL SELECT segment, line FROM exchange_seal WHERE system = ?1 AND replica = ?2 AND part = ?3)
		GROUP BY segment ORDER BY segment`
	linesOf = `SELECT seq, line FROM exchange_record WHERE system = ? AND replica = ? AND part = ? AND segment = ? AND seq > ? ORDER BY seq LIMIT ?`

	findRecords = `SELECT time, system, replica, part, seq, line FROM exchange_record
		WHERE (?1 = '' OR system = ?1) AND (?2 = '' OR request_id = ?2) AND (?3 = '' OR xroad_id = ?3)
		AND (?4 IS NULL OR time >= ?4) AND (?5 IS NULL OR time < ?5)
		AND (?6 IS NULL OR (time, system, replica, part, seq) > (?6, ?7, ?8, ?9, ?10))
		ORDER BY time, system, replica, part, seq LIMIT ?11`
)

var _ exchangelog.Tables = (*Store)(nil)

// PreparePartitions does nothing: SQLite has none.
func (s *Store) PreparePartitions(context.Context, time.Time) error { return nil }

// Open takes a stream; see exchangelog.Sink. Whoever had it before hears exchangelog.ErrTaken.
func (s *Store) Open(ctx context.Context, stream exchangelog.Stream) (exchangelog.Journal, exchangelog.Tail, error) {
	j := &journal{store: s, stream: stream, writer: rand.Text()}
	none := exchangelog.NoHead()
	h := exchangelog.TableHead{}
	err := s.transact(ctx, func(tx transaction) error {
		err := tx.QueryRowContext(ctx, takeStream, stream.System, stream.Replica, string(stream.Part), j.writer, none.Hash, instant(time.Now())).
			Scan(&h.Segment, &h.Sealed, &h.Tally.Count, &h.Tally.Previous, &h.Tally.First.Seq, &h.Tally.First.Hash, &h.Head.Seq, &h.Head.Hash)
		if err != nil {
			return wrap(err, "take the stream "+stream.String())
		}
		h.Last = none
		err = tx.QueryRowContext(ctx, lastRecord, stream.System, stream.Replica, string(stream.Part)).Scan(&h.Last.Seq, &h.Last.Hash)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return wrap(err, "read the end of the stream "+stream.String())
		}
		return nil
	})
	if err != nil {
		return nil, exchangelog.Tail{}, fmt.Errorf("sqlite: %w", err)
	}
	h.Tally.Last, j.head = h.Head, h.Head
	return j, h.Tail(), nil
}

// journal is the end of one stream. One goroutine uses it.
type journal struct {
	store  *Store
	stream exchangelog.Stream
	writer string
	head   exchangelog.Head // of what was added
}

// Append keeps a batch, durably when it returns nil. It shares its commit with whatever else waits for one.
func (j *journal) Append(ctx context.Context, b exchangelog.Batch) error {
	s, doing := j.stream, "append to the stream "+j.stream.String()
	err := j.store.transact(ctx, func(tx transaction) error {
		held, err := changed(tx.ExecContext(ctx, moveHead, s.System, s.Replica, string(s.Part), j.writer, j.head.Seq, b.Segment, b.Day, b.Count,
			b.Head.Seq, b.Head.Hash, b.Lines[0].Hash(), instant(time.Now())))
		if err != nil {
			return wrap(err, doing)
		}
		if !held {
			return fmt.Errorf("%s: %w", doing, exchangelog.ErrTaken)
		}
		for _, line := range b.Lines {
			_, err := tx.ExecContext(ctx, appendRecord, s.System, s.Replica, string(s.Part), b.Segment, b.Day, line.Seq, instant(line.Time),
				line.RequestID, line.XRoadID, line.Hash(), string(line.Text))
			if err != nil {
				return wrap(err, doing)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	j.head = b.Head
	return nil
}

// Sync has nothing to do: what was appended was committed.
func (j *journal) Sync(context.Context) error { return nil }

// Seal keeps the seal.
func (j *journal) Seal(ctx context.Context, seal exchangelog.Seal, line []byte) error {
	s, doing := j.stream, "seal the stream "+j.stream.String()
	err := j.store.transact(ctx, func(tx transaction) error {
		var day string
		err := tx.QueryRowContext(ctx, sealHead, s.System, s.Replica, string(s.Part), j.writer, seal.Segment, seal.Last.Seq, instant(time.Now())).Scan(&day)
		if errors.Is(err, sql.ErrNoRows) {
			err = exchangelog.ErrTaken
		}
		if err == nil {
			_, err = tx.ExecContext(ctx, appendSeal, s.System, s.Replica, string(s.Part), seal.Segment, day, exchangelog.WithoutBreak(line))
		}
		if err != nil {
			return wrap(err, doing)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}

// Close gives nothing back: whoever opens the stream next takes it.
func (j *journal) Close() error { return nil }

// Exchanges returns records, the oldest first; see exchangelog.Tables.
func (s *Store) Exchanges(ctx context.Context, q exchangelog.TableQuery) ([]exchangelog.TableRow, error) {
	found, err := s.read.QueryContext(ctx, findRecords, q.System, q.RequestID, q.XRoadID, instant(q.From), instant(q.To), instant(q.After.Time),
		q.After.Stream.System, q.After.Stream.Replica, string(q.After.Stream.Part), q.After.Seq, max(q.Limit, 0))
	list, err := collect(found, err, func(r row) (exchangelog.TableRow, error) {
		var f exchangelog.TableRow
		var line string
		err := r.Scan((*instant)(&f.Place.Time), &f.Place.Stream.System, &f.Place.Stream.Replica, &f.Place.Stream.Part, &f.Place.Seq, &line)
		f.Line = []byte(line)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("search exchanges: %w", err)
	}
	return list, nil
}

// Streams lists what is kept, to verify it; see exchangelog.Source.
func (s *Store) Streams(ctx context.Context) ([]exchangelog.StoredStream, error) {
	found, err := s.read.QueryContext(ctx, allHeads)
	sides, err := collect(found, err, func(r row) (exchangelog.Sidecar, error) {
		var at exchangelog.Sidecar
		return at, r.Scan(&at.Stream.System, &at.Stream.Replica, &at.Stream.Part, &at.Segment, &at.Count, &at.Head.Seq, &at.Head.Hash)
	})
	if err != nil {
		return nil, fmt.Errorf("read the heads of the exchange log: %w", err)
	}
	var streams []exchangelog.StoredStream
	for _, side := range sides {
		stored := exchangelog.StoredStream{Stream: side.Stream, Sidecar: &side}
		found, err := s.read.QueryContext(ctx, segmentsOf, side.Stream.System, side.Stream.Replica, string(side.Stream.Part))
		segments, err := collect(found, err, func(r row) (exchangelog.TableSegment, error) {
			var segment exchangelog.TableSegment
			return segment, r.Scan(&segment.Number, (*text)(&segment.Seal))
		})
		if err != nil {
			return nil, fmt.Errorf("list the segments of %s: %w", side.Stream, err)
		}
		for _, segment := range segments {
			name := fmt.Sprintf("exchange_record, segment %d", segment.Number)
			stored.Segments = append(stored.Segments, segment.Stored(name, func(ctx context.Context, after int64, limit int) ([]exchangelog.TableLine, error) {
				return s.lines(ctx, side.Stream, segment.Number, after, limit)
			}))
		}
		streams = append(streams, stored)
	}
	return streams, nil
}

func (s *Store) lines(ctx context.Context, stream exchangelog.Stream, segment int, after int64, limit int) ([]exchangelog.TableLine, error) {
	found, err := s.read.QueryContext(ctx, linesOf, stream.System, stream.Replica, string(stream.Part), segment, after, limit)
	lines, err := collect(found, err, func(r row) (exchangelog.TableLine, error) {
		var line exchangelog.TableLine
		return line, r.Scan(&line.Seq, &line.Text)
	})
	if err != nil {
		return nil, fmt.Errorf("read a segment of %s: %w", stream, err)
	}
	return lines, nil
}
