package mask

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
)

// xml masks a document and leaves all else of it as it was written.
func (m *Masker) xml(body []byte) ([]byte, bool) {
	d := xml.NewDecoder(bytes.NewReader(body))
	w := xmlMasker{masker: m, decoder: d}
	begin := int64(0)
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return w.out.Bytes(), len(w.names) == 0 && w.elements > 0
		}
		if err != nil {
			return nil, false
		}
		end := d.InputOffset()
		if !w.token(token, string(body[begin:end])) {
			return nil, false
		}
		begin = end
	}
}

type xmlMasker struct {
	masker   *Masker
	decoder  *xml.Decoder
	out      bytes.Buffer
	names    []string // of the open elements
	masked   int      // how many of them are open from the one that is masked on; 0: none is
	elements int
}

// token writes one token, given with its source.
func (w *xmlMasker) token(token xml.Token, source string) bool {
	switch t := token.(type) {
	case xml.StartElement:
		return w.start(t, source)
	case xml.EndElement:
		return w.end(t, source)
	case xml.Directive: // a DTD can hold anything
		return false
	case xml.CharData:
		if w.masked > 0 {
			if strings.TrimSpace(string(t)) != "" {
				w.out.WriteString(Mark)
			}
			return true
		}
	case xml.Comment:
		if w.masked > 0 {
			return true
		}
	}
	w.out.WriteString(Text(source))
	return true
}

func (w *xmlMasker) start(t xml.StartElement, source string) bool {
	if len(w.names) == maxDepth {
		return false
	}
	w.elements++
	w.names = append(w.names, t.Name.Local)
	if w.masked > 0 || w.masker.elements.match(w.names) {
		w.masked++
	}
	masked := false
	for i, a := range t.Attr {
		value := Text(a.Value)
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && (w.masked > 0 || w.masker.elements.match(append(w.names[:len(w.names):len(w.names)], a.Name.Local))) {
			value = Mark
		}
		if value != a.Value {
			t.Attr[i].Value, masked = value, true
		}
	}
	switch selfClosed := strings.HasSuffix(source, "/>"); {
	case !masked:
		w.out.WriteString(source)
	default:
		w.out.WriteString("<" + rawName(t.Name))
		for _, a := range t.Attr {
			w.out.WriteString(" " + rawName(a.Name) + `="`)
			_ = xml.EscapeText(&w.out, []byte(a.Value)) // a buffer takes all
			w.out.WriteString(`"`)
		}
		if selfClosed {
			w.out.WriteString("/")
		}
		w.out.WriteString(">")
	}
	return true
}

func (w *xmlMasker) end(t xml.EndElement, source string) bool {
	last := len(w.names) - 1
	if last < 0 || w.names[last] != t.Name.Local {
		return false
	}
	w.names = w.names[:last]
	if w.masked > 0 {
		w.masked--
	}
	w.out.WriteString(source) // empty where the element closed itself
	return true
}

func rawName(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
