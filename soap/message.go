package soap

import (
	"errors"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Message is one SOAP message that was read: its exact bytes and its parsed form.
// Header, Body are elements of one document; treat them as read-only.
type Message struct {
	// Raw is the message exactly as it came, BOM included; with attachments it is the body of the first MIME part. It is the
	// input of requestHash (§2.3).
	Raw    []byte
	Header *etree.Element  // SOAP Header; nil when absent (an answer's fault may have none)
	Body   *etree.Element  // the single child of Body (wrapper or Fault)
	XRoad  xroadhdr.Header // X-Road fields; zero where Header is nil
	Fault  *Fault          // set when the Body holds a Fault

	Attachments []*Attachment // of an answer, in their order; they can be read until Close

	envelope *etree.Element
	files    *spool // nil: there are no attachments
}

// Close frees the attachments of an answer that Sender returned. It may be called at any time and more than once; of any
// other Message it does nothing.
func (m *Message) Close() error {
	if m.files == nil {
		return nil
	}
	return m.files.close()
}

// ParseRequest reads a request as a provider must (§§2.4, 9.2). The error is a *Fault, ready to be sent.
// Beside it stands a Message where the envelope itself could be read, with nil for what could not, so
// that ReplyFault answers in the request's own envelope. Of several mistakes the one is named that a
// security server would name: X-Road fields that are wrong, then the Body, then what is missing.
//
// The wrapper in Body is not compared with the service code: what it must be called is the
// operation's to say (§3.1). Handler does so.
func ParseRequest(raw []byte, l Limits) (*Message, error) {
	p, err := readEnvelope(raw, l)
	if err != nil {
		return nil, requestFault(err)
	}
	m := &Message{Raw: raw, envelope: p.envelope}
	if err := m.readRequest(p); err != nil {
		return m, requestFault(err)
	}
	return m, nil
}

func (m *Message) readRequest(p parts) error {
	var missing error
	if p.header != nil {
		h, err := xroadhdr.ReadSOAP(p.header)
		field := (*xroadhdr.FieldError)(nil)
		switch {
		case err == nil:
			m.Header, m.XRoad = p.header, h
		case errors.As(err, &field) && field.Code == xroadhdr.CodeMissingHeaderField:
			missing = err
		default:
			return err
		}
	}
	if p.body != nil {
		body, err := content(p.body)
		if err != nil {
			return err
		}
		if isSOAP(body, "Fault") {
			return wrong(ReasonInvalidBody, "Body", "must not hold a Fault in a request")
		}
		m.Body = body
	}
	switch {
	case p.header == nil:
		return wrong(ReasonMissingHeader, "Header", "is missing from the Envelope")
	case missing != nil:
		return missing
	case p.body == nil:
		return wrong(ReasonMissingBody, "Body", "is missing from the Envelope")
	}
	return nil
}

// ParseAnswer reads an answer as a consumer must (§5.2): a fault is no error
// here but Message.Fault; headers may be missing in a fault, or be incomplete, of which only the id is
// kept then. The error is a *xroadhdr.FieldError.
func ParseAnswer(raw []byte, l Limits) (*Message, error) {
	p, err := readEnvelope(raw, l)
	if err != nil {
		return nil, err
	}
	if p.body == nil {
		return nil, wrong(ReasonMissingBody, "Body", "is missing from the Envelope")
	}
	m := &Message{Raw: raw, Header: p.header, envelope: p.envelope}
	if m.Body, err = content(p.body); err != nil {
		return nil, err
	}
	if isSOAP(m.Body, "Fault") {
		m.Fault = readFault(m.Body)
	}
	if p.header == nil {
		if m.Fault != nil {
			return m, nil
		}
		return nil, wrong(ReasonMissingHeader, "Header", "is missing from the Envelope")
	}
	m.XRoad, err = xroadhdr.ReadAnswerSOAP(p.header)
	if err == nil {
		return m, nil
	}
	if m.Fault == nil {
		return nil, err
	}
	m.XRoad = xroadhdr.Header{ID: headerID(p.header)}
	return m, nil
}

// headerID is the text of the first id block, "" without one.
func headerID(header *etree.Element) string {
	for block := range header.ChildElementsSeq() {
		if block.Tag == "id" && block.NamespaceURI() == xroadhdr.NamespaceXRoad {
			return block.Text()
		}
	}
	return ""
}
