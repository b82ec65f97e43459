package main

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// Two replicas on one PostgreSQL: what one is asked, the other may do, and the day comes out as with one.
func TestTwoReplicasOnPostgreSQL(t *testing.T) {
	database := postgrestest.Open(t)
	first, world := running(t, simulator.Options{}, func(s *Settings) { s.Store = database })
	second, err := Start(t.Context(), first.settings, slog.New(slog.DiscardHandler), Watch{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Stop()) })

	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}
	require.NoError(t, d.paid(t.Context()))
	require.NoError(t, d.refused(t.Context()))
	require.NoError(t, d.lost(t.Context()))
	require.NoError(t, d.unnotified(t.Context()))
	require.NoError(t, d.repeated(t.Context()))
	require.NoError(t, d.annulled(t.Context()))
	require.NoError(t, d.twice(t.Context()))

	// The second replica, asked by the core, goes on with the first one's orders.
	token, err := tokenIn(second.settings.Core.TokenFile)
	require.NoError(t, err)
	world.Attach(simulator.AdapterAddresses{EMTA: "http://" + second.Address("xroad") + emtaPath, Core: "http://" + second.Address("core"), Token: token})
	o, err := world.Core.Order(t.Context(), "1")
	require.NoError(t, err)
	require.True(t, o.ClaimForwarded)
	require.NoError(t, d.paid(t.Context()))
	require.NoError(t, d.twice(t.Context()))
}
