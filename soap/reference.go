package soap

import (
	"net/url"
	"strings"

	"github.com/beevik/etree"
)

// NamespaceXOP is that of Include, which stands in place of an element's base64 text (MTOM, §3.4).
const NamespaceXOP = "http://www.w3.org/2004/08/xop/include"

// referenceScheme begins every reference to an attachment.
const referenceScheme = "cid:"

// Resolve returns the attachment that el, an element of Body, refers to: by an Include inside it (MTOM) or by its text
// (swaRef). Where there is none the error is a *Fault that tells the caller, to be returned by Serve as it is.
func (r *Request) Resolve(el *etree.Element) (*Attachment, error) {
	a, err := resolve(el, r.Attachments)
	if err != nil {
		return nil, requestFault(err)
	}
	return a, nil
}

// Resolve returns the attachment that el, an element of Body, refers to: by an Include inside it (MTOM) or by its text
// (swaRef). Where there is none the error is a *xroadhdr.FieldError.
func (m *Message) Resolve(el *etree.Element) (*Attachment, error) {
	return resolve(el, m.Attachments)
}

func resolve(el *etree.Element, attachments []*Attachment) (*Attachment, error) {
	if el == nil {
		return nil, wrong(ReasonUnknownAttachment, "Body", "must hold the element that refers to the attachment")
	}
	reference := strings.TrimSpace(el.Text())
	if children := el.ChildElements(); isInclude(el) {
		reference = el.SelectAttrValue("href", "")
	} else if len(children) == 1 && isInclude(children[0]) && !hasText(el) {
		reference = children[0].SelectAttrValue("href", "")
	}
	if a := find(reference, attachments); a != nil {
		return a, nil
	}
	return nil, wrong(ReasonUnknownAttachment, shown(el.Tag), "must refer to an attachment of the message by cid: and its Content-ID")
}

// find looks for an attachment by reference, nil without one. A Content-ID that is itself percent-encoded is found too.
func find(reference string, attachments []*Attachment) *Attachment {
	if len(reference) <= len(referenceScheme) || !strings.EqualFold(reference[:len(referenceScheme)], referenceScheme) {
		return nil
	}
	id := unescaped(reference[len(referenceScheme):])
	for _, a := range attachments {
		if a.ContentID == id {
			return a
		}
	}
	for _, a := range attachments {
		if a.ContentID != "" && unescaped(a.ContentID) == id {
			return a
		}
	}
	return nil
}

// checkIncludes refuses a message with an Include to nowhere. Of a swaRef that cannot be told: it is a text like others.
func checkIncludes(el *etree.Element, attachments []*Attachment) error {
	for child := range el.ChildElementsSeq() {
		if isInclude(child) {
			if _, err := resolve(child, attachments); err != nil {
				return err
			}
		}
		if err := checkIncludes(child, attachments); err != nil {
			return err
		}
	}
	return nil
}

// hasInclude reports whether el or an element below it is an Include.
func hasInclude(el *etree.Element) bool {
	if isInclude(el) {
		return true
	}
	for child := range el.ChildElementsSeq() {
		if hasInclude(child) {
			return true
		}
	}
	return false
}

func isInclude(el *etree.Element) bool {
	return el.Tag == "Include" && el.NamespaceURI() == NamespaceXOP
}

// contentID is the value of a Content-ID field without its angle brackets.
func contentID(value string) string {
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">") {
		return value[1 : len(value)-1]
	}
	return value
}

// unescaped is s percent-decoded, or s itself where that cannot be done.
func unescaped(s string) string {
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}
