package order_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

// broken is a store in which one kind of call fails, or panics.
type broken struct {
	order.Store
	offers  error
	panicOn int64 // reading the notification of an order; 0: none
}

func (b broken) DueOffers(ctx context.Context, now time.Time, limit int) ([]int64, error) {
	if b.offers != nil {
		return nil, b.offers
	}
	return b.Store.DueOffers(ctx, now, limit)
}

func (b broken) OpenNotification(ctx context.Context, emtaOrderID string) (order.Notification, error) {
	if o, err := b.OrderByEMTA(ctx, emtaOrderID); err == nil && o.ID == b.panicOn {
		panic("impossible")
	}
	return b.Store.OpenNotification(ctx, emtaOrderID)
}

// A completion that cannot be offered keeps no order from being checked.
func TestWorkGoesOnWithoutOffers(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.started(1, "30.00")
		time.Sleep(15 * time.Second)
		stuck := errors.New("an offer that cannot be written")
		n, err := w.replica(broken{Store: w.store, offers: stuck}).Work(ctx)
		require.ErrorIs(t, err, stuck)
		require.Equal(t, 1, n)
		require.Equal(t, 1, w.wire.count(opGet))
	})
}

// An order at which the program finds an impossible state takes the process with it no more than it does in a request: the
// others are worked on.
func TestWorkGoesOnAfterAPanic(t *testing.T) {
	inWorld(t, worldOptions{settings: func(s *order.Settings) { s.Parallel = 4 }}, func(t *testing.T, w *world) {
		bad, good := w.started(1, "30.00"), w.started(2, "30.00")
		runs, end := context.WithCancel(ctx)
		ended := make(chan struct{})
		module := w.replica(broken{Store: w.store, panicOn: bad.ID})
		go func() { module.Run(runs); close(ended) }()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		end()
		<-ended
		o, err := w.store.Order(ctx, good.ID)
		require.NoError(t, err)
		require.Positive(t, o.Attempts, "it was asked about")
		require.Contains(t, w.logged.String(), "panic at work on order")
		time.Sleep(11 * time.Second)
		_, err = w.store.TakeOrder(ctx, bad.ID, time.Now(), order.Lease{Token: "operator", Until: time.Now().Add(time.Second)})
		require.NoError(t, err, "its lease is not renewed for ever")
	})
}
