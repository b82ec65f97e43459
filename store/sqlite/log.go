package sqlite

import (
	"context"
	"fmt"

	"ametlikudteadaanded.ee/adapter/order"
)

const (
	appendLog       = `INSERT INTO sys_maksemoodul_logi (makse_mooduli_tellimused_id, aeg, tegevus, teade) VALUES (?, ?, ?, ?)`
	appendSuspicion = `INSERT INTO adapter_suspicion (at, order_id, emta_order_id, reason, answer) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (emta_order_id, reason, order_id) DO NOTHING`
	appendNotificationAudit = `INSERT INTO adapter_notification_audit (at, notification_id, actor, action, detail) VALUES (?, ?, ?, ?, ?)`
	appendAudit             = `INSERT INTO adapter_audit (at, order_id, actor, action, detail) VALUES (?, ?, ?, ?, ?)`

	logOf = `SELECT makse_mooduli_tellimused_id, aeg, tegevus, teade FROM sys_maksemoodul_logi
		WHERE makse_mooduli_tellimused_id = ? ORDER BY aeg, rowid`
	allSuspicions = `SELECT at, order_id, emta_order_id, reason, answer FROM adapter_suspicion ORDER BY id`
	suspicionsOf  = `SELECT at, order_id, emta_order_id, reason, answer FROM adapter_suspicion WHERE emta_order_id = ? ORDER BY id`
	auditsOf      = `SELECT at, order_id, 0, actor, action, detail FROM adapter_audit WHERE order_id = ? ORDER BY id`

	notificationAuditsOf = `SELECT at, 0, notification_id, actor, action, detail FROM adapter_notification_audit
		WHERE notification_id = ? ORDER BY id`
)

// insertLog appends to the log; an entry without an order is about newID.
func insertLog(ctx context.Context, tx transaction, e order.LogEntry, newID int64) error {
	if e.OrderID == 0 {
		e.OrderID = newID
	}
	if e.OrderID == 0 {
		return fmt.Errorf("append to the log: %w", errNoNew)
	}
	if _, err := tx.ExecContext(ctx, appendLog, e.OrderID, instant(e.At), e.Action, text(e.Message)); err != nil {
		return wrap(err, fmt.Sprintf("append to the log of order %d", e.OrderID))
	}
	return nil
}

// insertSuspicion keeps a suspicion unless the same is kept.
func insertSuspicion(ctx context.Context, tx transaction, p order.Suspicion) error {
	if _, err := tx.ExecContext(ctx, appendSuspicion, instant(p.At), p.OrderID, p.EMTAOrderID, p.Reason, text(p.Answer)); err != nil {
		return wrap(err, "keep a suspicion")
	}
	return nil
}

// insertAudit keeps who did what; an audit without an order is about newID.
func insertAudit(ctx context.Context, tx transaction, a order.Audit, newID int64) error {
	if a.NotificationID != 0 {
		if _, err := tx.ExecContext(ctx, appendNotificationAudit, instant(a.At), a.NotificationID, a.Actor, a.Action, text(a.Detail)); err != nil {
			return wrap(err, fmt.Sprintf("keep an audit of notification %d", a.NotificationID))
		}
		return nil
	}
	if a.OrderID == 0 {
		a.OrderID = newID
	}
	if a.OrderID == 0 {
		return fmt.Errorf("keep an audit: %w", errNoNew)
	}
	if _, err := tx.ExecContext(ctx, appendAudit, instant(a.At), a.OrderID, a.Actor, a.Action, text(a.Detail)); err != nil {
		return wrap(err, fmt.Sprintf("keep an audit of order %d", a.OrderID))
	}
	return nil
}

// LogOf returns the order's log, oldest first; none of an order that is not there.
func (s *Store) LogOf(ctx context.Context, id int64) ([]order.LogEntry, error) {
	rows, err := s.read.QueryContext(ctx, logOf, id)
	list, err := collect(rows, err, func(r row) (order.LogEntry, error) {
		var e order.LogEntry
		err := r.Scan(&e.OrderID, (*instant)(&e.At), (*text)(&e.Action), (*text)(&e.Message))
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of order %d: %w", id, err)
	}
	return list, nil
}

// Suspicions returns what is kept of EMTA's id, or all with an empty id, oldest first.
func (s *Store) Suspicions(ctx context.Context, emtaOrderID string) ([]order.Suspicion, error) {
	query, args := allSuspicions, []any(nil)
	if emtaOrderID != "" {
		query, args = suspicionsOf, []any{emtaOrderID}
	}
	rows, err := s.read.QueryContext(ctx, query, args...)
	list, err := collect(rows, err, func(r row) (order.Suspicion, error) {
		var p order.Suspicion
		err := r.Scan((*instant)(&p.At), &p.OrderID, &p.EMTAOrderID, &p.Reason, (*text)(&p.Answer))
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("read suspicions: %w", err)
	}
	return list, nil
}

// Audits returns who did what to an order, oldest first.
func (s *Store) Audits(ctx context.Context, id int64) ([]order.Audit, error) {
	return s.audits(ctx, fmt.Sprintf("read the audits of order %d", id), auditsOf, id)
}

// NotificationAudits returns who did what to a notification, oldest first.
func (s *Store) NotificationAudits(ctx context.Context, id int64) ([]order.Audit, error) {
	return s.audits(ctx, fmt.Sprintf("read the audits of notification %d", id), notificationAuditsOf, id)
}

func (s *Store) audits(ctx context.Context, doing, query string, id int64) ([]order.Audit, error) {
	rows, err := s.read.QueryContext(ctx, query, id)
	list, err := collect(rows, err, func(r row) (order.Audit, error) {
		var a order.Audit
		err := r.Scan((*instant)(&a.At), &a.OrderID, &a.NotificationID, &a.Actor, &a.Action, (*text)(&a.Detail))
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return list, nil
}
