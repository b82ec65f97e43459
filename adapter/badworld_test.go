package main

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// badRow is one thing that the world does to a call of ours (X-Road §§5.3, 5.4, 9.5). Init and cancel are what the core hears,
// a problem's code or accepted. Get and list default to outcome-unknown: a reading that failed says nothing of the order.
type badRow struct {
	name     string
	mischief simulator.Mischief // of the simulated security server or of EMTA behind it
	answer   badAnswer          // of the relay in front of both, where the simulators cannot do it
	init     order.Code
	proven   bool // of Init: nothing was created, so that its row is closed
	cancel   order.Code
	get      order.Code
	list     order.Code
	further  bool // one of many of its group, tried with Init only
	slow     bool // takes emta.timeout; skipped with -short
}

// taken is no problem at all.
const taken order.Code = "ok"

func (r badRow) wants(operation string) order.Code {
	want := order.OutcomeUnknown
	switch operation {
	case simulator.OperationInit:
		want = r.init
	case simulator.OperationCancel:
		want = r.cancel
	case simulator.OperationGet:
		if r.get != "" {
			want = r.get
		}
	case simulator.OperationList:
		if r.list != "" {
			want = r.list
		}
	}
	return want
}

// badTimeout is emta.timeout in these tests: far more than a call on loopback takes.
const badTimeout = 1000 * time.Millisecond

// rowsOfStage is after how many rows a new stage comes, so that EMTA's list does not grow and grow.
const rowsOfStage = 40

// stage is the program, whose calls go through a relay to the simulators. No background work calls meanwhile.
type stage struct {
	program *Program
	world   *simulator.World
	relay   *relay
	demo    *demo
}

func newStage(t testing.TB, change func(*Settings)) *stage {
	t.Helper()
	r := newRelay(t)
	program, world := running(t, simulator.Options{}, func(s *Settings) {
		r.next = s.XRoad.SecurityServer
		s.XRoad.SecurityServer = r.url()
		s.XRoad.RequestHash = "refuse"
		s.EMTA.UserID = "EE60001019906"
		s.EMTA.Timeout = badTimeout
		s.EMTA.Sync.Delays, s.EMTA.Sync.ListDelays = []time.Duration{time.Hour}, []time.Duration{time.Hour}
		s.EMTA.DefaultExpiry = time.Hour
		if change != nil {
			change(s)
		}
	})
	program.endWork()
	return &stage{program: program, world: world, relay: r, demo: &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}}
}

// arm lets the next call of the operation meet the row.
func (s *stage) arm(t testing.TB, operation string, row badRow) {
	t.Helper()
	if row.answer != nil {
		s.relay.arm(operation, row.answer)
		return
	}
	require.NoError(t, s.world.Misbehave(operation, row.mischief))
}

// disarm forgets what was not met.
func (s *stage) disarm() {
	s.world.Behave()
	s.relay.arm("", nil)
}

// ordersOf are the announcement's orders as they stand in the database, newest first.
func (s *stage) ordersOf(t testing.TB, announcement int64) []order.Order {
	t.Helper()
	orders, err := s.program.store.OrdersOf(t.Context(), announcement)
	require.NoError(t, err)
	return orders
}

// codeOf is the problem's code, or taken.
func codeOf(t testing.TB, err error) order.Code {
	t.Helper()
	if err == nil {
		return taken
	}
	var p *simulator.Problem
	require.ErrorAs(t, err, &p)
	return order.Code(p.Code)
}

// started is an order that exists at EMTA and with us.
func (s *stage) started(t testing.TB) (simulator.CoreOrder, int64) {
	t.Helper()
	ask := s.demo.ask()
	o, _, err := s.world.Core.StartPayment(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, "created", o.State)
	return o, ask.AnnouncementID
}

// tryInit starts a payment. Where the outcome is not known the order is found when the world is good again, if EMTA made it;
// where nothing was created EMTA must not have made it, and a new start makes another.
func (s *stage) tryInit(t *testing.T, row badRow) {
	ask := s.demo.ask()
	_, _, err := s.world.Core.StartPayment(t.Context(), ask)
	s.disarm()
	require.Equal(t, row.init, codeOf(t, err), "%v", err)
	orders := s.ordersOf(t, ask.AnnouncementID)
	require.Len(t, orders, 1)
	o := orders[0]
	key := fmt.Sprint(o.ID) // which is the stamp too
	made := s.world.EMTA.ByStamp(key)
	switch {
	case row.init == taken:
		require.Equal(t, order.Created, o.State)
	case row.proven:
		require.Equal(t, order.Cancelled, o.State)
		require.NotEmpty(t, o.Fault)
		require.Empty(t, made, "the proof is none")
		again, _, err := s.world.Core.StartPayment(t.Context(), ask)
		require.NoError(t, err)
		require.NotEqual(t, key, again.ID)
	default:
		require.Equal(t, order.Creating, o.State)
		require.Empty(t, o.EMTAOrderID)
		found, err := s.world.Core.Refresh(t.Context(), key)
		if len(made) == 0 {
			require.Equal(t, order.OutcomeUnknown, codeOf(t, err))
			require.Equal(t, order.Creating, s.ordersOf(t, ask.AnnouncementID)[0].State)
			break
		}
		require.NoError(t, err)
		require.Equal(t, "created", found.State)
		require.Equal(t, made[0].ID, found.EMTAOrderID)
	}
	require.Equal(t, 1, s.relay.inits(key), "Inits of the row")
}

// tryGet refreshes an order that the payer has begun to pay meanwhile, which shows only by an answer that counts.
func (s *stage) tryGet(t *testing.T, row badRow) {
	o, announcement := s.started(t)
	require.NoError(t, s.world.EMTA.ChooseMethod(o.EMTAOrderID))
	s.arm(t, simulator.OperationGet, row)
	_, err := s.world.Core.Refresh(t.Context(), o.ID)
	s.disarm()
	want, state := row.wants(simulator.OperationGet), order.Created
	if want == taken {
		state = order.Pending
	}
	require.Equal(t, want, codeOf(t, err), "%v", err)
	require.Equal(t, state, s.ordersOf(t, announcement)[0].State)
	again, err := s.world.Core.Refresh(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, "pending", again.State)
}

// tryCancel cancels an order. One that was not cancelled is untouched, and what EMTA did with it shows by the next Get.
func (s *stage) tryCancel(t *testing.T, row badRow) {
	o, announcement := s.started(t)
	before := s.ordersOf(t, announcement)
	s.arm(t, simulator.OperationCancel, row)
	_, err := s.world.Core.Cancel(t.Context(), o.ID)
	s.disarm()
	require.Equal(t, row.cancel, codeOf(t, err), "%v", err)
	after := s.ordersOf(t, announcement)
	if row.cancel == taken {
		require.Equal(t, order.Cancelled, after[0].State)
		return
	}
	require.Equal(t, order.Created, after[0].State)
	require.Equal(t, before[0].PaymentURL, after[0].PaymentURL)
	at, known := s.world.EMTA.Order(o.EMTAOrderID)
	require.True(t, known)
	again, err := s.world.Core.Refresh(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, string(at.State), again.State)
}

// tryList looks for an order whose Init was lost. It stays in creation until a List says where it is.
func (s *stage) tryList(t *testing.T, row badRow) {
	ask := s.demo.ask()
	s.arm(t, simulator.OperationInit, badRow{mischief: simulator.Mischief{CutAfter: true}})
	_, _, err := s.world.Core.StartPayment(t.Context(), ask)
	require.Equal(t, order.OutcomeUnknown, codeOf(t, err))
	key := fmt.Sprint(s.ordersOf(t, ask.AnnouncementID)[0].ID)
	s.arm(t, simulator.OperationList, row)
	_, err = s.world.Core.Refresh(t.Context(), key)
	s.disarm()
	want, state := row.wants(simulator.OperationList), order.Creating
	if want == taken {
		state = order.Created
	}
	require.Equal(t, want, codeOf(t, err), "%v", err)
	require.Equal(t, state, s.ordersOf(t, ask.AnnouncementID)[0].State)
	again, err := s.world.Core.Refresh(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, "created", again.State)
	require.Equal(t, 1, s.relay.inits(key))
}

// Whatever the world answers, the core hears the right problem, an order changes only by an answer that counts, and no row is
// sent to EMTA twice.
func TestBadWorld(t *testing.T) {
	rows := slices.Concat(faultRows(), answerRows)
	for _, operation := range []string{simulator.OperationInit, simulator.OperationGet, simulator.OperationCancel, simulator.OperationList} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			var s *stage
			for i, row := range rows {
				if i%rowsOfStage == 0 {
					s = newStage(t, nil)
				}
				if row.further && operation != simulator.OperationInit || testing.Short() && (row.further || row.slow) {
					continue
				}
				t.Run(row.name, func(t *testing.T) {
					switch operation {
					case simulator.OperationInit:
						s.arm(t, operation, row)
						s.tryInit(t, row)
					case simulator.OperationGet:
						s.tryGet(t, row)
					case simulator.OperationCancel:
						s.tryCancel(t, row)
					case simulator.OperationList:
						s.tryList(t, row)
					}
				})
				require.Zero(t, s.relay.wandered.Load(), "a redirect was followed")
				require.Less(t, s.relay.most.Load(), int64(mostRead), "bytes of one answer that were read")
				s.relay.onceEach(t)
			}
		})
	}
}

// Without a connection nothing can have happened, and the core is told that it may try again.
func TestNoSecurityServer(t *testing.T) {
	s := newStage(t, nil)
	o, announcement := s.started(t)
	lost := s.demo.ask()
	s.arm(t, simulator.OperationInit, badRow{mischief: simulator.Mischief{CutAfter: true}})
	_, _, err := s.world.Core.StartPayment(t.Context(), lost)
	require.Equal(t, order.OutcomeUnknown, codeOf(t, err))
	s.relay.close()

	ask := s.demo.ask()
	_, _, err = s.world.Core.StartPayment(t.Context(), ask)
	require.Equal(t, order.Unavailable, codeOf(t, err))
	require.Equal(t, order.Cancelled, s.ordersOf(t, ask.AnnouncementID)[0].State)
	_, err = s.world.Core.Refresh(t.Context(), o.ID)
	require.Equal(t, order.OutcomeUnknown, codeOf(t, err))
	_, err = s.world.Core.Cancel(t.Context(), o.ID)
	require.Equal(t, order.Unavailable, codeOf(t, err))
	require.Equal(t, order.Created, s.ordersOf(t, announcement)[0].State)
	_, err = s.world.Core.Refresh(t.Context(), fmt.Sprint(s.ordersOf(t, lost.AnnouncementID)[0].ID))
	require.Equal(t, order.OutcomeUnknown, codeOf(t, err))
	require.Equal(t, order.Creating, s.ordersOf(t, lost.AnnouncementID)[0].State)
}

// By default a wrong or missing requestHash is reported and the answer is used (X-Road §9.5, 77).
func TestReportedRequestHash(t *testing.T) {
	s := newStage(t, func(settings *Settings) { settings.XRoad.RequestHash = "report" })
	for problem, answer := range map[string]badAnswer{
		"wrong": changed(hashValue, func(string) string { return ">Zm9yZ2Vk<" }), "missing": changed(hashElement, func(string) string { return "" }),
		"algorithm": changed(regexp.QuoteMeta("xmlenc#sha512"), func(string) string { return "xmlenc#md5" }),
	} {
		row := badRow{answer: answer, init: taken, get: taken, cancel: taken, list: taken}
		s.arm(t, simulator.OperationInit, row)
		s.tryInit(t, row)
		s.tryGet(t, row)
		s.tryCancel(t, row)
		s.tryList(t, row)
		require.Equal(t, 4, int(metric(t, s.program, "adapter_request_hash_problems_total", problem)), problem)
	}
}

// An endless answer is cut at the limit, and costs no more memory than that.
func TestEndlessAnswer(t *testing.T) {
	s := newStage(t, nil)
	o, announcement := s.started(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 10 {
		s.arm(t, simulator.OperationGet, badRow{answer: streamed("text/xml", "<a>")})
		_, err := s.world.Core.Refresh(t.Context(), o.ID)
		require.Equal(t, order.OutcomeUnknown, codeOf(t, err))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20))
	require.Less(t, int64(after.Sys)-int64(before.Sys), int64(128<<20))
	require.Less(t, s.relay.most.Load(), int64(mostRead))
	require.Equal(t, order.Created, s.ordersOf(t, announcement)[0].State)
}

// metric is the value of a counter with one label.
func metric(t testing.TB, p *Program, name, label string) float64 {
	t.Helper()
	families, err := p.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	require.Fail(t, "no metric "+name+" of "+label)
	return 0
}
