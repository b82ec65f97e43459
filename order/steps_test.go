package order

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Orders of one announcement for the table below: the key, and where it matters what was asked and the time left.

func paid(id int64) Order      { return withID(orderIn(Completed), id) }
func pending(id int64) Order   { return withID(orderIn(Pending), id) }
func cancelled(id int64) Order { return withID(orderIn(Cancelled), id) }

func created(id int64, amount string, left time.Duration) Order {
	o := withID(orderIn(Created), id)
	o.Amount, o.AskedAmount, o.Expires = euros(amount), euros(amount), noon.Add(left)
	return o
}

// creating is an order in U whose deadline is left away.
func creating(id int64, left time.Duration) Order {
	o := withID(orderIn(Creating), id)
	o.InitDeadline = noon.Add(left)
	return o
}

func withID(o Order, id int64) Order {
	o.ID = id
	return o
}

func with(o Order, change func(*Order)) Order {
	change(&o)
	return o
}

// EMTA §4, 1: what a start of a payment of 30 euros does, by the announcement's orders, newest first. The third column
// holds the orders that this start has dealt with already, in the state in which it did.
func TestNextStep(t *testing.T) {
	const minimum = 3 * time.Minute
	names := map[step]string{stepCreate: "create", stepPaid: "paid", stepAsk: "ask", stepWait: "wait", stepFind: "find", stepReuse: "reuse", stepCancel: "cancel"}
	wrongURL := func(o *Order) { o.PaymentURL = "" }
	wrongReference := func(o *Order) { o.ReferenceNumber = "1245" }
	wrongCurrency := func(o *Order) { o.AskedCurrency = "SEK" }
	mismatched := func(o *Order) { o.Amount, o.Mismatch = euros("29"), true }
	accepted := func(o *Order) { o.Amount, o.AcceptedBy = euros("29"), "operator" }
	notLive := func(o *Order) { o.Live = false }
	for _, row := range []struct {
		name   string
		orders []Order
		done   tried
		step   string
		about  []int64
	}{
		{"none", nil, nil, "create", nil},
		{"X", []Order{cancelled(1)}, nil, "create", nil},
		{"several X", []Order{cancelled(2), cancelled(1)}, nil, "create", nil},

		{"T", []Order{paid(1)}, nil, "paid", []int64{1}},
		{"T below X", []Order{cancelled(2), paid(1)}, nil, "paid", []int64{1}},
		{"T below L that fits", []Order{created(2, "30", 9*time.Minute), paid(1)}, nil, "paid", []int64{1}},
		{"T below U within", []Order{creating(2, time.Minute), paid(1)}, nil, "paid", []int64{1}},
		{"T below P", []Order{pending(2), paid(1)}, nil, "paid", []int64{1}},
		{"T after it was asked about", []Order{paid(1)}, tried{1: Pending}, "paid", []int64{1}},
		{"T of another amount", []Order{with(paid(1), mismatched)}, nil, "paid", []int64{1}},

		{"P", []Order{pending(1)}, nil, "ask", []int64{1}},
		{"P, asked about", []Order{pending(1)}, tried{1: Pending}, "create", nil},
		{"P above X", []Order{pending(2), cancelled(1)}, nil, "ask", []int64{2}},
		{"P below X: the newest decides", []Order{cancelled(2), pending(1)}, nil, "create", nil},
		{"P that was L when its cancelling was refused", []Order{pending(1)}, tried{1: Created}, "ask", []int64{1}},

		{"U within its deadline", []Order{creating(1, time.Second)}, nil, "wait", []int64{1}},
		{"U past its deadline", []Order{creating(1, -time.Second)}, nil, "find", []int64{1}},
		{"U past, not in the whole list", []Order{creating(1, -time.Second)}, tried{1: Creating}, "create", nil},
		{"U past, found, as L that fits", []Order{created(1, "30", 9*time.Minute)}, tried{1: Creating}, "reuse", []int64{1}},
		{"U past, found, as L that does not fit", []Order{created(1, "31", 9*time.Minute)}, tried{1: Creating}, "cancel", []int64{1}},
		{"U past, found, as P", []Order{pending(1)}, tried{1: Creating}, "ask", []int64{1}},
		{"U given up by an earlier start, within its deadline", []Order{with(creating(1, time.Minute), notLive)}, nil, "find", []int64{1}},
		{"U given up by an earlier start, below X", []Order{cancelled(2), with(creating(1, -time.Hour), notLive)}, nil, "create", nil},

		{"L that fits", []Order{created(1, "30", 9*time.Minute)}, nil, "reuse", []int64{1}},
		{"L that fits, written otherwise", []Order{created(1, "30.00", 9*time.Minute)}, nil, "reuse", []int64{1}},
		{"L with exactly the minimum left", []Order{created(1, "30", minimum)}, nil, "reuse", []int64{1}},
		{"L with less left", []Order{created(1, "30", minimum-time.Nanosecond)}, nil, "cancel", []int64{1}},
		{"L past its end", []Order{created(1, "30", -time.Minute)}, nil, "cancel", []int64{1}},
		{"L of another amount", []Order{created(1, "30.01", 9*time.Minute)}, nil, "cancel", []int64{1}},
		{"L of another currency", []Order{with(created(1, "30", 9*time.Minute), wrongCurrency)}, nil, "cancel", []int64{1}},
		{"L of another reference number", []Order{with(created(1, "30", 9*time.Minute), wrongReference)}, nil, "cancel", []int64{1}},
		{"L without a link", []Order{with(created(1, "30", 9*time.Minute), wrongURL)}, nil, "cancel", []int64{1}},
		{"L that EMTA has with another amount", []Order{with(created(1, "30", 9*time.Minute), mismatched)}, nil, "cancel", []int64{1}},
		{"L whose other amount was accepted", []Order{with(created(1, "30", 9*time.Minute), accepted)}, nil, "reuse", []int64{1}},
		{"L whose cancelling was refused", []Order{created(1, "31", 9*time.Minute)}, tried{1: Created}, "create", nil},
		{"L that was P when it was asked about", []Order{created(1, "30", 9*time.Minute)}, tried{1: Pending}, "reuse", []int64{1}},

		{"several L, all fit: the newest", []Order{created(3, "30", 9*time.Minute), created(2, "30", 14*time.Minute)}, nil, "reuse", []int64{3}},
		{"several L, an older one fits", []Order{created(3, "31", 9*time.Minute), created(2, "30", 9*time.Minute), created(1, "30", 9*time.Minute)}, nil, "reuse", []int64{2}},
		{"several L, none fits", []Order{created(3, "31", 9*time.Minute), created(2, "32", 9*time.Minute), created(1, "30", time.Minute)}, nil, "cancel", []int64{3, 2, 1}},
		{"several L, one refused to be cancelled", []Order{created(2, "31", 9*time.Minute), created(1, "32", 9*time.Minute)}, tried{2: Created}, "cancel", []int64{1}},
		{"several L, all refused to be cancelled", []Order{created(2, "31", 9*time.Minute), created(1, "32", 9*time.Minute)}, tried{2: Created, 1: Created}, "create", nil},
		{"L among others, none fits", []Order{created(4, "31", 9*time.Minute), cancelled(3), pending(2), created(1, "32", 9*time.Minute)}, nil, "cancel", []int64{4, 1}},
		{"L below X: the newest decides", []Order{cancelled(2), created(1, "30", 9*time.Minute)}, nil, "create", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := asked{Ask: Ask{Currency: "EUR", ReferenceNumber: "1232"}, amount: euros("30.0")}
			done := row.done
			if done == nil {
				done = tried{}
			}
			next, about := defaultSettings(t).nextStep(row.orders, a, noon, done)
			require.Equal(t, row.step, names[next])
			var ids []int64
			for _, o := range about {
				ids = append(ids, o.ID)
			}
			require.Equal(t, row.about, ids)
		})
	}
}

// The minimum is a setting (EMTA §4, 1).
func TestNextStepReuseMinimum(t *testing.T) {
	a := asked{Ask: Ask{Currency: "EUR", ReferenceNumber: "1232"}, amount: euros("30")}
	for _, row := range []struct {
		minimum, left time.Duration
		want          step
	}{
		{time.Minute, time.Minute, stepReuse},
		{time.Minute, 59 * time.Second, stepCancel},
		{time.Hour, time.Hour, stepReuse},
		{time.Hour, 59 * time.Minute, stepCancel},
	} {
		s, err := Settings{ReuseMinimum: row.minimum}.WithDefaults()
		require.NoError(t, err)
		next, _ := s.nextStep([]Order{created(1, "30", row.left)}, a, noon, tried{})
		require.Equal(t, row.want, next, "%s of %s left", row.left, row.minimum)
	}
}

// The texts sent with an order fit EMTA's 75 characters with the longest key, and name the order's key.
func TestDescriptionsFit(t *testing.T) {
	s := defaultSettings(t)
	for _, text := range []string{s.Description.ET, s.Description.EN, s.Description.RU} {
		require.Contains(t, text, "{id}")
		require.LessOrEqual(t, len([]rune(strings.ReplaceAll(text, "{id}", "9223372036854775807"))), 75)
	}
	require.Equal(t, "Ametlikud Teadaanded. Teadaande avaldamine. Makse '{id}'.", s.Description.ET)
}
