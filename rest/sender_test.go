package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func TestSenderPosts(t *testing.T) {
	var method, contentType, id, body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		method, contentType, id, body = r.Method, r.Header.Get("Content-Type"), r.Header.Get("Webhook-Id"), string(sent)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, strings.Repeat("x", 100))
	}))
	defer server.Close()

	sender := rest.NewSender(rest.SenderOptions{MaxAnswer: 10})
	status, answer, err := sender.Post(t.Context(), server.URL, http.Header{"webhook-id": {"e1"}}, []byte(`{"a":1}`))
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, strings.Repeat("x", 10), string(answer))
	require.Equal(t, []string{"POST", "application/json", "e1", `{"a":1}`}, []string{method, contentType, id, body})

	_, _, err = sender.Post(t.Context(), server.URL, http.Header{"Content-Type": {"application/cloudevents+json"}}, nil)
	require.NoError(t, err)
	require.Equal(t, "application/cloudevents+json", contentType)
}

func TestSenderDoesNotFollowRedirects(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	status, _, err := rest.NewSender(rest.SenderOptions{}).Post(t.Context(), server.URL, nil, []byte(`{}`))
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, status)
	require.Equal(t, 1, requests)
}

func TestSenderErrors(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "part")
	}))
	defer cut.Close()
	gone := httptest.NewServer(nil)
	gone.Close()

	for _, test := range []struct {
		name, url string
		want      xroadhdr.FailureKind
	}{
		{"not a URL", "http://core\x7f/hook?key=secret", xroadhdr.Ours},
		{"nobody listens", gone.URL + "/hook?key=secret", xroadhdr.Network},
		{"cut answer", cut.URL + "/hook?key=secret", xroadhdr.Network},
		{"no answer", hanging.URL + "/hook?key=secret", xroadhdr.Timeout},
	} {
		sender := rest.NewSender(rest.SenderOptions{Timeout: 50 * time.Millisecond})
		_, answer, err := sender.Post(t.Context(), test.url, nil, []byte(`{"code":"EE60001019906"}`))
		var failure *rest.SendError
		require.ErrorAs(t, err, &failure, test.name)
		require.Equal(t, test.want, failure.Kind, test.name)
		require.NotContains(t, err.Error(), "secret", test.name)
		require.NotContains(t, err.Error(), "60001019906", test.name)
		require.Nil(t, answer, test.name)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := rest.NewSender(rest.SenderOptions{}).Post(ctx, hanging.URL, nil, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
