package exchangelog

import (
	"context"
	"time"
)

// Sink keeps streams: Files, the tables of a store. It is used by many goroutines, each of its journals by one at a time.
type Sink interface {
	// Open takes a stream for this process alone and tells where it ends. What a crash left half written at its
	// end is put aside, never silently dropped. Open is called again after a Journal failed and was closed: its
	// Tail then tells which records of the failed Append are there.
	Open(ctx context.Context, s Stream) (Journal, Tail, error)
}

// Journal is the end of one stream, where lines are added.
type Journal interface {
	// Append adds records to the segment of the batch: either all are kept, whatever happens to this process,
	// or an error is returned and the Journal is closed and opened anew.
	Append(ctx context.Context, b Batch) error
	// Sync returns when all that was added is kept, whatever happens to the machine, and the sidecar tells of it.
	Sync(ctx context.Context) error
	// Seal adds the seal's line, which ends the segment, durably.
	Seal(ctx context.Context, s Seal, line []byte) error
	// Close gives the stream free. It adds nothing.
	Close() error
}

// Batch is records that are written together: of one segment and one day.
type Batch struct {
	Stream  Stream
	Segment int
	Day     string // Estonian, of the segment's first record
	Lines   []Line
	Text    []byte // all lines with their line breaks; valid until Append returns
	Head    Head   // after the batch
	Count   int64  // records of the segment after the batch
}

// Line is one record as it is kept, and what a table keeps beside it to find it.
type Line struct {
	Text      []byte // without line break; part of Batch.Text
	Seq       int64
	Time      time.Time
	RequestID string
	XRoadID   string
}

// Tail is the end of a stream that was opened.
type Tail struct {
	Head    Head
	Segment int      // number of the last segment, 0: there is none
	Open    *Tally   // of the last segment if it has no seal; nil if it has, or there is none
	Notes   []string // what was found wrong or put aside; written into the stream
}

// Sidecar is what each group commit tells beside the lines: how far the stream is.
type Sidecar struct {
	Stream  Stream
	Segment int
	Count   int64 // records of the segment
	Head    Head
	Sealed  bool // the segment has its seal
}
