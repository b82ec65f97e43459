package simulator

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/beevik/etree"
)

// maxDepth is far beyond what any message of the contract nests; it only keeps
// a hostile message from exhausting the stack.
const maxDepth = 100

var byteOrderMark = []byte("\xef\xbb\xbf")

// parseXML reads raw as well-formed, namespace-correct XML without a DTD. A
// byte order mark is allowed (fact sheet §3.2). What etree lets through (§10) is
// refused by a pass over the tokens first.
func parseXML(raw []byte) (*etree.Document, error) {
	raw = bytes.TrimPrefix(raw, byteOrderMark)
	if err := checkWellFormed(raw); err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	doc.ReadSettings.PreserveCData = true
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	if err := doc.ReadFromBytes(raw); err != nil {
		return nil, fmt.Errorf("reading XML: %w", err)
	}
	return doc, nil
}

// scope is one open element: its name as written and the prefixes it declares.
type scope struct {
	name     xml.Name
	prefixes map[string]string
}

func checkWellFormed(raw []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(raw))
	var open []scope
	roots := 0
	for {
		token, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("not well-formed: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("document type declarations are not allowed")
		case xml.StartElement:
			if len(open) == 0 {
				roots++
			}
			if roots > 1 || len(open) >= maxDepth {
				return errors.New("a second root element, or elements nested too deep")
			}
			open = append(open, scope{t.Name, declared(t.Attr)})
			if err := checkNames(t, open); err != nil {
				return err
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != t.Name {
				return fmt.Errorf("end tag %s does not fit", t.Name.Local)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) == 0 && strings.TrimSpace(string(t)) != "" {
				return errors.New("text outside the root element")
			}
		}
	}
	if roots == 0 || len(open) > 0 {
		return errors.New("the document is empty or ends early")
	}
	return nil
}

func declared(attrs []xml.Attr) map[string]string {
	prefixes := map[string]string{}
	for _, a := range attrs {
		if a.Name.Space == "xmlns" {
			prefixes[a.Name.Local] = a.Value
		}
	}
	return prefixes
}

// checkNames wants every prefix of t bound and no attribute twice, by expanded name.
func checkNames(t xml.StartElement, open []scope) error {
	if _, ok := lookup(t.Name.Space, open); !ok {
		return fmt.Errorf("prefix %s is not declared", t.Name.Space)
	}
	seen := map[xml.Name]bool{}
	for _, a := range t.Attr {
		name := a.Name
		if name.Space != "xmlns" {
			uri, ok := lookup(name.Space, open)
			if !ok {
				return fmt.Errorf("prefix %s is not declared", name.Space)
			}
			name.Space = uri
		}
		if seen[name] {
			return fmt.Errorf("attribute %s occurs twice", a.Name.Local)
		}
		seen[name] = true
	}
	return nil
}

func lookup(prefix string, open []scope) (uri string, ok bool) {
	if prefix == "" || prefix == "xml" {
		return prefix, true
	}
	for i := len(open) - 1; i >= 0; i-- {
		if uri, ok := open[i].prefixes[prefix]; ok {
			return uri, uri != ""
		}
	}
	return "", false
}
