package sqlite

import (
	"context"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/event"
)

const appendEvent = `INSERT INTO adapter_event (id, type, subject, time, data, traceparent) VALUES (?, ?, ?, ?, ?, ?)`

// insertEvent appends an event; an empty subject is the order newID. One writer at a time
// makes the order of Seq that of the commits.
func insertEvent(ctx context.Context, tx transaction, e event.Event, newID int64) error {
	if e.Subject == "" {
		if newID == 0 {
			return fmt.Errorf("append an event: %w", errNoNew)
		}
		e.Subject = fmt.Sprintf("order/%d", newID)
	}
	if _, err := tx.ExecContext(ctx, appendEvent, e.ID, e.Type, e.Subject, instant(e.Time), text(e.Data), text(e.TraceParent)); err != nil {
		return wrap(err, "append an event")
	}
	return nil
}

const eventColumns = `e.seq, e.id, e.type, e.subject, e.time, e.data, e.traceparent`

const (
	eventsAfter = `SELECT ` + eventColumns + ` FROM adapter_event e WHERE e.seq > ? ORDER BY e.seq LIMIT ?`
	lastEvent   = `SELECT coalesce(max(seq), 0) FROM adapter_event`

	// An event waits while an older one of its subject is undelivered, also while that is on its way.
	dueDeliveries = `SELECT ` + eventColumns + `, e.attempts FROM adapter_event e INDEXED BY adapter_event_undelivered
		WHERE e.delivered_at IS NULL
		AND (e.next_attempt_at IS NULL OR e.next_attempt_at <= ?) AND (e.lease_until IS NULL OR e.lease_until <= ?)
		AND NOT EXISTS (SELECT 1 FROM adapter_event p INDEXED BY adapter_event_subject
			WHERE p.subject = e.subject AND p.seq < e.seq AND p.delivered_at IS NULL)
		ORDER BY e.seq LIMIT ?`
	takeDelivery = `UPDATE adapter_event SET lease_token = ?, lease_until = ? WHERE seq = ?`
	delivered    = `UPDATE adapter_event SET delivered_at = ?, lease_token = NULL, lease_until = NULL
		WHERE seq = ? AND lease_token = ?`
	deliveryFailed = `UPDATE adapter_event SET attempts = attempts + 1, next_attempt_at = ?, failure = ?, lease_token = NULL, lease_until = NULL
		WHERE seq = ? AND lease_token = ?`
	backlog = `SELECT count(*), (SELECT time FROM adapter_event INDEXED BY adapter_event_undelivered WHERE delivered_at IS NULL ORDER BY seq LIMIT 1)
		FROM adapter_event INDEXED BY adapter_event_undelivered WHERE delivered_at IS NULL`
)

func scanEvent(r row) (event.Event, error) {
	d, err := scanDelivery(r)
	return d.Event, err
}

// scanDelivery reads eventColumns and whatever more goes after them.
func scanDelivery(r row, more ...any) (event.Delivery, error) {
	var d event.Delivery
	var data text
	dest := []any{&d.Event.Seq, &d.Event.ID, &d.Event.Type, &d.Event.Subject, (*instant)(&d.Event.Time), &data, (*text)(&d.Event.TraceParent)}
	if err := r.Scan(append(dest, more...)...); err != nil {
		return event.Delivery{}, err
	}
	if data != "" {
		d.Event.Data = []byte(data)
	}
	return d, nil
}

// Events returns the feed after a Seq; see event.Store. A limit of 0 or less returns none.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]event.Event, error) {
	rows, err := s.read.QueryContext(ctx, eventsAfter, after, max(limit, 0))
	list, err := collect(rows, err, scanEvent)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return list, nil
}

// LastEvent returns the greatest Seq of the feed, 0 when empty.
func (s *Store) LastEvent(ctx context.Context) (int64, error) {
	var seq int64
	if err := s.read.QueryRowContext(ctx, lastEvent).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read the last event: %w", err)
	}
	return seq, nil
}

// TakeDeliveries leases due events; see event.Store. A limit of 0 or less takes none.
func (s *Store) TakeDeliveries(ctx context.Context, now time.Time, token string, until time.Time, limit int) ([]event.Delivery, error) {
	if err := checkToken(token); err != nil {
		return nil, err
	}
	var taken []event.Delivery
	err := s.transact(ctx, func(tx transaction) error {
		rows, err := tx.QueryContext(ctx, dueDeliveries, instant(now), instant(now), max(limit, 0))
		taken, err = collect(rows, err, func(r row) (event.Delivery, error) {
			var attempts int
			d, err := scanDelivery(r, &attempts)
			d.Attempts = attempts
			return d, err
		})
		if err != nil {
			return fmt.Errorf("search due deliveries: %w", err)
		}
		for _, d := range taken {
			if _, err := tx.ExecContext(ctx, takeDelivery, token, instant(until), d.Event.Seq); err != nil {
				return wrap(err, fmt.Sprintf("lease event %d", d.Event.Seq))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// Delivered marks a delivery that the webhook accepted, or returns event.ErrLeaseLost.
func (s *Store) Delivered(ctx context.Context, seq int64, token string, now time.Time) error {
	return s.endDelivery(ctx, seq, delivered, instant(now), seq, token)
}

// DeliveryFailed counts an attempt and makes the event due at next, or returns event.ErrLeaseLost.
func (s *Store) DeliveryFailed(ctx context.Context, seq int64, token string, next time.Time, reason string) error {
	return s.endDelivery(ctx, seq, deliveryFailed, instant(next), text(reason), seq, token)
}

func (s *Store) endDelivery(ctx context.Context, seq int64, statement string, args ...any) error {
	return s.transact(ctx, func(tx transaction) error {
		held, err := changed(tx.ExecContext(ctx, statement, args...))
		if err != nil {
			return wrap(err, fmt.Sprintf("end the delivery of event %d", seq))
		}
		if !held {
			return fmt.Errorf("event %d: %w", seq, event.ErrLeaseLost)
		}
		return nil
	})
}

// Backlog is how many events are undelivered, and the oldest one's Time.
func (s *Store) Backlog(ctx context.Context) (int, time.Time, error) {
	var n int
	var oldest instant
	if err := s.read.QueryRowContext(ctx, backlog).Scan(&n, &oldest); err != nil {
		return 0, time.Time{}, fmt.Errorf("count undelivered events: %w", err)
	}
	return n, time.Time(oldest), nil
}
