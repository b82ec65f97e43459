package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/schedule"
)

const (
	scheduleByName = `SELECT last_success FROM adapter_schedule WHERE name = ?`
	newSchedule    = `INSERT OR IGNORE INTO adapter_schedule (name) VALUES (?)`
	takeSchedule   = `UPDATE adapter_schedule SET lease_token = ?3, lease_until = ?5
		WHERE name = ?1 AND (last_success IS NULL OR last_success < ?2) AND (lease_until IS NULL OR lease_until <= ?4)`
	renewSchedule = `UPDATE adapter_schedule SET lease_until = ? WHERE name = ? AND lease_token = ?`
	endSchedule   = `UPDATE adapter_schedule SET lease_token = NULL, lease_until = NULL, last_success = coalesce(?, last_success)
		WHERE name = ? AND lease_token = ?`
)

// LastSuccess is the last day that was done; see schedule.Store.
func (s *Store) LastSuccess(ctx context.Context, name string) (string, error) {
	return lastSuccess(ctx, s.read, name)
}

func lastSuccess(ctx context.Context, q querier, name string) (string, error) {
	var last day
	err := q.QueryRowContext(ctx, scheduleByName, name).Scan(&last)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read a schedule: %w", err)
	}
	return string(last), nil
}

// TakeSchedule leases a schedule for a day's work; see schedule.Store.
func (s *Store) TakeSchedule(ctx context.Context, name, dueDay, token string, now, until time.Time) error {
	if err := checkToken(token); err != nil {
		return err
	}
	return s.transact(ctx, func(tx transaction) error {
		if _, err := tx.ExecContext(ctx, newSchedule, name); err != nil {
			return wrap(err, "make a schedule")
		}
		taken, err := changed(tx.ExecContext(ctx, takeSchedule, name, dueDay, token, instant(now), instant(until)))
		if err != nil {
			return wrap(err, "lease a schedule")
		}
		if taken {
			return nil
		}
		last, err := lastSuccess(ctx, tx, name)
		if err != nil {
			return err
		}
		if last >= dueDay {
			return fmt.Errorf("schedule %s: %w", name, schedule.ErrDone)
		}
		return fmt.Errorf("schedule %s: %w", name, schedule.ErrHeld)
	})
}

// RenewSchedule moves the end of a lease that is still held, else schedule.ErrLeaseLost.
func (s *Store) RenewSchedule(ctx context.Context, name, token string, until time.Time) error {
	return s.writeSchedule(ctx, "renew the lease of schedule "+name, renewSchedule, instant(until), name, token)
}

// EndSchedule gives a lease back, the day done or not; see schedule.Store.
func (s *Store) EndSchedule(ctx context.Context, name, token, dueDay string, done bool) error {
	if !done {
		dueDay = ""
	}
	return s.writeSchedule(ctx, "end schedule "+name, endSchedule, text(dueDay), name, token)
}

func (s *Store) writeSchedule(ctx context.Context, doing, statement string, args ...any) error {
	return s.transact(ctx, func(tx transaction) error {
		held, err := changed(tx.ExecContext(ctx, statement, args...))
		if err != nil {
			return wrap(err, doing)
		}
		if !held {
			return fmt.Errorf("%s: %w", doing, schedule.ErrLeaseLost)
		}
		return nil
	})
}
