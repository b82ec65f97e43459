package soap_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const notifyNamespace = "http://tkt.x-road.eu"

var (
	notifyRequest  = xml.Name{Space: notifyNamespace, Local: "cpgOrderNotifyRequest"}
	notifyResponse = xml.Name{Space: notifyNamespace, Local: "cpgOrderNotifyResponse"}
)

// notify serves both versions of cpgOrderNotify with serve.
func notify(serve func(context.Context, *soap.Request, *etree.Element) error) []soap.Operation {
	op := soap.Operation{ServiceCode: "cpgOrderNotify", ServiceVersion: "v1", Request: notifyRequest, Response: notifyResponse, Serve: serve}
	unversioned := op
	unversioned.ServiceVersion = ""
	return []soap.Operation{op, unversioned}
}

// echo answers with the unqualified id of the request.
func echo(_ context.Context, req *soap.Request, response *etree.Element) error {
	response.CreateElement("id").SetText(req.Body.SelectElement("id").Text())
	return nil
}

func notFound(_ context.Context, req *soap.Request, _ *etree.Element) error {
	return soap.ServerFault("Order not found with id: "+req.Body.SelectElement("id").Text(), nil)
}

func fixedID() string { return "request-1" }

// goodFiles are the requests that must be accepted, by case.
func goodFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"sample": readFile(t, "testdata/messages/cpgOrderNotifyRequest.xml")}
	for path, raw := range globbed(t, "testdata/good/*.xml") {
		name := strings.TrimSuffix(filepath.Base(path), ".xml")
		if !strings.HasSuffix(name, ".answer") && !strings.HasSuffix(name, ".fault") {
			files[name] = raw
		}
	}
	require.Greater(t, len(files), 20)
	return files
}

// globbed are the files of a pattern, by path.
func globbed(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, paths, pattern)
	files := make(map[string][]byte, len(paths))
	for _, path := range paths {
		files[path] = readFile(t, path)
	}
	return files
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// golden compares got with the file, or rewrites it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
		return
	}
	require.Equal(t, string(readFile(t, path)), string(got), path)
}

// base is a request that is right in all.
func base(t testing.TB) string {
	t.Helper()
	return string(readFile(t, "testdata/good/plain.xml"))
}

// answered is an HTTP answer, read whole.
type answered struct {
	status int
	fields http.Header
	body   []byte
}

// post sends body to a server with handler, over a real socket.
func post(t testing.TB, handler http.Handler, body string, edit ...func(*http.Request)) answered {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	r, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	for _, e := range edit {
		e(r)
	}
	response, err := server.Client().Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(response.Body)
	require.NoError(t, err)
	return answered{response.StatusCode, response.Header, b.Bytes()}
}

// fault requires what every fault of ours has over HTTP and returns it with its reason and field.
func (a answered) fault(t testing.TB) (f *soap.Fault, reason, field string) {
	t.Helper()
	require.Equal(t, http.StatusInternalServerError, a.status, string(a.body))
	require.Equal(t, "text/xml; charset=UTF-8", a.fields.Get("Content-Type"))
	require.Equal(t, "nosniff", a.fields.Get("X-Content-Type-Options"))
	m, err := soap.ParseAnswer(a.body, soap.Limits{})
	require.NoError(t, err, string(a.body))
	require.NotNil(t, m.Fault, string(a.body))
	if d := m.Fault.Detail; d != nil {
		require.Equal(t, "request-1", childText(d, "requestId"), string(a.body))
		reason, field = childText(d, "reason"), childText(d, "field")
	}
	return m.Fault, reason, field
}

// childText is the text of the unqualified child, "" without one.
func childText(el *etree.Element, name string) string {
	for _, child := range el.ChildElements() {
		if child.Tag == name && child.NamespaceURI() == "" {
			return child.Text()
		}
	}
	return ""
}

// comparable is the header without what an answer does not repeat.
func comparable(h xroadhdr.Header) xroadhdr.Header {
	h.RequestHash = nil
	return h
}
