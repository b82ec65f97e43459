package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func loopbackListener(t testing.TB) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// A connection beyond the limit waits until one ends, and is served then.
func TestConnectionsAreCapped(t *testing.T) {
	l := capConnections(loopbackListener(t), 2)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") })}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		return c, bufio.NewReader(c)
	}
	ask := func(c net.Conn, r *bufio.Reader) error {
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	first, firstReader := dial()
	second, secondReader := dial()
	require.NoError(t, ask(first, firstReader))
	require.NoError(t, ask(second, secondReader))
	third, thirdReader := dial()
	defer third.Close()
	defer second.Close()
	require.NoError(t, third.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	require.Error(t, ask(third, thirdReader))
	require.NoError(t, first.Close())
	require.NoError(t, third.SetReadDeadline(time.Now().Add(10*time.Second)))
	response, err := http.ReadResponse(bufio.NewReader(third), nil) // the request was sent before
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
}

func TestCappedListenerClosesWhileFull(t *testing.T) {
	l := capConnections(loopbackListener(t), 0)
	done := make(chan error, 1)
	go func() { _, err := l.Accept(); done <- err }()
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-done, net.ErrClosed)
}

// Who does not take an answer is cut; who takes the next one in time is not, on the same connection.
func TestSlowReadersAreCut(t *testing.T) {
	const within = 300 * time.Millisecond
	large := strings.Repeat("x", 64<<20) // more than the buffers of a connection hold
	ended := make(chan error, 1)
	server := &http.Server{Handler: cutSlowReaders(within, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, err := io.WriteString(w, large)
			ended <- err
		case "/late":
			<-time.After(2 * within)
			w.WriteHeader(http.StatusNoContent)
		}
	}))}
	l := loopbackListener(t)
	go func() { _ = server.Serve(l) }()
	defer func() { require.NoError(t, server.Shutdown(context.Background())) }()
	client := http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/", "/late", "/", "/late"} {
		response, err := client.Get("http://" + l.Addr().String() + path)
		require.NoError(t, err, path)
		require.NoError(t, response.Body.Close())
	}
	response, err := http.Get("http://" + l.Addr().String() + "/large")
	require.NoError(t, err)
	defer response.Body.Close()
	require.Error(t, <-ended, "nobody reads")
}
