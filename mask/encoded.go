package mask

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoded is a text with its escapes resolved, and where each of its bytes comes from.
type decoded struct {
	text string
	from []int // source offset of each byte, and of the end
}

// maxLayers is how many encodings within one another are resolved: a URL in a query in a query.
const maxLayers = 4

// decode resolves percent encoding, XML's character references and \u of JSON; ok is false where there is none.
func decode(s string) (d decoded, ok bool) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '&') < 0 && strings.IndexByte(s, '\\') < 0 {
		return d, false
	}
	d = decoded{text: s, from: make([]int, len(s)+1)}
	for i := range d.from {
		d.from[i] = i
	}
	for range maxLayers {
		next, changed := d.once()
		if !changed {
			break
		}
		d, ok = next, true
	}
	return d, ok
}

// once resolves one layer.
func (d decoded) once() (decoded, bool) {
	text := make([]byte, 0, len(d.text))
	from := make([]int, 0, len(d.text)+1)
	changed := false
	for i := 0; i < len(d.text); {
		char, n := escape(d.text[i:])
		if n == 0 {
			text, from = append(text, d.text[i]), append(from, d.from[i])
			i++
			continue
		}
		changed = true
		for range len(char) {
			from = append(from, d.from[i])
		}
		text = append(text, char...)
		i += n
	}
	return decoded{string(text), append(from, d.from[len(d.text)])}, changed
}

// source turns spans of the decoded text into those of what it was decoded from.
func (d decoded) source(spans []span) []span {
	for i, p := range spans {
		spans[i] = span{d.from[p.from], d.from[p.to]}
	}
	return spans
}

// escape is the character that s begins with an escape of, and the escape's length; 0 if it does not.
func escape(s string) (char string, n int) {
	switch {
	case s[0] == '%' && len(s) >= 3:
		if code, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			return string([]byte{byte(code)}), 3
		}
	case s[0] == '\\' && len(s) >= 6 && s[1] == 'u':
		if code, err := strconv.ParseUint(s[2:6], 16, 16); err == nil && utf8.ValidRune(rune(code)) {
			return string(rune(code)), 6
		}
	case strings.HasPrefix(s, "&amp;"):
		return "&", 5
	case strings.HasPrefix(s, "&#"):
		// Longer references than any character's are none of ours to find.
		end := strings.IndexByte(s[:min(len(s), 16)], ';')
		if end < 0 {
			break
		}
		number, base := s[2:end], 10
		if strings.HasPrefix(number, "x") || strings.HasPrefix(number, "X") {
			number, base = number[1:], 16
		}
		if code, err := strconv.ParseUint(number, base, 21); err == nil && utf8.ValidRune(rune(code)) {
			return string(rune(code)), end + 1
		}
	}
	return "", 0
}
