package order_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// While the security server is away background work asks now and then, with one order; the others stay due as they are. When it is
// back all are asked about.
func TestOutageLosesNoWork(t *testing.T) {
	inWorld(t, worldOptions{settings: func(s *order.Settings) { s.Parallel = 4 }}, func(t *testing.T, w *world) {
		const orders = 50
		for i := range orders {
			o := w.started(int64(i+1), "30.00")
			require.NoError(t, w.emta.ChooseMethod(o.EMTAOrderID))
			require.NoError(t, w.emta.Pay(o.EMTAOrderID))
		}
		w.wire.cut = true
		const outage = 10 * time.Minute
		for range int(outage / time.Second) {
			time.Sleep(time.Second)
			w.work()
		}
		// 4 to open it, 5 while pauses grow, then one each 30 s.
		require.InDelta(t, 4+5+outage/(30*time.Second), w.wire.count(opGet), 3)
		require.Equal(t, 1.0, w.measured("adapter_circuit_open"))
		attempts := 0
		for _, o := range w.orders() {
			require.Equal(t, order.Created, o.State)
			attempts += o.Attempts
		}
		require.Equal(t, w.wire.count(opGet), attempts, "an attempt is counted that was not made")

		w.wire.cut = false
		time.Sleep(31 * time.Second)
		w.work()
		for _, o := range w.orders() {
			if o.State != order.Completed {
				require.True(t, o.NextCheck.After(time.Now()), "a due order was not asked about")
			}
		}
		require.Zero(t, w.measured("adapter_circuit_open"))
		w.wait(3 * time.Minute)
		for _, o := range w.orders() {
			require.Equal(t, order.Completed, o.State)
		}
	})
}

// An order whose outcome is not known when the outage begins is found when it is over.
func TestOutageKeepsUnknownOutcome(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.wire.misbehave(opInit, simulator.Mischief{CutAfter: true, Place: simulator.AtEMTA})
		_, _, err := w.module.Start(ctx, ask(101, "30.00"))
		require.Equal(t, order.OutcomeUnknown, code(t, err))
		w.wire.cut = true
		for range 2 * 60 * 60 {
			time.Sleep(time.Second)
			w.work()
		}
		require.Equal(t, order.Creating, w.order(1).State)
		w.wire.cut = false
		w.wait(2 * time.Hour)
		require.Equal(t, order.Cancelled, w.order(1).State, "found, and ended as nobody paid it")
		require.NotEmpty(t, w.order(1).EMTAOrderID)
	})
}

// Nobody waits for an EMTA that hangs, but for the one whose call is the probe, and no row is begun. When EMTA is back the next one is served.
func TestPayersDoNotWaitForOutage(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		old := w.started(100, "30.00")
		hang := simulator.Mischief{DelayAfter: time.Hour}
		w.wire.misbehave(opInit, hang, hang, hang)
		for i := range 3 {
			_, _, err := w.module.Start(ctx, ask(int64(101+i), "30.00"))
			require.Equal(t, order.OutcomeUnknown, code(t, err))
		}
		rows, begin := len(w.orders()), time.Now()
		_, _, err := w.module.Start(ctx, ask(104, "30.00"))
		require.Equal(t, order.Unavailable, code(t, err))
		last, err := w.module.Refresh(ctx, old.ID, operator)
		require.Equal(t, order.OutcomeUnknown, code(t, err))
		require.Equal(t, old.ID, last.ID)
		require.Len(t, w.orders(), rows)
		same, reused, err := w.module.Start(ctx, ask(100, "30.00"))
		require.NoError(t, err)
		require.True(t, reused, "what needs no call goes on")
		require.Equal(t, old.ID, same.ID)
		require.Zero(t, time.Since(begin))

		time.Sleep(time.Minute)
		w.wire.cut = true
		_, _, err = w.module.Start(ctx, ask(104, "30.00")) // the probe
		require.Equal(t, order.Unavailable, code(t, err))
		_, _, err = w.module.Start(ctx, ask(101, "30.00"))
		require.Equal(t, order.OutcomeUnknown, code(t, err), "the earlier attempt may have succeeded")
		require.Zero(t, w.wire.count(opList))

		w.wire.cut = false
		time.Sleep(2 * time.Second)
		w.started(104, "30.00")
		require.Zero(t, w.measured("adapter_circuit_open"))
		found, reused, err := w.module.Start(ctx, ask(101, "30.00"))
		require.NoError(t, err)
		require.True(t, reused)
		require.Equal(t, int64(101), found.AnnouncementID)
	})
}

// measured is the value of a metric without labels but constant ones.
func (w *world) measured(name string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		if f.GetName() == name {
			require.Len(w.t, f.GetMetric(), 1)
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(w.t, "no metric "+name)
	return 0
}
