package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"ametlikudteadaanded.ee/adapter/order"
)

// orderColumns are what scanOrder reads, of AT's table t and our table a.
const orderColumns = `t.id, t.teate_id, t.tellimuse_id, t.tellimuse_seisund_kl, t.loodud, t.aegub, t.lopetatud,
	t.summa, t.valuuta, t.viitenumber, t.maksevormi_url, t.noue_edastatud,
	a.asked_amount, a.asked_currency, a.started, a.init_deadline, a.next_check_at, a.attempts, a.lists,
	a.not_found_at, a.reverted_at, a.mismatch, a.accepted_by, a.fault, a.duplicate_of, a.completion_id,
	a.offer_attempt, a.next_offer_at, a.attempt_of IS NOT NULL, a.after_cancel, a.lease_token`

const selectOrder = `SELECT ` + orderColumns + `
	FROM atis.maksemooduli_tellimused t JOIN atis.adapter_order a ON a.order_id = t.id`

const (
	orderByID   = selectOrder + ` WHERE t.id = $1`
	ordersByID  = selectOrder + ` WHERE t.id = ANY ($1)`
	orderByEMTA = selectOrder + ` WHERE t.tellimuse_id = $1`
	ordersOf    = selectOrder + ` WHERE t.teate_id = $1 ORDER BY t.id DESC`
)

// leasedOrder is an order with the token of its lease, "" where there is none.
type leasedOrder struct {
	order.Order
	token string
}

func scanLeasedOrder(r pgx.CollectableRow) (leasedOrder, error) {
	var o leasedOrder
	err := r.Scan(&o.ID, (*key)(&o.AnnouncementID), (*text)(&o.EMTAOrderID), (*state)(&o.State),
		(*instant)(&o.Created), (*instant)(&o.Expires), (*instant)(&o.Finished),
		(*amount)(&o.Amount), (*text)(&o.Currency), (*text)(&o.ReferenceNumber), (*text)(&o.PaymentURL), (*flag)(&o.ClaimForwarded),
		(*amount)(&o.AskedAmount), (*text)(&o.AskedCurrency), (*instant)(&o.Started), (*instant)(&o.InitDeadline),
		(*instant)(&o.NextCheck), &o.Attempts, &o.Lists,
		(*instant)(&o.NotFoundAt), (*instant)(&o.RevertedAt), (*flag)(&o.Mismatch), (*text)(&o.AcceptedBy), (*text)(&o.Fault),
		(*key)(&o.DuplicateOf), (*text)(&o.CompletionID), &o.OfferAttempt, (*instant)(&o.NextOffer), &o.Live, &o.AfterCancel, (*text)(&o.token))
	return o, err
}

func scanOrder(r pgx.CollectableRow) (order.Order, error) {
	o, err := scanLeasedOrder(r)
	return o.Order, err
}

// Order returns the order with our key id, or order.ErrNotFound.
func (s *Store) Order(ctx context.Context, id int64) (order.Order, error) {
	return s.findOrder(ctx, fmt.Sprintf("read order %d", id), orderByID, id)
}

// OrderByEMTA returns the order with EMTA's id, or order.ErrNotFound.
func (s *Store) OrderByEMTA(ctx context.Context, emtaOrderID string) (order.Order, error) {
	return s.findOrder(ctx, "read the order of an EMTA id", orderByEMTA, emtaOrderID)
}

func (s *Store) findOrder(ctx context.Context, doing, query string, arg any) (order.Order, error) {
	found, err := s.findOrders(ctx, doing, query, arg)
	if err != nil {
		return order.Order{}, err
	}
	if len(found) == 0 {
		return order.Order{}, fmt.Errorf("%s: %w", doing, order.ErrNotFound)
	}
	return found[0], nil
}

func (s *Store) findOrders(ctx context.Context, doing, query string, args ...any) ([]order.Order, error) {
	var found []order.Order
	err := s.read(ctx, func(b *batch) { rows(b, doing, query, args, scanOrder, &found) })
	return found, err
}

// OrdersOf returns an announcement's orders, newest first.
func (s *Store) OrdersOf(ctx context.Context, announcementID int64) ([]order.Order, error) {
	return s.findOrders(ctx, fmt.Sprintf("read the orders of announcement %d", announcementID), ordersOf, announcementID)
}

// Orders returns a page in ascending order of ID; with a Limit of 0 or less, nothing.
func (s *Store) Orders(ctx context.Context, f order.Filter) ([]order.Order, error) {
	query, args := ordersQuery(f)
	return s.findOrders(ctx, "list orders", query, args...)
}

// selectPage reads our row for each of AT's, OFFSET 0 seeing to it: joined in another way our
// rows would be read from the first on.
const selectPage = `SELECT ` + orderColumns + ` FROM atis.maksemooduli_tellimused t
	CROSS JOIN LATERAL (SELECT * FROM atis.adapter_order WHERE order_id = t.id OFFSET 0) a`

func ordersQuery(f order.Filter) (string, []any) {
	query, args := selectPage+` WHERE t.id > $1`, []any{f.After}
	add := func(condition string, arg any) {
		args = append(args, arg)
		query += condition + "$" + strconv.Itoa(len(args))
	}
	if f.AnnouncementID != 0 {
		add(` AND t.teate_id = `, f.AnnouncementID)
	}
	if f.EMTAOrderID != "" {
		add(` AND t.tellimuse_id = `, f.EMTAOrderID)
	}
	if f.State != "" {
		// Written out, it is one of five codes or none: four orders of five are in one state, and one plan for all states
		// would look for a rare one among all orders.
		query += ` AND t.tellimuse_seisund_kl = '` + f.State.Code() + `'`
	}
	add(` ORDER BY t.id LIMIT `, max(f.Limit, 0))
	return query, args
}

const (
	insertOrder = `WITH t AS (
			INSERT INTO atis.maksemooduli_tellimused (teate_id, tellimuse_id, tellimuse_seisund_kl, loodud, aegub, lopetatud,
				summa, valuuta, viitenumber, maksevormi_url, noue_edastatud)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id)
		INSERT INTO atis.adapter_order (order_id, asked_amount, asked_currency, started, init_deadline, next_check_at, attempts, lists,
			not_found_at, reverted_at, mismatch, accepted_by, fault, duplicate_of, completion_id, offer_attempt, next_offer_at, attempt_of, after_cancel,
			lease_token, lease_until)
		SELECT id, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31 FROM t RETURNING order_id`
	updateOrderAT = `UPDATE atis.maksemooduli_tellimused SET teate_id = $1, tellimuse_id = $2, tellimuse_seisund_kl = $3, loodud = $4,
		aegub = $5, lopetatud = $6, summa = $7, valuuta = $8, viitenumber = $9, maksevormi_url = $10, noue_edastatud = $11 WHERE id = $12`
	updateOrderOurs = `UPDATE atis.adapter_order SET asked_amount = $1, asked_currency = $2, started = $3, init_deadline = $4, next_check_at = $5,
		attempts = $6, lists = $7, not_found_at = $8, reverted_at = $9, mismatch = $10, accepted_by = $11, fault = $12, duplicate_of = $13,
		completion_id = $14, offer_attempt = $15, next_offer_at = $16, attempt_of = $17, after_cancel = $18 WHERE order_id = $19`
)

// columnsAT are the values of AT's table, in the order of its statements.
func columnsAT(o order.Order) []any {
	return []any{o.AnnouncementID, word(o.EMTAOrderID), o.State.Code(), moment(o.Created), moment(o.Expires), moment(o.Finished),
		money(o.Amount), word(o.Currency), word(o.ReferenceNumber), word(o.PaymentURL), o.ClaimForwarded}
}

// columnsOurs are the values of adapter_order, in the order of its statements.
func columnsOurs(o order.Order) []any {
	var attemptOf any
	if o.Live {
		attemptOf = o.AnnouncementID
	}
	return []any{money(o.AskedAmount), word(o.AskedCurrency), moment(o.Started), moment(o.InitDeadline), moment(o.NextCheck), o.Attempts, o.Lists,
		moment(o.NotFoundAt), moment(o.RevertedAt), o.Mismatch, word(o.AcceptedBy), word(o.Fault), reference(o.DuplicateOf),
		word(o.CompletionID), o.OfferAttempt, moment(o.NextOffer), attemptOf, o.AfterCancel}
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
	for _, t := range []time.Time{o.Created, o.Expires, o.Finished, o.Started, o.InitDeadline, o.NextCheck, o.NotFoundAt, o.RevertedAt, o.NextOffer} {
		if err := checkMoment(t); err != nil {
			return err
		}
	}
	return nil
}

// insertOrder queues a new row under lease, whose key becomes *id.
func (b *batch) insertOrder(o order.Order, lease order.Lease, id *int64) {
	args := slices.Concat(columnsAT(o), columnsOurs(o), []any{lease.Token, moment(lease.Until)})
	b.row("insert an order", insertOrder, args, id)
}

// updateOrder queues a row whole, save its lease. What is as it was in before, which the transaction
// holds locked, needs no statement.
func (b *batch) updateOrder(before, o order.Order) {
	doing := fmt.Sprintf("update order %d", o.ID)
	if at := columnsAT(o); !slices.Equal(at, columnsAT(before)) {
		b.must(doing, order.ErrNotFound, updateOrderAT, append(at, o.ID)...)
	}
	if ours := columnsOurs(o); !slices.Equal(ours, columnsOurs(before)) {
		b.must(doing, order.ErrNotFound, updateOrderOurs, append(ours, o.ID)...)
	}
}
