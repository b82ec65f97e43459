package order_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
)

var ctx = context.Background()

// inWorld runs a test in a bubble, on a memory database.
func inWorld(t *testing.T, o worldOptions, run func(t *testing.T, w *world)) {
	t.Helper()
	if o.path == "" {
		o.path = ":memory:"
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", o)
		defer w.close()
		run(t, w)
	})
}

// EMTA §4, 1: the announcement's newest order decides.
func TestStart(t *testing.T) {
	for _, row := range []struct {
		name   string
		before func(w *world) // what there was when the payer came
		emta   simulator.EMTAOptions
		amount string // asked for now; "": 30.00
		calls  string // that the start makes
		code   order.Code
		reused int64         // the order given again; 0: another
		states []order.State // of all orders then, oldest first
	}{
		{name: "none", calls: "Init", states: states(order.Created)},
		{name: "L that fits", before: startedOnce, reused: 1, states: states(order.Created)},
		{name: "L that fits just so", before: and(startedOnce, sleep(12*time.Minute)), reused: 1, states: states(order.Created)},
		{name: "L with too little time", before: and(startedOnce, sleep(12*time.Minute+time.Second)), calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "L of another amount", before: startedOnce, amount: "45.00", calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "L, Cancel 409", before: and(startedOnce, pays("choose")), amount: "45.00", calls: "Cancel Init", states: states(order.Created, order.Created)},
		{name: "L, Cancel 409 in a status", before: and(startedOnce, pays("choose")), emta: refusing(simulator.AsHTTPStatus, ""), amount: "45.00", calls: "Cancel Init", states: states(order.Created, order.Created)},
		{name: "L, Cancel timeout", before: and(startedOnce, wrong(opCancel, simulator.Mischief{DelayBefore: 9 * time.Second, Place: simulator.AtEMTA})), amount: "45.00", calls: "Cancel Init", states: states(order.Created, order.Created)},
		{name: "L, Cancel 404", before: and(startedOnce, wrong(opCancel, simulator.Mischief{Refuse: 404})), amount: "45.00", calls: "Cancel Init", states: states(order.Created, order.Created)},
		{name: "L, Cancel 204 in a status", before: and(startedOnce, pays("back")), amount: "45.00", calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "L, Cancel 204 in a fault", before: and(startedOnce, pays("back")), emta: simulator.EMTAOptions{Refusals: simulator.Refusals{Word: simulator.Number, Cancelled: simulator.InFaultCode}}, amount: "45.00", calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "L, Cancel 204 in a detail", before: and(startedOnce, pays("back")), emta: simulator.EMTAOptions{Refusals: simulator.Refusals{Word: simulator.Number, Cancelled: simulator.InDetail}}, amount: "45.00", calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "L, Cancel a plain 204", before: and(startedOnce, wrong(opCancel, simulator.Mischief{EmptyBody204: true, Place: simulator.AtSecurityServer})), amount: "45.00", calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "L without a link", before: and(wrong(opInit, simulator.Mischief{NoLink: true}), startedSomehow), calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "two L, the older fits", before: twoCreated, amount: "30.00", reused: 1, states: states(order.Created, order.Created)},
		{name: "two L, none fits", before: twoCreated, amount: "50.00", calls: "Cancel Cancel Init", states: states(order.Cancelled, order.Cancelled, order.Created)},
		{name: "P still", before: and(startedOnce, pays("choose"), refresh), calls: "Get Init", states: states(order.Pending, order.Created)},
		{name: "P, now T", before: and(startedOnce, pays("choose"), refresh, pays("pay")), calls: "Get", code: order.AlreadyPaid, states: states(order.Completed)},
		{name: "P, now X", before: and(startedOnce, pays("choose"), refresh, pays("back")), calls: "Get Init", states: states(order.Cancelled, order.Created)},
		{name: "P, Get failed", before: and(startedOnce, pays("choose"), refresh, wrong(opGet, simulator.Mischief{HTML: 502})), calls: "Get Init", states: states(order.Pending, order.Created)},
		{name: "T", before: and(startedOnce, pays("pay"), refresh), code: order.AlreadyPaid, states: states(order.Completed)},
		{name: "X, an older T", before: and(twoCreated, pays("pay"), refresh, lastGoesBack), code: order.AlreadyPaid, states: states(order.Completed, order.Cancelled)},
		{name: "X", before: and(startedOnce, pays("back"), refresh), calls: "Init", states: states(order.Cancelled, order.Created)},
		{name: "T taken back, L", before: and(startedOnce, pays("pay"), refresh, annulled(false), refresh), reused: 1, states: states(order.Created)},
		{name: "T taken back, L and late", before: and(startedOnce, pays("pay"), refresh, annulled(false), refresh, sleep(time.Hour)), calls: "Cancel Init", states: states(order.Cancelled, order.Created)},
		{name: "U under way", before: lost, calls: "", code: order.InProgress, states: states(order.Creating)},
		{name: "U past its deadline, made", before: and(lost, sleep(36*time.Second)), calls: "List", reused: 1, states: states(order.Created)},
		{name: "U past its deadline, not made", before: and(neverMade, sleep(36*time.Second)), calls: "List Init", states: states(order.Creating, order.Created)},
		{name: "U past its deadline, List failed", before: and(lost, sleep(36*time.Second), wrong(opList, simulator.Mischief{CutAfter: true, Place: simulator.AtEMTA})), calls: "List", code: order.OutcomeUnknown, states: states(order.Creating)},
		{name: "U past its deadline, List incomplete", before: and(neverMade, twoOthers, sleep(36*time.Second), wrong(opList, simulator.Mischief{AnotherOrder: true})), emta: simulator.EMTAOptions{List: simulator.ListOptions{MaxPageSize: 1}}, calls: "List List", code: order.OutcomeUnknown, states: states(order.Creating, order.Created, order.Created)},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{emta: row.emta}, func(t *testing.T, w *world) {
				if row.before != nil {
					row.before(w)
				}
				sent := len(w.wire.requests)
				amount := row.amount
				if amount == "" {
					amount = "30.00"
				}
				o, reused, err := w.module.Start(ctx, ask(101, amount))
				require.Equal(t, row.code, code(t, err))
				require.Equal(t, row.calls, w.callsSince(sent))
				require.Equal(t, row.states, w.states())
				if row.code != "" {
					return
				}
				require.Equal(t, row.reused != 0, reused)
				require.Equal(t, amount, o.AskedAmount.StringFixed(2))
				e, found := w.emta.Order(o.EMTAOrderID)
				require.True(t, found)
				require.Equal(t, e.PayURL, o.PaymentURL)
				require.Equal(t, strconv.FormatInt(o.ID, 10), e.Stamp)
				if reused {
					require.Equal(t, row.reused, o.ID)
				}
			})
		})
	}
}

func states(s ...order.State) []order.State { return s }

func (w *world) states() []order.State {
	var all []order.State
	for _, o := range w.orders() {
		all = append(all, o.State)
	}
	return all
}

// callsSince are the operations that were sent after the first n requests, e.g. "Cancel Init".
func (w *world) callsSince(n int) string {
	var names []string
	for _, body := range w.wire.requests[n:] {
		names = append(names, strings.TrimPrefix(operationForm.FindStringSubmatch(body)[1], "cpgOrder"))
	}
	return strings.Join(names, " ")
}

// What may have happened before, for tables.

func and(steps ...func(*world)) func(*world) {
	return func(w *world) {
		for _, step := range steps {
			step(w)
		}
	}
}

func startedOnce(w *world) { w.started(101, "30.00") }

func startedSomehow(w *world) { _, _, _ = w.module.Start(ctx, ask(101, "30.00")) }

func refresh(w *world) {
	_, err := w.module.Refresh(ctx, 1, operator)
	require.NoError(w.t, err)
}

func sleep(d time.Duration) func(*world) { return func(*world) { time.Sleep(d) } }

func wrong(operation string, m simulator.Mischief) func(*world) {
	return func(w *world) { w.wire.misbehave(operation, m) }
}

func refusing(form simulator.RefusalForm, word simulator.RefusalWord) simulator.EMTAOptions {
	return simulator.EMTAOptions{Refusals: simulator.Refusals{Form: form, Word: word}}
}

// pays is a move of the payer of EMTA's first order.
func pays(move string) func(*world) {
	return func(w *world) {
		w.t.Helper()
		id := w.emta.Orders()[0].ID
		switch move {
		case "choose":
			require.NoError(w.t, w.emta.ChooseMethod(id))
		case "pay":
			require.NoError(w.t, w.emta.Pay(id))
		case "back":
			require.NoError(w.t, w.emta.CancelByPayer(id))
		case "pay after all":
			require.NoError(w.t, w.emta.PayCancelled(id))
		}
	}
}

func annulled(partly bool) func(*world) {
	return func(w *world) { require.NoError(w.t, w.emta.Annul(w.emta.Orders()[0].ID, partly)) }
}

// twoCreated are orders of 30.00 and 45.00 that both are created for us; EMTA refused to cancel the first.
func twoCreated(w *world) {
	w.started(101, "30.00")
	w.wire.misbehave(opCancel, simulator.Mischief{Refuse: 409})
	w.started(101, "45.00")
}

// lastGoesBack is the payer who does not pay the second.
func lastGoesBack(w *world) {
	require.NoError(w.t, w.emta.CancelByPayer(w.emta.Orders()[1].ID))
	_, err := w.module.Refresh(ctx, 2, operator)
	require.NoError(w.t, err)
}

func twoOthers(w *world) {
	w.started(102, "30.00")
	w.started(103, "30.00")
}

// lost is an Init that EMTA acted on and whose answer was lost.
func lost(w *world) {
	w.wire.misbehave(opInit, simulator.Mischief{CutAfter: true, Place: simulator.AtEMTA})
	_, _, err := w.module.Start(ctx, ask(101, "30.00"))
	require.Equal(w.t, order.OutcomeUnknown, code(w.t, err))
}

// neverMade is one that EMTA did not act on, which nobody can know.
func neverMade(w *world) {
	w.wire.misbehave(opInit, simulator.Mischief{CutBefore: true, Place: simulator.AtEMTA})
	_, _, err := w.module.Start(ctx, ask(101, "30.00"))
	require.Equal(w.t, order.OutcomeUnknown, code(w.t, err))
}

// EMTA §4, 2: the row is committed before anything is sent.
func TestRowIsWrittenBeforeInit(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		var before order.Order
		w.wire.before = func(string) { before = w.order(1) }
		o := w.started(101, "30.00")
		require.Equal(t, order.Creating, before.State)
		require.True(t, before.Live)
		require.Equal(t, before.Started.Add(35*time.Second), before.InitDeadline)
		require.Equal(t, order.Created, o.State)
		require.False(t, o.Live)
		require.Equal(t, []string{"Tellimus loodud: (U) → (L)"}, w.logOf(1, order.LogInit))
		require.Equal(t, []string{"order.created"}, w.heard("order/1"))
	})
}

// EMTA §4, 4: a fault that proves that nothing was created ends the order; any other failure leaves it unknown.
func TestFailedInit(t *testing.T) {
	emtaRefuses := func(n int) simulator.Mischief { return simulator.Mischief{Refuse: n} }
	fault := func(code, text string) simulator.Mischief { return simulator.Mischief{Fault: code, FaultText: text} }
	snake := func(code, text string) simulator.Mischief {
		return simulator.Mischief{Fault: code, FaultText: text, Spelling: simulator.SnakeCase}
	}
	for _, row := range []struct {
		name     string
		mischief simulator.Mischief
		emta     simulator.EMTAOptions
		code     order.Code
		fault    string // kept with the order
	}{
		{"noMethods", simulator.Mischief{ProviderFault: "soap:Client", FaultText: "noMethods"}, simulator.EMTAOptions{}, order.Refused, "noMethods"},
		{"MakseviisiPuuduvadVõiPiiratud", simulator.Mischief{ProviderFault: "soap:Client", FaultText: "MakseviisiPuuduvadVõiPiiratud"}, simulator.EMTAOptions{}, order.Refused, "MakseviisiPuuduvadVõiPiiratud"},
		{"401 in a code", emtaRefuses(401), refusing(simulator.InFaultCode, simulator.EnglishName), order.Refused, "Unauthorized"},
		{"401 in a text", emtaRefuses(401), refusing(simulator.InFaultString, simulator.EstonianName), order.Refused, "Autentimata"},
		{"403 in a detail", emtaRefuses(403), refusing(simulator.InDetail, simulator.Number), order.Refused, ""},
		{"403 in a status", emtaRefuses(403), refusing(simulator.AsHTTPStatus, ""), order.Refused, "403"},
		{"400 by default name", emtaRefuses(400), refusing(simulator.InFaultCode, simulator.EnglishName), order.Refused, "Error"},
		{"AccessDenied", fault("Server.ServerProxy.AccessDenied", "no"), simulator.EMTAOptions{}, order.Refused, "AccessDenied"},
		{"access_denied", snake("Server.ServerProxy.AccessDenied", "no"), simulator.EMTAOptions{}, order.Refused, "access_denied"},
		{"UnknownService", fault("Server.ServerProxy.UnknownService", "no"), simulator.EMTAOptions{}, order.Refused, "UnknownService"},
		{"NetworkError", fault("Server.ServerProxy.ServiceFailed.NetworkError", "no"), simulator.EMTAOptions{}, order.Refused, "NetworkError"},
		{"HttpError 403", fault("Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 403: Forbidden"), simulator.EMTAOptions{}, order.Refused, "403"},
		{"HttpError 502", fault("Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 502: Bad Gateway"), simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"IOError", fault("Server.ServerProxy.ServiceFailed.IOError", "gone"), simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"io_error", snake("Server.ServerProxy.ServiceFailed.IOError", "gone"), simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"a code of tomorrow", fault("Server.ServerProxy.SomethingNew", "new"), simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"a fault of EMTA's without name", simulator.Mischief{ProviderFault: "soap:Server", FaultText: "NullPointerException"}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"HTML", simulator.Mischief{HTML: 502}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"garbage", simulator.Mischief{Garbage: true, Place: simulator.AtSecurityServer}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"half an answer", simulator.Mischief{Truncate: true, Place: simulator.AtSecurityServer}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"nothing but 204", simulator.Mischief{EmptyBody204: true, Place: simulator.AtSecurityServer}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"another answer's id", simulator.Mischief{WrongID: true, Place: simulator.AtSecurityServer}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"another request's hash", simulator.Mischief{WrongHash: true}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"lost connection", simulator.Mischief{CutAfter: true, Place: simulator.AtSecurityServer}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"timeout", simulator.Mischief{DelayAfter: 9 * time.Second, Place: simulator.AtSecurityServer}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"another order's answer", simulator.Mischief{AnotherOrder: true}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"another amount", simulator.Mischief{WrongAmount: euros("3.00")}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"another reference number", simulator.Mischief{WrongReference: "13"}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"another stamp", simulator.Mischief{WrongStamp: "77"}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
		{"unknown state", simulator.Mischief{UnknownState: "refunded"}, simulator.EMTAOptions{}, order.OutcomeUnknown, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{emta: row.emta}, func(t *testing.T, w *world) {
				w.wire.misbehave(opInit, row.mischief)
				_, _, err := w.module.Start(ctx, ask(101, "30.00"))
				require.Equal(t, row.code, code(t, err))
				o := w.order(1)
				require.Len(t, w.logOf(1, order.LogInit), 1)
				if row.code == order.OutcomeUnknown {
					require.Equal(t, order.Creating, o.State)
					require.True(t, o.Live)
					require.Empty(t, w.heard("order/1")[len(w.suspicions("")):], "nothing is told but what is suspicious")
					w.wait(2 * time.Minute)
					made := len(w.emta.Orders()) == 1
					require.Equal(t, made, w.order(1).State == order.Created, "what EMTA made is found by cpgOrderList")
					return
				}
				require.Equal(t, order.Cancelled, o.State)
				require.False(t, o.Live)
				require.Contains(t, o.Fault, row.fault)
				require.Equal(t, []string{"order.cancelled"}, w.heard("order/1"))
				require.Equal(t, int64(2), w.started(101, "30.00").ID, "the next start is free")
			})
		})
	}
}

// What breaks a rule is not sent (EMTA §4, checks), nor is anything while EMTA is not named.
func TestStartSendsNothing(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		a := ask(101, "0.00")
		a.Payer.Email = "nobody"
		_, _, err := w.module.Start(ctx, a)
		require.Equal(t, order.Invalid, code(t, err))
		require.Empty(t, w.orders())
		require.Empty(t, w.wire.requests)
	})
	inWorld(t, worldOptions{settings: func(s *order.Settings) { s.Provider.MemberCode = ""; s.Provider = order.Settings{}.Provider }}, func(t *testing.T, w *world) {
		_, _, err := w.module.Start(ctx, ask(101, "30.00"))
		require.Equal(t, order.NotConfigured, code(t, err))
		_, err = w.module.Refresh(ctx, 1, operator)
		require.Equal(t, order.NotConfigured, code(t, err))
		require.Empty(t, w.orders())
		w.work()
	})
}

// A security server that cannot be reached has sent nothing on: the payer may try again at once.
func TestNoConnection(t *testing.T) {
	w := &world{t: t, path: ":memory:", ids: counted("a")}
	w.open()
	defer w.store.Close()
	_, err := w.store.Migrate(ctx)
	require.NoError(t, err)
	sender, err := soap.NewSender(soap.SenderOptions{URL: "http://127.0.0.1:1/"})
	require.NoError(t, err)
	m, err := order.New(order.Options{Store: w.store, Sender: sender, Settings: order.Settings{Client: at, Provider: emta}, Now: time.Now, NewID: w.ids,
		Random: func() float64 { return 0 }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Registry: prometheus.NewRegistry()})
	require.NoError(t, err)
	_, _, err = m.Start(ctx, ask(101, "30.00"))
	require.Equal(t, order.Unavailable, code(t, err))
	require.Equal(t, states(order.Cancelled), w.states())
}

// EMTA §4, 4: an order without a usable link is kept.
func TestNoPaymentLink(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.wire.misbehave(opInit, simulator.Mischief{NoLink: true})
		_, _, err := w.module.Start(ctx, ask(101, "30.00"))
		require.Equal(t, order.NoPaymentLink, code(t, err))
		require.Equal(t, order.Created, w.order(1).State)
		require.NotEmpty(t, w.order(1).EMTAOrderID)
	})
}

// EMTA §4, 4: an order without an end has the default one.
func TestNoExpires(t *testing.T) {
	inWorld(t, worldOptions{settings: func(s *order.Settings) { s.DefaultExpiry = 20 * time.Minute }}, func(t *testing.T, w *world) {
		w.wire.misbehave(opInit, simulator.Mischief{NoExpires: true})
		o := w.started(101, "30.00")
		require.Equal(t, o.Created.Add(20*time.Minute), o.Expires)
		refresh(w)
		require.Equal(t, o.Created.Add(15*time.Minute), w.order(1).Expires)
	})
}

// EMTA §7: an order in U becomes X only a day after its deadline and after three complete lists.
func TestUnknownOutcomeIsGivenUpSlowly(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		neverMade(w)
		w.wait(24 * time.Hour)
		require.Equal(t, order.Creating, w.order(1).State)
		require.Greater(t, w.wire.count(opList), 20)
		w.wait(2 * time.Hour)
		o := w.order(1)
		require.Equal(t, order.Cancelled, o.State)
		require.Equal(t, "not found at MM", o.Fault)
		require.Zero(t, o.NextCheck)
		require.Equal(t, []string{"order.cancelled"}, w.heard("order/1"))
	})
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		neverMade(w)
		for range 40 {
			w.wire.misbehave(opList, simulator.Mischief{HTML: 502})
		}
		w.wait(30 * time.Hour)
		require.Equal(t, order.Creating, w.order(1).State, "lists that failed prove nothing")
		w.wait(24 * time.Hour)
		require.Equal(t, order.Cancelled, w.order(1).State)
	})
}

// An Init that EMTA carries out after a whole list did not show its order: another was made, and both come to be known.
func TestLateInit(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.wire.misbehave(opInit, simulator.Mischief{DelayBefore: 50 * time.Second, Place: simulator.AtEMTA})
		startedSomehow(w)
		time.Sleep(35 * time.Second)
		o := w.started(101, "30.00")
		require.Equal(t, int64(2), o.ID)
		require.False(t, w.order(1).Live)
		require.NoError(t, w.emta.Pay(o.EMTAOrderID))
		w.wait(3 * time.Minute)
		require.Equal(t, states(order.Created, order.Completed), w.states())
		require.NoError(t, w.emta.Pay(w.order(1).EMTAOrderID))
		w.wait(3 * time.Minute)
		require.Equal(t, states(order.Completed, order.Completed), w.states())
		require.Equal(t, int64(2), w.order(1).DuplicateOf, "the later of two completions is the duplicate")
		require.Zero(t, w.order(2).DuplicateOf)
		require.Contains(t, w.logged.String(), "paid for twice")
	})
}

// EMTA §6: a notification of an id that nobody knows finds an order of unknown outcome.
func TestNotificationFindsUnknownOutcome(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		lost(w)
		pays("pay")(w)
		answer := w.deliver(0)
		require.Equal(t, "Order not found with id: "+w.emta.Orders()[0].ID, answer.FaultString)
		w.work()
		require.Equal(t, "Init Get Get", w.callsSince(0), "no list was needed")
		o := w.order(1)
		require.Equal(t, order.Completed, o.State)
		require.Equal(t, []string{"order.completed"}, w.heard("order/1"))
		_, err := w.store.OpenNotification(ctx, o.EMTAOrderID)
		require.ErrorIs(t, err, order.ErrNotFound, "the notification was processed")
	})
}

// EMTA §6: without an order of unknown outcome an unknown id is not kept; another merchant's order is asked about once.
func TestNotificationOfAnotherMerchant(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		answer, err := w.emta.Notify(ctx, "nobody")
		require.NoError(t, err)
		require.Equal(t, "Order not found with id: nobody", answer.FaultString)
		_, err = w.store.OpenNotification(ctx, "nobody")
		require.ErrorIs(t, err, order.ErrNotFound)

		neverMade(w)
		o := w.started(102, "30.00")
		w.wire.misbehave(opGet, simulator.Mischief{AnotherOrder: true})
		_, err = w.emta.Notify(ctx, "nobody")
		require.NoError(t, err)
		w.wait(30 * time.Second)
		n, err := w.store.OpenNotification(ctx, "nobody")
		require.NoError(t, err, "EMTA does not know it: it is asked again")
		require.NotZero(t, n.Attempts)
		require.Equal(t, order.Creating, w.order(1).State)
		require.Equal(t, order.Created, w.order(o.ID).State)
	})
}

// EMTA §4, 5: of two starts at once exactly one order comes out.
func TestTwoStartsAtOnce(t *testing.T) {
	for _, row := range []struct {
		name   string
		second string
		states []order.State
	}{
		{"the same", "30.00", states(order.Created)},
		{"another amount", "45.00", states(order.Cancelled, order.Created)},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{settings: func(s *order.Settings) { s.Parallel = 4 }}, func(t *testing.T, w *world) {
				w.wire.misbehave(opInit, simulator.Mischief{DelayAfter: 2 * time.Second, Place: simulator.AtEMTA})
				other := w.replica(w.store)
				var first, second order.Order
				var firstErr, secondErr error
				var both sync.WaitGroup
				both.Go(func() { first, _, firstErr = w.module.Start(ctx, ask(101, "30.00")) })
				both.Go(func() {
					time.Sleep(time.Millisecond)
					second, _, secondErr = other.Start(ctx, ask(101, row.second))
				})
				both.Wait()
				require.NoError(t, firstErr)
				require.NoError(t, secondErr)
				require.Equal(t, row.states, w.states())
				require.Len(t, w.emta.Orders(), len(row.states))
				if row.second == "30.00" {
					require.Equal(t, first.PaymentURL, second.PaymentURL)
					require.Equal(t, first.ID, second.ID)
				} else {
					require.Equal(t, row.second, second.AskedAmount.StringFixed(2))
				}
			})
		})
	}
}

// Whoever waits for another's attempt hears how that ended.
func TestWaitingForAFailedStart(t *testing.T) {
	for _, row := range []struct {
		name     string
		mischief simulator.Mischief
		code     order.Code
	}{
		{"refused", simulator.Mischief{DelayAfter: 2 * time.Second, Refuse: 401}, order.Refused},
		{"no link", simulator.Mischief{DelayAfter: 2 * time.Second, NoLink: true}, order.NoPaymentLink},
		{"unknown", simulator.Mischief{DelayAfter: 2 * time.Second, CutAfter: true, Place: simulator.AtEMTA}, order.InProgress},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				w.wire.misbehave(opInit, row.mischief)
				var waiting sync.WaitGroup
				waiting.Go(func() { startedSomehow(w) })
				time.Sleep(time.Second)
				begin := time.Now()
				_, _, err := w.module.Start(ctx, ask(101, "30.00"))
				require.Equal(t, row.code, code(t, err))
				require.LessOrEqual(t, time.Since(begin), 6*time.Second, "at most one call's time")
				waiting.Wait()
				require.Equal(t, 1, w.wire.count(opInit))
			})
		})
	}
}

// Where the security server could not be reached EMTA has refused nothing, and who waited hears the same as who tried.
func TestWaitingForAStartThatReachedNobody(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.wire.cut = true
		w.wire.before = func(string) { time.Sleep(2 * time.Second) }
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, _, err := w.module.Start(ctx, ask(101, "30.00"))
			require.Equal(t, order.Unavailable, code(t, err))
		})
		time.Sleep(time.Second)
		_, _, err := w.module.Start(ctx, ask(101, "30.00"))
		require.Equal(t, order.Unavailable, code(t, err))
		waiting.Wait()
		require.Equal(t, 1, w.wire.count(opInit))
	})
}

// A caller who leaves in the middle of Init loses nothing: the answer is written.
func TestCallerLeavesDuringInit(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.wire.misbehave(opInit, simulator.Mischief{DelayAfter: 2 * time.Second, Place: simulator.AtEMTA})
		caller, leave := context.WithTimeout(ctx, time.Second)
		defer leave()
		_, _, err := w.module.Start(caller, ask(101, "30.00"))
		require.NoError(t, err)
		require.Equal(t, states(order.Created), w.states())
	})
}

// A start that waits for another's attempt ends when its caller leaves.
func TestCallerLeavesWhileWaiting(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		lost(w)
		caller, leave := context.WithTimeout(ctx, time.Second)
		defer leave()
		begin := time.Now()
		_, _, err := w.module.Start(caller, ask(101, "30.00"))
		require.Equal(t, order.InProgress, code(t, err))
		require.Equal(t, time.Second, time.Since(begin))
	})
}

// Whoever lost the lease in the middle of a call writes nothing: the order is another's to find.
func TestLeaseLostDuringInit(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.wire.after = func(string) { w.stealLease(1) }
		_, _, err := w.module.Start(ctx, ask(101, "30.00"))
		require.Equal(t, order.OutcomeUnknown, code(t, err))
		require.Equal(t, order.Creating, w.order(1).State)
		time.Sleep(time.Minute)
		w.work()
		require.Equal(t, order.Created, w.order(1).State)
	})
}

func TestLeaseLostDuringRefresh(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		startedOnce(w)
		pays("pay")(w)
		w.wire.after = func(string) { w.stealLease(1) }
		_, err := w.module.Refresh(ctx, 1, operator)
		require.Equal(t, order.InProgress, code(t, err))
		require.Equal(t, order.Created, w.order(1).State)
		time.Sleep(time.Minute)
		w.work()
		require.Equal(t, order.Completed, w.order(1).State)
	})
}

// stealLease is another replica that finds the lease run out.
func (w *world) stealLease(id int64) {
	_, err := w.store.TakeOrder(ctx, id, time.Now().Add(time.Hour), order.Lease{Token: "thief", Until: time.Now().Add(20 * time.Second)})
	require.NoError(w.t, err)
}

// EMTA §7: the places are those of background work. However many payers come, and whatever it does, none of them waits for one.
func TestPayersNeedNoPlace(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.started(1, "30.00")
		time.Sleep(15 * time.Second)
		w.wire.misbehave(opGet, simulator.Mischief{DelayAfter: 4 * time.Second, Place: simulator.AtEMTA})
		var all sync.WaitGroup
		all.Go(func() {
			n, err := w.module.Work(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		})
		time.Sleep(time.Second) // EMTA is being asked, in the one place that there is
		begin := time.Now()
		var payers sync.WaitGroup
		for i := range 9 {
			payers.Go(func() { w.started(int64(200+i), "30.00") })
		}
		payers.Wait()
		require.Less(t, time.Since(begin), time.Second)
		n, err := w.replica(w.store).Work(ctx)
		require.NoError(t, err)
		require.Zero(t, n, "no place is left on any replica")
		all.Wait()
	})
}

// EMTA §7: after an outage that left many outcomes unknown, one reading of EMTA's list serves all that are due; who asks for one
// order gets a new one.
func TestOneListServesAll(t *testing.T) {
	inWorld(t, worldOptions{settings: func(s *order.Settings) { s.Parallel = 4 }}, func(t *testing.T, w *world) {
		const orders = 30
		for i := range orders {
			if i%3 == 0 {
				w.wire.misbehave(opInit, simulator.Mischief{CutBefore: true, Place: simulator.AtEMTA}) // never made
			} else {
				w.wire.misbehave(opInit, simulator.Mischief{CutAfter: true, Place: simulator.AtEMTA})
			}
			_, _, err := w.module.Start(ctx, ask(int64(i+1), "30.00"))
			require.Equal(t, order.OutcomeUnknown, code(t, err))
			time.Sleep(time.Second)
			w.module = w.replica(w.mortal) // each has a circuit of its own
		}
		time.Sleep(2 * time.Minute)
		w.wire.misbehave(opList, simulator.Mischief{HTML: 502}) // the outage is not over
		w.work()
		require.Equal(t, 1, w.wire.count(opList), "a reading that failed serves all as well")
		for _, o := range w.orders() {
			require.Equal(t, order.Creating, o.State)
			require.Zero(t, o.Lists)
		}
		time.Sleep(10 * time.Minute)
		w.work()
		require.Equal(t, 2, w.wire.count(opList))
		for i, o := range w.orders() {
			if i%3 == 0 {
				require.Equal(t, order.Creating, o.State)
				require.Equal(t, 1, o.Lists)
				continue
			}
			require.Equal(t, order.Created, o.State)
			require.NotEmpty(t, o.EMTAOrderID)
		}
		_, err := w.module.Refresh(ctx, 1, operator)
		require.Equal(t, order.OutcomeUnknown, code(t, err))
		require.Equal(t, 3, w.wire.count(opList), "who asks now is not answered with what was")
	})
}

// EMTA §6, the trap: a notification that comes again after EMTA was asked and before the row is marked stays open.
func TestNotificationRenewedWhileProcessed(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		o := w.started(101, "30.00")
		require.NoError(t, w.emta.ChooseMethod(o.EMTAOrderID))
		require.True(t, w.deliver(0).OK())
		w.wire.after = func(string) { // EMTA has answered: pending
			require.NoError(t, w.emta.Pay(o.EMTAOrderID))
			require.True(t, w.deliver(1).OK())
		}
		n, err := w.module.Work(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, order.Pending, w.order(1).State)
		open, err := w.store.OpenNotification(ctx, o.EMTAOrderID)
		require.NoError(t, err)
		require.Equal(t, 1, open.Attempts)

		n, err = w.module.Work(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n, "it is due at once")
		require.Equal(t, order.Completed, w.order(1).State)
		_, err = w.store.OpenNotification(ctx, o.EMTAOrderID)
		require.ErrorIs(t, err, order.ErrNotFound)
	})
}

// EMTA §6: the same notification thrice is one row, processed once.
func TestNotificationRepeated(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		o := w.started(101, "30.00")
		require.NoError(t, w.emta.Pay(o.EMTAOrderID))
		var at []time.Time
		for range 3 {
			require.True(t, w.deliver(0).OK())
			n, err := w.store.OpenNotification(ctx, o.EMTAOrderID)
			require.NoError(t, err)
			at = append(at, n.NotifiedAt)
		}
		require.True(t, at[0].Before(at[1]) && at[1].Before(at[2]), "the time strictly increases: %v", at)
		w.work()
		require.Equal(t, 1, w.wire.count(opGet))
		require.Equal(t, []string{"order.created", "order.completed"}, w.heard("order/1"))
	})
}

// EMTA §6: a failed attempt is kept with the notification and made again.
func TestNotificationIsRetried(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		o := w.started(101, "30.00")
		require.NoError(t, w.emta.Pay(o.EMTAOrderID))
		require.True(t, w.deliver(0).OK())
		w.wire.misbehave(opGet, simulator.Mischief{DelayAfter: 9 * time.Second, Place: simulator.AtSecurityServer})
		w.work()
		n, err := w.store.OpenNotification(ctx, o.EMTAOrderID)
		require.NoError(t, err)
		require.Equal(t, 1, n.Attempts)
		require.Equal(t, "timeout", n.Failure)
		w.wait(11 * time.Second)
		require.Equal(t, order.Completed, w.order(1).State)
	})
}

// EMTA §3: an answer about another order changes no order, is kept whole, and is told of once.
func TestForeignAnswer(t *testing.T) {
	for _, row := range []struct {
		name     string
		mischief simulator.Mischief
		reason   string
	}{
		{"order", simulator.Mischief{AnotherOrder: true}, "order-id"},
		{"stamp", simulator.Mischief{WrongStamp: "2"}, "stamp"},
		{"reference number", simulator.Mischief{WrongReference: "13"}, "reference-number"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				o, other := w.started(101, "30.00"), w.started(102, "45.00")
				require.NoError(t, w.emta.Pay(o.EMTAOrderID))
				require.True(t, w.deliver(0).OK())
				n, err := w.store.OpenNotification(ctx, o.EMTAOrderID)
				require.NoError(t, err)
				w.wire.misbehave(opGet, row.mischief, row.mischief)
				w.work()
				require.Equal(t, 1, w.wire.count(opGet))
				_, err = w.module.Refresh(ctx, o.ID, operator)
				require.Equal(t, order.OutcomeUnknown, code(t, err))

				require.Equal(t, states(order.Created, order.Created), w.states())
				require.Equal(t, []string{"order.created", "order.suspicious " + row.reason}, w.heard("order/1"))
				require.Equal(t, []string{"order.created"}, w.heard(subjectOf(other)))
				kept := w.suspicions("")
				require.Len(t, kept, 1)
				require.Equal(t, row.reason, kept[0].Reason)
				require.Equal(t, o.ID, kept[0].OrderID)
				require.True(t, strings.HasPrefix(kept[0].Answer, "<Order") && strings.HasSuffix(kept[0].Answer, "</Order>"), kept[0].Answer)
				require.Contains(t, kept[0].Answer, "ReferenceNumber")
				_, err = w.store.OpenNotification(ctx, o.EMTAOrderID)
				require.ErrorIs(t, err, order.ErrNotFound, "the notification %d is settled", n.ID)
				require.Len(t, w.logOf(o.ID, order.LogSync), 2)

				w.wait(time.Minute)
				require.Equal(t, order.Completed, w.order(o.ID).State, "polling alone suffices")
			})
		})
	}
}

// An answer that gives an order the id of another is about neither.
func TestIDOfAnotherOrder(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		first := w.started(101, "30.00")
		a := ask(102, "30.00")
		w.wire.misbehave(opInit, simulator.Mischief{AnotherOrder: true, WrongStamp: "2", WrongReference: a.ReferenceNumber})
		_, _, err := w.module.Start(ctx, a)
		require.Equal(t, order.OutcomeUnknown, code(t, err))
		require.Equal(t, first, w.order(1))
		require.Equal(t, order.Creating, w.order(2).State)
		require.Len(t, w.suspicions(first.EMTAOrderID), 1)

		w.wire.misbehave(opList, simulator.Mischief{AnotherOrder: true, WrongStamp: "2", WrongReference: a.ReferenceNumber})
		w.wait(5 * time.Minute)
		require.Equal(t, order.Created, w.order(2).State)
		require.NotEqual(t, first.EMTAOrderID, w.order(2).EMTAOrderID)
	})
}

// EMTA §3: an unknown state is an error that leaves the row as it is and shows.
func TestUnknownState(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		startedOnce(w)
		w.wire.misbehave(opGet, simulator.Mischief{UnknownState: "refunded"})
		_, err := w.module.Refresh(ctx, 1, operator)
		require.Equal(t, order.OutcomeUnknown, code(t, err))
		require.Equal(t, order.Created, w.order(1).State)
		require.Contains(t, w.logged.String(), "unknown state")
		require.Equal(t, 1.0, w.figure("adapter_order_unknown_states_total"))
	})
}

// figure is the sum of a metric over its labels.
func (w *world) figure(name string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	require.NoError(w.t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// EMTA §7: an order that nobody paid is cancelled when its time is over; one that was taken back is not.
func TestExpiredOrderIsCancelled(t *testing.T) {
	keeping := worldOptions{emta: simulator.EMTAOptions{KeepExpired: true}}
	inWorld(t, keeping, func(t *testing.T, w *world) {
		startedOnce(w)
		w.wait(14 * time.Minute)
		require.Zero(t, w.wire.count(opCancel))
		w.wait(90 * time.Second)
		require.Equal(t, order.Cancelled, w.order(1).State)
		require.Equal(t, []string{"Tellimus tühistatud"}, w.logOf(1, order.LogCancel))
		require.Equal(t, []string{"order.created", "order.cancelled"}, w.heard("order/1"))
		w.wait(3 * time.Minute)
		require.NotZero(t, w.order(1).Finished, "EMTA's words of the end come with the next poll")
	})
	inWorld(t, keeping, func(t *testing.T, w *world) {
		and(startedOnce, pays("pay"), refresh, annulled(false))(w)
		w.wait(48 * time.Hour)
		require.Equal(t, order.Created, w.order(1).State)
		require.Zero(t, w.wire.count(opCancel))
	})
}

// EMTA §3: no state is final.
func TestCompletedTakenBackAndAgain(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		and(startedOnce, pays("pay"), refresh)(w)
		first := w.claim(1)
		require.True(t, first.ClaimForwarded)
		annulled(true)(w)
		w.wait(25 * time.Hour)
		o := w.order(1)
		require.Equal(t, order.Pending, o.State)
		require.False(t, o.ClaimForwarded)
		require.NotZero(t, o.RevertedAt)
		require.Empty(t, o.CompletionID)
		pays("pay")(w)
		w.wait(2 * time.Hour)
		require.Equal(t, []string{"order.created", "order.completed", "order.reverted", "order.completed"}, w.heard("order/1")[:4])
		require.NotEqual(t, first.CompletionID, w.order(1).CompletionID)
		_, err := w.module.Claim(ctx, 1, first.CompletionID, operator)
		require.Equal(t, order.NotCompleted, code(t, err), "the completion that was taken back is not the one there is")
	})
}

func TestPaidAfterCancel(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		startedOnce(w)
		_, err := w.module.Cancel(ctx, 1, operator)
		require.NoError(t, err)
		pays("pay after all")(w)
		w.wait(3 * time.Minute)
		require.Equal(t, []string{"order.created", "order.cancelled", "order.completed after cancel"}, w.heard("order/1"))
	})
}

// EMTA §7: how often an order is asked about, and that it ends.
func TestPollingEnds(t *testing.T) {
	inWorld(t, worldOptions{emta: simulator.EMTAOptions{KeepExpired: true}}, func(t *testing.T, w *world) {
		startedOnce(w)
		w.wait(50 * 24 * time.Hour)
		require.Zero(t, w.order(1).NextCheck)
		gets := w.wire.count(opGet)
		require.Greater(t, gets, 60)
		require.Less(t, gets, 150)
		require.Len(t, w.logOf(1, order.LogSync), gets, "one row for every cpgOrderGet")
	})
}

// AT-CC-006: a completion is offered until the core confirms, 10 minutes later and then ever more rarely.
func TestOffersDouble(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		and(startedOnce, pays("pay"), refresh)(w)
		w.wait(5 * 24 * time.Hour)
		var gaps []time.Duration
		var last time.Time
		id := w.order(1).CompletionID
		for _, e := range w.events() {
			if e.Type != order.EventCompleted {
				continue
			}
			require.Equal(t, id, readEvent(t, e).CompletionID)
			if !last.IsZero() {
				gaps = append(gaps, e.Time.Sub(last))
			}
			last = e.Time
		}
		require.GreaterOrEqual(t, len(gaps), 10)
		want := 10 * time.Minute
		for i, gap := range gaps {
			require.Equal(t, want, gap, "offer %d", i+2)
			want = min(2*want, 24*time.Hour)
		}
		require.Equal(t, fmt.Sprintf("Nõue pakutud, katse %d", len(gaps)+1), w.logOf(1, order.LogClaim)[len(gaps)])
		w.claim(1)
		before := len(w.events())
		w.wait(3 * 24 * time.Hour)
		require.Len(t, w.events(), before, "what was confirmed is not offered")
	})
}

// AT-CC-006, EMTA §3: which claims are confirmed.
func TestClaim(t *testing.T) {
	paid := and(startedOnce, pays("pay"), refresh)
	another := wrong(opGet, simulator.Mischief{WrongAmount: euros("3.00")})
	for _, row := range []struct {
		name       string
		before     func(*world)
		completion string // "": none; "right": the present one
		code       order.Code
		log        string // the last row
	}{
		{"paid", paid, "right", "", "Nõue kinnitatud"},
		{"paid, no id", paid, "", "", "Nõue kinnitatud"},
		{"again", and(paid, func(w *world) { w.claim(1) }), "right", "", "Nõue kinnitatud"},
		{"another completion", paid, "old", order.NotCompleted, "Nõude kinnitamisest keelduti: not-completed"},
		{"not paid", startedOnce, "", order.NotCompleted, "Nõude kinnitamisest keelduti: not-completed"},
		{"taken back", and(paid, annulled(false), refresh), "", order.NotCompleted, "Nõude kinnitamisest keelduti: not-completed"},
		{"another amount", and(startedOnce, pays("pay"), another, refresh), "", order.Mismatched, "Nõude kinnitamisest keelduti: amount-mismatch"},
		{"another amount, accepted", and(startedOnce, pays("pay"), another, refresh, accept), "right", "", "Nõue kinnitatud"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				row.before(w)
				id := row.completion
				if id == "right" {
					id = w.order(1).CompletionID
				}
				o, err := w.module.Claim(ctx, 1, id, operator)
				require.Equal(t, row.code, code(t, err))
				require.Equal(t, row.code == "", o.ClaimForwarded)
				rows := w.logOf(1, order.LogClaim)
				require.Equal(t, row.log, rows[len(rows)-1])
				require.Equal(t, row.code == "", w.audited("claim") == 1, "confirmed once by somebody")
			})
		})
	}
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		_, err := w.module.Claim(ctx, 9, "", operator)
		require.Equal(t, order.NotFound, code(t, err))
	})
}

func accept(w *world) {
	_, err := w.module.Accept(ctx, 1, "the payer rang", operator)
	require.NoError(w.t, err)
}

// audited counts audit rows of order 1 by what was done.
func (w *world) audited(action string) int {
	w.t.Helper()
	rows, err := w.store.Audits(ctx, 1)
	require.NoError(w.t, err)
	n := 0
	for _, a := range rows {
		require.Equal(w.t, operator, a.Actor)
		if a.Action == action {
			n++
		}
	}
	return n
}

// EMTA §3: another amount is held until somebody accepts it, and the acceptance is of that amount only.
func TestWrongAmountIsHeld(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		startedOnce(w)
		_, err := w.module.Accept(ctx, 1, "why not", operator)
		require.Equal(t, order.NotMismatched, code(t, err))
		require.NoError(t, w.emta.ChangeAmount(w.emta.Orders()[0].ID, *euros("3.00")))
		pays("pay")(w)
		w.wait(49 * time.Hour)
		o := w.order(1)
		require.Equal(t, order.Completed, o.State)
		require.True(t, o.Mismatch)
		require.Equal(t, "3", o.Amount.String())
		require.Equal(t, "30", o.AskedAmount.String())
		require.Equal(t, []string{"order.created", "order.suspicious amount-mismatch"}, w.heard("order/1"))

		_, err = w.module.Accept(ctx, 1, " ", operator)
		require.Equal(t, order.Invalid, code(t, err))
		accept(w)
		require.Equal(t, []string{"order.created", "order.suspicious amount-mismatch", "order.completed"}, w.heard("order/1"))
		rows, err := w.store.Audits(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, "3.00 EUR instead of 30.00 EUR: the payer rang", rows[0].Detail)

		require.NoError(t, w.emta.ChangeAmount(w.emta.Orders()[0].ID, *euros("2.00")))
		w.wait(25 * time.Hour)
		require.True(t, w.order(1).Mismatch, "nobody accepted 2.00")
		offered := len(w.events())
		w.wait(72 * time.Hour)
		require.Len(t, w.events(), offered, "what is held is not offered")
	})
}

// EMTA §8: refresh.
func TestRefresh(t *testing.T) {
	for _, row := range []struct {
		name   string
		before func(*world)
		state  order.State
		code   order.Code
		log    string // the last sync row
	}{
		{"created", startedOnce, order.Created, "", "Tellimuse staatus uuendatud: (L) → (L)"},
		{"paid", and(startedOnce, pays("pay")), order.Completed, "", "Tellimuse staatus uuendatud: (L) → (T)"},
		{"fault", and(startedOnce, wrong(opGet, simulator.Mischief{ProviderFault: "soap:Server", FaultText: "out of order"})), order.Created, order.OutcomeUnknown, "soap:Server: out of order"},
		{"refused", and(startedOnce, wrong(opGet, simulator.Mischief{Refuse: 403})), order.Created, order.OutcomeUnknown, "Forbidden: The order is another merchant's."},
		{"security server's fault", and(startedOnce, wrong(opGet, simulator.Mischief{Fault: "Server.ServerProxy.AccessDenied", FaultText: "no"})), order.Created, order.OutcomeUnknown, "Server.ServerProxy.AccessDenied: no"},
		{"timeout", and(startedOnce, wrong(opGet, simulator.Mischief{DelayAfter: 9 * time.Second, Place: simulator.AtSecurityServer})), order.Created, order.OutcomeUnknown, "timeout"},
		{"unknown outcome, made", lost, order.Created, "", ""},
		{"unknown outcome, not made", neverMade, order.Creating, order.OutcomeUnknown, ""},
		{"refused before", and(wrong(opInit, simulator.Mischief{Refuse: 401}), startedSomehow), order.Cancelled, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				row.before(w)
				o, err := w.module.Refresh(ctx, 1, operator)
				require.Equal(t, row.code, code(t, err))
				require.Equal(t, row.state, o.State)
				require.Equal(t, row.state, w.order(1).State)
				rows := w.logOf(1, order.LogSync)
				require.Len(t, rows, w.wire.count(opGet), "one row for every cpgOrderGet")
				if row.log != "" {
					require.Equal(t, row.log, rows[len(rows)-1])
				}
				require.Equal(t, 1, w.audited("refresh"))
			})
		})
	}
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		_, err := w.module.Refresh(ctx, 9, operator)
		require.Equal(t, order.NotFound, code(t, err))
	})
}

// AT-CC-008: an error of a kind that nobody foresaw is logged with its stack.
func TestLogHasTheStack(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		startedOnce(w)
		w.wire.misbehave(opGet, simulator.Mischief{WrongAmount: euros("-1.00")})
		_, err := w.module.Refresh(ctx, 1, operator)
		require.Equal(t, order.OutcomeUnknown, code(t, err))
		entries, err := w.store.LogOf(ctx, 1)
		require.NoError(t, err)
		last := entries[len(entries)-1]
		require.Equal(t, order.LogSync, last.Action)
		require.Contains(t, last.Message, "Amount")
		require.Contains(t, last.Message, "goroutine")
	})
}

// EMTA §8: cancel, only in L.
func TestCancel(t *testing.T) {
	for _, row := range []struct {
		name   string
		before func(*world)
		state  order.State
		code   order.Code
		calls  int
	}{
		{"created", startedOnce, order.Cancelled, "", 1},
		{"cancelled at EMTA", and(startedOnce, pays("back")), order.Cancelled, "", 1},
		{"the payer is paying", and(startedOnce, pays("choose")), order.Created, order.NotCancellable, 1},
		{"pending", and(startedOnce, pays("choose"), refresh), order.Pending, order.NotCancellable, 0},
		{"paid", and(startedOnce, pays("pay"), refresh), order.Completed, order.NotCancellable, 0},
		{"unknown outcome", lost, order.Creating, order.NotCancellable, 0},
		{"forbidden", and(startedOnce, wrong(opCancel, simulator.Mischief{Refuse: 403})), order.Created, order.Refused, 1},
		{"not found", and(startedOnce, wrong(opCancel, simulator.Mischief{Refuse: 404})), order.Created, order.Refused, 1},
		{"access denied", and(startedOnce, wrong(opCancel, simulator.Mischief{Fault: "Server.ServerProxy.AccessDenied"})), order.Created, order.Refused, 1},
		{"HttpError 404", and(startedOnce, wrong(opCancel, simulator.Mischief{Fault: "Server.ServerProxy.ServiceFailed.HttpError", FaultText: "Server responded with error 404: Not Found"})), order.Created, order.OutcomeUnknown, 1},
		{"timeout", and(startedOnce, wrong(opCancel, simulator.Mischief{DelayAfter: 9 * time.Second, Place: simulator.AtSecurityServer})), order.Created, order.OutcomeUnknown, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				row.before(w)
				o, err := w.module.Cancel(ctx, 1, operator)
				require.Equal(t, row.code, code(t, err))
				require.Equal(t, row.state, o.State)
				require.Equal(t, row.calls, w.wire.count(opCancel))
				require.Len(t, w.logOf(1, order.LogCancel), row.calls)
				require.Equal(t, 1, w.audited("cancel"))
			})
		})
	}
}

// EMTA §7: an order that EMTA itself does not know is asked about ever more rarely, and closed a day after its end.
func TestUnknownToEMTA(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		startedOnce(w)
		for range 200 {
			w.wire.misbehave(opGet, simulator.Mischief{Refuse: 404})
		}
		w.wait(23 * time.Hour)
		require.Equal(t, order.Created, w.order(1).State)
		require.Less(t, w.wire.count(opGet), 30)
		w.wait(48 * time.Hour)
		o := w.order(1)
		require.Equal(t, order.Cancelled, o.State)
		require.Contains(t, o.Fault, "NotFound")
		require.Equal(t, []string{"order.created", "order.cancelled", "order.suspicious not-found"}, w.heard("order/1"))
	})
}

// A list of EMTA's that was waited for in vain, for longer than a reading serves others afterwards, serves those who waited for it all the
// same: else each of them would wait as long, one after another, in a place of the background work.
func TestSlowListServesAll(t *testing.T) {
	inWorld(t, worldOptions{settings: func(s *order.Settings) { s.Parallel, s.Timeout = 4, 90*time.Second }}, func(t *testing.T, w *world) {
		for i := range 4 {
			w.wire.misbehave(opInit, simulator.Mischief{CutAfter: true, Place: simulator.AtEMTA})
			_, _, err := w.module.Start(ctx, ask(int64(i+1), "30.00"))
			require.Equal(t, order.OutcomeUnknown, code(t, err))
			w.module = w.replica(w.mortal) // each has a circuit of its own
		}
		time.Sleep(3 * time.Minute)
		w.wire.misbehave(opList, simulator.Mischief{DelayAfter: 2 * time.Minute, Place: simulator.AtEMTA}) // more than is waited
		w.work()
		require.Equal(t, 1, w.wire.count(opList))
		time.Sleep(10 * time.Minute)
		w.work()
		require.Equal(t, 2, w.wire.count(opList))
		for _, o := range w.orders() {
			require.Equal(t, order.Created, o.State)
		}
	})
}
