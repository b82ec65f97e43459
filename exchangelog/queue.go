package exchangelog

import (
	"errors"
	"sync"
)

// maxQueued bounds the memory of what waits for one stream's sink, in bytes: thousands of usual messages.
const maxQueued = 16 << 20

var (
	errFull   = errors.New("too much waits to be written")
	errSlow   = errors.New("the record was not written in time")
	errClosed = errors.New("the exchange log is closed")
)

// entry is one record on its way into a stream.
type entry struct {
	*draft
	done chan error // of size 1, told once when the record is durable or why it is not yet; nil: nobody waits
}

// tell says what became of the entry, once; later calls do nothing.
func (e *entry) tell(err error) {
	if e.done != nil {
		e.done <- err
		e.done = nil
	}
}

// queue is what waits for a writer. newQueue makes one.
type queue struct {
	mu      sync.Mutex
	entries []*entry
	size    int
	taken   int           // bytes that the writer has and that are not written yet
	failing error         // the sink's last failure; nil: it works
	wake    chan struct{} // of size 1
	ended   chan struct{} // closed by close
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1), ended: make(chan struct{})} }

// put adds an entry. While the sink fails the entry is kept for later and the failure told at once. An error says that it is
// not kept.
func (q *queue) put(e *entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.isEnded():
		return errClosed
	case q.size+q.taken > 0 && q.size+q.taken+len(e.text) > maxQueued:
		return errFull
	}
	q.entries = append(q.entries, e)
	q.size += len(e.text)
	if q.failing != nil {
		e.tell(q.failing)
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// take empties the queue. ended says that nothing comes any more.
func (q *queue) take() (entries []*entry, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	entries, q.entries = q.entries, nil
	q.taken, q.size = q.size, 0
	return entries, q.isEnded()
}

// written says that what was taken is done with, and whether the sink works.
func (q *queue) written(failing error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken, q.failing = 0, failing
}

// fail tells all that wait, and those who come until written is called.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failing = err
	for _, e := range q.entries {
		e.tell(err)
	}
}

// failure is why entries are not written now; nil if they are, or nothing is known.
func (q *queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failing
}

// close ends the queue; what is in it is still taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.isEnded() {
		close(q.ended)
	}
}

func (q *queue) isEnded() bool {
	select {
	case <-q.ended:
		return true
	default:
		return false
	}
}

// slow says that somebody waited in vain: until the writer is done with what it has, nobody else has to.
func (q *queue) slow() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.taken > 0 && q.failing == nil {
		q.failing = errSlow
	}
}
