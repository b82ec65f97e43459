package mask

import (
	"strings"
)

// Mark stands where something was masked.
const Mark = "***"

// Text returns s with Mark for what is recognised in free text:
//
//   - personal codes: 11 digits, also after a country (EE60001019906 becomes EE***), also as 6 and 5 with a hyphen
//     (Latvian). Check digits are not looked at. UUIDs and hexadecimal digests of 32 characters or more are none;
//   - e-mail addresses, and so the user's part of a URL that ends in a password;
//   - what follows Bearer or Basic, or a name of a secret and a colon or equals sign; JSON Web Tokens; webhook
//     secrets; PEM blocks of private keys.
//
// Percent encoding, also of several layers, character references of XML and JSON's \u are seen through. A text without any of that
// is returned as it is, without allocation.
func Text(s string) string {
	if !suspicious(s) {
		return s
	}
	s = replace(s, spans(s))
	if d, ok := decode(s); ok {
		s = replace(s, d.source(spans(d.text)))
	}
	return s
}

// span is a part of a text, from its first byte to behind its last.
type span struct{ from, to int }

// suspicious tells cheaply that a text may need masking.
func suspicious(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c):
			if digits++; digits == codeDigits || digits == 6 && i+1 < len(s) && s[i+1] == '-' {
				return true
			}
		case c == '@' || c == '%' || c == '&' || c == '\\' || c == ':' || c == '=' || c == '_':
			return true
		case c == ' ' && (endsWithWord(s[:i], "bearer") || endsWithWord(s[:i], "basic")):
			return true
		case c == 'e' && strings.HasPrefix(s[i:], tokenPrefix), c == '-' && strings.HasPrefix(s[i:], pemBegin):
			return true
		default:
			digits = 0
		}
	}
	return false
}

const (
	codeDigits   = 11       // of an Estonian personal code; a Latvian has as many
	tokenPrefix  = "eyJ"    // how a JSON Web Token begins
	secretPrefix = "whsec_" // how a webhook's secret begins
	pemBegin     = "-----BEGIN"
	pemEnd       = "-----END"
	// minDigest is the length from which a word of hexadecimal digits is a digest, of which some hold 11 decimal ones in a row.
	minDigest = 32
)

// spans finds what is to be masked, in order and apart from one another.
func spans(s string) []span {
	var found []span
	add := func(from, to int) {
		if n := len(found); n > 0 && from < found[n-1].to {
			found[n-1].to = max(to, found[n-1].to)
			found[n-1].from = min(from, found[n-1].from)
			return
		}
		if from < to {
			found = append(found, span{from, to})
		}
	}
	for i := 0; i < len(s); i++ {
		if n := len(found); n > 0 && i < found[n-1].to {
			i = found[n-1].to - 1
			continue
		}
		switch c := s[i]; {
		case isDigit(c):
			end := i + digitsAt(s[i:])
			if to := codeAt(s, i, end); to > 0 {
				add(i, to)
			}
			i = end - 1
		case c == '@':
			add(address(s, i))
		case c == ':' || c == '=':
			add(secretAfter(s, i))
		case c == ' ':
			add(credentialsAfter(s, i))
		case c == 'e' && strings.HasPrefix(s[i:], tokenPrefix) && !wordBefore(s, i) && (i == 0 || s[i-1] != '.'):
			if end := i + tokenAt(s[i:], "."); strings.Count(s[i:end], ".") >= 2 {
				add(i, end)
			}
		case c == 'w' && strings.HasPrefix(s[i:], secretPrefix) && !wordBefore(s, i):
			add(i+len(secretPrefix), i+tokenAt(s[i:], "/+="))
		case c == '-' && strings.HasPrefix(s[i:], pemBegin):
			add(privateKey(s, i))
		}
	}
	return found
}

// codeAt is the end of the personal code that the digits from i to end are or begin, 0 if they do not.
func codeAt(s string, i, end int) int {
	switch {
	case end-i == codeDigits && !digest(s, i, end):
		return end
	case end-i == 6 && end < len(s) && s[end] == '-' && digitsAt(s[end+1:]) == 5 && !digest(s, i, end):
		return end + 1 + 5
	}
	return 0
}

// digest reports whether the digits from i to end stand in a long hexadecimal word or end a UUID.
func digest(s string, i, end int) bool {
	begin := i
	for begin > 0 && i-begin < minDigest && isHex(s[begin-1]) {
		begin--
	}
	stop := end
	for stop < len(s) && stop-end < minDigest && isHex(s[stop]) {
		stop++
	}
	return stop-begin >= minDigest || stop-begin == 12 && stop >= uuidLength && isUUID(s[stop-uuidLength:stop])
}

const uuidLength = 36

func isUUID(s string) bool {
	for i := range len(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (s[i] == '-') || !hyphen && !isHex(s[i]) {
			return false
		}
	}
	return len(s) == uuidLength
}

// address is the e-mail address around the @ at i; an empty span without one.
func address(s string, i int) (from, to int) {
	from, to = i, i+1
	for from > 0 && isLocal(s[from-1]) {
		from--
	}
	for to < len(s) && isDomain(s[to]) {
		to++
	}
	for to > i+1 && (s[to-1] == '.' || s[to-1] == '-') { // the end of a sentence
		to--
	}
	if from == i || to == i+1 {
		return i, i
	}
	return from, to
}

func isLocal(c byte) bool {
	return isWord(c) || strings.IndexByte(".!#$*+^`{|}~?", c) >= 0 || c >= 0x80
}

func isDomain(c byte) bool {
	return isWord(c) && c != '_' || c == '.' || c == '[' || c == ']' || c >= 0x80
}

// secretAfter is the value after the separator at i if the word before it names a secret.
func secretAfter(s string, i int) (from, to int) {
	end := i
	for end > 0 && (s[end-1] == '"' || s[end-1] == '\'' || s[end-1] == '\\' || s[end-1] == ' ' || s[end-1] == ']') {
		end--
	}
	begin := end
	for begin > 0 && isWord(s[begin-1]) {
		begin--
	}
	name := s[begin:end]
	if !secret(name) {
		return i, i
	}
	from = i + 1
	for from < len(s) && strings.IndexByte("\"'\\ [=:\t", s[from]) >= 0 {
		from++
	}
	ends := " \t\r\n\"'\\,;&<>)]}|"
	if wholeLine(name) {
		ends = "\r\n\"\\<"
	}
	if n := strings.IndexAny(s[from:], ends); n >= 0 {
		return from, from + n
	}
	return from, len(s)
}

// credentialsAfter is the word after the space at i if the one before it is Bearer or Basic.
func credentialsAfter(s string, i int) (from, to int) {
	from = i + 1
	to = from + tokenAt(s[from:], ".~+/=")
	switch word := s[from:to]; {
	case endsWithWord(s[:i], "bearer"):
		if word == "token" || word == "tokens" || word == "authentication" { // words of a sentence
			return i, i
		}
		return from, to
	case endsWithWord(s[:i], "basic") && len(word) >= 8 && strings.ToLower(word) != word:
		return from, to
	}
	return i, i
}

// privateKey is the PEM block at i if it holds a private key; to the end where its own end is missing.
func privateKey(s string, i int) (from, to int) {
	line, _, _ := strings.Cut(s[i+len(pemBegin):], "-----")
	if !strings.Contains(line, "PRIVATE KEY") {
		return i, i
	}
	n := strings.Index(s[i:], pemEnd)
	if n < 0 {
		return i, len(s)
	}
	return i, i + n
}

func replace(s string, spans []span) string {
	if len(spans) == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	end := 0
	for _, p := range spans {
		b.WriteString(s[end:p.from])
		b.WriteString(Mark)
		end = p.to
	}
	b.WriteString(s[end:])
	return b.String()
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// isWord are the characters of names and tokens.
func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '-'
}

func wordBefore(s string, i int) bool { return i > 0 && isWord(s[i-1]) }

// tokenAt counts the characters of names, and the others given, at the beginning of s.
func tokenAt(s, others string) int {
	n := 0
	for n < len(s) && (isWord(s[n]) || strings.IndexByte(others, s[n]) >= 0) {
		n++
	}
	return n
}

func digitsAt(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// endsWithWord reports whether the last word of s is the given one, in any case.
func endsWithWord(s, word string) bool {
	n := len(s) - len(word)
	return n >= 0 && strings.EqualFold(s[n:], word) && !wordBefore(s, n)
}
