package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// EMTA §7: that EMTA does not know an order counts on Cancel as on Get.
func TestCancelOfAnOrderUnknownToEMTA(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		startedOnce(w)
		w.wire.misbehave(opCancel, simulator.Mischief{Refuse: 404})
		o, err := w.module.Cancel(ctx, 1, operator)
		require.Equal(t, order.Refused, code(t, err))
		require.Equal(t, order.Created, o.State)
		require.False(t, o.NotFoundAt.IsZero())
	})
}
