package security

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"ametlikudteadaanded.ee/adapter/mask"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// maxQueued is how many events wait for the table: with floods held back, hours of them. Later ones are
// lines only, and counted.
const maxQueued = 4096

// sweepEvery is how often the table is written and floods are looked at.
const sweepEvery = time.Second

// endTime is for what waits when the program stops.
const endTime = 5 * time.Second

// Options of a Log; all are required.
type Options struct {
	Store   Store
	Lines   *slog.Logger               // every event is a line here; it carries log: "security"
	Person  func(person string) string // stands for a person in a line
	Replica string
	Now     func() time.Time
	Lost    func() // counts an event that the table did not get
}

// Log is the security log. It is safe for concurrent use.
type Log struct {
	o Options

	mu      sync.Mutex
	flood   flood
	waiting []Event // for the table
}

// New returns a Log whose Run keeps what is reported.
func New(o Options) *Log { return &Log{o: o} }

// Report logs e without waiting for anything. Of one kind from one address it keeps one event a minute, and then
// one with their number. What e does not say of the request is taken from ctx.
func (l *Log) Report(ctx context.Context, e Event) {
	e = l.complete(ctx, e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flood.passes(e) {
		l.keep(ctx, e)
	}
}

// Record logs e and returns when its row is committed. With an error there is neither row nor line.
func (l *Log) Record(ctx context.Context, e Event) error {
	e = l.complete(ctx, e)
	if err := l.o.Store.AppendSecurity(ctx, []Event{e}); err != nil {
		return err
	}
	l.line(ctx, e)
	return nil
}

// Keep is Record without the line, for an event that every replica writes a line of.
func (l *Log) Keep(ctx context.Context, e Event) error {
	return l.o.Store.AppendSecurity(ctx, []Event{l.complete(ctx, e)})
}

// Line is Record without the row.
func (l *Log) Line(e Event) { l.line(context.Background(), l.complete(context.Background(), e)) }

// complete fills in what the request tells, and bounds and masks the texts.
func (l *Log) complete(ctx context.Context, e Event) Event {
	e.At, e.Replica, e.Count = l.o.Now(), l.o.Replica, max(e.Count, 1)
	if e.Address == "" {
		e.Address = AddressFrom(ctx)
	}
	if e.RequestID == "" {
		e.RequestID = xroadhdr.ExchangeFrom(ctx).RequestID
	}
	e.Caller, e.Detail = mask.Text(e.Caller), mask.Text(e.Detail)
	for text, most := range map[*string]int{&e.Kind: maxText, &e.Caller: maxText, &e.Actor: maxText, &e.Address: maxText, &e.RequestID: maxText, &e.Detail: maxDetail} {
		*text = clipped(*text, most)
	}
	return e
}

// clipped is one line of at most so many bytes of UTF-8, without control characters.
func clipped(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// keep writes the line and hands the row to Run; the lock is held.
func (l *Log) keep(ctx context.Context, e Event) {
	l.line(ctx, e)
	if len(l.waiting) >= maxQueued {
		l.o.Lost()
		return
	}
	l.waiting = append(l.waiting, e)
}

func (l *Log) line(ctx context.Context, e Event) {
	attrs := []slog.Attr{slog.String("caller", e.Caller), slog.String("address", e.Address), slog.String("requestId", e.RequestID),
		slog.String("detail", e.Detail), slog.Int("count", e.Count)}
	if e.Actor != "" {
		attrs = append(attrs, slog.String("person", l.o.Person(e.Actor)))
	}
	l.o.Lines.LogAttrs(ctx, slog.LevelWarn, e.Kind, attrs...)
}

// Run keeps what was reported until ctx ends, and then what is left. While the database is away events wait.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
			defer cancel()
			l.sweep(ctx, true)
			return
		case <-tick.C:
			l.sweep(ctx, false)
		}
	}
}

// sweep logs what floods held back and writes what waits for the table.
func (l *Log) sweep(ctx context.Context, end bool) {
	l.mu.Lock()
	for _, e := range l.flood.due(l.o.Now(), end) {
		l.keep(ctx, e)
	}
	waiting := l.waiting
	l.mu.Unlock()
	if l.o.Store.AppendSecurity(ctx, waiting) != nil {
		return // they go on waiting
	}
	l.mu.Lock()
	l.waiting = append([]Event{}, l.waiting[len(waiting):]...)
	l.mu.Unlock()
}
