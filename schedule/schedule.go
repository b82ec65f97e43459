// Package schedule runs work that is to be done once a day, on whichever replica comes first: a row per
// schedule holds the last day that was done, and a lease holds the others off meanwhile (design §4).
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Errors that a Store returns, to be tested with errors.Is.
var (
	ErrDone      = errors.New("done already")                         // the day, or a later one, was done
	ErrHeld      = errors.New("held by another")                      // somebody else has the lease
	ErrLeaseLost = errors.New("lease lost")                           // the lease was taken by another
	errPanic     = errors.New("the work panicked")                    // what became of it is not known
	errNoAt      = errors.New("the time of day must be within a day") // a schedule that never comes
)

// Store keeps schedules by name; one that was never taken is not there yet. Days are YYYY-MM-DD. Each method is one
// transaction. Safe for concurrent use from several replicas.
type Store interface {
	// LastSuccess is the last day that was done, "" for none.
	LastSuccess(ctx context.Context, name string) (day string, err error)
	// TakeSchedule leases the schedule for a day's work until a time: ErrDone, or ErrHeld while another's lease lasts.
	TakeSchedule(ctx context.Context, name, day, token string, now, until time.Time) error
	// RenewSchedule moves the end of a lease that is still held with this token, else ErrLeaseLost.
	RenewSchedule(ctx context.Context, name, token string, until time.Time) error
	// EndSchedule gives the lease back, with done the day is the last success. ErrLeaseLost if it is no longer held.
	EndSchedule(ctx context.Context, name, token, day string, done bool) error
}

// Daily is work of each day. All fields are needed unless they say otherwise.
type Daily struct {
	Name   string
	At     time.Duration  // the time of day from which on it is due, as a wall clock in Zone has it
	Zone   *time.Location // where days begin
	Work   func(ctx context.Context) error
	Store  Store
	Now    func() time.Time
	NewID  func() string // fresh random ids
	Logger *slog.Logger
	Done   func(day string) // called with the last day that is known to be done, at each look; may be nil
}

// Every is how often it is looked whether the work is due and, where it failed, tried again.
const Every = time.Minute

// How long a lease lasts without being renewed, and how often it is: a dead replica's work is taken over within a minute, and
// two renewals may fail before a living one's is.
const (
	leaseTime  = 30 * time.Second
	renewEvery = 10 * time.Second
)

// Run does the work until ctx ends: at once where a day was missed, then from At each day, every minute until it has
// succeeded. Work that was begun is ended through its context.
func (d Daily) Run(ctx context.Context) {
	if d.At < 0 || d.At >= 24*time.Hour {
		panic(errNoAt)
	}
	for {
		if err := d.Try(ctx); err != nil && ctx.Err() == nil {
			d.Logger.Error("daily work failed, it is tried again", "schedule", d.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(Every, d.untilDue())):
		}
	}
}

// day is the day whose work is due: the one that began last, At having passed.
func (d Daily) day() string {
	now := d.Now().In(d.Zone)
	if now.Before(d.due(now)) {
		now = now.AddDate(0, 0, -1)
	}
	return now.Format(time.DateOnly)
}

// due is when the work of t's day is due.
func (d Daily) due(t time.Time) time.Time {
	clock := time.Unix(0, 0).UTC().Add(d.At)
	return time.Date(t.Year(), t.Month(), t.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, d.Zone)
}

// untilDue is how long it is until the next day's work is due.
func (d Daily) untilDue() time.Duration {
	now := d.Now().In(d.Zone)
	next := d.due(now)
	if !now.Before(next) {
		next = d.due(now.AddDate(0, 0, 1))
	}
	return next.Sub(now)
}

// Try does the work if it is due and nobody else has it, once.
func (d Daily) Try(ctx context.Context) error {
	day := d.day()
	last, err := d.Store.LastSuccess(ctx, d.Name)
	if err != nil {
		return err
	}
	if last >= day {
		d.done(last)
		return nil
	}
	token, now := d.NewID(), d.Now()
	err = d.Store.TakeSchedule(ctx, d.Name, day, token, now, now.Add(leaseTime))
	if errors.Is(err, ErrDone) || errors.Is(err, ErrHeld) {
		return nil
	}
	if err != nil {
		return err
	}
	began := d.Now()
	err = d.held(ctx, token)
	ended := d.Store.EndSchedule(context.WithoutCancel(ctx), d.Name, token, day, err == nil)
	if err = errors.Join(err, ended); err != nil {
		return err
	}
	d.Logger.Info("daily work done", "schedule", d.Name, "day", day, "tookSeconds", d.Now().Sub(began).Seconds())
	d.done(day)
	return nil
}

func (d Daily) done(day string) {
	if d.Done != nil {
		d.Done(day)
	}
}

// held does the work while renewing the lease; its context ends when the lease is lost.
func (d Daily) held(ctx context.Context, token string) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(renewEvery):
			}
			err := d.Store.RenewSchedule(ctx, d.Name, token, d.Now().Add(leaseTime))
			if errors.Is(err, ErrLeaseLost) {
				cancel(err)
			} else if err != nil && ctx.Err() == nil {
				d.Logger.Warn("lease of daily work not renewed", "schedule", d.Name, "error", err)
			}
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
		cancel(nil)
		<-renewed
	}()
	if err := d.Work(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrLeaseLost) {
		return cause
	}
	return nil
}
