package xroadhdr

import "context"

// Exchange is what soap and rest learn of one exchange while they handle it, for whoever
// logs it (design §3). One goroutine at a time writes it; a logger reads it once the exchange is over.
type Exchange struct {
	RequestID string // ours, one an exchange; also in every answer and log line
	XRoadID   string
	Client    ClientID
	Service   ServiceID
	Issue     string
	Route     string // of a REST request: the operation's path with its parameters' names, for the path itself may hold personal codes
	UserID    string // the header's userId: a personal code, which no log shows as it is
	Fault     string // fault code or problem code of the answer, "" when it went well
	Err       error  // cause for the log, never shown to the other side
	// Noted, where a logger has set it, is called once the request's fields above are filled in, before the request is worked on.
	Noted func()
}

type exchangeKey struct{}

// WithExchange returns a context that carries e; a nil e is none.
func WithExchange(ctx context.Context, e *Exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

// ExchangeFrom returns the exchange record of ctx, never nil: without one it
// returns a fresh record that nobody reads.
func ExchangeFrom(ctx context.Context) *Exchange {
	if e, ok := ctx.Value(exchangeKey{}).(*Exchange); ok && e != nil {
		return e
	}
	return &Exchange{}
}
