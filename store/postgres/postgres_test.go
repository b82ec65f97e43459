package postgres_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store/postgres"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
	"ametlikudteadaanded.ee/adapter/store/storetest"
)

// TestStore runs the contract on one database that is emptied in between, which takes a tenth of the
// time of a new one.
func TestStore(t *testing.T) {
	t.Parallel()
	_, address := migrated(t)
	storetest.Run(t, func(tb testing.TB) storetest.Store {
		run(tb, address, `DELETE FROM atis.adapter_audit; DELETE FROM atis.adapter_notification_audit; DELETE FROM atis.adapter_suspicion; DELETE FROM atis.adapter_event;
			DELETE FROM atis.sys_maksemoodul_logi; DELETE FROM atis.adapter_notification; DELETE FROM atis.krediitkaardi_teavitused;
			DELETE FROM atis.adapter_setting; DELETE FROM atis.adapter_token; DELETE FROM atis.security_log; DELETE FROM atis.exchange_record; DELETE FROM atis.exchange_seal; DELETE FROM atis.exchange_head; DELETE FROM atis.exchange_archive; DELETE FROM atis.adapter_order; DELETE FROM atis.maksemooduli_tellimused`)
		return open(tb, address)
	})
}

// open opens the database at address.
func open(tb testing.TB, address string) *postgres.Store {
	tb.Helper()
	s, err := postgres.Open(tb.Context(), address)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// migrated returns a store on a new database with all tables, and its address.
func migrated(tb testing.TB) (*postgres.Store, string) {
	tb.Helper()
	address := postgrestest.Open(tb)
	s := open(tb, address)
	_, err := s.Migrate(tb.Context())
	require.NoError(tb, err)
	return s, address
}

// connect is a session of somebody else's on the database.
func connect(tb testing.TB, address string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), address)
	require.NoError(tb, err)
	tb.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// run executes a script on the database.
func run(tb testing.TB, address, script string) {
	tb.Helper()
	_, err := connect(tb, address).Exec(tb.Context(), script)
	require.NoError(tb, err)
}

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// events are n events with fresh ids, of one subject.
func events(n int) []event.Event {
	var list []event.Event
	for range n {
		list = append(list, event.Event{ID: rand.Text(), Type: "order.pending", Subject: "order/0", Time: noon})
	}
	return list
}

// started writes an order in Created with EMTA's id.
func started(tb testing.TB, s *postgres.Store, announcementID int64, emtaOrderID string) order.Order {
	tb.Helper()
	o := order.Order{AnnouncementID: announcementID, EMTAOrderID: emtaOrderID, State: order.Created}
	written, err := s.Start(tb.Context(), announcementID, order.Lease{Token: "a", Until: noon}, func([]order.Order) (order.Change, error) {
		return order.Change{New: &o}, nil
	})
	require.NoError(tb, err)
	require.NoError(tb, s.ReleaseOrder(tb.Context(), written.ID, "a"))
	return written
}
