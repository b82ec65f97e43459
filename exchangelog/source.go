package exchangelog

import (
	"context"
	"io"
)

// Source is where streams are read from: the folder of Files, tables, an archive.
type Source interface {
	// Streams lists what there is, in the order of the streams' names. Sidecars are read before the segments are listed, so that
	// a log that is being written can be read.
	Streams(ctx context.Context) ([]StoredStream, error)
}

// StoredStream is one stream as a Source has it.
type StoredStream struct {
	Stream   Stream
	Sidecar  *Sidecar        // nil: there is none
	Begin    *Sidecar        // what was before the first segment, where that was moved into an archive; nil: nothing was
	Segments []StoredSegment // by number; two of one number are both here
	Notes    []string        // what else there is of the stream, such as torn ends that were put aside
}

// StoredSegment is one segment as a Source has it.
type StoredSegment struct {
	Number int
	Name   string // where it is, for people
	// Open reads its lines as they were written, each with its line break; the last may be the seal.
	Open func(ctx context.Context) (io.ReadCloser, error)
}
