package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"ametlikudteadaanded.ee/adapter/order"
)

// The types of this file write a column's value and scan it back. A pointer to the field's own
// type converts to them: (*instant)(&o.Created).

// instant is a time as UTC text of one width, so that text order is time order; NULL is
// the zero time. What is finer than a microsecond is cut off.
type instant time.Time

const instantLayout = "2006-01-02T15:04:05.000000Z"

func (i instant) Value() (driver.Value, error) {
	t := time.Time(i).UTC().Truncate(time.Microsecond)
	if t.IsZero() {
		return nil, nil
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return nil, errors.New("a time's year must be 1 to 9999")
	}
	return t.Format(instantLayout), nil
}

func (i *instant) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*i = instant{}
	case time.Time: // a column that the core's own table declares a timestamp
		*i = instant(v.UTC())
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil { // SQLite's CURRENT_TIMESTAMP, in a table that was there before
			t, err = time.Parse(time.DateTime, v)
		}
		if err != nil {
			return errors.New("not a time in UTC")
		}
		*i = instant(t.UTC())
	default:
		return fmt.Errorf("a time is kept as %T", src)
	}
	return nil
}

// amount is a decimal as text with two digits after the point. SQLite has no decimal type, and
// a column of numeric affinity would make a float of it. NULL is zero.
type amount decimal.Decimal

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

func (a amount) Value() (driver.Value, error) {
	d := decimal.Decimal(a)
	if err := checkAmount(d); err != nil {
		return nil, err
	}
	return d.StringFixed(2), nil
}

// Scan also takes what a numeric column of a table that was there before holds: 15 digits
// come unharmed out of an integer or a float.
func (a *amount) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*a = amount{}
	case int64:
		*a = amount(decimal.NewFromInt(v))
	case float64:
		*a = amount(decimal.NewFromFloat(v).Round(2))
	case string:
		d, err := decimal.NewFromString(v)
		if err != nil {
			return errors.New("not a decimal")
		}
		*a = amount(d)
	default:
		return fmt.Errorf("an amount is kept as %T", src)
	}
	return nil
}

// text is a string whose NULL is empty.
type text string

func (s text) Value() (driver.Value, error) {
	if s == "" {
		return nil, nil
	}
	return string(s), nil
}

func (s *text) Scan(src any) error {
	var v sql.NullString
	err := v.Scan(src)
	*s = text(v.String)
	return err
}

// key is the id of another row whose NULL is 0.
type key int64

func (k key) Value() (driver.Value, error) {
	if k == 0 {
		return nil, nil
	}
	return int64(k), nil
}

func (k *key) Scan(src any) error {
	var v sql.NullInt64
	err := v.Scan(src)
	*k = key(v.Int64)
	return err
}

// count is a number whose NULL, in a table that was there before, is 0.
type count int

func (n *count) Scan(src any) error {
	var v sql.NullInt64
	err := v.Scan(src)
	*n = count(v.Int64)
	return err
}

// flag is a bool as 0 or 1; NULL, in a table that was there before, is false.
type flag bool

func (f flag) Value() (driver.Value, error) {
	if f {
		return int64(1), nil
	}
	return int64(0), nil
}

func (f *flag) Scan(src any) error {
	var v sql.NullBool
	err := v.Scan(src)
	*f = flag(v.Bool)
	return err
}

// state is an order's state as AT's classifier code.
type state order.State

func (s state) Value() (driver.Value, error) {
	code := order.State(s).Code()
	if code == "" {
		return nil, errors.New("unknown state")
	}
	return code, nil
}

func (s *state) Scan(src any) error {
	code, ok := src.(string)
	if !ok {
		return fmt.Errorf("a state is kept as %T", src)
	}
	known, ok := order.StateOfCode(code)
	if !ok {
		return errors.New("a state's code is not one of U, L, P, T, X")
	}
	*s = state(known)
	return nil
}
