package soap_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// Whatever parts are accepted can be sent, and come out equal at the other side, both as a request and as an answer; and what is
// refused is refused with a fault.
func FuzzReadMultipart(f *testing.F) {
	for _, m := range multipartFiles(f) {
		f.Add(m.contentType, []byte(m.body))
	}
	for _, m := range badMultiparts(f) {
		f.Add(m.contentType, []byte(m.body))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		handler := soap.NewHandler(soap.HandlerOptions{Limits: multipartLimits, NewID: fixedID},
			storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
				sendOn(t, r.Attachments, parts(t, r.Attachments))
				return nil
			}))
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			return
		}
		m, err := soap.ParseAnswer(w.Body.Bytes(), unlimited)
		require.NoError(t, err)
		require.NotNil(t, m.Fault)
		require.NotEqual(t, soap.ReasonInternalError, childText(m.Fault.Detail, "reason"), "it is the sender's to mend")
	})
}

// sendOn sends attachments to a service that returns them, and requires want on the way there and back.
func sendOn(t *testing.T, attachments []*soap.Attachment, want []part) {
	t.Helper()
	limits := soap.Limits{AttachmentBytes: 10 << 20}
	handler := soap.NewHandler(soap.HandlerOptions{Limits: limits, NewID: fixedID}, storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
		require.Equal(t, want, parts(t, r.Attachments))
		for i, document := range r.Body.SelectElements("document") {
			_, err := r.Resolve(document)
			require.NoError(t, err, i)
		}
		for _, a := range r.Attachments {
			r.Attach(a)
		}
		return nil
	}))
	inProcess := roundTrip(func(r *http.Request) (*http.Response, error) {
		defer r.Body.Close()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result(), nil
	})
	m, err := newSender(t, soap.SenderOptions{URL: "http://service", Transport: inProcess, Limits: limits}).Send(t.Context(), storeCall(attachments...))
	require.NoError(t, err)
	defer m.Close()
	require.Equal(t, want, parts(t, m.Attachments))
	for i, a := range m.Attachments {
		for name, values := range attachments[i].Header {
			if name != "Content-Transfer-Encoding" && name != "Content-Id" {
				require.Equal(t, values, a.Header[name])
			}
		}
	}
}
