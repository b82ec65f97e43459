package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// maxIndentDepth is how deep a message may be nested to be shown indented. Deeper ones, which nobody sends in earnest, are shown as
// they came: their indentation would be longer than they are.
const maxIndentDepth = 100

// readable is a message for a person at a terminal: XML and JSON indented, all else as it came, and nothing in it that a
// terminal obeys.
func readable(body []byte) string {
	switch trimmed := bytes.TrimSpace(body); {
	case bytes.HasPrefix(trimmed, []byte("<")) && flatXML(trimmed):
		doc := etree.NewDocument()
		if doc.ReadFromBytes(trimmed) == nil {
			doc.Indent(2)
			if text, err := doc.WriteToBytes(); err == nil {
				body = text
			}
		}
	case bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("[")):
		var indented bytes.Buffer
		if flatJSON(trimmed) && json.Indent(&indented, trimmed, "", "  ") == nil {
			body = indented.Bytes()
		}
	}
	return terminalSafe(string(body))
}

// flatXML reports whether it is XML throughout and not nested too deep.
func flatXML(text []byte) bool {
	depth := 0
	for decoder := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := decoder.RawToken()
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
		if err != nil || depth > maxIndentDepth {
			return err == io.EOF
		}
	}
}

func flatJSON(text []byte) bool {
	depth := 0
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := decoder.Token()
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if err != nil || depth > maxIndentDepth {
			return err == io.EOF
		}
	}
}

// terminalSafe writes what a terminal would obey, or would show as something else, as its code: control characters, those that
// change the direction of text, bytes that are no UTF-8. Line ends and tabs stay; of the pair CR LF the line end does.
func terminalSafe(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsPrint(r) || r == '\n' || r == '\t':
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}
