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

// transact runs work in one write transaction: all of it is durable when transact returns nil,
// and none of it happened otherwise. The error of work is returned as it is.
func (s *Store) transact(ctx context.Context, work func(tx transaction) error) error {
	prepared, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := work(transaction{tx, prepared}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// prepare parses the frequent statements, the first time that they are needed: before
// Migrate their tables are not there. It must not run inside a transaction, which
// holds the only connection.
func (s *Store) prepare(ctx context.Context) (map[string]*sql.Stmt, error) {
	s.preparing.Lock()
	defer s.preparing.Unlock()
	if s.prepared != nil {
		return s.prepared, nil
	}
	prepared := map[string]*sql.Stmt{}
	for _, query := range []string{
		orderByID, orderByEMTA, ordersOf, insertOrderAT, insertOrderOurs, updateOrderAT, updateOrderOurs,
		notificationByEMTA, insertNotificationAT, insertNotificationOurs, updateNotificationAT, updateNotificationOurs, counts,
		dueOrders, dueNotifications, dueDeliveries, orderLease.held, orderLease.take, freeOrder,
		appendEvent, appendLog, takeDelivery,
	} {
		stmt, err := s.write.PrepareContext(ctx, query)
		if err != nil {
			for _, done := range prepared {
				done.Close()
			}
			return nil, fmt.Errorf("prepare a statement: %w", err)
		}
		prepared[query] = stmt
	}
	s.prepared = prepared
	return prepared, nil
}

func (t transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

func (t transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

func (t transaction) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := t.prepared[query]; stmt != nil {
		return t.StmtContext(ctx, stmt).QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...)
}
