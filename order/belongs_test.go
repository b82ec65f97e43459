package order

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// EMTA §3: whose order an answer is about. The row is that which the stamp names.
func TestForeign(t *testing.T) {
	same := func(*answer) {}
	for _, row := range []struct {
		name    string
		state   State
		change  func(*answer)
		askedID string
		want    string
	}{
		{"L, asked", Created, same, "emta-12", ""},
		{"L, in a list", Created, same, "", ""},
		{"P", Pending, same, "emta-12", ""},
		{"T", Completed, same, "emta-12", ""},
		{"X", Cancelled, same, "emta-12", ""},
		{"U, without an id of ours", Creating, same, "", ""},
		{"U, looked up because of a notification", Creating, same, "emta-12", ""},

		{"no id", Created, func(a *answer) { a.id = "" }, "emta-12", "order-id"},
		{"no id in a list", Creating, func(a *answer) { a.id = "" }, "", "order-id"},
		{"another id than asked for", Created, func(a *answer) { a.id = "emta-13" }, "emta-12", "order-id"},
		{"another id than asked for, U", Creating, func(a *answer) { a.id = "emta-13" }, "emta-12", "order-id"},
		{"an id in other case", Created, func(a *answer) { a.id = "EMTA-12" }, "emta-12", "order-id"},

		{"no stamp", Created, func(a *answer) { a.stamp = "" }, "emta-12", "stamp"},
		{"another stamp", Created, func(a *answer) { a.stamp = "13" }, "emta-12", "stamp"},
		{"a stamp with zeros", Created, func(a *answer) { a.stamp = "012" }, "emta-12", "stamp"},
		{"our stamp with another id in a list", Created, func(a *answer) { a.id = "emta-13" }, "", "stamp"},
		{"our stamp for T with another id in a list", Completed, func(a *answer) { a.id = "emta-13" }, "", "stamp"},

		{"no reference number", Created, func(a *answer) { a.reference = "" }, "emta-12", "reference-number"},
		{"another reference number", Created, func(a *answer) { a.reference = "1245" }, "emta-12", "reference-number"},
		{"a reference number with a zero", Created, func(a *answer) { a.reference = "01232" }, "emta-12", "reference-number"},
		{"another reference number, U", Creating, func(a *answer) { a.reference = "1245" }, "", "reference-number"},

		{"another amount, L: ours, but held", Created, func(a *answer) { a.amount = euros("29") }, "emta-12", ""},
		{"another currency, T: ours, but held", Completed, func(a *answer) { a.currency = "SEK" }, "emta-12", ""},
		{"another amount, U", Creating, func(a *answer) { a.amount = euros("29") }, "", "amount"},
		{"another currency, U", Creating, func(a *answer) { a.currency = "SEK" }, "", "amount"},
		{"the amount with other zeros, U", Creating, func(a *answer) { a.amount = euros("30.0") }, "", ""},
		{"no currency, U", Creating, func(a *answer) { a.currency = "" }, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := answerOn(Created)
			row.change(&a)
			require.Equal(t, row.want, a.foreign(orderIn(row.state), row.askedID))
		})
	}
}

// A row that was refused or given up holds no id and is not in U: no answer is about it any more (EMTA §3).
func TestForeignOfAClosedRow(t *testing.T) {
	o := orderIn(Creating)
	o.State = Cancelled
	require.Equal(t, "stamp", answerOn(Created).foreign(o, ""))
}

// For a row in U what was asked counts, not what stands in the row's amount.
func TestForeignComparesTheAsked(t *testing.T) {
	o := orderIn(Creating)
	o.Amount = euros("29")
	require.Empty(t, answerOn(Created).foreign(o, ""))
}

func TestStamp(t *testing.T) {
	for _, row := range []struct {
		stamp string
		key   int64
	}{
		{"1", 1},
		{"10", 10},
		{"9999999999", 9999999999},
		{"9223372036854775807", math.MaxInt64},
	} {
		key, ok := keyOf(row.stamp)
		require.True(t, ok, row.stamp)
		require.Equal(t, row.key, key)
		require.Equal(t, row.stamp, stampOf(key))
	}
	for _, stamp := range []string{"", "0", "00", "01", "+1", "-1", "1 ", " 1", "1\n", "1.0", "1e3", "0x1", "1_000", "１", "one", "9223372036854775808",
		"-9223372036854775808", strings.Repeat("9", 128), "MERCHANT_UNIQUE_MESSAGE_ID"} {
		_, ok := keyOf(stamp)
		require.False(t, ok, "%q", stamp)
	}
}

// No two stamps name one row.
func TestStampRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[-+ 0]{0,2}[0-9]{0,21}[ .]?`).Draw(t, "stamp")
		if key, ok := keyOf(s); ok && (key <= 0 || strconv.FormatInt(key, 10) != s) {
			t.Fatalf("%q names row %d", s, key)
		}
	})
}
