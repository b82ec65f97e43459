package soap_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

const related = `multipart/related; type="text/xml"; boundary="b"`

// soapPart is a right SOAP part that holds documents.
func soapPart(t testing.TB, documents string) string {
	return "Content-Type: text/xml; charset=UTF-8\r\nContent-ID: <root>\r\n\r\n" + envelope(t, documents)
}

func envelope(t testing.TB, documents string) string {
	t.Helper()
	_, message, ok := strings.Cut(multipartFiles(t)["soap-only"].body, "\r\n\r\n")
	require.True(t, ok)
	message, _, ok = strings.Cut(message, "\r\n--only--")
	require.True(t, ok)
	return swap(t, message, "></d:storeDocument>", ">"+documents+"</d:storeDocument>")
}

// joined is a body of the parts.
func joined(parts ...string) string {
	return "--b\r\n" + strings.Join(parts, "\r\n--b\r\n") + "\r\n--b--\r\n"
}

type badMultipart struct {
	name, contentType, body, reason, field string
}

// The numbers are those of the fact sheet's §9.3.
func badMultiparts(t testing.TB) []badMultipart {
	root := soapPart(t, "")
	letter := "Content-Type: text/plain\r\nContent-ID: <a>\r\n\r\nletter"
	whole := joined(root, letter)
	encoded := func(encoding string) string {
		return swap(t, root, "\r\n\r\n", "\r\nContent-Transfer-Encoding: "+encoding+"\r\n\r\n")
	}
	attachment := func(header, content string) string { return joined(root, header+"\r\n\r\n"+content) }
	const mimeReason, typeReason, length = soap.ReasonMIME, soap.ReasonInvalidContentType, soap.ReasonTooLarge
	start := func(value string) string { return related + `; start="` + value + `"` }
	include := `<d><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:b"/></d>`
	return []badMultipart{
		{"54 attachment first", start("<root>"), joined(letter, root), typeReason, "part 1/Content-Type"},
		{"54 XML attachment first", start("<root>"), joined("Content-Type: text/xml\r\nContent-ID: <a>\r\n\r\n<a/>", root), typeReason, "Content-Type"},
		{"54 start names the attachment", start("<a>"), whole, typeReason, "Content-Type"},
		{"54 start names nothing", start("nothing"), whole, typeReason, "Content-Type"},
		{"54 start without quotes", `multipart/related; type=text/xml; start=<a>; boundary=b`, whole, typeReason, "Content-Type"},
		{"55 attachment without Content-Type", related, attachment("Content-ID: <a>", "x"), typeReason, "part 2/Content-Type"},
		{"55 attachment with an empty one", related, attachment("Content-Type:", "x"), typeReason, "part 2/Content-Type"},
		{"55 attachment without a header", related, attachment("", "x"), typeReason, "part 2/Content-Type"},
		{"55 SOAP part without Content-Type", related, joined("Content-ID: <r>\r\n\r\n<a/>"), typeReason, "part 1/Content-Type"},
		{"SOAP part of SOAP 1.2", related, joined(swap(t, root, "text/xml", "application/soap+xml")), typeReason, "part 1/Content-Type"},
		{"SOAP part in another charset", related, joined(swap(t, root, "UTF-8", "ISO-8859-1")), typeReason, "part 1/Content-Type"},
		{"another charset", related + "; charset=UTF-16", whole, typeReason, "Content-Type"},
		{"56 no parts", related, "--b--\r\n", soap.ReasonMissingSOAP, "message"},
		{"56 no parts, preamble", related, "nothing\r\n--b--\r\n", soap.ReasonMissingSOAP, "message"},
		{"56 no boundary parameter", `multipart/related; type="text/xml"`, whole, typeReason, "Content-Type"},
		{"56 empty boundary", `multipart/related; boundary=""`, whole, typeReason, "Content-Type"},
		{"56 long boundary", `multipart/related; boundary=` + strings.Repeat("b", 71), whole, typeReason, "Content-Type"},
		{"56 two boundaries", `multipart/related; boundary=b; boundary=c`, whole, typeReason, "Content-Type"},
		{"56 boundary that ends in a blank", `multipart/related; boundary="b "`, whole, typeReason, "Content-Type"},
		{"56 boundary with a blank and no quotes", `multipart/related; boundary=b=1 c`, whole, typeReason, "Content-Type"},
		{"56 open quote", `multipart/related; boundary="b`, whole, typeReason, "Content-Type"},
		{"56 another boundary", `multipart/related; boundary="c"`, whole, mimeReason, "message"},
		{"56 no final boundary", related, strings.TrimSuffix(whole, "\r\n--b--\r\n"), mimeReason, "message"},
		{"56 no final boundary, SOAP part only", related, "--b\r\n" + root, mimeReason, "message"},
		{"56 final boundary cut", related, strings.TrimSuffix(whole, "-\r\n"), mimeReason, "message"},
		{"56 final boundary half", related, strings.TrimSuffix(whole, "--\r\n"), mimeReason, "message"},
		{"56 cut after a delimiter", related, joined(root)[:len(joined(root))-4] + "\r\n", mimeReason, "message"},
		{"56 cut in a header", related, "--b\r\n" + root + "\r\n--b\r\nContent-Type: text/plain", mimeReason, "message"},
		{"56 cut after a header", related, "--b\r\n" + root + "\r\n--b\r\nContent-Type: text/plain\r\n\r\n", mimeReason, "message"},
		{"57 base64 SOAP part", related, joined(encoded("base64")), mimeReason, "part 1/Content-Transfer-Encoding"},
		{"57 quoted-printable SOAP part", related, joined(encoded("Quoted-Printable")), mimeReason, "part 1/Content-Transfer-Encoding"},
		{"57 unknown encoding", related, joined(encoded("x-own")), mimeReason, "part 1/Content-Transfer-Encoding"},
		{"58 unknown href", related, joined(soapPart(t, include), letter), soap.ReasonUnknownAttachment, "Include"},
		{"58 equal Content-IDs", related, joined(root, letter, letter), soap.ReasonDuplicateContentID, "part 3/Content-ID"},
		{"58 Content-ID of the SOAP part", related, joined(root, swap(t, letter, "<a>", "root")), soap.ReasonDuplicateContentID, "part 2/Content-ID"},
		{"58 Content-IDs equal when decoded", related, joined(root, letter, swap(t, letter, "<a>", "<%61>")), soap.ReasonDuplicateContentID, "part 3/Content-ID"},
		{"Content-ID twice", related, joined(root, "Content-ID: <b>\r\n"+letter), mimeReason, "part 2/Content-Id"},
		{"Content-Type twice", related, joined(root, "Content-Type: text/xml\r\n"+letter), mimeReason, "part 2/Content-Type"},
		{"Content-Type twice, SOAP part", related, joined("Content-Type: text/xml\r\n" + root), mimeReason, "part 1/Content-Type"},
		{"blank in a name", related, attachment("Content-Type : text/plain", "x"), mimeReason, "part 2"},
		{"header without a colon", related, attachment("text/plain", "x"), mimeReason, "part 2"},
		{"control character", related, attachment("Content-Type: text/plain\x01", "x"), mimeReason, "part 2"},
		{"base64 that is none", related, attachment("Content-Type: a/b\r\nContent-Transfer-Encoding: base64", "QQ=!"), mimeReason, "part 2"},
		{"base64 without padding", related, attachment("Content-Type: a/b\r\nContent-Transfer-Encoding: base64", "QUI"), mimeReason, "part 2"},
		{"base64 after its padding", related, attachment("Content-Type: a/b\r\nContent-Transfer-Encoding: base64", "QQ==QQ=="), mimeReason, "part 2"},
		{"base64 long after its padding", related, attachment("Content-Type: a/b\r\nContent-Transfer-Encoding: base64", strings.Repeat("QUJD", 1023)+"QQ=="+"QQ=="), mimeReason, "part 2"},
		{"quoted-printable that is none", related, attachment("Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable", "a\x00"), mimeReason, "part 2"},
		{"unknown encoding of an attachment", related, attachment("Content-Type: a/b\r\nContent-Transfer-Encoding: x-uuencode", "x"), mimeReason, "part 2/Content-Transfer-Encoding"},
		{"garbage after a boundary", related, swap(t, whole, "letter\r\n--b--", "letter\r\n--b x\r\n--b--"), mimeReason, "part 3"},
		{"too many attachments", related, joined(root, "Content-Type: a/b\r\n\r\n1", "Content-Type: a/b\r\n\r\n2", "Content-Type: a/b\r\n\r\n3", "Content-Type: a/b\r\n\r\n4"), soap.ReasonTooManyAttachments, "message"},
		{"too long SOAP part", related, joined(root + strings.Repeat(" ", 10_000)), length, "message"},
		{"too long attachment", related, attachment("Content-Type: a/b", strings.Repeat("x", 110_000)), length, "message"},
		{"too long epilogue", related, whole + strings.Repeat("x", 110_000), length, "message"},
		{"too long preamble", related, strings.Repeat("x\r\n", 30_000) + whole, length, "part 1"},
		{"too long line of preamble", related, strings.Repeat("x", 5_000) + "\r\n" + whole, mimeReason, "part 1"},
		{"too long part header", related, attachment("Content-Type: a/b\r\nX: "+strings.Repeat("x", 30_000), ""), length, "part 2"},
		{"base64 of blanks", related, attachment("Content-Type: a/b\r\nContent-Transfer-Encoding: base64", strings.Repeat("\r\n", 55_000)), length, "message"},
	}
}

var multipartLimits = soap.Limits{Bytes: 8_000, AttachmentBytes: 100_000, Attachments: 3}

func TestHandlerRefusesBadMultipart(t *testing.T) {
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID, Limits: multipartLimits},
		storeDocument(func(context.Context, *soap.Request, *etree.Element) error { t.Error("served"); return nil }))
	dir := tempDir(t)
	for _, test := range badMultiparts(t) {
		t.Run(test.name, func(t *testing.T) {
			for _, length := range []int64{int64(len(test.body)), -1} {
				a := post(t, handler, test.body, multipartMessage{contentType: test.contentType}.edit, func(r *http.Request) { r.ContentLength = length })
				f, reason, field := a.fault(t)
				require.Equal(t, "Client", f.Code)
				require.Equal(t, test.reason, reason, f.String)
				if reason != soap.ReasonTooLarge { // the length is told before the part
					require.Equal(t, test.field, field, f.String)
				}
				require.NotContains(t, f.String, "letter", "nothing of the content")
			}
			require.Zero(t, openTempFiles(t, dir))
		})
	}
	a := post(t, handler, "", multipartMessage{contentType: related}.edit)
	_, reason, _ := a.fault(t)
	require.Equal(t, soap.ReasonMissingSOAP, reason, "empty body")
}

func TestSenderRefusesBadMultipart(t *testing.T) {
	dir := tempDir(t)
	for _, test := range append(badMultiparts(t), badMultipart{name: "empty", contentType: related}) {
		t.Run(test.name, func(t *testing.T) {
			answer := multipartMessage{test.contentType, test.body}.answered()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				respond(w, http.StatusOK, answer.contentType, answer.body)
			}))
			defer server.Close()
			m, err := newSender(t, soap.SenderOptions{URL: server.URL, Limits: multipartLimits}).Send(t.Context(), storeCall())
			require.Nil(t, m)
			var failed *soap.CallError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, http.StatusOK, failed.HTTPStatus)
			require.Zero(t, openTempFiles(t, dir))
			if test.body == "" {
				require.Equal(t, soap.FailedHTTP, failed.Failure)
				require.True(t, failed.EmptyBody)
				return
			}
			require.Equal(t, soap.FailedAnswer, failed.Failure, failed.Error())
			require.Equal(t, xroadhdr.Theirs, failed.Kind())
			var field *xroadhdr.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, []string{test.reason, test.field}, []string{field.Code, field.Field}, failed.Error())
		})
	}
}

// The fault of a refused attachment repeats the header: the SOAP part was right.
func TestHandlerEchoesHeaderToBadAttachments(t *testing.T) {
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, storeDocument(accept))
	a := post(t, handler, joined(soapPart(t, ""), "\r\nx"), multipartMessage{contentType: related}.edit)
	_, reason, _ := a.fault(t)
	require.Equal(t, soap.ReasonInvalidContentType, reason)
	m, err := soap.ParseAnswer(a.body, soap.Limits{})
	require.NoError(t, err)
	require.Equal(t, storedID, m.XRoad.ID)
}

// accept serves with an empty answer.
func accept(context.Context, *soap.Request, *etree.Element) error { return nil }

func TestOperationsWithoutAttachmentsRefuseMultipart(t *testing.T) {
	without := storeDocument(accept)
	without.Attachments = false
	with := storeDocument(accept)
	with.ServiceVersion = "v2"
	m := multipartFiles(t)["soap-only"]
	for name, operations := range map[string][]soap.Operation{"alone": {without}, "beside one that takes them": {without, with}} {
		t.Run(name, func(t *testing.T) {
			handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, operations...)
			_, reason, field := post(t, handler, m.body, m.edit).fault(t)
			require.Equal(t, []string{soap.ReasonInvalidContentType, "Content-Type"}, []string{reason, field})
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, m.contentType, m.answered().body)
	}))
	defer server.Close()
	c := storeCall()
	c.AnswerAttachments = false
	_, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(t.Context(), c)
	require.ErrorContains(t, err, "attachments are not accepted")
}

// Nobody who may not call fills our disk.
func TestHandlerReadsAttachmentsLast(t *testing.T) {
	root := soapPart(t, "")
	limits := soap.Limits{Bytes: 8_000, AttachmentBytes: 1 << 40}
	options := soap.HandlerOptions{Limits: limits, NewID: fixedID, Allowed: func(xroadhdr.ClientID) bool { return false }}
	dir := tempDir(t)
	for name, start := range map[string]string{"access denied": root, "unreadable": "Content-Type: text/xml\r\n\r\n<a"} {
		t.Run(name, func(t *testing.T) {
			body := &countedReader{r: io.MultiReader(strings.NewReader("--b\r\n"+start+"\r\n--b\r\nContent-Type: a/b\r\n\r\n"), neverEnding{})}
			r := httptest.NewRequest(http.MethodPost, "/", body)
			r.ContentLength = -1
			r.Header.Set("Content-Type", related)
			w := httptest.NewRecorder()
			soap.NewHandler(options, storeDocument(accept)).ServeHTTP(w, r)
			require.Equal(t, http.StatusInternalServerError, w.Code)
			require.Equal(t, "close", w.Header().Get("Connection"))
			require.Less(t, body.n, int64(40_000))
			require.Zero(t, openTempFiles(t, dir))
		})
	}
}

type countedReader struct {
	r io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// The input of requestHash is the body of the first part, byte for byte (§2.3).
func TestSenderHashesFirstPart(t *testing.T) {
	hash := func(b []byte) string {
		sum := sha512.Sum512(b)
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	for name, test := range map[string]struct {
		hashed func(body, first []byte) string
		fails  bool
	}{
		"first part":      {func(_, first []byte) string { return hash(first) }, false},
		"whole body":      {func(body, _ []byte) string { return hash(body) }, true},
		"part and a CRLF": {func(_, first []byte) string { return hash(append(first, '\r', '\n')) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				_, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
				require.NoError(t, err)
				first, err := multipart.NewReader(bytes.NewReader(body), parameters["boundary"]).NextRawPart()
				require.NoError(t, err)
				raw, err := io.ReadAll(first)
				require.NoError(t, err)
				req, err := soap.ParseRequest(raw, soap.Limits{})
				require.NoError(t, err)
				wrapper := etree.NewElement("d:storeDocumentResponse")
				wrapper.CreateAttr("xmlns:d", docsNamespace)
				reply, err := soap.Reply(req, wrapper)
				require.NoError(t, err)
				message := swap(t, string(reply), "</xrd:id>", `</xrd:id><xrd:requestHash algorithmId="http://www.w3.org/2001/04/xmlenc#sha512">`+test.hashed(body, raw)+`</xrd:requestHash>`)
				respond(w, http.StatusOK, related, joined("Content-Type: text/xml\r\n\r\n"+message, "Content-Type: text/plain\r\n\r\nletter"))
			}))
			defer server.Close()
			sender := newSender(t, soap.SenderOptions{URL: server.URL, RequestHash: soap.RefuseHash})
			m, err := sender.Send(t.Context(), storeCall(textAttachment("a", "letter")))
			if test.fails {
				require.ErrorContains(t, err, soap.HashWrong)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []part{{"", "text/plain", "letter"}}, parts(t, m.Attachments))
		})
	}
}

// Limits hold for what is at them.
func TestAttachmentsAtTheLimits(t *testing.T) {
	root := soapPart(t, "")
	three := joined(root, "Content-Type: a/b\r\n\r\n1", "Content-Type: a/b\r\n\r\n2", "Content-Type: a/b\r\n\r\n3")
	full := joined(root, "Content-Type: a/b\r\n\r\n"+strings.Repeat("x", 100_000))
	full += strings.Repeat("x", 108_000-len(full))
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID, Limits: multipartLimits}, storeDocument(accept))
	for name, body := range map[string]string{"count": three, "bytes": full} {
		for _, length := range []int64{int64(len(body)), -1} {
			a := post(t, handler, body, multipartMessage{contentType: related}.edit, func(r *http.Request) { r.ContentLength = length })
			require.Equal(t, http.StatusOK, a.status, fmt.Sprint(name, string(a.body)))
		}
	}
	_, reason, _ := post(t, handler, full+"x", multipartMessage{contentType: related}.edit).fault(t)
	require.Equal(t, soap.ReasonTooLarge, reason)
}
