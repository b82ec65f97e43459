package xroadhdr

import (
	"strconv"

	"github.com/beevik/etree"
)

// WriteSOAP appends the header's fields to the SOAP Header element el, in the
// order client, service, id, userId, issue, representedParty, securityServer, securityToken,
// protocolVersion. Prefixes that are in scope at el are used; what is missing is declared on el's
// outermost element. It is strict: an invalid field is a *FieldError and nothing is appended.
// An empty ProtocolVersion is written as the constant. RequestHash and CentralService are never written.
func (h Header) WriteSOAP(el *etree.Element) error {
	if err := h.Validate(); err != nil {
		return err
	}
	xrd := prefixFor(el, NamespaceXRoad, "xrd")
	id := prefixFor(el, NamespaceIdentifiers, "id")
	writeIdentifier(el.CreateElement(xrd+":client"), id, h.Client.objectType(), h.Client.parts())
	writeIdentifier(el.CreateElement(xrd+":service"), id, typeService, h.Service.parts())
	el.CreateElement(xrd + ":id").SetText(h.ID)
	if h.UserID != nil {
		el.CreateElement(xrd + ":userId").SetText(*h.UserID)
	}
	if h.Issue != nil {
		el.CreateElement(xrd + ":issue").SetText(*h.Issue)
	}
	if p := h.RepresentedParty; p != nil {
		repr := prefixFor(el, NamespaceRepresentation, "repr")
		party := el.CreateElement(repr + ":representedParty")
		if p.PartyClass != "" {
			party.CreateElement(repr + ":partyClass").SetText(p.PartyClass)
		}
		party.CreateElement(repr + ":partyCode").SetText(p.PartyCode)
	}
	if s := h.SecurityServer; s != nil {
		writeIdentifier(el.CreateElement(xrd+":securityServer"), id, typeServer, s.parts())
	}
	if t := h.SecurityToken; t != nil {
		token := el.CreateElement(prefixFor(el, NamespaceSecurityToken, "ext") + ":securityToken")
		token.CreateAttr("tokenType", t.TokenType)
		token.SetText(t.Value)
	}
	el.CreateElement(xrd + ":protocolVersion").SetText(ProtocolVersion)
	return nil
}

func writeIdentifier(el *etree.Element, prefix, objectType string, parts []part) {
	el.CreateAttr(prefix+":objectType", objectType)
	for _, p := range parts {
		if *p.value != "" {
			el.CreateElement(prefix + ":" + p.name).SetText(*p.value)
		}
	}
}

// prefixFor is a prefix bound to the namespace at el; without one it declares the wanted
// prefix on the outermost element, or a numbered one where that is taken on the way.
func prefixFor(el *etree.Element, namespace, want string) string {
	taken := map[string]bool{}
	outermost := el
	for e := el; e != nil && e.Tag != ""; e = e.Parent() { // a document is an element without a tag
		for _, a := range e.Attr {
			if a.Space != "xmlns" || taken[a.Key] {
				continue
			}
			if a.Value == namespace {
				return a.Key
			}
			taken[a.Key] = true
		}
		outermost = e
	}
	prefix := want
	for n := 2; taken[prefix]; n++ {
		prefix = want + strconv.Itoa(n)
	}
	outermost.CreateAttr("xmlns:"+prefix, namespace)
	return prefix
}
