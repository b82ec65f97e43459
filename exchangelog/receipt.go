package exchangelog

import (
	"context"
	"time"
)

// receipt is what is waited for: one record in several sinks, or several.
type receipt struct {
	waits []waiting
	err   error // of a record that is not kept at all
}

type waiting struct {
	w    *writer
	done chan error
}

// put gives a record to a writer and remembers to wait for it.
func (r *receipt) put(w *writer, d *draft) {
	done := make(chan error, 1)
	if err := w.queue.put(&entry{draft: d, done: done}); err != nil {
		w.drop()
		r.err = err
		return
	}
	r.waits = append(r.waits, waiting{w, done})
}

// drop counts a record that is not kept.
func (w *writer) drop() {
	w.counts.lost.Add(1)
	w.lost.Add(1)
}

// wait returns when all are durable, or why one is not: also because ctx ended, or it took longer than most. Then
// those who come after need not wait as long.
func (r *receipt) wait(ctx context.Context, most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for _, waiting := range r.waits {
		select {
		case err := <-waiting.done:
			if err != nil {
				return err
			}
		case <-timer.C:
			waiting.w.queue.slow()
			return errSlow
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.err
}
