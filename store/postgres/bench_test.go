package postgres_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

// BenchmarkNotified stores notifications of known orders, each durable when the call returns.
func BenchmarkNotified(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			const orders = 200
			s, address := migrated(b)
			for i := range orders {
				started(b, s, int64(i), fmt.Sprintf("emta-%d", i))
			}
			admin := connect(b, address)
			flushes := func() (n int) { // of the whole server, from PostgreSQL 14 to 17
				if admin.QueryRow(b.Context(), `SELECT wal_sync FROM pg_stat_wal`).Scan(&n) != nil {
					return 0
				}
				return n
			}
			before := flushes()
			var n atomic.Int64
			b.ResetTimer()
			one := func() error {
				i := n.Add(1)
				return s.Notified(b.Context(), fmt.Sprintf("emta-%d", i%orders), func(k order.Known) (order.Change, error) {
					note := order.Notification{EMTAOrderID: k.Order.EMTAOrderID}
					if k.Open != nil {
						note = *k.Open
					}
					note.NotifiedAt = noon.Add(time.Duration(i) * time.Microsecond)
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
			b.StopTimer()
			b.ReportMetric(float64(flushes()-before)/float64(b.N), "flushes/op")
		})
	}
}
