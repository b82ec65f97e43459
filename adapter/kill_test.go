//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// The identifiers of the simulated world.
var (
	worldClient = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}
	worldEMTA   = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"}
)

// numberFromEnvironment is the variable's value, or def.
func numberFromEnvironment(t testing.TB, name string, def uint64) uint64 {
	t.Helper()
	written := os.Getenv(name)
	if written == "" {
		return def
	}
	n, err := strconv.ParseUint(written, 10, 64)
	require.NoError(t, err, name)
	return n
}

// The real program is killed as kill -9 does, under traffic, at times of chance and at chosen points; then its file is compared
// with what the simulators know: nothing that was acknowledged is lost, nothing is doubled. ADAPTER_TEST_SEED repeats the
// choices of a run (not the scheduler's), ADAPTER_TEST_KILLS changes how often each installation is killed.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("killing takes a minute")
	}
	seed := numberFromEnvironment(t, "ADAPTER_TEST_SEED", rand.Uint64())
	kills := int(numberFromEnvironment(t, "ADAPTER_TEST_KILLS", 20))
	t.Logf("ADAPTER_TEST_SEED=%d", seed)
	binary := buildAdapter(t)
	var all sync.WaitGroup // all at once whatever -parallel says: they mostly wait
	defer all.Wait()
	for i, test := range []struct {
		name   string
		notify simulator.NotifyMode
		expiry time.Duration // of an order at EMTA
		delays []time.Duration
	}{
		// Nothing but a notification tells of a payment: each that is lost shows.
		{"notifications alone", simulator.NotifyAlways, 10 * time.Minute, []time.Duration{time.Hour}},
		// Orders are asked about all the time, expire, and are notified of three times.
		{"notifications, polling and expiry", simulator.NotifyRepeat, 20 * time.Second,
			[]time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}},
		// EMTA notifies of nothing by itself: polling finds the payments.
		{"polling alone", simulator.NotifyNever, 10 * time.Minute, []time.Duration{300 * time.Millisecond, time.Second}},
	} {
		all.Go(func() {
			t.Run(test.name, func(t *testing.T) {
				k := &killing{seed: seed + uint64(i), traffic: newTraffic(seed + uint64(i)), binary: binary, did: map[string]int{}}
				k.build(t, test.notify, test.expiry, test.delays)
				k.run(t, kills)
			})
		})
	}
}

// killing is one installation under traffic that is killed again and again.
type killing struct {
	*traffic
	seed    uint64
	binary  string
	in      installation
	booting time.Duration // how long the slowest start took
	did     map[string]int
}

func (k *killing) build(t *testing.T, notify simulator.NotifyMode, expiry time.Duration, delays []time.Duration) {
	t.Helper()
	emta := freeAddresses(t, 1)[0]
	world, err := simulator.Start(t.Context(), simulator.Options{EMTAAddress: emta, Seed: k.seed, PaymentModule: simulator.EMTAOptions{
		Expiry: expiry,
		Notifications: simulator.NotifyOptions{Mode: notify, Attempts: 10_000,
			Backoff: []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}},
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	k.world = world
	webhook := webhookReceiver(world.Core, k.points)
	t.Cleanup(webhook.Close)
	k.in = install(t, k.binary, world, func(s *Settings) {
		s.EMTA.Timeout = 10 * time.Second // only a kill ends a call
		s.EMTA.Sync = Sync{Delays: delays, ListDelays: []time.Duration{500 * time.Millisecond, 5 * time.Second, 30 * time.Second}, Parallel: 4}
		s.Core.ClaimOffer = ClaimOffer{First: time.Second, Last: 2 * time.Second}
		s.Core.Webhook.URL = webhook.URL
	})
	adapter := k.in.attached(t)
	world.Attach(adapter)
	intercept(world, k.points, emta, adapter, func(a acknowledgement) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.acked = append(k.acked, a)
	})
}

// run is the traffic, the kills, and what has to be true at the end.
func (k *killing) run(t *testing.T, kills int) {
	begin := time.Now()
	const customers, pace = 8, 200 * time.Millisecond
	ctx, end := context.WithCancel(t.Context())
	defer end()
	day, close := context.WithCancel(ctx)
	defer close()
	var visiting, reading sync.WaitGroup
	for range customers {
		visiting.Go(func() { k.customer(day, pace) })
	}
	reading.Go(func() { k.core(ctx) })
	defer func() { end(); visiting.Wait(); reading.Wait() }()

	rng := rand.New(rand.NewPCG(k.seed, 0))
	for n := range kills {
		require.NoError(t, k.killOnce(t, rng), "kill %d: %s", n+1, k.errors(t))
	}
	last := k.in.serve(t)
	require.NoError(t, last.ready(t.Context()), "%s", k.errors(t))
	close()
	visiting.Wait()
	killed := time.Since(begin)
	k.agree(t, 80*time.Second+time.Duration(kills)*2*time.Second)
	settled := time.Since(begin)
	end()
	reading.Wait()
	require.Zero(t, last.stop(t), "%s", k.errors(t))
	k.final(t)
	t.Logf("%s; %.0f s of kills, agreed after %.0f s", k.numbers(), killed.Seconds(), settled.Seconds())
}

// killOnce starts the adapter and kills it where the dice say.
func (k *killing) killOnce(t *testing.T, rng *rand.Rand) error {
	point, delay := atAnyTime, rng.Float64()
	switch dice := rng.IntN(10); {
	case dice == 0:
		point = whileStarting
	case dice < 6:
		point = killPoints[rng.IntN(len(killPoints))]
	}
	begin := time.Now()
	p := k.in.serve(t)
	if point == whileStarting {
		pause(t.Context(), time.Duration(delay*float64(k.booting)))
		k.did[point]++
		return p.kill()
	}
	if err := p.ready(t.Context()); err != nil {
		return err
	}
	k.booting = max(k.booting, time.Since(begin))
	const most, patience = 500 * time.Millisecond, 700 * time.Millisecond
	pause(t.Context(), time.Duration(delay*float64(most)))
	hit, release := k.points.arm(point)
	defer release()
	if point != atAnyTime {
		select {
		case <-hit:
		case <-time.After(patience):
			point = outOfPatienceFor + point
		}
	}
	k.did[point]++
	return p.kill()
}

// agree waits until the adapter has caught up with what the simulators know. The leases of killed processes run out first: 10
// seconds for orders, 25 for webhooks. Patience grows with the kills: each order whose outcome is not known reads EMTA's whole list.
func (k *killing) agree(t *testing.T, patience time.Duration) {
	t.Helper()
	s, err := store.Open(t.Context(), k.in.settings.Store)
	require.NoError(t, err)
	defer s.Close()
	k.await(t, patience, func() ([]string, error) { return k.compare(t.Context(), s) }, func() string { return k.errors(t) })
}

// await compares until nothing is wrong.
func (t *traffic) await(tb testing.TB, patience time.Duration, compare func() ([]string, error), complaints func() string) {
	tb.Helper()
	for deadline := time.Now().Add(patience); ; {
		begin := time.Now()
		ended := t.ended() // before: what ends in between is not compared
		wrong, err := compare()
		require.NoError(tb, err)
		if len(wrong) == 0 && ended {
			return
		}
		t.mu.Lock()
		never := len(t.wrong) > 0 // what nobody should have seen does not pass
		t.mu.Unlock()
		require.True(tb, time.Now().Before(deadline) && !never, "the adapter does not agree with the simulators:\n%s\n%s", few(wrong), complaints())
		pause(tb.Context(), max(250*time.Millisecond, 2*time.Since(begin))) // comparing shall not be the load
	}
}

// ended reports that no order of EMTA's will expire while it is compared.
func (t *traffic) ended() bool {
	for _, o := range t.world.EMTA.Orders() {
		open := o.State == simulator.OrderCreated || o.State == simulator.OrderPending
		if open && time.Until(o.Expires) > 0 && time.Until(o.Expires) < time.Minute {
			return false
		}
	}
	return true
}

// final compares once more when the adapter has stopped and its file is closed.
func (k *killing) final(t *testing.T) {
	t.Helper()
	s, err := store.Open(t.Context(), k.in.settings.Store)
	require.NoError(t, err)
	wrong, err := k.compare(t.Context(), s)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	more, err := k.compareNotifications(t.Context(), strings.TrimPrefix(k.in.settings.Store, "sqlite:"))
	require.NoError(t, err)
	require.Empty(t, append(wrong, more...))
	require.NotEmpty(t, k.feed)
	require.NotEmpty(t, k.claimed)
	entries, err := os.ReadDir(filepath.Dir(k.in.output))
	require.NoError(t, err)
	for _, e := range entries {
		require.NotContains(t, e.Name(), "-journal", "the file is kept in another way than checked at the start")
	}
}

// errors are the lines in which the adapter's processes complained.
func (k *killing) errors(t *testing.T) string { return k.in.complaints(t) }

// complaints are the last lines of the installation's processes that tell of something unusual.
func (in installation) complaints(t testing.TB) string {
	t.Helper()
	var lines, last []string // last words of a process that ended by itself are no JSON
	for line := range strings.Lines(in.said(t)) {
		switch {
		case !strings.HasPrefix(line, "{"):
			last = append(last, line)
		case !strings.Contains(line, `"level":"INFO"`) && !strings.Contains(line, "context canceled"): // the core did not wait
			lines = append(lines, line)
		}
	}
	return strings.Join(append(last[max(0, len(last)-5):], lines[max(0, len(lines)-20):]...), "")
}

// numbers tell what happened.
func (k *killing) numbers() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	kills, repeated := 0, 0
	var where []string
	for point, n := range k.did {
		kills += n
		where = append(where, fmt.Sprintf("%d %s", n, point))
	}
	for _, e := range k.feed {
		if e.Attempt > 1 {
			repeated++
		}
	}
	states := map[simulator.OrderState]int{}
	for _, o := range k.world.EMTA.Orders() {
		states[o.State]++
	}
	return fmt.Sprintf("%d kills (%s); %d announcements, %d orders at EMTA %v, %d known to the core; %d notifications acknowledged; "+
		"%d events, %d of them offers again; %d webhooks; %d completions claimed", kills, strings.Join(where, "; "), k.asked,
		len(k.world.EMTA.Orders()), states, len(k.answered), len(k.acked), len(k.feed), repeated, len(k.world.Core.Received()), len(k.claimed))
}
