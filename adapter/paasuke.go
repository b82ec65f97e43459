package main

import (
	"net/http"
	"strings"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// paasukePath is the address of the mandates services at the xroad listener (design §8).
const paasukePath = "/paasuke"

// paasukeHandler answers the mandates services; their description is for everybody, without an X-Road header.
func (p *Program) paasukeHandler(gate *gate) (http.Handler, error) {
	s := p.settings
	orders, err := s.orderSettings()
	if err != nil {
		return nil, err
	}
	operations := p.mandates.Operations(p.started)
	for i, o := range operations {
		operations[i] = gate.provided(o)
	}
	wording := mandate.Wording(s.Paasuke.Problems)
	options := rest.ProviderOptions{Provider: orders.Client, Problems: wording, Logger: p.log.With("component", "rest"), Security: p.security.Logger()}
	open := rest.NewProvider(options, operations...)
	options.Allowed = p.live.mayUseMandates
	listed := rest.NewProvider(options, operations...)
	provider := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.live.current.Load().mandates == nil { // then it serves nobody what changes mandates
			open.ServeHTTP(w, r)
			return
		}
		listed.ServeHTTP(w, r)
	})
	logged := p.exchanges.paasuke(wording, boundLargeRequests(p.senders.whole, provider))
	description := openapi.NewPaasukeHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case paasukePath + "/openapi.yaml", paasukePath + "/openapi.json":
			xroadhdr.ExchangeFrom(r.Context()).Route = r.URL.Path
			description.ServeHTTP(w, r)
		default:
			logged.ServeHTTP(w, r)
		}
	}), nil
}

// paasuke logs what Pääsuke asks. What could not be logged is refused with a list of problems.
func (x *exchangeLog) paasuke(wording rest.Wording, next http.Handler) http.Handler {
	return x.Handler(systemPaasuke, exchangelog.REST, func(w http.ResponseWriter, r *http.Request) {
		problem := comeAgain("The exchange could not be logged.", nil)
		problem.RequestID = xroadhdr.ExchangeFrom(r.Context()).RequestID
		w.Header().Set("Connection", "close")
		wording.Write(w, problem)
	}, next)
}

// split sends what is for the mandates services to one handler, and all else to the other.
func split(mandates, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == paasukePath || strings.HasPrefix(r.URL.Path, paasukePath+"/") {
			mandates.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}
