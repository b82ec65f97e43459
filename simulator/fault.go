package simulator

import (
	"net/http"

	"github.com/beevik/etree"
)

const contentTypeXML = "text/xml; charset=UTF-8"

// securityServerFault is a fault as a security server makes it: no Header, an
// empty faultactor, and a detail that finds the error in its logs (fact sheet §3.5).
func securityServerFault(code, text, detail string) []byte {
	doc, fault := newFault(code, text)
	fault.CreateElement("faultactor")
	fault.CreateElement("detail").CreateElement("faultDetail").SetText(detail)
	return bytesOf(doc)
}

func newFault(code, text string) (*etree.Document, *etree.Element) {
	doc := newDocument()
	env := doc.CreateElement("SOAP-ENV:Envelope")
	env.CreateAttr("xmlns:SOAP-ENV", namespaceEnvelope)
	fault := env.CreateElement("SOAP-ENV:Body").CreateElement("SOAP-ENV:Fault")
	fault.CreateElement("faultcode").SetText(code)
	fault.CreateElement("faultstring").SetText(text)
	return doc, fault
}

func newDocument() *etree.Document {
	doc := etree.NewDocument()
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	return doc
}

// bytesOf writes a document that we made or read ourselves; writing to memory does not fail.
func bytesOf(doc *etree.Document) []byte {
	out, err := doc.WriteToBytes()
	if err != nil {
		panic(err)
	}
	return out
}

// reply is one HTTP answer before it is written.
type reply struct {
	status      int
	contentType string
	body        []byte
}

func xmlReply(status int, body []byte) reply { return reply{status, contentTypeXML, body} }

func (r reply) writeTo(w http.ResponseWriter) {
	if r.contentType != "" {
		w.Header().Set("Content-Type", r.contentType)
	} else {
		w.Header()["Content-Type"] = nil // net/http would guess one
	}
	w.WriteHeader(r.status)
	if r.status != http.StatusNoContent {
		_, _ = w.Write(r.body) // the caller may have left; nothing to do about it
	}
}
