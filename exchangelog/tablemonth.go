package exchangelog

import (
	"context"
	"iter"
)

// MonthTables is what a store tells of its months, and does with them.
type MonthTables interface {
	Sink
	// ExchangeMonths are the months of the days that the system's segments are filed under, earliest first.
	ExchangeMonths(ctx context.Context, system string) ([]Month, error)
	// ExchangeSegments are the streams of the system with their segments of the month, by replica and part.
	ExchangeSegments(ctx context.Context, system string, m Month) ([]StoredStream, error)
	// RemovedExchanges are the manifests of the months that were removed.
	RemovedExchanges(ctx context.Context, system string) (map[Month][]byte, error)
	// MayRemoveExchanges is ErrMayNotRemove where RemoveExchanges would be refused.
	MayRemoveExchanges(ctx context.Context) error
	// RemoveExchanges keeps the manifest and removes the month, which has so many records, else nothing is done. Of a month whose
	// manifest is kept already it removes what is left.
	RemoveExchanges(ctx context.Context, system string, m Month, manifest []byte, records int64) error
}

// TableMonths makes of a store's tables what can be archived.
type TableMonths struct{ MonthTables }

var _ MonthStore = TableMonths{}

// Months is for MonthSource.
func (t TableMonths) Months(ctx context.Context, system string) ([]Month, error) {
	return t.ExchangeMonths(ctx, system)
}

// Segments is for MonthSource.
func (t TableMonths) Segments(ctx context.Context, system string, m Month) iter.Seq2[MonthSegment, error] {
	return func(yield func(MonthSegment, error) bool) {
		streams, err := t.ExchangeSegments(ctx, system, m)
		if err != nil {
			yield(MonthSegment{}, err)
			return
		}
		for _, s := range streams {
			for _, segment := range s.Segments {
				if !yield(MonthSegment{s.Stream, segment.Number, segment.lines(ctx)}, nil) {
					return
				}
			}
		}
	}
}

// lines are the segment's lines, without line breaks.
func (s StoredSegment) lines(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		reader, err := s.Open(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer reader.Close()
		if err := eachLine(reader, func(line []byte) bool { return yield(line, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// Removed is for MonthStore.
func (t TableMonths) Removed(ctx context.Context, system string) (map[Month][]byte, error) {
	return t.RemovedExchanges(ctx, system)
}

// MayRemove is for MonthStore.
func (t TableMonths) MayRemove(ctx context.Context) error { return t.MayRemoveExchanges(ctx) }

// Remove is for MonthStore.
func (t TableMonths) Remove(ctx context.Context, r Removal) error {
	return t.RemoveExchanges(ctx, r.System, r.Month, r.Text, r.Count())
}
