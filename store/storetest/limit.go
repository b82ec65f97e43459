package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func limitTests() []test {
	return []test{
		{"amounts", testAmounts},
		{"amounts that do not fit", testBadAmounts},
		{"times", testTimes},
		{"times that do not fit", testBadTimes},
		{"text", testText},
		{"text that databases differ on", testOddText},
		{"large ids", testLargeIDs},
	}
}

func testAmounts(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	for _, value := range []string{"0", "0.01", "0.1", "30", "30.00", "30.000", "29.99", "1234567890123.45", "9999999999999.99", "-9999999999999.99", "1e2"} {
		o.Amount, o.AskedAmount = decimal.RequireFromString(value), decimal.RequireFromString(value)
		written := write(t, s, o.ID, order.Change{Orders: []order.Order{o}})
		require.True(t, o.Amount.Equal(written.Amount), "%s became %s", value, written.Amount)
		require.True(t, o.AskedAmount.Equal(written.AskedAmount), "%s became %s", value, written.AskedAmount)
	}
}

func testBadAmounts(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	before := snapshot(t, s)
	for _, value := range []decimal.Decimal{
		decimal.RequireFromString("0.001"),
		decimal.RequireFromString("29.999"),
		decimal.RequireFromString("10000000000000"),
		decimal.RequireFromString("-10000000000000"),
		decimal.RequireFromString("9999999999999.995"),
		decimal.New(1, 99),
		decimal.New(1, 999_999_999), // not written out here: that would take a gigabyte
		decimal.New(1, -999_999_999),
	} {
		amount, asked := o, o
		amount.Amount, asked.AskedAmount = value, value
		for field, bad := range map[string]order.Order{": amount: ": amount, ": asked amount: ": asked} {
			_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) {
				return order.Change{Orders: []order.Order{bad}}, nil
			})
			require.ErrorContains(t, err, field)
			require.Equal(t, before, snapshot(t, s))
		}
	}
}

func testTimes(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	tallinn := time.FixedZone("EET", 2*60*60)
	for _, row := range []struct{ given, want time.Time }{
		{time.Time{}, time.Time{}},
		{noon().In(tallinn), noon()},
		{noon().Add(999), noon()},
		{noon().Add(1999), noon().Add(1000)},
		{time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)},
		{time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)},
		{time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)},
	} {
		o.Expires = row.given
		written := write(t, s, o.ID, order.Change{Orders: []order.Order{o}})
		require.Equal(t, row.want, written.Expires, "%s", row.given)
	}
}

func testBadTimes(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	before := snapshot(t, s)
	for _, year := range []int{-1, 0, 10000} {
		bad := o
		bad.Expires = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		_, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) {
			return order.Change{Orders: []order.Order{bad}}, nil
		})
		require.Error(t, err, year)
		require.Equal(t, before, snapshot(t, s), year)
	}
}

func testText(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	for _, value := range []string{
		"", " ", " around ", "õäöüŠŽ €", "'; DROP TABLE maksemooduli_tellimused; --", `"quoted" \ % _`, "line\r\nline\ttab",
		"\u2028\ufeff\u202e", "😀 " + "e\u0301", "\x01\x1f\x7f", "NULL", "0", strings.Repeat("ö", 100_000),
	} {
		o.Fault, o.PaymentURL, o.AcceptedBy = value, value, value
		requireOrder(t, o, write(t, s, o.ID, order.Change{Orders: []order.Order{o}}))
		if value == "" {
			continue
		}
		o.EMTAOrderID = value
		write(t, s, o.ID, order.Change{Orders: []order.Order{o}})
		found, err := s.OrderByEMTA(t.Context(), value)
		require.NoError(t, err)
		requireOrder(t, o, found)
	}
}

// testOddText has text that PostgreSQL cannot hold: it is kept as it is or refused whole, never cut or mended.
func testOddText(t *testing.T, s Store) {
	o := started(t, s, 5, "emta-1")
	for _, value := range []string{"\x00", "a\x00b", "\xff", "a\xc3"} {
		before, odd := o, o
		odd.Fault = value
		written, err := s.Change(t.Context(), o.ID, "", func(order.View) (order.Change, error) {
			return order.Change{Orders: []order.Order{odd}}, nil
		})
		read, readErr := s.Order(t.Context(), o.ID)
		require.NoError(t, readErr)
		if err != nil {
			requireOrder(t, before, read)
			continue
		}
		requireOrder(t, odd, written)
		requireOrder(t, odd, read)
		o = odd
	}
}

func testLargeIDs(t *testing.T, s Store) {
	const large = 1<<63 - 1
	o := start(t, s, creating(large))
	require.Equal(t, int64(large), o.AnnouncementID)
	orders, err := s.OrdersOf(t.Context(), large)
	require.NoError(t, err)
	requireIDs(t, orders, o.ID)
	again := creating(large)
	_, err = s.Start(t.Context(), large, forAMinute("a"), func([]order.Order) (order.Change, error) { return order.Change{New: &again}, nil })
	require.ErrorIs(t, err, order.ErrConflict)
}
