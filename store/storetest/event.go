package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
)

func eventTests() []test {
	return []test{
		{"the feed", testFeed},
		{"a change's events are appended in order", testFeedOrder},
		{"a reader misses no event that commits while it reads", testFeedNoGaps},
		{"one delivery a subject, in order", testDeliverySubject},
		{"a failed delivery is due again and holds its subject back", testDeliveryFailed},
		{"the lease of a delivery", testDeliveryLease},
		{"takers at once get different deliveries", testDeliveriesDisjoint},
		{"a due event behind a long tail", testDeliveryLongTail},
		{"backlog", testBacklog},
	}
}

// appendEvents writes events through a change of the order with the key id.
func appendEvents(t testing.TB, s Store, id int64, events ...event.Event) {
	t.Helper()
	write(t, s, id, order.Change{Events: events})
}

// deliveries takes due events and returns their ids.
func deliveries(t testing.TB, s Store, now time.Time, token string, limit int) (ids []string, taken []event.Delivery) {
	t.Helper()
	taken, err := s.TakeDeliveries(t.Context(), now, token, now.Add(time.Minute), limit)
	require.NoError(t, err)
	ids = []string{}
	for _, d := range taken {
		ids = append(ids, d.Event.ID)
	}
	return ids, taken
}

func testFeed(t *testing.T, s Store) {
	ctx := t.Context()
	last, err := s.LastEvent(ctx)
	require.NoError(t, err)
	require.Zero(t, last)
	events, err := s.Events(ctx, 0, 10)
	require.NoError(t, err)
	require.Empty(t, events)

	o := started(t, s, 5, "emta-1")
	want := eventsOf(o.ID, 3)
	want[1].Data = nil
	want[2].TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	appendEvents(t, s, o.ID, want...)
	events, err = s.Events(ctx, 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 3)
	for i, e := range events {
		require.Positive(t, e.Seq)
		want[i].Seq = e.Seq
		require.Equal(t, want[i], e)
	}
	page, err := s.Events(ctx, events[0].Seq, 1)
	require.NoError(t, err)
	require.Equal(t, events[1:2], page)
	page, err = s.Events(ctx, 0, 0)
	require.NoError(t, err)
	require.Empty(t, page)
	last, err = s.LastEvent(ctx)
	require.NoError(t, err)
	require.Equal(t, events[2].Seq, last)
	page, err = s.Events(ctx, last, 10)
	require.NoError(t, err)
	require.Empty(t, page)
}

func testFeedOrder(t *testing.T, s Store) {
	a, b := started(t, s, 5, "emta-1"), started(t, s, 6, "emta-2")
	appendEvents(t, s, a.ID, occurrence(b.ID, 1), occurrence(a.ID, 1), occurrence(b.ID, 2))
	appendEvents(t, s, b.ID, occurrence(a.ID, 2))
	events, err := s.Events(t.Context(), 0, 10)
	require.NoError(t, err)
	var ids []string
	for i, e := range events {
		ids = append(ids, e.ID)
		require.True(t, i == 0 || e.Seq > events[i-1].Seq)
	}
	require.Equal(t, []string{occurrence(b.ID, 1).ID, occurrence(a.ID, 1).ID, occurrence(b.ID, 2).ID, occurrence(a.ID, 2).ID}, ids)
}

// testFeedNoGaps reads on from the last Seq seen while others append, and must meet every event.
func testFeedNoGaps(t *testing.T, s Store) {
	const writers, each = 4, 15
	o := started(t, s, 5, "emta-1")
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := range each {
				e := occurrence(o.ID, w*each+i)
				_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) {
					return order.Change{Events: []event.Event{e, {ID: e.ID + "-b", Type: "t", Subject: "s", Time: noon()}}}, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wait.Wait()
		close(done)
	}()

	seen, after := map[string]bool{}, int64(0)
	for finished := false; ; {
		events, err := s.Events(t.Context(), after, 7)
		require.NoError(t, err)
		for _, e := range events {
			require.Greater(t, e.Seq, after)
			seen[e.ID], after = true, e.Seq
		}
		if len(events) > 0 {
			continue
		}
		if finished {
			break
		}
		select {
		case <-done:
			finished = true // one more look
		default:
		}
	}
	require.Len(t, seen, 2*writers*each)
}

func testDeliverySubject(t *testing.T, s Store) {
	a, b := started(t, s, 5, "emta-1"), started(t, s, 6, "emta-2")
	appendEvents(t, s, a.ID, occurrence(a.ID, 1), occurrence(a.ID, 2), occurrence(b.ID, 1), occurrence(a.ID, 3), occurrence(b.ID, 2))

	ids, taken := deliveries(t, s, noon(), "w", 10)
	require.Equal(t, []string{occurrence(a.ID, 1).ID, occurrence(b.ID, 1).ID}, ids, "the oldest of each subject")
	require.JSONEq(t, `{"n": 1}`, string(taken[0].Event.Data))
	require.Equal(t, 0, taken[0].Attempts)
	ids, _ = deliveries(t, s, noon(), "w2", 10)
	require.Empty(t, ids, "what is on its way holds its subject back")

	require.NoError(t, s.Delivered(t.Context(), taken[0].Event.Seq, "w", noon()))
	ids, taken = deliveries(t, s, noon(), "w3", 10)
	require.Equal(t, []string{occurrence(a.ID, 2).ID}, ids)
	require.NoError(t, s.Delivered(t.Context(), taken[0].Event.Seq, "w3", noon()))
	ids, _ = deliveries(t, s, noon(), "w4", 0)
	require.Empty(t, ids)
	ids, _ = deliveries(t, s, noon(), "w4", 1)
	require.Equal(t, []string{occurrence(a.ID, 3).ID}, ids)

	events, err := s.Events(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 5, "the feed keeps what is delivered")
}

func testDeliveryFailed(t *testing.T, s Store) {
	ctx := t.Context()
	o := started(t, s, 5, "emta-1")
	appendEvents(t, s, o.ID, eventsOf(o.ID, 2)...)
	_, taken := deliveries(t, s, noon(), "w", 10)
	require.Len(t, taken, 1)
	seq := taken[0].Event.Seq
	require.NoError(t, s.DeliveryFailed(ctx, seq, "w", noon().Add(time.Minute), "HTTP 503"))

	ids, _ := deliveries(t, s, noon().Add(time.Minute-time.Microsecond), "w", 10)
	require.Empty(t, ids)
	ids, taken = deliveries(t, s, noon().Add(time.Minute), "w", 10)
	require.Equal(t, []string{occurrence(o.ID, 1).ID}, ids)
	require.Equal(t, 1, taken[0].Attempts)
	require.NoError(t, s.DeliveryFailed(ctx, seq, "w", noon().Add(time.Minute), "HTTP 503"))
	_, taken = deliveries(t, s, noon().Add(time.Minute), "w", 10)
	require.Equal(t, 2, taken[0].Attempts)
	require.NoError(t, s.Delivered(ctx, seq, "w", noon()))
	ids, _ = deliveries(t, s, noon().Add(time.Minute), "w", 10)
	require.Equal(t, []string{occurrence(o.ID, 2).ID}, ids)
}

func testDeliveryLease(t *testing.T, s Store) {
	ctx := t.Context()
	o := started(t, s, 5, "emta-1")
	appendEvents(t, s, o.ID, eventsOf(o.ID, 1)...)
	_, taken := deliveries(t, s, noon(), "a", 10)
	require.Len(t, taken, 1)
	seq := taken[0].Event.Seq

	require.ErrorIs(t, s.Delivered(ctx, seq, "b", noon()), event.ErrLeaseLost)
	require.ErrorIs(t, s.DeliveryFailed(ctx, seq, "b", noon(), "x"), event.ErrLeaseLost)
	require.ErrorIs(t, s.Delivered(ctx, seq, "", noon()), event.ErrLeaseLost)
	require.ErrorIs(t, s.Delivered(ctx, seq+1, "a", noon()), event.ErrLeaseLost)
	ids, _ := deliveries(t, s, noon().Add(time.Minute-time.Microsecond), "b", 10)
	require.Empty(t, ids)
	ids, _ = deliveries(t, s, noon().Add(time.Minute), "b", 10)
	require.Len(t, ids, 1, "the lease ran out")
	require.ErrorIs(t, s.Delivered(ctx, seq, "a", noon()), event.ErrLeaseLost)
	require.ErrorIs(t, s.DeliveryFailed(ctx, seq, "a", noon(), "x"), event.ErrLeaseLost)
	require.NoError(t, s.Delivered(ctx, seq, "b", noon()))
	require.ErrorIs(t, s.Delivered(ctx, seq, "b", noon()), event.ErrLeaseLost, "it is over")
	_, err := s.TakeDeliveries(ctx, noon(), "", noon().Add(time.Minute), 1)
	require.Error(t, err, "a lease that nobody could hold")
}

func testDeliveriesDisjoint(t *testing.T, s Store) {
	const subjects, each, takers = 6, 4, 5
	o := started(t, s, 5, "emta-1")
	for subject := range subjects {
		appendEvents(t, s, o.ID, eventsOf(int64(100+subject), each)...)
	}
	var mu sync.Mutex
	heard := map[string][]string{}
	var wait sync.WaitGroup
	for i := range takers {
		wait.Go(func() {
			token := fmt.Sprintf("taker-%d", i)
			for {
				n, _, err := s.Backlog(t.Context())
				if err != nil || n == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				taken, err := s.TakeDeliveries(t.Context(), noon(), token, noon().Add(time.Minute), 2)
				if err != nil {
					t.Error(err)
					return
				}
				for _, d := range taken {
					mu.Lock()
					heard[d.Event.Subject] = append(heard[d.Event.Subject], d.Event.ID)
					mu.Unlock()
					if err := s.Delivered(t.Context(), d.Event.Seq, token, noon()); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wait.Wait()
	require.Len(t, heard, subjects)
	for subject := range subjects {
		var want []string
		for _, e := range eventsOf(int64(100+subject), each) {
			want = append(want, e.ID)
		}
		require.Equal(t, want, heard[fmt.Sprintf("order/%d", 100+subject)], "each once, in order")
	}
}

// testDeliveryLongTail has a subject that cannot be delivered grow, and another one behind it.
func testDeliveryLongTail(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	appendEvents(t, s, o.ID, eventsOf(100, 1500)...)
	_, taken := deliveries(t, s, noon(), "w", 1)
	require.NoError(t, s.DeliveryFailed(t.Context(), taken[0].Event.Seq, "w", noon().Add(time.Hour), "HTTP 500"))
	appendEvents(t, s, o.ID, occurrence(101, 1))
	ids, _ := deliveries(t, s, noon(), "w", 10)
	require.Equal(t, []string{occurrence(101, 1).ID}, ids)
	n, _, err := s.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1501, n)
}

func testBacklog(t *testing.T, s Store) {
	ctx := t.Context()
	n, oldest, err := s.Backlog(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	require.True(t, oldest.IsZero())

	o := started(t, s, 5, "emta-1")
	appendEvents(t, s, o.ID, eventsOf(o.ID, 3)...)
	_, taken := deliveries(t, s, noon(), "w", 10)
	n, oldest, err = s.Backlog(ctx)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, occurrence(o.ID, 1).Time, oldest)
	require.NoError(t, s.Delivered(ctx, taken[0].Event.Seq, "w", noon()))
	n, oldest, err = s.Backlog(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, occurrence(o.ID, 2).Time, oldest)
}
