package soap

import (
	"io"
	"maps"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Names of the part header fields that we know (§3.4), in the form that textproto.MIMEHeader has them in.
const (
	fieldContentType      = "Content-Type"
	fieldContentID        = "Content-Id"
	fieldTransferEncoding = "Content-Transfer-Encoding"
)

// contentIDName is fieldContentID in the standard's spelling, for texts and for peers that compare case.
const contentIDName = "Content-ID"

// Attachment is one part of a multipart/related message beside its SOAP part (§3.4): one that came, or one to be sent.
// One that came may be sent on as it stands while its content is there.
type Attachment struct {
	ContentID   string // without <>, unique in its message; "": without one, nothing refers to it
	ContentType string // of any kind, never empty
	// Header of the part. One that came has all fields as they came, each name in canonical form. Of one to be sent, ContentID
	// and ContentType stand for their fields, and the content is sent as it is, in binary.
	Header textproto.MIMEHeader
	Size   int64 // decoded bytes of one that came; not used in sending
	// Open begins to read the content, decoded. Of one that came it may be called often and by several goroutines, until
	// the request is over (Handler) or its Message closed (Sender); then it and open readers fail with os.ErrClosed. Of one to
	// be sent it is called once. Whoever calls it closes the reader.
	Open func() (io.ReadCloser, error)
}

// Reference is how the message refers to the attachment: "cid:" and the Content-ID, percent-encoded. It is the text
// of a swaRef and the href of an Include in NamespaceXOP. It is "" without a Content-ID.
func (a *Attachment) Reference() string {
	if a.ContentID == "" {
		return ""
	}
	// A plus is safe where the reader takes it for a blank.
	return referenceScheme + strings.ReplaceAll(url.PathEscape(a.ContentID), "+", "%2B")
}

// checkSendable looks at attachments before anything is sent. The error is a *xroadhdr.FieldError.
func checkSendable(attachments []*Attachment) error {
	seen := contentIDs{}
	for i, a := range attachments {
		part := "attachment " + strconv.Itoa(i+1)
		if a == nil || a.Open == nil {
			return wrong(ReasonMIME, part, "must have a content")
		}
		if strings.TrimSpace(a.ContentType) == "" {
			return wrong(ReasonInvalidContentType, part+"/"+fieldContentType, "must be given")
		}
		if err := checkPartHeader(a.header(), part); err != nil {
			return err
		}
		if !seen.add(a.ContentID) {
			return wrong(ReasonDuplicateContentID, part+"/"+contentIDName, "must be another than that of the parts before")
		}
	}
	return nil
}

// header is what stands before the content when it is sent.
func (a *Attachment) header() textproto.MIMEHeader {
	h := textproto.MIMEHeader{}
	for name, values := range a.Header {
		h[textproto.CanonicalMIMEHeaderKey(name)] = values
	}
	h[fieldContentType] = []string{a.ContentType}
	h[fieldTransferEncoding] = []string{"binary"}
	delete(h, fieldContentID)
	if a.ContentID != "" {
		h[contentIDName] = []string{"<" + a.ContentID + ">"}
	}
	return h
}

// checkPartHeader refuses what two parsers could read differently. The error is a *xroadhdr.FieldError.
func checkPartHeader(h textproto.MIMEHeader, part string) error {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !isToken(name) {
			return wrong(ReasonMIME, part, "must have header fields with valid names only")
		}
		for _, value := range h[name] {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
				return wrong(ReasonMIME, part+"/"+shown(name), "must not hold control characters")
			}
		}
		switch name {
		case fieldContentType, fieldContentID, fieldTransferEncoding:
			if len(h[name]) > 1 {
				return wrong(ReasonMIME, part+"/"+name, "must not be given more than once")
			}
		}
	}
	return nil
}

func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7F || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// contentIDs are those of a message, decoded: what two readers may take for one is refused.
type contentIDs map[string]bool

// add is false for one that is already there; "" is none.
func (c contentIDs) add(id string) bool {
	if id == "" {
		return true
	}
	key := unescaped(id)
	if c[key] {
		return false
	}
	c[key] = true
	return true
}
