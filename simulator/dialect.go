package simulator

import (
	"maps"
	"slices"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// dialect is how an answer is written: prefixes are free (fact sheet §1.2), and
// every toolkit has its own.
type dialect struct {
	prefixes      map[string]string // by namespace; "" makes it the wrapper's default namespace
	encodingStyle bool              // as EMTA's samples have it, against their own binding
}

var dialects = []dialect{
	{prefixesOf("SOAP-ENV", "xro", "iden", "cpg"), true},
	{prefixesOf("soap", "xrd", "id", "ns2"), false},
	{prefixesOf("S", "x", "i", ""), false},
	{prefixesOf("env", "id", "xrd", "xro"), false}, // the customary prefixes, swapped
}

func prefixesOf(envelope, xroad, identifiers, cpg string) map[string]string {
	return map[string]string{namespaceEnvelope: envelope, xroadhdr.NamespaceXRoad: xroad,
		xroadhdr.NamespaceIdentifiers: identifiers, namespaceCPG: cpg}
}

// respond writes an answer to req in a dialect drawn by the seed: the request's
// header fields in their sequence, and the wrapper that fill completes.
func (e *EMTA) respond(req *message, fill func(*etree.Element)) []byte {
	d := dialects[e.rng.IntN(len(dialects))]
	doc := newDocument()
	env := doc.CreateElement(d.name(namespaceEnvelope, "Envelope"))
	for _, uri := range slices.Sorted(maps.Keys(d.prefixes)) {
		if prefix := d.prefixes[uri]; prefix != "" {
			env.CreateAttr("xmlns:"+prefix, uri)
		}
	}
	if d.encodingStyle {
		env.CreateAttr(d.name(namespaceEnvelope, "encodingStyle"), "http://schemas.xmlsoap.org/soap/encoding/")
	}
	header := env.CreateElement(d.name(namespaceEnvelope, "Header"))
	for _, el := range req.header.ChildElements() {
		if name, _ := headerField(el); name != "requestHash" {
			d.copyInto(header, el)
		}
	}
	tag := req.service.ServiceCode + "Response"
	wrapper := env.CreateElement(d.name(namespaceEnvelope, "Body")).CreateElement(d.name(namespaceCPG, tag))
	fill(wrapper)
	if d.prefixes[namespaceCPG] == "" {
		wrapper.CreateAttr("xmlns", namespaceCPG)
		for _, el := range wrapper.ChildElements() {
			el.CreateAttr("xmlns", "") // the members are unqualified
		}
	}
	return bytesOf(doc)
}

func (d dialect) name(namespace, tag string) string {
	if prefix := d.prefixes[namespace]; prefix != "" {
		return prefix + ":" + tag
	}
	return tag
}

// copyInto writes el with d's prefixes. A namespace that d has no prefix for is declared where it is used.
func (d dialect) copyInto(parent, el *etree.Element) {
	uri := el.NamespaceURI()
	out := parent.CreateElement(d.name(uri, el.Tag))
	if d.prefixes[uri] == "" && uri != "" {
		out.CreateAttr("xmlns", uri)
	} else if out.Space == "" && out.NamespaceURI() != "" {
		out.CreateAttr("xmlns", "")
	}
	for _, a := range el.Attr {
		if a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns" {
			continue
		}
		switch prefix := d.prefixes[a.NamespaceURI()]; {
		case a.Space == "" || a.Space == "xml":
			out.CreateAttr(a.FullKey(), a.Value)
		case prefix != "":
			out.CreateAttr(prefix+":"+a.Key, a.Value)
		default:
			out.CreateAttr("xmlns:own", a.NamespaceURI())
			out.CreateAttr("own:"+a.Key, a.Value)
		}
	}
	for _, token := range el.Child {
		switch t := token.(type) {
		case *etree.Element:
			d.copyInto(out, t)
		case *etree.CharData:
			out.CreateText(t.Data)
		}
	}
}
