package soap

import (
	"fmt"
	"math"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// NamespaceEnvelope is SOAP 1.1's; 1.2 is not X-Road's (fact sheet §1.2).
const NamespaceEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"

// ContentType is that of every message we write (§3.3).
const ContentType = "text/xml; charset=UTF-8"

// Envelope writes a request: the strict header h and a copy of body, which may be part of
// another document. The error is a *xroadhdr.FieldError where h is not valid.
func Envelope(h xroadhdr.Header, body *etree.Element) ([]byte, error) {
	if body == nil {
		return nil, wrong(ReasonInvalidBody, "Body", "must hold the wrapper element of the request")
	}
	a := freshAnswer("soapenv")
	header := etree.NewElement("soapenv:Header")
	a.envelope.InsertChildAt(0, header)
	if err := h.WriteSOAP(header); err != nil {
		return nil, err
	}
	a.put(body)
	return a.bytes()
}

// parts are the elements of an envelope as it came.
type parts struct {
	envelope *etree.Element
	header   *etree.Element // nil: none
	body     *etree.Element // nil: none
}

// readEnvelope reads what requests and answers have in common. The error is a *xroadhdr.FieldError.
func readEnvelope(raw []byte, l Limits) (parts, error) {
	l = l.withDefaults()
	doc, err := checkXML(raw, l)
	if err != nil {
		return parts{}, err
	}
	tree := etree.NewDocument()
	tree.ReadSettings = etree.ReadSettings{PreserveCData: true, MaxDepth: l.Depth}
	if err := tree.ReadFromBytes(doc); err != nil {
		return parts{}, &xroadhdr.FieldError{Code: ReasonInvalidSOAP, Field: "message", Rule: "must be well-formed XML", Err: err}
	}
	root := tree.Root()
	if !isSOAP(root, "Envelope") {
		return parts{}, wrong(ReasonInvalidSOAP, "Envelope", "must be the root element, in the SOAP 1.1 namespace %s", NamespaceEnvelope)
	}
	return split(root)
}

// split finds Header and Body, which may each come once, in this order and with nothing beside them.
func split(envelope *etree.Element) (parts, error) {
	p := parts{envelope: envelope}
	if hasText(envelope) {
		return parts{}, wrong(ReasonInvalidSOAP, "Envelope", "must not hold text")
	}
	for child := range envelope.ChildElementsSeq() {
		switch {
		case isSOAP(child, "Header") && p.header == nil && p.body == nil:
			p.header = child
		case isSOAP(child, "Body") && p.body == nil:
			p.body = child
		default:
			return parts{}, wrong(ReasonInvalidSOAP, "Envelope", "must hold one Header, then one Body, and no other element")
		}
	}
	if p.header != nil && hasText(p.header) {
		return parts{}, wrong(ReasonInvalidSOAP, "Header", "must not hold text beside its elements")
	}
	return p, nil
}

// content is the single child of Body (§3.1).
func content(body *etree.Element) (*etree.Element, error) {
	children := body.ChildElements()
	if len(children) != 1 || hasText(body) {
		return nil, wrong(ReasonInvalidBody, "Body", "must hold exactly one element and no text")
	}
	return children[0], nil
}

func isSOAP(el *etree.Element, name string) bool {
	return el.Tag == name && el.NamespaceURI() == NamespaceEnvelope
}

func hasText(el *etree.Element) bool {
	for _, token := range el.Child {
		if text, ok := token.(*etree.CharData); ok && !text.IsWhitespace() {
			return true
		}
	}
	return false
}

// ourLimits let everything pass: the strict pass over what we write looks for mistakes, not for attacks.
var ourLimits = Limits{Bytes: math.MaxInt64, Depth: math.MaxInt, Nodes: math.MaxInt, Attributes: math.MaxInt}

// written serialises doc so that what was read comes out with the same meaning (§10), and checks
// the outcome: an operation may have put anything into its answer.
func written(doc *etree.Document) ([]byte, error) {
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	raw, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	if _, err := checkXML(raw, ourLimits); err != nil {
		return nil, fmt.Errorf("write message: %w", err)
	}
	return raw, nil
}
