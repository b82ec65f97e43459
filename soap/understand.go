package soap

import (
	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// actorNext addresses a header block to whoever receives it first, which is us.
const actorNext = "http://schemas.xmlsoap.org/soap/actor/next"

// notUnderstood is the fault for a header block that must be understood, is meant for us and is not X-Road's (§2.2),
// nil without one.
func notUnderstood(header *etree.Element) *Fault {
	for block := range header.ChildElementsSeq() {
		switch block.NamespaceURI() {
		case xroadhdr.NamespaceXRoad, xroadhdr.NamespaceIdentifiers, xroadhdr.NamespaceRepresentation, xroadhdr.NamespaceSecurityToken:
			continue
		}
		must := soapAttribute(block, "mustUnderstand")
		actor := soapAttribute(block, "actor")
		if (must == "1" || must == "true") && (actor == "" || actor == actorNext) {
			f := requestFault(wrong(ReasonNotUnderstood, "Header/"+shown(block.Tag), "has mustUnderstand but is not known here"))
			f.Code = "MustUnderstand"
			return f
		}
	}
	return nil
}

func soapAttribute(el *etree.Element, name string) string {
	for i := range el.Attr {
		if a := &el.Attr[i]; a.Key == name && a.NamespaceURI() == NamespaceEnvelope {
			return a.Value
		}
	}
	return ""
}
