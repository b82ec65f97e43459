package wsdl_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/wsdl"
)

const (
	nsWSDL  = "http://schemas.xmlsoap.org/wsdl/"
	nsSOAP  = "http://schemas.xmlsoap.org/wsdl/soap/"
	nsXSD   = "http://www.w3.org/2001/XMLSchema"
	nsXRoad = "http://x-road.eu/xsd/xroad.xsd"
)

var badOptions = []struct {
	options wsdl.NotifyOptions
	field   string
}{
	{wsdl.NotifyOptions{}, "Address"},
	{wsdl.NotifyOptions{Address: "/emta"}, "Address"},
	{wsdl.NotifyOptions{Address: "adapter:8080/emta"}, "Address"},
	{wsdl.NotifyOptions{Address: "http:///emta"}, "Address"},
	{wsdl.NotifyOptions{Address: "ftp://adapter/emta"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://user:secret@adapter/emta"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://adapter/emta?wsdl"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://adapter/emta?"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://adapter/emta#x"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://adapter/em\x01ta"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://adapter/em\xffta"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://adapter/em ta"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://user:secret@adapter/%zz"}, "Address"},
	{wsdl.NotifyOptions{Address: "http://adapter/emta", Namespace: "tkt"}, "Namespace"},
	{wsdl.NotifyOptions{Address: "http://adapter/emta", Namespace: "http://tkt x"}, "Namespace"},
}

func TestNotifyRefusesOptions(t *testing.T) {
	for _, row := range badOptions {
		_, err := wsdl.Notify(row.options)
		require.ErrorContains(t, err, row.field, "%+v", row.options)
		require.NotContains(t, err.Error(), "secret", "%+v", row.options)

		_, err = wsdl.NewHandler(row.options)
		require.ErrorContains(t, err, row.field, "%+v", row.options)
	}
}

func TestNotifyWritesOptions(t *testing.T) {
	options := []wsdl.NotifyOptions{
		{Address: "http://adapter.internal:8080/emta"},
		{Address: "https://adapter.internal/emta", Namespace: "http://at.x-road.eu"},
		{Address: "http://adapter/emta", Namespace: "urn:at:notify"},
		{Address: `http://adapter/a&b'c"<d>`, Namespace: `http://at.x-road.eu/?a=1&b="<c>"`},
		// Values that are placeholders of one another.
		{Address: "http://tkt.x-road.eu", Namespace: "http://127.0.0.1:8080/emta"},
	}
	for _, o := range options {
		doc := parse(t, render(t, o))
		want := o.Namespace
		if want == "" {
			want = wsdl.DefaultNotifyNamespace
		}
		root := doc.Root()
		require.Equal(t, want, root.SelectAttrValue("targetNamespace", ""))
		require.Equal(t, want, only(t, doc, nsXSD, "schema").SelectAttrValue("targetNamespace", ""))
		require.Equal(t, o.Address, only(t, doc, nsSOAP, "address").SelectAttrValue("location", ""))
		for _, ref := range references(doc) {
			space, local := qname(ref.element, ref.value)
			if space != nsXRoad {
				require.Equal(t, want, space, "%s %q", ref.element.GetPath(), ref.value)
				require.NotEmpty(t, local)
			}
		}
		text := string(render(t, o))
		require.Equal(t, want == wsdl.DefaultNotifyNamespace || strings.Contains(o.Address, "tkt.x-road.eu"),
			strings.Contains(text, wsdl.DefaultNotifyNamespace), "default namespace left in %+v", o)
	}
}

// As a client does it: every schemaLocation is resolved against the URL where its document was found.
func TestSchemaLocationsResolve(t *testing.T) {
	rows := []struct{ address, found string }{
		{"http://adapter.internal/emta", "/emta?wsdl"},
		{"https://proxy.example/at/em%20ta", "/at/em%20ta?WSDL"},
		{"http://adapter.internal/a:b", "/a:b?wsdl"},
		{"http://adapter.internal/emta/", "/emta/?wsdl"},
		{"http://adapter.internal", "/?wsdl"},
	}
	for _, row := range rows {
		server := httptest.NewServer(newHandler(t, wsdl.NotifyOptions{Address: row.address}))
		t.Cleanup(server.Close)

		seen := map[string]bool{}
		walk(t, server.URL+row.found, seen)
		require.Len(t, seen, 4, "%s: the WSDL, xroad.xsd, identifiers.xsd, xml.xsd, but met %v", row.found, seen)
	}
}

func walk(t *testing.T, at string, seen map[string]bool) {
	t.Helper()
	if seen[at] {
		return
	}
	seen[at] = true
	response, err := http.Get(at)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode, at)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)

	base, err := url.Parse(at)
	require.NoError(t, err)
	for _, e := range all(parse(t, body), nsXSD, "import") {
		location := e.SelectAttrValue("schemaLocation", "")
		require.NotEmpty(t, location, "import of %s in %s", e.SelectAttrValue("namespace", ""), at)
		next, err := base.Parse(location)
		require.NoError(t, err)
		require.Equal(t, base.Host, next.Host, "leads away from where the document was found")

		walk(t, next.String(), seen)
		imported := fetch(t, next.String())
		require.Equal(t, e.SelectAttrValue("namespace", ""), imported.Root().SelectAttrValue("targetNamespace", ""), location)
	}
}

func TestHandler(t *testing.T) {
	h := newHandler(t, wsdl.NotifyOptions{Address: "http://adapter/emta"})
	ok := []string{"/emta?wsdl", "/emta?WSDL", "/emta?Wsdl=", "/emta?a=b&wsdl=1", "/emta/xroad.xsd", "/emta/identifiers.xsd",
		"/emta/representation.xsd", "/emta/security-token.xsd", "/emta/xml.xsd"}
	for _, target := range ok {
		get := serve(h, http.MethodGet, target, nil)
		require.Equal(t, http.StatusOK, get.Code, target)
		require.Equal(t, "text/xml; charset=UTF-8", get.Header().Get("Content-Type"), target)
		require.Equal(t, "nosniff", get.Header().Get("X-Content-Type-Options"), target)
		parse(t, get.Body.Bytes())

		etag := get.Header().Get("ETag")
		require.NotEmpty(t, etag, target)
		again := serve(h, http.MethodGet, target, http.Header{"If-None-Match": {etag}})
		require.Equal(t, http.StatusNotModified, again.Code, target)

		head := serve(h, http.MethodHead, target, nil)
		require.Equal(t, http.StatusOK, head.Code, target)
		require.Empty(t, head.Body.Bytes(), target)
		require.Equal(t, get.Header().Get("Content-Length"), head.Header().Get("Content-Length"), target)
	}
	for _, target := range []string{"/emta", "/emta?xsd=1", "/emta/", "/emta/nothing.xsd", "/emta/doc.go", "/emta/XROAD.XSD"} {
		require.Equal(t, http.StatusNotFound, serve(h, http.MethodGet, target, nil).Code, target)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		refused := serve(h, method, "/emta?wsdl", nil)
		require.Equal(t, http.StatusMethodNotAllowed, refused.Code, method)
		require.Equal(t, "GET, HEAD", refused.Header().Get("Allow"), method)
	}
}

func TestETagFollowsSettings(t *testing.T) {
	tag := func(address string) string {
		h := newHandler(t, wsdl.NotifyOptions{Address: address})
		return serve(h, http.MethodGet, "/emta?wsdl", nil).Header().Get("ETag")
	}
	require.Equal(t, tag("http://a/emta"), tag("http://a/emta"))
	require.NotEqual(t, tag("http://a/emta"), tag("http://b/emta"))
}

func TestSchema(t *testing.T) {
	b, ok := wsdl.Schema("xroad.xsd")
	require.True(t, ok)
	clear(b) // is the caller's own
	b, _ = wsdl.Schema("xroad.xsd")
	require.Equal(t, nsXRoad, parse(t, b).Root().SelectAttrValue("targetNamespace", ""))

	for _, name := range []string{"", ".", "XROAD.xsd", "../go.mod", "doc.go", "cpgOrderNotify.wsdl"} {
		_, ok := wsdl.Schema(name)
		require.False(t, ok, name)
	}
}

func newHandler(t testing.TB, o wsdl.NotifyOptions) http.Handler {
	t.Helper()
	h, err := wsdl.NewHandler(o)
	require.NoError(t, err)
	return h
}

func serve(h http.Handler, method, target string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func fetch(t testing.TB, at string) *etree.Document {
	t.Helper()
	response, err := http.Get(at)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return parse(t, body)
}

func render(t testing.TB, o wsdl.NotifyOptions) []byte {
	t.Helper()
	b, err := wsdl.Notify(o)
	require.NoError(t, err, "%+v", o)
	return b
}

func parse(t testing.TB, b []byte) *etree.Document {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromBytes(b))
	require.NotNil(t, doc.Root())
	return doc
}

// all returns the elements of that name in document order.
func all(doc *etree.Document, space, local string) []*etree.Element {
	var found []*etree.Element
	for _, e := range doc.FindElements("//" + local) {
		if e.NamespaceURI() == space {
			found = append(found, e)
		}
	}
	return found
}

func only(t testing.TB, doc *etree.Document, space, local string) *etree.Element {
	t.Helper()
	found := all(doc, space, local)
	require.Len(t, found, 1, "{%s}%s", space, local)
	return found[0]
}

type reference struct {
	element *etree.Element
	value   string
}

// references returns the qualified names by which parts of a WSDL refer to one another.
func references(doc *etree.Document) []reference {
	var found []reference
	for _, e := range doc.FindElements("//*") {
		if e.NamespaceURI() != nsWSDL && e.NamespaceURI() != nsSOAP {
			continue
		}
		for _, key := range []string{"element", "message", "type", "binding"} {
			if a := e.SelectAttr(key); a != nil {
				found = append(found, reference{e, a.Value})
			}
		}
	}
	return found
}

// qname resolves a qualified name in an attribute's value with the declarations in scope at e.
func qname(e *etree.Element, value string) (space, local string) {
	prefix, local, ok := strings.Cut(value, ":")
	if !ok {
		prefix, local = "", value
	}
	for ; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			if prefix != "" && a.Space == "xmlns" && a.Key == prefix || prefix == "" && a.FullKey() == "xmlns" {
				return a.Value, local
			}
		}
	}
	return "", local
}
