package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/beevik/etree"
	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// How many requests may be under way beyond the reading of them, where the database is what they wait for. Who comes when all
// places are taken is told at once to come again: a slow database then has some callers who are answered late, and not all of
// them. (design §6)
const (
	// maxXRoadRequests is what a database that takes a whole second for each still serves within the time that it keeps them waiting.
	maxXRoadRequests = 256
	// maxCoreRequests is larger: each start of a payment waits for EMTA, up to emta.timeout, and each core for news.
	maxCoreRequests = 1000
)

// retryAfter is what a core that was refused is told to wait, in seconds.
const retryAfter = "2"

// gate lets requests to the program while it is ready, and no more at a time than it can carry.
type gate struct {
	ready *readiness
	xroad chan struct{}
	core  chan struct{}
	shed  *prometheus.CounterVec
}

func newGate(ready *readiness, r prometheus.Registerer) *gate {
	g := &gate{ready: ready, xroad: make(chan struct{}, maxXRoadRequests), core: make(chan struct{}, maxCoreRequests),
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_requests_shed_total",
			Help: "Requests that were refused because too many were under way, or the program was not ready."}, []string{"listener"})}
	r.MustRegister(g.shed)
	for _, listener := range []string{"xroad", "core"} {
		g.shed.WithLabelValues(listener) // at zero from the start
	}
	return g
}

// enter takes a place. Without one, or before the program is ready, it returns false. A program that stops finishes what comes
// in the meantime.
func (g *gate) enter(listener string, places chan struct{}) (leave func(), ok bool) {
	if reason := g.ready.reason(); reason == "" || reason == stopping {
		select {
		case places <- struct{}{}:
			return func() { <-places }, true
		default:
		}
	}
	g.shed.WithLabelValues(listener).Inc()
	return nil, false
}

// operation is o behind the gate. Who is not let in gets a fault, which EMTA takes for a reason to repeat.
func (g *gate) operation(o soap.Operation) soap.Operation {
	serve := o.Serve
	o.Serve = func(ctx context.Context, req *soap.Request, response *etree.Element) error {
		leave, ok := g.enter("xroad", g.xroad)
		if !ok {
			return &soap.Fault{Code: "Server", Reason: soap.ReasonUnavailable, String: "the adapter cannot take the request now: repeat it later"}
		}
		defer leave()
		return serve(ctx, req, response)
	}
	return o
}

// provided is o behind the gate. Who is not let in, or meets a database that is away, gets a list of problems.
func (g *gate) provided(o rest.Operation) rest.Operation {
	serve := o.Serve
	o.Serve = func(h xroadhdr.Header, r *http.Request) (rest.Answer, error) {
		leave, ok := g.enter("xroad", g.xroad)
		if !ok {
			return rest.Answer{}, comeAgain("The adapter cannot take the request now; nothing was done.", nil)
		}
		defer leave()
		answer, err := serve(h, r)
		return answer, orComeAgain(err)
	}
	return o
}

// route is r behind the gate. Who is not let in, or meets a database that is away, is told when to come again.
func (g *gate) route(r rest.Route) rest.Route {
	serve := r.Serve
	r.Serve = func(request *http.Request) (rest.Answer, error) {
		leave, ok := g.enter("core", g.core)
		if !ok {
			return rest.Answer{}, comeAgain("The adapter cannot take the request now; nothing was done.", nil)
		}
		defer leave()
		answer, err := serve(request)
		return answer, orComeAgain(err)
	}
	return r
}

func comeAgain(detail string, cause error) *rest.Problem {
	return &rest.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: detail,
		Header: http.Header{"Retry-After": {retryAfter}}, Err: cause}
}

// orComeAgain is err, or that the database is away for now, if that is what err tells of.
func orComeAgain(err error) error {
	if known := (*rest.Problem)(nil); !errors.As(err, &known) && store.Passing(err) != "" {
		return comeAgain("The adapter's database does not answer; what became of the request is not known.", err)
	}
	return err
}
