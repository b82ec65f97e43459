package order

import (
	"time"

	"github.com/shopspring/decimal"
)

// answer is what EMTA says of one order, read from the Order element of an answer to
// cpgOrderInit, cpgOrderGet or cpgOrderList.
type answer struct {
	id         string
	state      string // EMTA's word
	created    time.Time
	expires    time.Time // zero: not said
	finished   time.Time // zero: not said, or empty
	amount     decimal.Decimal
	currency   string // "": not said
	stamp      string
	reference  string
	paymentURL string // "": no usable link
	raw        string // the Order element, for keeping whole
}

// stateOf reads EMTA's word; false if it is none that we know (EMTA §3).
func stateOf(word string) (State, bool) {
	switch s := State(word); s {
	case Created, Pending, Completed, Cancelled:
		return s, true
	}
	return "", false
}

// currencyOr is the answer's currency, or else what was asked (EMTA §4).
func (a answer) currencyOr(asked string) string {
	if a.currency == "" {
		return asked
	}
	return a.currency
}
