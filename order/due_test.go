package order

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The longest due is checked first, so an order that waits for its check must not lose its place when EMTA repeats itself or a list
// shows it again: with many in the queue it would never come to its turn.
func TestDueKeepsItsPlace(t *testing.T) {
	for _, row := range []struct {
		name      string
		nextCheck time.Time
		written   bool
	}{
		{"never due", time.Time{}, true},
		{"due later", noon.Add(time.Microsecond), true},
		{"due", noon, false},
		{"due for an hour", noon.Add(-time.Hour), false},
	} {
		o := orderIn(Created)
		o.NextCheck = row.nextCheck
		due := decide(t).dueNow(&o)
		require.Len(t, due, map[bool]int{true: 1}[row.written], row.name)
		if row.written {
			require.Equal(t, noon, due[0].NextCheck, row.name)
		}
		notified := decide(t).notified(Known{Order: &o}, o.EMTAOrderID)
		require.Len(t, notified.Notifications, 1, row.name)
		require.Equal(t, due, notified.Orders, row.name)
	}
	require.Empty(t, decide(t).dueNow(nil))
}
