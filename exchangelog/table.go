package exchangelog

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ErrTaken says that another has opened the stream since: it may go on, and who had the stream before may not.
var ErrTaken = errors.New("another process has taken the stream: replicas need names of their own (setting log.replica)")

// TableHead is what a store's tables tell of a stream's end, from the transaction that took the stream.
type TableHead struct {
	Head    Head
	Segment int
	Sealed  bool // the last segment is
	Tally   Tally
	Last    Head // of the last record that is really there; NoHead where there is none
}

// Tail is what a Sink on tables returns. The head is written with the records, so that they can differ only where somebody
// else changed the tables.
func (h TableHead) Tail() Tail {
	t := Tail{Head: h.Head, Segment: h.Segment}
	if h.Segment > 0 && !h.Sealed {
		tally := h.Tally
		t.Open = &tally
	}
	if h.Last != h.Head && !(h.Sealed && h.Last == NoHead()) { // months that were archived are taken away
		t.Notes = append(t.Notes, fmt.Sprintf("the table ends at record %d, and its head tells of %d: what is between is missing or was changed",
			h.Last.Seq, h.Head.Seq))
	}
	return t
}

// Hash is the hash that the line says it has.
func (l Line) Hash() string {
	head, _ := lineHead(l.Text)
	return head.Hash
}

// WithoutBreak is a seal's line as a table keeps it.
func WithoutBreak(line []byte) string { return strings.TrimSuffix(string(line), "\n") }

// TableQuery asks tables for records. An empty text and a zero time do not restrict.
type TableQuery struct {
	System    string
	RequestID string
	XRoadID   string
	From      time.Time  // of the record, inclusive
	To        time.Time  // exclusive
	After     TablePlace // where the page before ended; the zero value is the beginning
	Limit     int
}

// TablePlace is where a record stands among those that were found: by time, and of one time by stream and number.
type TablePlace struct {
	Time   time.Time
	Stream Stream
	Seq    int64
}

// Compare orders places as Exchanges does.
func (p TablePlace) Compare(other TablePlace) int {
	return cmp.Or(p.Time.Compare(other.Time), cmp.Compare(p.Stream.System, other.Stream.System), cmp.Compare(p.Stream.Replica, other.Stream.Replica),
		cmp.Compare(p.Stream.Part, other.Stream.Part), cmp.Compare(p.Seq, other.Seq))
}

// Cursor is the place as text; ParseTablePlace reads it.
func (p TablePlace) Cursor() string {
	raw, _ := json.Marshal(placeText{p.Time.UTC().Format(time.RFC3339Nano), p.Stream.String(), p.Seq}) // texts and a number
	return base64.RawURLEncoding.EncodeToString(raw)
}

type placeText struct {
	Time, Stream string
	Seq          int64
}

// ParseTablePlace reads a cursor; an empty one is the beginning.
func ParseTablePlace(cursor string) (TablePlace, error) {
	var p TablePlace
	if cursor == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return p, err
	}
	var text placeText
	if err := json.Unmarshal(raw, &text); err != nil {
		return p, err
	}
	if p.Time, err = time.Parse(time.RFC3339Nano, text.Time); err != nil {
		return p, err
	}
	p.Stream, err = ParseStream(text.Stream)
	p.Seq = text.Seq
	return p, err
}

// TableRow is one record that was found.
type TableRow struct {
	Place TablePlace
	Line  []byte
}

// TableSegment is what a table has of a segment: which, and its seal's line, empty without one.
type TableSegment struct {
	Number int
	Seal   string
}

// linesPage is how many records are read at a time, of some kilobytes each.
const linesPage = 200

// Stored makes of what tables tell a segment that can be verified. page returns at most limit records after a number, in order.
func (s TableSegment) Stored(name string, page func(ctx context.Context, after int64, limit int) ([]TableLine, error)) StoredSegment {
	return StoredSegment{Number: s.Number, Name: name, Open: func(ctx context.Context) (io.ReadCloser, error) {
		return &tableReader{ctx: ctx, page: page, seal: s.Seal}, nil
	}}
}

// TableLine is a record's line, and the number that the table has for it.
type TableLine struct {
	Seq  int64
	Text string
}

// tableReader reads a segment's lines page by page, and its seal.
type tableReader struct {
	ctx   context.Context
	page  func(ctx context.Context, after int64, limit int) ([]TableLine, error)
	seal  string
	after int64
	rest  []byte
	ended bool
}

// Read is for io.Reader.
func (t *tableReader) Read(p []byte) (int, error) {
	for len(t.rest) == 0 {
		if t.ended {
			return 0, io.EOF
		}
		lines, err := t.page(t.ctx, t.after, linesPage)
		if err != nil {
			return 0, err
		}
		t.rest = t.rest[:0]
		for _, line := range lines {
			t.rest = append(append(t.rest, line.Text...), '\n')
			t.after = line.Seq
		}
		if t.ended = len(lines) < linesPage; t.ended && t.seal != "" {
			t.rest = append(append(t.rest, t.seal...), '\n')
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// Close is for io.Closer.
func (t *tableReader) Close() error { return nil }

// Tables is what a store keeps of exchange logs: a Sink, and a Source of what it kept.
type Tables interface {
	Sink
	Source
	// PreparePartitions makes room for the months from at on; where there are no partitions it does nothing.
	PreparePartitions(ctx context.Context, at time.Time) error
	// Exchanges returns at most q.Limit records, the oldest first.
	Exchanges(ctx context.Context, q TableQuery) ([]TableRow, error)
}
