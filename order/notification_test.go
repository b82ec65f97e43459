package order

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// EMTA §6: what an order's check makes of the notification that was open, the trap included.
func TestSettled(t *testing.T) {
	sent := noon.Add(-time.Minute)
	open := func(id int64, at time.Time, attempts int) *Notification {
		return &Notification{ID: id, EMTAOrderID: "emta-12", NotifiedAt: at, Attempts: attempts}
	}
	const later = time.Microsecond
	for _, row := range []struct {
		name             string
		open, seen       *Notification
		failure, foreign string
		written          bool
		processed        bool
		due              bool // at once
	}{
		{"none", nil, nil, "", "", false, false, false},
		{"closed meanwhile", nil, open(1, sent, 0), "", "", false, false, false},
		{"answered", open(1, sent, 0), open(1, sent, 0), "", "", true, true, false},
		{"no answer", open(1, sent, 0), open(1, sent, 0), "timeout", "", true, false, false},
		{"somebody else's order", open(1, sent, 0), open(1, sent, 0), "", "<Order/>", true, true, false},
		{"renewed while EMTA was asked", open(1, sent.Add(later), 0), open(1, sent, 0), "", "", true, false, true},
		{"renewed, and no answer", open(1, sent.Add(later), 0), open(1, sent, 0), "timeout", "", true, false, true},
		{"renewed, somebody else's order", open(1, sent.Add(later), 0), open(1, sent, 0), "", "<Order/>", true, false, true},
		{"came while EMTA was asked", open(1, sent, 0), nil, "", "", false, false, true},
		{"another than the one seen", open(2, sent, 0), open(1, sent, 0), "", "", false, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := orderIn(Created)
			o.NextCheck = noon.Add(2 * time.Minute)
			written := decide(t).settled(View{Order: orderIn(Created), Open: row.open}, row.seen, &o, row.failure, row.foreign)
			if row.due {
				require.Equal(t, noon, o.NextCheck, "due at once")
			} else {
				require.True(t, o.NextCheck.After(noon))
			}
			if !row.written {
				require.Empty(t, written)
				return
			}
			require.Len(t, written, 1)
			n := written[0]
			require.Equal(t, row.open.ID, n.ID)
			require.Equal(t, row.open.NotifiedAt, n.NotifiedAt, "the time is EMTA's last, never moved by processing")
			require.Equal(t, 1, n.Attempts)
			require.Equal(t, row.processed, n.Processed)
			require.Equal(t, row.failure, n.Failure)
			if row.processed {
				require.Equal(t, row.foreign, n.Answer)
			}
		})
	}
}

// A failed attempt is repeated with backoff, sooner than the order's own schedule if that is slow, until it is parked.
func TestSettledBackoff(t *testing.T) {
	d := decide(t)
	n := &Notification{ID: 1, EMTAOrderID: "emta-12", NotifiedAt: noon}
	own := noon.Add(400 * 24 * time.Hour)
	var before time.Duration
	for attempt := 1; attempt <= parkedAttempts; attempt++ {
		o := orderIn(Completed)
		o.NextCheck = own
		n = &d.settled(View{Order: o, Open: n}, n, &o, "timeout", "")[0]
		require.False(t, n.Processed)
		require.Equal(t, attempt, n.Attempts)
		require.Equal(t, "timeout", n.Failure)
		if attempt == parkedAttempts {
			require.Equal(t, own, o.NextCheck, "parked: the order's own schedule goes on")
			require.Equal(t, noon, n.ParkedAt)
			break
		}
		require.Zero(t, n.ParkedAt)
		delay := o.NextCheck.Sub(noon)
		require.GreaterOrEqual(t, delay, before, "attempt %d", attempt)
		require.Positive(t, delay)
		require.LessOrEqual(t, delay, time.Hour)
		before = delay
	}
	o := orderIn(Completed)
	d.settled(View{Order: o, Open: n}, n, &o, "", "")
	settled := d.settled(View{Order: o, Open: n}, n, &o, "", "")[0]
	require.True(t, settled.Processed, "a parked one is settled by the order's own check")
	require.Zero(t, settled.ParkedAt)

	// It is tried once more when a person or EMTA asks for it, and then parked again.
	o.NextCheck = own
	for name, c := range map[string]Change{"retried": d.retried(Known{Order: &o, Open: n}), "notified": d.notified(Known{Order: &o, Open: n}, "emta-12")} {
		require.Equal(t, noon, c.Orders[0].NextCheck, name)
		again := c.Notifications[0]
		require.Zero(t, again.ParkedAt, name)
		due := c.Orders[0]
		parked := d.settled(View{Order: due, Open: &again}, &again, &due, "timeout", "")[0]
		require.Equal(t, noon, parked.ParkedAt, name)
	}
	unknown := d.retried(Known{Open: n})
	require.Equal(t, noon, unknown.Notifications[0].NextCheck, "an id that no order has is looked up by itself")
	require.Empty(t, unknown.Orders)
}

// An order without a schedule of its own is asked about again because of its notification.
func TestSettledWithoutSchedule(t *testing.T) {
	o := orderIn(Cancelled)
	o.NextCheck = time.Time{}
	n := &Notification{ID: 1, EMTAOrderID: "emta-12", NotifiedAt: noon}
	decide(t).settled(View{Order: o, Open: n}, n, &o, "timeout", "")
	require.Equal(t, noon.Add(10*time.Second), o.NextCheck)
}

// EMTA §6: which notifications are kept.
func TestNotified(t *testing.T) {
	ours := orderIn(Created)
	ours.NextCheck = noon.Add(time.Hour)
	open := &Notification{ID: 5, EMTAOrderID: "emta-12", NotifiedAt: noon.Add(-time.Hour), Attempts: 3, Failure: "timeout"}
	for _, row := range []struct {
		name  string
		known Known
		kept  bool
		id    int64
		due   bool // by itself
	}{
		{"ours", Known{Order: &ours}, true, 0, false},
		{"ours, again", Known{Order: &ours, Open: open}, true, 5, false},
		{"ours, however many unknown ids are kept", Known{Order: &ours, Creating: 1, OpenUnknown: 5000}, true, 0, false},
		{"nobody's, none in U", Known{}, false, 0, false},
		{"nobody's, none in U, kept before", Known{Open: open}, false, 0, false},
		{"perhaps one in U", Known{Creating: 1}, true, 0, true},
		{"perhaps one in U, again", Known{Creating: 2, Open: open, OpenUnknown: 1}, true, 5, true},
		{"the 1,000th unknown id", Known{Creating: 1, OpenUnknown: 999}, true, 0, true},
		{"one more than 1,000", Known{Creating: 1, OpenUnknown: 1000}, false, 0, false},
		{"renewing needs no place", Known{Creating: 1, Open: open, OpenUnknown: 1000}, true, 5, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := decide(t).notified(row.known, "emta-12")
			if !row.kept {
				require.Equal(t, Change{}, c)
				return
			}
			require.Len(t, c.Notifications, 1, "one row an id")
			n := c.Notifications[0]
			require.Equal(t, row.id, n.ID)
			require.Equal(t, "emta-12", n.EMTAOrderID)
			require.Equal(t, noon, n.NotifiedAt)
			require.False(t, n.Processed)
			if row.due {
				require.Equal(t, noon, n.NextCheck)
				require.Empty(t, c.Orders)
				return
			}
			require.Zero(t, n.NextCheck, "the order's check covers it")
			require.Len(t, c.Orders, 1)
			want := ours
			want.NextCheck = noon
			require.Equal(t, want, c.Orders[0], "due at once, else as it was")
		})
	}
}

// teavituse_aeg strictly increases per row, even where the clock stands still or goes back (EMTA §6).
func TestNotifiedAtIncreases(t *testing.T) {
	settings := defaultSettings(t)
	rapid.Check(t, func(t *rapid.T) {
		o := orderIn(Created)
		k := Known{Order: &o}
		now := noon
		var last time.Time
		for i := range rapid.IntRange(2, 20).Draw(t, "repeats") {
			now = now.Add(time.Duration(rapid.IntRange(-3, 3).Draw(t, "step")) * time.Microsecond)
			d := decision{now: now, settings: settings}
			n := d.notified(k, "emta-12").Notifications[0]
			if i > 0 && !n.NotifiedAt.After(last) {
				t.Fatalf("notified at %s after %s", n.NotifiedAt, last)
			}
			if n.NotifiedAt.Before(now) {
				t.Fatalf("notified at %s, before now %s", n.NotifiedAt, now)
			}
			n.ID = 1
			last, k.Open = n.NotifiedAt, &n
		}
	})
}

// The trap, interleaved in every way: EMTA renews at any moment between the check's reading of the notification and its
// marking. Whatever was renewed after EMTA was asked is asked about again.
func TestSettledInterleaved(t *testing.T) {
	for _, renewals := range []int{0, 1, 2} {
		for _, clock := range []time.Duration{0, time.Microsecond, time.Second} {
			t.Run(fmt.Sprintf("%d renewals %s apart", renewals, clock), func(t *testing.T) {
				d := decide(t)
				o := orderIn(Created)
				first := d.notified(Known{Order: &o}, "emta-12").Notifications[0]
				first.ID = 1
				seen, open := first, first
				for range renewals {
					d.now = d.now.Add(clock)
					open = d.notified(Known{Order: &o, Open: &open}, "emta-12").Notifications[0]
				}
				o.NextCheck = d.now.Add(time.Hour)
				n := d.settled(View{Order: o, Open: &open}, &seen, &o, "", "")[0]
				require.Equal(t, renewals == 0, n.Processed)
				require.Equal(t, renewals > 0, o.NextCheck.Equal(d.now))
			})
		}
	}
}
