package order

import (
	"context"
	"time"
)

// listReading is what one reading of EMTA's list showed, as far as it got.
type listReading struct {
	began    time.Time // nothing was asked before
	ended    time.Time
	from     time.Time
	entries  map[string]answer // by stamp, the first of each
	complete bool
}

// Bounds of sharing a reading.
const (
	// listMargin widens the span of time that EMTA's list is asked for, for clocks that differ.
	listMargin = time.Hour
	// maxListAge is how long after its end a reading serves other orders. However long it took, those who waited for it are
	// served; what it says of an order may have changed meanwhile, which the order's next check shows.
	maxListAge = time.Minute
	// maxListSpan is how far back a reading goes for the sake of other orders. Those without outcome are given up after a day.
	maxListSpan = 48 * time.Hour
)

// listReadings has the last reading that background work made. Whoever holds the turn may use it.
type listReadings struct {
	turn chan struct{}
	last *listReading
}

func newListReadings() listReadings { return listReadings{turn: make(chan struct{}, 1)} }

// readList reads EMTA's list for an order, and deals with whatever else is in it.
func (m *Module) readList(ctx context.Context, o Order) (listReading, error) {
	return m.readListFrom(ctx, o.Started.Add(-listMargin))
}

func (m *Module) readListFrom(ctx context.Context, from time.Time) (listReading, error) {
	r := listReading{began: m.now(), from: from, entries: map[string]answer{}}
	answers, complete, err := m.listCall(ctx, from, r.began.Add(listMargin))
	if err != nil {
		m.log.Warn("EMTA's list not read", "error", faultText(err))
	}
	r.ended, r.complete = m.now(), complete && err == nil
	for _, a := range answers {
		if _, ok := r.entries[a.stamp]; !ok {
			r.entries[a.stamp] = a
		}
		if err := m.listEntry(ctx, a); err != nil {
			return r, err
		}
	}
	return r, nil
}

// sharedList is a reading that began when o was due or later: the last one that background work made, if it will do, or a new one.
// After an outage with many unknown outcomes one reading serves all of them, also one that failed.
func (m *Module) sharedList(ctx context.Context, o Order) (listReading, error) {
	select {
	case m.lists.turn <- struct{}{}:
		defer func() { <-m.lists.turn }()
	case <-ctx.Done(): // the lease is lost, as the store will say
		return listReading{}, nil
	}
	if r := m.lists.last; r != nil && r.serves(o, m.now()) {
		return *r, nil
	}
	from := o.Started
	oldest, err := m.store.Orders(ctx, Filter{State: Creating, Limit: 1})
	if err != nil {
		return listReading{}, err
	}
	if len(oldest) > 0 && oldest[0].Started.Before(from) && oldest[0].Started.After(m.now().Add(-maxListSpan)) {
		from = oldest[0].Started
	}
	r, err := m.readListFrom(ctx, from.Add(-listMargin))
	if err == nil {
		m.lists.last = &r
	}
	return r, err
}

// serves reports whether the reading answers for an order that is due.
func (r *listReading) serves(o Order, now time.Time) bool {
	return !r.began.Before(o.NextCheck) && !r.from.After(o.Started.Add(-listMargin)) && now.Sub(r.ended) < maxListAge
}
