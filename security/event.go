package security

import (
	"context"
	"time"
)

// Event is one row of the security log. Empty texts are not known.
type Event struct {
	At        time.Time
	Replica   string // which process wrote it
	Kind      string // one of the words below, or another package's
	Caller    string // name of a token, or an X-Road client
	Actor     string // the person, as X-Acting-User names one, or "cli:" and a user of the machine
	Address   string // where the request came from, without a port
	RequestID string
	Detail    string // masked; at most maxDetail bytes
	Count     int    // how many such events the row stands for, at least 1
}

// Kinds of events.
const (
	SessionStarted  = "session started"         // a token is used for the first time, or after a long silence
	SessionEnded    = "session ended"           // a token was not used for long
	TokenRefused    = "token refused"           // 401: none, or one that is unknown
	TokenExpired    = "token expired"           // 401: one that was valid until its time came
	AttemptsLimited = "attempts limited"        // 429: too many of the two before, from one address
	AccessRefused   = "access refused"          // 403, or AccessDenied to an X-Road client
	SettingsChanged = "settings changed"        // which, from what to what
	ExchangesRead   = "exchanges read"          // who looked at what
	HeaderForged    = "header field sent twice" // that no honest security server sends twice
)

// Store keeps the log for ever. Each method is one transaction.
type Store interface {
	// AppendSecurity keeps events in their order.
	AppendSecurity(ctx context.Context, events []Event) error
	// SecurityEvents returns at most limit events, the last first.
	SecurityEvents(ctx context.Context, limit int) ([]Event, error)
}

// Limits of what is kept of one event.
const (
	maxText   = 200  // the longest identifier that anybody registered is a third of it
	maxDetail = 1000 // some fields with a sentence each
)
