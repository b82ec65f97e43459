package sqlite

import (
	"context"
	"errors"
	"fmt"
)

// errUnfinished stands in for the result of work that panicked.
var errUnfinished = errors.New("the work did not return")

// unit is the place of one caller in the queue. The work itself runs in the caller's goroutine when the
// transaction is given to it, so that its panic is the caller's.
type unit struct {
	ctx  context.Context  // until its turn the caller may leave
	turn chan transaction // unbuffered: given only to a caller that is still there
	ran  chan error       // the work's result; the transaction is given back with it
	done chan error       // the answer; buffered, since a caller may have left
}

// run gives the transaction back also where work panics. What the caller gave up is not written
// as long as that can be had.
func (u unit) run(tx transaction, work func(tx transaction) error) {
	err := errUnfinished
	defer func() { u.ran <- err }()
	if ended := u.ctx.Err(); ended != nil {
		err = ended
		return
	}
	if err = work(tx); err == nil {
		err = u.ctx.Err()
	}
}

// offer lets the caller run its work, unless it has left.
func (u unit) offer(tx transaction) error {
	select {
	case u.turn <- tx:
		return <-u.ran
	case <-u.ctx.Done():
		return u.ctx.Err()
	}
}

const (
	savepoint        = `SAVEPOINT unit`
	rollbackTo       = `ROLLBACK TO unit`
	releaseSavepoint = `RELEASE unit`
)

// join runs u so that all of it can be undone without the others' work. Where the transaction itself
// is no more, broken says why: SQLite ends one by itself when the disk is full or cannot be read.
func (u unit) join(tx transaction) (err, broken error) {
	if err := u.ctx.Err(); err != nil {
		return err, nil
	}
	ctx := context.Background()
	if _, broken = tx.ExecContext(ctx, savepoint); broken != nil {
		return nil, fmt.Errorf("begin a savepoint: %w", broken)
	}
	if err = u.offer(tx); err != nil {
		if _, broken = tx.ExecContext(ctx, rollbackTo); broken != nil {
			return err, fmt.Errorf("undo another's work: %w", broken)
		}
	}
	if _, broken = tx.ExecContext(ctx, releaseSavepoint); broken != nil {
		return err, fmt.Errorf("end a savepoint: %w", broken)
	}
	return err, nil
}

// result is what a unit's work returned.
type result struct {
	unit unit
	err  error
}

// answer tells each caller its own result or, if the transaction failed, that: also those whose work
// was refused, since they may have been refused for what others wrote in it.
func answer(group []result, failed error) {
	for _, r := range group {
		if failed != nil {
			r.err = failed
		}
		r.unit.done <- r.err
	}
}
