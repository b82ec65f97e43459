package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is far above the three levels of the deepest message known; the reader below calls itself once a level.
const maxDepth = 32

// checkSyntax refuses what encoding/json lets through or repairs: bytes that are not UTF-8, halves of
// surrogate pairs, the character NUL (no database text holds it) and nesting without end.
func checkSyntax(body []byte) error {
	if !utf8.Valid(body) {
		return malformed("The body is not UTF-8.", nil)
	}
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		detail := "The body is not one JSON value."
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			detail = fmt.Sprintf("The body is not one JSON value: see byte %d.", syntax.Offset)
		}
		return malformed(detail, err)
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return malformed(fmt.Sprintf("The body nests deeper than %d levels.", maxDepth), nil)
			}
		case '}', ']':
			depth--
		case '"':
			length, ok := stringLength(body[i:])
			if !ok {
				return malformed(fmt.Sprintf("The text at byte %d holds half of a character, or the character 0.", i+1), nil)
			}
			i += length - 1
		}
	}
	return nil
}

// stringLength is the length of the JSON string that s begins with, quotes included; false if one of
// its \u escapes is NUL or half of a pair. The string is well formed.
func stringLength(s []byte) (int, bool) {
	ok := true
	for i := 1; ; i++ {
		switch s[i] {
		case '"':
			return i + 1, ok
		case '\\':
			i++
			if s[i] != 'u' {
				continue
			}
			unit := codeUnit(s[i+1:])
			i += 4
			if utf16.IsSurrogate(unit) {
				if s[i+1] != '\\' || s[i+2] != 'u' || utf16.DecodeRune(unit, codeUnit(s[i+3:])) == utf8.RuneError {
					ok = false
					continue
				}
				i += 6
			}
			ok = ok && unit != 0
		}
	}
}

// codeUnit is the value of the four hex digits that s begins with.
func codeUnit(s []byte) rune {
	n, _ := strconv.ParseUint(string(s[:4]), 16, 16) // the syntax was checked
	return rune(n)
}
