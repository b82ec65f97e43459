package openapitest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
)

type handler struct {
	checker *Checker
	next    http.Handler
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.checker.t.Helper()
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	recorder := httptest.NewRecorder()
	h.next.ServeHTTP(recorder, r)
	answer := recorder.Result()
	h.checker.check(exchange{request: r, sent: sent, status: answer.StatusCode, header: answer.Header, answer: recorder.Body.Bytes()})
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(recorder.Body.Bytes()) // whoever does not read it asks again
}
