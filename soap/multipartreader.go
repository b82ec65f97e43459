package soap

import (
	"errors"
	"io"
	"mime/multipart"
	"slices"
	"strconv"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// maxPartHeader bounds what is read for the header of a part, and for what stands before the first: toolkits write some
// hundred bytes. A read of mime/multipart, 4 KiB, counts whole.
const maxPartHeader = 20 << 10

// multipartReader reads multipart/related (§3.4): first soapPart, then attachments. Errors are *xroadhdr.FieldError but for those
// of our own spool.
type multipartReader struct {
	limits   Limits
	accepted []string // media types of the SOAP part
	start    string   // Content-ID that must be the SOAP part's; "": none is named
	body     *meter
	parts    *multipart.Reader
	seen     contentIDs
	number   int // of the part at hand, from 1
}

// newMultipartReader begins to read a body of type t, which checkContentType accepted.
func newMultipartReader(body io.Reader, t contentType, l Limits, accepted ...string) *multipartReader {
	m := newMeter(body, l.message())
	return &multipartReader{
		limits: l, accepted: append(accepted, mediaXOP), start: contentID(t.parameters["start"]),
		body: m, parts: multipart.NewReader(m, t.parameters["boundary"]), seen: contentIDs{},
	}
}

// soapPart reads the first part, at most one byte beyond the limit. The bytes are as they came, and the input of
// requestHash (§2.3).
func (r *multipartReader) soapPart() ([]byte, error) {
	part, err := r.next()
	if err == io.EOF {
		return nil, wrong(ReasonMissingSOAP, "message", "must hold a part with the SOAP message")
	}
	if err != nil {
		return nil, err
	}
	field := r.field(fieldContentType)
	t, ok := parseContentType(part.Header.Get(fieldContentType))
	if !ok || !slices.Contains(r.accepted, t.mediaType) {
		return nil, wrong(ReasonInvalidContentType, field, "must be text/xml or application/xop+xml: the first part is the SOAP message")
	}
	if err := t.checkCharset(field); err != nil {
		return nil, err
	}
	id := contentID(part.Header.Get(fieldContentID))
	if r.start != "" && r.start != id {
		return nil, wrong(ReasonInvalidContentType, fieldContentType, "must have a start that names the first part, or none: that part is the SOAP message")
	}
	r.seen.add(id)
	if !isIdentity(part.Header.Get(fieldTransferEncoding)) {
		return nil, wrong(ReasonMIME, r.field(fieldTransferEncoding), "must be 8bit, 7bit or binary, or absent: security servers do not decode the SOAP message")
	}
	raw, err := io.ReadAll(io.LimitReader(part, r.limits.Bytes+1))
	if err != nil {
		return nil, r.broken(err)
	}
	return raw, nil
}

// attachments reads the other parts into files and the body to its end. soapPart has read the first whole.
func (r *multipartReader) attachments(files *spool) ([]*Attachment, error) {
	var list []*Attachment
	for {
		part, err := r.next()
		if err == io.EOF {
			return list, r.epilogue()
		}
		if err != nil {
			return nil, err
		}
		if len(list) == r.limits.Attachments {
			return nil, wrong(ReasonTooManyAttachments, "message", "must not hold more than %d attachments", r.limits.Attachments)
		}
		a, err := r.attachment(part, files)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
}

func (r *multipartReader) attachment(part *multipart.Part, files *spool) (*Attachment, error) {
	a := &Attachment{
		ContentID:   contentID(part.Header.Get(fieldContentID)),
		ContentType: part.Header.Get(fieldContentType),
		Header:      part.Header,
	}
	if !r.seen.add(a.ContentID) {
		return nil, wrong(ReasonDuplicateContentID, r.field(contentIDName), "must be another than that of the parts before")
	}
	content, ok := decoded(part, part.Header.Get(fieldTransferEncoding))
	if !ok {
		return nil, wrong(ReasonMIME, r.field(fieldTransferEncoding), "must be binary, 8bit, 7bit, base64 or quoted-printable")
	}
	var err error
	a.Open, a.Size, err = files.keep(content)
	switch {
	case files.err != nil:
		return nil, files.err
	case err != nil:
		return nil, r.undecodable(err)
	}
	return a, nil
}

// next begins the next part; io.EOF is the final boundary.
func (r *multipartReader) next() (*multipart.Part, error) {
	r.number++
	r.body.window = maxPartHeader
	part, err := r.parts.NextRawPart()
	r.body.window = -1
	if err == io.EOF { // wrapped it is a body that was cut
		return nil, io.EOF
	}
	if err != nil {
		return nil, r.broken(err)
	}
	if err := checkPartHeader(part.Header, r.part()); err != nil {
		return nil, err
	}
	if part.Header.Get(fieldContentType) == "" {
		return nil, wrong(ReasonInvalidContentType, r.field(fieldContentType), "must be given: every part has one")
	}
	return part, nil
}

// epilogue reads what stands behind the final boundary, for nothing.
func (r *multipartReader) epilogue() error {
	if _, err := io.Copy(io.Discard, r.body); !errors.Is(err, errEnd) {
		return r.broken(err)
	}
	return nil
}

// broken says why the body could not be read on. The parser's own words are left out: they can hold a piece of the message.
func (r *multipartReader) broken(err error) error {
	switch {
	case r.body.err != nil:
		return brokenOff(r.body.err)
	case errors.Is(err, errTooLong):
		return wrong(ReasonTooLarge, "message", "must not be longer than %d bytes, attachments included", r.limits.message())
	case errors.Is(err, errHeaderTooLong):
		return wrong(ReasonTooLarge, r.part(), "must not have a header longer than %d bytes", maxPartHeader)
	case errors.Is(err, errEnd) && r.number == 1 && r.body.read == 0:
		return wrong(ReasonMissingSOAP, "message", "must not be empty")
	case errors.Is(err, errEnd):
		return wrong(ReasonMIME, "message", "must end with the final boundary, in the words of its Content-Type: it is cut short")
	}
	return wrong(ReasonMIME, r.part(), "must be a well-formed part, with lines that end in CRLF")
}

// undecodable is broken for content: what is not the body's fault is the encoding's.
func (r *multipartReader) undecodable(err error) error {
	if r.body.err != nil || errors.Is(err, errTooLong) || errors.Is(err, errEnd) {
		return r.broken(err)
	}
	return wrong(ReasonMIME, r.part(), "must be encoded as its Content-Transfer-Encoding says")
}

func (r *multipartReader) part() string { return "part " + strconv.Itoa(r.number) }

func (r *multipartReader) field(name string) string { return r.part() + "/" + name }

// brokenOff is for a body whose end did not come.
func brokenOff(err error) error {
	return &xroadhdr.FieldError{Code: ReasonInvalidSOAP, Field: "message", Rule: "broke off before its end", Err: err}
}
