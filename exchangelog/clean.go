package exchangelog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what the other side writes into a line, beside the body.
const (
	maxValue  = 256  // an X-Road identifier has five parts; the longest that is registered is a quarter of it
	maxPath   = 2048 // Pääsuke's identifiers may have 256 characters each, percent-encoded three times as many
	maxMethod = 16
)

// clean makes a value safe to show: what is not valid UTF-8, a control character, a line break of any alphabet or a mark that
// changes the direction of writing becomes \x1b or \u202e, and what is over the limit is cut off and marked so.
func clean(s string, limit int) string {
	if plain(s) && len(s) <= limit {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if b.Len() >= limit {
			b.WriteString("…")
			break
		}
		switch {
		case r == utf8.RuneError && invalidAt(s[i:]):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unsafe(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

func invalidAt(s string) bool {
	_, n := utf8.DecodeRuneInString(s)
	return n <= 1
}

// unsafe reports whether a character may end a line, steer a terminal, or change what a reader sees.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// binary stands before a body that is kept in Base64.
const binary = "base64:"

// bodyText is a body as it is kept: text as it is, and all else, also text that could be taken for it, in Base64.
func bodyText(body []byte) string {
	if utf8.Valid(body) && !bytes.HasPrefix(body, []byte(binary)) {
		return string(body)
	}
	return binary + base64.StdEncoding.EncodeToString(body)
}

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string. Nothing in it can end a line or steer a terminal: such characters are escaped, so that the string's
// value is s exactly. Invalid UTF-8 becomes U+FFFD; callers have none.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(s[i:]); n > 1 && !unsafe(r) {
				i += n
				continue
			}
		}
		b = append(b, s[begin:i]...)
		b = appendEscape(b, r)
		i += n
		begin = i
	}
	b = append(b, s[begin:]...)
	return append(b, '"')
}

func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	if r > 0xffff { // a surrogate pair
		r -= 0x10000
		return appendHex(appendHex(b, 0xd800+r>>10), 0xdc00+r&0x3ff)
	}
	return appendHex(b, r)
}

func appendHex(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
