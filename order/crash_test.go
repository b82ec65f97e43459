package order_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"ametlikudteadaanded.ee/adapter/order"
)

// errDead is what everything fails with once the process is dead.
var errDead = errors.New("the process is dead")

// mortal is a store whose process dies: from some call on nothing reaches the database any more. The call at which it
// dies is either not made, or made and not heard of.
type mortal struct {
	order.Store

	mu    sync.Mutex
	left  int  // calls until death; -1: it lives
	heard bool // the last call is made
	dead  bool
	calls int
}

// dieAfter lets calls more calls through and dies at the next; made says that the next is made all the same.
func (m *mortal) dieAfter(calls int, made bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.heard = calls, made
}

func (m *mortal) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// next counts a call. made: it reaches the database; told: the caller hears of it.
func (m *mortal) next() (made, told bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	switch {
	case m.dead:
		return false, false
	case m.left == 0:
		m.dead = true
		return m.heard, false
	case m.left > 0:
		m.left--
	}
	return true, true
}

func through[T any](m *mortal, call func() (T, error)) (T, error) {
	var zero T
	made, told := m.next()
	if !made {
		return zero, errDead
	}
	result, err := call()
	if !told {
		return zero, errDead
	}
	return result, err
}

func throughOnly(m *mortal, call func() error) error {
	_, err := through(m, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

func (m *mortal) Order(ctx context.Context, id int64) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.Order(ctx, id) })
}

func (m *mortal) OrderByEMTA(ctx context.Context, id string) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.OrderByEMTA(ctx, id) })
}

func (m *mortal) OrdersOf(ctx context.Context, id int64) ([]order.Order, error) {
	return through(m, func() ([]order.Order, error) { return m.Store.OrdersOf(ctx, id) })
}

func (m *mortal) OpenNotification(ctx context.Context, id string) (order.Notification, error) {
	return through(m, func() (order.Notification, error) { return m.Store.OpenNotification(ctx, id) })
}

func (m *mortal) Start(ctx context.Context, id int64, l order.Lease, decide func([]order.Order) (order.Change, error)) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.Start(ctx, id, l, decide) })
}

func (m *mortal) Change(ctx context.Context, id int64, token string, decide func(order.View) (order.Change, error)) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.Change(ctx, id, token, decide) })
}

func (m *mortal) Notified(ctx context.Context, id string, decide func(order.Known) (order.Change, error)) error {
	return throughOnly(m, func() error { return m.Store.Notified(ctx, id, decide) })
}

func (m *mortal) ChangeNotification(ctx context.Context, id int64, token string, decide func(order.Notification) (order.Change, error)) error {
	return throughOnly(m, func() error { return m.Store.ChangeNotification(ctx, id, token, decide) })
}

func (m *mortal) TakeOrders(ctx context.Context, now time.Time, l order.Lease, limit int) ([]order.Order, error) {
	return through(m, func() ([]order.Order, error) { return m.Store.TakeOrders(ctx, now, l, limit) })
}

func (m *mortal) TakeNotifications(ctx context.Context, now time.Time, l order.Lease, limit int) ([]order.Notification, error) {
	return through(m, func() ([]order.Notification, error) { return m.Store.TakeNotifications(ctx, now, l, limit) })
}

func (m *mortal) TakeOrder(ctx context.Context, id int64, now time.Time, l order.Lease) (order.Order, error) {
	return through(m, func() (order.Order, error) { return m.Store.TakeOrder(ctx, id, now, l) })
}

func (m *mortal) RenewOrder(ctx context.Context, id int64, l order.Lease) error {
	return throughOnly(m, func() error { return m.Store.RenewOrder(ctx, id, l) })
}

func (m *mortal) ReleaseOrder(ctx context.Context, id int64, token string) error {
	return throughOnly(m, func() error { return m.Store.ReleaseOrder(ctx, id, token) })
}

func (m *mortal) ReleaseNotification(ctx context.Context, id int64, token string) error {
	return throughOnly(m, func() error { return m.Store.ReleaseNotification(ctx, id, token) })
}

func (m *mortal) DueOffers(ctx context.Context, now time.Time, limit int) ([]int64, error) {
	return through(m, func() ([]int64, error) { return m.Store.DueOffers(ctx, now, limit) })
}

func (m *mortal) Suspicions(ctx context.Context, id string) ([]order.Suspicion, error) {
	return through(m, func() ([]order.Suspicion, error) { return m.Store.Suspicions(ctx, id) })
}
