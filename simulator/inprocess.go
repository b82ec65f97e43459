package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// ErrCut is what a handler that panics with http.ErrAbortHandler looks like to
// the client of InProcess: the connection broke after the request was sent.
var ErrCut = errors.New("connection cut")

// InProcess calls h without sockets: RoundTrip returns when h has, with the
// whole answer. When the request's context ends first it returns the context's
// error and h works on, as a server does whose client has left. A panic of h
// other than http.ErrAbortHandler is RoundTrip's own.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	body, err := readBody(r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	served := make(chan any, 1)
	w := &recorder{header: http.Header{}}
	go func() {
		defer func() { served <- recover() }()
		p.handler.ServeHTTP(w, incoming(ctx, r, body))
	}()
	select {
	case cause := <-served:
		return w.result(r, cause)
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the answer: %w", ctx.Err())
	}
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	return body, errors.Join(err, r.Body.Close())
}

// incoming is r as a server sees it.
func incoming(ctx context.Context, r *http.Request, body []byte) *http.Request {
	in := r.Clone(ctx)
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	canonical := http.Header{} // a server receives canonical names
	for name, values := range in.Header {
		for _, v := range values {
			canonical.Add(name, v)
		}
	}
	in.Header = canonical
	return in
}

// recorder holds an answer while a handler writes it.
type recorder struct {
	header http.Header
	sent   http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *recorder) result(r *http.Request, cause any) (*http.Response, error) {
	if cause == http.ErrAbortHandler {
		return nil, fmt.Errorf("waiting for the answer: %w", ErrCut)
	}
	if cause != nil {
		panic(cause)
	}
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent,
		Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}
