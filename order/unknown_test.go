package order

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// A stamp that EMTA would not take is never sent, and nothing can have been created (EMTA §4, checks).
func TestStampTooLongIsNotSent(t *testing.T) {
	for _, row := range []struct {
		short bool
		stamp string
	}{
		{true, strings.Repeat("9", 11)},
		{false, strings.Repeat("9", 20)},
	} {
		settings, err := Settings{ShortStamp: row.short}.WithDefaults()
		require.NoError(t, err)
		_, err = (&Module{settings: settings}).initCall(t.Context(), initOrder{stamp: row.stamp})
		var call *soap.CallError
		require.ErrorAs(t, err, &call)
		require.Equal(t, soap.FailedRequest, call.Failure)
		require.True(t, provesNothingCreated(err))
	}
}

// An order that EMTA first says it does not know when its schedule is over is asked about once more, and then closed.
func TestUnknownAfterItsScheduleIsClosed(t *testing.T) {
	d := decide(t)
	o := orderIn(Pending)
	d.now = o.Expires.Add(60 * 24 * time.Hour)
	o = d.checked(View{Order: o}, true, "NotFound").order
	require.Equal(t, Pending, o.State)
	require.False(t, o.NextCheck.IsZero(), "asked about again")
	d.now = o.NextCheck
	o = d.checked(View{Order: o}, true, "NotFound").order
	require.Equal(t, Cancelled, o.State)
}
