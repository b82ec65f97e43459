package soap_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/soap"
)

func BenchmarkParseRequest(b *testing.B) {
	raw := []byte(base(b))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := soap.ParseRequest(raw, soap.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	message := base(b)
	handler := soap.NewHandler(soap.HandlerOptions{}, notify(echo)...)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(message))
		r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body.String())
		}
	}
}

// One attachment of 1 MiB, from one and to the other end of a socket.
func BenchmarkAttachment(b *testing.B) {
	content := strings.Repeat("0123456789abcdef", 1<<16)
	handler := soap.NewHandler(soap.HandlerOptions{}, storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
		r.Attach(r.Attachments[0])
		return nil
	}))
	server := httptest.NewServer(handler)
	defer server.Close()
	sender := newSender(b, soap.SenderOptions{URL: server.URL})
	b.SetBytes(2 * int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := sender.Send(b.Context(), storeCall(textAttachment("a", content)))
		if err != nil {
			b.Fatal(err)
		}
		if m.Attachments[0].Size != int64(len(content)) {
			b.Fatal(m.Attachments[0].Size)
		}
		_ = m.Close()
	}
}

// Parts of a message in base64, as many as are allowed.
func BenchmarkReadMultipart(b *testing.B) {
	letter := "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("MDEyMzQ1Njc4OWFiY2RlZg=="[:20]+"\r\n", 500)
	list := []string{soapPart(b, "")}
	for range 100 {
		list = append(list, letter)
	}
	message := joined(list...)
	handler := soap.NewHandler(soap.HandlerOptions{}, storeDocument(accept))
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(message))
		r.Header.Set("Content-Type", related)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body.String())
		}
	}
}
