package xroadhdr

import (
	"fmt"
	"net/url"
	"strings"
)

// Path is the REST form: each part percent-encoded by itself, joined by
// "/" (§1.4). ParseClientPath is its inverse.
func (c ClientID) Path() string { return join(c.parts(), url.PathEscape) }

// Path is the REST form: each part percent-encoded by itself, joined by "/" (§1.4).
// Only a service with a subsystem and without a version can be called over REST (§6.1).
// ParseServicePath is its inverse for services with a subsystem.
func (s ServiceID) Path() string { return join(s.parts(), url.PathEscape) }

// Path is the REST form: each part percent-encoded by itself, joined by "/" (§1.4).
func (s SecurityServerID) Path() string { return join(s.parts(), url.PathEscape) }

// ParseClientPath reads the REST form of a client, decoding each part by itself, so that an
// encoded "/" stays inside its part. ReadHTTP refuses such a part, and so must whoever
// goes on to use String. The error is a *FieldError.
func ParseClientPath(s string) (ClientID, error) {
	return parseClientPath("client", s, printable)
}

func parseClientPath(field, s string, rule rule) (ClientID, error) {
	var c ClientID
	if err := parsePath(field, s, c.parts(), 3, rule); err != nil {
		return ClientID{}, err
	}
	return c, nil
}

// ParseServicePath reads the REST form of a service: instance, class, member,
// subsystem and service code, optionally a version (§6.1). Compare services so
// decoded: a security server may encode one otherwise than we did (§1.4). The error is a *FieldError.
func ParseServicePath(s string) (ServiceID, error) {
	return parseServicePath("service", s, printable)
}

func parseServicePath(field, s string, rule rule) (ServiceID, error) {
	var id ServiceID
	if err := parsePath(field, s, id.parts(), 5, rule); err != nil {
		return ServiceID{}, err
	}
	return id, nil
}

// parsePath decodes s as a security server does (§1.4) and fills at least the first atLeast of parts.
func parsePath(field, s string, parts []part, atLeast int, rule rule) error {
	values := strings.Split(s, "/")
	if len(values) < atLeast || len(values) > len(parts) {
		return &FieldError{Code: CodeInvalidIdentifier, Field: field, Rule: arity(atLeast, len(parts))}
	}
	for i, v := range values {
		if strings.ContainsFunc(v, mustBeEncoded) {
			return &FieldError{Code: CodeInvalidIdentifier, Field: field + "/" + parts[i].name,
				Rule: "holds a character that must be percent-encoded"}
		}
		decoded, err := url.PathUnescape(v)
		if err != nil { // not wrapped: it quotes the value
			return &FieldError{Code: CodeInvalidIdentifier, Field: field + "/" + parts[i].name,
				Rule: "holds a percent sign without two hexadecimal digits"}
		}
		values[i] = decoded
	}
	return fill(field, parts, values, rule)
}

func arity(atLeast, atMost int) string {
	if atLeast == atMost {
		return fmt.Sprintf("must have %d parts joined by /", atMost)
	}
	return fmt.Sprintf("must have %d or %d parts joined by /", atLeast, atMost)
}

// mustBeEncoded tells what may not stand raw: all but the unreserved
// characters, the sub-delimiters, ":" and "@" (§1.4), and the percent sign itself.
func mustBeEncoded(r rune) bool {
	return !isAlphanumeric(r) && !strings.ContainsRune("-._~!$&'()*+,;=:@%", r)
}
