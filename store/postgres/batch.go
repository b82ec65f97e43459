package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// batch is a list of statements that go to the server in one trip and run in their order, each seeing what was
// committed when it began. The first that fails ends the batch.
type batch struct {
	statements pgx.Batch
	steps      []step
}

// step reads the result of one statement.
type step struct {
	doing string // for the error
	read  func(results pgx.BatchResults) error
}

func (b *batch) queue(doing, statement string, args []any, read func(pgx.BatchResults) error) {
	b.statements.Queue(statement, args...)
	b.steps = append(b.steps, step{doing, read})
}

// exec queues a statement without rows.
func (b *batch) exec(doing, statement string, args ...any) {
	b.queue(doing, statement, args, func(results pgx.BatchResults) error {
		_, err := results.Exec()
		return err
	})
}

// must queues a statement that has to meet a row, else absent is the error.
func (b *batch) must(doing string, absent error, statement string, args ...any) {
	b.queue(doing, statement, args, func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		if err == nil && tag.RowsAffected() == 0 {
			err = absent
		}
		return err
	})
}

// row queues a statement with one row.
func (b *batch) row(doing, statement string, args []any, dest ...any) {
	b.queue(doing, statement, args, func(results pgx.BatchResults) error {
		return results.QueryRow().Scan(dest...)
	})
}

// rows queues a statement with any number of rows, which become *list.
func rows[T any](b *batch, doing, statement string, args []any, scan func(pgx.CollectableRow) (T, error), list *[]T) {
	b.queue(doing, statement, args, func(results pgx.BatchResults) error {
		found, err := results.Query()
		if err != nil {
			return err
		}
		*list = nil
		*list, err = pgx.AppendRows(*list, found, scan)
		return err
	})
}

// run sends the batch and reads all results. It returns nil only after the server has said that the whole batch is done.
func (b *batch) run(ctx context.Context, conn *pgx.Conn) error {
	results := conn.SendBatch(ctx, &b.statements)
	for _, s := range b.steps {
		if err := s.read(results); err != nil {
			results.Close() // its error is err or comes from it
			return wrap(err, s.doing)
		}
	}
	if err := results.Close(); err != nil {
		return wrap(err, "end a batch")
	}
	return nil
}
