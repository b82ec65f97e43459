package order

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
