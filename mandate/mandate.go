package mandate

import "time"

// Mandate is a role that a representee gave to a delegate for a period: the core's row and what stands of it in ours. Of a row
// that the core made by itself, ours may be missing (Pääsuke §7).
type Mandate struct {
	ID          int64
	Representee Representee
	Delegate    Delegate
	Role        Role
	Period      Period
	On          bool  // the core's switch: the delegate can act at AT
	Known       State // as we last wrote it; "" where we have no row
	Orphaned    bool  // it was passed on, and something above it in its chain has ended; given by the store

	SubDelegable   bool      // it was given with the right to pass it on
	Parent         int64     // the mandate that it was passed on from; 0: none
	SubDelegator   *Delegate // who passed it on, the parent's delegate; nil: nobody
	AddedAt        time.Time // zero: by the core, not known when
	AddedBy        string    // the person who added it, or a token's name; "" by the core
	AddedFor       Identifier
	AskedFrom      Date // the first day that was asked for, which may have been in the past
	Authorizations []Authorization
	Document       Document
	Ended          Ending
}

// State is what a mandate amounts to on a day.
type State string

// The states (Pääsuke §7). The core has one letter for waiting, ended and switched off; our own row tells them apart.
const (
	Waiting State = "waiting" // its first day is to come
	Active  State = "active"
	Ended   State = "ended"
)

// State is the mandate's state on a day. A waiting mandate whose first day has come is waiting until the night's work has
// switched it on, and counts by its period meanwhile.
func (m Mandate) State(today Date) State {
	switch {
	case m.Orphaned, m.Period.Over(today):
		return Ended
	case m.On:
		return Active
	case m.Known == Waiting, m.Known == "" && m.Period.From > today:
		return Waiting
	}
	return Ended
}

// ValidOn reports whether the delegate may act by it on a day.
func (m Mandate) ValidOn(today Date) bool {
	return m.State(today) != Ended && m.Period.Covers(today)
}

// Role is a role at AT by its code without namespace, as the core has it: ESINDAJA.
type Role string

// Document is the signed document of an operation; the zero value is none.
type Document struct {
	UUID           string // lower case
	SingleDelegate bool   // it may be shown to the delegate
}

// Ending is how a mandate ended; the zero value is not, or not known.
type Ending struct {
	At  time.Time
	How How
	By  string // a person, a token's name, or "" for the adapter itself
}

// How says in which way a mandate ended.
type How string

// The ways.
const (
	Withdrawn   How = "withdrawn"    // by the representee
	Waived      How = "waived"       // by the delegate
	ByCore      How = "core"         // through the internal API
	Expired     How = "expired"      // its last day passed
	WithParent  How = "parent"       // what it was passed on from ended
	SwitchedOff How = "switched-off" // in the core's table, by the core itself
)

// Actor is who asks over X-Road, as the header says.
type Actor struct {
	Client           string     // the X-Road client; "" for the internal API
	RequestID        string     // X-Road-Id
	User             Identifier // X-Road-UserId; "" a background process
	RepresentedParty Identifier // X-Road-Represented-Party without its class; "" absent
}

// Request names a changing request, so that its repeat is known (Pääsuke §5). Client and ID are the Actor's.
type Request struct {
	Method string
	Path   string
	Digest string // of the body, e.g. SHA-256 in hexadecimal
}

// Audit is who changed a mandate, on whose behalf and on what grounds.
type Audit struct {
	At             time.Time
	MandateID      int64  // 0: the one that the same change inserts
	Action         string // add, pass-on, end, change
	Actor          string // the person, or a token's name
	OnBehalf       Identifier
	Client         string // X-Road client; "" the internal API
	RequestID      string // X-Road-Id
	Authorizations []Authorization
	Document       Document
	Detail         string // e.g. how it ended
}

// Types of the events that the core hears of a mandate (design §8).
const (
	EventAdded     = "mandate.added"
	EventActivated = "mandate.activated"
	EventChanged   = "mandate.changed" // another last day
	EventEnded     = "mandate.ended"
)
