//go:build unix

package main

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// newLink is a link that ends with the test.
func newLink(t testing.TB, network, target string) *simulator.Link {
	t.Helper()
	l, err := simulator.NewLink(t.Context(), network, target)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// balancer sends each request to the next host, as a cluster's service does for replicas: one of them may be dead.
type balancer struct {
	hosts   []string // set before the first request
	through http.RoundTripper
	turn    atomic.Uint64
}

// RoundTrip sends the request to the host whose turn it is.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = b.hosts[b.turn.Add(1)%uint64(len(b.hosts))]
	r.Host = ""
	return b.through.RoundTrip(r)
}

// linkFault is what happens to a replica's link.
type linkFault struct {
	name  string
	begin func(l *simulator.Link, rng *rand.Rand)
}

var linkFaults = []linkFault{
	{"is slow", func(l *simulator.Link, rng *rand.Rand) { l.Slow(5*time.Millisecond + upTo(rng, 200*time.Millisecond)) }},
	{"is cut", func(l *simulator.Link, _ *rand.Rand) { l.Cut() }},
	{"is half open", func(l *simulator.Link, _ *rand.Rand) { l.HalfOpen() }},
}

// networkFaults are all that can happen to each kind of link.
func (c *chaos) networkFaults() []mishap {
	var all []mishap
	for _, way := range []struct {
		name string
		of   func(*replica) *simulator.Link
	}{
		{"the way to the database", func(r *replica) *simulator.Link { return r.toDatabase }},
		{"the way to the security server", func(r *replica) *simulator.Link { return r.toServer }},
		{"the way from the security server", func(r *replica) *simulator.Link { return r.fromServer }},
	} {
		for _, f := range linkFaults {
			all = append(all, mishap{name: way.name + " " + f.name, family: way.name, begin: func(t *testing.T, rng *rand.Rand) func() {
				l := way.of(c.replicas[rng.IntN(len(c.replicas))])
				f.begin(l, rng)
				return l.Heal
			}})
		}
	}
	return all
}
