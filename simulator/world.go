package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Options of a World; the zero value works. Addresses are host:port on
// loopback, empty for a free port.
type Options struct {
	SecurityServerAddress string
	EMTAAddress           string // of EMTA's backend, for its security server
	PayerAddress          string
	CoreAddress           string
	ControlAddress        string
	PaasukeAddress        string // of Pääsuke's page
	Hostname              string // under which all of them are reached; with it they may listen on other than loopback

	Client          xroadhdr.ClientID // the adapter's; zero: ee-dev/GOV/70000310/at
	EMTA            xroadhdr.ClientID // zero: ee-dev/GOV/70000349/mkrliides
	Paasuke         xroadhdr.ClientID // zero: ee-dev/GOV/70006317/paasuke
	Version         string            // of EMTA's services and of cpgOrderNotify; empty: v1
	NotifyNamespace string            // empty: http://tkt.x-road.eu
	ServiceTimeout  time.Duration     // of both directions at the security server; 0 means 60 s

	Clock         func() time.Time
	Seed          uint64
	NewID         func() string
	Spelling      Spelling
	PaymentModule EMTAOptions // its Clock, Seed, NewID, PayerURL and notification addresses are set by Start
	WebhookSecret string      // "whsec_" and Base64; empty: DefaultWebhookSecret

	// ListenTLS is the security server's where the adapter calls it, nil for plain HTTP; CallTLS where it calls an https adapter.
	ListenTLS, CallTLS *tls.Config

	CoreTransport http.RoundTripper // of the core's calls to the internal API; nil: the default
}

// DefaultWebhookSecret is for simulators only: it is known to everybody.
const DefaultWebhookSecret = "whsec_c2ltdWxhdG9yLXdlYmhvb2stc2VjcmV0LW5vdC1zZWNyZXQ="

// AdapterAddresses say where the adapter is.
type AdapterAddresses struct {
	EMTA  string // the notify service, as http://127.0.0.1:8080/emta
	Core  string // the core listener, as http://127.0.0.1:8081
	Token string // bearer token of the internal API

	Mandates string // the mandates service, as http://127.0.0.1:8080/paasuke; empty: not registered
}

// World is all simulators, running and wired.
type World struct {
	SecurityServer *SecurityServer
	EMTA           *EMTA
	Core           *Core
	Paasuke        *Paasuke

	o         Options
	server    *listener
	partners  *listener // the same security server in plain HTTP, for EMTA and Pääsuke; nil: it is server
	backend   *listener
	payer     *listener
	core      *listener
	control   *listener
	paasuke   *listener
	endRun    context.CancelFunc
	running   sync.WaitGroup
	mu        sync.Mutex
	addresses AdapterAddresses
}

func (o Options) withDefaults() Options {
	if o.Client == (xroadhdr.ClientID{}) {
		o.Client = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}
	}
	if o.EMTA == (xroadhdr.ClientID{}) {
		o.EMTA = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"}
	}
	if o.Paasuke == (xroadhdr.ClientID{}) {
		o.Paasuke = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70006317", SubsystemCode: "paasuke"}
	}
	if o.Version == "" {
		o.Version = "v1"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.WebhookSecret == "" {
		o.WebhookSecret = DefaultWebhookSecret
	}
	return o
}

func serviceOf(c xroadhdr.ClientID, code, version string) xroadhdr.ServiceID {
	return xroadhdr.ServiceID{Instance: c.Instance, MemberClass: c.MemberClass, MemberCode: c.MemberCode,
		SubsystemCode: c.SubsystemCode, ServiceCode: code, ServiceVersion: version}
}

// Start brings all simulators up. The adapter's addresses are given to Attach
// when they are known. ctx bounds the start only; Close ends what runs.
func Start(ctx context.Context, o Options) (*World, error) {
	o = o.withDefaults()
	core, err := NewCore(CoreOptions{Clock: o.Clock, Secret: o.WebhookSecret, Transport: o.CoreTransport})
	if err != nil {
		return nil, err
	}
	w := &World{o: o, Core: core, SecurityServer: NewSecurityServer(SecurityServerOptions{Spelling: o.Spelling, NewID: o.NewID, TLS: o.CallTLS})}
	if w.server, err = listenTLS(ctx, o.SecurityServerAddress, o.Hostname, o.ListenTLS, w.SecurityServer); err != nil {
		return nil, err
	}
	partners := w.server
	if o.ListenTLS != nil { // the partners have security servers of their own
		if w.partners, err = listen(ctx, "", "", w.SecurityServer); err != nil {
			return nil, errors.Join(err, w.Close())
		}
		partners = w.partners
	}
	w.EMTA = NewEMTA(o.paymentModule(partners.url))
	w.Paasuke = NewPaasuke(PaasukeOptions{SecurityServer: partners.url, Client: o.Paasuke, Service: serviceOf(o.Client, ServiceMandates, ""), NewID: o.NewID})
	for _, l := range []struct {
		listener **listener
		address  string
		handler  http.Handler
	}{
		{&w.backend, o.EMTAAddress, w.EMTA}, {&w.payer, o.PayerAddress, w.EMTA.PayerHandler()},
		{&w.core, o.CoreAddress, w.Core}, {&w.control, o.ControlAddress, w.controlHandler()},
		{&w.paasuke, o.PaasukeAddress, w.Paasuke.PageHandler()},
	} {
		if *l.listener, err = listen(ctx, l.address, o.Hostname, l.handler); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	w.EMTA.SetPayerURL(w.payer.url)
	w.connect()
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.endRun = cancel
	w.running.Go(func() { w.EMTA.Run(running) })
	return w, nil
}

func (o Options) paymentModule(securityServer string) EMTAOptions {
	e := o.PaymentModule
	e.Clock, e.Seed, e.NewID = o.Clock, o.Seed, o.NewID
	e.Notifications.URL = securityServer + "/"
	e.Notifications.Client = o.EMTA
	e.Notifications.Service = serviceOf(o.Client, OperationNotify, o.Version)
	if o.NotifyNamespace != "" {
		e.Notifications.Namespace = o.NotifyNamespace
	}
	return e
}

// connect registers members, EMTA's services and the rights of both directions.
func (w *World) connect() {
	w.SecurityServer.Register(w.o.Client, w.o.EMTA, w.o.Paasuke)
	for _, code := range []string{OperationInit, OperationGet, OperationList, OperationCancel} {
		w.SecurityServer.Offer(Service{ID: serviceOf(w.o.EMTA, code, w.o.Version), URL: w.backend.url + "/", Timeout: w.o.ServiceTimeout})
		w.SecurityServer.Allow(w.o.Client, w.o.EMTA, code)
	}
	w.SecurityServer.Allow(w.o.EMTA, w.o.Client, OperationNotify)
	w.SecurityServer.Allow(w.o.Paasuke, w.o.Client, ServiceMandates)
}

// Attach tells the simulators where the adapter is. Until then notifications
// meet UnknownService, and are repeated. It may be called again.
func (w *World) Attach(a AdapterAddresses) {
	w.mu.Lock()
	w.addresses = a
	w.mu.Unlock()
	w.SecurityServer.Offer(Service{ID: serviceOf(w.o.Client, OperationNotify, w.o.Version), URL: a.EMTA, Timeout: w.o.ServiceTimeout})
	if a.Mandates != "" {
		w.SecurityServer.Offer(Service{ID: serviceOf(w.o.Client, ServiceMandates, ""), REST: true, URL: a.Mandates, Timeout: w.o.ServiceTimeout})
	}
	w.Core.Attach(a.Core, a.Token)
}

// Misbehave queues what the next calls of the operation do wrong, one Mischief a
// call, wherever each happens. Calls of one operation must not overlap
// meanwhile, or they may get one another's.
func (w *World) Misbehave(operation string, ms ...Mischief) error {
	for _, m := range ms {
		place, err := m.where()
		if err != nil {
			return err
		}
		m.Place = place
		switch {
		case operation == OperationNotify && place == AtEMTA:
			return errors.New("mischief asks for what EMTA does when it is called, and cpgOrderNotify is not")
		case operation == OperationNotify:
			w.SecurityServer.mischief.push(operation, m)
		case place == AtEMTA:
			w.SecurityServer.mischief.push(operation, Mischief{})
			w.EMTA.mischief.push(operation, m)
		case m.acts():
			w.SecurityServer.mischief.push(operation, m)
			w.EMTA.mischief.push(operation, Mischief{})
		default:
			w.SecurityServer.mischief.push(operation, m)
		}
	}
	return nil
}

// Behave forgets all mischief that is queued.
func (w *World) Behave() {
	w.SecurityServer.mischief.clear()
	w.EMTA.mischief.clear()
	w.Core.answers.clear()
}

// SecurityServerURL is where the adapter's requests go.
func (w *World) SecurityServerURL() string { return w.server.url + "/" }

// WebhookURL is where the adapter's webhooks go.
func (w *World) WebhookURL() string { return w.core.url + "/webhook" }

// WebhookSecret is the secret that webhooks are to be signed with.
func (w *World) WebhookSecret() string { return w.o.WebhookSecret }

// PayerURL is the address of the payer's pages, without /pay/{id}.
func (w *World) PayerURL() string { return w.payer.url }

// ControlURL is the page by which a person moves the simulators.
func (w *World) ControlURL() string { return w.control.url + "/" }

// PaasukeURL is Pääsuke's page, for a person's browser.
func (w *World) PaasukeURL() string { return w.paasuke.url + "/" }

// Close ends everything, cutting what is under way.
func (w *World) Close() error {
	if w.endRun != nil {
		w.endRun()
	}
	w.SecurityServer.Close()
	if w.EMTA != nil {
		w.EMTA.Close()
	}
	w.Core.Close()
	var err error
	for _, l := range []*listener{w.server, w.partners, w.backend, w.payer, w.core, w.control, w.paasuke} {
		if l != nil {
			err = errors.Join(err, l.close())
		}
	}
	w.running.Wait()
	return err
}
