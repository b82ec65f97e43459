package wsdl_test

import (
	"os"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/wsdl"
)

// What a security server takes from a WSDL (§8.1) and what the rules of authorship ask of it
// (§8.2; conformance tests 98 and 99).
func TestSecurityServerReadsNotify(t *testing.T) {
	body := render(t, wsdl.NotifyOptions{Address: "https://adapter.internal/emta", Namespace: "http://at.x-road.eu"})
	services := securityServerReads(t, parse(t, body))
	require.Equal(t, []service{
		{"cpgOrderNotify", "v1", "Teavitus maksetellimuse muutumisest", "https://adapter.internal/emta"},
	}, services)
	require.Less(t, len(body), 10<<20)
}

func TestSecurityServerReadsEMTA(t *testing.T) {
	const address = "http://example.org/xroad-endpoint"
	require.Equal(t, []service{
		{"cpgOrderList", "v1", "Orders list", address},
		{"cpgOrderGet", "v1", "Get single Order by id", address},
		{"cpgOrderCancel", "v1", "cancel created Order", address},
		{"cpgOrderInit", "v1", "create new Order", address},
	}, securityServerReads(t, parse(t, wsdl.EMTA())))
}

type service struct{ code, version, title, url string }

// securityServerReads goes through a WSDL as a security server does: services, ports with a SOAP over
// HTTP binding, the binding's operations; version and title by local name, the first one counts.
func securityServerReads(t *testing.T, doc *etree.Document) []service {
	t.Helper()
	var services []service
	for _, port := range all(doc, nsWSDL, "port") {
		binding := named(t, doc, "binding", port.SelectAttrValue("binding", ""))
		transport := child(binding, "binding")
		require.Equal(t, nsSOAP, transport.NamespaceURI(), "SOAP 1.1, never 1.2")
		require.Equal(t, "http://schemas.xmlsoap.org/soap/http", transport.SelectAttrValue("transport", ""))
		require.Equal(t, "document", transport.SelectAttrValue("style", ""))

		portType := named(t, doc, "portType", binding.SelectAttrValue("type", ""))
		for _, operation := range binding.SelectElements("operation") {
			code := operation.SelectAttrValue("name", "")
			s := service{code: code, url: child(port, "address").SelectAttrValue("location", "")}
			if version := child(operation, "version"); version != nil {
				s.version = strings.TrimSpace(version.Text())
			}
			for _, o := range portType.SelectElements("operation") {
				if o.SelectAttrValue("name", "") == code {
					s.title = child(child(o, "documentation"), "title").Text()
				}
			}
			services = append(services, s)
		}
	}
	require.Len(t, all(doc, nsWSDL, "port"), 1)
	require.Empty(t, all(doc, nsWSDL, "import"), "is not followed by a security server")
	return services
}

// The titles and notes of §8.2 rule 5, in both languages. Estonian first: a security server shows the
// first title.
func TestNotifyIsDescribed(t *testing.T) {
	doc := parse(t, render(t, wsdl.NotifyOptions{Address: "http://adapter/emta"}))
	documentation := only(t, doc, nsWSDL, "documentation")
	var got []string
	for _, e := range documentation.ChildElements() {
		require.Equal(t, nsXRoad, e.NamespaceURI())
		require.NotEmpty(t, strings.TrimSpace(e.Text()))
		got = append(got, e.Tag+" "+e.SelectAttrValue("xml:lang", ""))
	}
	require.Equal(t, []string{"title et", "title en", "notes et", "notes en", "techNotes et", "techNotes en"}, got)
}

// The WSDL that we serve has our wording and our names, and otherwise describes the same wire as the one
// that EMTA gave out.
func TestNotifyIsTheGivenContract(t *testing.T) {
	given, err := os.ReadFile("testdata/cpgOrderNotify-given.wsdl")
	require.NoError(t, err)
	served := render(t, wsdl.NotifyOptions{Address: "http://adapter/emta"})
	require.Equal(t, wireOf(t, parse(t, given)), wireOf(t, parse(t, served)))
}

type wire struct {
	namespace   string
	unqualified bool
	elements    []string
	operations  map[string]operation
}

type operation struct {
	soapAction    string
	version       string
	input, output binding
}

type binding struct {
	body    string   // the body's element
	headers []string // the header blocks' elements, in the order of the binding
}

func wireOf(t *testing.T, doc *etree.Document) wire {
	t.Helper()
	schema := only(t, doc, nsXSD, "schema")
	w := wire{
		namespace:   doc.Root().SelectAttrValue("targetNamespace", ""),
		unqualified: schema.SelectAttrValue("elementFormDefault", "unqualified") == "unqualified",
		operations:  map[string]operation{},
	}
	require.Equal(t, w.namespace, schema.SelectAttrValue("targetNamespace", ""))
	for _, e := range schema.SelectElements("element") {
		w.elements = append(w.elements, shape(e)...)
	}

	b := only(t, doc, nsWSDL, "binding")
	portType := named(t, doc, "portType", b.SelectAttrValue("type", ""))
	for _, o := range b.SelectElements("operation") {
		name := o.SelectAttrValue("name", "")
		var abstract *etree.Element
		for _, a := range portType.SelectElements("operation") {
			if a.SelectAttrValue("name", "") == name {
				abstract = a
			}
		}
		w.operations[name] = operation{
			soapAction: child(o, "operation").SelectAttrValue("soapAction", "absent"),
			version:    strings.TrimSpace(child(o, "version").Text()),
			input:      bindingOf(t, doc, child(o, "input"), child(abstract, "input")),
			output:     bindingOf(t, doc, child(o, "output"), child(abstract, "output")),
		}
	}
	return w
}

// shape lists an element declaration and what is in it, prefixes of XML Schema taken off.
func shape(e *etree.Element) []string {
	if e.Tag == "annotation" {
		return nil
	}
	line := e.Tag
	for _, key := range []string{"name", "type", "base", "value", "minOccurs", "maxOccurs", "form"} {
		if a := e.SelectAttr(key); a != nil {
			_, local := qname(e, a.Value)
			line += " " + key + "=" + local
		}
	}
	lines := []string{line}
	for _, c := range e.ChildElements() {
		for _, l := range shape(c) {
			lines = append(lines, "  "+l)
		}
	}
	return lines
}

func bindingOf(t *testing.T, doc *etree.Document, concrete, abstract *etree.Element) binding {
	t.Helper()
	parts := func(message string) []*etree.Element { return named(t, doc, "message", message).SelectElements("part") }

	message := parts(abstract.SelectAttrValue("message", ""))
	require.Len(t, message, 1, "one body part, by element")
	require.Equal(t, "literal", child(concrete, "body").SelectAttrValue("use", ""))
	b := binding{body: expanded(message[0])}
	for _, h := range concrete.SelectElements("header") {
		require.Equal(t, "literal", h.SelectAttrValue("use", ""))
		for _, part := range parts(h.SelectAttrValue("message", "")) {
			if part.SelectAttrValue("name", "") == h.SelectAttrValue("part", "") {
				b.headers = append(b.headers, expanded(part))
			}
		}
	}
	require.Len(t, b.headers, len(concrete.SelectElements("header")), "a header names a part that is not there")
	return b
}

func expanded(part *etree.Element) string {
	space, local := qname(part, part.SelectAttrValue("element", ""))
	return "{" + space + "}" + local
}

// named returns the definition of that kind to which a qualified name in a WSDL refers.
func named(t *testing.T, doc *etree.Document, kind, name string) *etree.Element {
	t.Helper()
	_, local := qname(doc.Root(), name)
	for _, e := range doc.Root().SelectElements(kind) {
		if e.SelectAttrValue("name", "") == local {
			return e
		}
	}
	require.Failf(t, "dangling reference", "%s %q", kind, name)
	return nil
}

func child(e *etree.Element, local string) *etree.Element {
	if e == nil {
		return nil
	}
	return e.SelectElement(local)
}
