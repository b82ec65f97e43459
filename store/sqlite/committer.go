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

var errClosed = errors.New("sqlite: the store is closed")

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
