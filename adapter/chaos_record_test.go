//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// record is the end of a small trial in which everything came out right: order 1 was paid, 2 was cancelled by its payer, 3 was
// paid, annulled and paid again, 4 never came to EMTA, 5 was started instead of 2, which EMTA had not been able to cancel.
func record() verdict {
	at := func(minutes int) time.Time { return time.Date(2026, 3, 2, 12, minutes, 0, 0, time.UTC) }
	amount := decimal.New(3000, -2)
	traffic := newTraffic(1)
	c := &comparison{t: traffic, rows: map[string]order.Order{}, figures: order.Figures{}}
	v := verdict{comparison: c, inside: inside{processed: map[string]time.Time{}, confirmed: map[string]int{"1": 1, "3": 2}}}
	row := func(id int64, state order.State, completionID string) {
		o := order.Order{ID: id, AnnouncementID: 10 + id, State: state, Amount: amount, Currency: "EUR", CompletionID: completionID, ClaimForwarded: completionID != ""}
		if state != order.Creating {
			o.EMTAOrderID = fmt.Sprintf("e%d", id)
			c.made = append(c.made, simulator.Order{ID: o.EMTAOrderID, Stamp: fmt.Sprint(id), State: simulator.OrderState(state), Amount: amount, Currency: "EUR", Created: at(int(id))})
			v.calls = append(v.calls, simulator.Call{Operation: simulator.OperationInit, Stamp: fmt.Sprint(id), Acted: true})
			traffic.answered[fmt.Sprint(id)] = simulator.CoreOrder{ID: fmt.Sprint(id), EMTAOrderID: o.EMTAOrderID, AnnouncementID: fmt.Sprint(10 + id)}
		}
		c.rows[fmt.Sprint(id)] = o
	}
	row(1, order.Completed, "c1")
	row(2, order.Cancelled, "")
	row(3, order.Completed, "c3b")
	row(4, order.Creating, "")
	row(5, order.Cancelled, "")
	five := c.rows["5"]
	five.AnnouncementID = 12
	c.rows["5"] = five
	traffic.answered["5"] = simulator.CoreOrder{ID: "5", EMTAOrderID: "e5", AnnouncementID: "12"}
	c.kept = map[string]bool{"2": true}
	traffic.paid = map[string]int{"e1": 1, "e3": 2}
	traffic.claimed = map[string]bool{"c1": true, "c3": true, "c3b": true}
	tell := func(id int64, kind string, state order.State, completionID string, attempt int) {
		data, err := json.Marshal(map[string]any{"id": id, "state": state, "completionId": completionID, "attempt": attempt})
		if err != nil {
			panic(err)
		}
		n := int64(len(c.events) + 1)
		e := event.Event{Seq: n, ID: fmt.Sprintf("event-%d", n), Type: kind, Subject: fmt.Sprintf("order/%d", id), Data: data}
		c.events = append(c.events, e)
		heard := simulator.Event{ID: e.ID, Subject: e.Subject, Type: e.Type}
		traffic.feed = append(traffic.feed, heard)
		c.received = append(c.received, simulator.Delivery{Event: heard, Accepted: true})
	}
	tell(1, order.EventCreated, order.Created, "", 0)
	tell(2, order.EventCreated, order.Created, "", 0)
	tell(1, order.EventCompleted, order.Completed, "c1", 1)
	tell(3, order.EventCreated, order.Created, "", 0)
	tell(1, order.EventCompleted, order.Completed, "c1", 2)
	tell(2, order.EventCancelled, order.Cancelled, "", 0)
	tell(3, order.EventCompleted, order.Completed, "c3", 1)
	tell(3, order.EventReverted, order.Pending, "", 0)
	tell(3, order.EventCompleted, order.Completed, "c3b", 1)
	tell(5, order.EventCancelled, order.Cancelled, "", 0)
	traffic.acked = []acknowledgement{{emtaOrderID: "e1", sent: at(20)}, {emtaOrderID: "e1", sent: at(21)}}
	v.processed["e1"] = at(22)
	v.endings = []ending{{wanted: killed, ready: true, code: -1}, {wanted: stopped, ready: true}, {wanted: stopped, code: -1}}
	v.said = []string{`{"level":"WARN","msg":"lease lost while checking","order":1}`}
	return v
}

// The verdict of a trial finds each thing that can be wrong, and nothing where nothing is.
func TestVerdict(t *testing.T) {
	require.Empty(t, record().judge())
	change := func(stamp string, f func(o *order.Order)) func(v *verdict) {
		return func(v *verdict) { o := v.rows[stamp]; f(&o); v.rows[stamp] = o }
	}
	without := func(id string) func(v *verdict) {
		return func(v *verdict) {
			v.events = slices.DeleteFunc(v.events, func(e event.Event) bool { return e.ID == id })
		}
	}
	for _, test := range []struct {
		doctored string
		doctor   func(v *verdict)
		want     string
	}{
		{"state", change("2", func(o *order.Order) { o.State = order.Created }), "order 2 is created, at EMTA cancelled"},
		{"amount", change("1", func(o *order.Order) { o.Amount = decimal.New(1, 0) }), "order 1 is of 1, at EMTA of 30"},
		{"EMTA's id", change("1", func(o *order.Order) { o.EMTAOrderID = "e9" }), `order 1 has id "e9", EMTA's is e1`},
		{"lost row", func(v *verdict) { delete(v.rows, "2") }, "has no row: it is lost"},
		{"lost answer", func(v *verdict) { delete(v.rows, "2") }, "the core was told of order 2, which is lost"},
		{"row of another", change("1", func(o *order.Order) { o.AnnouncementID = 99 }), "order 1 was of announcement 11, is of 99"},
		{"two orders of a start", func(v *verdict) {
			change("2", func(o *order.Order) { o.AnnouncementID = 11 })(v)
		}, "announcement 11 has orders 1 and 2 at EMTA: it is doubled"},
		{"two orders, and no cancel that failed", func(v *verdict) { v.kept = nil }, "announcement 12 has orders 2 and 5 at EMTA: it is doubled"},
		{"two orders of a stamp", func(v *verdict) {
			again := v.made[0]
			again.ID = "e1b"
			v.made = append(v.made, again)
		}, "EMTA has 2 orders of stamp 1: it is doubled"},
		{"two Inits of a stamp, one refused", func(v *verdict) {
			v.calls = append(v.calls, simulator.Call{Operation: simulator.OperationInit, Stamp: "1"})
		}, "stamp 1 came to EMTA with 2 Inits"},
		{"Init of nobody", func(v *verdict) {
			v.calls = append(v.calls, simulator.Call{Operation: simulator.OperationInit, Stamp: "77"})
		}, "stamp 77 came to EMTA and has no row"},
		{"order without Init", func(v *verdict) { v.calls = v.calls[1:] }, "EMTA's order e1 came without an Init"},
		{"two attempts under way", func(v *verdict) {
			v.rows["4"] = order.Order{ID: 4, AnnouncementID: 14, State: order.Creating, Live: true}
			v.rows["5"] = order.Order{ID: 5, AnnouncementID: 14, State: order.Creating, Live: true}
		}, "announcement 14 has 2 attempts under way"},
		{"not offered", func(v *verdict) { without("event-3")(v); without("event-5")(v) }, "order 1 is completed and was not offered"},
		{"not claimed", change("1", func(o *order.Order) { o.ClaimForwarded = false }), "order 1 is completed and not claimed"},
		{"claim that was confirmed", change("1", func(o *order.Order) { o.ClaimForwarded = false }), "the claim of order 1 was confirmed, which is lost"},
		{"no confirmation", func(v *verdict) { delete(v.confirmed, "1") }, "order 1 is completed and its claim is not confirmed"},
		{"two confirmations", func(v *verdict) { v.confirmed["1"] = 2 }, "the claims of order 1 were confirmed 2 times for 1 completions"},
		{"completion paid for once, told twice", func(v *verdict) { v.t.paid["e3"] = 1 }, "order 3 was paid 1 times, the core was told of 2 completions"},
		{"completion id of two orders", func(v *verdict) {
			v.events[6].Data = json.RawMessage(`{"id":3,"state":"completed","completionId":"c1","attempt":1}`)
		}, "completion c1 is of orders 1 and 3"},
		{"event lost in the feed", func(v *verdict) { v.t.feed = slices.Delete(v.t.feed, 2, 3) }, "the feed has 10 events; those that the core read are 9"},
		{"feed in another order", func(v *verdict) { v.t.feed[0], v.t.feed[1] = v.t.feed[1], v.t.feed[0] }, "those that the core read are 10, or others"},
		{"event lost in the webhook", func(v *verdict) { v.received[5].Accepted = false }, "order/2: the webhook brought 1 events of 2"},
		{"webhook in another order", func(v *verdict) { v.received[6], v.received[8] = v.received[8], v.received[6] }, "order/3: the webhook brought 4 events of 4, or in another order"},
		{"event twice", func(v *verdict) { v.events = append(v.events, v.events[8]) }, "event event-9 is in the feed twice"},
		{"not told", func(v *verdict) { without("event-2")(v); without("event-6")(v) }, "order 2 is cancelled, and the core has not been told"},
		{"told otherwise", without("event-6"), "order 2 is cancelled, the core was told created"},
		{"acknowledged and lost", func(v *verdict) { delete(v.processed, "e1") }, "an acknowledged notification of e1 is lost or not processed"},
		{"acknowledged after the last that was processed", func(v *verdict) { v.processed["e1"] = v.t.acked[0].sent }, "an acknowledged notification of e1 is lost or not processed"},
		{"open notification", func(v *verdict) { v.open = []order.Notification{{EMTAOrderID: "e2"}} }, "EMTA's order e2: a notification"},
		{"EMTA waits", func(v *verdict) { v.pending = make([]simulator.Notification, 1) }, "EMTA has 1 unacknowledged notifications"},
		{"webhook refused", func(v *verdict) { v.refused = []error{errors.New("signature")} }, "the core refused webhooks"},
		{"undelivered", func(v *verdict) { v.backlog = 1 }, "1 events are not delivered"},
		{"suspicion", func(v *verdict) { v.suspicions = make([]order.Suspicion, 1) }, "1 answers were taken for somebody else's"},
		{"unclaimed", func(v *verdict) { v.figures.UnclaimedOrders = 1 }, "1 completions are not claimed"},
		{"amounts", func(v *verdict) { v.figures.Mismatches = 1 }, "1 amounts differ"},
		{"leased", func(v *verdict) { v.leased = []string{"order 3"} }, "order 3 is left leased"},
		{"parked", func(v *verdict) { v.parked = []string{"order 4"} }, "order 4 is left, and nobody will look at it"},
		{"seen by the payers", func(v *verdict) { v.t.wrongf("what nobody should see") }, "what nobody should see"},
		{"ended by itself", func(v *verdict) { v.endings[0].wanted = "" }, "a replica ended by itself"},
		{"did not start", func(v *verdict) { v.endings[1] = ending{code: 1, how: "exit status 1"} }, "a replica ended by itself: exit status 1"},
		{"stopped badly", func(v *verdict) { v.endings[1].code = 1 }, "a replica that was told to stop ended with"},
		{"stopped badly while it started", func(v *verdict) { v.endings[2].code = 2 }, "a replica that was told to stop while it started ended with"},
		{"panic", func(v *verdict) { v.said[0] += "\npanic: runtime error\n" }, "a replica wrote: panic: runtime error"},
		{"panic that was caught", func(v *verdict) { v.said[0] = `{"level":"ERROR","msg":"panic while serving"}` }, "a replica wrote"},
		{"race", func(v *verdict) { v.said[0] = "WARNING: DATA RACE" }, "a replica wrote: WARNING: DATA RACE"},
	} {
		t.Run(test.doctored, func(t *testing.T) {
			v := record()
			test.doctor(&v)
			require.Contains(t, strings.Join(v.judge(), "\n"), test.want)
		})
	}
}
