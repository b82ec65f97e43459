package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"ametlikudteadaanded.ee/adapter/order"
)

// The functions of this file make a column's value, of a comparable type, nil being NULL. The types scan it
// back; a pointer to the field's own type converts to them: (*instant)(&o.Created).

// moment is t to the microsecond as UTC, NULL for the zero time. What is finer is cut off.
func moment(t time.Time) any {
	t = t.UTC().Truncate(time.Microsecond)
	if t.IsZero() {
		return nil
	}
	return t
}

// checkMoment says in which way t does not fit its column.
func checkMoment(t time.Time) error {
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return errors.New("a time's year must be 1 to 9999")
	}
	return nil
}

type instant time.Time

// ScanTimestamptz reads a column; NULL is the zero time.
func (i *instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	return i.set(v.Time, v.InfinityModifier, v.Valid)
}

// ScanTimestamp reads a column without a zone, of a table that was there before, as UTC.
func (i *instant) ScanTimestamp(v pgtype.Timestamp) error {
	return i.set(v.Time, v.InfinityModifier, v.Valid)
}

func (i *instant) set(t time.Time, m pgtype.InfinityModifier, valid bool) error {
	if m != pgtype.Finite {
		return errors.New("a time is infinite")
	}
	*i = instant{}
	if valid {
		*i = instant(t.UTC())
	}
	return nil
}

// maxAmount is the least amount that has more than 15 digits, 2 of them after the point (EMTA §3).
const maxAmount = 10_000_000_000_000

// checkAmount says in which way d does not fit its column. The exponent comes first, because
// arithmetic on a decimal like 1e999999999 does not end.
func checkAmount(d decimal.Decimal) error {
	const widest = 40
	if d.Exponent() < -widest || d.Exponent() > widest || !d.Equal(d.Round(2)) {
		return errors.New("more than 2 digits after the point")
	}
	if d.Abs().GreaterThanOrEqual(decimal.NewFromInt(maxAmount)) {
		return errors.New("more than 15 digits")
	}
	return nil
}

// money is an amount that checkAmount let pass.
func money(d decimal.Decimal) any { return d.StringFixed(2) }

type amount decimal.Decimal

// ScanNumeric reads a column; NULL is zero.
func (a *amount) ScanNumeric(v pgtype.Numeric) error {
	if v.NaN || v.InfinityModifier != pgtype.Finite {
		return errors.New("an amount is not a number")
	}
	*a = amount{}
	if v.Valid {
		*a = amount(decimal.NewFromBigInt(v.Int, v.Exp))
	}
	return nil
}

// word is a text whose NULL is empty.
func word(s string) any {
	if s == "" {
		return nil
	}
	return s
}

type text string

// ScanText reads a column; NULL is empty.
func (s *text) ScanText(v pgtype.Text) error {
	*s = text(v.String)
	return nil
}

// reference is the id of another row whose NULL is 0.
func reference(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

type key int64

// ScanInt64 reads a column; NULL is 0.
func (k *key) ScanInt64(v pgtype.Int8) error {
	*k = key(v.Int64)
	return nil
}

type count int

// ScanInt64 reads a column; NULL, in a table that was there before, is 0.
func (n *count) ScanInt64(v pgtype.Int8) error {
	*n = count(v.Int64)
	return nil
}

type flag bool

// ScanBool reads a column; NULL, in a table that was there before, is false.
func (f *flag) ScanBool(v pgtype.Bool) error {
	*f = flag(v.Bool)
	return nil
}

type state order.State

// ScanText reads an order's state from AT's classifier code.
func (s *state) ScanText(v pgtype.Text) error {
	known, ok := order.StateOfCode(v.String)
	if !ok {
		return fmt.Errorf("a state's code is not one of U, L, P, T, X")
	}
	*s = state(known)
	return nil
}
