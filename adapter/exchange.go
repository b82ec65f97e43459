package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// inbound is one request that was answered, for the log and the demo.
type inbound struct {
	xroadhdr.Exchange
	System string // who called: emta, paasuke, core
	Method string
	Path   string
	Caller string // name of the token, where the request had a right one
	Person string // whom the caller acts for, as a keyed hash
	Status int
	Took   time.Duration
}

// observer gives every request of a listener its exchange record, and logs it when it is answered.
type observer struct {
	system   string // who calls: emta, paasuke, core
	log      *slog.Logger
	now      func() time.Time
	told     func(inbound) // hears of it too; nil: nobody
	security *security.Log // hears of refusals
	persons  persons
	proxies  []netip.Prefix // whose forwarding header is believed
	meter    *meter
}

// of is the observer of requests from one system.
func (o observer) of(system string) observer {
	o.system = system
	return o
}

// observed is what is learned of a request besides its exchange record.
type observed struct {
	request *http.Request
	caller  string
}

type observedKey struct{}

// observedFrom returns what is learned of the request of ctx, nil without one.
func observedFrom(ctx context.Context) *observed {
	seen, _ := ctx.Value(observedKey{}).(*observed)
	return seen
}

// observe wraps next.
func (o observer) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchange := &xroadhdr.Exchange{RequestID: uuid.NewString()}
		seen := &observed{request: r}
		ctx := xroadhdr.WithExchange(r.Context(), exchange)
		ctx = context.WithValue(security.WithAddress(ctx, security.CallerAddress(r, o.proxies)), observedKey{}, seen)
		ctx, passing := o.meter.receive(ctx, o.system, r)
		begin := o.now()
		answer := &statusWriter{ResponseWriter: w}
		body := &countedBody{ReadCloser: r.Body}
		r = r.WithContext(ctx)
		r.Body = body
		defer func() {
			passing.requestBytes, passing.responseBytes = body.n, answer.written
			passing.end(answer.status, answered(answer.status, exchange))
			in := inbound{Exchange: *exchange, System: o.system, Method: r.Method, Path: r.URL.Path, Status: answer.status, Took: o.now().Sub(begin),
				Caller: seen.caller, Person: o.persons.hash(cmp.Or(exchange.UserID, r.Header.Get("X-Acting-User")))}
			in.log(ctx, o.log)
			reportRefusal(ctx, o.security, in)
			if o.told != nil {
				o.told(in)
			}
		}()
		next.ServeHTTP(answer, r)
	})
}

// log writes one line. The cause of a failure of ours is in it; what the other side sent is not.
func (in inbound) log(ctx context.Context, log *slog.Logger) {
	level := slog.LevelInfo
	attrs := []any{"system", in.System, "requestId", in.RequestID, "xroadId", clipped(in.XRoadID), "method", clipped(in.Method),
		"status", in.Status, "ms", in.Took.Milliseconds()}
	if in.Service != (xroadhdr.ServiceID{}) {
		attrs = append(attrs, "client", clipped(in.Client.String()), "service", clipped(in.Service.String()))
	} else {
		attrs = append(attrs, "route", in.Route) // never the path, which may hold personal codes
	}
	if in.Caller != "" {
		attrs = append(attrs, "caller", in.Caller)
	}
	if in.Person != "" {
		attrs = append(attrs, "person", in.Person)
	}
	if in.Fault != "" {
		attrs = append(attrs, "fault", in.Fault)
	}
	cause := in.Err
	var fault *soap.Fault
	if errors.As(in.Err, &fault) {
		attrs = append(attrs, "reason", fault.Reason, "field", fault.Field)
		cause = fault.Err
	}
	if cause != nil {
		attrs = append(attrs, "error", cause.Error())
	}
	switch {
	case errors.Is(cause, context.Canceled): // the caller left
	case in.Status == http.StatusInternalServerError && cause != nil:
		level = slog.LevelError // ours
	case in.Status > http.StatusInternalServerError:
		level = slog.LevelWarn // a partner's, told to the core as such
	}
	log.Log(ctx, level, "answered", attrs...)
}

// clipped bounds what the other side wrote before it goes to the log.
func clipped(s string) string {
	const most = 200 // the longest identifier that anybody registered is a third of it
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// statusWriter remembers the status and the length of an answer.
type statusWriter struct {
	http.ResponseWriter
	status  int
	written int64
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.written += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
