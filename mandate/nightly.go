package mandate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Nightly does the night's work of a day in Estonia (AT-PAASUKE-006): it activates what waits and whose first day has come, ends
// what passed its last day and what was passed on from what has ended, writes down what the core switched by itself, and
// forgets old requests. It may run on any replica, at any time and any number of times. Of each representee it is one transaction;
// one that fails does not keep the others from theirs.
func (m *Module) Nightly(ctx context.Context) error {
	began := m.now()
	var errs []error
	for after := int64(0); ; {
		ids, next, err := m.store.Unsettled(ctx, DateOf(m.now()), after)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("search the night's work: %w", err))...)
		}
		for _, id := range ids {
			if err := m.settle(ctx, id); err != nil && len(errs) < maxErrors {
				errs = append(errs, fmt.Errorf("settle representee %d: %w", id, err))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if next == 0 {
			break
		}
		after = next
	}
	// What is kept too long harms nobody, and must not have the night begin anew.
	forgotten, err := m.store.ForgetRequests(ctx, m.now().Add(-RequestTime))
	if err != nil {
		m.log.Warn("answered requests are kept longer than 7 days", "error", err)
	}
	took := m.now().Sub(began)
	m.measures.night.Observe(took.Seconds())
	m.log.Info("night's work on mandates", "tookSeconds", took.Seconds(), "forgottenRequests", forgotten, "failed", len(errs) > 0)
	return errors.Join(errs...)
}

// maxErrors bounds what is said of a night in which everything fails.
const maxErrors = 10

// settle does the night's work on one representee's mandates.
func (m *Module) settle(ctx context.Context, representeeID int64) error {
	_, _, err := m.change(ctx, Actor{}, Request{}, Scope{RepresenteeID: representeeID}, func(v View) (Change, outcome, error) {
		return m.decision(Actor{}, "").settled(v), outcome{}, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil // the core removed it meanwhile
	}
	return err
}

// adoptEvery is how often rows of the core's that wait are looked for: one must be seen before its first day.
const adoptEvery = time.Minute

// Run writes down, until ctx ends, which rows of the core's wait for their first day.
func (m *Module) Run(ctx context.Context) {
	for {
		if err := m.Adopt(ctx); err != nil && ctx.Err() == nil {
			m.log.Error("waiting mandates of the core not written down", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(adoptEvery):
		}
	}
}

// Adopt does what Run does, once.
func (m *Module) Adopt(ctx context.Context) error {
	now := m.now()
	n, err := m.store.AdoptMandates(ctx, DateOf(now), now)
	if n > 0 {
		m.log.Info("mandates that the core added wait for their first day", "count", n)
	}
	return err
}
