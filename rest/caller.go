package rest

import (
	"context"
	"net/http"
	"regexp"
	"slices"
)

// Caller is who called, once authenticated.
type Caller struct {
	Name   string   // of the token or certificate
	Scopes []string // what it may do; "*" is all
}

// callerKey is the context key of the Caller.
type callerKey struct{}

// CallerFrom returns the request's authenticated caller; the zero Caller without one.
func CallerFrom(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	return caller
}

// May reports whether the caller has the scope; everybody has the empty one.
func (c Caller) May(scope string) bool {
	return scope == "" || slices.Contains(c.Scopes, scope) || slices.Contains(c.Scopes, "*")
}

// actingUserField names the person for whom the core acts (design §8).
const actingUserField = "X-Acting-User"

// actingUser is a country and a code of at most 20 characters, as everywhere in the field.
var actingUser = regexp.MustCompile(`^[A-Z]{2}[0-9A-Za-z-]{1,20}$`)

// checkActingUser refuses a person that the audit log could not hold; who acted is never dropped silently.
func checkActingUser(r *http.Request) error {
	switch values := r.Header.Values(actingUserField); {
	case len(values) > 1:
		return Invalid(Field{Path: actingUserField, Rule: ruleDuplicate, Message: "may be sent once"})
	case len(values) == 1 && !actingUser.MatchString(values[0]):
		return Invalid(Field{Path: actingUserField, Rule: ruleFormat, Message: "must be a country of two capital letters and a code, e.g. EE and eleven digits"})
	}
	return nil
}

// ActingUser is the person named in X-Acting-User ("EE" + code), else the caller's name; "" with neither.
// The endpoint has checked its form, not who it is: for the audit log only.
func ActingUser(r *http.Request) string {
	if user := r.Header.Get(actingUserField); user != "" {
		return user
	}
	return CallerFrom(r.Context()).Name
}
