package xroadhdr

import (
	"slices"
	"strings"

	"github.com/beevik/etree"
)

// ReadSOAP reads the X-Road fields from a SOAP Header element, by namespace and
// never by prefix or position, leniently (§§2.1, 2.2). It changes nothing in el; foreign blocks are
// ignored. A field that came twice is refused first; then fields are checked in the order
// protocolVersion, client, id, service and after them the optional ones. The error is a
// *FieldError that names the first that is wrong. As with a security server, an empty id passes,
// a missing one does not.
func ReadSOAP(el *etree.Element) (Header, error) { return soapReader{}.read(el) }

// ReadAnswerSOAP reads an answer's header for comparison: like ReadSOAP, but a missing or
// wrong objectType attribute is forgiven (EMTA's own sample has one). The type follows from the parts anyway.
func ReadAnswerSOAP(el *etree.Element) (Header, error) {
	return soapReader{anyObjectType: true}.read(el)
}

type soapReader struct {
	anyObjectType bool
}

func (r soapReader) read(el *etree.Element) (Header, error) {
	if el == nil {
		return Header{}, &FieldError{Code: CodeMissingHeader, Field: "Header", Rule: "is missing"}
	}
	blocks, err := collectBlocks(el)
	if err != nil {
		return Header{}, err
	}
	var h Header
	if err := r.readMandatory(&h, blocks); err != nil {
		return Header{}, err
	}
	if err := r.readOptional(&h, blocks); err != nil {
		return Header{}, err
	}
	return h, nil
}

// headerBlocks are the X-Road header blocks and their namespaces (§2.1).
var headerBlocks = [...]struct{ name, namespace string }{
	{"protocolVersion", NamespaceXRoad},
	{"client", NamespaceXRoad},
	{"id", NamespaceXRoad},
	{"service", NamespaceXRoad},
	{"centralService", NamespaceXRoad},
	{"userId", NamespaceXRoad},
	{"issue", NamespaceXRoad},
	{"representedParty", NamespaceRepresentation},
	{"securityServer", NamespaceXRoad},
	{"securityToken", NamespaceSecurityToken},
	{"requestHash", NamespaceXRoad},
}

// collectBlocks finds the X-Road blocks by their local names, which are unique among them.
func collectBlocks(el *etree.Element) (map[string]*etree.Element, error) {
	blocks := make(map[string]*etree.Element, len(headerBlocks))
	for child := range el.ChildElementsSeq() {
		for _, b := range headerBlocks {
			if child.Tag != b.name || child.NamespaceURI() != b.namespace {
				continue
			}
			if blocks[b.name] != nil {
				return nil, &FieldError{Code: CodeDuplicateHeaderField, Field: b.name, Rule: "must come only once"}
			}
			blocks[b.name] = child
		}
	}
	return blocks, nil
}

func (r soapReader) readMandatory(h *Header, blocks map[string]*etree.Element) error {
	for _, name := range []string{"protocolVersion", "client", "id", "service"} {
		if blocks[name] == nil {
			return &FieldError{Code: CodeMissingHeaderField, Field: name, Rule: "is missing from the header"}
		}
		var err error
		switch name {
		case "protocolVersion":
			h.ProtocolVersion, err = readText(name, blocks[name])
			if err == nil && !strings.HasPrefix(h.ProtocolVersion, "4.") {
				err = &FieldError{Code: CodeInvalidProtocolVersion, Field: name, Rule: "must begin with 4. and no white space"}
			}
		case "client":
			err = r.readIdentifier(name, blocks[name], h.Client.parts(), typeMember, typeSubsystem)
		case "id":
			h.ID, err = readText(name, blocks[name])
		case "service":
			err = r.readIdentifier(name, blocks[name], h.Service.parts(), typeService)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r soapReader) readOptional(h *Header, blocks map[string]*etree.Element) error {
	var err error
	if h.UserID, err = readOptionalText("userId", blocks["userId"]); err != nil {
		return err
	}
	if h.Issue, err = readOptionalText("issue", blocks["issue"]); err != nil {
		return err
	}
	if el := blocks["representedParty"]; el != nil {
		h.RepresentedParty = &RepresentedParty{}
		if err := readParty(h.RepresentedParty, el); err != nil {
			return err
		}
	}
	if el := blocks["centralService"]; el != nil {
		h.CentralService = &CentralServiceID{}
		if err := r.readIdentifier("centralService", el, h.CentralService.parts(), typeCentralService); err != nil {
			return err
		}
	}
	if el := blocks["securityServer"]; el != nil {
		h.SecurityServer = &SecurityServerID{}
		if err := r.readIdentifier("securityServer", el, h.SecurityServer.parts(), typeServer); err != nil {
			return err
		}
	}
	if el := blocks["securityToken"]; el != nil {
		h.SecurityToken = &SecurityToken{TokenType: unqualified(el, "tokenType")}
		if h.SecurityToken.Value, err = readText("securityToken", el); err != nil {
			return err
		}
	}
	if el := blocks["requestHash"]; el != nil {
		h.RequestHash = &RequestHash{AlgorithmID: unqualified(el, "algorithmId")}
		if h.RequestHash.Value, err = readText("requestHash", el); err != nil {
			return err
		}
	}
	return nil
}

// readIdentifier fills parts from el's children in the identifiers namespace. Other
// children are ignored, as a security server ignores them.
func (r soapReader) readIdentifier(field string, el *etree.Element, parts []part, objectTypes ...string) error {
	if !r.anyObjectType && !slices.Contains(objectTypes, objectType(el)) {
		return &FieldError{Code: CodeInvalidXML, Field: field + "/@objectType",
			Rule: "must be " + strings.Join(objectTypes, " or ") + " and stand in the identifiers namespace"}
	}
	return readParts(field, el, NamespaceIdentifiers, parts, lenient)
}

func objectType(el *etree.Element) string {
	for i := range el.Attr {
		if a := &el.Attr[i]; a.Key == "objectType" && a.NamespaceURI() == NamespaceIdentifiers {
			return a.Value
		}
	}
	return ""
}

// readParty reads a represented party. Its codes are whatever the parties agreed, ":" included.
func readParty(p *RepresentedParty, el *etree.Element) error {
	err := readParts("representedParty", el, NamespaceRepresentation, []part{
		{"partyClass", &p.PartyClass, true},
		{"partyCode", &p.PartyCode, false},
	}, text)
	if err != nil {
		return err
	}
	return validateText("representedParty/partyCode", p.PartyCode, printable)
}

func readParts(field string, el *etree.Element, namespace string, parts []part, rule rule) error {
	found := make([]bool, len(parts))
	for child := range el.ChildElementsSeq() {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == child.Tag })
		if i < 0 || child.NamespaceURI() != namespace {
			continue
		}
		path := field + "/" + parts[i].name
		if found[i] {
			return &FieldError{Code: CodeDuplicateHeaderField, Field: path, Rule: "must come only once"}
		}
		found[i] = true
		value, err := readText(path, child)
		if err != nil {
			return err
		}
		*parts[i].value = value
	}
	for i, p := range parts {
		path := field + "/" + p.name
		if !found[i] && p.optional {
			continue
		}
		if !found[i] {
			return &FieldError{Code: CodeInvalidIdentifier, Field: path, Rule: "is missing, or not in the namespace " + namespace}
		}
		if broken := rule(*p.value); broken != "" {
			return &FieldError{Code: CodeInvalidIdentifier, Field: path, Rule: broken}
		}
	}
	return nil
}

func readOptionalText(field string, el *etree.Element) (*string, error) {
	if el == nil {
		return nil, nil
	}
	value, err := readText(field, el)
	if err != nil {
		return nil, err
	}
	return &value, nil
}

// readText is the whole text of el, around comments. Element.Text would silently end at the first
// child element or processing instruction, and what follows would be unread (§10).
func readText(field string, el *etree.Element) (string, error) {
	var b strings.Builder
	for _, token := range el.Child {
		switch t := token.(type) {
		case *etree.CharData:
			b.WriteString(t.Data)
		case *etree.Comment:
		default:
			return "", &FieldError{Code: CodeInvalidXML, Field: field, Rule: "must hold text only"}
		}
	}
	return b.String(), nil
}

func unqualified(el *etree.Element, name string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value
		}
	}
	return ""
}
