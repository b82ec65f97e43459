package order

import (
	"time"

	"github.com/shopspring/decimal"
)

// Order is one card payment order: our row and what EMTA last said of it (EMTA §3).
// Times are UTC, a zero time is "not known" or "never"; amounts are decimals of at
// most 15 digits, 2 of them after the point.
type Order struct {
	ID              int64  // our key; also sent as Order/Merchant/Stamp
	AnnouncementID  int64  // the announcement that the fee is for
	EMTAOrderID     string // EMTA's id; empty while Creating
	State           State
	Created         time.Time // at EMTA
	Expires         time.Time // at EMTA
	Finished        time.Time // at EMTA
	Amount          decimal.Decimal
	Currency        string
	ReferenceNumber string
	PaymentURL      string // where the payer is sent; empty: EMTA gave no usable link
	ClaimForwarded  bool   // the core has confirmed the claim (AT-CC-006)

	AskedAmount   decimal.Decimal // what the core asked for; Amount follows EMTA
	AskedCurrency string
	Started       time.Time // when the row was written
	InitDeadline  time.Time // until then its Init may still be under way
	Live          bool      // its attempt blocks another start of the same announcement
	NextCheck     time.Time // when EMTA is to be asked again
	Attempts      int       // times asked since the state last changed
	Lists         int       // complete lists of EMTA without it, while Creating
	NotFoundAt    time.Time // since when EMTA itself does not know it
	RevertedAt    time.Time // when it last left Completed
	Mismatch      bool      // EMTA's amount or currency is not what was asked, and nobody accepted it
	AcceptedBy    string    // who accepted another amount; empty: nobody
	Fault         string    // why it was refused or given up, EMTA's words
	DuplicateOf   int64     // an order of the same announcement that was completed before; 0: none
	CompletionID  string    // names this completion in events; empty: not completed, or held
	OfferAttempt  int       // times that this completion was offered to the core
	NextOffer     time.Time // when the completion is offered again
	AfterCancel   bool      // it had been cancelled and then was not; until it leaves Completed
}

// State is an order's state. No state is final (EMTA §3).
type State string

// The states, with EMTA's word and AT's classifier code.
const (
	Creating  State = "creating"  // U: our row was written, EMTA has not answered yet
	Created   State = "created"   // L: exists at EMTA; the only state that a merchant may cancel
	Pending   State = "pending"   // P: the payer chose a method, or part of the payments was annulled
	Completed State = "completed" // T: paid in full
	Cancelled State = "cancelled" // X: cancelled by anybody, or expired
)

var stateCodes = map[State]string{Creating: "U", Created: "L", Pending: "P", Completed: "T", Cancelled: "X"}

// Code is the state's classifier code at AT (tellimuse_seisund_kl).
func (s State) Code() string { return stateCodes[s] }

// StateOfCode is the state with AT's classifier code; false if there is none.
func StateOfCode(code string) (State, bool) {
	for s, c := range stateCodes {
		if c == code {
			return s, true
		}
	}
	return "", false
}

// Notification is one cpgOrderNotify that was accepted (krediitkaardi_teavitused, EMTA §6).
type Notification struct {
	ID          int64     // 0: not stored yet
	EMTAOrderID string    // as EMTA sent it
	NotifiedAt  time.Time // of the last repeat; strictly increases, to the microsecond
	Processed   bool
	Answer      string    // EMTA's whole answer, only where it looks like somebody else's order
	Attempts    int       // times that EMTA was asked because of it
	Failure     string    // of the last attempt
	NextCheck   time.Time // only for an id that no order of ours has; zero: the order's own check covers it
	ParkedAt    time.Time // since when it waits for a person; zero: it does not
}

// LogEntry is a row of sys_maksemoodul_logi (AT-CC-008). OrderID 0 means the order
// that the same Change inserts.
type LogEntry struct {
	OrderID int64
	At      time.Time
	Action  string // one of the Log constants
	Message string
}

// Actions of the log (EMTA §3).
const (
	LogSync   = "sync"   // a cpgOrderGet
	LogInit   = "init"   // a cpgOrderInit
	LogCancel = "cancel" // a cpgOrderCancel
	LogClaim  = "noue"   // a claim offered, confirmed or refused
)

// Suspicion is an answer or entry of EMTA's that cannot be applied to an order of ours,
// kept whole (EMTA §3). One that was kept before, by EMTAOrderID, Reason and OrderID, is not kept again.
type Suspicion struct {
	At          time.Time
	OrderID     int64  // the order that was asked about; 0: none
	EMTAOrderID string // the id that the answer names
	Reason      string // a stable word, e.g. "reference-number"
	Answer      string // the whole answer, XML
}

// Audit is who did what to an order or a notification (EMTA §8). Actor is a person or token name of the core's.
type Audit struct {
	At             time.Time
	OrderID        int64 // 0 with a NotificationID; else the order that the same Change inserts
	NotificationID int64
	Actor          string
	Action         string // refresh, cancel, accept, claim; retry of a notification
	Detail         string
}
