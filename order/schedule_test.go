package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The delays of EMTA §7, in the middle of the jitter. ago is the time since the order's end (aegub), or since it
// finished where it is completed.
func TestNextCheck(t *testing.T) {
	const (
		hour = time.Hour
		day  = 24 * hour
	)
	for _, row := range []struct {
		name     string
		state    State
		ago      time.Duration
		attempts int
		want     time.Duration // 0: never
	}{
		{"L, 1st", Created, -10 * time.Minute, 0, 10 * time.Second},
		{"L, 2nd", Created, -10 * time.Minute, 1, 20 * time.Second},
		{"L, 3rd", Created, -10 * time.Minute, 2, 40 * time.Second},
		{"L, 4th", Created, -10 * time.Minute, 3, 80 * time.Second},
		{"L, 5th", Created, -10 * time.Minute, 4, 2 * time.Minute},
		{"L, 50th", Created, -10 * time.Minute, 49, 2 * time.Minute},
		{"L, its end is sooner", Created, -30 * time.Second, 9, 31 * time.Second},
		{"L, at its end", Created, 0, 9, 2 * time.Minute},
		{"L, past its end", Created, 30 * time.Minute, 9, 2 * time.Minute},
		{"P, 1st", Pending, -10 * time.Minute, 0, 10 * time.Second},
		{"P, before its end", Pending, -time.Second, 9, 2 * time.Minute},
		{"P, just before an hour past", Pending, hour - time.Nanosecond, 30, 2 * time.Minute},
		{"P, an hour past", Pending, hour, 30, hour},
		{"P, just before a day and an hour past", Pending, 25*hour - time.Nanosecond, 60, hour},
		{"P, a day and an hour past", Pending, 25 * hour, 60, day},
		{"P, just before the end of the 30 days", Pending, 25*hour + 30*day - time.Nanosecond, 90, day},
		{"P, after the 30 days", Pending, 25*hour + 30*day, 90, 0},
		{"L, a day and an hour past", Created, 25 * hour, 60, day},
		{"X, 1st", Cancelled, -10 * time.Minute, 0, 2 * time.Minute},
		{"X, then", Cancelled, -10 * time.Minute, 1, hour},
		{"X, an hour past", Cancelled, hour, 0, hour},
		{"X, two days past", Cancelled, 2 * day, 0, day},
		{"X, after the 30 days", Cancelled, 32 * day, 9, 0},
		{"T, new", Completed, 0, 0, day},
		{"T, 29 days", Completed, 29 * day, 29, day},
		{"T, just before 30 days", Completed, 30*day - time.Nanosecond, 30, day},
		{"T, 30 days", Completed, 30 * day, 30, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := orderIn(row.state)
			o.Attempts, o.Expires = row.attempts, noon.Add(-row.ago)
			if row.state == Completed {
				o.Finished, o.Expires = noon.Add(-row.ago), noon.Add(-row.ago-90*day)
			}
			next := defaultSettings(t).nextCheck(o, noon, 0.5)
			if row.want == 0 {
				require.Zero(t, next)
				return
			}
			require.Equal(t, noon.Add(row.want), next)
		})
	}
}

// Where EMTA named no time the next best one counts.
func TestNextCheckUnknownTimes(t *testing.T) {
	const day = 24 * time.Hour
	s := defaultSettings(t)
	completed := with(orderIn(Completed), func(o *Order) { o.Finished = time.Time{} })
	require.Equal(t, noon.Add(day), s.nextCheck(completed, noon, 0.5))
	require.Zero(t, s.nextCheck(completed, completed.Expires.Add(30*day), 0.5))
	completed.Expires = time.Time{}
	require.Zero(t, s.nextCheck(completed, completed.Started.Add(30*day), 0.5))
	pending := with(orderIn(Pending), func(o *Order) { o.Expires, o.Attempts = time.Time{}, 9 })
	require.Equal(t, 2*time.Minute, s.nextCheck(pending, noon, 0.5).Sub(noon))
	past := pending.Started.Add(15*time.Minute + time.Hour)
	require.Equal(t, time.Hour, s.nextCheck(pending, past, 0.5).Sub(past))
}

// EMTA §7: a row in U is looked for in the list after 1, 2, 5, 15 min, then hourly, for ever; one refused or given up never.
func TestNextCheckCreating(t *testing.T) {
	s := defaultSettings(t)
	for attempts, want := range []time.Duration{1, 2, 5, 15, 60, 60, 60} {
		o := orderIn(Creating)
		o.Attempts = attempts
		require.Equal(t, want*time.Minute, s.nextCheck(o, noon, 0.5).Sub(noon), "attempt %d", attempts)
	}
	o := with(orderIn(Creating), func(o *Order) { o.Attempts, o.InitDeadline = 5000, noon.Add(-200*24*time.Hour) })
	require.Equal(t, noon.Add(time.Hour), s.nextCheck(o, noon, 0.5))
	o.State = Cancelled
	require.Zero(t, s.nextCheck(o, noon, 0.5))
}

// Never past, never beyond ±20% but for the end of an order that nobody pays, whatever the order.
func TestNextCheckJitter(t *testing.T) {
	s := defaultSettings(t)
	states := []State{Creating, Created, Pending, Completed, Cancelled}
	rapid.Check(t, func(t *rapid.T) {
		o := orderIn(rapid.SampledFrom(states).Draw(t, "state"))
		span := func(name string) time.Time {
			return noon.Add(time.Duration(rapid.Int64Range(-40*24*3600, 3600).Draw(t, name)) * time.Second)
		}
		o.Expires, o.Finished, o.Attempts = span("expires"), span("finished"), rapid.IntRange(0, 1000).Draw(t, "attempts")
		if rapid.Bool().Draw(t, "notFound") {
			o.NotFoundAt = noon.Add(-time.Duration(rapid.Int64Range(0, 30*24*3600).Draw(t, "since")) * time.Second)
		}
		random := rapid.Float64Range(0, 0.999999).Draw(t, "random")
		plain := s.checkDelay(o, noon)
		next := s.nextCheck(o, noon, random)
		if plain == 0 && !o.isOpenUnknown() {
			if !next.IsZero() {
				t.Fatalf("due at %s, want never", next)
			}
			return
		}
		delay := next.Sub(noon)
		if delay <= 0 {
			t.Fatalf("due %s ago", -delay)
		}
		if o.NotFoundAt.IsZero() {
			if delay > plain*6/5 {
				t.Fatalf("due after %s, want at most 120%% of %s", delay, plain)
			}
			atEnd := o.State == Created && next.Equal(o.Expires.Add(time.Second))
			if delay < plain*4/5 && !atEnd {
				t.Fatalf("due after %s, want at least 80%% of %s", delay, plain)
			}
		}
	})
}

func TestNextCheckSpreads(t *testing.T) {
	s := defaultSettings(t)
	o := with(orderIn(Pending), func(o *Order) { o.Attempts = 9 })
	require.Equal(t, 96*time.Second, s.nextCheck(o, noon, 0).Sub(noon))
	require.InDelta(t, float64(144*time.Second), float64(s.nextCheck(o, noon, 0.999999).Sub(noon)), float64(time.Second))
}

// Polling alone must suffice (EMTA §7): an order in P that is asked about as it falls due, from its beginning to the end of the
// schedule, is asked a bounded number of times and never with a gap above a day and its jitter.
func TestScheduleOfAPendingOrder(t *testing.T) {
	d := decide(t)
	o := orderIn(Pending)
	o.Attempts = 0
	end := o.Expires
	o.NextCheck = d.settings.nextCheck(o, d.now, 0.5)
	var close, hourly, daily int
	for !o.NextCheck.IsZero() {
		require.Less(t, o.NextCheck.Sub(d.now), 29*time.Hour)
		d.now = o.NextCheck
		switch past := d.now.Sub(end); {
		case past <= time.Hour:
			close++
		case past <= 25*time.Hour:
			hourly++
		default:
			daily++
		}
		o = d.applied(View{Order: o}, answerOn(Pending), Pending).order
	}
	require.InDelta(t, 38, close, 3, "70 minutes: four short delays, then every 2 minutes")
	require.InDelta(t, 24, hourly, 1)
	require.InDelta(t, 30, daily, 1)
}

// EMTA §7: an order that EMTA does not know is asked about ever more rarely, and becomes X at its end + 24 h.
func TestScheduleOfAnUnknownOrder(t *testing.T) {
	for _, state := range []State{Created, Pending} {
		for _, random := range []float64{0, 0.5, 0.999} {
			d := decide(t)
			d.random = random
			o := orderIn(state)
			end := o.Expires.Add(24 * time.Hour)
			o = d.checked(View{Order: o}, true, "NotFound").order
			var asked int
			for o.State == state {
				require.False(t, o.NextCheck.IsZero())
				require.True(t, o.NextCheck.After(d.now))
				d.now = o.NextCheck
				o = d.checked(View{Order: o}, true, "NotFound").order
				asked++
			}
			require.Equal(t, Cancelled, o.State)
			require.True(t, d.now.After(end), "closed at %s, end + 24 h is %s", d.now, end)
			require.WithinDuration(t, end, d.now, time.Minute, "%s, random %v", state, random)
			require.Less(t, asked, 35, "%s, random %v", state, random)
		}
	}
}

// A notification's attempts are spaced like the polls, then hourly.
func TestRetryDelay(t *testing.T) {
	s := defaultSettings(t)
	for i, want := range []string{"10s", "20s", "40s", "1m20s", "2m0s", "2m0s", "2m0s", "2m0s", "2m0s", "2m0s", "1h0m0s", "1h0m0s"} {
		require.Equal(t, want, s.retryDelay(i+1).String(), "after attempt %d", i+1)
	}
}
