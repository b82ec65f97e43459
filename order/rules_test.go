package order

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
)

// noon is the time at which the rules' tests decide.
var noon = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func defaultSettings(t testing.TB) Settings {
	t.Helper()
	s, err := Settings{}.WithDefaults()
	require.NoError(t, err)
	return s
}

// decide is a decision at noon, in the middle of the jitter.
func decide(t testing.TB) decision {
	t.Helper()
	return decision{now: noon, completionID: "completion-new", random: 0.5, settings: defaultSettings(t)}
}

func euros(s string) decimal.Decimal { return decimal.RequireFromString(s) }

// orderIn is an order of 30 euros in a state, as it would have come to it, ten minutes before its end.
func orderIn(state State) Order {
	o := Order{ID: 12, AnnouncementID: 7, State: state, Amount: euros("30"), Currency: "EUR", AskedAmount: euros("30"), AskedCurrency: "EUR",
		ReferenceNumber: "1232", Started: noon.Add(-5 * time.Minute), InitDeadline: noon.Add(-3 * time.Minute)}
	if state == Creating {
		o.Live = true
		return o
	}
	o.EMTAOrderID, o.PaymentURL = "emta-12", "https://emta.example/pay/12"
	o.Created, o.Expires = noon.Add(-5*time.Minute), noon.Add(10*time.Minute)
	if state == Completed {
		o.Finished, o.CompletionID, o.OfferAttempt = noon.Add(-time.Minute), "completion-old", 1
		o.NextOffer = noon.Add(9 * time.Minute)
	}
	return o
}

// answerOn is what EMTA says of orderIn's order.
func answerOn(state State) answer {
	a := answer{id: "emta-12", state: string(state), stamp: "12", reference: "1232", amount: euros("30.00"), currency: "EUR",
		created: noon.Add(-5 * time.Minute), expires: noon.Add(10 * time.Minute), paymentURL: "https://emta.example/pay/12"}
	if state == Completed {
		a.finished = noon.Add(-time.Minute)
	}
	return a
}

// kinds are the events' types without "order.", a completion after a cancellation marked, a suspicion with its reason.
func kinds(out outcome) string {
	var words []string
	for _, h := range out.events {
		word := strings.TrimPrefix(h.kind, "order.")
		if h.kind == EventCompleted && out.order.AfterCancel {
			word += "-after-cancel"
		}
		if h.reason != "" {
			word += ":" + h.reason
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// EMTA §3: no state is final, and whatever EMTA says of an order of ours is applied.
func TestAppliedStates(t *testing.T) {
	for _, row := range []struct {
		before, says State
		events       string
	}{
		{Creating, Created, "created"},
		{Creating, Pending, "pending"},
		{Creating, Completed, "completed"},
		{Creating, Cancelled, "cancelled"},
		{Created, Created, ""},
		{Created, Pending, "pending"},
		{Created, Completed, "completed"},
		{Created, Cancelled, "cancelled"},
		{Pending, Created, "created"},
		{Pending, Pending, ""},
		{Pending, Completed, "completed"},
		{Pending, Cancelled, "cancelled"},
		{Completed, Created, "reverted"},
		{Completed, Pending, "reverted"},
		{Completed, Completed, ""},
		{Completed, Cancelled, "reverted cancelled"},
		{Cancelled, Created, "created"},
		{Cancelled, Pending, "pending"},
		{Cancelled, Completed, "completed-after-cancel"},
		{Cancelled, Cancelled, ""},
	} {
		for _, claimed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s to %s, claimed %t", row.before, row.says, claimed), func(t *testing.T) {
				if claimed && row.before != Completed {
					t.Skip("only a completion can be claimed")
				}
				before := orderIn(row.before)
				before.Attempts, before.Lists = 4, 2
				if claimed {
					before.ClaimForwarded, before.NextOffer = true, time.Time{}
				}
				out := decide(t).applied(View{Order: before}, answerOn(row.says), row.says)
				o := out.order

				require.Equal(t, row.events, kinds(out))
				require.Equal(t, row.says, o.State)
				require.Equal(t, "emta-12", o.EMTAOrderID)
				require.False(t, o.Live, "EMTA has answered: the attempt blocks nobody")
				require.False(t, o.Mismatch)
				require.Zero(t, o.Lists)
				require.Equal(t, noon.Add(10*time.Minute), o.Expires)
				require.Equal(t, answerOn(row.says).finished, o.Finished)
				require.True(t, o.NextCheck.After(noon), "polled on, whatever the state")

				entered := row.says == Completed && row.before != Completed
				left := row.says != Completed && row.before == Completed
				switch {
				case entered:
					require.Equal(t, "completion-new", o.CompletionID)
					require.Equal(t, 1, o.OfferAttempt)
					require.Equal(t, noon.Add(10*time.Minute), o.NextOffer)
					require.False(t, o.ClaimForwarded)
					require.Len(t, out.log, 1, "offering is a log row")
				case left:
					require.Equal(t, noon, o.RevertedAt)
					require.False(t, o.ClaimForwarded)
					require.Empty(t, o.CompletionID)
					require.Zero(t, o.OfferAttempt)
					require.Zero(t, o.NextOffer)
				default:
					require.Equal(t, before.RevertedAt, o.RevertedAt)
					require.Equal(t, before.ClaimForwarded, o.ClaimForwarded)
					require.Equal(t, before.CompletionID, o.CompletionID)
					require.Equal(t, before.NextOffer, o.NextOffer)
					require.Empty(t, out.log)
				}
				if row.says == row.before {
					require.Equal(t, 5, o.Attempts)
				} else {
					require.Zero(t, o.Attempts, "a state that is new is polled closely again")
				}
			})
		}
	}
}

// Completing again is a new completion, with everything that a first one has (EMTA §3).
func TestAppliedCompletingAgain(t *testing.T) {
	d := decide(t)
	o := d.applied(View{Order: orderIn(Completed)}, answerOn(Pending), Pending).order
	d.now = noon.Add(time.Hour)
	out := d.applied(View{Order: o}, answerOn(Completed), Completed)

	require.Equal(t, "completed", kinds(out))
	require.Equal(t, "completion-new", out.order.CompletionID)
	require.Equal(t, 1, out.order.OfferAttempt)
	require.Equal(t, noon, out.order.RevertedAt, "that it was reverted stays known: background work never cancels it")
}

// EMTA §4, 4: what stands in for what EMTA leaves out.
func TestAppliedAbsentMembers(t *testing.T) {
	for _, row := range []struct {
		name   string
		before State
		leave  func(*answer)
		check  func(*testing.T, Order)
	}{
		{"no Expires", Creating, func(a *answer) { a.expires = time.Time{} }, func(t *testing.T, o Order) { require.Equal(t, noon.Add(10*time.Minute), o.Expires) }},
		{"no Expires, known before", Created, func(a *answer) { a.expires = time.Time{} }, func(t *testing.T, o Order) { require.Equal(t, orderIn(Created).Expires, o.Expires) }},
		{"no Created either", Creating, func(a *answer) { a.expires, a.created = time.Time{}, time.Time{} }, func(t *testing.T, o Order) { require.Equal(t, noon.Add(15*time.Minute), o.Expires) }},
		{"no Created, known before", Pending, func(a *answer) { a.created = time.Time{} }, func(t *testing.T, o Order) { require.Equal(t, orderIn(Pending).Created, o.Created) }},
		{"no Currency", Creating, func(a *answer) { a.currency = "" }, func(t *testing.T, o Order) { require.Equal(t, "EUR", o.Currency); require.False(t, o.Mismatch) }},
		{"no Finished any more", Completed, func(a *answer) { a.finished = time.Time{} }, func(t *testing.T, o Order) { require.Zero(t, o.Finished) }},
		{"no link, known before", Created, func(a *answer) { a.paymentURL = "" }, func(t *testing.T, o Order) { require.Equal(t, orderIn(Created).PaymentURL, o.PaymentURL) }},
		{"no link", Creating, func(a *answer) { a.paymentURL = "" }, func(t *testing.T, o Order) { require.Equal(t, Created, o.State); require.Empty(t, o.PaymentURL) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			state := row.before
			if state == Creating {
				state = Created
			}
			a := answerOn(state)
			row.leave(&a)
			row.check(t, decide(t).applied(View{Order: orderIn(row.before)}, a, state).order)
		})
	}
}

// What was asked and what EMTA says (EMTA §3). A step is what EMTA says of the order (our code and an amount, in
// EUR unless named), "accept" by an operator or "claim" by the core; after the arrow stand the events.
func TestAppliedAmounts(t *testing.T) {
	for _, row := range []struct {
		name     string
		steps    []string
		mismatch bool
		claimed  bool
		attempt  int
	}{
		{"as asked", []string{"L 30 → created", "T 30.00 → completed"}, false, false, 1},
		{"too little is held, once told of", []string{"L 30 → created", "T 29.99 → suspicious:amount-mismatch", "T 29.99 → "}, true, false, 0},
		{"too much is held", []string{"L 30 → created", "T 30.01 → suspicious:amount-mismatch"}, true, false, 0},
		{"another currency is held", []string{"L 30 → created", "T 30 SEK → suspicious:amount-mismatch"}, true, false, 0},
		{"told of while still created", []string{"L 30 → created", "L 29 → suspicious:amount-mismatch", "P 29 → pending", "T 29 → "}, true, false, 0},
		{"accepted", []string{"L 30 → created", "T 29 → suspicious:amount-mismatch", "accept → completed", "T 29 → "}, false, false, 1},
		{"accepted while pending", []string{"L 30 → created", "P 29 → suspicious:amount-mismatch pending", "accept → ", "T 29 → completed"}, false, false, 1},
		{"another amount after it was accepted", []string{"L 30 → created", "T 29 → suspicious:amount-mismatch", "accept → completed", "T 28 → suspicious:amount-mismatch"}, true, false, 1},
		{"another currency after it was accepted", []string{"L 30 → created", "T 29 → suspicious:amount-mismatch", "accept → completed", "T 29 SEK → suspicious:amount-mismatch"}, true, false, 1},
		{"cleared by EMTA", []string{"L 30 → created", "T 29 → suspicious:amount-mismatch", "T 30 → completed"}, false, false, 1},
		{"offered, then held, then cleared", []string{"L 30 → created", "T 30 → completed", "T 29 → suspicious:amount-mismatch", "T 30 → completed"}, false, false, 2},
		{"claimed, then another amount", []string{"L 30 → created", "T 30 → completed", "claim → ", "T 29 → suspicious:amount-mismatch", "T 30 → "}, false, true, 1},
		{"held, then reverted", []string{"L 30 → created", "T 29 → suspicious:amount-mismatch", "P 29 → reverted", "T 29 → "}, true, false, 0},
		{"reverted, then held", []string{"L 30 → created", "T 30 → completed", "P 29 → suspicious:amount-mismatch reverted", "T 30 → completed"}, false, false, 1},
		{"accepted, reverted, completed again", []string{"L 30 → created", "T 29 → suspicious:amount-mismatch", "accept → completed", "claim → ", "P 29 → reverted", "T 29 → completed"}, false, false, 1},
		{"cancelled, then paid with another amount", []string{"L 30 → created", "X 30 → cancelled", "T 29 → suspicious:amount-mismatch"}, true, false, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := orderIn(Creating)
			for _, step := range row.steps {
				do, want, _ := strings.Cut(step, " → ")
				out := outcome{order: o}
				switch do {
				case "claim":
					out.order.ClaimForwarded, out.order.NextOffer = true, time.Time{}
				case "accept":
					out.order.Mismatch, out.order.AcceptedBy = false, "operator"
					out.offer(decide(t), View{Order: o})
				default:
					words := strings.Fields(do)
					state, ok := StateOfCode(words[0])
					require.True(t, ok, step)
					a := answerOn(state)
					a.amount = euros(words[1])
					if len(words) > 2 {
						a.currency = words[2]
					}
					out = decide(t).applied(View{Order: o}, a, state)
				}
				require.Equal(t, want, kinds(out), step)
				o = out.order
				if o.Mismatch {
					require.Zero(t, o.NextOffer, "while held it is not offered: %s", step)
				}
			}
			require.Equal(t, row.mismatch, o.Mismatch)
			require.Equal(t, row.claimed, o.ClaimForwarded)
			require.Equal(t, row.attempt, o.OfferAttempt)
			require.True(t, o.AskedAmount.Equal(euros("30")), "what was asked never changes")
		})
	}
}

// Somebody paid twice: both are reported, the later with duplicateOf (EMTA §4, 5).
func TestAppliedDuplicate(t *testing.T) {
	other := func(id, duplicateOf int64, state State) Order {
		return Order{ID: id, AnnouncementID: 7, State: state, DuplicateOf: duplicateOf}
	}
	for _, row := range []struct {
		name   string
		others []Order
		want   int64
	}{
		{"alone", nil, 0},
		{"another that was not paid", []Order{other(13, 0, Cancelled), other(11, 0, Pending), other(10, 0, Created), other(9, 0, Creating)}, 0},
		{"an older one", []Order{other(11, 0, Completed)}, 11},
		{"a younger one that was paid before", []Order{other(13, 0, Completed)}, 13},
		{"two", []Order{other(13, 11, Completed), other(11, 0, Completed)}, 11},
		{"one that was reported as the duplicate of this", []Order{other(13, 12, Completed)}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := decide(t).applied(View{Order: orderIn(Pending), Others: row.others}, answerOn(Completed), Completed)
			require.Equal(t, "completed", kinds(out))
			require.Equal(t, row.want, out.order.DuplicateOf)
		})
	}
	t.Run("not before it completes", func(t *testing.T) {
		out := decide(t).applied(View{Order: orderIn(Created), Others: []Order{other(11, 0, Completed)}}, answerOn(Pending), Pending)
		require.Zero(t, out.order.DuplicateOf)
	})
}

// A completion is offered until the core confirms, each time later (EMTA §7, design §8).
func TestOfferAgain(t *testing.T) {
	d := decide(t)
	out := d.applied(View{Order: orderIn(Pending)}, answerOn(Completed), Completed)
	for attempt, after := range []string{"10m", "20m", "40m", "80m", "160m", "320m", "640m", "1280m", "24h", "24h"} {
		delay, err := time.ParseDuration(after)
		require.NoError(t, err)
		require.Equal(t, attempt+1, out.order.OfferAttempt)
		require.Equal(t, "completion-new", out.order.CompletionID)
		require.Equal(t, d.now.Add(delay), out.order.NextOffer, "attempt %d", attempt+1)
		require.Equal(t, "completed", kinds(out))
		require.Len(t, out.log, 1)
		d.now = out.order.NextOffer
		out = outcome{order: out.order}
		out.offerAgain(d)
	}
}

// EMTA's cancelling is written only to what is still open; the payer may have been faster.
func TestCancelledByUs(t *testing.T) {
	for _, row := range []struct {
		before, after State
		events        string
	}{
		{Creating, Cancelled, "cancelled"},
		{Created, Cancelled, "cancelled"},
		{Pending, Pending, ""},
		{Completed, Completed, ""},
		{Cancelled, Cancelled, ""},
	} {
		before := orderIn(row.before)
		out := decide(t).cancelled(View{Order: before}, "why")
		require.Equal(t, row.after, out.order.State, row.before)
		require.Equal(t, row.events, kinds(out), row.before)
		if row.events == "" {
			require.Equal(t, before, out.order)
			continue
		}
		require.False(t, out.order.Live)
		require.Equal(t, "why", out.order.Fault)
	}
}

// EMTA §7: an order that EMTA itself does not know becomes X a day after its end, with the fault kept.
func TestCheckedWithoutAnswer(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct {
		name     string
		state    State
		past     time.Duration // since the order's end
		notFound bool          // it was not found before
		unknown  bool
		after    State
		events   string
	}{
		{"no answer", Created, time.Minute, false, false, Created, ""},
		{"no answer, long past", Pending, 3 * day, true, false, Pending, ""},
		{"not found, before its end", Created, -time.Minute, true, true, Created, ""},
		{"not found for the first time", Created, time.Minute, false, true, Created, ""},
		{"created, not found, within the day", Created, day - time.Second, true, true, Created, ""},
		{"pending, not found, within the day", Pending, day - time.Second, true, true, Pending, ""},
		{"created, not found, after the day", Created, day + time.Second, true, true, Cancelled, "cancelled suspicious:not-found"},
		{"pending, not found, after the day", Pending, day + time.Second, true, true, Cancelled, "cancelled suspicious:not-found"},
		{"cancelled, not found", Cancelled, 2 * day, true, true, Cancelled, ""},
		{"completed, not found: money is never forgotten for that", Completed, 2 * day, true, true, Completed, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := orderIn(row.state)
			before.Expires, before.Attempts = noon.Add(-row.past), 3
			if row.notFound {
				before.NotFoundAt = noon.Add(-time.Hour)
			}
			out := decide(t).checked(View{Order: before}, row.unknown, "NotFound: no such order")
			require.Equal(t, row.after, out.order.State)
			require.Equal(t, row.events, kinds(out))
			require.Equal(t, before.ClaimForwarded, out.order.ClaimForwarded)
			require.Equal(t, before.CompletionID, out.order.CompletionID)
			if row.events != "" {
				require.Equal(t, "NotFound: no such order", out.order.Fault)
				return
			}
			require.Equal(t, 4, out.order.Attempts)
			require.Equal(t, row.unknown || row.notFound, !out.order.NotFoundAt.IsZero())
		})
	}
}

// EMTA answering after all takes back that it did not know the order.
func TestAppliedFoundAgain(t *testing.T) {
	o := orderIn(Created)
	o.NotFoundAt, o.Fault = noon.Add(-time.Hour), "NotFound"
	out := decide(t).applied(View{Order: o}, answerOn(Created), Created)
	require.Zero(t, out.order.NotFoundAt)
	require.Empty(t, out.order.Fault)
}

// EMTA §7: a row in U is given up only after init_deadline + 24 h and three complete lists, both.
func TestListedWithoutIt(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct {
		name     string
		lists    int           // complete ones before
		past     time.Duration // since the deadline
		complete bool
		after    State
		count    int
	}{
		{"the first list", 0, time.Minute, true, Creating, 1},
		{"an incomplete list", 0, time.Minute, false, Creating, 0},
		{"three lists within the day", 2, day - time.Second, true, Creating, 3},
		{"many lists within the day", 9, day - time.Second, true, Creating, 10},
		{"two lists after the day", 1, day + time.Second, true, Creating, 2},
		{"none after the day", 0, 5 * day, false, Creating, 0},
		{"three lists, the third after the day", 2, day + time.Second, true, Cancelled, 3},
		{"three lists and a fourth after the day", 3, day + time.Second, true, Cancelled, 4},
		{"an incomplete third", 2, day + time.Second, false, Creating, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := orderIn(Creating)
			o.Lists, o.InitDeadline = row.lists, noon.Add(-row.past)
			out := decide(t).listed(View{Order: o}, row.complete)
			require.Equal(t, row.after, out.order.State)
			if row.after == Cancelled {
				require.Equal(t, "cancelled", kinds(out))
				require.Equal(t, "not found at MM", out.order.Fault)
				require.False(t, out.order.Live)
				return
			}
			require.Empty(t, out.events)
			require.Equal(t, row.count, out.order.Lists)
			require.True(t, out.order.NextCheck.After(noon), "looked for on")
			require.True(t, out.order.Live)
		})
	}
	t.Run("found meanwhile", func(t *testing.T) {
		o := orderIn(Created)
		o.Lists, o.InitDeadline = 5, noon.Add(-5*day)
		out := decide(t).listed(View{Order: o}, true)
		require.Equal(t, outcome{order: o}, out)
	})
}
