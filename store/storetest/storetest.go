// Package storetest is the contract of the stores' interfaces (order.Store, event.Store, …) as tests. Every store runs all of it,
// so that rules may rely on one behaviour whatever the database.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/access"
	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
)

// Store is what a store under test fulfils. It is safe for concurrent use.
type Store interface {
	order.Store
	event.Store
	setting.Store
	access.Store
	security.Store
	exchangelog.Tables
	exchangelog.MonthTables
}

// Run holds a store to the contract. open returns an empty store that is migrated; it closes it
// with tb's Cleanup.
func Run(t *testing.T, open func(tb testing.TB) Store) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"order", orderTests()},
		{"start", startTests()},
		{"change", changeTests()},
		{"notification", notificationTests()},
		{"lease", leaseTests()},
		{"place", placeTests()},
		{"parked", parkedTests()},
		{"offer", offerTests()},
		{"event", eventTests()},
		{"setting", settingTests()},
		{"token", tokenTests()},
		{"security", securityTests()},
		{"exchange", exchangeTests()},
		{"contention", contentionTests()},
		{"together", togetherTests()},
		{"limits", limitTests()},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, test := range g.tests {
				t.Run(test.name, func(t *testing.T) {
					test.run(t, open(t))
				})
			}
		})
	}
}

// test is one promise of the contract, on an empty store.
type test struct {
	name string
	run  func(t *testing.T, s Store)
}

// noon is the time that the tests begin at.
func noon() time.Time { return time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC) }

// forAMinute is a lease from noon.
func forAMinute(token string) order.Lease {
	return order.Lease{Token: token, Until: noon().Add(time.Minute)}
}

// many is a number of places that leaves some to everybody.
const many = 1000

// creating is an order as it is started, of 30 euros, live and due in ten seconds.
func creating(announcementID int64) order.Order {
	return order.Order{
		AnnouncementID:  announcementID,
		State:           order.Creating,
		Amount:          decimal.RequireFromString("30.00"),
		Currency:        "EUR",
		ReferenceNumber: "2900082335",
		AskedAmount:     decimal.RequireFromString("30.00"),
		AskedCurrency:   "EUR",
		Started:         noon(),
		InitDeadline:    noon().Add(2 * time.Minute),
		Live:            true,
		NextCheck:       noon().Add(10 * time.Second),
	}
}

// full is an order with every field set.
func full(announcementID int64, emtaOrderID string) order.Order {
	at := func(n int) time.Time {
		return noon().Add(time.Duration(n)*time.Second + time.Duration(n)*time.Microsecond)
	}
	return order.Order{
		AnnouncementID: announcementID, EMTAOrderID: emtaOrderID, State: order.Completed,
		Created: at(1), Expires: at(2), Finished: at(3), Amount: decimal.RequireFromString("31.50"), Currency: "EUR",
		ReferenceNumber: "2900082335", PaymentURL: "https://pay.example/1?a=b&c=d", ClaimForwarded: true,
		AskedAmount: decimal.RequireFromString("30.00"), AskedCurrency: "USD", Started: at(4), InitDeadline: at(5), Live: true,
		NextCheck: at(6), Attempts: 7, Lists: 8, NotFoundAt: at(9), RevertedAt: at(10), Mismatch: true, AcceptedBy: "clerk",
		Fault: "Viga: 400", DuplicateOf: 11, CompletionID: "completion-1", OfferAttempt: 12, NextOffer: at(13), AfterCancel: true,
	}
}

// start writes o as its announcement's new order and gives its lease back.
func start(t testing.TB, s Store, o order.Order) order.Order {
	t.Helper()
	written, err := s.Start(t.Context(), o.AnnouncementID, forAMinute("start"), func([]order.Order) (order.Change, error) {
		return order.Change{New: &o}, nil
	})
	require.NoError(t, err)
	require.NoError(t, s.ReleaseOrder(t.Context(), written.ID, "start"))
	return written
}

// started writes an order in Created with EMTA's id.
func started(t testing.TB, s Store, announcementID int64, emtaOrderID string) order.Order {
	t.Helper()
	o := creating(announcementID)
	o.State, o.EMTAOrderID, o.Live = order.Created, emtaOrderID, false
	return start(t, s, o)
}

// write applies c to the order with the key id.
func write(t testing.TB, s Store, id int64, c order.Change) order.Order {
	t.Helper()
	o, err := s.Change(t.Context(), id, "", func(order.View) (order.Change, error) { return c, nil })
	require.NoError(t, err)
	return o
}

// notify stores the first notification of an id, or renews the open one at the time at.
func notify(t testing.TB, s Store, emtaOrderID string, at time.Time) {
	t.Helper()
	err := s.Notified(t.Context(), emtaOrderID, func(k order.Known) (order.Change, error) {
		n := order.Notification{EMTAOrderID: emtaOrderID}
		if k.Open != nil {
			n = *k.Open
		}
		n.NotifiedAt = at
		c := order.Change{Notifications: []order.Notification{n}}
		if k.Order == nil {
			c.Notifications[0].NextCheck = at
			return c, nil
		}
		due := *k.Order
		due.NextCheck = at
		c.Orders = []order.Order{due}
		return c, nil
	})
	require.NoError(t, err)
}

// occurrence is the nth event of an order.
func occurrence(orderID int64, n int) event.Event {
	return event.Event{
		ID:      fmt.Sprintf("event-%d-%d", orderID, n),
		Type:    "order.pending",
		Subject: fmt.Sprintf("order/%d", orderID),
		Time:    noon().Add(time.Duration(n) * time.Second),
		Data:    []byte(fmt.Sprintf(`{"n": %d}`, n)),
	}
}

// requireOrder compares orders; amounts are equal by value.
func requireOrder(t testing.TB, want, got order.Order) {
	t.Helper()
	require.Equal(t, want.Amount.StringFixed(2), got.Amount.StringFixed(2), "Amount")
	require.Equal(t, want.AskedAmount.StringFixed(2), got.AskedAmount.StringFixed(2), "AskedAmount")
	got.Amount, got.AskedAmount = want.Amount, want.AskedAmount
	require.Equal(t, want, got)
}

// requireIDs asks for the orders with the keys ids, in that sequence.
func requireIDs(t testing.TB, orders []order.Order, ids ...int64) {
	t.Helper()
	got := []int64{}
	for _, o := range orders {
		got = append(got, o.ID)
	}
	require.Equal(t, append([]int64{}, ids...), got)
}

// nothing is a decision that changes nothing.
func nothing(order.View) (order.Change, error) { return order.Change{}, nil }

// everything is all that a store shows, to prove that nothing of a refused change was written.
type everything struct {
	Orders        []order.Order
	Notifications []order.Notification
	Events        []event.Event
	Log           [][]order.LogEntry
	Suspicions    []order.Suspicion
	Audits        [][]order.Audit
}

// snapshot reads everything; of notifications the open ones of the ids.
func snapshot(t testing.TB, s Store, emtaOrderIDs ...string) everything {
	t.Helper()
	ctx := context.Background()
	var all everything
	var err error
	all.Orders, err = s.Orders(ctx, order.Filter{Limit: 1000})
	require.NoError(t, err)
	all.Events, err = s.Events(ctx, 0, 1000)
	require.NoError(t, err)
	all.Suspicions, err = s.Suspicions(ctx, "")
	require.NoError(t, err)
	for _, o := range all.Orders {
		log, err := s.LogOf(ctx, o.ID)
		require.NoError(t, err)
		audits, err := s.Audits(ctx, o.ID)
		require.NoError(t, err)
		all.Log, all.Audits = append(all.Log, log), append(all.Audits, audits)
	}
	for _, id := range emtaOrderIDs {
		n, err := s.OpenNotification(ctx, id)
		if err != nil {
			require.ErrorIs(t, err, order.ErrNotFound)
			continue
		}
		all.Notifications = append(all.Notifications, n)
	}
	return all
}
