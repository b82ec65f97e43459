package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// transaction is a write transaction. The statements that every order goes through are parsed
// once for the life of the connection; parsing took a third of the time of a change.
type transaction struct {
	*sql.Tx
	prepared map[string]*sql.Stmt // by their text
}

// transact runs work in a write transaction, beside others' work: all of it is durable when transact
// returns nil, and none of it happened otherwise. The error of work is returned as it is.
func (s *Store) transact(ctx context.Context, work func(tx transaction) error) error {
	return s.commits.do(ctx, work)
}

// prepare parses the frequent statements, the first time that they are needed: before
// Migrate their tables are not there. It must not run inside a transaction, which
// holds the only connection.
func (c *committer) prepare() error {
	if c.prepared != nil {
		return nil
	}
	prepared := map[string]*sql.Stmt{}
	for _, query := range []string{
		savepoint, rollbackTo, releaseSavepoint,
		orderByID, orderByEMTA, ordersOf, insertOrderAT, insertOrderOurs, updateOrderAT, updateOrderOurs,
		notificationByEMTA, insertNotificationAT, insertNotificationOurs, updateNotificationAT, updateNotificationOurs, counts,
		liveLeases, dueOrders, dueNotifications, dueDeliveries, orderLease.held, orderLease.take, orderLease.takeDue, freeOrder,
		appendEvent, appendLog, takeDelivery,
	} {
		stmt, err := c.db.Prepare(query)
		if err != nil {
			for _, done := range prepared {
				done.Close()
			}
			return fmt.Errorf("prepare a statement: %w", err)
		}
		prepared[query] = stmt
	}
	c.prepared = prepared
	return nil
}

// uninterrupted is ctx as long as it has not ended, without its end: SQLite answers an interrupted
// statement by undoing the whole transaction, which holds others' work. A ctx that has ended stays
// so, and no statement begins under it.
func uninterrupted(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

func (t transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx = uninterrupted(ctx)
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

func (t transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx = uninterrupted(ctx)
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

func (t transaction) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx = uninterrupted(ctx)
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
