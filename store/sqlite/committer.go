package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxQueued is how many units of work may be handed over and not yet begun. It is above what
// the listeners carry at once; callers beyond it wait before they hand over.
const maxQueued = 1024

// maxGroup is how many units share a transaction. A commit that fails, fails at most so many callers, and
// the gain is in the first dozens: beyond them the work, not the commit, is what takes time.
const maxGroup = 128

// maxGroupTime bounds how long a transaction takes in further units, and so for how long the first
// of them waits for work that is not its own: about as long as a slow disk takes for a commit. Another
// process on the same file waits for it too.
const maxGroupTime = 20 * time.Millisecond

var (
	errClosed = errors.New("sqlite: the store is closed")
	// errUnfinished stands in for the result of work that panicked.
	errUnfinished = errors.New("the work did not return")
)

// committer runs all write transactions of a store, one after another. Who comes while one is open joins it in
// a savepoint of its own, so that one commit, which is one wait for the disk, serves all who wait; each is
// answered after that commit. Nobody is waited for: a caller that is alone has a transaction of its own.
type committer struct {
	db       *sql.DB       // one connection
	share    time.Duration // maxGroupTime, but in tests
	queue    chan unit
	close    sync.Once
	closing  chan struct{}        // closed by end
	ended    chan struct{}        // closed when all that was handed over is answered
	prepared map[string]*sql.Stmt // the goroutine's own; see prepare
}

// unit is the place of one caller in the queue. The work itself runs in the caller's goroutine when the
// transaction is given to it, so that its panic is the caller's.
type unit struct {
	ctx  context.Context  // until its turn the caller may leave
	turn chan transaction // unbuffered: given only to a caller that is still there
	ran  chan error       // the work's result; the transaction is given back with it
	done chan error       // the answer; buffered, since a caller may have left
}

func newCommitter(db *sql.DB) *committer {
	c := &committer{db: db, share: maxGroupTime, queue: make(chan unit, maxQueued), closing: make(chan struct{}), ended: make(chan struct{})}
	go c.run()
	return c
}

// end takes no more units, and returns when those that were handed over are answered.
func (c *committer) end() {
	c.close.Do(func() { close(c.closing) })
	<-c.ended
}

// do hands work over and returns when it is durable, or when nothing of it happened. The units run in the order in
// which they were handed over. A ctx that ends before work runs is obeyed at once, one that ends in it makes its
// next statement fail; after it the commit is waited for.
func (c *committer) do(ctx context.Context, work func(tx transaction) error) error {
	select {
	case <-c.closing:
		return errClosed
	default:
	}
	u := unit{ctx: ctx, turn: make(chan transaction), ran: make(chan error, 1), done: make(chan error, 1)}
	select {
	case c.queue <- u:
	case <-ctx.Done():
		return fmt.Errorf("wait to write: %w", ctx.Err())
	case <-c.closing:
		return errClosed
	}
	select {
	case tx := <-u.turn:
		u.run(tx, work)
		return <-u.done
	case err := <-u.done: // there was no transaction to run in
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait to write: %w", ctx.Err())
	case <-c.ended: // it was handed over behind the last one
		return errClosed
	}
}

// run gives the transaction back also where work panics.
func (u unit) run(tx transaction, work func(tx transaction) error) {
	err := errUnfinished
	defer func() { u.ran <- err }()
	err = work(tx)
	if err == nil {
		err = u.ctx.Err() // what the caller gave up is not written where that can still be had
	}
}

func (c *committer) run() {
	defer close(c.ended)
	for {
		select {
		case u := <-c.queue:
			c.group(u)
		case <-c.closing:
			for len(c.queue) > 0 {
				c.group(<-c.queue)
			}
			return
		}
	}
}

// group runs first in a new transaction, and those who wait or come meanwhile after it.
func (c *committer) group(first unit) {
	if err := first.ctx.Err(); err != nil {
		first.done <- err
		return
	}
	waiting := len(c.queue)
	tx, err := c.begin()
	if err != nil { // those behind first have waited as long as it has
		first.done <- err
		for range waiting {
			(<-c.queue).done <- err
		}
		return
	}
	defer tx.Rollback() // after a commit it does nothing
	began := time.Now()
	if err := first.offer(tx); err != nil {
		first.done <- err // it was the first, so nobody else's work is undone
		return
	}
	group := []result{{unit: first}}
	for more := true; more && len(group) < maxGroup && time.Since(began) < c.share; {
		select {
		case u := <-c.queue:
			err, broken := u.join(tx)
			group = append(group, result{u, err})
			if broken != nil {
				answer(group, broken)
				return
			}
		default:
			more = false
		}
	}
	err = tx.Commit()
	if err != nil {
		err = fmt.Errorf("commit: %w", err)
	}
	answer(group, err)
}

// begin waits for another process that writes, as long as busy_timeout says.
func (c *committer) begin() (transaction, error) {
	if err := c.prepare(); err != nil {
		return transaction{}, err
	}
	tx, err := c.db.BeginTx(context.Background(), nil)
	if err != nil {
		return transaction{}, fmt.Errorf("begin: %w", err)
	}
	return transaction{tx, c.prepared}, nil
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
