package simulator_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

func TestInProcessIsAServer(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "in", string(body))
		require.Equal(t, "/a%2Fb?q=1", r.RequestURI)
		require.Equal(t, "host.example", r.Host)
		require.Equal(t, []string{"x"}, r.Header["Soapaction"])
		w.Header().Set("A", "1")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("A", "too late")
		_, _ = w.Write([]byte("out"))
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host.example/a%2Fb?q=1", strings.NewReader("in"))
	require.NoError(t, err)
	req.Header["SOAPAction"] = []string{"x"}
	answer, err := simulator.InProcess(h).RoundTrip(req)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "out", string(body))
	require.Equal(t, http.StatusTeapot, answer.StatusCode)
	require.Equal(t, "1", answer.Header.Get("A"))
	require.Equal(t, int64(3), answer.ContentLength)
	require.Equal(t, http.Header{"SOAPAction": {"x"}}, req.Header, "the caller's request is left as it was")
}

func TestInProcessCuts(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic(http.ErrAbortHandler)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x.example/", nil)
	require.NoError(t, err)
	_, err = simulator.InProcess(h).RoundTrip(req)
	require.ErrorIs(t, err, simulator.ErrCut)
}

func TestInProcessHonoursTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan struct{})
	ended := make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		defer close(ended)
		cancel()
		<-r.Context().Done()
		<-left
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x.example/", nil)
	require.NoError(t, err)
	_, err = simulator.InProcess(h).RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
	close(left)
	<-ended
	called := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called after the context had ended") })
	_, err = simulator.InProcess(called).RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
}

func TestInProcessPassesPanicsOn(t *testing.T) {
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("bug") })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x.example/", nil)
	require.NoError(t, err)
	require.PanicsWithValue(t, "bug", func() { _, _ = simulator.InProcess(h).RoundTrip(req) })
}
