package soap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Namespaces that XML itself binds.
const (
	namespaceXML   = "http://www.w3.org/XML/1998/namespace"
	namespaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// byteOrderMark may stand before the message (§3.2). It is no part of the document but is hashed with it.
const byteOrderMark = "\uFEFF"

// maxShownName is the length to which a name of the sender's making is cut in an error text.
const maxShownName = 40

// checkXML is the strict pass that comes before any tree (§10): well-formed with namespaces, UTF-8, one
// root and no second one, no DOCTYPE, no processing instruction, within the limits. It returns
// the document without its byte order mark. The error is a *xroadhdr.FieldError. It takes time
// linear in the length of raw.
func checkXML(raw []byte, l Limits) ([]byte, error) {
	if int64(len(raw)) > l.Bytes {
		return nil, wrong(ReasonTooLarge, "message", "must not be longer than %d bytes", l.Bytes)
	}
	doc := bytes.TrimPrefix(raw, []byte(byteOrderMark))
	if len(bytes.TrimLeft(doc, " \t\r\n")) == 0 {
		return nil, wrong(ReasonInvalidSOAP, "message", "must not be empty")
	}
	if err := checkCharacters(doc); err != nil {
		return nil, err
	}
	if err := checkDeclaration(doc); err != nil {
		return nil, err
	}
	s := scanner{doc: doc, limits: l, decoder: xml.NewDecoder(bytes.NewReader(doc)), scope: map[string][]string{}}
	if err := s.scan(); err != nil {
		return nil, err
	}
	return doc, nil
}

// scanner walks the raw tokens, in which prefixes are still prefixes.
type scanner struct {
	doc      []byte
	limits   Limits
	decoder  *xml.Decoder
	open     []openElement
	scope    map[string][]string // namespaces of a prefix, the innermost last
	expanded []xml.Name          // attributes of the element at hand
	nodes    int
	rooted   bool
}

type openElement struct {
	name     xml.Name // prefix and local name
	declared []string // prefixes that end with the element
}

func (s *scanner) scan() error {
	for {
		start := s.decoder.InputOffset()
		token, err := s.decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.malformed(err)
		}
		if err := s.token(token, start); err != nil {
			return err
		}
	}
	switch {
	case len(s.open) > 0:
		return s.wrong("is cut short: element %q is not closed", shown(s.open[len(s.open)-1].name.Local))
	case !s.rooted:
		return s.wrong("must hold an element")
	}
	return nil
}

func (s *scanner) token(token xml.Token, start int64) error {
	source := s.doc[start:s.decoder.InputOffset()]
	switch t := token.(type) {
	case xml.StartElement:
		return s.startElement(t, source)
	case xml.EndElement:
		return s.endElement(t)
	case xml.CharData:
		return s.text(source)
	case xml.Comment:
		return s.count(1)
	case xml.ProcInst:
		if t.Target != "xml" || start != 0 {
			return s.wrong("must not hold a processing instruction, nor anything before the XML declaration")
		}
	case xml.Directive:
		return s.wrong("must not hold a DOCTYPE")
	}
	return nil
}

func (s *scanner) startElement(t xml.StartElement, source []byte) error {
	if len(s.open) == 0 && s.rooted {
		return s.wrong("must hold one root element only")
	}
	if len(s.open) >= s.limits.Depth {
		return wrong(ReasonTooDeep, "message", "must not nest elements deeper than %d", s.limits.Depth)
	}
	if len(t.Attr) > s.limits.Attributes {
		return wrong(ReasonTooManyAttributes, "message", "must not hold an element with more than %d attributes", s.limits.Attributes)
	}
	if err := s.count(1 + len(t.Attr)); err != nil {
		return err
	}
	if !attributesApart(source) || surrogateReference(source) {
		return s.malformed(nil)
	}
	element := openElement{name: t.Name}
	for _, a := range t.Attr {
		if err := s.declare(&element, a); err != nil {
			return err
		}
	}
	s.open, s.rooted = append(s.open, element), true
	if _, err := s.namespace(t.Name); err != nil {
		return err
	}
	return s.attributes(t.Attr)
}

// declare brings a namespace declaration into scope; other attributes are left for later.
func (s *scanner) declare(element *openElement, a xml.Attr) error {
	prefix := a.Name.Local
	switch {
	case a.Name.Space == "" && a.Name.Local == "xmlns":
		prefix = ""
	case a.Name.Space != "xmlns":
		return nil
	case a.Value == "":
		return s.wrong("must not unbind the prefix %q", shown(prefix))
	}
	if prefix == "xmlns" || a.Value == namespaceXMLNS || (prefix == "xml") != (a.Value == namespaceXML) {
		return s.wrong("must not rebind what XML itself binds")
	}
	s.scope[prefix] = append(s.scope[prefix], a.Value)
	element.declared = append(element.declared, prefix)
	return nil
}

// attributes refuses two attributes of one expanded name: parsers differ in which one wins.
func (s *scanner) attributes(attributes []xml.Attr) error {
	s.expanded = s.expanded[:0]
	for _, a := range attributes {
		name := xml.Name{Local: a.Name.Local}
		switch {
		case a.Name.Space == "xmlns":
			name.Space = namespaceXMLNS
			if !ncName(a.Name.Local) {
				return s.wrong("must hold valid names only")
			}
		default:
			space, err := s.namespace(a.Name)
			if err != nil {
				return err
			}
			if a.Name.Space != "" { // the default namespace is not for attributes
				name.Space = space
			}
		}
		for _, earlier := range s.expanded {
			if earlier == name {
				return s.wrong("must not hold the attribute %q twice in one element", shown(name.Local))
			}
		}
		s.expanded = append(s.expanded, name)
	}
	return nil
}

// namespace resolves a name's prefix.
func (s *scanner) namespace(name xml.Name) (string, error) {
	if !ncName(name.Local) || name.Space != "" && !ncName(name.Space) || name.Space == "xmlns" {
		return "", s.wrong("must hold valid names only")
	}
	bound := s.scope[name.Space]
	switch {
	case len(bound) > 0:
		return bound[len(bound)-1], nil
	case name.Space == "":
		return "", nil
	case name.Space == "xml":
		return namespaceXML, nil
	}
	return "", s.wrong("uses the prefix %q, which is not bound to a namespace", shown(name.Space))
}

func (s *scanner) endElement(t xml.EndElement) error {
	if len(s.open) == 0 || s.open[len(s.open)-1].name != t.Name {
		return s.wrong("closes the element %q, which is not the one open", shown(t.Name.Local))
	}
	for _, prefix := range s.open[len(s.open)-1].declared {
		s.scope[prefix] = s.scope[prefix][:len(s.scope[prefix])-1]
	}
	s.open = s.open[:len(s.open)-1]
	return nil
}

func (s *scanner) text(source []byte) error {
	if len(s.open) == 0 && len(bytes.Trim(source, " \t\r\n")) > 0 {
		return s.wrong("must not hold text outside its root element")
	}
	if !bytes.HasPrefix(source, []byte("<![CDATA[")) && surrogateReference(source) {
		return s.malformed(nil)
	}
	return s.count(1)
}

func (s *scanner) count(nodes int) error {
	s.nodes += nodes
	if s.nodes > s.limits.Nodes {
		return wrong(ReasonTooManyNodes, "message", "must not hold more than %d elements, attributes, texts and comments", s.limits.Nodes)
	}
	return nil
}

// malformed leaves the parser's own words out: they can hold a piece of the message, and so a name.
func (s *scanner) malformed(err error) error {
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) && syntax.Msg == "unexpected EOF" {
		return s.wrong("is cut short")
	}
	return s.wrong("must be well-formed XML")
}

func (s *scanner) wrong(format string, args ...any) error {
	line, _ := s.decoder.InputPos()
	return wrong(ReasonInvalidSOAP, "message", "line "+strconv.Itoa(line)+": "+format, args...)
}

func wrong(reason, field, format string, args ...any) error {
	return &xroadhdr.FieldError{Code: reason, Field: field, Rule: fmt.Sprintf(format, args...)}
}

func shown(name string) string {
	if len(name) > maxShownName {
		return strings.ToValidUTF8(name[:maxShownName], "") + "…"
	}
	return name
}
