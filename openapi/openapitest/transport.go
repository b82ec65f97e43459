package openapitest

import (
	"bytes"
	"io"
	"net/http"
)

type transport struct {
	checker *Checker
	next    http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.checker.t.Helper()
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close() // it was read to its end
		r = r.Clone(r.Context())
		if r.Body = http.NoBody; len(sent) > 0 { // a reader of nothing would be sent as chunks
			r.Body = io.NopCloser(bytes.NewReader(sent))
		}
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // it was read to its end, or is given up
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	t.checker.check(exchange{request: r, sent: sent, status: response.StatusCode, header: response.Header, answer: answer})
	return response, nil
}
