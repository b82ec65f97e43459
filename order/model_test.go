package order_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// The simulated EMTA is the model: whatever happens, in whatever order, the store comes to agree with it, and the core
// hears of each completion, once as new (EMTA §§3-7).
func TestStoreComesToAgreeWithEMTA(t *testing.T) {
	checkModel(t, simulator.NotifyManual)
}

// Polling alone suffices (EMTA §7).
func TestStoreComesToAgreeWithoutNotifications(t *testing.T) {
	checkModel(t, simulator.NotifyNever)
}

func checkModel(t *testing.T, mode simulator.NotifyMode) {
	t.Parallel()
	dir := t.TempDir()
	checks := 0
	rapid.Check(t, func(t *rapid.T) {
		checks++
		rapid.SyncTest(t, func(t *rapid.T) {
			m := newModel(t, dir, checks, mode)
			defer m.close()
			t.Repeat(m.actions())
			m.settle()
		})
	})
}

// model is the world and what the test itself did to it.
type model struct {
	*world
	t *rapid.T

	spent      time.Duration // of the time that an order is followed
	crashed    bool
	lied       map[string]bool // what EMTA may have said against the truth: "cancelled", "amount"
	changed    map[string]bool // orders whose amount EMTA really changed, by EMTA's id
	duplicated bool            // EMTA made two orders of one request
	foreign    bool            // EMTA answered about another order than it was asked for
	told       map[string]int  // EMTA's orders of which a notification was taken, with how often each had moved then
	hidden     int             // lists that kept something back
	claimed    map[string]int64
	seen       int64 // events that the core has read
	failures   []string
}

func newModel(t *rapid.T, dir string, check int, mode simulator.NotifyMode) *model {
	o := worldOptions{path: ":memory:", seed: rapid.Uint64Range(1, 1<<32).Draw(t, "seed of EMTA's spelling"), emta: simulator.EMTAOptions{
		KeepExpired: rapid.Bool().Draw(t, "EMTA keeps expired orders"),
		Refusals: simulator.Refusals{
			Form: rapid.SampledFrom([]simulator.RefusalForm{simulator.InFaultCode, simulator.InFaultString, simulator.InDetail}).Draw(t, "form"),
			Word: rapid.SampledFrom([]simulator.RefusalWord{simulator.EnglishName, simulator.EstonianName, simulator.Number}).Draw(t, "word"),
		},
		List:          simulator.ListOptions{MaxPageSize: rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "page size"), NewestFirst: rapid.Bool().Draw(t, "newest first")},
		Notifications: simulator.NotifyOptions{Mode: mode},
	}}
	if rapid.IntRange(0, 9).Draw(t, "on a file if 0") == 0 {
		o.path = fmt.Sprintf("%s/%d.db", dir, check)
	}
	return &model{world: newWorld(t, dir, o), t: t, lied: map[string]bool{}, changed: map[string]bool{}, told: map[string]int{}, claimed: map[string]int64{}}
}

var announcements = []int64{101, 102, 103}

func (m *model) actions() map[string]func(*rapid.T) {
	run := func(draw func(*rapid.T) func()) func(*rapid.T) {
		return func(t *rapid.T) {
			draw(t)()
			if m.mortal.isDead() {
				m.crashed = true
				m.restart()
			}
		}
	}
	return map[string]func(*rapid.T){
		"start": run(m.start), "start again": run(m.start), "payer": run(m.payer), "payer again": run(m.payer), "annul": run(m.annul),
		"time": run(m.time), "time again": run(m.time), "work": run(m.work), "work again": run(m.work), "work once more": run(m.work),
		"notification": run(m.notification), "notification again": run(m.notification), "unknown id": run(m.unknownID),
		"operator": run(m.operator), "core": run(m.core), "mischief": run(m.mischief), "mischief again": run(m.mischief),
		"in the middle": run(m.inTheMiddle), "crash": run(m.crash), "change amount": run(m.changeAmount),
		"refresh in a bad world": run(m.badRefresh), "told in the middle": run(m.toldInTheMiddle),
		"": func(t *rapid.T) { m.check(t) },
	}
}

// start asks for a payment of one of few announcements and amounts.
func (m *model) start(t *rapid.T) func() {
	a := ask(rapid.SampledFrom(announcements).Draw(t, "announcement"), rapid.SampledFrom([]string{"30.00", "13.55"}).Draw(t, "amount"))
	return func() {
		before := m.wire.count(opInit)
		o, _, err := m.module.Start(context.Background(), a)
		m.expect(m.wire.count(opInit) <= before+1, "one start asked EMTA for %d orders", m.wire.count(opInit)-before)
		m.expectCode(err, order.AlreadyPaid, order.Refused, order.NoPaymentLink, order.OutcomeUnknown, order.InProgress, order.Unavailable)
		var failed *order.Error
		if errors.As(err, &failed) && failed.Code == order.Unavailable {
			m.expect(m.wire.count(opInit) == before, "unavailable, and EMTA was asked for an order")
		}
		if err != nil {
			return
		}
		m.expect(o.State == order.Created, "start answered with an order that is %s", o.State)
		m.expect(o.PaymentURL != "" && o.AskedAmount.StringFixed(2) == a.Amount && !o.Mismatch, "start answered with %+v for %s", o, a.Amount)
		all, err := m.store.OrdersOf(context.Background(), a.AnnouncementID)
		m.expect(err == nil, "reading: %v", err)
		for _, other := range all {
			m.expect(other.State != order.Completed, "announcement %d is paid by order %d and the payer is sent to pay order %d", a.AnnouncementID, other.ID, o.ID)
		}
	}
}

// anyOrder draws one of EMTA's orders, "" if it has none.
func (m *model) anyOrder(t *rapid.T) string {
	all := m.emta.Orders()
	if len(all) == 0 {
		return ""
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "EMTA's order")].ID
}

func (m *model) payer(t *rapid.T) func() {
	id := m.anyOrder(t)
	moves := map[string]func(string) error{"pay": m.emta.Pay, "choose": m.emta.ChooseMethod, "card refused": m.emta.Refuse,
		"go back": m.emta.CancelByPayer, "pay after cancel": m.emta.PayCancelled}
	move := rapid.SampledFrom([]string{"pay", "pay", "choose", "card refused", "go back", "pay after cancel"}).Draw(t, "move")
	return func() {
		_ = moves[move](id) // a move that the state does not allow is none
		m.history.record()
	}
}

func (m *model) annul(t *rapid.T) func() {
	id, partly := m.anyOrder(t), rapid.Bool().Draw(t, "partly")
	return func() {
		_ = m.emta.Annul(id, partly)
		m.history.record()
	}
}

// changeAmount makes EMTA really say another amount of an order that has come to be known.
func (m *model) changeAmount(t *rapid.T) func() {
	if rapid.IntRange(0, 4).Draw(t, "seldom") != 0 {
		return func() {}
	}
	id := m.anyOrder(t)
	return func() {
		if _, err := m.store.OrderByEMTA(context.Background(), id); err == nil {
			_ = m.emta.ChangeAmount(id, *euros("12.00"))
			m.changed[id] = true
			m.history.record()
		}
	}
}

// mostTime is less than the 30 days for which an order is followed.
const mostTime = 15 * 24 * time.Hour

func (m *model) time(t *rapid.T) func() {
	d := rapid.SampledFrom([]time.Duration{time.Second, 15 * time.Second, time.Minute, 4 * time.Minute, 14 * time.Minute, time.Hour, 7 * time.Hour, 26 * time.Hour, 73 * time.Hour}).Draw(t, "time")
	return func() { m.pass(d) }
}

func (m *model) pass(d time.Duration) {
	if m.spent+d > mostTime {
		return
	}
	m.spent += d
	time.Sleep(d)
	m.history.record()
}

// work is one pass of the background work, without waiting until it is done with all.
func (m *model) work(*rapid.T) func() {
	return func() {
		_, err := m.module.Work(context.Background())
		m.expect(err == nil || m.mortal.isDead(), "background work: %v", err)
	}
}

func (m *model) notification(t *rapid.T) func() {
	waiting := len(m.emta.Pending())
	if waiting == 0 {
		return func() {}
	}
	i := rapid.IntRange(0, waiting-1).Draw(t, "notification")
	what := rapid.SampledFrom([]string{"deliver", "deliver", "deliver and keep", "drop"}).Draw(t, "what")
	return func() {
		if what != "drop" {
			m.deliver(i)
		}
		if what != "deliver and keep" {
			_ = m.emta.Drop(i)
		}
	}
}

// deliver notes what the module was told of and has taken. A dead process answers nothing.
func (m *model) deliver(i int) {
	pending := m.emta.Pending()
	m.history.record()
	if i < 0 || i >= len(pending) {
		return
	}
	id := pending[i].OrderID
	answer, err := m.emta.Deliver(context.Background(), i)
	if p := m.history.past(id); err == nil && answer.OK() && p != nil {
		m.told[id] = p.moves
	}
}

// unknownID is a notification of an id that nobody knows.
func (m *model) unknownID(t *rapid.T) func() {
	id := rapid.SampledFrom([]string{"nobody-1", "nobody-2"}).Draw(t, "id")
	return func() {
		a, err := m.emta.Notify(context.Background(), id)
		m.expect(m.mortal.isDead() || err == nil && a.FaultString == "Order not found with id: "+id, "unknown id was answered %+v, %v", a, err)
	}
}

func (m *model) operator(t *rapid.T) func() {
	all := m.orders()
	if len(all) == 0 {
		return func() {}
	}
	id := all[rapid.IntRange(0, len(all)-1).Draw(t, "order")].ID
	what := rapid.SampledFrom([]string{"refresh", "refresh", "cancel", "accept"}).Draw(t, "what")
	return func() {
		ctx := context.Background()
		switch what {
		case "refresh":
			_, err := m.module.Refresh(ctx, id, operator)
			m.expectCode(err, order.OutcomeUnknown, order.InProgress)
		case "cancel":
			_, err := m.module.Cancel(ctx, id, operator)
			m.expectCode(err, order.NotCancellable, order.OutcomeUnknown, order.Refused, order.InProgress)
		case "accept":
			_, err := m.module.Accept(ctx, id, "the payer rang", operator)
			m.expectCode(err, order.NotMismatched)
		}
	}
}

// core reads the feed and confirms what it hears of, sometimes too late.
func (m *model) core(t *rapid.T) func() {
	confirm := rapid.Bool().Draw(t, "confirm")
	return func() {
		if m.mortal.isDead() {
			return
		}
		m.read(confirm)
	}
}

func (m *model) read(confirm bool) {
	for _, e := range m.events() {
		if e.Seq <= m.seen {
			continue
		}
		d := readEvent(m.t, e)
		if d.kind == order.EventCompleted && confirm {
			_, err := m.module.Claim(context.Background(), d.ID, d.CompletionID, operator)
			m.expectCode(err, order.Mismatched, order.NotCompleted)
			if last, lastErr := m.store.LastEvent(context.Background()); err == nil && lastErr == nil && m.claimed[d.CompletionID] == 0 {
				m.claimed[d.CompletionID] = last
			}
		}
		m.seen = e.Seq
	}
}

// mischief queues what the next call of an operation does wrong.
func (m *model) mischief(t *rapid.T) func() {
	return m.mischiefOf(t, rapid.SampledFrom([]string{opInit, opInit, opGet, opGet, opList, opCancel}).Draw(t, "operation"))
}

func (m *model) mischiefOf(t *rapid.T, operation string) func() {
	names := anywhereWrong
	switch operation {
	case opInit:
		names = slices.Concat(names, answerWrong, initWrong)
	case opGet:
		names = slices.Concat(names, answerWrong, getWrong)
	case opList:
		names = slices.Concat(names, []string{"hide", "hide", "unknown state", "wrong amount", "wrong reference", "wrong stamp"})
	case opCancel:
		names = slices.Concat(names, getWrong, []string{"empty 204", "refuse 204"})
	}
	name := rapid.SampledFrom(names).Draw(t, "mischief")
	creating := m.creating()
	stamp := "0"
	if len(creating) > 0 {
		stamp = rapid.SampledFrom(creating).Draw(t, "stamp")
	}
	return func() {
		wrong := mischiefs[name]
		switch name {
		case "wrong amount":
			m.lied["amount"] = true
		case "empty 204", "refuse 204", "refuse 404", "refuse 404 in a status":
			m.lied["cancelled"] = true
		case "another order", "wrong reference", "wrong stamp":
			m.foreign = m.foreign || operation == opGet
		case "duplicate":
			m.duplicated = true
		case "hide":
			wrong.HideFromList = stamp
		}
		if operation == opList && (name == "hide" || name == "wrong stamp") {
			// Three lists and a day make an order not found: EMTA may not lie as often as that.
			if m.hidden++; m.hidden > 2 {
				return
			}
		}
		m.wire.misbehave(operation, wrong)
	}
}

func (m *model) creating() []string {
	var stamps []string
	for _, o := range m.orders() {
		if o.State == order.Creating {
			stamps = append(stamps, fmt.Sprint(o.ID))
		}
	}
	return stamps
}

// mischiefs by name. What would prove that nothing was created does not create; answers about others say that they are paid.
var (
	mischiefs = map[string]simulator.Mischief{
		"cut before":                {CutBefore: true, Place: simulator.AtSecurityServer},
		"cut after":                 {CutAfter: true, Place: simulator.AtSecurityServer},
		"cut before EMTA":           {CutBefore: true, Place: simulator.AtEMTA},
		"cut after EMTA":            {CutAfter: true, Place: simulator.AtEMTA},
		"fault":                     {Fault: "Server.ServerProxy.ServiceFailed.IOError", Spelling: simulator.CamelCase, Acted: true},
		"fault, snake case":         {Fault: "Server.ServerProxy.ServiceFailed.IOError", Spelling: simulator.SnakeCase, Acted: true},
		"fault before":              {Fault: "Server.ClientProxy.InternalError", Spelling: simulator.CamelCase},
		"access denied":             {Fault: "Server.ServerProxy.AccessDenied", Spelling: simulator.SnakeCase},
		"access denied, camel case": {Fault: "Server.ServerProxy.AccessDenied", Spelling: simulator.CamelCase},
		"HTML":                      {HTML: 502},
		"garbage":                   {Garbage: true},
		"truncate":                  {Truncate: true},
		"empty 204":                 {EmptyBody204: true},
		"wrong id":                  {WrongID: true, Place: simulator.AtSecurityServer},
		"wrong id of EMTA":          {WrongID: true, Place: simulator.AtEMTA},
		"wrong hash":                {WrongHash: true},
		"wrong content type":        {WrongContentType: true, Place: simulator.AtSecurityServer},
		"late":                      {DelayAfter: 9 * time.Second, Place: simulator.AtSecurityServer},
		"acts late":                 {DelayBefore: 9 * time.Second, Place: simulator.AtEMTA},
		"slow":                      {DelayAfter: 4 * time.Second, Place: simulator.AtEMTA},
		"another order":             {AnotherOrder: true},
		"wrong amount":              {WrongAmount: euros("1.00")},
		"wrong reference":           {WrongReference: "13", UnknownState: "completed"},
		"wrong stamp":               {WrongStamp: "999", UnknownState: "completed"},
		"unknown state":             {UnknownState: "refunded"},
		"no link":                   {NoLink: true},
		"no expires":                {NoExpires: true},
		"duplicate":                 {Duplicate: true},
		"provider's fault":          {ProviderFault: "soap:Server", FaultText: "out of order", Acted: true},
		"unauthorized":              {ProviderFault: "Unauthorized", FaultText: "Who are you?"},
		"refuse 400":                {Refuse: 400},
		"refuse 403":                {Refuse: 403},
		"refuse 404":                {Refuse: 404},
		"refuse 409":                {Refuse: 409},
		"refuse 204":                {Refuse: 204},
	}
	anywhereWrong = []string{"cut before", "cut after", "cut before EMTA", "cut after EMTA", "fault", "fault, snake case", "fault before", "access denied",
		"access denied, camel case", "HTML", "garbage", "truncate", "wrong id", "wrong id of EMTA", "wrong hash", "wrong content type", "late", "acts late", "slow", "provider's fault"}
	answerWrong = []string{"another order", "wrong amount", "wrong reference", "wrong stamp", "unknown state", "no link", "no expires", "empty 204"}
	initWrong   = []string{"duplicate", "unauthorized", "refuse 400", "refuse 403"}
	getWrong    = []string{"unauthorized", "refuse 403", "refuse 404", "refuse 409"}
)

// inTheMiddle has something happen while the next call is under way, before EMTA acts or after.
func (m *model) inTheMiddle(t *rapid.T) func() {
	draws := map[string]func(*rapid.T) func(){"payer": m.payer, "annul": m.annul, "notification": m.notification, "core": m.core,
		"die": m.die, "time": m.time, "other replica": m.otherReplica}
	act := draws[rapid.SampledFrom(slices.Sorted(maps.Keys(draws))).Draw(t, "what")](t)
	before := rapid.Bool().Draw(t, "before")
	return func() {
		m.wire.mu.Lock()
		defer m.wire.mu.Unlock()
		if before {
			m.wire.before = func(string) { act() }
		} else {
			m.wire.after = func(string) { act() }
		}
	}
}

// badRefresh has an operator ask EMTA while it misbehaves.
func (m *model) badRefresh(t *rapid.T) func() {
	known := m.knownToEMTA()
	if len(known) == 0 {
		return func() {}
	}
	id, misbehave := rapid.SampledFrom(known).Draw(t, "order"), m.mischiefOf(t, opGet)
	return func() {
		misbehave()
		_, err := m.module.Refresh(context.Background(), id, operator)
		m.expectCode(err, order.OutcomeUnknown, order.InProgress)
	}
}

func (m *model) knownToEMTA() []int64 {
	var ids []int64
	for _, o := range m.orders() {
		if o.EMTAOrderID != "" {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// toldInTheMiddle notifies of a move, and of another while the first notification is processed: the trap of EMTA §6.
func (m *model) toldInTheMiddle(t *rapid.T) func() {
	first, second := m.payer(t), m.payer(t)
	newest := func() { m.deliver(len(m.emta.Pending()) - 1) }
	return func() {
		first()
		newest()
		m.wire.mu.Lock()
		m.wire.after = func(string) {
			second()
			newest()
		}
		m.wire.mu.Unlock()
		m.work(nil)()
	}
}

// otherReplica is the background work of a second program on the same database.
func (m *model) otherReplica(*rapid.T) func() {
	return func() {
		_, err := m.replica(m.store).Work(context.Background())
		m.expect(err == nil, "background work of another replica: %v", err)
	}
}

// die ends the process where it stands.
func (m *model) die(*rapid.T) func() { return func() { m.mortal.kill() } }

// crash lets the process die at some call of the store in what follows.
func (m *model) crash(t *rapid.T) func() {
	calls, made := rapid.IntRange(0, 12).Draw(t, "calls"), rapid.Bool().Draw(t, "made")
	return func() { m.mortal.dieAfter(calls, made) }
}

// expect notes what is wrong; check fails for it. It may be called where a test must not be ended.
func (m *model) expect(ok bool, format string, args ...any) {
	if !ok {
		m.failures = append(m.failures, fmt.Sprintf(format, args...))
	}
}

// expectCode wants no error, one of the codes, or a dead process.
func (m *model) expectCode(err error, codes ...order.Code) {
	var e *order.Error
	if err == nil || m.mortal.isDead() || errors.As(err, &e) && slices.Contains(codes, e.Code) {
		return
	}
	m.expect(false, "unexpected error %v", err)
}

// check holds after every action.
func (m *model) check(t *rapid.T) {
	require.Empty(t, m.failures)
	m.history.record()
	live := map[int64]bool{}
	all := m.orders()
	for _, o := range all {
		require.False(t, o.Live && live[o.AnnouncementID], "announcement %d has two live attempts", o.AnnouncementID)
		live[o.AnnouncementID] = live[o.AnnouncementID] || o.Live
		m.checkTruth(t, o)
	}
	m.checkEvents(t, all)
	m.checkNotifications(t)
	if !m.duplicated {
		stamps := map[string]bool{}
		for _, e := range m.emta.Orders() {
			require.False(t, stamps[e.Stamp], "EMTA has two orders of row %s", e.Stamp)
			stamps[e.Stamp] = true
		}
	}
}

// checkTruth wants no data that EMTA's order with that stamp never had.
func (m *model) checkTruth(t *rapid.T, o order.Order) {
	if o.EMTAOrderID == "" {
		require.Contains(t, []order.State{order.Creating, order.Cancelled}, o.State)
		return
	}
	p := m.history.past(o.EMTAOrderID)
	require.NotNil(t, p, "order %d has an id that EMTA never gave", o.ID)
	require.Equal(t, fmt.Sprint(o.ID), p.stamp, "order %d has the id of another", o.ID)
	require.True(t, p.states[o.State] || o.State == order.Cancelled && m.lied["cancelled"], "order %d was never %s at EMTA", o.ID, o.State)
	require.True(t, p.amounts[o.Amount.StringFixed(2)] || m.lied["amount"], "order %d was never of %s at EMTA", o.ID, o.Amount)
	require.True(t, p.finished[o.Finished.Truncate(time.Millisecond)], "order %d never finished at %s", o.ID, o.Finished)
	require.Equal(t, o.State == order.Completed && !o.Mismatch, o.CompletionID != "" && !o.Mismatch, "order %d: %s, completion %q", o.ID, o.State, o.CompletionID)
}

// checkNotifications wants of each notification that was taken that it is open, or that what it told of was written (EMTA §6).
// An answer about another order settles one too.
func (m *model) checkNotifications(t *rapid.T) {
	for id, moves := range m.told {
		p := m.history.past(id)
		if m.foreign || p.moves != moves {
			continue
		}
		_, err := m.store.OpenNotification(context.Background(), id)
		if !errors.Is(err, order.ErrNotFound) {
			require.NoError(t, err)
			continue
		}
		o, err := m.store.OrderByEMTA(context.Background(), id)
		require.NoError(t, err)
		if m.lied["cancelled"] && o.State == order.Cancelled {
			continue
		}
		require.Equal(t, p.last, o.State, "a notification of order %d was processed and what it told of was lost", o.ID)
	}
}

// checkEvents wants of each order a sequence of events that can be, and of each completion one that is new.
func (m *model) checkEvents(t *rapid.T, all []order.Order) {
	type subject struct {
		state        order.State
		justReverted bool // to cancelled, which is told apart
		completion   string
		attempt      int
		reverted     int
		completed    int
		cancelled    bool // since it was last completed
	}
	of := map[int64]*subject{}
	offered := map[string]int64{} // completion id → order
	for _, e := range m.events() {
		d := readEvent(t, e)
		if d.kind == order.EventSuspicious {
			continue
		}
		s := of[d.ID]
		if s == nil {
			s = &subject{state: order.Creating}
			of[d.ID] = s
		}
		switch d.kind {
		case order.EventCompleted:
			require.Equal(t, order.Completed, d.State)
			require.False(t, d.AmountMismatch, "event %d offers another amount than asked", e.Seq)
			require.True(t, m.claimed[d.CompletionID] == 0 || e.Seq <= m.claimed[d.CompletionID], "event %d offers what was confirmed", e.Seq)
			if d.Attempt == 1 {
				require.Zero(t, offered[d.CompletionID], "completion %s is new twice", d.CompletionID)
				require.Empty(t, s.completion, "event %d: completed twice without a reversal", e.Seq)
				offered[d.CompletionID] = d.ID
				s.completed++
			} else {
				require.Equal(t, s.completion, d.CompletionID, "event %d repeats what was never new", e.Seq)
				require.Equal(t, s.attempt+1, d.Attempt)
			}
			require.Equal(t, s.cancelled, d.AfterCancel, "event %d", e.Seq)
			s.completion, s.attempt = d.CompletionID, d.Attempt
		case order.EventReverted:
			s.reverted++
			require.NotEqual(t, order.Completed, d.State)
			require.Empty(t, d.CompletionID)
			s.completion, s.attempt, s.cancelled = "", 0, false
		default:
			require.Equal(t, d.kind, "order."+string(d.State))
			require.True(t, d.State != s.state || s.justReverted, "event %d tells of no change", e.Seq)
			require.Empty(t, s.completion, "event %d comes before the reversal", e.Seq)
		}
		s.cancelled = s.cancelled || d.State == order.Cancelled
		s.state, s.justReverted = d.State, d.kind == order.EventReverted && d.State == order.Cancelled
	}
	for _, o := range all {
		s := of[o.ID]
		if s == nil {
			require.Equal(t, order.Creating, o.State, "of order %d, %s, nothing was told", o.ID, o.State)
			continue
		}
		if !o.Mismatch || o.State != order.Completed {
			require.Equal(t, o.State, s.state, "order %d is %s and the core has heard %s", o.ID, o.State, s.state)
		}
		require.Equal(t, o.CompletionID, s.completion)
		if p := m.history.past(o.EMTAOrderID); p != nil && !m.lied["amount"] {
			require.LessOrEqual(t, s.completed, p.completions, "order %d was reported completed too often", o.ID)
			require.LessOrEqual(t, s.reverted, p.reversals, "order %d was reported reverted too often", o.ID)
		}
	}
}

// settle lets the world be right again and wants the store to agree with EMTA, and the core to have heard.
func (m *model) settle() {
	m.wire.behave()
	m.restart()
	m.agree()
	m.read(true)
	m.seen = 0
	m.read(true)
	for _, o := range m.orders() {
		if o.State == order.Completed && !o.Mismatch {
			assert.True(m.t, o.ClaimForwarded, "order %d was paid and the core could not confirm it", o.ID)
		}
	}
	for range 5 { // longer than the longest time between offers: what was confirmed must not be offered in it
		time.Sleep(5 * time.Hour)
		m.world.work()
		m.history.record()
	}
	m.agree()
}

// agree works for up to 40 days, until the store and EMTA agree.
func (m *model) agree() {
	for end := time.Now().Add(40 * 24 * time.Hour); ; {
		m.world.work()
		m.history.record()
		m.check(m.t)
		if len(m.disagreements()) == 0 {
			return
		}
		require.True(m.t, time.Now().Before(end), "after 40 days: %s", strings.Join(m.disagreements(), "; "))
		time.Sleep(time.Until(m.nextDue(time.Now().Add(time.Hour))))
	}
}

// disagreements are where the store and EMTA differ.
func (m *model) disagreements() []string {
	var wrong []string
	for _, o := range m.orders() {
		if o.State == order.Creating {
			wrong = append(wrong, fmt.Sprintf("order %d is still of unknown outcome", o.ID))
		}
		if o.EMTAOrderID == "" {
			continue
		}
		e, _ := m.emta.Order(o.EMTAOrderID)
		if order.State(e.State) != o.State || !e.Amount.Equal(o.Amount) || !e.Finished.Truncate(time.Millisecond).Equal(o.Finished.Truncate(time.Millisecond)) {
			wrong = append(wrong, fmt.Sprintf("order %d is %s, %s here and %s, %s at EMTA", o.ID, o.State, o.Amount, e.State, e.Amount))
		}
		if o.State == order.Completed && e.Amount.Equal(o.AskedAmount) && o.CompletionID == "" {
			wrong = append(wrong, fmt.Sprintf("order %d is paid and was not reported", o.ID))
		}
	}
	if m.duplicated {
		return wrong
	}
	for _, e := range m.emta.Orders() {
		if _, err := m.store.OrderByEMTA(context.Background(), e.ID); err != nil {
			wrong = append(wrong, fmt.Sprintf("EMTA's order %s of row %s is not known", e.ID, e.Stamp))
		}
	}
	return wrong
}
