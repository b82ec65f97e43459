package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/schedule"
)

const (
	scheduleByName = `SELECT last_success FROM atis.adapter_schedule WHERE name = $1`
	newSchedule    = `INSERT INTO atis.adapter_schedule (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`
	takeSchedule   = `UPDATE atis.adapter_schedule SET lease_token = $3, lease_until = $5
		WHERE name = $1 AND (last_success IS NULL OR last_success < $2::date) AND (lease_until IS NULL OR lease_until <= $4)`
	renewSchedule = `UPDATE atis.adapter_schedule SET lease_until = $3 WHERE name = $1 AND lease_token = $2`
	endSchedule   = `UPDATE atis.adapter_schedule SET lease_token = NULL, lease_until = NULL, last_success = coalesce($3::date, last_success)
		WHERE name = $1 AND lease_token = $2`
)

// LastSuccess is the last day that was done; see schedule.Store.
func (s *Store) LastSuccess(ctx context.Context, name string) (string, error) {
	var days []day
	err := s.read(ctx, func(b *batch) { rows(b, "read a schedule", scheduleByName, []any{name}, scanDay, &days) })
	if err != nil || len(days) == 0 {
		return "", err
	}
	return string(days[0]), nil
}

func scanDay(r pgx.CollectableRow) (d day, err error) {
	err = r.Scan(&d)
	return d, err
}

// TakeSchedule leases a schedule for a day's work; see schedule.Store.
func (s *Store) TakeSchedule(ctx context.Context, name, dueDay, token string, now, until time.Time) error {
	if err := checkToken(token); err != nil {
		return err
	}
	var taken bool
	var days []day
	err := s.ask(ctx, func(b *batch) {
		b.exec("make a schedule", newSchedule, name)
		b.queue("lease a schedule", takeSchedule, []any{name, dueDay, token, moment(now), moment(until)}, func(results pgx.BatchResults) error {
			tag, err := results.Exec()
			taken = tag.RowsAffected() > 0
			return err
		})
		rows(b, "read a schedule", scheduleByName, []any{name}, scanDay, &days)
	})
	switch {
	case err != nil:
		return err
	case taken:
		return nil
	case string(days[0]) >= dueDay:
		return fmt.Errorf("schedule %s: %w", name, schedule.ErrDone)
	}
	return fmt.Errorf("schedule %s: %w", name, schedule.ErrHeld)
}

// RenewSchedule moves the end of a lease that is still held, else schedule.ErrLeaseLost.
func (s *Store) RenewSchedule(ctx context.Context, name, token string, until time.Time) error {
	return s.ask(ctx, func(b *batch) {
		b.must("renew the lease of schedule "+name, schedule.ErrLeaseLost, renewSchedule, name, token, moment(until))
	})
}

// EndSchedule gives a lease back, the day done or not; see schedule.Store.
func (s *Store) EndSchedule(ctx context.Context, name, token, dueDay string, done bool) error {
	if !done {
		dueDay = ""
	}
	return s.ask(ctx, func(b *batch) {
		b.must("end schedule "+name, schedule.ErrLeaseLost, endSchedule, name, token, word(dueDay))
	})
}
