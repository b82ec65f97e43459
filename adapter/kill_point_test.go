//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
)

// Points at which the adapter is killed on purpose, beside those that chance finds.
const (
	beforeInit       = "cpgOrderInit sent, not yet at EMTA"
	afterInit        = "EMTA acted on cpgOrderInit, its answer under way"
	afterGet         = "cpgOrderGet's answer under way"
	afterList        = "cpgOrderList's answer under way"
	afterCancel      = "EMTA acted on cpgOrderCancel, its answer under way"
	beforeNotify     = "cpgOrderNotify sent, not yet at the adapter"
	afterNotify      = "cpgOrderNotify acknowledged"
	afterWebhook     = "the core accepted a webhook, its answer under way"
	afterStart       = "a start was answered"
	afterClaim       = "a claim was answered"
	whileStarting    = "while the adapter starts"
	atAnyTime        = "at any time"
	outOfPatienceFor = "at any time, since it did not come to: "
)

var killPoints = []string{beforeInit, afterInit, afterGet, afterList, afterCancel, beforeNotify, afterNotify, afterWebhook, afterStart, afterClaim}

// points hold whoever comes to the armed one until the adapter is dead.
type points struct {
	mu    sync.Mutex
	armed string
	hit   chan struct{}
	dead  chan struct{}
}

// arm waits for whoever comes to the point first. release lets it go on.
func (p *points) arm(name string) (hit <-chan struct{}, release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.hit, p.dead = name, make(chan struct{}), make(chan struct{})
	dead := p.dead
	return p.hit, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.armed = ""
		close(dead)
	}
}

// reached is called by whoever comes to a point.
func (p *points) reached(name string) {
	p.mu.Lock()
	if name == "" || p.armed != name {
		p.mu.Unlock()
		return
	}
	p.armed = ""
	hit, dead := p.hit, p.dead
	p.mu.Unlock()
	close(hit)
	<-dead
}

// around is the way from the security server to a service, with a point before and one after.
type around struct {
	points        *points
	before, after string
	passed        func(request, answer []byte, status int, sent time.Time) // may be nil
	through       http.RoundTripper                                        // nil: the default
}

// RoundTrip passes the request on.
func (a around) RoundTrip(r *http.Request) (*http.Response, error) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(request))
	a.points.reached(a.before)
	sent := time.Now()
	through := a.through
	if through == nil {
		through = http.DefaultTransport
	}
	answer, err := through.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if a.passed != nil {
		a.passed(request, body, answer.StatusCode, sent)
	}
	if answer.StatusCode == http.StatusOK {
		a.points.reached(a.after)
	}
	return answer, nil
}

// acknowledgement is a notification that the adapter answered without a fault.
type acknowledgement struct {
	emtaOrderID string
	sent        time.Time
}

// acknowledged reads one, if it is one.
func acknowledged(request, answer []byte, status int, sent time.Time) (acknowledgement, bool) {
	asked, askErr := soap.ParseAnswer(request, soap.Limits{})
	answered, err := soap.ParseAnswer(answer, soap.Limits{})
	if askErr != nil || err != nil || status != http.StatusOK || answered.Fault != nil || answered.Body.Tag != "cpgOrderNotifyResponse" {
		return acknowledgement{}, false
	}
	return acknowledgement{text(asked.Body, ".//id"), sent}, true
}

// intercept puts the points into the ways that messages take. emta is the address of EMTA's backend.
func intercept(world *simulator.World, p *points, emta string, adapter simulator.AdapterAddresses, acked func(acknowledgement)) {
	client, provider := worldClient, worldEMTA
	for _, way := range []struct{ operation, before, after string }{
		{simulator.OperationInit, beforeInit, afterInit},
		{simulator.OperationGet, "", afterGet},
		{simulator.OperationList, "", afterList},
		{simulator.OperationCancel, "", afterCancel},
	} {
		world.SecurityServer.Offer(simulator.Service{ID: provider.Service(way.operation, "v1"), URL: "http://" + emta + "/",
			Transport: around{points: p, before: way.before, after: way.after}})
	}
	world.SecurityServer.Offer(simulator.Service{ID: client.Service(simulator.OperationNotify, "v1"), URL: adapter.EMTA,
		Transport: around{points: p, before: beforeNotify, after: afterNotify, passed: func(request, answer []byte, status int, sent time.Time) {
			if a, ok := acknowledged(request, answer, status, sent); ok {
				acked(a)
			}
		}}})
}

// webhookReceiver stands before the core's: what it accepted is answered when the point lets it.
func webhookReceiver(core http.Handler, p *points) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		core.ServeHTTP(w, r)
		p.reached(afterWebhook)
	}))
}
