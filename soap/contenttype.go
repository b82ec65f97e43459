package soap

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Media types of SOAP messages (§3.3).
const (
	mediaXML       = "text/xml"
	mediaXOP       = "application/xop+xml" // the SOAP part of MTOM
	mediaMultipart = "multipart/related"
)

// maxBoundary is RFC 2046's (§5.1.1), and what mime/multipart is made for.
const maxBoundary = 70

// contentType is a Content-Type field, parsed.
type contentType struct {
	mediaType  string // in lower case
	parameters map[string]string
}

// parseContentType reads a Content-Type field; ok is false for one that is not well-formed. Of the types whose
// parameters toolkits often leave without quotes, as in type=text/xml, that is accepted (§10).
func parseContentType(value string) (t contentType, ok bool) {
	mediaType, parameters, err := mime.ParseMediaType(value)
	if err == nil {
		return contentType{mediaType, parameters}, true
	}
	mediaType, rest, _ := strings.Cut(value, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	if mediaType != mediaMultipart && mediaType != mediaXOP {
		return contentType{mediaType: mediaType}, false
	}
	parameters, ok = looseParameters(rest)
	return contentType{mediaType, parameters}, ok
}

// looseParameters reads parameters whose values may hold any character but blank, quote and semicolon without quotes.
// Of two with one name it accepts equal ones.
func looseParameters(s string) (map[string]string, bool) {
	parameters := map[string]string{}
	for s != "" {
		parameter, rest := cutParameter(s)
		s = rest
		name, value, ok := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.TrimSpace(parameter) == "" {
			continue
		}
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if strings.HasPrefix(value, `"`) {
			value, ok = unquoted(value)
		} else if value == "" || strings.ContainsAny(value, "\" \t") {
			ok = false
		}
		earlier, twice := parameters[name]
		if !ok || !isToken(name) || twice && earlier != value {
			return nil, false
		}
		parameters[name] = value
	}
	return parameters, true
}

// cutParameter cuts s after the first semicolon that is not within quotes.
func cutParameter(s string) (parameter, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquoted is the value of a quoted string; ok is false for one that does not end where s does.
func unquoted(s string) (value string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i == len(s)-1
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", false
}

// checkContentType accepts a SOAP 1.1 message in UTF-8 (§§3.2, 3.3), of one of the accepted media types or, with attachments,
// multipart/related. The error is a *xroadhdr.FieldError.
func checkContentType(fields http.Header, attachments bool, accepted ...string) (contentType, error) {
	if len(fields.Values("Content-Encoding")) > 0 {
		return contentType{}, wrong(ReasonInvalidContentType, "Content-Encoding", "must be absent: messages are not compressed")
	}
	values := fields.Values(fieldContentType)
	if len(values) != 1 {
		return contentType{}, wrong(ReasonInvalidContentType, fieldContentType, "must be given once, as text/xml")
	}
	t, ok := parseContentType(values[0])
	multipart := t.mediaType == mediaMultipart
	switch {
	case multipart && !attachments, t.mediaType == mediaXOP:
		return contentType{}, wrong(ReasonInvalidContentType, fieldContentType, "must be text/xml: attachments are not accepted")
	case !ok:
		return contentType{}, wrong(ReasonInvalidContentType, fieldContentType, "must be a well-formed media type, text/xml")
	case !multipart && !slices.Contains(accepted, t.mediaType):
		return contentType{}, wrong(ReasonInvalidContentType, fieldContentType, "must be text/xml, as SOAP 1.1 has it")
	case multipart && !validBoundary(t.parameters["boundary"]):
		return contentType{}, wrong(ReasonInvalidContentType, fieldContentType, "must have a boundary of at most %d printable characters", maxBoundary)
	}
	return t, t.checkCharset(fieldContentType)
}

func (t contentType) checkCharset(field string) error {
	if charset, ok := t.parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return wrong(ReasonInvalidContentType, field, "must have the charset UTF-8 or none")
	}
	return nil
}

func validBoundary(boundary string) bool {
	return boundary != "" && len(boundary) <= maxBoundary && !strings.HasSuffix(boundary, " ") &&
		!strings.ContainsFunc(boundary, func(r rune) bool { return r < ' ' || r > '~' })
}

// isXML reports whether an answer claims to be XML, attachments included, so that it is the
// other side's to answer for and not some balancer's error page (§5.2).
func isXML(fields http.Header) bool {
	t, _ := parseContentType(fields.Get(fieldContentType))
	switch t.mediaType {
	case mediaXML, "application/xml", mediaXOP, mediaMultipart:
		return true
	}
	return false
}

func isBlank(body []byte) bool {
	return len(bytes.TrimSpace(bytes.TrimPrefix(body, []byte(byteOrderMark)))) == 0
}
