package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"ametlikudteadaanded.ee/adapter/order"
)

// notificationColumns are what scanNotification reads, of AT's table n and our table a.
const notificationColumns = `n.id, n.tellimuse_id, n.teavituse_aeg, n.toodeldud, n.vastus, n.saatmise_kordi, n.viga, a.next_check_at, a.parked_at`

const selectNotification = `SELECT ` + notificationColumns + `
	FROM krediitkaardi_teavitused n JOIN adapter_notification a ON a.notification_id = n.id`

const (
	notificationByID   = selectNotification + ` WHERE n.id = ?`
	notificationByEMTA = selectNotification + ` WHERE n.tellimuse_id = ? AND n.toodeldud = 0`

	parkedNotifications = `SELECT ` + notificationColumns + `
		FROM adapter_notification a CROSS JOIN krediitkaardi_teavitused n ON n.id = a.notification_id
		WHERE a.parked_at IS NOT NULL AND a.notification_id > ? AND n.toodeldud = 0 ORDER BY a.notification_id LIMIT ?`
)

func scanNotification(r row) (order.Notification, error) {
	var n order.Notification
	err := r.Scan(&n.ID, (*text)(&n.EMTAOrderID), (*instant)(&n.NotifiedAt), (*flag)(&n.Processed), (*text)(&n.Answer),
		(*count)(&n.Attempts), (*text)(&n.Failure), (*instant)(&n.NextCheck), (*instant)(&n.ParkedAt))
	return n, err
}

// OpenNotification returns the unprocessed notification with EMTA's id, or order.ErrNotFound.
func (s *Store) OpenNotification(ctx context.Context, emtaOrderID string) (order.Notification, error) {
	n, err := openNotification(ctx, s.read, emtaOrderID)
	if err != nil {
		return order.Notification{}, err
	}
	if n == nil {
		return order.Notification{}, fmt.Errorf("read an open notification: %w", order.ErrNotFound)
	}
	return *n, nil
}

// ParkedNotifications returns a page of what waits for a person; see order.Store.
func (s *Store) ParkedNotifications(ctx context.Context, after int64, limit int) ([]order.Notification, error) {
	rows, err := s.read.QueryContext(ctx, parkedNotifications, after, max(limit, 0))
	list, err := collect(rows, err, scanNotification)
	if err != nil {
		return nil, fmt.Errorf("list parked notifications: %w", err)
	}
	return list, nil
}

// openNotification returns nil where there is none.
func openNotification(ctx context.Context, q querier, emtaOrderID string) (*order.Notification, error) {
	n, err := scanNotification(q.QueryRowContext(ctx, notificationByEMTA, emtaOrderID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read an open notification: %w", err)
	}
	return &n, nil
}

func findNotification(ctx context.Context, q querier, id int64) (order.Notification, error) {
	n, err := scanNotification(q.QueryRowContext(ctx, notificationByID, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = order.ErrNotFound
	}
	if err != nil {
		return order.Notification{}, fmt.Errorf("read notification %d: %w", id, err)
	}
	return n, nil
}

const (
	insertNotificationAT = `INSERT INTO krediitkaardi_teavitused (tellimuse_id, teavituse_aeg, toodeldud, vastus, saatmise_kordi, viga)
		VALUES (?, ?, ?, ?, ?, ?)`
	insertNotificationOurs = `INSERT INTO adapter_notification (next_check_at, parked_at, notification_id) VALUES (?, ?, ?)`
	updateNotificationAT   = `UPDATE krediitkaardi_teavitused SET tellimuse_id = ?, teavituse_aeg = ?, toodeldud = ?, vastus = ?, saatmise_kordi = ?, viga = ?
		WHERE id = ?`
	updateNotificationOurs = `UPDATE adapter_notification SET next_check_at = ?, parked_at = ? WHERE notification_id = ?`
)

// writeNotification inserts a notification without ID and writes any other whole, save its lease.
func writeNotification(ctx context.Context, tx transaction, n order.Notification) error {
	columns := []any{n.EMTAOrderID, instant(n.NotifiedAt), flag(n.Processed), text(n.Answer), n.Attempts, text(n.Failure)}
	if n.ID == 0 {
		return insertNotification(ctx, tx, columns, n)
	}
	doing := fmt.Sprintf("update notification %d", n.ID)
	found, err := changed(tx.ExecContext(ctx, updateNotificationAT, append(columns, n.ID)...))
	if err == nil && found {
		found, err = changed(tx.ExecContext(ctx, updateNotificationOurs, instant(n.NextCheck), instant(n.ParkedAt), n.ID))
	}
	if err != nil {
		return wrap(err, doing)
	}
	if !found {
		return fmt.Errorf("%s: %w", doing, order.ErrNotFound)
	}
	return nil
}

func insertNotification(ctx context.Context, tx transaction, columns []any, n order.Notification) error {
	const doing = "insert a notification"
	res, err := tx.ExecContext(ctx, insertNotificationAT, columns...)
	if err != nil {
		return wrap(err, doing)
	}
	id, err := res.LastInsertId()
	if err != nil {
		return wrap(err, doing)
	}
	if _, err := tx.ExecContext(ctx, insertNotificationOurs, instant(n.NextCheck), instant(n.ParkedAt), id); err != nil {
		return wrap(err, doing)
	}
	return nil
}
