package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"ametlikudteadaanded.ee/adapter/order"
)

// orderColumns are what scanOrder reads, of AT's table t and our table a.
const orderColumns = `t.id, t.teate_id, t.tellimuse_id, t.tellimuse_seisund_kl, t.loodud, t.aegub, t.lopetatud,
	t.summa, t.valuuta, t.viitenumber, t.maksevormi_url, t.noue_edastatud,
	a.asked_amount, a.asked_currency, a.started, a.init_deadline, a.next_check_at, a.attempts, a.lists,
	a.not_found_at, a.reverted_at, a.mismatch, a.accepted_by, a.fault, a.duplicate_of, a.completion_id,
	a.offer_attempt, a.next_offer_at, a.attempt_of IS NOT NULL, a.after_cancel`

const selectOrder = `SELECT ` + orderColumns + `
	FROM maksemooduli_tellimused t JOIN adapter_order a ON a.order_id = t.id`

const (
	orderByID   = selectOrder + ` WHERE t.id = ?`
	orderByEMTA = selectOrder + ` WHERE t.tellimuse_id = ?`
	ordersOf    = selectOrder + ` WHERE t.teate_id = ? ORDER BY t.id DESC`
)

func scanOrder(r row) (order.Order, error) {
	var o order.Order
	err := r.Scan(&o.ID, (*key)(&o.AnnouncementID), (*text)(&o.EMTAOrderID), (*state)(&o.State),
		(*instant)(&o.Created), (*instant)(&o.Expires), (*instant)(&o.Finished),
		(*amount)(&o.Amount), (*text)(&o.Currency), (*text)(&o.ReferenceNumber), (*text)(&o.PaymentURL), (*flag)(&o.ClaimForwarded),
		(*amount)(&o.AskedAmount), (*text)(&o.AskedCurrency), (*instant)(&o.Started), (*instant)(&o.InitDeadline),
		(*instant)(&o.NextCheck), &o.Attempts, &o.Lists,
		(*instant)(&o.NotFoundAt), (*instant)(&o.RevertedAt), (*flag)(&o.Mismatch), (*text)(&o.AcceptedBy), (*text)(&o.Fault),
		(*key)(&o.DuplicateOf), (*text)(&o.CompletionID), &o.OfferAttempt, (*instant)(&o.NextOffer), &o.Live, (*flag)(&o.AfterCancel))
	return o, err
}

// Order returns the order with our key id, or order.ErrNotFound.
func (s *Store) Order(ctx context.Context, id int64) (order.Order, error) {
	return findOrder(ctx, s.read, id)
}

func findOrder(ctx context.Context, q querier, id int64) (order.Order, error) {
	o, err := scanOrder(q.QueryRowContext(ctx, orderByID, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = order.ErrNotFound
	}
	if err != nil {
		return order.Order{}, fmt.Errorf("read order %d: %w", id, err)
	}
	return o, nil
}

// OrderByEMTA returns the order with EMTA's id, or order.ErrNotFound.
func (s *Store) OrderByEMTA(ctx context.Context, emtaOrderID string) (order.Order, error) {
	return findOrderByEMTA(ctx, s.read, emtaOrderID)
}

func findOrderByEMTA(ctx context.Context, q querier, emtaOrderID string) (order.Order, error) {
	o, err := scanOrder(q.QueryRowContext(ctx, orderByEMTA, emtaOrderID))
	if errors.Is(err, sql.ErrNoRows) {
		err = order.ErrNotFound
	}
	if err != nil {
		return order.Order{}, fmt.Errorf("read the order of an EMTA id: %w", err)
	}
	return o, nil
}

// OrdersOf returns an announcement's orders, newest first.
func (s *Store) OrdersOf(ctx context.Context, announcementID int64) ([]order.Order, error) {
	return findOrdersOf(ctx, s.read, announcementID)
}

func findOrdersOf(ctx context.Context, q querier, announcementID int64) ([]order.Order, error) {
	rows, err := q.QueryContext(ctx, ordersOf, announcementID)
	list, err := collect(rows, err, scanOrder)
	if err != nil {
		return nil, fmt.Errorf("read the orders of announcement %d: %w", announcementID, err)
	}
	return list, nil
}

// Orders returns a page in ascending order of ID; with a Limit of 0 or less, nothing.
func (s *Store) Orders(ctx context.Context, f order.Filter) ([]order.Order, error) {
	query, args := ordersQuery(f)
	rows, err := s.read.QueryContext(ctx, query, args...)
	list, err := collect(rows, err, scanOrder)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return list, nil
}

func ordersQuery(f order.Filter) (string, []any) {
	query, args := selectOrder+` WHERE t.id > ?`, []any{f.After}
	if f.AnnouncementID != 0 {
		query, args = query+` AND t.teate_id = ?`, append(args, f.AnnouncementID)
	}
	if f.EMTAOrderID != "" {
		query, args = query+` AND t.tellimuse_id = ?`, append(args, f.EMTAOrderID)
	}
	if f.State != "" {
		query, args = query+` AND t.tellimuse_seisund_kl = ?`, append(args, f.State.Code())
	}
	return query + ` ORDER BY t.id LIMIT ?`, append(args, max(f.Limit, 0))
}

const (
	insertOrderAT = `INSERT INTO maksemooduli_tellimused (teate_id, tellimuse_id, tellimuse_seisund_kl, loodud, aegub, lopetatud,
		summa, valuuta, viitenumber, maksevormi_url, noue_edastatud) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertOrderOurs = `INSERT INTO adapter_order (asked_amount, asked_currency, started, init_deadline, next_check_at, attempts, lists,
		not_found_at, reverted_at, mismatch, accepted_by, fault, duplicate_of, completion_id, offer_attempt, next_offer_at, attempt_of, after_cancel,
		order_id, lease_token, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateOrderAT = `UPDATE maksemooduli_tellimused SET teate_id = ?, tellimuse_id = ?, tellimuse_seisund_kl = ?, loodud = ?, aegub = ?, lopetatud = ?,
		summa = ?, valuuta = ?, viitenumber = ?, maksevormi_url = ?, noue_edastatud = ? WHERE id = ?`
	updateOrderOurs = `UPDATE adapter_order SET asked_amount = ?, asked_currency = ?, started = ?, init_deadline = ?, next_check_at = ?, attempts = ?, lists = ?,
		not_found_at = ?, reverted_at = ?, mismatch = ?, accepted_by = ?, fault = ?, duplicate_of = ?, completion_id = ?, offer_attempt = ?, next_offer_at = ?,
		attempt_of = ?, after_cancel = ? WHERE order_id = ?`
)

// columnsAT are the values of AT's table, in the order of its statements.
func columnsAT(o order.Order) []any {
	return []any{o.AnnouncementID, text(o.EMTAOrderID), state(o.State), instant(o.Created), instant(o.Expires), instant(o.Finished),
		amount(o.Amount), text(o.Currency), text(o.ReferenceNumber), text(o.PaymentURL), flag(o.ClaimForwarded)}
}

// columnsOurs are the values of adapter_order, in the order of its statements.
func columnsOurs(o order.Order) []any {
	var attemptOf any
	if o.Live {
		attemptOf = o.AnnouncementID
	}
	return []any{amount(o.AskedAmount), text(o.AskedCurrency), instant(o.Started), instant(o.InitDeadline), instant(o.NextCheck), o.Attempts, o.Lists,
		instant(o.NotFoundAt), instant(o.RevertedAt), flag(o.Mismatch), text(o.AcceptedBy), text(o.Fault), key(o.DuplicateOf),
		text(o.CompletionID), o.OfferAttempt, instant(o.NextOffer), attemptOf, flag(o.AfterCancel)}
}

// checkOrder names the field that its column cannot hold.
func checkOrder(o order.Order) error {
	if o.State.Code() == "" {
		return errors.New("state: not a known state")
	}
	if err := checkAmount(o.Amount); err != nil {
		return fmt.Errorf("amount: %w", err)
	}
	if err := checkAmount(o.AskedAmount); err != nil {
		return fmt.Errorf("asked amount: %w", err)
	}
	return nil
}

// insertOrder writes a new row under lease and returns its key.
func insertOrder(ctx context.Context, tx transaction, o order.Order, lease order.Lease) (int64, error) {
	const doing = "insert an order"
	if err := checkOrder(o); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	res, err := tx.ExecContext(ctx, insertOrderAT, columnsAT(o)...)
	if err != nil {
		return 0, wrap(err, doing)
	}
	id, err := res.LastInsertId()
	if err != nil {
		return 0, wrap(err, doing)
	}
	if _, err := tx.ExecContext(ctx, insertOrderOurs, append(columnsOurs(o), id, lease.Token, instant(lease.Until))...); err != nil {
		return 0, wrap(err, doing)
	}
	return id, nil
}

// updateOrder writes a row whole, save its lease.
func updateOrder(ctx context.Context, tx transaction, o order.Order) error {
	doing := fmt.Sprintf("update order %d", o.ID)
	if err := checkOrder(o); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	found, err := changed(tx.ExecContext(ctx, updateOrderAT, append(columnsAT(o), o.ID)...))
	if err == nil && found {
		found, err = changed(tx.ExecContext(ctx, updateOrderOurs, append(columnsOurs(o), o.ID)...))
	}
	if err != nil {
		return wrap(err, doing)
	}
	if !found {
		return fmt.Errorf("%s: %w", doing, order.ErrNotFound)
	}
	return nil
}
