//go:build unix

package main

import (
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
)

// The real program as a process: how it stops, and how it starts where it cannot.
func TestServe(t *testing.T) {
	if testing.Short() {
		t.Skip("the program has to be built")
	}
	binary := buildAdapter(t)
	t.Run("stops", func(t *testing.T) { testServeStops(t, binary) })
	t.Run("address in use", func(t *testing.T) { testServeAddressInUse(t, binary) })
	t.Run("two on one file", func(t *testing.T) { testServeTwoOnOneFile(t, binary) })
}

// serving starts a simulated world and an adapter process in it.
func serving(t testing.TB, binary string, change func(*Settings)) (installation, *process, *simulator.World) {
	t.Helper()
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	in := install(t, binary, world, change)
	world.Attach(in.attached(t))
	p := in.serve(t)
	require.NoError(t, p.ready(t.Context()), "%s", in.said(t))
	return in, p, world
}

// said is all that the installation's processes wrote.
func (in installation) said(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(in.output)
	require.NoError(t, err)
	return string(text)
}

// SIGTERM: what is in hand is finished, a core that waits for news is answered, the exit status is 0, and the next process goes on.
func testServeStops(t *testing.T, binary string) {
	in, p, world := serving(t, binary, nil)
	const underWay = 1200 * time.Millisecond
	require.NoError(t, world.Misbehave(simulator.OperationInit, simulator.Mischief{DelayAfter: underWay}))

	var asking sync.WaitGroup
	var made simulator.CoreOrder
	var startErr, feedErr error
	asking.Go(func() { _, _, feedErr = world.Core.Events(t.Context(), "", 0, 30*time.Second) })
	asking.Go(func() { made, _, startErr = world.Core.StartPayment(t.Context(), askFor(1, "30.00")) })
	require.Eventually(t, func() bool { return len(world.EMTA.Orders()) == 1 }, 10*time.Second, 2*time.Millisecond)
	begin := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	in.requirePage(t, "/readyz", http.StatusServiceUnavailable, stopping)
	require.Zero(t, p.exit(t), "%s", in.said(t))
	require.Less(t, time.Since(begin), stopTimeout, "the waiting core kept it up")
	asking.Wait()
	require.NoError(t, startErr)
	require.NoError(t, feedErr)
	require.Equal(t, string(order.Created), made.State)
	require.NotEmpty(t, made.PaymentURL)

	p = in.serve(t)
	require.NoError(t, p.ready(t.Context()), "%s", in.said(t))
	again, reused, err := world.Core.StartPayment(t.Context(), askFor(1, "30.00"))
	require.NoError(t, err)
	require.True(t, reused)
	require.Equal(t, made.PaymentURL, again.PaymentURL)
	require.Zero(t, p.stop(t), "%s", in.said(t))
	require.Len(t, world.EMTA.Orders(), 1)
}

// An address that somebody else has is named by its setting, and nothing is left behind that keeps the next start from working.
func testServeAddressInUse(t *testing.T, binary string) {
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	for _, test := range []struct {
		setting string
		address func(*Settings) *string
	}{
		{"listen.xroad", func(s *Settings) *string { return &s.Listen.XRoad }},
		{"listen.core", func(s *Settings) *string { return &s.Listen.Core }},
		{"listen.ops", func(s *Settings) *string { return &s.Listen.Ops }},
	} {
		t.Run(test.setting, func(t *testing.T) {
			in := install(t, binary, world, nil)
			taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", *test.address(&in.settings))
			require.NoError(t, err)
			require.NotZero(t, in.serve(t).exit(t))
			require.Contains(t, in.said(t), "setting "+test.setting)
			require.Contains(t, in.said(t), "address already in use")

			require.NoError(t, taken.Close())
			p := in.serve(t)
			require.NoError(t, p.ready(t.Context()), "%s", in.said(t))
			require.Zero(t, p.stop(t))
		})
	}
}

// Two adapters on one file: leases hold between processes. No start makes two orders, no event is told or delivered twice.
func testServeTwoOnOneFile(t *testing.T, binary string) {
	const announcements = 20
	in, first, world := serving(t, binary, func(s *Settings) {
		s.EMTA.Sync.Delays = []time.Duration{50 * time.Millisecond} // both ask all the time
	})
	other := in
	other.config = in.config + ".second"
	addresses := freeAddresses(t, 3)
	other.settings.Listen = Listen{XRoad: addresses[0], Core: addresses[1], Ops: addresses[2]}
	other.write(t)
	second := other.serve(t)
	require.NoError(t, second.ready(t.Context()), "%s", in.said(t))
	otherCore, err := simulator.NewCore(simulator.CoreOptions{})
	require.NoError(t, err)
	otherCore.Attach(other.attached(t).Core, other.attached(t).Token)

	var starts sync.WaitGroup
	made := make([][4]simulator.CoreOrder, announcements)
	errs := make([][4]error, announcements)
	for i := range announcements {
		for j, core := range []*simulator.Core{world.Core, otherCore, world.Core, otherCore} {
			starts.Go(func() { made[i][j], _, errs[i][j] = core.StartPayment(t.Context(), askFor(int64(i+1), "30.00")) })
		}
	}
	starts.Wait()
	for i := range announcements {
		for j := range made[i] {
			require.NoError(t, errs[i][j])
			require.Equal(t, made[i][0].PaymentURL, made[i][j].PaymentURL, "announcement %d", i+1)
		}
		require.Len(t, world.EMTA.ByStamp(made[i][0].ID), 1)
		require.NoError(t, world.EMTA.Pay(made[i][0].EMTAOrderID))
	}
	require.Len(t, world.EMTA.Orders(), announcements)

	s, err := store.Open(t.Context(), in.settings.Store)
	require.NoError(t, err)
	defer s.Close()
	require.Eventually(t, func() bool {
		f, err := s.Figures(t.Context(), time.Now())
		backlog, _, backlogErr := s.Backlog(t.Context())
		return err == nil && backlogErr == nil && f.Orders[order.Completed] == announcements && f.OpenNotifications == 0 && backlog == 0
	}, 30*time.Second, 20*time.Millisecond)
	require.Zero(t, first.stop(t), "%s", in.said(t))
	require.Zero(t, second.stop(t), "%s", in.said(t))

	delivered := map[string]int{}
	kinds := map[string]int{}
	for _, d := range world.Core.Received() {
		delivered[d.Event.ID]++
		kinds[d.Event.Type+" "+d.Event.Order.ID+" "+strconv.Itoa(d.Event.Attempt)]++
	}
	for id, n := range delivered {
		require.Equal(t, 1, n, "event %s", id)
	}
	for kind, n := range kinds {
		require.Equal(t, 1, n, kind)
	}
	require.Len(t, kinds, 2*announcements, "created and completed")
}
