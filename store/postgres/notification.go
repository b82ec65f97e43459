package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/order"
)

// notificationColumns are what scanNotification reads, of AT's table n and our table a.
const notificationColumns = `n.id, n.tellimuse_id, n.teavituse_aeg, n.toodeldud, n.vastus, n.saatmise_kordi, n.viga, a.next_check_at, a.parked_at, a.lease_token`

const selectNotification = `SELECT ` + notificationColumns + `
	FROM atis.krediitkaardi_teavitused n JOIN atis.adapter_notification a ON a.notification_id = n.id`

const (
	notificationByEMTA = selectNotification + ` WHERE n.tellimuse_id = $1 AND NOT n.toodeldud`
	notificationsByID  = selectNotification + ` WHERE n.id = ANY ($1)`
	// Rows that were parked and are processed now may be there, of a replica of an older version.
	parkedNotifications = selectNotification + ` WHERE a.parked_at IS NOT NULL AND a.notification_id > $1 AND NOT n.toodeldud
		ORDER BY a.notification_id LIMIT $2`
)

// leasedNotification is a notification with the token of its lease, "" where there is none.
type leasedNotification struct {
	order.Notification
	token string
}

func scanLeasedNotification(r pgx.CollectableRow) (leasedNotification, error) {
	var n leasedNotification
	err := r.Scan(&n.ID, (*text)(&n.EMTAOrderID), (*instant)(&n.NotifiedAt), (*flag)(&n.Processed), (*text)(&n.Answer),
		(*count)(&n.Attempts), (*text)(&n.Failure), (*instant)(&n.NextCheck), (*instant)(&n.ParkedAt), (*text)(&n.token))
	return n, err
}

func scanNotification(r pgx.CollectableRow) (order.Notification, error) {
	n, err := scanLeasedNotification(r)
	return n.Notification, err
}

// OpenNotification returns the unprocessed notification with EMTA's id, or order.ErrNotFound.
func (s *Store) OpenNotification(ctx context.Context, emtaOrderID string) (order.Notification, error) {
	const doing = "read an open notification"
	var found []order.Notification
	err := s.read(ctx, func(b *batch) { rows(b, doing, notificationByEMTA, []any{emtaOrderID}, scanNotification, &found) })
	if err != nil {
		return order.Notification{}, err
	}
	if len(found) == 0 {
		return order.Notification{}, fmt.Errorf("%s: %w", doing, order.ErrNotFound)
	}
	return found[0], nil
}

// ParkedNotifications returns a page of what waits for a person; see order.Store.
func (s *Store) ParkedNotifications(ctx context.Context, after int64, limit int) ([]order.Notification, error) {
	var found []order.Notification
	err := s.read(ctx, func(b *batch) {
		rows(b, "list parked notifications", parkedNotifications, []any{after, max(limit, 0)}, scanNotification, &found)
	})
	return found, err
}

const (
	insertNotification = `WITH n AS (
			INSERT INTO atis.krediitkaardi_teavitused (tellimuse_id, teavituse_aeg, toodeldud, vastus, saatmise_kordi, viga)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id)
		INSERT INTO atis.adapter_notification (notification_id, next_check_at, parked_at) SELECT id, $7, $8 FROM n`
	updateNotificationAT = `UPDATE atis.krediitkaardi_teavitused SET tellimuse_id = $1, teavituse_aeg = $2, toodeldud = $3, vastus = $4,
		saatmise_kordi = $5, viga = $6 WHERE id = $7`
	updateNotificationOurs = `UPDATE atis.adapter_notification SET next_check_at = $1, parked_at = $2 WHERE notification_id = $3`
)

// writeNotification queues an insert for a notification without ID and any other whole, save its lease. What is as it
// was in before, which the transaction holds locked, needs no statement.
func (b *batch) writeNotification(before, n order.Notification) {
	at := []any{n.EMTAOrderID, moment(n.NotifiedAt), n.Processed, word(n.Answer), n.Attempts, word(n.Failure)}
	if n.ID == 0 {
		b.exec("insert a notification", insertNotification, append(at, moment(n.NextCheck), moment(n.ParkedAt))...)
		return
	}
	doing := fmt.Sprintf("update notification %d", n.ID)
	b.must(doing, order.ErrNotFound, updateNotificationAT, append(at, n.ID)...)
	if moment(n.NextCheck) != moment(before.NextCheck) || moment(n.ParkedAt) != moment(before.ParkedAt) {
		b.must(doing, order.ErrNotFound, updateNotificationOurs, moment(n.NextCheck), moment(n.ParkedAt), n.ID)
	}
}
