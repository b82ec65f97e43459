package exchangelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Transport logs the exchanges in which we call the system through next. A call whose record could not be kept and had to be
// fails before anything of it is sent. The answer is logged when its body is closed; by then whoever called has left
// its fault in the context's exchange record.
func (l *Log) Transport(system, protocol string, next http.RoundTripper) http.RoundTripper {
	return &transport{log: l, system: system, protocol: protocol, next: next}
}

type transport struct {
	log              *Log
	system, protocol string
	next             http.RoundTripper
}

// RoundTrip is for http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	route := t.log.system(t.system).Load()
	if route.settings.Off() {
		return t.next.RoundTrip(r)
	}
	known := xroadhdr.ExchangeFrom(r.Context())
	if known.RequestID == "" {
		known.RequestID = t.log.options.NewID()
	}
	x := &calling{exchange: t.log.begin(route, Out, t.system, t.protocol, r, known)}
	sent, err := x.announce(r)
	if err != nil {
		x.over(nil, err)
		return nil, err
	}
	response, err := t.next.RoundTrip(sent)
	if err != nil {
		x.over(nil, err)
		return nil, err
	}
	response.Body = &answer{response.Body, x, response, sync.Once{}}
	return response, nil
}

// calling is an outbound exchange.
type calling struct{ *exchange }

// errNotLogged is why a call was not made.
var errNotLogged = errors.New("nothing was sent, because the exchange could not be logged")

// announce keeps the record of the request before it is sent, and closes the body where it is not sent. A body that is kept is read for
// that; of a longer one the record has no digest, and another follows when it has passed.
func (x *calling) announce(r *http.Request) (*http.Request, error) {
	contentType := r.Header.Get("Content-Type")
	sent := r.WithContext(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		x.request.whole = true
	} else {
		head, err := io.ReadAll(io.LimitReader(r.Body, x.request.limit+1))
		if err != nil {
			_ = r.Body.Close()
			return nil, err
		}
		if x.request.whole = int64(len(head)) <= x.request.limit; x.request.whole {
			_ = r.Body.Close() // read to its end
			x.request.write(head)
			sent.Body = io.NopCloser(bytes.NewReader(head)) // which the transport sees to be in memory
		} else {
			x.request.size = r.ContentLength
			sent.Body = &sending{readCloser{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}, newCapture(0), x, contentType, sync.Once{}}
		}
	}
	receipt := x.put(Request, x.request, contentType, func(*Record) {})
	if err := x.wait(r.Context(), receipt); err != nil {
		if sent.Body != nil {
			_ = sent.Body.Close()
		}
		return nil, fmt.Errorf("%w: %w", errNotLogged, err)
	}
	return sent, nil
}

// over logs the answer, or that there was none and why.
func (x *calling) over(r *http.Response, failed error) {
	contentType := ""
	if r != nil {
		contentType = r.Header.Get("Content-Type")
	}
	now := x.log.options.Now()
	x.put(Response, x.response, contentType, func(record *Record) {
		record.Time, record.Duration = now, now.Sub(x.begun)
		if r == nil {
			record.Size, record.Fault = -1, kindOf(failed)
			return
		}
		record.Status, record.Fault = r.StatusCode, x.known.Fault
		if record.Fault == "" && !x.response.whole {
			record.Fault = brokenOff
		}
	})
}

// kindOf is whose failure it is that a call has no answer (design §5), as the record's fault.
func kindOf(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, errNotLogged):
		return Refused
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return string(xroadhdr.Timeout)
	case errors.Is(err, context.Canceled):
		return string(xroadhdr.Ours)
	}
	return string(xroadhdr.Network)
}

// sending is the body of a request that is too long to be kept, as the transport reads it, in a goroutine of its own.
type sending struct {
	readCloser
	capture     *capture
	x           *calling
	contentType string
	once        sync.Once
}

// Read digests what is sent.
func (s *sending) Read(p []byte) (int, error) {
	n, err := s.readCloser.Read(p)
	s.capture.write(p[:n])
	if err == io.EOF {
		s.capture.whole = true
		s.over()
	}
	return n, err
}

// Close ends the sending, whether all was sent or not.
func (s *sending) Close() error {
	s.over()
	return s.readCloser.Close()
}

// over logs how much was sent, and its digest if it was all.
func (s *sending) over() {
	s.once.Do(func() { s.x.put(Request, s.capture, s.contentType, func(*Record) {}) })
}

type readCloser struct {
	io.Reader
	io.Closer
}

// answer is the body of an answer as the caller reads it.
type answer struct {
	io.ReadCloser
	x        *calling
	response *http.Response
	once     sync.Once
}

// Read sees what is read, and its end.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if !a.x.response.whole {
		a.x.response.write(p[:n])
		a.x.response.whole = err == io.EOF
	}
	return n, err
}

// Close logs the answer.
func (a *answer) Close() error {
	a.once.Do(func() {
		if a.x.response.size == a.response.ContentLength {
			a.x.response.whole = true
		}
		a.x.over(a.response, nil)
	})
	return a.ReadCloser.Close()
}
