package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func parkedTests() []test {
	return []test{
		{"listed and counted while they are open", testParked},
		{"who had them retried is kept", testParkedAudits},
	}
}

// park writes a notification of an id that no order has, parked.
func park(t *testing.T, s Store, emtaOrderID string) order.Notification {
	t.Helper()
	notify(t, s, emtaOrderID, noon())
	n, err := s.OpenNotification(t.Context(), emtaOrderID)
	require.NoError(t, err)
	err = s.ChangeNotification(t.Context(), n.ID, "", func(n order.Notification) (order.Change, error) {
		n.Attempts, n.Failure, n.NextCheck, n.ParkedAt = 100, "timeout", time.Time{}, noon().Add(time.Hour)
		return order.Change{Notifications: []order.Notification{n}}, nil
	})
	require.NoError(t, err)
	n, err = s.OpenNotification(t.Context(), emtaOrderID)
	require.NoError(t, err)
	require.Equal(t, noon().Add(time.Hour), n.ParkedAt)
	return n
}

func testParked(t *testing.T, s Store) {
	ctx := t.Context()
	notify(t, s, "not-parked", noon())
	first, second, third := park(t, s, "unknown-1"), park(t, s, "unknown-2"), park(t, s, "unknown-3")
	parked := func(after int64, limit int) []order.Notification {
		t.Helper()
		list, err := s.ParkedNotifications(ctx, after, limit)
		require.NoError(t, err)
		return list
	}
	require.Equal(t, []order.Notification{first, second, third}, parked(0, 10))
	require.Equal(t, []order.Notification{first, second}, parked(0, 2))
	require.Equal(t, []order.Notification{third}, parked(second.ID, 2))
	require.Empty(t, parked(0, 0))
	require.Empty(t, parked(0, -1))
	figures, err := s.Figures(ctx, noon())
	require.NoError(t, err)
	require.Equal(t, 3, figures.Parked)
	require.Equal(t, 4, figures.OpenNotifications)

	// One is processed, as by a replica that knows nothing of parking, and one is tried again.
	for _, change := range []func(n order.Notification) order.Notification{
		func(n order.Notification) order.Notification { n.Processed = true; return n },
		func(n order.Notification) order.Notification { n.ParkedAt, n.NextCheck = time.Time{}, noon(); return n },
	} {
		n := parked(0, 1)[0]
		err := s.ChangeNotification(ctx, n.ID, "", func(n order.Notification) (order.Change, error) {
			return order.Change{Notifications: []order.Notification{change(n)}}, nil
		})
		require.NoError(t, err)
	}
	require.Equal(t, []order.Notification{third}, parked(0, 10))
	figures, err = s.Figures(ctx, noon())
	require.NoError(t, err)
	require.Equal(t, 1, figures.Parked)
}

func testParkedAudits(t *testing.T, s Store) {
	ctx := t.Context()
	n, other := park(t, s, "unknown-1"), park(t, s, "unknown-2")
	o := started(t, s, 5, "emta-1")
	audits := []order.Audit{
		{At: noon(), NotificationID: n.ID, Actor: "EE60001019906", Action: "retry", Detail: "parked since noon"},
		{At: noon().Add(time.Second), NotificationID: n.ID, Actor: "core", Action: "retry"},
	}
	for _, a := range audits {
		err := s.Notified(ctx, "unknown-1", func(order.Known) (order.Change, error) { return order.Change{Audits: []order.Audit{a}}, nil })
		require.NoError(t, err)
	}
	got, err := s.NotificationAudits(ctx, n.ID)
	require.NoError(t, err)
	require.Equal(t, audits, got)
	got, err = s.NotificationAudits(ctx, other.ID)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = s.Audits(ctx, o.ID)
	require.NoError(t, err)
	require.Empty(t, got)
	absent := order.Change{Audits: []order.Audit{{At: noon(), NotificationID: other.ID + 100, Actor: "core", Action: "retry"}}}
	require.Error(t, s.Notified(ctx, "unknown-1", func(order.Known) (order.Change, error) { return absent, nil }))
}
