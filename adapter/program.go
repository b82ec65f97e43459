package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/schedule"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Program is the adapter, wired: what `serve` runs and what tests start.
type Program struct {
	settings   Settings // of the start
	live       live     // what has changed since
	reloading  *reloading
	callers    *knownCallers
	senders    senderTimes
	now        func() time.Time
	log        *slog.Logger
	started    time.Time
	registry   *prometheus.Registry
	ready      *readiness
	store      store.Store
	orders     *order.Module
	mandates   *mandate.Module
	webhook    *event.Webhook // nil: not configured
	running    *setting.Running
	security   *security.Log
	sessions   *sessions
	persons    persons
	exchanges  *exchangeLog
	retentions []schedule.Daily
	meter      *meter
	endTraces  func(context.Context) error
	sources    []statusSource // what the status page asks besides the database; set before the listeners serve
	configured bool           // EMTA is
	servers    []*server
	endWork    context.CancelFunc
	endLogs    context.CancelFunc
	working    sync.WaitGroup
}

// Watch lets the demo see what passes; the zero value sees nothing.
type Watch struct {
	Inbound  func(inbound)
	Outbound func(http.RoundTripper) http.RoundTripper // wraps the transport to the security server
	Webhook  http.RoundTripper                         // replaces the webhook's transport; nil: its own
}

// server is one listener.
type server struct {
	name     string
	http     http.Server
	listener net.Listener
	giveUp   context.CancelFunc // ends the contexts of its requests
}

// Limits of the listeners. A security server sends one request of some kilobytes at a time; the sender that
// needs longer than this is no security server.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 30 * time.Second // of an answer, from its first byte
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	stopTimeout       = 20 * time.Second // for what is in hand when the program stops
	giveUpTimeout     = 15 * time.Second // of it; whoever is not done then is given up, and still answered
)

// senderTimes are how long the listeners wait for whoever sends; tests shorten them.
type senderTimes struct{ header, whole, idle time.Duration }

// Start checks the settings, listens, waits for the database if that is away, migrates it, and refuses one that could lose what it
// was given (design §4). It returns when the program is ready. Until then the ops listener answers, and whoever calls the others is
// told to come again. Stop ends the program. ctx bounds the start only.
func Start(ctx context.Context, s Settings, log *slog.Logger, watch Watch) (*Program, error) {
	return start(ctx, s, log, watch, senderTimes{header: readHeaderTimeout, whole: readTimeout, idle: idleTimeout})
}

func start(ctx context.Context, s Settings, log *slog.Logger, watch Watch, senders senderTimes) (*Program, error) {
	p := &Program{settings: s, senders: senders, now: time.Now, log: log, started: time.Now(), registry: prometheus.NewRegistry(), ready: newReadiness()}
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.reloading = newReloading(p.registry)
	ready, err := s.live(p.now)
	if err != nil {
		return nil, err
	}
	p.live.current.Store(ready)
	p.registry.MustRegister(newCertificateGauge(&p.live))
	p.sources = append(p.sources, p.reloading.report, p.live.report)
	if p.store, err = store.Open(ctx, s.Store); err != nil {
		return nil, err
	}
	p.registry.MustRegister(newFigureGauges(p), newDiskGauge(s))
	tracer, endTraces, err := newTracer(ctx, s.Trace)
	if err != nil {
		return nil, errors.Join(err, p.store.Close())
	}
	p.meter, p.endTraces = newMeter(p.now, tracer, p.registry), endTraces
	p.sources = append(p.sources, p.meter.status, p.circuitStatus, p.diskStatus, p.exchangeLogStatus)
	p.persons = newPersons(s.Log.PersonKey)
	p.security = p.newSecurityLog()
	p.sessions = newSessions(p.now, p.security)
	p.callers = &knownCallers{live: &p.live, attempts: newAttempts(p.now), security: p.security}
	if p.exchanges, err = openExchangeLog(s.Log, p.store, p.now, log.With("component", "exchangelog"), p.registry); err != nil {
		return nil, errors.Join(err, p.store.Close())
	}
	if p.running, err = p.newRunning(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	if err := p.wire(watch); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	if err := p.awaitDatabase(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	p.work()
	return p, nil
}

func (p *Program) wire(watch Watch) error {
	s := p.settings
	settings, err := s.orderSettings()
	if err != nil {
		return err
	}
	if p.retentions, err = p.newRetentions(); err != nil {
		return err
	}
	options := order.Options{Store: tracedStore{p.store}, Settings: settings, Now: p.now, NewID: uuid.NewString, Random: rand.Float64,
		Logger: p.log.With("component", "order"), Registry: p.registry, Appended: p.appended}
	if s.EMTA.Service != "" {
		p.configured = true
		if options.Sender, err = p.sender(watch.Outbound); err != nil {
			return err
		}
	}
	if s.Core.Webhook.URL != "" {
		if p.webhook, err = p.newWebhook(watch.Webhook); err != nil {
			return err
		}
	}
	if p.orders, err = order.New(options); err != nil {
		return err
	}
	if p.mandates, err = p.newMandates(); err != nil {
		return err
	}
	p.sources = append(p.sources, p.nightStatus)
	if err := p.listen("xroad", s.Listen.XRoad); err != nil {
		return err
	}
	if err := p.listen("core", s.Listen.Core); err != nil {
		return err
	}
	if err := p.listen("ops", s.Listen.Ops); err != nil {
		return err
	}
	return p.handle(watch)
}

// handle gives each listener its handler and begins to serve.
func (p *Program) handle(watch Watch) error {
	s := p.settings
	address := s.XRoad.Address
	if address == "" {
		address = p.url("xroad")
	}
	gate := newGate(p.ready, p.registry)
	xroad, err := xroadHandler(s, address, p.live.mayNotify, gate.operation(p.orders.Operation()), p.log.With("component", "soap"))
	if err != nil {
		return err
	}
	paasuke, err := p.paasukeHandler(gate)
	if err != nil {
		return err
	}
	stopping, stop := context.WithCancel(context.Background())
	p.server("core").http.RegisterOnShutdown(stop)
	core, err := p.coreHandler(stopping, gate)
	if err != nil {
		return err
	}
	proxies, err := s.proxies()
	if err != nil {
		return err
	}
	observer := observer{now: p.now, told: watch.Inbound, security: p.security, persons: p.persons, proxies: proxies, meter: p.meter}
	for _, l := range p.servers {
		observer.log = p.log.With("component", l.name)
		switch l.name {
		case "xroad":
			l.http.Handler = split(observer.of(systemPaasuke).observe(paasuke),
				observer.of(systemEMTA).observe(p.exchanges.emta(boundLargeRequests(p.senders.whole, xroad))))
		case "core":
			l.http.Handler = observer.of(systemCore).observe(p.exchanges.core(core))
		case "ops":
			l.http.Handler = opsHandler(p)
		}
		l.http.Handler = cutSlowReaders(writeTimeout, l.http.Handler)
		p.working.Go(func() {
			if err := l.http.Serve(l.listener); !errors.Is(err, http.ErrServerClosed) {
				p.log.Error("listener ended", "listener", l.name, "error", err)
			}
		})
	}
	return nil
}

// coreHandler is the internal API with its description. Who waits for news is answered when stopping ends.
func (p *Program) coreHandler(stopping context.Context, gate *gate) (http.Handler, error) {
	routes := p.orders.Routes()
	for _, route := range event.NewFeed(p.store, event.FeedOptions{}) {
		routes = append(routes, endingWith(stopping, route))
	}
	routes = append(routes, p.mandates.Routes()...)
	routes = append(routes, p.running.Routes()...)
	routes = append(routes, p.exchangeRoutes()...)
	for i, route := range routes {
		routes[i] = gate.route(route)
	}
	api := rest.NewEndpoint(rest.EndpointOptions{Authenticate: p.sessions.authenticate(p.callers.authenticate), Logger: p.log.With("component", "core")}, routes...)
	docs, err := openapi.NewHandler()
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/openapi.yaml", "/api/openapi.json", "/api/docs":
			docs.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	}), nil
}

// endingWith is r whose requests end with ctx as well. Others are finished when the program stops; a request that waits for
// what may come would keep it up.
func endingWith(ctx context.Context, r rest.Route) rest.Route {
	serve := r.Serve
	r.Serve = func(request *http.Request) (rest.Answer, error) {
		either, cancel := context.WithCancel(request.Context())
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		return serve(request.WithContext(either))
	}
	return r
}

// sender calls through our security server.
func (p *Program) sender(wrap func(http.RoundTripper) http.RoundTripper) (*soap.Sender, error) {
	config, err := p.clientTLS("xroad.tls", p.settings.XRoad.SecurityServer)
	if err != nil {
		return nil, fmt.Errorf("setting xroad.securityServer: %w", err)
	}
	problems := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_request_hash_problems_total",
		Help: "Answers whose requestHash was missing or wrong."}, []string{"problem"})
	p.registry.MustRegister(problems)
	for _, problem := range []string{soap.HashMissing, soap.HashWrong, soap.HashAlgorithm} {
		problems.WithLabelValues(problem) // at zero from the start
	}
	sender, err := soap.NewSender(soap.SenderOptions{
		URL: p.settings.XRoad.SecurityServer, TLS: config, Wrap: func(next http.RoundTripper) http.RoundTripper {
			return p.meter.transport(systemEMTA, p.exchanges.toEMTA(wrap)(next))
		},
		RequestHash:  soap.HashPolicy(p.settings.XRoad.RequestHash),
		HashProblems: func(problem string) { problems.WithLabelValues(problem).Inc() },
		Logger:       p.log.With("component", "soap"),
	})
	if err != nil {
		return nil, fmt.Errorf("setting xroad.securityServer: %w", err)
	}
	return sender, nil
}

// clientTLS is for calling address; what it shows and accepts is the last of the setting.
func (p *Program) clientTLS(key, address string) (*tls.Config, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("must be a URL")
	}
	return clientConfig(u.Hostname(), func() *identity { return p.live.identity(key) }), nil
}

func (p *Program) newWebhook(transport http.RoundTripper) (*event.Webhook, error) {
	deliveries := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_webhook_deliveries_total",
		Help: "Attempts to deliver an event to the core, by outcome."}, []string{"outcome"})
	durations := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "adapter_webhook_delivery_seconds",
		Help: "Duration of attempts to deliver an event.", Buckets: prometheus.DefBuckets})
	p.registry.MustRegister(deliveries, durations)
	for _, outcome := range []string{"ok", "status", string(xroadhdr.Ours), string(xroadhdr.Theirs), string(xroadhdr.Network), string(xroadhdr.Timeout)} {
		deliveries.WithLabelValues(outcome) // at zero from the start
	}
	if transport == nil {
		config, err := p.clientTLS("core.webhook.tls", p.settings.Core.Webhook.URL)
		if err != nil {
			return nil, fmt.Errorf("setting core.webhook.url: %w", err)
		}
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true, TLSClientConfig: config}
	}
	w, err := event.NewWebhook(p.store, event.WebhookOptions{
		URL: p.settings.Core.Webhook.URL, Secret: p.settings.Core.Webhook.Secret, Transport: p.meter.transport(systemCore, p.exchanges.toCore(transport)),
		Now: p.now, NewID: uuid.NewString, Random: rand.Float64, Logger: p.log.With("component", "webhook"),
		Attempted: func(a event.Attempt) {
			outcome := a.Failure
			if a.Delivered {
				outcome = "ok"
			}
			deliveries.WithLabelValues(outcome).Inc()
			durations.Observe(a.Took.Seconds())
		},
	})
	if err != nil {
		return nil, fmt.Errorf("setting core.webhook: %w", err)
	}
	return w, nil
}

func (p *Program) listen(name, address string) error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("setting listen.%s: %w", name, err)
	}
	listener = capConnections(listener, maxConnections)
	if p.settings.tls()["listen.tls."+name].Cert != "" {
		listener = tls.NewListener(listener, p.live.listener("listen.tls."+name))
	}
	base, giveUp := context.WithCancel(context.Background())
	l := &server{name: name, listener: listener, giveUp: giveUp, http: http.Server{
		ReadHeaderTimeout: p.senders.header, ReadTimeout: p.senders.whole, IdleTimeout: p.senders.idle, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(p.log.With("component", name).Handler(), slog.LevelWarn),
	}}
	p.servers = append(p.servers, l)
	return nil
}

// server is the listener of a name (xroad, core, ops), nil if there is none.
func (p *Program) server(name string) *server {
	for _, l := range p.servers {
		if l.name == name {
			return l
		}
	}
	return nil
}

// Address is where a listener (xroad, core, ops) listens, host:port.
func (p *Program) Address(name string) string {
	if l := p.server(name); l != nil {
		return l.listener.Addr().String()
	}
	return ""
}

// url is where a listener listens, with its scheme.
func (p *Program) url(name string) string {
	scheme := "http://"
	if p.settings.tls()["listen.tls."+name].Cert != "" {
		scheme = "https://"
	}
	return scheme + p.Address(name)
}

// work begins the background work.
func (p *Program) work() {
	ctx, end := context.WithCancel(context.Background())
	p.endWork = end
	p.working.Go(func() { p.orders.Run(ctx) })
	p.workOnMandates(ctx)
	p.working.Go(func() { p.running.Run(ctx) })
	p.working.Go(func() { p.followTokens(ctx) })
	for _, daily := range p.retentions {
		p.working.Go(func() { daily.Run(ctx) })
	}
	p.working.Go(func() { p.partitionsAhead(ctx) })
	logs, endLogs := context.WithCancel(context.Background())
	p.endLogs = endLogs
	p.working.Go(func() { p.security.Run(logs) })
	p.working.Go(func() { p.sessions.run(ctx) })
	events := func() {}
	if p.webhook != nil {
		p.working.Go(func() { p.webhook.Run(ctx) })
		events = p.webhook.Wake
	}
	if others, ok := p.store.(store.Listener); ok {
		p.working.Go(func() { others.Listen(ctx, events, p.running.Wake) })
	}
}

// Stop says that the program is no longer ready, takes no more, finishes what is in hand, and closes the database. It waits at
// most stopTimeout, after the time in which whoever spreads the requests is to notice. The ops listener ends last.
func (p *Program) Stop() error {
	p.ready.set(stopping)
	if p.endWork != nil { // it was ready
		p.endWork()
		time.Sleep(p.settings.Listen.Drain)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	late := time.AfterFunc(giveUpTimeout, func() {
		for _, l := range p.servers {
			l.giveUp()
		}
	})
	defer late.Stop()
	var errs []error
	for _, l := range p.servers {
		if err := l.http.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("listener %s: %w", l.name, errors.Join(err, l.http.Close())))
		}
	}
	if p.endLogs != nil { // what the last requests told is kept
		p.endLogs()
	}
	done := make(chan struct{})
	go func() { p.working.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		errs = append(errs, errors.New("background work did not end in time"))
	}
	return errors.Join(append(errs, p.exchanges.stop(ctx), p.endTraces(ctx), p.store.Close())...)
}

// stop undoes a start that failed half-way.
func (p *Program) stop() error {
	for _, l := range p.servers {
		_ = l.listener.Close() // nothing was accepted
	}
	return errors.Join(p.exchanges.stop(context.Background()), p.store.Close())
}
