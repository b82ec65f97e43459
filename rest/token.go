package rest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Token is one bearer token of the internal API, stored by its hash only (design §6).
// Several may be valid at once, so that one can be replaced without a gap.
type Token struct {
	Name    string    // of the caller, for logs; unique
	SHA256  string    // HashToken of the secret
	Scopes  []string  // what it allows, e.g. "orders"; "*" is all
	Expires time.Time // no longer valid from then on; zero: never
}

// HashToken is the hash under which a token is kept: SHA-256, 64 lower-case hex digits. A token
// is long and random (32 bytes), so that nothing slower is needed.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Tokens knows callers by their bearer tokens (RFC 6750). It never changes and is safe for concurrent use.
type Tokens struct {
	now    func() time.Time
	tokens []hashedToken
}

type hashedToken struct {
	hash    []byte
	caller  Caller
	expires time.Time
}

// NewTokens checks the list; its error names the token that is wrong, and never a hash.
func NewTokens(now func() time.Time, tokens ...Token) (*Tokens, error) {
	known := &Tokens{now: now}
	names := map[string]bool{}
	for _, t := range tokens {
		hash, err := hex.DecodeString(t.SHA256)
		switch {
		case t.Name == "":
			return nil, errors.New("token without a name")
		case names[t.Name]:
			return nil, fmt.Errorf("token %q: the name is there twice", t.Name)
		case err != nil || len(hash) != sha256.Size:
			return nil, fmt.Errorf("token %q: the hash must be SHA-256 in 64 hex digits", t.Name)
		}
		names[t.Name] = true
		known.tokens = append(known.tokens, hashedToken{hash: hash, caller: Caller{Name: t.Name, Scopes: t.Scopes}, expires: t.Expires})
	}
	return known, nil
}

// bearer is an Authorization field of RFC 6750; the length is bounded, as no token of ours comes near it.
var bearer = regexp.MustCompile(`^(?i:Bearer) +([A-Za-z0-9._~+/-]{1,256}=*)$`)

// Authenticate names the caller whose token the request carries. The error is a *Problem, 401
// "unauthorized" with WWW-Authenticate; it says nothing of which tokens exist.
func (t *Tokens) Authenticate(r *http.Request) (Caller, error) {
	fields := r.Header.Values("Authorization")
	if len(fields) == 0 {
		return Caller{}, unauthorized("Send a token in the header field Authorization: Bearer.", "")
	}
	parts := bearer.FindStringSubmatch(fields[0])
	if len(fields) > 1 || parts == nil {
		return Caller{}, unauthorized("Authorization must be there once, as Bearer and a token.", "invalid_request")
	}
	caller, ok, cause := t.caller(parts[1])
	if !ok {
		refusal := unauthorized("The token is unknown or has expired.", "invalid_token")
		refusal.Err = cause
		return Caller{}, refusal
	}
	return caller, nil
}

// ErrTokenExpired is the cause of a 401 for a token that was valid until its time came. The answer does not tell.
var ErrTokenExpired = errors.New("the token has expired")

// caller compares with every token, so that the time taken tells nothing. The error is a cause, nil with one that is unknown.
func (t *Tokens) caller(token string) (caller Caller, ok bool, cause error) {
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i, known := range t.tokens {
		if subtle.ConstantTimeCompare(sum[:], known.hash) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Caller{}, false, nil
	}
	known := t.tokens[found]
	if !known.expires.IsZero() && !t.now().Before(known.expires) {
		return Caller{}, false, fmt.Errorf("token %q: %w", known.caller.Name, ErrTokenExpired)
	}
	return known.caller, true, nil
}

func unauthorized(detail, bearerError string) *Problem {
	return &Problem{Status: http.StatusUnauthorized, Code: codeUnauthorized, Title: "Not authenticated", Detail: detail, Header: challenge(bearerError, "")}
}

func forbidden(scope string) *Problem {
	return &Problem{Status: http.StatusForbidden, Code: codeForbidden, Title: "Not allowed",
		Detail: fmt.Sprintf("The token does not have the scope %q.", scope), Header: challenge("insufficient_scope", scope)}
}

// challenge is the WWW-Authenticate field (RFC 6750 §3).
func challenge(bearerError, scope string) http.Header {
	var parameters []string
	if bearerError != "" {
		parameters = append(parameters, fmt.Sprintf("error=%q", bearerError))
	}
	if scope != "" {
		parameters = append(parameters, fmt.Sprintf("scope=%q", scope))
	}
	return http.Header{"Www-Authenticate": {strings.TrimSpace("Bearer " + strings.Join(parameters, ", "))}}
}
