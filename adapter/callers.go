package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// knownCallers knows who calls the internal API: by client certificate, or by token. It is safe for concurrent use.
type knownCallers struct {
	live     *live
	stored   atomic.Pointer[rest.Tokens] // the database's; nil: not read yet
	attempts *attempts
	security *security.Log
}

// authenticate names the caller, or returns a *rest.Problem. Wrong attempts of one address are counted, and beyond a number 429.
// They do not lock out whoever has a right token behind the same address: a token cannot be guessed.
func (c *knownCallers) authenticate(r *http.Request) (rest.Caller, error) {
	now := c.live.current.Load()
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 && r.Header.Get("Authorization") == "" {
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		if caller, known := now.certificates[hex.EncodeToString(sum[:])]; known {
			return caller, nil
		}
	}
	caller, err := now.tokens.Authenticate(r)
	if stored := c.stored.Load(); err != nil && stored != nil {
		another, refused := stored.Authenticate(r)
		if refused == nil {
			return another, nil
		}
		if errors.Is(refused, rest.ErrTokenExpired) {
			err = refused
		}
	}
	if err == nil {
		return caller, nil
	}
	if wait := c.attempts.failed(addressOf(r)); wait > 0 {
		return caller, tooMany(wait, err)
	}
	return caller, err
}

func tooMany(wait time.Duration, cause error) *rest.Problem {
	return &rest.Problem{Status: http.StatusTooManyRequests, Code: "too-many-attempts", Title: "Too many wrong attempts",
		Detail: "Too many requests without a valid token came from this address.",
		Header: http.Header{"Retry-After": {strconv.Itoa(int(wait/time.Second) + 1)}}, Err: cause}
}

// require lets requests to next whose caller has the scope. Who has not is told, and so is the security log.
func (c *knownCallers) require(scope string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := c.authenticate(r)
		in := inbound{Exchange: xroadhdr.Exchange{Err: err}, System: "ops", Method: r.Method, Status: http.StatusOK, Caller: caller.Name}
		switch problem := (*rest.Problem)(nil); {
		case errors.As(err, &problem):
			in.Status = problem.Status
			for name, values := range problem.Header {
				w.Header()[name] = values
			}
			writeText(w, in.Status, problem.Title+"\n")
		case err != nil:
			writeText(w, http.StatusInternalServerError, "who calls cannot be told now\n")
		case !caller.May(scope):
			in.Status = http.StatusForbidden
			writeText(w, in.Status, "the caller does not have the scope "+scope+"\n")
		default:
			next.ServeHTTP(w, r)
			return
		}
		reportRefusal(security.WithAddress(r.Context(), addressOf(r).String()), c.security, in)
	})
}

// Limits of wrong attempts. An honest caller with an old token makes one a second at most; a token has 256 bits, so that the
// limit only keeps noise out of the logs.
const (
	maxAttempts    = 30
	attemptsWindow = time.Minute
	// maxAddresses bounds what strangers can make us remember; those beyond it are counted together.
	maxAddresses = 4096
)

// attempts counts wrong attempts by address, in windows of a minute. It is safe for concurrent use.
type attempts struct {
	now func() time.Time

	mu    sync.Mutex
	seen  map[netip.Prefix]*attemptWindow
	swept time.Time
}

type attemptWindow struct {
	began time.Time
	count int
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, seen: map[netip.Prefix]*attemptWindow{}}
}

// failed counts one more, and returns how long the address is to wait, 0 if it is not yet beyond the limit.
func (a *attempts) failed(address netip.Addr) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	w := a.window(network(address), now)
	w.count++
	if w.count <= maxAttempts {
		return 0
	}
	return w.began.Add(attemptsWindow).Sub(now)
}

func (a *attempts) window(of netip.Prefix, now time.Time) *attemptWindow {
	if _, known := a.seen[of]; !known && len(a.seen) >= maxAddresses {
		if a.sweep(now); len(a.seen) >= maxAddresses {
			of = netip.Prefix{}
		}
	}
	w := a.seen[of]
	if w == nil || now.Sub(w.began) >= attemptsWindow {
		w = &attemptWindow{began: now}
		a.seen[of] = w
	}
	return w
}

// sweep forgets windows that are over; once a second, as it looks at all of them.
func (a *attempts) sweep(now time.Time) {
	if now.Sub(a.swept) < time.Second {
		return
	}
	a.swept = now
	for n, w := range a.seen {
		if now.Sub(w.began) >= attemptsWindow {
			delete(a.seen, n)
		}
	}
}

// network is what one owner has: an IPv4 address, or 64 bits of IPv6.
func network(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := 64
	if address.Is4() {
		bits = 32
	}
	p, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// addressOf is where the request came from, as the security log has it where the request went through that, else the
// connection's other end.
func addressOf(r *http.Request) netip.Addr {
	text := security.AddressFrom(r.Context())
	if text == "" {
		text, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address
}
