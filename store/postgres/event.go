package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/event"
)

// A sequence gives its numbers when rows are written, not when they are committed: of two transactions the one
// with the greater number may commit first, and a reader that goes on from there would never see the other's events. So
// who appends holds the end of the feed from before the number is taken until the commit. Events are
// the last that a transaction writes, in one trip with the COMMIT, so that it is held for one write of
// the log to the disk and no longer. Changes without events, as a notification's, do not wait for it.
const (
	lockFeed    = `SELECT pg_advisory_xact_lock(hashtextextended('atis.adapter_event', 7003))`
	appendEvent = `INSERT INTO atis.adapter_event (id, type, subject, time, data, traceparent) VALUES ($1, $2, $3, $4, $5, $6)`
	// wakeOthers tells other replicas, at the commit. Commits with it run one after another too,
	// which is why only those that hold the feed's end have it.
	wakeOthers = `SELECT pg_notify('` + wakeChannel + `', '')`
)

// appendEvents queues events; one with an empty subject is about the order newID.
func (b *batch) appendEvents(events []event.Event, newID int64) error {
	if len(events) == 0 {
		return nil
	}
	b.exec("lock the end of the feed", lockFeed)
	for _, e := range events {
		if e.Subject == "" {
			if newID == 0 {
				return fmt.Errorf("append an event: %w", errNoNew)
			}
			e.Subject = fmt.Sprintf("order/%d", newID)
		}
		b.exec("append an event", appendEvent, e.ID, e.Type, e.Subject, moment(e.Time), []byte(e.Data), word(e.TraceParent))
	}
	b.exec("wake other replicas", wakeOthers)
	return nil
}

const eventColumns = `e.seq, e.id, e.type, e.subject, e.time, e.data, e.traceparent, e.attempts`

const (
	eventsAfter = `SELECT ` + eventColumns + ` FROM atis.adapter_event e WHERE e.seq > $1 ORDER BY e.seq LIMIT $2`
	lastEvent   = `SELECT coalesce(max(seq), 0) FROM atis.adapter_event`

	// An event waits while an older one of its subject is undelivered, also while that is on its way.
	takeDeliveries = `UPDATE atis.adapter_event e SET lease_token = $3, lease_until = $4 WHERE e.seq = ANY (ARRAY(
			SELECT d.seq FROM atis.adapter_event d
			WHERE d.delivered_at IS NULL
			AND (d.next_attempt_at IS NULL OR d.next_attempt_at <= $1) AND (d.lease_until IS NULL OR d.lease_until <= $1)
			AND NOT EXISTS (SELECT 1 FROM atis.adapter_event p WHERE p.subject = d.subject AND p.seq < d.seq AND p.delivered_at IS NULL)
			ORDER BY d.seq LIMIT $2 FOR UPDATE OF d SKIP LOCKED))
		RETURNING ` + eventColumns
	delivered = `UPDATE atis.adapter_event SET delivered_at = $3, lease_token = NULL, lease_until = NULL
		WHERE seq = $1 AND lease_token = $2`
	deliveryFailed = `UPDATE atis.adapter_event SET attempts = attempts + 1, next_attempt_at = $3, failure = $4, lease_token = NULL, lease_until = NULL
		WHERE seq = $1 AND lease_token = $2`
	backlog = `SELECT (SELECT count(*) FROM atis.adapter_event WHERE delivered_at IS NULL),
		(SELECT time FROM atis.adapter_event WHERE delivered_at IS NULL ORDER BY seq LIMIT 1)`
)

func scanDelivery(r pgx.CollectableRow) (event.Delivery, error) {
	var d event.Delivery
	err := r.Scan(&d.Event.Seq, &d.Event.ID, &d.Event.Type, &d.Event.Subject, (*instant)(&d.Event.Time), (*[]byte)(&d.Event.Data),
		(*text)(&d.Event.TraceParent), &d.Attempts)
	return d, err
}

func scanEvent(r pgx.CollectableRow) (event.Event, error) {
	d, err := scanDelivery(r)
	return d.Event, err
}

// Events returns the feed after a Seq; see event.Store. A limit of 0 or less returns none.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]event.Event, error) {
	var list []event.Event
	err := s.read(ctx, func(b *batch) {
		rows(b, "read events", eventsAfter, []any{after, max(limit, 0)}, scanEvent, &list)
	})
	return list, err
}

// LastEvent returns the greatest Seq of the feed, 0 when empty.
func (s *Store) LastEvent(ctx context.Context) (int64, error) {
	var seq int64
	err := s.read(ctx, func(b *batch) { b.row("read the last event", lastEvent, nil, &seq) })
	return seq, err
}

// TakeDeliveries leases due events; see event.Store. A limit of 0 or less takes none.
func (s *Store) TakeDeliveries(ctx context.Context, now time.Time, token string, until time.Time, limit int) ([]event.Delivery, error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	var taken []event.Delivery
	err := s.ask(ctx, func(b *batch) {
		rows(b, "lease due deliveries", takeDeliveries, []any{moment(now), max(limit, 0), token, moment(until)}, scanDelivery, &taken)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(taken, func(a, b event.Delivery) int { return cmp.Compare(a.Event.Seq, b.Event.Seq) })
	return taken, nil
}

// Delivered marks a delivery that the webhook accepted, or returns event.ErrLeaseLost.
func (s *Store) Delivered(ctx context.Context, seq int64, token string, now time.Time) error {
	return s.endDelivery(ctx, delivered, seq, token, moment(now))
}

// DeliveryFailed counts an attempt and makes the event due at next, or returns event.ErrLeaseLost.
func (s *Store) DeliveryFailed(ctx context.Context, seq int64, token string, next time.Time, reason string) error {
	return s.endDelivery(ctx, deliveryFailed, seq, token, moment(next), word(reason))
}

func (s *Store) endDelivery(ctx context.Context, statement string, seq int64, more ...any) error {
	return s.ask(ctx, func(b *batch) {
		b.must(fmt.Sprintf("end the delivery of event %d", seq), event.ErrLeaseLost, statement, append([]any{seq}, more...)...)
	})
}

// Backlog is how many events are undelivered, and the oldest one's Time.
func (s *Store) Backlog(ctx context.Context) (int, time.Time, error) {
	var n int
	var oldest instant
	if err := s.read(ctx, func(b *batch) { b.row("count undelivered events", backlog, nil, &n, &oldest) }); err != nil {
		return 0, time.Time{}, err
	}
	return n, time.Time(oldest), nil
}
