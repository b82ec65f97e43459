//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// Three replicas of the real program on one PostgreSQL, while processes are killed, sessions ended, the server restarted, the
// network slowed and cut, and EMTA and payers do what they may. When it is over everything agrees: EMTA, the database, the feed,
// the webhook, and what was acknowledged. ADAPTER_TEST_SEED repeats the choices of a run (not the scheduler's), ADAPTER_TEST_ORDERS
// says how many orders EMTA is to have at the end.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("chaos takes minutes")
	}
	seed := numberFromEnvironment(t, "ADAPTER_TEST_SEED", rand.Uint64())
	orders := int(numberFromEnvironment(t, "ADAPTER_TEST_ORDERS", 150))
	fmt.Printf("ADAPTER_TEST_SEED=%d ADAPTER_TEST_ORDERS=%d go test ./adapter -run TestChaos -v\n", seed, orders) // seen also where the test is cut off
	c := newChaos(t, seed)
	begin := time.Now()
	c.trouble(t, orders)
	troubled := time.Since(begin)
	c.settle(t, time.Minute+time.Duration(orders)*200*time.Millisecond)
	settled := time.Since(begin)
	c.end(t)
	t.Logf("%s; %.0f s of trouble, agreed after %.0f s", c.numbers(), troubled.Seconds(), settled.Seconds())
}

const (
	chaosReplicas  = 3
	chaosCustomers = 8
	chaosPace      = 300 * time.Millisecond
	chaosTimeout   = 4 * time.Second  // of a call to EMTA
	chaosExpiry    = 30 * time.Second // of an order at EMTA
)

// mishap is something that goes wrong. begin lets it, and returns what ends it. Two of one family do not go together.
type mishap struct {
	name, family string
	begin        func(t *testing.T, rng *rand.Rand) (end func())
}

// chaos is several replicas in a world full of faults.
type chaos struct {
	*traffic
	server   *postgrestest.Server
	database string // its address, without links
	replicas []*replica
	down     bool // the server is, for the moment
	struck   map[string]int

	visiting, reading, running sync.WaitGroup
	closeShop, endReading      context.CancelFunc
	endReplicas                context.CancelFunc
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{traffic: newTraffic(seed), server: postgrestest.Start(t), struck: map[string]int{}}
	c.database = c.server.Database(t)
	c.patience = 8 * time.Second
	core := &balancer{through: http.DefaultTransport}
	fromServer := &balancer{through: &http.Transport{DisableCompression: true}}
	var err error
	c.world, err = simulator.Start(t.Context(), simulator.Options{Seed: seed, ServiceTimeout: chaosTimeout, CoreTransport: core, PaymentModule: simulator.EMTAOptions{
		Expiry: chaosExpiry,
		Notifications: simulator.NotifyOptions{Attempts: 100_000, Timeout: 2 * time.Second,
			Backoff: []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second}},
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.world.Close()) })

	binary, tokens := buildAdapter(t), filepath.Join(t.TempDir(), "token")
	for range chaosReplicas {
		r := c.newReplica(t, binary, tokens)
		c.replicas = append(c.replicas, r)
		core.hosts = append(core.hosts, r.in.settings.Listen.Core)
		fromServer.hosts = append(fromServer.hosts, r.fromServer.Address())
	}
	const anyReplica = "http://replicas.test"
	attached := c.replicas[0].in.attached(t)
	attached.EMTA, attached.Core = anyReplica+emtaPath, anyReplica
	c.world.Attach(attached)
	c.world.SecurityServer.Offer(simulator.Service{ID: worldClient.Service(simulator.OperationNotify, "v1"), URL: attached.EMTA, Timeout: chaosTimeout,
		Transport: around{points: c.points, through: fromServer, passed: c.acknowledge}})
	c.open(t)
	return c
}

// newReplica writes the settings of a replica behind its links.
func (c *chaos) newReplica(t *testing.T, binary, tokens string) *replica {
	t.Helper()
	r := &replica{}
	r.toDatabase = newLink(t, "unix", socketOf(t, c.database))
	server := strings.Trim(strings.TrimPrefix(c.world.SecurityServerURL(), "http://"), "/")
	r.toServer = newLink(t, "tcp", server)
	r.in = install(t, binary, c.world, func(s *Settings) {
		s.Store = databaseThrough(t, c.database, r.toDatabase.Address(), nil)
		s.XRoad.SecurityServer = "http://" + r.toServer.Address() + "/"
		s.EMTA.Timeout = chaosTimeout
		s.EMTA.Sync = Sync{Delays: []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second},
			ListDelays: []time.Duration{2 * time.Second, 30 * time.Second, 10 * time.Minute}, Parallel: 4}
		s.Core.ClaimOffer = ClaimOffer{First: 2 * time.Second, Last: 10 * time.Second}
		s.Core.TokenFile = tokens
	})
	r.fromServer = newLink(t, "tcp", r.in.settings.Listen.XRoad)
	return r
}

// acknowledge remembers what the replicas answered to EMTA.
func (c *chaos) acknowledge(request, answer []byte, status int, sent time.Time) {
	if a, ok := acknowledged(request, answer, status, sent); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.acked = append(c.acked, a)
	}
}

// open starts the replicas, all at once on an empty database, then the core and its customers.
func (c *chaos) open(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	day, closeShop := context.WithCancel(ctx)
	up, endReplicas := context.WithCancel(ctx)
	reading, endReading := context.WithCancel(ctx)
	c.closeShop, c.endReplicas, c.endReading = closeShop, endReplicas, endReading
	t.Cleanup(func() {
		cancel()
		for _, r := range c.replicas {
			r.end(killed)
		}
		c.visiting.Wait()
		c.reading.Wait()
		c.running.Wait()
		for _, r := range c.replicas {
			r.watching.Wait()
		}
	})
	for _, r := range c.replicas {
		c.running.Go(func() { r.keepUp(up, t) })
	}
	c.serving(t)
	c.reading.Go(func() { c.core(reading) })
	for range chaosCustomers {
		c.visiting.Go(func() { c.customer(day, chaosPace) })
	}
}

// serving waits until all replicas do.
func (c *chaos) serving(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(c.replicas, func(r *replica) bool { return !r.serves() })
	}, time.Minute, 20*time.Millisecond, "not all replicas serve")
}

// trouble lets one fault after another happen, sometimes two at a time, until each has and EMTA has so many orders.
func (c *chaos) trouble(t *testing.T, orders int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(c.seed, 0))
	all := slices.Concat(c.processFaults(), c.databaseFaults(), c.networkFaults(), c.partnerFaults())
	most := time.Now().Add(5*time.Minute + time.Duration(orders)*2*time.Second)
	var deck []mishap
	draw := func() mishap {
		if len(deck) == 0 {
			deck = slices.Clone(all)
			rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		f := deck[0]
		deck = deck[1:]
		c.struck[f.name]++
		return f
	}
	for len(c.struck) < len(all) || len(c.world.EMTA.Orders()) < orders {
		require.True(t, time.Now().Before(most), "EMTA has only %d orders: %s", len(c.world.EMTA.Orders()), c.complaints(t))
		first := draw()
		end := first.begin(t, rng)
		pause(t.Context(), upTo(rng, 1500*time.Millisecond))
		if len(deck) > 0 && deck[0].family != first.family && rng.IntN(2) == 0 {
			endSecond := draw().begin(t, rng)
			pause(t.Context(), upTo(rng, 1500*time.Millisecond))
			endSecond()
		}
		end()
		pause(t.Context(), upTo(rng, time.Second))
	}
}

// settle waits until everything agrees, with no more faults and no more customers.
func (c *chaos) settle(t *testing.T, patience time.Duration) {
	t.Helper()
	c.world.Behave()
	c.closeShop()
	c.serving(t)
	c.visiting.Wait()
	s, err := store.Open(t.Context(), c.database)
	require.NoError(t, err)
	defer s.Close()
	c.await(t, patience, func() ([]string, error) {
		v, err := c.verdict(t.Context(), s)
		if err != nil {
			return nil, err
		}
		return v.judge(), nil
	}, func() string { return c.complaints(t) })
}

// end stops the replicas and looks once more at what they have left.
func (c *chaos) end(t *testing.T) {
	t.Helper()
	c.endReading()
	c.reading.Wait()
	c.endReplicas()
	for _, r := range c.replicas {
		r.end(stopped)
	}
	c.running.Wait()
	s, err := store.Open(t.Context(), c.database)
	require.NoError(t, err)
	defer s.Close()
	v, err := c.verdict(t.Context(), s)
	require.NoError(t, err)
	for _, r := range c.replicas {
		v.endings = append(v.endings, r.endings()...)
		v.said = append(v.said, r.in.said(t))
	}
	wrong := v.judge()
	require.Empty(t, wrong, "%s\n%s", few(wrong), c.complaints(t))
	require.NotEmpty(t, c.feed)
	require.NotEmpty(t, c.claimed)
	require.NotEmpty(t, c.acked)
}

// complaints are the last lines in which each replica complained.
func (c *chaos) complaints(t *testing.T) string {
	var all []string
	for i, r := range c.replicas {
		all = append(all, fmt.Sprintf("replica %d:\n%s", i+1, r.in.complaints(t)))
	}
	return strings.Join(all, "\n")
}

// numbers tell what happened.
func (c *chaos) numbers() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	states := map[simulator.OrderState]int{}
	for _, o := range c.world.EMTA.Orders() {
		states[o.State]++
	}
	calls := map[string]int{}
	for _, call := range c.world.EMTA.Calls() {
		calls[call.Operation]++
	}
	faults := 0
	for _, n := range c.struck {
		faults += n
	}
	return fmt.Sprintf("seed %d: %d faults of %d kinds (replicas: %s); %d announcements, %d orders at EMTA %v, calls %v; "+
		"%d notifications acknowledged; %d events, %d webhooks; %d completions claimed", c.seed, faults, len(c.struck), endingsOf(c.replicas), c.asked,
		len(c.world.EMTA.Orders()), states, calls, len(c.acked), len(c.feed), len(c.world.Core.Received()), len(c.claimed))
}
