package order

import (
	"regexp"
	"strings"
)

// The parts of an address that mail systems take: a dot-separated local part, and a domain whose
// labels are letters, digits and inner hyphens. The last label has two letters or more, with no upper
// bound but a label's own 63 (AT-SF-29), or is an internationalised one in its xn-- form.
var (
	localPart   = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")
	domainLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	lastLabel   = regexp.MustCompile(`^([A-Za-z]{2,63}|[xX][nN]--[A-Za-z0-9-]{0,58}[A-Za-z0-9])$`)
)

// maxLocalPart is the mail protocol's limit (RFC 5321 §4.5.3.1.1).
const maxLocalPart = 64

// EmailValid reports whether s has the form of an e-mail address.
func EmailValid(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > maxLocalPart || !localPart.MatchString(s[:at]) {
		return false
	}
	labels := strings.Split(s[at+1:], ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels[:len(labels)-1] {
		if !domainLabel.MatchString(label) {
			return false
		}
	}
	return lastLabel.MatchString(labels[len(labels)-1])
}
