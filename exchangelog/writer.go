package exchangelog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sinkTimeout bounds one operation of a sink that can be given up.
const sinkTimeout = 30 * time.Second

// alarmEach is how often a failure that goes on is logged.
const alarmEach = time.Minute

// writer is the one goroutine that adds to a stream in a sink: what came while it wrote is its next batch.
type writer struct {
	stream Stream
	sink   Sink
	name   string // of the sink
	limits Limits
	key    *SealKey // nil: seals are not signed
	now    func() time.Time
	log    *slog.Logger
	queue  *queue
	ended  chan struct{} // closed when run has returned
	lost   atomic.Int64  // records that were not kept since the stream last told of any
	counts counts

	// Of one goroutine: run's, and before it starts, its starter's.
	journal Journal // nil: not open
	chain   chain
	segment int       // number of the last segment
	tally   Tally     // of the open segment; Count 0: none is open
	size    int64     // bytes of it
	day     string    // of it
	nextDay time.Time // when its day ends
	begun   time.Time // when it was
	dirty   time.Time // since when something is not durable; zero: nothing
	failed  []Head    // that the records of a failed batch would have had
	batch   []byte
	lines   []Line
	alarmed time.Time
	gather  time.Duration // to wait before the next batch, so that it serves more of those who wait
}

// Where several wait at once, each sync is followed by a pause of some times its own length, at most maxGather: fewer syncs serve
// them all, and leave the disk to the database's commits. Who waits alone never waits for others. Responses, which nobody waits
// for, are gathered always.
const (
	gatherSyncs = 2
	maxGather   = 4 * time.Millisecond
)

// counts are what a writer tells of itself.
type counts struct {
	written, bytes, failures, lost atomic.Int64
	mu                             sync.Mutex
	head                           Head
}

// run writes until the queue is closed and empty, then seals and lets the stream go.
func (w *writer) run() {
	defer close(w.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if w.gather > 0 {
			time.Sleep(w.gather)
			w.gather = 0
		}
		entries, ended := w.queue.take()
		if len(entries) > 0 {
			w.queue.written(w.write(entries))
			continue
		}
		if err := w.keepUp(ended); err != nil {
			w.fail(err)
		}
		if ended {
			w.close()
			return
		}
		timer.Reset(w.rest())
		select {
		case <-w.queue.wake:
		case <-w.queue.ended:
		case <-timer.C:
		}
	}
}

// rest is how long there is nothing to do by itself.
func (w *writer) rest() time.Duration {
	rest := w.limits.SealEach
	if w.tally.Count > 0 {
		rest = min(rest, w.limits.SealEach-w.now().Sub(w.begun))
	}
	if !w.dirty.IsZero() {
		rest = min(rest, syncEach-w.now().Sub(w.dirty))
	}
	return max(rest, time.Millisecond)
}

// keepUp does what is due without new records.
func (w *writer) keepUp(ended bool) error {
	now := w.now()
	switch {
	case w.journal == nil:
		return nil
	case w.tally.Count > 0 && (ended || now.Sub(w.begun) >= w.limits.SealEach):
		return w.seal(false)
	case !w.dirty.IsZero() && now.Sub(w.dirty) >= syncEach:
		return w.sync()
	}
	return nil
}

// write keeps at it until the entries are in the sink, and returns nil then. Whoever waits hears of a failure at once; the
// entries are kept all the same. Once the log has ended a failure is the last.
func (w *writer) write(entries []*entry) error {
	pause := firstRetry
	for len(entries) > 0 {
		n, err := w.append(entries)
		for _, e := range entries[:n] {
			e.tell(nil)
		}
		entries = entries[n:]
		if err == nil {
			continue
		}
		for _, e := range entries {
			e.tell(err)
		}
		w.fail(err)
		if w.queue.isEnded() {
			w.counts.lost.Add(int64(len(entries)))
			w.log.Error("exchange log ends with records that it could not keep", "stream", w.stream.String(), "sink", w.name, "records", len(entries))
			return err
		}
		select {
		case <-time.After(pause):
		case <-w.queue.ended:
		}
		pause = min(2*pause, lastRetry)
	}
	if n := w.lost.Swap(0); n > 0 {
		return w.write([]*entry{w.note(fmt.Sprintf("%d records before this one were not kept: the sink failed or was too slow", n))})
	}
	return nil
}

// append writes some of the entries, at least one, and returns how many are kept.
func (w *writer) append(entries []*entry) (kept int, err error) {
	if w.journal == nil {
		if kept, err = w.open(); kept > 0 || err != nil {
			return kept, err
		}
	}
	n, err := w.fit(entries)
	if err != nil {
		return 0, err
	}
	c, tally := chain{w.chain.head, w.chain.work}, w.tally
	w.batch, w.lines, w.failed = w.batch[:0], w.lines[:0], w.failed[:0]
	for _, e := range entries[:n] {
		previous := c.head.Hash
		w.batch = c.append(w.batch, e.draft)
		tally.add(previous, c.head)
		w.failed = append(w.failed, c.head)
		w.lines = append(w.lines, Line{Seq: c.head.Seq, Time: e.time, RequestID: e.id, XRoadID: e.xroadID})
	}
	w.cut()
	ctx, cancel := context.WithTimeout(context.Background(), sinkTimeout)
	defer cancel()
	batch := Batch{Stream: w.stream, Segment: w.segment, Day: w.day, Lines: w.lines, Text: w.batch, Head: c.head, Count: tally.Count}
	if err := w.journal.Append(ctx, batch); err != nil {
		return 0, err
	}
	if w.stream.Part == Request {
		begun := time.Now()
		if err := w.journal.Sync(ctx); err != nil {
			return 0, err
		}
		if n > 1 {
			w.gather = min(gatherSyncs*time.Since(begun), maxGather)
		}
	} else {
		w.gather = maxGather
		if w.dirty.IsZero() {
			w.dirty = w.now()
		}
	}
	w.chain, w.tally, w.failed = c, tally, w.failed[:0]
	w.size += int64(len(w.batch))
	w.wrote(n, len(w.batch))
	if cap(w.batch) > maxBatch {
		w.batch = nil // one long record is no reason to keep its room
	}
	return n, nil
}

// cut gives each line its text, once the batch does not move any more.
func (w *writer) cut() {
	rest := w.batch
	for i := range w.lines {
		end := bytes.IndexByte(rest, '\n')
		w.lines[i].Text, rest = rest[:end], rest[end+1:]
	}
}

func (w *writer) wrote(records, bytes int) {
	w.counts.written.Add(int64(records))
	w.counts.bytes.Add(int64(bytes))
	w.counts.mu.Lock()
	defer w.counts.mu.Unlock()
	w.counts.head = w.chain.head
}

// fit ends a segment that is full, old or of an earlier day, begins one where none is open, and returns how many of the
// entries go into it now.
func (w *writer) fit(entries []*entry) (int, error) {
	now := w.now()
	if w.tally.Count > 0 && (w.size >= w.limits.Segment || !entries[0].time.Before(w.nextDay) || now.Sub(w.begun) >= w.limits.SealEach) {
		if err := w.seal(false); err != nil {
			return 0, err
		}
	}
	if w.tally.Count == 0 {
		w.segment++
		w.size, w.begun = 0, now
		if at := entries[0].time; !at.Before(w.nextDay) { // an earlier one goes where the last went
			w.day, w.nextDay = Day(at), dayAfter(at)
		}
	}
	n, size := 0, int64(0)
	for _, e := range entries {
		size += int64(len(e.text))
		if n > 0 && (size > maxBatch || w.size+size > w.limits.Segment || !e.time.Before(w.nextDay)) {
			break
		}
		n++
	}
	return n, nil
}

// dayAfter is when the Estonian day of t ends.
func dayAfter(t time.Time) time.Time {
	year, month, day := t.In(tallinn).Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, tallinn)
}

func (w *writer) sync() error {
	ctx, cancel := context.WithTimeout(context.Background(), sinkTimeout)
	defer cancel()
	w.dirty = time.Time{}
	return w.journal.Sync(ctx)
}

// seal ends the open segment.
func (w *writer) seal(recovered bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), sinkTimeout)
	defer cancel()
	s := w.tally.seal(w.stream, w.segment)
	s.Time, s.Recovered = w.now(), recovered
	line := s.line(w.key)
	if err := w.journal.Seal(ctx, s, line); err != nil {
		return err
	}
	w.tally, w.dirty = Tally{}, time.Time{}
	return nil
}

// open takes the stream and goes on where it ends. kept is how many records of the failed batch are there after all.
func (w *writer) open() (kept int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), sinkTimeout)
	defer cancel()
	journal, tail, err := w.sink.Open(ctx, w.stream)
	if err != nil {
		return 0, err
	}
	w.journal = journal
	notes := tail.Notes
	kept = 1 + slices.Index(w.failed, tail.Head)
	if known := w.chain.head; kept == 0 && known.Hash != "" && tail.Head != known {
		notes = append(notes, fmt.Sprintf("the stream ends at record %d in the sink, and not at %d as it was left", tail.Head.Seq, known.Seq))
	}
	w.chain.head, w.segment, w.failed = tail.Head, tail.Segment, nil
	w.tally = Tally{}
	if tail.Open != nil {
		w.tally = *tail.Open
		if err := w.seal(true); err != nil {
			return 0, err
		}
		notes = append(notes, fmt.Sprintf("segment %d had no seal and was sealed when it was found", tail.Segment))
	}
	w.wrote(kept, 0)
	for _, text := range notes {
		w.log.Warn("exchange log recovered", "stream", w.stream.String(), "sink", w.name, "note", text)
		if _, err := w.append([]*entry{w.note(text)}); err != nil {
			w.failed = nil // the note's, not the caller's
			return kept, err
		}
	}
	return kept, nil
}

// fail counts and tells a failure, and closes the journal; the next attempt opens it anew.
func (w *writer) fail(err error) {
	w.counts.failures.Add(1)
	w.queue.fail(err)
	if now := w.now(); w.alarmed.IsZero() || now.Sub(w.alarmed) >= alarmEach {
		w.alarmed = now
		w.log.Error("exchange log cannot be written", "stream", w.stream.String(), "sink", w.name, "failures", w.counts.failures.Load(), "error", err)
	}
	w.close()
}

func (w *writer) close() {
	if w.journal == nil {
		return
	}
	if err := w.journal.Close(); err != nil {
		w.log.Warn("exchange log stream not closed", "stream", w.stream.String(), "sink", w.name, "error", err)
	}
	w.journal, w.dirty = nil, time.Time{}
}

// note is a record of the stream about itself.
func (w *writer) note(text string) *entry {
	return &entry{draft: newDraft(noteRecord(w.stream, w.now(), "", text))}
}

// noteRecord is a record about the log itself; by is who caused it, empty for nobody.
func noteRecord(s Stream, at time.Time, by, text string) *Record {
	return &Record{Time: at, System: s.System, Part: s.Part, Replica: s.Replica, Client: by, Protocol: noteProtocol, Status: -1, Duration: -1, Size: -1, Body: text}
}

// noteProtocol is the protocol of a record that is no message but tells of the log itself.
const noteProtocol = "log"
