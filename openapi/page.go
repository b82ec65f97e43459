package openapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

//go:embed page.html
var pageHTML string

// page is a description as its HTML page shows it, with every reference resolved.
type page struct {
	Title, Version, Description string
	Servers                     []string
	Groups                      []group
	Schemas                     []shownSchema
}

type group struct {
	Name, Description string
	Operations        []shownOperation
}

type shownOperation struct {
	ID, Method, Path, Summary, Description string
	Parameters                             []shownParameter
	Body                                   *shownBody
	Responses                              []shownResponse
}

type shownParameter struct {
	Name, In, Description, Example string
	Required                       bool
	Type                           shownType
}

type shownBody struct {
	Required bool
	Content  []shownContent
}

type shownResponse struct {
	Status, Reason, Description string
	Content                     []shownContent
}

type shownContent struct {
	MediaType string
	Type      shownType
	Examples  []shownExample
}

type shownExample struct{ Name, Text string }

type shownSchema struct {
	Name, Description string
	Type              shownType
	Properties        []shownProperty
}

type shownProperty struct {
	Name, Description string
	Required          bool
	Type              shownType
}

// shownType is a type in words: links to schemas and the rules beside them.
type shownType struct {
	Text  string   // e.g. "string", "array of"
	Links []string // names of schemas
	Rules []string // e.g. "at least 1"
}

// renderPage writes the HTML page of a description in JSON.
func renderPage(raw []byte) ([]byte, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("reading the description: %w", err)
	}
	p, err := d.page()
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Funcs(template.FuncMap{"prose": prose, "inline": inline, "lower": strings.ToLower}).Parse(pageHTML)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	return b.Bytes(), nil
}

func (d *document) page() (page, error) {
	p := page{Title: d.Info.Title, Version: d.Info.Version, Description: d.Info.Description}
	for _, s := range d.Servers {
		p.Servers = append(p.Servers, s.Description)
	}
	for _, tag := range d.Tags {
		g := group{Name: tag.Name, Description: tag.Description}
		for _, path := range d.Paths {
			for _, m := range path.Value.operations() {
				if !slices.Contains(m.Value.Tags, tag.Name) {
					continue
				}
				shown, err := d.operation(m.Name, path, *m.Value)
				if err != nil {
					return page{}, fmt.Errorf("%s %s: %w", m.Name, path.Name, err)
				}
				g.Operations = append(g.Operations, shown)
			}
		}
		p.Groups = append(p.Groups, g)
	}
	for _, m := range d.Components.Schemas {
		p.Schemas = append(p.Schemas, showSchema(m.Name, m.Value))
	}
	return p, nil
}

// operations are those that the path has, what makes something before what reads it.
func (i pathItem) operations() []member[*operation] {
	all := []member[*operation]{{http.MethodPost, i.Post}, {http.MethodGet, i.Get}, {http.MethodPut, i.Put}, {http.MethodPatch, i.Patch}, {http.MethodDelete, i.Delete}}
	return slices.DeleteFunc(all, func(m member[*operation]) bool { return m.Value == nil })
}

func (d *document) operation(method string, path member[pathItem], o operation) (shownOperation, error) {
	shown := shownOperation{ID: o.ID, Method: method, Path: path.Name, Summary: o.Summary, Description: o.Description}
	for _, p := range slices.Concat(path.Value.Parameters, o.Parameters) {
		if p.Ref != "" {
			var err error
			if p, err = d.Components.Parameters.at("#/components/parameters/", p.Ref); err != nil {
				return shownOperation{}, err
			}
		}
		shown.Parameters = append(shown.Parameters, shownParameter{Name: p.Name, In: p.In, Description: p.Description,
			Example: unquoted(p.Example), Required: p.Required, Type: showType(p.Schema)})
	}
	if o.RequestBody != nil {
		content, err := d.content(o.RequestBody.Content)
		if err != nil {
			return shownOperation{}, err
		}
		shown.Body = &shownBody{Required: o.RequestBody.Required, Content: content}
	}
	for _, m := range o.Responses {
		r, err := d.response(m)
		if err != nil {
			return shownOperation{}, err
		}
		shown.Responses = append(shown.Responses, r)
	}
	return shown, nil
}

func (d *document) response(m member[response]) (shownResponse, error) {
	r := m.Value
	if r.Ref != "" {
		var err error
		if r, err = d.Components.Responses.at("#/components/responses/", r.Ref); err != nil {
			return shownResponse{}, err
		}
	}
	var status int
	_, _ = fmt.Sscanf(m.Name, "%d", &status) // "default" has no words
	content, err := d.content(r.Content)
	return shownResponse{Status: m.Name, Reason: http.StatusText(status), Description: r.Description, Content: content}, err
}

func (d *document) content(content object[mediaType]) ([]shownContent, error) {
	var all []shownContent
	for _, m := range content {
		shown := shownContent{MediaType: m.Name, Type: showType(m.Value.Schema)}
		if m.Value.Example != nil {
			shown.Examples = append(shown.Examples, shownExample{"Example", indented(m.Value.Example)})
		}
		for _, e := range m.Value.Examples {
			value := e.Value
			if value.Ref != "" {
				var err error
				if value, err = d.Components.Examples.at("#/components/examples/", value.Ref); err != nil {
					return nil, err
				}
			}
			name := e.Name
			if value.Summary != "" {
				name = value.Summary
			}
			shown.Examples = append(shown.Examples, shownExample{name, indented(value.Value)})
		}
		all = append(all, shown)
	}
	return all, nil
}

func showSchema(name string, s schema) shownSchema {
	shown := shownSchema{Name: name, Description: s.Description, Type: showType(s)}
	for _, m := range s.Properties {
		shown.Properties = append(shown.Properties, shownProperty{Name: m.Name, Description: m.Value.Description,
			Required: slices.Contains(s.Required, m.Name), Type: showType(m.Value)})
	}
	return shown
}

const schemaPrefix = "#/components/schemas/"

func showType(s schema) shownType {
	switch {
	case s.Ref != "":
		return shownType{Links: []string{strings.TrimPrefix(s.Ref, schemaPrefix)}}
	case s.Items != nil:
		items := showType(*s.Items)
		return shownType{Text: strings.TrimSpace("array of " + items.Text), Links: items.Links, Rules: items.Rules}
	}
	t := shownType{Text: s.Type}
	for _, part := range slices.Concat(s.AllOf, s.OneOf) {
		t.Links = append(t.Links, showType(part).Links...)
	}
	if len(s.OneOf) > 0 {
		t.Text = "one of"
	}
	rule := func(words, value string) { t.Rules = append(t.Rules, words+" "+value) }
	if s.Format != "" {
		t.Rules = append(t.Rules, s.Format)
	}
	for i, value := range s.Enum {
		if i == 0 {
			t.Rules = append(t.Rules, unquoted(value))
			continue
		}
		t.Rules[len(t.Rules)-1] += " | " + unquoted(value)
	}
	if s.Minimum != nil {
		rule("at least", s.Minimum.String())
	}
	if s.Maximum != nil {
		rule("at most", s.Maximum.String())
	}
	if s.MaxLength != nil {
		rule("at most", s.MaxLength.String()+" characters")
	}
	if s.Pattern != "" {
		rule("like", s.Pattern)
	}
	if s.Default != nil {
		rule("default", unquoted(s.Default))
	}
	return t
}

// unquoted is a JSON string without its quotes; other values as they are.
func unquoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return string(raw)
	}
	return b.String()
}

var (
	emptyLine = regexp.MustCompile(`\n\s*\n`)
	marked    = regexp.MustCompile("`[^`]+`|\\*\\*[^*]+\\*\\*")
)

// prose is text with paragraphs as HTML.
func prose(s string) template.HTML {
	var b strings.Builder
	for _, paragraph := range emptyLine.Split(strings.TrimSpace(s), -1) {
		b.WriteString("<p>" + string(inline(paragraph)) + "</p>\n")
	}
	return template.HTML(b.String())
}

// inline is text with `code` and **strong** as HTML; all else is escaped.
func inline(s string) template.HTML {
	var b strings.Builder
	end := 0
	for _, m := range marked.FindAllStringIndex(s, -1) {
		b.WriteString(template.HTMLEscapeString(s[end:m[0]]))
		if word := s[m[0]:m[1]]; word[0] == '`' {
			b.WriteString("<code>" + template.HTMLEscapeString(strings.Trim(word, "`")) + "</code>")
		} else {
			b.WriteString("<strong>" + template.HTMLEscapeString(strings.Trim(word, "*")) + "</strong>")
		}
		end = m[1]
	}
	b.WriteString(template.HTMLEscapeString(s[end:]))
	return template.HTML(b.String())
}
