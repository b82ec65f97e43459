package mask

import (
	"bytes"
	"mime"
	"strings"
)

// Rules say what else is masked in bodies, beside what the defaults and Text find. Case does not count.
type Rules struct {
	// Elements of XML, and attributes, by local name whatever the namespace: "Isikukood"; "Customer/Code" is one right
	// below another. All that is in an element is masked.
	Elements []string
	// Members of JSON and fields of forms: "email" at any depth, "payer.code" for one right below another, "$.items.code" from
	// the root. Arrays count for nothing. All that is in a member is masked.
	Members []string
}

// defaultElements name persons and secrets in the messages of our partners.
var defaultElements = []string{
	"userId", "Customer/Code", "Customer/Email", "Customer/Name", "Email", "Isikukood", "Isikupnimi", "Isikuenimi", "Eesnimi", "Perenimi", "PersonalCode",
	"FirstName", "LastName", "Surname", "Password", "Token", "Secret", "fyysilise_isiku_kood", "fyysilise_isiku_eesnimi", "fyysilise_isiku_perenimi",
	"ClientCode", "IsikuID",
}

// defaultMembers do so in JSON.
var defaultMembers = []string{
	"payer.code", "email", "identifier", "userIdentifier", "firstName", "surname", "lastName", "legalName", "delegate.code", "delegate.name",
	"representee.code", "representee.name", "addedBy", "password", "token", "secret", "api_key", "isikukood", "eesnimi", "perenimi",
}

// Masker masks bodies. It is safe for concurrent use.
type Masker struct{ elements, members paths }

// New returns a Masker by the defaults and the rules.
func New(r Rules) *Masker {
	return &Masker{
		elements: newPaths("/", append(append([]string{}, defaultElements...), r.Elements...)),
		members:  newPaths(".", append(append([]string{}, defaultMembers...), r.Members...)),
	}
}

// Body is a body without what may not be kept. XML, JSON, forms and multipart messages of these keep their shape; any other
// body, and one that is not what its content type says or is too deep, is Mark alone. An empty body stays empty.
func (m *Masker) Body(contentType string, body []byte) []byte {
	if len(body) == 0 {
		return body
	}
	if masked, ok := m.body(contentType, body, 0); ok {
		return masked
	}
	return []byte(Mark)
}

// Limits of what is read to be masked.
const (
	maxDepth     = 200 // elements, members or parts within one another; a message that we take has far fewer
	maxMultipart = 3   // multipart within multipart
)

func (m *Masker) body(contentType string, body []byte, within int) ([]byte, bool) {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, false
	}
	switch {
	case media == "text/xml" || media == "application/xml" || strings.HasSuffix(media, "+xml") || media == "" && bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return m.xml(body)
	case media == "application/json" || strings.HasSuffix(media, "+json") || media == "":
		return m.json(body)
	case media == "application/x-www-form-urlencoded":
		return m.form(body)
	case strings.HasPrefix(media, "multipart/") && within < maxMultipart:
		return m.multipart(parameters["boundary"], body, within+1)
	}
	return nil, false
}

// paths are names, alone or below one another, in lower case.
type paths struct {
	alone  map[string]bool
	longer [][]string // from the last name to the first; "$" is the root
}

func newPaths(separator string, texts []string) paths {
	p := paths{alone: map[string]bool{}}
	for _, text := range texts {
		names := strings.Split(strings.ToLower(text), separator)
		if len(names) == 1 {
			p.alone[names[0]] = true
			continue
		}
		reversed := make([]string, len(names))
		for i, name := range names {
			reversed[len(names)-1-i] = name
		}
		p.longer = append(p.longer, reversed)
	}
	return p
}

// match reports whether the last of the names, from the root on, is to be masked.
func (p paths) match(names []string) bool {
	if len(names) == 0 {
		return false
	}
	if p.alone[strings.ToLower(names[len(names)-1])] {
		return true
	}
	for _, path := range p.longer {
		if below(path, names) {
			return true
		}
	}
	return false
}

func below(path, names []string) bool {
	for i, name := range path {
		at := len(names) - 1 - i
		if name == "$" {
			return at == -1
		}
		if at < 0 || !strings.EqualFold(names[at], name) {
			return false
		}
	}
	return true
}
