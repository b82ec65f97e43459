package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

// A notification of an id that an order gets at that moment: what is decided sees the order, or an order that has no id yet, and
// never neither.
func TestKnownWhileAnOrderGetsTheID(t *testing.T) {
	t.Parallel()
	s, address := migrated(t)
	o := started(t, s, 5, "")
	require.NoError(t, s.Notified(t.Context(), "emta-1", func(order.Known) (order.Change, error) {
		return order.Change{Notifications: []order.Notification{{EMTAOrderID: "emta-1", NotifiedAt: noon}}}, nil
	}))
	holder, err := connect(t, address).Begin(t.Context())
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), `SELECT 1 FROM atis.krediitkaardi_teavitused FOR UPDATE`)
	require.NoError(t, err)

	seen := make(chan order.Known, 1)
	done := make(chan error, 1)
	go func() {
		var known order.Known
		err := s.Notified(t.Context(), "emta-1", func(k order.Known) (order.Change, error) {
			known = k
			return order.Change{}, nil
		})
		seen <- known
		done <- err
	}()
	waiting(t, connect(t, address), 1) // it has looked for the order, and not counted yet
	_, err = s.Change(t.Context(), o.ID, "", func(v order.View) (order.Change, error) {
		v.Order.EMTAOrderID, v.Order.State = "emta-1", order.Created
		return order.Change{Orders: []order.Order{v.Order}}, nil
	})
	require.NoError(t, err)
	require.NoError(t, holder.Rollback(t.Context()))
	known := <-seen
	require.NoError(t, <-done)
	require.NotNil(t, known.Order)
	require.Equal(t, o.ID, known.Order.ID)
	require.NotNil(t, known.Open)
}
