package exchangelog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Query says which exchanges are looked for; all that is given must hold. What is not given holds.
type Query struct {
	Systems []string   // at least one
	ID      string     // the request id, or X-Road's
	Texts   []string   // one of them stands in a body, as it can be read
	From    time.Time  // when a message passed
	To      time.Time  // before this
	After   TablePlace // records after this place, where the page before ended; the zero value is the beginning
	Limit   int        // of exchanges: the earliest
}

// Place is a source under the name that a reader is told.
type Place struct {
	Name   string
	Source MonthSource
}

// Found is one exchange.
type Found struct {
	RequestID string
	Records   []FoundRecord // in the order of time
}

// compare orders exchanges by the time of the first record.
func (x *Found) compare(y *Found) int {
	return cmp.Or(x.Records[0].Record.Time.Compare(y.Records[0].Record.Time), cmp.Compare(x.RequestID, y.RequestID))
}

// FoundRecord is a record with where it stands.
type FoundRecord struct {
	Place   Place
	Month   Month
	Stream  Stream
	Segment int
	Line    []byte // as it is kept
	Record  *Record
}

// Find returns the exchanges that a query asks for, earliest first, and whether there are more. What stands in several places is
// shown from the first. read gives a body that can be read, ErrNoBody where it cannot. Nothing is verified here.
func Find(ctx context.Context, places []Place, q Query, read func(*Record) ([]byte, error)) (found []Found, more bool, err error) {
	f := finder{query: q, read: read, exchanges: map[string]*Found{}}
	for _, system := range q.Systems {
		for _, place := range places {
			if err := f.search(ctx, place, system); err != nil {
				return nil, false, fmt.Errorf("%s: %w", place.Name, err)
			}
		}
	}
	for _, x := range f.exchanges {
		slices.SortStableFunc(x.Records, func(a, b FoundRecord) int {
			return cmp.Or(a.Record.Time.Compare(b.Record.Time), cmp.Compare(a.Record.Part, b.Record.Part))
		})
		found = append(found, *x)
	}
	slices.SortFunc(found, func(a, b Found) int { return a.compare(&b) })
	return found, f.more, nil
}

type finder struct {
	query     Query
	read      func(*Record) ([]byte, error)
	exchanges map[string]*Found
	more      bool
}

func (f *finder) search(ctx context.Context, place Place, system string) error {
	months, err := place.Source.Months(ctx, system)
	if err != nil {
		return err
	}
	q := f.query
	for _, m := range months {
		if !q.To.IsZero() && MonthOf(q.To).Before(m) || !q.From.IsZero() && m.Add(1).Before(MonthOf(q.From)) {
			continue // a day's folder may hold what began the day before
		}
		for s, err := range place.Source.Segments(ctx, system, m) {
			if err != nil {
				return err
			}
			for line, err := range s.Lines {
				if err != nil {
					return fmt.Errorf("segment %d of %s: %w", s.Number, s.Stream, err)
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				f.look(FoundRecord{Place: place, Month: m, Stream: s.Stream, Segment: s.Number, Line: line})
			}
		}
	}
	return nil
}

// look keeps a record if it is looked for. A line that is no record is Verify's to tell of.
func (f *finder) look(r FoundRecord) {
	q := f.query
	if q.ID != "" && !bytes.Contains(r.Line, []byte(q.ID)) {
		return
	}
	var err error
	if r.Record, err = ParseRecord(r.Line); err != nil || !f.wanted(r.Record) {
		return
	}
	id := r.Record.RequestID
	if id == "" { // a note about the log itself belongs to no exchange
		id = fmt.Sprintf("%s %d", r.Stream, r.Record.Seq)
	}
	x := f.exchanges[id]
	if x == nil {
		x = &Found{RequestID: id}
		f.exchanges[id] = x
	}
	for _, other := range x.Records {
		if other.Place.Name != r.Place.Name && other.Record.Part == r.Record.Part && other.Record.Direction == r.Record.Direction {
			return // it stands in another place as well
		}
	}
	r.Line = bytes.Clone(r.Line)
	x.Records = append(x.Records, r)
	f.bound()
}

func (f *finder) wanted(r *Record) bool {
	q := f.query
	switch {
	case q.ID != "" && r.RequestID != q.ID && r.XRoadID != q.ID:
		return false
	case !q.From.IsZero() && r.Time.Before(q.From), !q.To.IsZero() && !r.Time.Before(q.To):
		return false
	case !q.After.Time.IsZero() && r.Place().Compare(q.After) <= 0:
		return false
	case len(q.Texts) == 0:
		return true
	}
	body, err := f.read(r)
	return err == nil && slices.ContainsFunc(q.Texts, func(text string) bool { return bytes.Contains(body, []byte(text)) })
}

// bound lets the latest exchange go when there are too many.
func (f *finder) bound() {
	if f.query.Limit <= 0 || len(f.exchanges) <= f.query.Limit {
		return
	}
	var last *Found
	for _, x := range f.exchanges {
		if last == nil || x.compare(last) > 0 {
			last = x
		}
	}
	delete(f.exchanges, last.RequestID)
	f.more = true
}

// ErrSeveral is an X-Road id that several exchanges have.
var ErrSeveral = errors.New("several exchanges have the id")

// EvidenceOf is the evidence of the exchange with a request id or X-Road id: its segments in the first place that has it.
func EvidenceOf(ctx context.Context, places []Place, systems []string, id string, read func(*Record) ([]byte, error)) (Evidence, FoundRecord, error) {
	for _, place := range places {
		found, _, err := Find(ctx, []Place{place}, Query{Systems: systems, ID: id}, read)
		if err != nil {
			return Evidence{}, FoundRecord{}, err
		}
		if len(found) > 1 {
			return Evidence{}, FoundRecord{}, fmt.Errorf("%w: %s and %s", ErrSeveral, found[0].RequestID, found[1].RequestID)
		}
		if len(found) == 0 {
			continue
		}
		records := found[0].Records
		segments := func(yield func(MonthSegment, error) bool) {
			type key struct {
				month  Month
				stream Stream
				number int
			}
			wanted := map[key]bool{}
			var months []Month
			for _, r := range records {
				wanted[key{r.Month, r.Stream, r.Segment}] = true
				if !slices.Contains(months, r.Month) {
					months = append(months, r.Month)
				}
			}
			for _, m := range months {
				for s, err := range place.Source.Segments(ctx, records[0].Record.System, m) {
					if err == nil && !wanted[key{m, s.Stream, s.Number}] {
						continue
					}
					if !yield(s, err) {
						return
					}
				}
			}
		}
		return Evidence{RequestID: found[0].RequestID, Segments: segments, Open: read}, records[0], nil
	}
	return Evidence{}, FoundRecord{}, fmt.Errorf("exchange %s: %w", id, ErrNothing)
}
