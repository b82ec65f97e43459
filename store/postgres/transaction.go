package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ametlikudteadaanded.ee/adapter/order"
)

// SQLSTATE codes that mean something to us.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	readOnlyTransaction  = "25006"
	insufficientRight    = "42501"
)

// attempts is how often a transaction is tried that the server undid to end a deadlock. Each time at
// least one of those who waited for each other got through.
const attempts = 5

// retryPause grows with the attempts and is varied, so that two who met do not meet again.
const retryPause = 10 * time.Millisecond

// transaction is one transaction on a connection. It begins with the first batch, and a batch
// that ends with commit is sent together with it: a decision needs two trips to the server.
type transaction struct {
	conn       *pgx.Conn
	begun      bool
	committing bool // COMMIT may have been sent
	done       bool // committed
}

// uncommitted is an error of a connection that broke before anything could be committed on it.
type uncommitted struct{ error }

func (u uncommitted) Unwrap() error { return u.error }

// errMoved ends a transaction whose statements saw the moments before and after another's commit. It is tried again, from the first
// statement: locks are taken in their order.
var errMoved = errors.New("what is read was changed meanwhile")

// transact runs work in one transaction, and again if the server undid it to end a deadlock. When it returns nil work
// has committed. The error of work is returned as it is.
func (s *Store) transact(ctx context.Context, work func(ctx context.Context, tx *transaction) error) error {
	return s.again(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tx := &transaction{conn: conn}
		defer tx.end(ctx) // also when work panics
		if err := work(ctx, tx); err != nil {
			return err
		}
		if !tx.done {
			return errors.New("a transaction was left open")
		}
		return nil
	})
}

// read sends statements that only read, as one transaction. fill may be called again.
func (s *Store) read(ctx context.Context, fill func(b *batch)) error {
	return s.again(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		b := &batch{}
		fill(b)
		err := b.run(ctx, conn)
		if err != nil && conn.IsClosed() {
			err = uncommitted{err}
		}
		return err
	})
}

// ask sends statements that no decision stands between, as one transaction. fill may be called again.
func (s *Store) ask(ctx context.Context, fill func(b *batch)) error {
	return s.again(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		b := &batch{}
		fill(b)
		return b.run(ctx, conn)
	})
}

// again gives work a connection, and another one while what it did is certainly undone and trying again may help.
func (s *Store) again(ctx context.Context, work func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, work)
		if attempt == attempts || !repeatable(err) {
			return err
		}
		pause := time.NewTimer(time.Duration(attempt)*retryPause + rand.N(retryPause))
		select {
		case <-ctx.Done():
			pause.Stop()
			return err
		case <-pause.C:
		}
	}
}

func (s *Store) once(ctx context.Context, work func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	err = work(ctx, conn.Conn())
	if code(err) == readOnlyTransaction {
		// The server became a standby under us; the pool shall look for the new primary.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		conn.Conn().Close(ctx)
	}
	return err
}

func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	wait, cancel := context.WithTimeout(ctx, acquireTime)
	defer cancel()
	conn, err := s.pool.Acquire(wait)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("get a connection: none was free or made within %v: %w", acquireTime, err)
	}
	if err != nil {
		return nil, fmt.Errorf("get a connection: %w", err)
	}
	return conn, nil
}

// repeatable says of err that nothing of its transaction is left and trying again may help. What became of a
// transaction whose connection broke after COMMIT was sent is not known, and is never repeated here.
func repeatable(err error) bool {
	if err == nil {
		return false
	}
	var lost uncommitted
	c := code(err)
	return c == serializationFailure || c == deadlockDetected || errors.Is(err, errMoved) || errors.As(err, &lost) || pgconn.SafeToRetry(err)
}

// code is the SQLSTATE of err, "" if it is not the server's.
func code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// batch returns the transaction's next batch.
func (t *transaction) batch() *batch {
	b := &batch{}
	if !t.begun {
		b.exec("begin", `BEGIN ISOLATION LEVEL READ COMMITTED`)
	}
	return b
}

// run sends a batch of the transaction.
func (t *transaction) run(ctx context.Context, b *batch) error {
	t.begun = true
	err := b.run(ctx, t.conn)
	if err != nil && !t.committing && t.conn.IsClosed() {
		err = uncommitted{err}
	}
	return err
}

// commit sends a batch and the COMMIT behind it. When a statement fails the server passes the COMMIT over.
func (t *transaction) commit(ctx context.Context, b *batch) error {
	const doing = "commit"
	b.queue(doing, `COMMIT`, nil, func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		if err == nil && tag.String() != "COMMIT" { // what a server says that had to roll back
			err = fmt.Errorf("the server answered %s", tag)
		}
		return err
	})
	t.committing = true
	if err := t.run(ctx, b); err != nil {
		return err
	}
	t.done = true
	return nil
}

// end undoes what is not committed. The pool closes a connection that it comes back on in a transaction.
func (t *transaction) end(ctx context.Context) {
	if t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if _, err := t.conn.Exec(ctx, `ROLLBACK`); err != nil {
		t.conn.Close(ctx)
	}
}

// wrap says what was being done, and that a key was taken where that was it. The server's
// messages name columns and never values; its details, which do, are not shown.
func wrap(err error, doing string) error {
	if code(err) == uniqueViolation {
		return fmt.Errorf("%s: %w: %w", doing, order.ErrConflict, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
