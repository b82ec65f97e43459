package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// monthsAhead is how many months have partitions before they come: a role without the right to make them is noticed long
// before anything is lost.
const monthsAhead = 3

// noPartition is the SQLSTATE of a row that no partition takes.
const noPartition = "23514"

const (
	makePartitions = `SELECT atis.adapter_exchange_partition($1::date, $2)`

	// Whoever opens a stream takes it; its rows show what was really written.
	takeStream = `INSERT INTO atis.exchange_head AS h (system, replica, part, writer, segment, sealed, count, previous, first_seq, first_hash, seq, hash, at)
		VALUES ($1, $2, $3, $4, 0, true, 0, $5, 0, $5, 0, $5, now())
		ON CONFLICT (system, replica, part) DO UPDATE SET writer = $4, at = now()
		RETURNING segment, sealed, count, previous, first_seq, first_hash, seq, hash`
	lastRecord = `SELECT seq, hash FROM atis.exchange_record WHERE system = $1 AND replica = $2 AND part = $3 ORDER BY seq DESC LIMIT 1`

	// One statement, so that records and head are written together or not at all; nothing is where another has the
	// stream or the records do not follow.
	appendRecords = `WITH head AS (
			UPDATE atis.exchange_head SET segment = $6, day = $7::date, sealed = false, count = $8, seq = $9, hash = $10, at = now(),
				previous = CASE WHEN segment = $6 AND NOT sealed THEN previous ELSE hash END,
				first_seq = CASE WHEN segment = $6 AND NOT sealed THEN first_seq ELSE seq + 1 END,
				first_hash = CASE WHEN segment = $6 AND NOT sealed THEN first_hash ELSE $11 END
			WHERE system = $1 AND replica = $2 AND part = $3 AND writer = $4 AND seq = $5
			RETURNING 1)
		INSERT INTO atis.exchange_record (system, replica, part, segment, day, seq, time, request_id, xroad_id, hash, line)
		SELECT $1, $2, $3, $6, $7::date, r.seq, r.time, r.request_id, r.xroad_id, r.hash, r.line
		FROM head, unnest($12::bigint[], $13::timestamptz[], $14::text[], $15::text[], $16::text[], $17::text[]) AS r (seq, time, request_id, xroad_id, hash, line)`
	sealSegment = `WITH head AS (
			UPDATE atis.exchange_head SET sealed = true, at = now()
			WHERE system = $1 AND replica = $2 AND part = $3 AND writer = $4 AND segment = $5 AND seq = $6 AND NOT sealed
			RETURNING day)
		INSERT INTO atis.exchange_seal (system, replica, part, segment, day, line) SELECT $1, $2, $3, $5, head.day, $7 FROM head`

	allHeads = `SELECT system, replica, part, segment, count, seq, hash FROM atis.exchange_head ORDER BY system, replica, part`
	// Each number is looked for behind the one before, by the index: a segment has thousands of rows.
	segmentsOf = `WITH RECURSIVE found AS (
			(SELECT segment FROM atis.exchange_record WHERE system = $1 AND replica = $2 AND part = $3 ORDER BY segment LIMIT 1)
			UNION ALL
			SELECT (SELECT r.segment FROM atis.exchange_record r WHERE r.system = $1 AND r.replica = $2 AND r.part = $3 AND r.segment > found.segment
				ORDER BY r.segment LIMIT 1) FROM found WHERE found.segment IS NOT NULL)
		SELECT segment, max(seal) FROM (
			SELECT segment, NULL AS seal FROM found WHERE segment IS NOT NULL
			UNION ALL SELECT segment, line FROM atis.exchange_seal WHERE system = $1 AND replica = $2 AND part = $3) AS every
		GROUP BY segment ORDER BY segment`
	linesOf = `SELECT seq, line FROM atis.exchange_record WHERE system = $1 AND replica = $2 AND part = $3 AND segment = $4 AND seq > $5
		ORDER BY seq LIMIT $6`

	foundColumns = `time, system, replica, part, seq, line`
	findRecords  = `SELECT ` + foundColumns + ` FROM atis.exchange_record
		WHERE ($1 = '' OR system = $1) AND ($2 = '' OR request_id = $2) AND ($3 = '' OR xroad_id = $3)
		AND ($4::timestamptz IS NULL OR time >= $4) AND ($5::timestamptz IS NULL OR time < $5)
		AND ($4::timestamptz IS NULL OR day >= $4::date - 1)
		AND ($6::timestamptz IS NULL OR (time, system, replica, part, seq) > ($6, $7, $8, $9, $10))
		ORDER BY time, system, replica, part, seq LIMIT $11`
)

var _ exchangelog.Tables = (*Store)(nil)

// PreparePartitions makes the partitions of at's month and the next ones, if they are missing.
func (s *Store) PreparePartitions(ctx context.Context, at time.Time) error {
	return s.partitions(ctx, exchangelog.Day(at), monthsAhead)
}

func (s *Store) partitions(ctx context.Context, day string, months int) error {
	var made int
	return s.ask(ctx, func(b *batch) {
		b.row("make partitions of the exchange log", makePartitions, []any{day, months}, &made)
	})
}

// Open takes a stream; see exchangelog.Sink. Whoever had it before hears exchangelog.ErrTaken.
func (s *Store) Open(ctx context.Context, stream exchangelog.Stream) (exchangelog.Journal, exchangelog.Tail, error) {
	j := &journal{store: s, stream: stream, writer: rand.Text()}
	none := exchangelog.NoHead()
	h := exchangelog.TableHead{}
	var last []exchangelog.Head
	err := s.ask(ctx, func(b *batch) {
		b.row("take the stream "+stream.String(), takeStream, append(j.key(), j.writer, none.Hash), &h.Segment, &h.Sealed, &h.Tally.Count,
			&h.Tally.Previous, &h.Tally.First.Seq, &h.Tally.First.Hash, &h.Head.Seq, &h.Head.Hash)
		rows(b, "read the end of the stream "+stream.String(), lastRecord, j.key(), func(r pgx.CollectableRow) (exchangelog.Head, error) {
			var head exchangelog.Head
			return head, r.Scan(&head.Seq, &head.Hash)
		}, &last)
	})
	if err != nil {
		return nil, exchangelog.Tail{}, fmt.Errorf("postgres: %w", err)
	}
	if h.Tally.Last, h.Last = h.Head, none; len(last) > 0 {
		h.Last = last[0]
	}
	j.head = h.Head
	return j, h.Tail(), nil
}

// journal is the end of one stream. One goroutine uses it.
type journal struct {
	store  *Store
	stream exchangelog.Stream
	writer string
	head   exchangelog.Head // of what was added
}

func (j *journal) key() []any { return []any{j.stream.System, j.stream.Replica, string(j.stream.Part)} }

// Append keeps a batch in one transaction, which is durable when it returns nil.
func (j *journal) Append(ctx context.Context, b exchangelog.Batch) error {
	n := len(b.Lines)
	seqs, times, ids := make([]int64, n), make([]time.Time, n), make([]string, n)
	xroadIDs, hashes, texts := make([]string, n), make([]string, n), make([]string, n)
	for i, line := range b.Lines {
		seqs[i], times[i], ids[i], xroadIDs[i], hashes[i], texts[i] = line.Seq, line.Time, line.RequestID, line.XRoadID, line.Hash(), string(line.Text)
	}
	args := append(j.key(), j.writer, j.head.Seq, b.Segment, b.Day, b.Count, b.Head.Seq, b.Head.Hash, hashes[0], seqs, times, ids, xroadIDs, hashes, texts)
	doing := "append to the stream " + j.stream.String()
	write := func() error {
		return j.store.ask(ctx, func(q *batch) { q.must(doing, exchangelog.ErrTaken, appendRecords, args...) })
	}
	err := write()
	if code(err) == noPartition {
		if err := j.store.partitions(ctx, b.Day, 1); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		err = write()
	}
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	j.head = b.Head
	return nil
}

// Sync has nothing to do: what was appended was committed.
func (j *journal) Sync(context.Context) error { return nil }

// Seal keeps the seal.
func (j *journal) Seal(ctx context.Context, s exchangelog.Seal, line []byte) error {
	args := append(j.key(), j.writer, s.Segment, s.Last.Seq, exchangelog.WithoutBreak(line))
	err := j.store.ask(ctx, func(b *batch) {
		b.must("seal the stream "+j.stream.String(), exchangelog.ErrTaken, sealSegment, args...)
	})
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// Close gives nothing back: whoever opens the stream next takes it.
func (j *journal) Close() error { return nil }

// Exchanges returns records, the oldest first; see exchangelog.Tables.
func (s *Store) Exchanges(ctx context.Context, q exchangelog.TableQuery) ([]exchangelog.TableRow, error) {
	args := []any{q.System, q.RequestID, q.XRoadID, moment(q.From), moment(q.To), moment(q.After.Time),
		q.After.Stream.System, q.After.Stream.Replica, string(q.After.Stream.Part), q.After.Seq, max(q.Limit, 0)}
	var list []exchangelog.TableRow
	err := s.read(ctx, func(b *batch) {
		rows(b, "search exchanges", findRecords, args, func(r pgx.CollectableRow) (exchangelog.TableRow, error) {
			var f exchangelog.TableRow
			var line string
			err := r.Scan((*instant)(&f.Place.Time), &f.Place.Stream.System, &f.Place.Stream.Replica, &f.Place.Stream.Part, &f.Place.Seq, &line)
			f.Line = []byte(line)
			return f, err
		}, &list)
	})
	return list, err
}

// Streams lists what is kept, to verify it; see exchangelog.Source.
func (s *Store) Streams(ctx context.Context) ([]exchangelog.StoredStream, error) {
	var sides []exchangelog.Sidecar
	err := s.read(ctx, func(b *batch) {
		rows(b, "read the heads of the exchange log", allHeads, nil, func(r pgx.CollectableRow) (exchangelog.Sidecar, error) {
			var at exchangelog.Sidecar
			return at, r.Scan(&at.Stream.System, &at.Stream.Replica, &at.Stream.Part, &at.Segment, &at.Count, &at.Head.Seq, &at.Head.Hash)
		}, &sides)
	})
	if err != nil {
		return nil, err
	}
	var streams []exchangelog.StoredStream
	for _, side := range sides {
		stored := exchangelog.StoredStream{Stream: side.Stream, Sidecar: &side}
		key := []any{side.Stream.System, side.Stream.Replica, string(side.Stream.Part)}
		var segments []exchangelog.TableSegment
		err := s.read(ctx, func(b *batch) {
			rows(b, "list the segments of "+side.Stream.String(), segmentsOf, key, func(r pgx.CollectableRow) (exchangelog.TableSegment, error) {
				var segment exchangelog.TableSegment
				return segment, r.Scan(&segment.Number, (*text)(&segment.Seal))
			}, &segments)
		})
		if err != nil {
			return nil, err
		}
		for _, segment := range segments {
			name := fmt.Sprintf("atis.exchange_record, segment %d", segment.Number)
			stored.Segments = append(stored.Segments, segment.Stored(name, func(ctx context.Context, after int64, limit int) ([]exchangelog.TableLine, error) {
				return s.lines(ctx, append(slices.Clip(key), segment.Number, after, limit))
			}))
		}
		streams = append(streams, stored)
	}
	return streams, nil
}

func (s *Store) lines(ctx context.Context, args []any) ([]exchangelog.TableLine, error) {
	var lines []exchangelog.TableLine
	err := s.read(ctx, func(b *batch) {
		rows(b, "read a segment", linesOf, args, func(r pgx.CollectableRow) (exchangelog.TableLine, error) {
			var line exchangelog.TableLine
			return line, r.Scan(&line.Seq, &line.Text)
		}, &lines)
	})
	return lines, err
}
