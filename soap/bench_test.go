package soap_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
