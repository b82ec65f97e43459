package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/order"
)

const (
	appendLog       = `INSERT INTO atis.sys_maksemoodul_logi (makse_mooduli_tellimused_id, aeg, tegevus, teade) VALUES ($1, $2, $3, $4)`
	appendSuspicion = `INSERT INTO atis.adapter_suspicion (at, order_id, emta_order_id, reason, answer) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (emta_order_id, reason, order_id) DO NOTHING`
	appendNotificationAudit = `INSERT INTO atis.adapter_notification_audit (at, notification_id, actor, action, detail) VALUES ($1, $2, $3, $4, $5)`
	appendAudit             = `INSERT INTO atis.adapter_audit (at, order_id, actor, action, detail) VALUES ($1, $2, $3, $4, $5)`

	// AT's log has no key. Rows are only ever added, so their place tells entries of one time apart.
	logOf = `SELECT makse_mooduli_tellimused_id, aeg, tegevus, teade FROM atis.sys_maksemoodul_logi
		WHERE makse_mooduli_tellimused_id = $1 ORDER BY aeg, ctid`
	allSuspicions        = `SELECT at, order_id, emta_order_id, reason, answer FROM atis.adapter_suspicion ORDER BY id`
	suspicionsOf         = `SELECT at, order_id, emta_order_id, reason, answer FROM atis.adapter_suspicion WHERE emta_order_id = $1 ORDER BY id`
	auditsOf             = `SELECT at, order_id, 0::bigint, actor, action, detail FROM atis.adapter_audit WHERE order_id = $1 ORDER BY id`
	notificationAuditsOf = `SELECT at, 0::bigint, notification_id, actor, action, detail FROM atis.adapter_notification_audit
		WHERE notification_id = $1 ORDER BY id`
)

// insertLog queues an entry of the log; one without an order is about newID.
func (b *batch) insertLog(e order.LogEntry, newID int64) error {
	if e.OrderID == 0 {
		e.OrderID = newID
	}
	if e.OrderID == 0 {
		return fmt.Errorf("append to the log: %w", errNoNew)
	}
	b.exec(fmt.Sprintf("append to the log of order %d", e.OrderID), appendLog, e.OrderID, moment(e.At), e.Action, word(e.Message))
	return nil
}

// insertSuspicion queues a suspicion, which is kept unless the same is.
func (b *batch) insertSuspicion(p order.Suspicion) {
	b.exec("keep a suspicion", appendSuspicion, moment(p.At), p.OrderID, p.EMTAOrderID, p.Reason, word(p.Answer))
}

// insertAudit queues who did what; an audit without an order is about newID.
func (b *batch) insertAudit(a order.Audit, newID int64) error {
	if a.NotificationID != 0 {
		b.exec(fmt.Sprintf("keep an audit of notification %d", a.NotificationID), appendNotificationAudit,
			moment(a.At), a.NotificationID, a.Actor, a.Action, word(a.Detail))
		return nil
	}
	if a.OrderID == 0 {
		a.OrderID = newID
	}
	if a.OrderID == 0 {
		return fmt.Errorf("keep an audit: %w", errNoNew)
	}
	b.exec(fmt.Sprintf("keep an audit of order %d", a.OrderID), appendAudit, moment(a.At), a.OrderID, a.Actor, a.Action, word(a.Detail))
	return nil
}

// LogOf returns the order's log, oldest first; none of an order that is not there.
func (s *Store) LogOf(ctx context.Context, id int64) ([]order.LogEntry, error) {
	var list []order.LogEntry
	err := s.read(ctx, func(b *batch) {
		rows(b, fmt.Sprintf("read the log of order %d", id), logOf, []any{id}, func(r pgx.CollectableRow) (order.LogEntry, error) {
			var e order.LogEntry
			err := r.Scan((*key)(&e.OrderID), (*instant)(&e.At), (*text)(&e.Action), (*text)(&e.Message))
			return e, err
		}, &list)
	})
	return list, err
}

// Suspicions returns what is kept of EMTA's id, or all with an empty id, oldest first.
func (s *Store) Suspicions(ctx context.Context, emtaOrderID string) ([]order.Suspicion, error) {
	query, args := allSuspicions, []any(nil)
	if emtaOrderID != "" {
		query, args = suspicionsOf, []any{emtaOrderID}
	}
	var list []order.Suspicion
	err := s.read(ctx, func(b *batch) {
		rows(b, "read suspicions", query, args, func(r pgx.CollectableRow) (order.Suspicion, error) {
			var p order.Suspicion
			err := r.Scan((*instant)(&p.At), &p.OrderID, &p.EMTAOrderID, &p.Reason, (*text)(&p.Answer))
			return p, err
		}, &list)
	})
	return list, err
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
	var list []order.Audit
	err := s.read(ctx, func(b *batch) {
		rows(b, doing, query, []any{id}, func(r pgx.CollectableRow) (order.Audit, error) {
			var a order.Audit
			err := r.Scan((*instant)(&a.At), &a.OrderID, &a.NotificationID, &a.Actor, &a.Action, (*text)(&a.Detail))
			return a, err
		}, &list)
	})
	return list, err
}
