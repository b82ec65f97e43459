package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/order"
)

const (
	ordersByState = `SELECT tellimuse_seisund_kl, count(*) FROM atis.maksemooduli_tellimused GROUP BY tellimuse_seisund_kl`
	openFigures   = `SELECT
		(SELECT count(*) FROM atis.adapter_order WHERE next_check_at <= $1),
		(SELECT min(next_check_at) FROM atis.adapter_order WHERE next_check_at <= $1),
		(SELECT count(*) FROM atis.krediitkaardi_teavitused WHERE NOT toodeldud),
		(SELECT min(teavituse_aeg) FROM atis.krediitkaardi_teavitused WHERE NOT toodeldud),
		(SELECT count(*) FROM atis.adapter_notification a JOIN atis.krediitkaardi_teavitused n ON n.id = a.notification_id
			WHERE a.parked_at IS NOT NULL AND NOT n.toodeldud),
		(SELECT count(*) FROM atis.maksemooduli_tellimused t JOIN atis.adapter_order a ON a.order_id = t.id
			WHERE t.tellimuse_seisund_kl = 'T' AND t.noue_edastatud IS NOT TRUE AND a.offer_attempt > 0),
		(SELECT count(*) FROM atis.adapter_order WHERE mismatch)`
)

// Figures counts orders by state and what is due; states that no order is in are left out. All
// orders are counted in an index: it is asked a few times a minute, not with each request.
func (s *Store) Figures(ctx context.Context, now time.Time) (order.Figures, error) {
	var f order.Figures
	err := s.transact(ctx, func(ctx context.Context, tx *transaction) error {
		f = order.Figures{Orders: map[order.State]int{}}
		b := &batch{}
		b.exec("begin", `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`) // all of one moment
		var states []order.State
		rows(b, "count orders by state", ordersByState, nil, func(r pgx.CollectableRow) (order.State, error) {
			var in order.State
			var n int
			err := r.Scan((*state)(&in), &n)
			f.Orders[in] = n
			return in, err
		}, &states)
		b.row("count what is open", openFigures, []any{moment(now)}, &f.DueOrders, (*instant)(&f.OldestDue),
			&f.OpenNotifications, (*instant)(&f.OldestOpen), &f.Parked, &f.UnclaimedOrders, &f.Mismatches)
		return tx.commit(ctx, b)
	})
	if err != nil {
		return order.Figures{}, err
	}
	return f, nil
}

// PoolFigures counts connections.
type PoolFigures struct{ InUse, Idle, Max int }

// Pool counts the pool's connections of this moment; the one for LISTEN is beside it.
func (s *Store) Pool() PoolFigures {
	stat := s.pool.Stat()
	return PoolFigures{InUse: int(stat.AcquiredConns()), Idle: int(stat.IdleConns()), Max: int(stat.MaxConns())}
}
