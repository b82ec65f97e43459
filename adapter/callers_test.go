package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

func TestAttempts(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	a := newAttempts(func() time.Time { return now })
	one, two := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for range maxAttempts {
		require.Zero(t, a.failed(one))
	}
	require.Equal(t, attemptsWindow, a.failed(one))
	require.Zero(t, a.failed(two))
	now = now.Add(attemptsWindow - time.Second)
	require.Equal(t, time.Second, a.failed(netip.MustParseAddr("::ffff:10.0.0.1")))
	now = now.Add(time.Second)
	require.Zero(t, a.failed(one))
}

// However many addresses there are, so much is remembered and no more; those beyond are counted together.
func TestAttemptsOfManyAddresses(t *testing.T) {
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	a := newAttempts(func() time.Time { return now })
	for i := range 3 * maxAddresses {
		a.failed(netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", i, i)))
		require.LessOrEqual(t, len(a.seen), maxAddresses+1)
	}
	require.NotZero(t, a.failed(netip.MustParseAddr("192.0.2.1")))
	require.Zero(t, a.failed(netip.MustParseAddr("2001:db8:1::2")), "who was known before is counted alone")
	now = now.Add(attemptsWindow)
	require.Zero(t, a.failed(netip.MustParseAddr("192.0.2.1")))
	require.Len(t, a.seen, 1, "what is over is forgotten")
}

// An owner of an IPv6 network has one count.
func TestAttemptsOfOneNetwork(t *testing.T) {
	a := newAttempts(time.Now)
	for i := range maxAttempts {
		require.Zero(t, a.failed(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))))
	}
	require.NotZero(t, a.failed(netip.MustParseAddr("2001:db8::ffff")))
	require.Zero(t, a.failed(netip.MustParseAddr("2001:db8:0:1::1")))
}

// Who guesses is told to stop; who has the token is served beside it, from the same address.
func TestWrongTokensAreLimited(t *testing.T) {
	program, _ := running(t, simulator.Options{}, nil)
	token, err := tokenIn(program.settings.Core.TokenFile)
	require.NoError(t, err)
	s := &secured{program: program}
	ask := func(token string) int { return s.get(t, http.DefaultClient, "core", "/api/v1/orders", token) }
	for range maxAttempts {
		require.Equal(t, 401, ask("wrong"))
	}
	require.Equal(t, 429, ask("wrong"))
	require.Equal(t, 429, ask(""))
	require.Equal(t, 200, ask(token))
}
