package mandate

import (
	"context"
	"errors"
	"time"

	"ametlikudteadaanded.ee/adapter/event"
)

// ErrNotFound is what a Store returns where there is no such mandate or representee; to be tested with errors.Is.
var ErrNotFound = errors.New("not found")

// RequestTime is how long a changing request is remembered (Pääsuke §5).
const RequestTime = 7 * 24 * time.Hour

// Filter selects mandates. A representee or delegate that is not one of AT's selects nothing.
type Filter struct {
	Representee Identifier // "": any
	Delegate    Identifier // "": any
	History     bool       // also those that have ended; else some of them may still be among the answers
	Today       Date       // for Mandate.Orphaned
	After       int64      // mandates with a greater ID
	Limit       int        // 0: all
}

// Scope is what a decision is about. All changes of one representee's mandates run one after another, and so do requests of one
// client with one id.
type Scope struct {
	Client, RequestID string    // the X-Road request, to know its repeat; "" of the internal API and the night's work
	Since             time.Time // requests before that are forgotten

	// One of these names the representee.
	Representee   Identifier // may be unknown
	RepresenteeID int64
	MandateID     int64 // the representee is that mandate's

	Delegate Identifier // who is to have a mandate; "": nobody
	User     Identifier // whose mandates of Party are to be seen; "": nobody's
	Party    Identifier
	Today    Date // for Mandate.Orphaned
}

// View is what a decision sees, read in the transaction that will write it. Mandates are in ascending order of ID.
type View struct {
	Repeat      *Answered    // the request was answered before
	Representee *Representee // nil: unknown
	Delegate    *Delegate    // nil: unknown, or the scope names none
	Mandate     *Mandate     // the one that the scope names, in whatever state; nil: there is none
	Mandates    []Mandate    // of the representee, all that have not ended for good; they stay as they are until the commit
	Held        []Mandate    // by the user of the party, as in Mandates
}

// Change is all that one transaction writes. The zero value changes nothing.
type Change struct {
	Representee *Representee // to insert; nil: the view's
	Delegate    *Delegate    // to insert; nil: the view's
	New         *Mandate     // to insert, of these two; the store gives it its ID
	Mandates    []Mandate    // rows that the view shows, by ID: their switch, period and our own row are written
	Happened    []Happening  // events, appended in this order
	Audits      []Audit
	Answered    *Answered
}

// Happening is an event of a mandate that is inserted (MandateID 0) or written by the same change.
type Happening struct {
	MandateID int64
	Kind      string // one of the Event constants
}

// Answered is a changing request that was answered well, by Client and ID.
type Answered struct {
	Client  string
	ID      string
	Request Request
	At      time.Time
	Outcome []byte // JSON, this package's own
}

// Tell makes the event of a happening, of the mandate as it is written. It must have no effect but its result.
type Tell func(kind string, m Mandate) (event.Event, error)

// Store keeps mandates. Each method is one transaction, durable when it returns. A decide function may run more than once and
// must have no effect but its result; its error ends the transaction and is returned as it is. All methods are safe for
// concurrent use from several replicas. Times are kept to the microsecond, as UTC.
type Store interface {
	// Mandate returns one mandate, or ErrNotFound.
	Mandate(ctx context.Context, id int64, today Date) (Mandate, error)
	// Mandates returns mandates in ascending order of ID.
	Mandates(ctx context.Context, f Filter) ([]Mandate, error)
	// ChangeMandates shows decide what the scope names, locked, and writes the change with its events. It returns the mandates
	// as written: the new one first, then the changed in their order. A RepresenteeID that is not there is ErrNotFound; an
	// unknown MandateID is a View without Mandate.
	ChangeMandates(ctx context.Context, s Scope, decide func(v View) (Change, error), tell Tell) ([]Mandate, error)

	// AdoptMandates gives rows of the core's whose first day is to come, and that are off, a row of ours: they wait (Pääsuke §7).
	// It returns how many those were.
	AdoptMandates(ctx context.Context, today Date, now time.Time) (int, error)
	// Unsettled searches a part of the mandates, those with keys from after on, for what the night's work has to do, and
	// returns their representees, ascending, and where to go on; 0 at the end. It may name some that have nothing to do.
	Unsettled(ctx context.Context, today Date, after int64) (representeeIDs []int64, next int64, err error)
	// ForgetRequests forgets the requests that were answered before a time, and returns how many.
	ForgetRequests(ctx context.Context, before time.Time) (int, error)

	// MandateAudits returns who did what to a mandate, oldest first.
	MandateAudits(ctx context.Context, id int64) ([]Audit, error)
}
