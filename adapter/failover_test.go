//go:build unix

package main

import (
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// The primary dies, its standby refuses writes until it is promoted, and then the adapter goes on by itself: both hosts stand in
// the address.
func TestFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("two servers have to be started")
	}
	primary := postgrestest.Start(t)
	address := primary.Database(t)
	standby := primary.Replica(t)
	program, world := running(t, simulator.Options{
		Client: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11043739", SubsystemCode: "tkt"},
	}, func(s *Settings) { s.Store, s.XRoad.Client = standby.Beside(t, address), "ee-dev/COM/11043739/tkt" })
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}
	require.NoError(t, d.paid(t.Context()))
	before, err := program.store.Orders(t.Context(), order.Filter{Limit: 10})
	require.NoError(t, err)
	require.Len(t, before, 1)
	require.True(t, before[0].ClaimForwarded)

	follower, err := pgx.Connect(t.Context(), standby.Of(t, address))
	require.NoError(t, err)
	require.Eventually(t, func() bool { // it has all that was answered
		var forwarded bool
		err := follower.QueryRow(t.Context(), `SELECT coalesce(bool_and(noue_edastatud), false) FROM atis.maksemooduli_tellimused`).Scan(&forwarded)
		return err == nil && forwarded
	}, patience, 10*time.Millisecond)
	require.NoError(t, follower.Close(t.Context()))

	in := installation{settings: program.settings, output: os.DevNull}
	in.settings.Listen = Listen{XRoad: program.Address("xroad"), Core: program.Address("core"), Ops: program.Address("ops")}
	primary.Crash(t)
	in.requirePage(t, "/readyz", http.StatusServiceUnavailable, "the database refuses writes")
	in.requireRefused(t, soap.ReasonInternalError)

	standby.Promote(t)
	in.requirePage(t, "/readyz", http.StatusOK, "ready")
	after, err := program.store.Order(t.Context(), before[0].ID)
	require.NoError(t, err)
	require.True(t, after.ClaimForwarded)
	require.NoError(t, d.paid(t.Context()))
}
