package soap

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Reply writes the answer to req: its own Envelope and Header without requestHash and
// encodingStyle, and a copy of body as the new content of Body (§10). body may be part of another document.
func Reply(req *Message, body *etree.Element) ([]byte, error) {
	if body == nil {
		return nil, wrong(ReasonInvalidBody, "Body", "must hold the wrapper element of the answer")
	}
	a := newAnswer(req)
	a.put(body)
	return a.bytes()
}

// ReplyFault writes f as the answer to req: with its header blocks where the header could be read, in its own
// envelope where only that could, and in a fresh one where req is nil. A code that reads like a security
// server's is an error unless f.XRoad says that one made it, as when a simulator passes a fault on (§4.4).
func ReplyFault(req *Message, f *Fault) ([]byte, error) {
	if blamesXRoad(f.Code) && f.XRoad.Raw != f.Code {
		return nil, fmt.Errorf("fault code %q is a security server's", f.Code)
	}
	a := newAnswer(req)
	a.putFault(f)
	return a.bytes()
}

// answer is a message being written.
type answer struct {
	doc      *etree.Document
	envelope *etree.Element
	body     *etree.Element
}

// newAnswer begins an answer to req, of which the Envelope may be all that was read, or nothing.
func newAnswer(req *Message) *answer {
	if req == nil || req.envelope == nil {
		return freshAnswer("soap")
	}
	a := emptyAnswer()
	a.envelope.Space, a.envelope.Tag = req.envelope.Space, req.envelope.Tag
	for i := range req.envelope.Attr {
		if attr := &req.envelope.Attr[i]; !isEncodingStyle(attr) {
			a.envelope.CreateAttr(attr.FullKey(), attr.Value)
		}
	}
	for _, token := range req.envelope.Child {
		switch t := token.(type) {
		case *etree.CharData:
			a.envelope.CreateText(t.Data)
		case *etree.Element:
			if t == req.Header {
				header := t.Copy()
				a.envelope.AddChild(header)
				trimHeader(header)
			}
			if t.Tag == "Body" {
				a.createBody()
			}
		}
	}
	if a.body == nil {
		a.createBody()
	}
	return a
}

// freshAnswer begins a message without a header.
func freshAnswer(prefix string) *answer {
	a := emptyAnswer()
	a.envelope.Space, a.envelope.Tag = prefix, "Envelope"
	a.envelope.CreateAttr("xmlns:"+prefix, NamespaceEnvelope)
	a.createBody()
	return a
}

func emptyAnswer() *answer {
	a := &answer{doc: etree.NewDocument()}
	a.doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	a.envelope = a.doc.CreateElement("Envelope")
	return a
}

func (a *answer) createBody() {
	a.body = a.envelope.CreateElement("Body")
	a.body.Space = a.envelope.Space
}

// trimHeader takes out of the copied Header what an answer must not repeat (§2.3).
func trimHeader(header *etree.Element) {
	for i := len(header.Attr) - 1; i >= 0; i-- {
		if isEncodingStyle(&header.Attr[i]) {
			header.Attr = append(header.Attr[:i], header.Attr[i+1:]...)
		}
	}
	for _, block := range header.ChildElements() {
		if block.Tag != "requestHash" || block.NamespaceURI() != xroadhdr.NamespaceXRoad {
			continue
		}
		i := block.Index()
		header.RemoveChildAt(i)
		if i > 0 {
			if text, ok := header.Child[i-1].(*etree.CharData); ok && text.IsWhitespace() {
				header.RemoveChildAt(i - 1)
			}
		}
	}
}

func isEncodingStyle(a *etree.Attr) bool {
	return a.Key == "encodingStyle" && a.NamespaceURI() == NamespaceEnvelope
}

// createContent makes the child of Body with a prefix: one that the envelope binds to the namespace, else the
// given one, declared on the child. Unqualified children of it come out unqualified.
func (a *answer) createContent(name xml.Name, prefix string) *etree.Element {
	el := a.body.CreateElement(name.Local)
	if name.Space != "" {
		if bound := a.prefixOf(name.Space); bound != "" {
			prefix = bound
		} else {
			el.CreateAttr("xmlns:"+prefix, name.Space)
		}
		el.Space = prefix
	}
	a.clearDefault(el)
	return el
}

// put adds a copy of el as the child of Body.
func (a *answer) put(el *etree.Element) {
	c := detached(el)
	a.body.AddChild(c)
	a.clearDefault(c)
}

// putFault adds a Fault. It always has a prefix, so that its children, and its code, need no care of their own.
func (a *answer) putFault(f *Fault) {
	el := a.createContent(xml.Name{Space: NamespaceEnvelope, Local: "Fault"}, "soap")
	code := f.Code
	if isStandardCode(code) {
		code = el.Space + ":" + code
	}
	el.CreateElement("faultcode").SetText(code)
	el.CreateElement("faultstring").SetText(f.String)
	if f.Actor != "" {
		el.CreateElement("faultactor").SetText(f.Actor)
	}
	switch {
	case f.Detail != nil:
		el.AddChild(detached(f.Detail))
	case f.Reason != "":
		detail := el.CreateElement("detail")
		detail.CreateElement("reason").SetText(f.Reason)
		if f.Field != "" {
			detail.CreateElement("field").SetText(f.Field)
		}
		if f.RequestID != "" {
			detail.CreateElement("requestId").SetText(f.RequestID)
		}
	}
}

func (a *answer) bytes() ([]byte, error) { return written(a.doc) }

// prefixOf is a prefix that the envelope binds to the namespace, its own first; "" without one.
func (a *answer) prefixOf(namespace string) string {
	if namespace == NamespaceEnvelope && a.envelope.Space != "" {
		return a.envelope.Space
	}
	for _, attr := range a.envelope.Attr {
		if attr.Space == "xmlns" && attr.Value == namespace {
			return attr.Key
		}
	}
	return ""
}

// clearDefault undoes, on a child of Body, a default namespace that the envelope declares.
func (a *answer) clearDefault(el *etree.Element) {
	for _, attr := range el.Attr {
		if attr.FullKey() == "xmlns" {
			return
		}
	}
	for _, attr := range a.envelope.Attr {
		if attr.FullKey() == "xmlns" && attr.Value != "" {
			el.CreateAttr("xmlns", "")
		}
	}
}

// detached is a copy of el that declares what was in scope where it stood.
func detached(el *etree.Element) *etree.Element {
	c := el.Copy()
	declared := map[string]bool{}
	for _, attr := range c.Attr {
		declared[attr.FullKey()] = true
	}
	for e := el.Parent(); e != nil; e = e.Parent() {
		for _, attr := range e.Attr {
			key := attr.FullKey()
			if (key == "xmlns" || strings.HasPrefix(key, "xmlns:")) && !declared[key] {
				declared[key] = true
				if attr.Value != "" {
					c.CreateAttr(key, attr.Value)
				}
			}
		}
	}
	return c
}
