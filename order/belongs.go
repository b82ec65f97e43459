package order

import "strconv"

// Reasons why an answer is not about an order of ours (EMTA §3). They are the reasons of suspicions and metrics.
const (
	foreignID        = "order-id"         // not the id that was asked for, or none
	foreignStamp     = "stamp"            // the stamp names no row, or not the row that has the id
	foreignReference = "reference-number" // the row has another reference number
	foreignAmount    = "amount"           // a row without id was asked for with another amount or currency
	notFound         = "not-found"        // EMTA itself does not know an order of ours
	wrongAmount      = "amount-mismatch"  // ours, but not what was asked: held until an operator accepts it
)

// foreign says why the answer is not about o, "" if it is. askedID is the id that EMTA was asked for, "" where none
// was (cpgOrderInit, an entry of cpgOrderList). o must be the row that the answer's stamp names.
func (a answer) foreign(o Order, askedID string) string {
	switch {
	case a.id == "" || askedID != "" && a.id != askedID:
		return foreignID
	case a.stamp != stampOf(o.ID):
		return foreignStamp
	case o.EMTAOrderID != "" && o.EMTAOrderID != a.id:
		return foreignStamp
	case o.EMTAOrderID == "" && o.State != Creating:
		return foreignStamp // refused or given up: the row is closed to ids
	}
	if a.reference != o.ReferenceNumber {
		return foreignReference
	}
	if o.EMTAOrderID == "" && !a.asAsked(o) {
		return foreignAmount
	}
	return ""
}

// asAsked reports whether EMTA's amount and currency are those that we asked for.
func (a answer) asAsked(o Order) bool {
	return a.amount.Equal(o.AskedAmount) && a.currencyOr(o.AskedCurrency) == o.AskedCurrency
}

// stampOf is how our key is sent as Merchant/Stamp.
func stampOf(id int64) string { return strconv.FormatInt(id, 10) }

// keyOf reads a stamp back; false if it is not one that we could have sent.
func keyOf(stamp string) (int64, bool) {
	id, err := strconv.ParseInt(stamp, 10, 64)
	return id, err == nil && id > 0 && stampOf(id) == stamp
}
