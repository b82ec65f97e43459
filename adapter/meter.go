package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Directions of an exchange: who called whom.
const (
	inward  = "in"  // the other system called us
	outward = "out" // we called it
)

// outcomeOK is the outcome of an exchange that went well; the others are kinds of failure.
const outcomeOK = "ok"

// meter sees every exchange with another system, in and out: it counts and times it (NA-102), remembers when the last one
// went well (NA-104), and makes it part of a trace. Label values are from short lists, never from what the other side wrote.
type meter struct {
	now      func() time.Time
	tracer   trace.Tracer
	ended    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	underway *prometheus.GaugeVec

	mu       sync.Mutex
	contacts map[contactWith]contact
	skew     time.Duration // of the security server's clock against ours, as its last answer said
	skewAt   time.Time
}

func newMeter(now func() time.Time, tracer trace.Tracer, r prometheus.Registerer) *meter {
	t := &meter{now: now, tracer: tracer, contacts: map[contactWith]contact{},
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_exchanges_total",
			Help: "Exchanges with other systems that are over, by outcome: ok, or whose failure."}, []string{"system", "direction", "operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "adapter_exchange_seconds", Help: "Duration of exchanges with other systems.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 90}}, []string{"system", "direction", "operation"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_exchange_bytes_total",
			Help: "Bytes of bodies exchanged with other systems."}, []string{"system", "direction", "part"}),
		underway: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "adapter_exchanges_in_flight",
			Help: "Exchanges with other systems that are under way."}, []string{"system", "direction"}),
	}
	r.MustRegister(t.ended, t.seconds, t.bytes, t.underway)
	return t
}

// passing is one exchange under way.
type passing struct {
	t                           *meter
	system, direction           string
	begun                       time.Time
	span                        trace.Span
	known                       *xroadhdr.Exchange
	method                      string
	requestBytes, responseBytes int64
}

func (t *meter) begin(ctx context.Context, system, direction string, r *http.Request, kind trace.SpanKind) (context.Context, *passing) {
	t.underway.WithLabelValues(system, direction).Inc()
	ctx, span := t.tracer.Start(ctx, system+" "+direction, trace.WithSpanKind(kind))
	return ctx, &passing{t: t, system: system, direction: direction, begun: t.now(), span: span, known: xroadhdr.ExchangeFrom(ctx), method: r.Method}
}

// end is called once, when all that will be known of the exchange is known.
func (p *passing) end(status int, outcome string) {
	operation := p.operation()
	p.t.underway.WithLabelValues(p.system, p.direction).Dec()
	p.t.ended.WithLabelValues(p.system, p.direction, operation, outcome).Inc()
	p.t.seconds.WithLabelValues(p.system, p.direction, operation).Observe(p.t.now().Sub(p.begun).Seconds())
	p.t.bytes.WithLabelValues(p.system, p.direction, "request").Add(float64(p.requestBytes))
	p.t.bytes.WithLabelValues(p.system, p.direction, "response").Add(float64(p.responseBytes))
	p.t.remember(contactWith{p.system, p.direction}, outcome)
	p.span.SetName(p.system + " " + p.direction + " " + operation)
	p.span.SetAttributes(attribute.String("adapter.request.id", p.known.RequestID), attribute.String("xroad.id", clipped(p.known.XRoadID)),
		attribute.String("adapter.outcome", outcome))
	if status != 0 {
		p.span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if outcome != outcomeOK {
		p.span.SetStatus(codes.Error, outcome)
	}
	p.span.End()
}

// operation is the service code of a call that is ours to know, or the pattern of a route.
func (p *passing) operation() string {
	code := p.known.Service.ServiceCode
	switch {
	case p.direction == outward && p.system == systemCore:
		return "webhook"
	case p.direction == outward, code == "cpgOrderNotify":
		return cmp.Or(code, "other")
	case p.system == systemPaasuke && code != "": // our own word for the operation
		return code
	case code == "" && p.known.Route != "" && slices.Contains(methods, p.method):
		return p.method + " " + p.known.Route
	}
	return "other" // whatever a caller may have written
}

// methods are those that stand in labels: HTTP lets a caller make up its own.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// receive begins an exchange in which we are called. The core's trace goes on here; nobody else's does, since anybody could write
// the header.
func (t *meter) receive(ctx context.Context, system string, r *http.Request) (context.Context, *passing) {
	if system == systemCore {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	return t.begin(ctx, system, inward, r, trace.SpanKindServer)
}

// answered is the outcome of an exchange in which we were called.
func answered(status int, known *xroadhdr.Exchange) string {
	cause := known.Err
	var fault *soap.Fault
	if errors.As(known.Err, &fault) {
		cause = fault.Err
	}
	switch {
	case status == 0 || errors.Is(cause, context.Canceled): // the connection broke, or the caller left
		return string(xroadhdr.Network)
	case status < http.StatusBadRequest:
		return outcomeOK
	case status == http.StatusBadGateway:
		return string(xroadhdr.Theirs)
	case status == http.StatusGatewayTimeout:
		return string(xroadhdr.Timeout)
	case status < http.StatusInternalServerError, status == http.StatusInternalServerError && known.Fault != "" && cause == nil:
		return string(xroadhdr.Theirs) // they were told what they did wrong
	}
	return string(xroadhdr.Ours)
}

// transport sees what is sent through next. The trace goes on at the core, and nowhere else.
func (t *meter) transport(system string, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		ctx := r.Context()
		if system == systemCore && !trace.SpanContextFromContext(ctx).IsValid() {
			ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header)) // the trace that the event happened in
		}
		ctx, p := t.begin(ctx, system, outward, r, trace.SpanKindClient)
		sent := r.Clone(ctx)
		if system == systemCore {
			propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(sent.Header))
		}
		p.requestBytes = max(r.ContentLength, 0)
		response, err := next.RoundTrip(sent)
		if err != nil {
			p.end(0, failedBy(err))
			if system != systemCore {
				t.remember(contactWith{securityServer, outward}, failedBy(err))
			}
			return nil, err
		}
		if system != systemCore {
			t.remember(contactWith{securityServer, outward}, outcomeOK)
			t.compareClock(response.Header.Get("Date"))
		}
		response.Body = &countedBody{ReadCloser: response.Body, closed: func(n int64) {
			p.responseBytes = n
			p.end(response.StatusCode, answeredUs(response.StatusCode, p.known))
		}}
		return response, nil
	})
}

// answeredUs is the outcome of an exchange in which we called and an answer came.
func answeredUs(status int, known *xroadhdr.Exchange) string {
	var failed *soap.CallError
	var notSent *rest.SendError
	switch {
	case errors.As(known.Err, &failed):
		return string(failed.Kind())
	case errors.As(known.Err, &notSent):
		return string(notSent.Kind)
	case known.Err != nil || status >= http.StatusMultipleChoices:
		return string(xroadhdr.Theirs)
	}
	return outcomeOK
}

// failedBy is whose failure it is that no answer came.
func failedBy(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return string(xroadhdr.Timeout)
	case errors.Is(err, context.Canceled):
		return string(xroadhdr.Ours)
	}
	return string(xroadhdr.Network)
}

// countedBody counts what is read, and tells closed of it once.
type countedBody struct {
	io.ReadCloser
	n      int64
	closed func(n int64)
	once   sync.Once
}

// Read is for io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

// Close is for io.Closer.
func (b *countedBody) Close() error {
	err := b.ReadCloser.Close() // whoever logs the answer does it then
	if b.closed != nil {
		b.once.Do(func() { b.closed(b.n) })
	}
	return err
}

// securityServer is whom a contact is with when the message came no farther.
const securityServer = "securityServer"

// contactWith is a system and a direction.
type contactWith struct{ system, direction string }

// contact is how the exchanges with a system went of late.
type contact struct {
	success, failure time.Time
	outcome          string // of the last failure
	failures         int    // in a row, up to now
}

// remember notes how an exchange went. What the other side did wrong when it called us is its own affair.
func (t *meter) remember(with contactWith, outcome string) {
	if with.direction == inward && outcome == string(xroadhdr.Theirs) {
		outcome = outcomeOK
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.contacts[with]
	if outcome == outcomeOK {
		c.success, c.failures = t.now(), 0
	} else {
		c.failure, c.outcome = t.now(), outcome
		c.failures++
	}
	t.contacts[with] = c
}

func (t *meter) compareClock(date string) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skewAt = t.now()
	t.skew = theirs.Sub(t.skewAt)
}

const (
	// failuresInARow is when the status page warns: one or two are weather.
	failuresInARow = 3
	// maxSkew is what a Date header in whole seconds and a slow network may differ by without anybody's clock being wrong.
	maxSkew = 5 * time.Second
)

// status is the last success and the last failure with each system, and the clock.
func (t *meter) status(_ context.Context, r *statusReport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for with, c := range t.contacts {
		name := with.system + ":" + with.direction
		if !c.success.IsZero() {
			r.add(name+":lastSuccess", check{Status: statusPass, Observed: c.success.UTC().Format(time.RFC3339), Unit: "time"})
		}
		if c.failure.IsZero() {
			continue
		}
		last := check{Status: statusPass, Observed: c.failure.UTC().Format(time.RFC3339), Unit: "time"}
		if c.failures >= failuresInARow {
			last.Status = statusWarn
			last.Output = "the last exchanges failed (" + c.outcome + "): " + advice(with, c.outcome)
		}
		r.add(name+":lastFailure", last)
	}
	if t.skewAt.IsZero() {
		return
	}
	clock := check{Status: statusPass, Observed: t.skew.Round(time.Second).Seconds(), Unit: "s"}
	if t.skew.Abs() > maxSkew {
		clock.Status, clock.Output = statusWarn, "our clock and the security server's differ: see that both are synchronised (NTP)"
	}
	r.add("clock:skew", clock)
}

func advice(with contactWith, outcome string) string {
	switch {
	case with.direction == inward && outcome == string(xroadhdr.Ours):
		return "our own failure; the log's error lines say what it was"
	case with.direction == inward:
		return "callers leave before they are answered"
	case with.system == systemCore:
		return "the core's webhook refuses or is away; nothing is lost"
	case outcome == string(xroadhdr.Ours):
		return "our identifiers, rights or messages are refused; the log line \"called\" has the fault"
	case with.system == securityServer:
		return "our security server cannot be reached: look at xroad.securityServer, the network and TLS"
	}
	return "`adapter doctor` tells whose side it is; nothing is lost"
}

// traceID is the trace that ctx is in, "" outside one.
func traceID(ctx context.Context) string {
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		return c.TraceID().String()
	}
	return ""
}

// traceParent is the W3C form of where in a trace ctx is, "" outside one.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return strings.TrimSpace(carrier.Get("traceparent"))
}
