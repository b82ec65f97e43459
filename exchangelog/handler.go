package exchangelog

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Refused is the fault of an exchange that could not be logged, as its record has it.
const Refused = "NotLogged"

// Handler logs the exchanges of next, in which the system calls us. refuse answers a request whose record could not be kept and had
// to be; the request id for the answer is in the request's context. The exchange record is the context's, one is made where there is none.
func (l *Log) Handler(system, protocol string, refuse http.HandlerFunc, next http.Handler) http.Handler {
	current := l.system(system)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := current.Load()
		if route.settings.Off() {
			next.ServeHTTP(w, r)
			return
		}
		known := xroadhdr.ExchangeFrom(r.Context())
		if known.RequestID == "" {
			known.RequestID = l.options.NewID()
			r = r.WithContext(xroadhdr.WithExchange(r.Context(), known))
		}
		a := &answering{ResponseWriter: w, exchange: l.begin(route, In, system, protocol, r, known), r: r, refuse: refuse}
		a.serve(next)
	})
}

// answering is an inbound exchange and the writer of its answer.
type answering struct {
	http.ResponseWriter
	*exchange
	r        *http.Request
	refuse   http.HandlerFunc
	noted    bool     // the header of the request was understood
	receipt  *receipt // of the request's record; nil: it is not on its way yet
	status   int      // of the answer; 0: not begun
	refused  bool     // the answer is ours, not the handler's
	finished bool     // the handler returned
}

// serve hands the request on and logs it and its answer.
func (a *answering) serve(next http.Handler) {
	defer a.over()
	if body := a.r.Body; body == nil || body == http.NoBody {
		a.request.whole = true
	} else {
		a.r.Body = &reading{body, a.request, a.record}
	}
	a.known.Noted = a.note
	if a.settings().Mode == Required && a.failing() && a.hopeless() {
		a.finished = true
		return
	}
	next.ServeHTTP(a, a.r)
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.finished = true
}

// hopeless refuses the exchange before anything is done of it if its record cannot be kept.
func (a *answering) hopeless() bool {
	if !a.request.whole {
		_, _ = io.CopyN(io.Discard, a.r.Body, a.request.limit) // what is wrong with it the handler finds too
		a.r.Body = readCloser{io.MultiReader(bytes.NewReader(a.request.kept), a.r.Body), a.r.Body}
	}
	return a.request.whole && a.begin() != nil
}

func (a *answering) settings() Settings { return a.route.settings }

// failing reports whether a sink is known not to work.
func (a *answering) failing() bool {
	for _, p := range a.route.writers {
		if p.request.queue.failure() != nil {
			return true
		}
	}
	return false
}

// note is called when the header of the request was understood: with the body read, the record is on its way while
// the request is worked on.
func (a *answering) note() {
	a.noted = true
	a.record()
}

// record puts the request's record on its way as soon as all of it is known.
func (a *answering) record() {
	if a.noted && a.request.whole {
		a.send()
	}
}

func (a *answering) send() {
	if a.receipt != nil {
		return
	}
	if a.request.size == a.r.ContentLength {
		a.request.whole = true
	}
	a.receipt = a.put(Request, a.request, a.r.Header.Get("Content-Type"), func(*Record) {})
}

// begin waits until the request's record is kept, and refuses the exchange where it is not and must be.
func (a *answering) begin() error {
	a.send()
	err := a.wait(context.WithoutCancel(a.r.Context()), a.receipt)
	if err == nil {
		return nil
	}
	a.known.Fault, a.known.Err = Refused, err
	a.refused = true
	clear(a.ResponseWriter.Header())
	a.refuse(&refusal{a}, a.r)
	return err
}

// WriteHeader begins the answer once the request's record is kept.
func (a *answering) WriteHeader(status int) {
	if a.refused || a.status != 0 {
		return
	}
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		a.ResponseWriter.WriteHeader(status)
		return
	}
	a.status = status
	if a.begin() != nil {
		return
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write sends of the answer. What a refused handler writes goes nowhere.
func (a *answering) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.refused {
		return len(p), nil
	}
	n, err := a.ResponseWriter.Write(p)
	a.answered(p[:n])
	return n, err
}

// answered keeps what was sent; of an answer to HEAD nothing is.
func (a *answering) answered(p []byte) {
	if a.r.Method != http.MethodHead {
		a.response.write(p)
	}
}

// Unwrap is for http.ResponseController.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// refusal is the writer of the answer that takes the handler's place.
type refusal struct{ *answering }

// WriteHeader begins the refusal.
func (f *refusal) WriteHeader(status int) {
	f.status = status
	f.ResponseWriter.WriteHeader(status)
}

// Write sends of the refusal.
func (f *refusal) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	f.answered(p[:n])
	return n, err
}

// over logs the answer, also of a handler that broke off.
func (a *answering) over() {
	a.known.Noted = nil
	a.send()
	a.response.whole = a.finished
	status := a.status
	if status == 0 {
		status = -1
	}
	now := a.log.options.Now()
	a.put(Response, a.response, a.ResponseWriter.Header().Get("Content-Type"), func(r *Record) {
		r.Time, r.Duration, r.Status, r.Fault = now, now.Sub(a.begun), status, a.known.Fault
		if !a.finished && r.Fault == "" {
			r.Fault = brokenOff
		}
	})
}

// brokenOff is the fault of an answer that ended before its end.
const brokenOff = "BrokenOff"

// reading is a request's body as the handler reads it.
type reading struct {
	io.ReadCloser
	capture *capture
	ended   func()
}

// Read sees what is read, and its end.
func (r *reading) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if !r.capture.whole {
		r.capture.write(p[:n])
		if err == io.EOF {
			r.capture.whole = true
			r.ended()
		}
	}
	return n, err
}
