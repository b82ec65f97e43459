package xroadhdr

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Validate is strict, for what we write (§1.3): every mandatory part present,
// only the characters that the protocol allows. The error is a *FieldError.
func (c ClientID) Validate() error { return validate("client", c.parts()) }

// Validate is strict, for what we write (§1.3): every mandatory part present,
// only the characters that the protocol allows. The error is a *FieldError.
func (s ServiceID) Validate() error { return validate("service", s.parts()) }

// Validate is strict, for what we write (§1.3): every part present,
// only the characters that the protocol allows. The error is a *FieldError.
func (s SecurityServerID) Validate() error { return validate("securityServer", s.parts()) }

func validate(field string, parts []part) error {
	for _, p := range parts {
		if *p.value == "" && p.optional {
			continue
		}
		if broken := strict(*p.value); broken != "" {
			return &FieldError{Code: CodeInvalidIdentifier, Field: field + "/" + p.name, Rule: broken}
		}
	}
	return nil
}

// A rule returns what must hold of a value and does not, or "".
type rule func(value string) string

// text is the rule of free text that we write, such as id and issue: XML and HTTP carry it unchanged.
func text(value string) string {
	switch {
	case !utf8.ValidString(value), strings.ContainsAny(value, "\uFFFE\uFFFF"):
		return "must be well-formed UTF-8 text"
	case strings.ContainsFunc(value, unicode.IsControl):
		return "must not hold control characters or line breaks"
	}
	return ""
}

// printable is the rule of every part, however it came: something that can be seen. The two
// invisible characters are those that a security server warns of (§1.3).
func printable(value string) string {
	if broken := text(value); broken != "" {
		return broken
	}
	switch {
	case strings.TrimSpace(value) == "":
		return "must not be missing, empty or blank"
	case strings.ContainsAny(value, "\u200B\uFEFF"):
		return "must not hold invisible characters"
	}
	return ""
}

// lenient is our rule for identifier parts that we read (§1.3): nothing that would make
// the joined form ambiguous, and otherwise whatever some registry once registered.
func lenient(value string) string {
	if broken := printable(value); broken != "" {
		return broken
	}
	if strings.ContainsAny(value, `/\%:;`) {
		return `must not hold any of / \ % : ;`
	}
	return ""
}

// strict is the protocol's rule for identifier parts (§1.3). The dot segments are of allowed
// characters, but as a part of a REST path they would name another path.
func strict(value string) string {
	if broken := lenient(value); broken != "" {
		return broken
	}
	if strings.ContainsFunc(value, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("'()+,-.=?", r) }) {
		return "must hold only A-Z, a-z, 0-9 and ' ( ) + , - . = ?"
	}
	if value == "." || value == ".." {
		return "must not be a dot segment"
	}
	return ""
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
