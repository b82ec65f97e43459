package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

// BenchmarkNotified stores notifications of known orders, each durable when the call returns.
func BenchmarkNotified(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			const orders = 64 // each gets a notification that stays open, and open ones are counted each time
			s := migrated(b, filepath.Join(b.TempDir(), "adapter.db"))
			now := time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)
			for i := range orders {
				o := order.Order{AnnouncementID: int64(i), EMTAOrderID: fmt.Sprintf("emta-%d", i), State: order.Created, Amount: decimal.New(3000, -2)}
				_, err := s.Start(b.Context(), o.AnnouncementID, order.Lease{Token: "a", Until: now}, func([]order.Order) (order.Change, error) {
					return order.Change{New: &o}, nil
				})
				require.NoError(b, err)
			}
			var n, commits atomic.Int64
			require.NoError(b, s.OnCommit(b.Context(), func() int32 { commits.Add(1); return 0 }))
			b.ReportAllocs()
			b.ResetTimer()
			one := func() error {
				i := n.Add(1)
				id := fmt.Sprintf("emta-%d", i%orders)
				return s.Notified(b.Context(), id, func(k order.Known) (order.Change, error) {
					note := order.Notification{EMTAOrderID: id}
					if k.Open != nil {
						note = *k.Open
					}
					note.NotifiedAt = now.Add(time.Duration(i) * time.Microsecond)
					due := *k.Order
					due.NextCheck = note.NotifiedAt
					return order.Change{Orders: []order.Order{due}, Notifications: []order.Notification{note}}, nil
				})
			}
			done := make(chan error, callers)
			for c := range callers {
				go func() {
					for i := c; i < b.N; i += callers {
						if err := one(); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for range callers {
				require.NoError(b, <-done)
			}
			b.ReportMetric(float64(commits.Load())/float64(b.N), "commits/op")
		})
	}
}
