package mask

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// json masks a text and leaves all else of it as it was written.
func (m *Masker) json(body []byte) ([]byte, bool) {
	if !json.Valid(body) {
		return nil, false
	}
	w := jsonMasker{masker: m, rest: body}
	ok := w.value(0)
	return append(w.out, w.rest...), ok
}

// jsonMasker copies a text that is known to be valid, value by value.
type jsonMasker struct {
	masker *Masker
	rest   []byte
	out    []byte
	names  []string // of the members that are open
	masked bool
}

// space copies white space and the character behind it, and returns that.
func (w *jsonMasker) space() byte {
	n := len(w.rest) - len(bytes.TrimLeft(w.rest, " \t\r\n"))
	c := w.rest[n]
	w.out = append(w.out, w.rest[:n]...)
	w.rest = w.rest[n:]
	return c
}

func (w *jsonMasker) copy(n int) {
	w.out = append(w.out, w.rest[:n]...)
	w.rest = w.rest[n:]
}

func (w *jsonMasker) value(depth int) bool {
	if depth == maxDepth {
		return false
	}
	switch c := w.space(); c {
	case '{':
		return w.list(depth, '}', w.member)
	case '[':
		return w.list(depth, ']', w.value)
	case '"':
		w.text(w.masked)
	default:
		w.plain()
	}
	return true
}

// list copies an object or an array, each item of it by item.
func (w *jsonMasker) list(depth int, end byte, item func(depth int) bool) bool {
	w.copy(1)
	if w.space() == end {
		w.copy(1)
		return true
	}
	for {
		if !item(depth + 1) {
			return false
		}
		c := w.space()
		w.copy(1) // a comma, or the end
		if c == end {
			return true
		}
	}
}

func (w *jsonMasker) member(depth int) bool {
	w.space()
	var name string
	if err := json.Unmarshal(w.rest[:textLength(w.rest)], &name); err != nil {
		return false
	}
	w.text(false)
	w.space()
	w.copy(1) // the colon
	w.names = append(w.names, name)
	before := w.masked
	w.masked = before || w.masker.members.match(w.names)
	ok := w.value(depth)
	w.masked, w.names = before, w.names[:len(w.names)-1]
	return ok
}

// text copies a string, masked whole or as free text.
func (w *jsonMasker) text(whole bool) {
	n := textLength(w.rest)
	source := string(w.rest[1 : n-1])
	w.rest = w.rest[n:]
	if whole && source != "" {
		source = Mark
	}
	w.out = append(w.out, '"')
	w.out = append(w.out, Text(source)...)
	w.out = append(w.out, '"')
}

// textLength is that of the string that b begins with, its quotes included.
func textLength(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// plain copies a number, true, false or null. A number that is masked, or could be a personal code, becomes a string.
func (w *jsonMasker) plain() {
	n := bytes.IndexAny(w.rest, ",]} \t\r\n")
	if n < 0 {
		n = len(w.rest)
	}
	text := string(w.rest[:n])
	number := text[0] == '-' || isDigit(text[0])
	if number && (w.masked || Text(text) != text) || w.masked && text != "null" {
		w.out = append(w.out, strconv.Quote(Mark)...)
		w.rest = w.rest[n:]
		return
	}
	w.copy(n)
}
