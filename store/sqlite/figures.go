package sqlite

import (
	"context"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/order"
)

const (
	ordersByState = `SELECT tellimuse_seisund_kl, count(*) FROM maksemooduli_tellimused GROUP BY tellimuse_seisund_kl`
	openFigures   = `SELECT
		(SELECT count(*) FROM adapter_order WHERE next_check_at <= ?1),
		(SELECT min(next_check_at) FROM adapter_order WHERE next_check_at <= ?1),
		(SELECT count(*) FROM krediitkaardi_teavitused WHERE toodeldud = 0),
		(SELECT min(teavituse_aeg) FROM krediitkaardi_teavitused INDEXED BY krediitkaardi_teavitused_tootlemata WHERE toodeldud = 0),
		(SELECT count(*) FROM adapter_notification a CROSS JOIN krediitkaardi_teavitused n ON n.id = a.notification_id
			WHERE a.parked_at IS NOT NULL AND n.toodeldud = 0),
		(SELECT count(*) FROM maksemooduli_tellimused t JOIN adapter_order a ON a.order_id = t.id
			WHERE t.tellimuse_seisund_kl = 'T' AND t.noue_edastatud = 0 AND a.offer_attempt > 0),
		(SELECT count(*) FROM adapter_order WHERE mismatch = 1)`
)

// Figures counts orders by state and what is due; states that no order is in are left out.
func (s *Store) Figures(ctx context.Context, now time.Time) (order.Figures, error) {
	f := order.Figures{Orders: map[order.State]int{}}
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return order.Figures{}, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // it only reads
	rows, err := tx.QueryContext(ctx, ordersByState)
	_, err = collect(rows, err, func(r row) (int, error) {
		var in state
		var n int
		err := r.Scan(&in, &n)
		f.Orders[order.State(in)] = n
		return n, err
	})
	if err != nil {
		return order.Figures{}, fmt.Errorf("count orders by state: %w", err)
	}
	err = tx.QueryRowContext(ctx, openFigures, instant(now)).Scan(&f.DueOrders, (*instant)(&f.OldestDue),
		&f.OpenNotifications, (*instant)(&f.OldestOpen), &f.Parked, &f.UnclaimedOrders, &f.Mismatches)
	if err != nil {
		return order.Figures{}, fmt.Errorf("count what is open: %w", err)
	}
	return f, nil
}
