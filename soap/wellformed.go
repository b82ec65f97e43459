package soap

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// declaration is the one form of XML declaration that we accept. encoding/xml looks for its parts
// loosely, and what two parsers read differently is an attack (§10).
var declaration = regexp.MustCompile(`^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')` +
	`(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([A-Za-z][A-Za-z0-9._-]*)"|'([A-Za-z][A-Za-z0-9._-]*)'))?` +
	`(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*$`)

// checkCharacters looks at every character, since encoding/xml skips those of comments.
func checkCharacters(doc []byte) error {
	for i := 0; i < len(doc); {
		r, size := utf8.DecodeRune(doc[i:])
		if r == utf8.RuneError && size == 1 {
			return wrong(ReasonInvalidSOAP, "message", "must be UTF-8, byte %d is not", i)
		}
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return wrong(ReasonInvalidSOAP, "message", "must not hold the character %U, which XML does not allow", r)
		}
		i += size
	}
	return nil
}

func checkDeclaration(doc []byte) error {
	if !bytes.HasPrefix(doc, []byte("<?xml")) {
		return nil
	}
	end := bytes.Index(doc, []byte("?>"))
	if end < 0 {
		return wrong(ReasonInvalidSOAP, "message", "is cut short in its XML declaration")
	}
	match := declaration.FindSubmatch(doc[:end])
	if match == nil {
		return wrong(ReasonInvalidSOAP, "message", "must begin with a well-formed XML 1.0 declaration, or without one")
	}
	if encoding := string(match[1]) + string(match[2]); encoding != "" && !strings.EqualFold(encoding, "UTF-8") {
		return wrong(ReasonInvalidSOAP, "message", "must be declared as UTF-8, not %q", shown(encoding))
	}
	return nil
}

// attributesApart reports whether white space follows each attribute value, which encoding/xml does not ask for.
func attributesApart(tag []byte) bool {
	for {
		start := bytes.IndexAny(tag, `"'`)
		if start < 0 {
			return true
		}
		end := bytes.IndexByte(tag[start+1:], tag[start])
		if end < 0 || start+end+2 >= len(tag) {
			return false
		}
		tag = tag[start+end+2:]
		if strings.IndexByte(" \t\r\n/>", tag[0]) < 0 {
			return false
		}
	}
}

// surrogateReference reports whether a character reference names half a surrogate pair, which encoding/xml
// silently turns into U+FFFD.
func surrogateReference(source []byte) bool {
	for {
		start := bytes.Index(source, []byte("&#"))
		if start < 0 {
			return false
		}
		source = source[start+2:]
		end := bytes.IndexByte(source, ';')
		if end < 0 {
			return false
		}
		digits, base := string(source[:end]), 10
		source = source[end:]
		if strings.HasPrefix(digits, "x") {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 64); err == nil && 0xD800 <= n && n <= 0xDFFF {
			return true
		}
	}
}

// ncName reports whether a name that encoding/xml let through may stand on one side of a colon.
func ncName(name string) bool {
	r, _ := utf8.DecodeRuneInString(name)
	switch {
	case strings.Contains(name, ":"), r == '-', r == '.', '0' <= r && r <= '9', r == 0xB7, 0x300 <= r && r <= 0x36F, r == 0x203F, r == 0x2040:
		return false
	}
	return true
}
