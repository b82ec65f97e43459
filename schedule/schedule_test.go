package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/schedule"
	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

// rows is a store of schedules in memory; it holds to what storetest asks of the databases.
func rows(t *testing.T) schedule.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "adapter.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	return s
}

func daily(t *testing.T, s schedule.Store, now func() time.Time, work func(ctx context.Context) error) schedule.Daily {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Tallinn")
	require.NoError(t, err)
	ids := 0
	return schedule.Daily{Name: "night", At: 5 * time.Second, Zone: zone, Work: work, Store: s, Now: now,
		NewID: func() string { ids++; return fmt.Sprint(ids) }, Logger: slog.New(slog.DiscardHandler)}
}

// The day's work is due from its time of day on, once, and made up after a missed night.
func TestTry(t *testing.T) {
	var now time.Time
	done, told := 0, ""
	d := daily(t, rows(t), func() time.Time { return now }, func(context.Context) error { done++; return nil })
	d.Done = func(day string) { told = day }
	for _, row := range []struct {
		clock, day string
		done       int
	}{
		{"2026-03-01 12:00:00", "2026-03-01", 1}, // at the first start
		{"2026-03-02 00:00:04", "2026-03-01", 1},
		{"2026-03-02 00:00:05", "2026-03-02", 2},
		{"2026-03-02 00:01:05", "2026-03-02", 2},
		{"2026-03-06 15:00:00", "2026-03-06", 3}, // nights were missed
		{"2026-03-29 00:00:05", "2026-03-29", 4},
		{"2026-03-29 04:00:00", "2026-03-29", 4}, // the clocks have changed
		{"2026-03-30 00:00:05", "2026-03-30", 5},
		{"2026-10-25 00:00:05", "2026-10-25", 6},
		{"2026-10-25 23:59:59", "2026-10-25", 6}, // a day of 25 hours
		{"2026-10-26 00:00:05", "2026-10-26", 7},
		{"2026-10-20 00:00:05", "2026-10-26", 7}, // a clock that was set back
	} {
		var err error
		now, err = time.ParseInLocation(time.DateTime, row.clock, d.Zone)
		require.NoError(t, err)
		require.NoError(t, d.Try(t.Context()))
		require.Equal(t, row.done, done, row.clock)
		require.Equal(t, row.day, told, row.clock)
	}
}

// What failed is done again, also by another replica; a panic is a failure; the lease does not outlast it.
func TestTryFails(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s := rows(t)
	failed := errors.New("failed")
	require.ErrorIs(t, daily(t, s, clock, func(context.Context) error { return failed }).Try(t.Context()), failed)
	require.ErrorContains(t, daily(t, s, clock, func(context.Context) error { panic("odd") }).Try(t.Context()), "panicked: odd")
	require.NoError(t, s.TakeSchedule(t.Context(), "night", "2026-03-02", "another", now, now.Add(time.Minute)))
	require.NoError(t, daily(t, s, clock, func(context.Context) error { t.Error("two at once"); return nil }).Try(t.Context()), "another has it")
	now = now.Add(time.Minute)
	done := false
	require.NoError(t, daily(t, s, clock, func(context.Context) error { done = true; return nil }).Try(t.Context()), "it died")
	require.True(t, done)
	require.ErrorIs(t, s.EndSchedule(t.Context(), "night", "another", "2026-03-02", true), schedule.ErrLeaseLost)
}

// held is a schedule that nobody else knows, for a test in a bubble of time.
type held struct {
	sync.Mutex
	last  string
	until time.Time
	lost  bool
}

func (h *held) LastSuccess(context.Context, string) (string, error) { return h.last, nil }
func (h *held) TakeSchedule(_ context.Context, _, _, _ string, _, until time.Time) error {
	h.Lock()
	defer h.Unlock()
	h.until = until
	return nil
}
func (h *held) RenewSchedule(_ context.Context, _, _ string, until time.Time) error {
	h.Lock()
	defer h.Unlock()
	if h.lost {
		return schedule.ErrLeaseLost
	}
	h.until = until
	return nil
}
func (h *held) EndSchedule(_ context.Context, _, _, day string, done bool) error {
	if h.lost {
		return schedule.ErrLeaseLost
	}
	if done {
		h.last = day
	}
	return nil
}

// Run begins to the second, tries each minute until it succeeds, and keeps its lease while it works; work whose lease is lost is ended.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble begins at midnight UTC, 2000-01-01, which is 02:00 in Estonia
		var began []string
		h := &held{last: "2000-01-01"}
		var d schedule.Daily
		d = daily(t, h, time.Now, func(ctx context.Context) error {
			began = append(began, time.Now().In(d.Zone).Format(time.DateTime))
			switch len(began) {
			case 1, 2:
				return errors.New("not now")
			case 3:
				time.Sleep(10 * time.Minute)
				h.Lock()
				require.True(t, h.until.After(time.Now()), "the lease lasts")
				h.Unlock()
			case 4:
				h.Lock()
				h.lost = true
				h.Unlock()
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		go d.Run(ctx)
		time.Sleep(48*time.Hour - time.Minute)
		cancel()
		synctest.Wait()
		require.Equal(t, []string{"2000-01-02 00:00:05", "2000-01-02 00:01:05", "2000-01-02 00:02:05", "2000-01-03 00:00:05"}, began[:4])
		require.Equal(t, "2000-01-02", h.last, "what was lost is not written down as done")
	})
}
