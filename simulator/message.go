package simulator

import (
	"fmt"
	"strings"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

const namespaceEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"

// message is one SOAP message as a security server reads it (fact sheet §2.4).
type message struct {
	doc    *etree.Document
	header *etree.Element // nil only in a fault
	body   *etree.Element // the single child of Body

	fault     bool
	faultCode string

	client  xroadhdr.ClientID
	service xroadhdr.ServiceID
	fields  map[string]string // id, userId, issue, protocolVersion, representedParty; absent when not there
}

// checkError is one broken rule of fact sheet §2.4; Code is the suffix there.
type checkError struct {
	Code string
	Text string
}

func (e *checkError) Error() string { return e.Code + ": " + e.Text }

func refused(code, format string, args ...any) *checkError {
	return &checkError{Code: code, Text: fmt.Sprintf(format, args...)}
}

// readMessage reads raw with the checks of fact sheet §2.4 in their order: what
// a stream meets first in the header, then the envelope as a whole.
func readMessage(raw []byte) (*message, *checkError) {
	doc, err := parseXML(raw)
	if err != nil {
		return nil, refused("InvalidSoap", "%v", err)
	}
	root := doc.Root()
	if root.Tag != "Envelope" || root.NamespaceURI() != namespaceEnvelope {
		return nil, refused("InvalidSoap", "the root element is not a SOAP 1.1 Envelope")
	}
	m := &message{doc: doc, header: child(root, namespaceEnvelope, "Header"), fields: map[string]string{}}
	body := child(root, namespaceEnvelope, "Body")
	if isFault(body) {
		m.fault, m.body = true, body.ChildElements()[0]
		m.faultCode = textOf(m.body, "faultcode")
		return m, nil
	}
	if m.header != nil {
		if err := m.readHeader(); err != nil {
			return nil, err
		}
	}
	return m, m.checkEnvelope(body)
}

func isFault(body *etree.Element) bool {
	if body == nil || len(body.ChildElements()) != 1 {
		return false
	}
	el := body.ChildElements()[0]
	return el.Tag == "Fault" && el.NamespaceURI() == namespaceEnvelope
}

func (m *message) checkEnvelope(body *etree.Element) *checkError {
	if body != nil {
		if n := len(body.ChildElements()); n != 1 {
			return refused("InvalidBody", "the Body must have exactly one child element, it has %d", n)
		}
		m.body = body.ChildElements()[0]
	}
	if m.header == nil {
		return refused("MissingHeader", "the message has no Header")
	}
	present := map[string]bool{"client": m.client.Instance != "", "service": m.service.Instance != ""}
	for _, name := range []string{"protocolVersion", "client", "id", "service"} {
		if _, ok := m.fields[name]; !ok && !present[name] {
			return refused("MissingHeaderField", "the header must contain %s", name)
		}
	}
	if m.body == nil {
		return refused("MissingBody", "the message has no Body")
	}
	if !strings.HasPrefix(m.body.Tag, m.service.ServiceCode) {
		return refused("InconsistentHeaders", "the Body's element %s does not begin with the service code %s", m.body.Tag, m.service.ServiceCode)
	}
	return nil
}

// readHeader reads the known fields in document order; the first broken rule wins.
func (m *message) readHeader() *checkError {
	seen := map[string]bool{}
	for _, el := range m.header.ChildElements() {
		name, known := headerField(el)
		if !known {
			continue
		}
		if seen[name] {
			return refused("DuplicateHeaderField", "the header contains %s twice", name)
		}
		seen[name] = true
		if err := m.readField(name, el); err != nil {
			return err
		}
	}
	return nil
}

func headerField(el *etree.Element) (name string, known bool) {
	switch el.NamespaceURI() {
	case xroadhdr.NamespaceXRoad:
		switch el.Tag {
		case "client", "service", "id", "userId", "issue", "protocolVersion", "requestHash":
			return el.Tag, true
		}
	case xroadhdr.NamespaceRepresentation:
		return el.Tag, el.Tag == "representedParty"
	}
	return "", false
}

func (m *message) readField(name string, el *etree.Element) *checkError {
	switch name {
	case "client":
		parts, err := identifier(el, []string{"MEMBER", "SUBSYSTEM"}, "xRoadInstance", "memberClass", "memberCode")
		m.client = xroadhdr.ClientID{Instance: parts["xRoadInstance"], MemberClass: parts["memberClass"],
			MemberCode: parts["memberCode"], SubsystemCode: parts["subsystemCode"]}
		return err
	case "service":
		parts, err := identifier(el, []string{"SERVICE"}, "xRoadInstance", "memberClass", "memberCode", "serviceCode")
		m.service = xroadhdr.ServiceID{Instance: parts["xRoadInstance"], MemberClass: parts["memberClass"],
			MemberCode: parts["memberCode"], SubsystemCode: parts["subsystemCode"],
			ServiceCode: parts["serviceCode"], ServiceVersion: parts["serviceVersion"]}
		return err
	case "representedParty":
		m.fields[name] = partyText(el)
	default:
		m.fields[name] = el.Text()
	}
	if name == "protocolVersion" && !strings.HasPrefix(el.Text(), "4.") {
		return refused("InvalidProtocolVersion", "the protocol version must begin with 4.")
	}
	return nil
}

// identifierParts are all that a client or service may have (fact sheet §1.1).
var identifierParts = map[string]bool{"xRoadInstance": true, "memberClass": true, "memberCode": true,
	"subsystemCode": true, "serviceCode": true, "serviceVersion": true}

func identifier(el *etree.Element, types []string, required ...string) (map[string]string, *checkError) {
	objectType := ""
	for _, a := range el.Attr {
		if a.Key == "objectType" && a.NamespaceURI() == xroadhdr.NamespaceIdentifiers {
			objectType = a.Value
		}
	}
	fits := false
	for _, t := range types {
		fits = fits || t == objectType
	}
	if !fits {
		return nil, refused("InvalidXml", "objectType of %s must be one of %s", el.Tag, strings.Join(types, ", "))
	}
	parts := map[string]string{}
	for _, part := range el.ChildElements() {
		if part.NamespaceURI() != xroadhdr.NamespaceIdentifiers || !identifierParts[part.Tag] {
			continue
		}
		if _, twice := parts[part.Tag]; twice {
			return nil, refused("DuplicateHeaderField", "%s contains %s twice", el.Tag, part.Tag)
		}
		parts[part.Tag] = part.Text()
		if strings.TrimSpace(part.Text()) == "" {
			return nil, refused("InternalError", "%s must not be blank in %s", part.Tag, el.Tag)
		}
	}
	for _, name := range required {
		if parts[name] == "" {
			return nil, refused("InternalError", "%s is missing in %s", name, el.Tag)
		}
	}
	return parts, nil
}

func partyText(el *etree.Element) string {
	class := child(el, xroadhdr.NamespaceRepresentation, "partyClass")
	code := child(el, xroadhdr.NamespaceRepresentation, "partyCode")
	text := ""
	if class != nil {
		text = class.Text()
	}
	if code != nil {
		text += "/" + code.Text()
	}
	return text
}

// differs names the first field of a provider's answer that is not its
// request's, of those that the client's security server compares (fact sheet §2.1).
func (m *message) differs(answer *message) string {
	if m.client != answer.client {
		return "client"
	}
	if m.service != answer.service {
		return "service"
	}
	for _, name := range []string{"id", "userId", "issue", "representedParty"} {
		want, asked := m.fields[name]
		got, answered := answer.fields[name]
		if want != got || asked != answered {
			return name
		}
	}
	return ""
}

// child is el's first child of that name, nil when there is none.
func child(el *etree.Element, namespace, tag string) *etree.Element {
	for _, c := range el.ChildElements() {
		if c.Tag == tag && c.NamespaceURI() == namespace {
			return c
		}
	}
	return nil
}

// textOf is the text of el's unqualified descendant at path, "" when there is none.
func textOf(el *etree.Element, path ...string) string {
	for _, tag := range path {
		if el == nil {
			return ""
		}
		el = child(el, "", tag)
	}
	if el == nil {
		return ""
	}
	return el.Text()
}
