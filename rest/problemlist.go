package rest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Translation is a text in the languages of a service's users. ET is always there.
type Translation struct {
	ET string `json:"et"`
	EN string `json:"en,omitempty"`
	RU string `json:"ru,omitempty"`
}

// Wording is how a provider tells problems: what their types begin with, and what a person reads.
type Wording struct {
	TypePrefix string                 // absolute URI to which a problem's code is added, e.g. "urn:problem-type:ee.example:"
	Page       string                 // absolute URI of a page with an anchor for each code; "" for none
	Texts      map[string]Translation // by a field's rule or a problem's code; "" is for whatever has none
}

// ListedProblem is one problem of the list that a service behind X-Road answers an error with (RFC 7807 and Pääsuke §5).
type ListedProblem struct {
	Type        string      `json:"type"`           // absolute URI, stable
	Href        string      `json:"href,omitempty"` // its description
	Title       string      `json:"title"`          // English, for engineers; it names the field
	Status      int         `json:"status"`
	Translation Translation `json:"translation"`        // for the person who was acting
	Instance    string      `json:"instance,omitempty"` // urn:uuid: and the request id that our logs carry
}

// Write answers with the problem as a list, for whoever refuses a request before a provider sees it. The problem has its request id.
func (w Wording) Write(to http.ResponseWriter, p *Problem) {
	mediaType, list := w.list(p.titled())
	body, err := encode(list)
	if err != nil {
		panic(err) // a list of texts can be written
	}
	maps.Copy(to.Header(), p.Header)
	to.Header().Set("Content-Type", mediaType)
	to.WriteHeader(p.Status)
	_, _ = to.Write(body) // whoever does not read it asks again
}

// list writes a problem as the list that it is on the wire: one for each field, or one.
func (w Wording) list(p Problem) (mediaType string, body any) {
	title := p.Title
	if p.Detail != "" {
		title += ": " + p.Detail
	}
	one := w.listed(p, p.Code, title)
	if len(p.Fields) == 0 {
		return "application/json", []ListedProblem{one}
	}
	list := make([]ListedProblem, 0, len(p.Fields))
	for _, f := range p.Fields {
		list = append(list, w.listed(p, f.Rule, p.Title+": "+strings.TrimSpace(f.Path+" "+f.Message)))
	}
	return "application/json", list
}

func (w Wording) listed(p Problem, code, title string) ListedProblem {
	l := ListedProblem{Type: w.TypePrefix + code, Title: title, Status: p.Status, Translation: w.text(code, p.Code)}
	if p.RequestID != "" {
		l.Instance = "urn:uuid:" + p.RequestID
	}
	if w.Page != "" {
		l.Href = w.Page + "#" + url.QueryEscape(code)
	}
	return l
}

// text is the first there is.
func (w Wording) text(codes ...string) Translation {
	for _, code := range append(slices.Clone(codes), "") {
		if t, ok := w.Texts[code]; ok {
			return t
		}
	}
	return Translation{}
}
