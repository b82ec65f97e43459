package access

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
)

// Token is a bearer token as it is kept. The token itself is shown once, when it is made.
type Token struct {
	Name    string    // of the caller, for logs; never used again, not even when it is revoked
	SHA256  string    // rest.HashToken of the token
	Scopes  []string  // at least one; "*" is all
	Created time.Time // to the microsecond
	Expires time.Time // no longer valid from then on; zero: never
	Revoked time.Time // no longer valid from then on; zero: it is not
	By      string    // who made it
}

// Errors of a Store.
var (
	ErrTaken   = errors.New("the name has been used")
	ErrNoToken = errors.New("no token of that name is in use")
)

// Store keeps tokens for ever, as the audit of who could call. Each method is one transaction.
type Store interface {
	// AddToken keeps t, or returns ErrTaken where its name was ever there.
	AddToken(ctx context.Context, t Token) error
	// Tokens returns all tokens by name, those that are revoked or have expired too.
	Tokens(ctx context.Context) ([]Token, error)
	// RevokeToken marks the token as revoked at that time, or returns ErrNoToken where none is in use under the name.
	RevokeToken(ctx context.Context, name string, at time.Time) error
}

// tokenName is a name that can stand in a log line and on a command line.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// scope is one word, or "*".
var scope = regexp.MustCompile(`^(\*|[a-z][a-z-]{0,31})$`)

// tokenBytes is enough that a token cannot be guessed, and so need not be hashed slowly.
const tokenBytes = 32

// New makes a token, and returns what is kept of it and the token itself. The error names what is wrong with the arguments.
func New(name string, scopes []string, now, expires time.Time, by string) (kept Token, secret string, err error) {
	switch {
	case !tokenName.MatchString(name):
		return Token{}, "", fmt.Errorf("name %q: must be at most 64 letters, digits, points, hyphens and underscores", name)
	case len(scopes) == 0:
		return Token{}, "", errors.New("scopes: at least one is needed")
	case !expires.IsZero() && !expires.After(now):
		return Token{}, "", errors.New("expires: must be in the future")
	}
	for _, s := range scopes {
		if !scope.MatchString(s) {
			return Token{}, "", fmt.Errorf("scope %q: must be a word such as orders, or *", s)
		}
	}
	made := make([]byte, tokenBytes)
	rand.Read(made) // never fails
	secret = base64.RawURLEncoding.EncodeToString(made)
	return Token{Name: name, SHA256: rest.HashToken(secret), Scopes: slices.Clone(scopes), Created: now.UTC().Truncate(time.Microsecond),
		Expires: expires.UTC().Truncate(time.Microsecond), By: by}, secret, nil
}

// State is "in use", "expired" or "revoked".
func (t Token) State(now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return "expired"
	}
	return "in use"
}

// Known are the tokens that are not revoked, for recognising their callers.
func Known(now func() time.Time, tokens []Token) (*rest.Tokens, error) {
	var known []rest.Token
	for _, t := range tokens {
		if t.Revoked.IsZero() {
			known = append(known, rest.Token{Name: t.Name, SHA256: strings.ToLower(t.SHA256), Scopes: t.Scopes, Expires: t.Expires})
		}
	}
	return rest.NewTokens(now, known...)
}
