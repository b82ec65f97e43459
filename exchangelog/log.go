package exchangelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ametlikudteadaanded.ee/adapter/mask"
)

// Options of a Log. Replica, Sinks and Systems are needed; the rest works as it is.
type Options struct {
	Replica string              // this process among those that write to the same place
	Sinks   map[string]Sink     // by the names that Settings use
	Systems map[string]Settings // how each system is logged at the start; a system that is not here is off
	SealKey *SealKey            // nil: segments end in seals without a signature
	Keys    *Keys               // nil: content is not encrypted
	Masker  *mask.Masker        // for masked bodies; nil: the defaults
	Limits  Limits
	Logger  *slog.Logger     // nil: nothing is told
	Now     func() time.Time // nil: the clock
	NewID   func() string    // request ids for calls that bring none; nil: random ones
}

// Log is the exchange log of one process. It is safe for concurrent use.
type Log struct {
	options Options
	limits  Limits
	mu      sync.Mutex // of what follows; never held while a sink works, but for opening and switching
	writers map[place]*writer
	systems map[string]*atomic.Pointer[route]
	closed  bool
}

// place is one stream in one sink.
type place struct {
	stream Stream
	sink   string
}

// route is how an exchange is logged that begins now; one that has begun keeps the route that it has.
type route struct {
	settings Settings
	writers  []pair // one a sink; none: not logged
}

// pair is the two streams of a system in a sink.
type pair struct{ request, response *writer }

func (p pair) of(part Part) *writer {
	if part == Request {
		return p.request
	}
	return p.response
}

// Open opens the streams of every system that is on. A Required system that cannot be written is an error, with the place
// in it; a BestEffort one is told and tried again with each record.
func Open(o Options) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newID
	}
	if o.Masker == nil {
		o.Masker = mask.New(mask.Rules{})
	}
	if !replicaName(o.Replica) {
		return nil, fmt.Errorf("replica %q: must be of letters, digits, dots, hyphens and underscores", o.Replica)
	}
	l := &Log{options: o, limits: o.Limits.withDefaults(), writers: map[place]*writer{}, systems: map[string]*atomic.Pointer[route]{}}
	for _, name := range slices.Sorted(maps.Keys(o.Systems)) {
		if err := l.set(name, o.Systems[name]); err != nil {
			return nil, errors.Join(err, l.Close(context.Background()))
		}
	}
	return l, nil
}

// system is the route of a system, made where it is new.
func (l *Log) system(name string) *atomic.Pointer[route] {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.systems[name]
	if s == nil {
		s = &atomic.Pointer[route]{}
		s.Store(&route{})
		l.systems[name] = s
	}
	return s
}

// set opens what a system's settings need and lets new exchanges use it.
func (l *Log) set(name string, s Settings) error {
	r, err := l.route(name, s)
	if err != nil {
		return err
	}
	l.system(name).Store(r)
	return nil
}

// route opens what settings need.
func (l *Log) route(name string, s Settings) (*route, error) {
	s, err := s.check(name, func(sink string) bool { return l.options.Sinks[sink] != nil })
	if err != nil {
		return nil, err
	}
	r := &route{settings: s}
	for _, sink := range s.Sinks {
		var p pair
		if p.request, err = l.writer(place{Stream{name, l.options.Replica, Request}, sink}, s.Mode); err != nil {
			return nil, err
		}
		if p.response, err = l.writer(place{Stream{name, l.options.Replica, Response}, sink}, s.Mode); err != nil {
			return nil, err
		}
		r.writers = append(r.writers, p)
	}
	return r, nil
}

// writer is the one of a place, begun where it is new. One that is there is taken as it is: if it fails, that is known.
func (l *Log) writer(at place, mode Mode) (*writer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if w := l.writers[at]; w != nil {
		if err := w.queue.failure(); err != nil && mode == Required {
			return nil, fmt.Errorf("exchange log of %s in %s: %w", at.stream.System, at.sink, err)
		}
		return w, nil
	}
	w := &writer{stream: at.stream, sink: l.options.Sinks[at.sink], name: at.sink, limits: l.limits, key: l.options.SealKey,
		now: l.options.Now, log: l.options.Logger, queue: newQueue(), ended: make(chan struct{})}
	if _, err := w.open(); err != nil {
		if mode == Required {
			w.close()
			return nil, fmt.Errorf("exchange log of %s in %s: %w", at.stream.System, at.sink, err)
		}
		w.fail(err)
	}
	l.writers[at] = w
	go w.run()
	return w, nil
}

// Close writes what waits, seals every stream and lets it go. Exchanges that end later are not kept. It waits no
// longer than ctx allows.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	writers := slices.Collect(maps.Values(l.writers))
	l.mu.Unlock()
	for _, w := range writers {
		w.queue.close()
	}
	for _, w := range writers {
		select {
		case <-w.ended:
		case <-ctx.Done():
			return fmt.Errorf("exchange log: what waits was not written in time: %w", ctx.Err())
		}
	}
	return nil
}

// Figures are what one stream in one sink tells of itself.
type Figures struct {
	Stream   Stream
	Sink     string
	Written  int64 // records since the start
	Bytes    int64
	Failures int64 // attempts to write that failed
	Lost     int64 // records that were not kept
	Head     Head
	Failing  bool // now
}

// Figures are those of every stream, in order.
func (l *Log) Figures() []Figures {
	l.mu.Lock()
	writers := slices.Collect(maps.Values(l.writers))
	l.mu.Unlock()
	figures := make([]Figures, 0, len(writers))
	for _, w := range writers {
		f := Figures{Stream: w.stream, Sink: w.name, Written: w.counts.written.Load(), Bytes: w.counts.bytes.Load(),
			Failures: w.counts.failures.Load(), Lost: w.counts.lost.Load(), Failing: w.queue.failure() != nil}
		w.counts.mu.Lock()
		f.Head = w.counts.head
		w.counts.mu.Unlock()
		figures = append(figures, f)
	}
	slices.SortFunc(figures, func(a, b Figures) int {
		return cmp.Or(cmp.Compare(a.Sink, b.Sink), cmp.Compare(a.Stream.String(), b.Stream.String()))
	})
	return figures
}
