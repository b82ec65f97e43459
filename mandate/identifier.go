package mandate

import (
	"errors"
	"regexp"
	"strings"
)

// Identifier names a person as Pääsuke does (Pääsuke §3): a country's two capital letters and that country's code, or a URI.
// AT knows Estonian persons alone: EE and a registry code of 8 digits or a personal code of 11. Check digits are not looked at.
type Identifier string

// maxIdentifier is Pääsuke's own bound.
const maxIdentifier = 256

var errIdentifier = errors.New("must be a country's two capital letters and a code, or a URI")

var (
	nationalForm = regexp.MustCompile(`^[A-Z]{2}[!$-&(-.0-;=@-\[\]-~]{1,254}$`)
	uriForm      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[!#-&(-;=?-\[\]-~]+$`)
	estonianForm = regexp.MustCompile(`^EE([0-9]{8}|[0-9]{11})$`)
)

// ParseIdentifier reads a well-formed identifier, known or not. The error repeats nothing of s.
func ParseIdentifier(s string) (Identifier, error) {
	if len(s) > maxIdentifier || !nationalForm.MatchString(s) && !uriForm.MatchString(s) {
		return "", errIdentifier
	}
	return Identifier(s), nil
}

// Estonian is the identifier of a code of AT's tables, which have no country.
func Estonian(code string) Identifier { return Identifier("EE" + code) }

// Code is the code of a person that AT can know, without its country; "" for everybody else.
func (i Identifier) Code() string {
	if !estonianForm.MatchString(string(i)) {
		return ""
	}
	return strings.TrimPrefix(string(i), "EE")
}

// Legal reports whether it is an Estonian registry code.
func (i Identifier) Legal() bool { return len(i.Code()) == 8 }

// Natural reports whether it is an Estonian personal code.
func (i Identifier) Natural() bool { return len(i.Code()) == 11 }
