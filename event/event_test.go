package event_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 250_000_000, time.UTC)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is a store with its clock and a way to make things happen.
type house struct {
	t testing.TB
	store.Store
	clock *clock
	ids   int
}

func newHouse(t testing.TB) *house {
	t.Helper()
	s, err := store.Open(context.Background(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.Migrate(context.Background())
	require.NoError(t, err)
	return &house{t: t, Store: s, clock: &clock{now: noon}}
}

// event makes a new event; ids are e1, e2 and so on.
func (h *house) event(kind string) event.Event {
	h.ids++
	return event.Event{ID: fmt.Sprintf("e%d", h.ids), Type: kind, Time: h.clock.Now(), Data: json.RawMessage(`{"id":1,"state":"completed"}`)}
}

// start writes an order with an event for each kind and returns its key.
func (h *house) start(announcement int64, kinds ...string) int64 {
	h.t.Helper()
	o, err := h.Start(context.Background(), announcement, order.Lease{Token: "t", Until: noon.Add(time.Hour)},
		func([]order.Order) (order.Change, error) {
			c := order.Change{New: &order.Order{AnnouncementID: announcement, State: order.Creating, Currency: "EUR", AskedCurrency: "EUR", Started: noon, Live: true}}
			for _, kind := range kinds {
				c.Events = append(c.Events, h.event(kind))
			}
			return c, nil
		})
	require.NoError(h.t, err)
	return o.ID
}

// append gives an order one more event.
func (h *house) append(id int64, kind string) {
	h.t.Helper()
	_, err := h.Change(context.Background(), id, "", func(order.View) (order.Change, error) {
		e := h.event(kind)
		e.Subject = fmt.Sprintf("order/%d", id)
		return order.Change{Events: []event.Event{e}}, nil
	})
	require.NoError(h.t, err)
}

func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(b)
}
