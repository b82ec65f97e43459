package exchangelog

import (
	"context"
	"io"
	"sync"
)

// Stdout writes lines to a stream that the cluster collects. It keeps nothing: a stream begins anew with each process, and whoever
// collects it has to keep it in order.
type Stdout struct {
	w     io.Writer
	mu    sync.Mutex
	tails map[Stream]Tail // of what this process wrote
}

var _ Sink = (*Stdout)(nil)

// NewStdout writes to w, which must write each call's bytes together, as an *os.File does.
func NewStdout(w io.Writer) *Stdout { return &Stdout{w: w, tails: map[Stream]Tail{}} }

// Open is for Sink.
func (o *Stdout) Open(_ context.Context, s Stream) (Journal, Tail, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	tail, ok := o.tails[s]
	if !ok {
		tail.Head = NoHead()
	}
	return &stdoutJournal{o}, tail, nil
}

func (o *Stdout) write(s Stream, text []byte, tail Tail) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.w.Write(text); err != nil {
		return err
	}
	o.tails[s] = tail
	return nil
}

type stdoutJournal struct{ out *Stdout }

// Append is for Journal.
func (j *stdoutJournal) Append(_ context.Context, b Batch) error {
	return j.out.write(b.Stream, b.Text, Tail{Head: b.Head, Segment: b.Segment})
}

// Sync is for Journal: there is nothing to wait for.
func (j *stdoutJournal) Sync(context.Context) error { return nil }

// Seal is for Journal.
func (j *stdoutJournal) Seal(_ context.Context, s Seal, line []byte) error {
	return j.out.write(s.Stream, line, Tail{Head: s.Last, Segment: s.Segment})
}

// Close is for Journal.
func (j *stdoutJournal) Close() error { return nil }
