package order

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Issue 4: a completion says that its order had been cancelled also where that was not the state just before, and in every repeat,
// until it is taken back.
func TestAfterCancelLasts(t *testing.T) {
	d := decide(t)
	after := func(o Order, states ...State) outcome {
		var out outcome
		for _, state := range states {
			out = d.applied(View{Order: o}, answerOn(state), state)
			o = out.order
		}
		return out
	}
	require.Equal(t, "completed-after-cancel", kinds(after(orderIn(Cancelled), Completed)))
	pending := after(orderIn(Cancelled), Pending, Completed)
	require.Equal(t, "completed-after-cancel", kinds(pending))
	require.Equal(t, "completed-after-cancel", kinds(after(orderIn(Cancelled), Created, Pending, Completed)))
	require.True(t, eventData(pending.order, pending.events[0]).AfterCancel)

	again := outcome{order: pending.order}
	again.offerAgain(d)
	require.Equal(t, "completed-after-cancel", kinds(again))

	a := answerOn(Completed)
	a.amount = euros("1")
	held := d.applied(View{Order: orderIn(Cancelled)}, a, Completed)
	require.Equal(t, "suspicious:amount-mismatch", kinds(held))
	accepted := outcome{order: held.order}
	accepted.order.Mismatch, accepted.order.AcceptedBy = false, "operator"
	accepted.offer(d, View{Order: held.order})
	require.Equal(t, "completed-after-cancel", kinds(accepted))

	require.Equal(t, "completed", kinds(after(pending.order, Created, Completed)), "another completion, and not cancelled since")
	require.Equal(t, "completed", kinds(after(orderIn(Created), Pending, Completed)))
}

// A notification that comes while EMTA is asked to cancel is processed at once, not when the cancelled order is next due.
func TestNotifiedWhileCancelling(t *testing.T) {
	before := orderIn(Created)
	before.NextCheck = noon // as the notification left it
	open := &Notification{ID: 5, EMTAOrderID: "emta-12", NotifiedAt: noon}
	out := decide(t).cancelled(View{Order: before, Open: open}, "")
	require.Equal(t, Cancelled, out.order.State)
	require.Equal(t, noon, out.order.NextCheck)
	require.True(t, decide(t).cancelled(View{Order: before}, "").order.NextCheck.After(noon))
}
