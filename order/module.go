package order

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/soap"
)

// Module is EMTA's payment module as the rest of the program sees it: it starts and follows orders, takes
// notifications, and serves the core. Safe for concurrent use; several replicas may share a store.
type Module struct {
	store    Store
	sender   *soap.Sender
	settings Settings
	now      func() time.Time
	newID    func() string
	random   func() float64
	log      *slog.Logger
	measures *measures
	appended func()
	passes   atomic.Uint64 // of background work
	lists    listReadings
	circuit  *circuit
	wake     chan struct{}
}

// Options of a Module. All fields are needed unless they say otherwise.
type Options struct {
	Store    Store
	Sender   *soap.Sender // through our security server; may be nil while the settings name no provider
	Settings Settings
	Now      func() time.Time // the clock
	NewID    func() string    // fresh random ids, UUIDs
	Random   func() float64   // in [0, 1), for jitter
	Logger   *slog.Logger
	Registry prometheus.Registerer
	Appended func() // called when events were committed, to wake who delivers them; may be nil
}

// New returns a module, or says which setting is wrong.
func New(o Options) (*Module, error) {
	settings, err := o.Settings.WithDefaults()
	if err != nil {
		return nil, err
	}
	if o.Appended == nil {
		o.Appended = func() {}
	}
	now := func() time.Time { return o.Now().UTC().Truncate(time.Microsecond) }
	circuit := &circuit{now: now}
	return &Module{
		store:    o.Store,
		sender:   o.Sender,
		settings: settings,
		now:      now,
		newID:    o.NewID,
		random:   o.Random,
		log:      o.Logger,
		measures: newMeasures(o.Registry, circuit),
		appended: o.Appended,
		lists:    newListReadings(),
		circuit:  circuit,
		wake:     make(chan struct{}, 1),
	}, nil
}

// Wake makes Run look for due rows at once. It never blocks.
func (m *Module) Wake() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// decision is what a rule needs besides rows, made anew for each transaction.
func (m *Module) decision() decision {
	return decision{now: m.now(), completionID: m.newID(), random: m.random(), settings: m.settings}
}

// change writes an outcome: the order, its events and its claim log.
func (m *Module) change(d decision, out outcome) (Change, error) {
	c := Change{Orders: []Order{out.order}}
	for _, h := range out.events {
		e, err := m.event(d.now, out.order, h)
		if err != nil {
			return Change{}, err
		}
		c.Events = append(c.Events, e)
	}
	for _, message := range out.log {
		c.Log = append(c.Log, LogEntry{OrderID: out.order.ID, At: d.now, Action: LogClaim, Message: message})
	}
	return c, nil
}

// event is a happening to o as the core hears it.
func (m *Module) event(at time.Time, o Order, h happening) (event.Event, error) {
	data, err := json.Marshal(eventData(o, h))
	if err != nil {
		return event.Event{}, fmt.Errorf("event %s of order %d: %w", h.kind, o.ID, err)
	}
	return event.Event{ID: m.newID(), Type: h.kind, Subject: "order/" + strconv.FormatInt(o.ID, 10), Time: at, Data: data}, nil
}

// strangeEvent tells of an order of EMTA's that is none of ours.
func (m *Module) strangeEvent(at time.Time, emtaOrderID, reason string) (event.Event, error) {
	data, err := json.Marshal(strangeData{EMTAOrderID: emtaOrderID, Reason: reason})
	if err != nil {
		return event.Event{}, fmt.Errorf("event %s: %w", EventSuspicious, err)
	}
	return event.Event{ID: m.newID(), Type: EventSuspicious, Subject: "emta-order/" + emtaOrderID, Time: at, Data: data}, nil
}

// told counts and logs what was written, once it is, and wakes who delivers the events.
func (m *Module) told(o Order, events []happening) {
	if len(events) > 0 {
		m.appended()
	}
	for _, h := range events {
		switch {
		case h.kind == EventSuspicious:
			m.measures.suspicions.WithLabelValues(h.reason).Inc()
			m.log.Warn("order held back", "order", o.ID, "reason", h.reason)
		case h.kind == EventCompleted && o.DuplicateOf != 0 && o.OfferAttempt == 1:
			m.measures.duplicates.Inc()
			m.log.Error("announcement paid for twice", "order", o.ID, "duplicateOf", o.DuplicateOf, "announcement", o.AnnouncementID)
		}
	}
}

// How long a lease lasts without being renewed, and how often it is: a dead replica's rows are free again within
// seconds, and two renewals may fail before a living one's are.
const (
	leaseTime  = 10 * time.Second
	renewEvery = 3 * time.Second
)

func (m *Module) lease() Lease {
	return Lease{Token: m.newID(), Until: m.now().Add(leaseTime)}
}

// leasedRow is a row that is worked on under a lease.
type leasedRow struct {
	noun    string
	id      int64
	renew   func(ctx context.Context, id int64, lease Lease) error
	release func(ctx context.Context, id int64, token string) error
}

func (m *Module) orderRow(id int64) leasedRow {
	return leasedRow{"order", id, m.store.RenewOrder, m.store.ReleaseOrder}
}

func (m *Module) notificationRow(id int64) leasedRow {
	return leasedRow{"notification", id, m.store.RenewNotification, m.store.ReleaseNotification}
}

// held runs work while renewing the row's lease, and gives the lease back at the end. work's context ends
// when the lease is lost; what it then writes is refused by the store.
func (m *Module) held(ctx context.Context, row leasedRow, token string, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := row.renew(ctx, row.id, Lease{Token: token, Until: m.now().Add(leaseTime)})
			if errors.Is(err, ErrLeaseLost) {
				cancel()
				return
			}
			if err != nil && ctx.Err() == nil {
				m.log.Warn("lease not renewed", row.noun, row.id, "error", err)
			}
		}
	})
	err := func() error {
		defer renewing.Wait() // also when work panics: then the lease runs out
		defer cancel()
		return work(ctx)
	}()
	if releaseErr := row.release(context.WithoutCancel(ctx), row.id, token); releaseErr != nil {
		m.log.Warn("lease not given back", row.noun, row.id, "error", releaseErr)
	}
	return err
}

// retakeEvery is how often a lease that another holds is asked for again.
const retakeEvery = 100 * time.Millisecond

// take leases the order for a caller who waits, at most for one call's time.
func (m *Module) take(ctx context.Context, orderID int64) (Order, string, error) {
	ctx, cancel := context.WithTimeout(ctx, m.settings.Timeout)
	defer cancel()
	for {
		lease := m.lease()
		o, err := m.store.TakeOrder(ctx, orderID, m.now(), lease)
		if !errors.Is(err, ErrLeaseLost) {
			return o, lease.Token, err
		}
		select {
		case <-ctx.Done():
			return Order{}, "", &Error{Code: InProgress, Err: ctx.Err()}
		case <-time.After(retakeEvery):
		}
	}
}
