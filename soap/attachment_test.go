package soap_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"regexp"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

const docsNamespace = "urn:example:docs"

type serve func(context.Context, *soap.Request, *etree.Element) error

// storeDocument is an operation that takes attachments.
func storeDocument(s serve) soap.Operation {
	return soap.Operation{
		ServiceCode: "storeDocument", ServiceVersion: "v1", Attachments: true, Serve: s,
		Request:  xml.Name{Space: docsNamespace, Local: "storeDocument"},
		Response: xml.Name{Space: docsNamespace, Local: "storeDocumentResponse"},
	}
}

// storeCall calls it with the header of the files in testdata/multipart.
func storeCall(attachments ...*soap.Attachment) soap.Call {
	user := "EE60001019906"
	docs := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000001", SubsystemCode: "docs"}
	body := etree.NewElement("d:storeDocument")
	body.CreateAttr("xmlns:d", docsNamespace)
	for _, a := range attachments {
		if a.ContentID != "" {
			body.CreateElement("document").SetText(a.Reference())
		}
	}
	return soap.Call{
		Header: xroadhdr.Header{
			Client:  xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11000001", SubsystemCode: "shop"},
			Service: docs.Service("storeDocument", "v1"), UserID: &user,
		},
		Body: body, Response: storeDocument(nil).Response, Attachments: attachments, AnswerAttachments: true,
	}
}

const storedID = "5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11"

func newSender(t testing.TB, o soap.SenderOptions) *soap.Sender {
	t.Helper()
	o.NewID = func() string { return storedID }
	sender, err := soap.NewSender(o)
	require.NoError(t, err)
	return sender
}

// textAttachment is one to be sent.
func textAttachment(id, content string) *soap.Attachment {
	return &soap.Attachment{ContentID: id, ContentType: "text/plain", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// multipartMessage is a body with its Content-Type.
type multipartMessage struct{ contentType, body string }

// multipartFiles are the good messages of several toolkits, each a whole HTTP body after its Content-Type field.
func multipartFiles(t testing.TB) map[string]multipartMessage {
	t.Helper()
	files := map[string]multipartMessage{}
	for path, raw := range globbed(t, "testdata/multipart/*.txt") {
		field, body, ok := strings.Cut(string(raw), "\r\n\r\n")
		value, named := strings.CutPrefix(field, "Content-Type: ")
		require.True(t, ok && named, path)
		files[strings.TrimSuffix(path[len("testdata/multipart/"):], ".txt")] = multipartMessage{value, body}
	}
	return files
}

func (m multipartMessage) edit(r *http.Request) { r.Header.Set("Content-Type", m.contentType) }

// answered makes the request in m an answer.
func (m multipartMessage) answered() multipartMessage {
	return multipartMessage{m.contentType, strings.ReplaceAll(m.body, "d:storeDocument", "d:storeDocumentResponse")}
}

type part struct{ id, contentType, content string }

// parts reads attachments whole.
func parts(t testing.TB, attachments []*soap.Attachment) []part {
	t.Helper()
	var list []part
	for _, a := range attachments {
		content := read(t, a)
		require.EqualValues(t, len(content), a.Size)
		list = append(list, part{a.ContentID, a.ContentType, content})
	}
	return list
}

func read(t testing.TB, a *soap.Attachment) string {
	t.Helper()
	r, err := a.Open()
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(content)
}

// What is in testdata/multipart, and what the document elements refer to. The numbers are those of the fact sheet's §9.3.
var goodMultipart = []struct {
	file      string
	parts     []part
	documents []int
}{
	{"soap-only", nil, nil}, // 51
	{"saaj", []part{{"letter", "text/plain; charset=UTF-8", strings.Repeat("Tere, õu! ", 12)},
		{"picture@shop", "image/png", "\x89PNG\r\n\x1a\n\x00\xff\r\n--not-the-boundary\r\n\r\n"}}, []int{0, 1}}, // 52
	{"special-boundary", []part{{"a", "a/b", "--'()+_,-./:=? y\r\n--'()+_"}}, []int{0}}, // 53
	{"cxf-mtom", []part{{"7f3e-1@urn%3Aexample%3Adocs", "application/pdf", "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"}}, []int{0}},
	{"wcf-mtom", []part{{"http://tempuri.org/1/6359", "application/octet-stream", allBytes()}, {"http://tempuri.org/2", "application/octet-stream", ""}}, []int{0, 1}},
	{"unquoted", []part{{"letter", "text/plain", "without brackets"}}, []int{0}},
	{"lower-case-names", []part{{"1.urn:uuid:A1+2@apache.org", "text/xml", "<a/>"}}, []int{0}},
	{"byte-order-mark", []part{{"a", "text/plain", "\ufeffkept"}}, []int{0}},
	{"preamble-epilogue", []part{{"a", "text/plain", "one\r\n"}}, []int{0}},
	{"quoted-printable", []part{{"a", "text/plain; charset=UTF-8", "õu=1 and a soft break\r\n"}}, []int{0}},
	{"unreferenced", []part{{"", "text/plain", "first"}, {"", `text/plain; name="folded"`, "second õ"}}, nil},
	{"line-feeds", []part{{"a", "text/plain", "one\n"}}, []int{0}},
}

func allBytes() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func TestHandlerReadsAttachments(t *testing.T) {
	files := multipartFiles(t)
	for _, test := range goodMultipart {
		t.Run(test.file, func(t *testing.T) {
			served := false
			handler := soap.NewHandler(soap.HandlerOptions{}, storeDocument(func(_ context.Context, req *soap.Request, _ *etree.Element) error {
				served = true
				require.Equal(t, test.parts, parts(t, req.Attachments))
				require.Equal(t, test.parts, parts(t, req.Attachments), "as often as one likes")
				documents := req.Body.SelectElements("document")
				require.Len(t, documents, len(test.documents))
				for i, want := range test.documents {
					a, err := req.Resolve(documents[i])
					require.NoError(t, err)
					require.Same(t, req.Attachments[want], a)
				}
				return nil
			}))
			a := post(t, handler, files[test.file].body, files[test.file].edit)
			require.Equal(t, http.StatusOK, a.status, string(a.body))
			require.Equal(t, "text/xml; charset=UTF-8", a.fields.Get("Content-Type"), "nothing was attached to the answer")
			require.True(t, served)
		})
	}
	require.Len(t, goodMultipart, len(files)-len(ours), "every file has a row")
}

// ours are the files that we wrote.
var ours = []string{"ours-request-swa", "ours-request-mtom", "ours-answer-swa", "ours-answer-mtom"}

// 80, with what each toolkit writes.
func TestSenderReadsAttachments(t *testing.T) {
	files := multipartFiles(t)
	for _, test := range goodMultipart {
		t.Run(test.file, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				respond(w, http.StatusOK, files[test.file].contentType, files[test.file].answered().body)
			}))
			defer server.Close()
			m, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(t.Context(), storeCall())
			require.NoError(t, err)
			require.Equal(t, test.parts, parts(t, m.Attachments))
			for i, document := range m.Body.SelectElements("document") {
				a, err := m.Resolve(document)
				require.NoError(t, err)
				require.Same(t, m.Attachments[test.documents[i]], a)
			}
			require.True(t, bytes.HasSuffix(bytes.TrimSpace(m.Raw), []byte("Envelope>")), "the SOAP part alone")
			require.NoError(t, m.Close())
		})
	}
}

func TestAttachmentKeepsPartHeader(t *testing.T) {
	handler := soap.NewHandler(soap.HandlerOptions{}, storeDocument(func(_ context.Context, req *soap.Request, _ *etree.Element) error {
		require.Equal(t, textproto.MIMEHeader{"Content-Type": {"text/plain"}, "X-Origin": {"scanner", "second"}}, req.Attachments[0].Header)
		return nil
	}))
	m := multipartFiles(t)["unreferenced"]
	require.Equal(t, http.StatusOK, post(t, handler, m.body, m.edit).status)
	handler = soap.NewHandler(soap.HandlerOptions{}, storeDocument(func(_ context.Context, req *soap.Request, _ *etree.Element) error {
		require.Equal(t, "Quoted-Printable", req.Attachments[0].Header.Get("Content-Transfer-Encoding"))
		return nil
	}))
	m = multipartFiles(t)["quoted-printable"]
	require.Equal(t, http.StatusOK, post(t, handler, m.body, m.edit).status)
}

var boundaries = regexp.MustCompile(`boundary=([0-9a-f]{60})`)

// wire is the message as in testdata/multipart, its random boundary made plain.
func wire(t testing.TB, contentType, body string) []byte {
	t.Helper()
	boundary := boundaries.FindStringSubmatch(contentType)
	require.NotNil(t, boundary, contentType)
	return []byte(strings.ReplaceAll("Content-Type: "+contentType+"\r\n\r\n"+body, boundary[1], "BOUNDARY"))
}

// include makes el the MTOM form of a reference.
func include(el *etree.Element, a *soap.Attachment) {
	i := el.CreateElement("xop:Include")
	i.CreateAttr("xmlns:xop", soap.NamespaceXOP)
	i.CreateAttr("href", a.Reference())
}

func TestAttachmentsAreSent(t *testing.T) {
	binary := textAttachment("7 kB+ä@shop", allBytes())
	binary.ContentType = "application/octet-stream"
	binary.Header = textproto.MIMEHeader{"content-disposition": {`attachment; filename="all.bin"`}, "Content-Transfer-Encoding": {"base64"}}
	for _, form := range []string{"swa", "mtom"} {
		t.Run(form, func(t *testing.T) {
			reference := func(el *etree.Element, a *soap.Attachment) {
				if form == "mtom" {
					include(el, a)
				} else {
					el.SetText(a.Reference())
				}
			}
			handler := soap.NewHandler(soap.HandlerOptions{}, storeDocument(func(_ context.Context, req *soap.Request, response *etree.Element) error {
				require.Equal(t, []string{binary.ContentID, ""}, []string{req.Attachments[0].ContentID, req.Attachments[1].ContentID})
				a, err := req.Resolve(req.Body.SelectElement("document"))
				require.NoError(t, err)
				require.Equal(t, allBytes(), read(t, a))
				reference(response.CreateElement("document"), a)
				req.Attach(a) // one that came is sent on
				return nil
			}))
			var request, answer []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, []string{"chunked"}, r.TransferEncoding)
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				request = wire(t, r.Header.Get("Content-Type"), string(body))
				r.Body = io.NopCloser(bytes.NewReader(body))
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, r)
				answer = wire(t, recorder.Header().Get("Content-Type"), recorder.Body.String())
				maps.Copy(w.Header(), recorder.Header())
				w.WriteHeader(recorder.Code)
				_, _ = w.Write(recorder.Body.Bytes())
			}))
			defer server.Close()
			c := storeCall(binary, textAttachment("", "loose"))
			c.Body.SelectElement("document").SetText("")
			reference(c.Body.SelectElement("document"), binary)
			m, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(t.Context(), c)
			require.NoError(t, err)
			defer m.Close()
			golden(t, "testdata/multipart/ours-request-"+form+".txt", request)
			golden(t, "testdata/multipart/ours-answer-"+form+".txt", answer)
			a, err := m.Resolve(m.Body.SelectElement("document"))
			require.NoError(t, err)
			require.Equal(t, []part{{binary.ContentID, binary.ContentType, allBytes()}}, parts(t, []*soap.Attachment{a}))
			require.Equal(t, `attachment; filename="all.bin"`, a.Header.Get("Content-Disposition"))
		})
	}
}

func TestAttachmentReference(t *testing.T) {
	for id, want := range map[string]string{"": "", "a@b": "cid:a@b", "a+b%c": "cid:a%2Bb%25c", "http://x/1": "cid:http:%2F%2Fx%2F1", "õ <": "cid:%C3%B5%20%3C"} {
		require.Equal(t, want, (&soap.Attachment{ContentID: id}).Reference(), id)
	}
}

func TestResolveRefusesOtherElements(t *testing.T) {
	a := textAttachment("a%40b", "x")
	request := &soap.Request{Attachments: []*soap.Attachment{textAttachment("", "y"), a}}
	tests := []struct{ name, element, field string }{
		{"no reference", "<d>letter</d>", "d"},
		{"empty", "<d/>", "d"},
		{"scheme alone", "<d>cid:</d>", "d"},
		{"unknown", "<d>cid:b</d>", "d"},
		{"other scheme", "<d>http://x/a</d>", "d"},
		{"Include of another namespace", `<d><Include href="cid:a%2540b"/></d>`, "d"},
		{"Include without href", `<d><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include"/></d>`, "d"},
		{"Include beside text", `<d>a<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a%2540b"/></d>`, "d"},
		{"two Includes", `<d xmlns:x="http://www.w3.org/2004/08/xop/include"><x:Include href="cid:a%2540b"/><x:Include href="cid:a%2540b"/></d>`, "d"},
		{"missing element", "", "Body"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			document := etree.NewDocument()
			require.NoError(t, document.ReadFromString(test.element))
			_, err := request.Resolve(document.Root())
			var f *soap.Fault
			require.ErrorAs(t, err, &f)
			require.Equal(t, []string{"Client", soap.ReasonUnknownAttachment, test.field}, []string{f.Code, f.Reason, f.Field})
			_, err = (&soap.Message{Attachments: request.Attachments}).Resolve(document.Root())
			require.Error(t, err)
			require.False(t, errors.As(err, &f), "what another service did is no fault of our caller's")
		})
	}
	for _, element := range []string{"<d>cid:a%2540b</d>", "<d> CID:a%40b\n</d>", `<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a@b"/>`} {
		document := etree.NewDocument()
		require.NoError(t, document.ReadFromString(element))
		got, err := request.Resolve(document.Root())
		require.NoError(t, err, element)
		require.Same(t, a, got)
	}
}
