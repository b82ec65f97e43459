package event

import (
	"context"
	"errors"
	"time"
)

// ErrLeaseLost says that a delivery's lease is no longer held.
var ErrLeaseLost = errors.New("lease lost")

// Delivery is an event on its way to the webhook.
type Delivery struct {
	Event    Event
	Attempts int // before this one
}

// Store keeps the feed and the deliveries of the webhook. Appending is done by the
// counterpart's own transaction (order.Change.Events). Each method is one transaction.
type Store interface {
	// Events returns at most limit events with Seq greater than after, ascending. It never passes over an
	// event that commits late: an event is shown only when no smaller Seq can still appear.
	Events(ctx context.Context, after int64, limit int) ([]Event, error)
	// LastEvent returns the greatest Seq of the feed, 0 when empty.
	LastEvent(ctx context.Context) (int64, error)
	// TakeDeliveries leases at most limit undelivered events that are due, oldest first, and of each subject only the
	// oldest undelivered one, so that a subject's events are heard in order. Two callers never get the same event.
	TakeDeliveries(ctx context.Context, now time.Time, token string, until time.Time, limit int) ([]Delivery, error)
	// Delivered marks a delivery that the webhook accepted; ErrLeaseLost if the lease is no longer held.
	Delivered(ctx context.Context, seq int64, token string, now time.Time) error
	// DeliveryFailed counts an attempt and makes the event due again at next; ErrLeaseLost as above.
	DeliveryFailed(ctx context.Context, seq int64, token string, next time.Time, reason string) error
	// Backlog is how many events are undelivered, and the oldest one's Time (zero: none).
	Backlog(ctx context.Context) (int, time.Time, error)
}
