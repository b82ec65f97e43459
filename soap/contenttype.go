package soap

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// checkContentType accepts a plain SOAP 1.1 message in UTF-8 (§§3.2, 3.3), of one of the accepted media types.
// The error is a *xroadhdr.FieldError.
func checkContentType(fields http.Header, accepted ...string) error {
	if len(fields.Values("Content-Encoding")) > 0 {
		return wrong(ReasonInvalidContentType, "Content-Encoding", "must be absent: messages are not compressed")
	}
	values := fields.Values("Content-Type")
	if len(values) != 1 {
		return wrong(ReasonInvalidContentType, "Content-Type", "must be given once, as text/xml")
	}
	mediaType, parameters, err := mime.ParseMediaType(values[0])
	switch {
	case err != nil:
		return wrong(ReasonInvalidContentType, "Content-Type", "must be a well-formed media type, text/xml")
	case mediaType == "multipart/related", mediaType == "application/xop+xml":
		return wrong(ReasonInvalidContentType, "Content-Type", "must be text/xml: attachments are not accepted")
	case !slices.Contains(accepted, mediaType):
		return wrong(ReasonInvalidContentType, "Content-Type", "must be text/xml, as SOAP 1.1 has it")
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return wrong(ReasonInvalidContentType, "Content-Type", "must have the charset UTF-8 or none")
	}
	return nil
}

// isXML reports whether an answer claims to be XML, attachments included, so that it is the
// other side's to answer for and not some balancer's error page (§5.2).
func isXML(fields http.Header) bool {
	mediaType, _, _ := mime.ParseMediaType(fields.Get("Content-Type"))
	switch mediaType {
	case "text/xml", "application/xml", "application/xop+xml", "multipart/related":
		return true
	}
	return false
}

func isBlank(body []byte) bool {
	return len(bytes.TrimSpace(bytes.TrimPrefix(body, []byte(byteOrderMark)))) == 0
}
