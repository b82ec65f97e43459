package wsdl

import (
	_ "embed"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// DefaultNotifyNamespace is the target namespace of cpgOrderNotify where settings name no other.
const DefaultNotifyNamespace = "http://tkt.x-road.eu"

// NotifyOptions are what an installation decides about the WSDL that it serves.
type NotifyOptions struct {
	// Namespace is the target namespace of the notify service, an absolute URI; if empty,
	// DefaultNotifyNamespace. EMTA calls each merchant in that merchant's namespace.
	Namespace string

	// Address is the absolute http or https URL of the service, without credentials, query or
	// fragment. A security server takes it over as the service's URL when the WSDL is registered.
	Address string
}

//go:embed cpgOrderNotify.wsdl
var notify string

// Notify returns the WSDL of cpgOrderNotify, version v1, with the namespace and the address of o. The
// schema that it imports is one level below the address (see the package comment). An error names the
// field of o that is wrong.
func Notify(o NotifyOptions) ([]byte, error) {
	if o.Namespace == "" {
		o.Namespace = DefaultNotifyNamespace
	}
	if u, err := parse(o.Namespace); err != nil || u.Scheme == "" {
		return nil, fmt.Errorf("wsdl: Namespace %q: must be an absolute URI", o.Namespace)
	}
	u, err := parse(o.Address)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("wsdl: Address: must be an absolute http or https URL") // not quoted: may hold a password
	case u.User != nil:
		return nil, errors.New("wsdl: Address: must not hold credentials, everyone can read it")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("wsdl: Address %q: must have no query and no fragment", o.Address)
	}

	// Whole attribute values are replaced, each by an escaped one, all in one pass, so nothing that
	// was put in is replaced again.
	r := strings.NewReplacer(
		attribute(DefaultNotifyNamespace), attribute(o.Namespace),
		attribute("http://127.0.0.1:8080/emta"), attribute(o.Address),
		attribute("xroad.xsd"), attribute(schemaLocation(u, "xroad.xsd")),
	)
	return []byte(r.Replace(notify)), nil
}

// parse is url.Parse that also refuses what cannot stand in an XML document or would be changed in it.
func parse(s string) (*url.URL, error) {
	if !utf8.ValidString(s) || strings.ContainsAny(s, " \ufffe\uffff") {
		return nil, errors.New("has a character that a URI cannot have")
	}
	return url.Parse(s)
}

// schemaLocation returns the reference that leads from address to the schema of that name, one level
// below.
func schemaLocation(address *url.URL, name string) string {
	p := address.EscapedPath()
	last := p[strings.LastIndexByte(p, '/')+1:]
	if last == "" {
		return name
	}
	return "./" + last + "/" + name // "./", as the segment may hold a colon
}

func attribute(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	_ = xml.EscapeText(&b, []byte(value)) // a strings.Builder does not fail
	b.WriteByte('"')
	return b.String()
}
