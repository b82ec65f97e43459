package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// maxMessageBytes bounds a message either way. The largest of the contract, a
// full page of cpgOrderList, stays far below.
const maxMessageBytes = 10 << 20

// defaultServiceTimeout is what a security server gives a service that was
// added without a timeout of its own (fact sheet §4.5).
const defaultServiceTimeout = 60 * time.Second

// Service is one service behind a SecurityServer.
type Service struct {
	ID        xroadhdr.ServiceID
	URL       string            // of the provider's backend; nothing is added to it
	Timeout   time.Duration     // until the backend's answer must be there; 0 means 60 s
	REST      bool              // the metaservices list it as REST, not SOAP
	Disabled  string            // administrator's notice; not empty: ServiceDisabled
	Transport http.RoundTripper // to the backend; nil: the security server's own
}

// SecurityServerOptions of a SecurityServer; the zero value works.
type SecurityServerOptions struct {
	Spelling Spelling      // of error codes
	NewID    func() string // ids of faults and of nothing else; nil: random UUIDs
	TLS      *tls.Config   // to providers with an https URL; nil: the defaults of crypto/tls
}

// right is an access right: per service code, for all versions (fact sheet §2.2).
type right struct {
	client      xroadhdr.ClientID
	provider    xroadhdr.ClientID
	serviceCode string
}

// SecurityServer stands for the client's and the provider's security server in
// one, in both directions. It is an http.Handler that takes POST / with a SOAP
// message and always answers a SOAP message, faults included, with HTTP 200
// (fact sheet §§2.4, 4, 5.2); what comes to /r1/ is REST (§6). Attachments are forwarded in requests and not
// supported in answers. Close ends its delays.
type SecurityServer struct {
	newID     func() string
	transport *http.Transport
	mischief  mischiefQueue
	stopped   chan struct{}
	stop      func()

	mu       sync.Mutex
	spelling Spelling
	members  map[xroadhdr.ClientID]bool
	services map[xroadhdr.ServiceID]Service
	rights   map[right]bool
}

var _ http.Handler = (*SecurityServer)(nil)

// NewSecurityServer returns a security server that knows no members and no services yet.
func NewSecurityServer(o SecurityServerOptions) *SecurityServer {
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	stopped := make(chan struct{})
	return &SecurityServer{
		newID: o.NewID, spelling: o.Spelling, stopped: stopped,
		stop: sync.OnceFunc(func() { close(stopped) }),
		// Answers come uncompressed and redirects are not followed (fact sheet §4.1).
		transport: &http.Transport{DisableCompression: true, TLSClientConfig: o.TLS},
		members:   map[xroadhdr.ClientID]bool{},
		services:  map[xroadhdr.ServiceID]Service{},
		rights:    map[right]bool{},
	}
}

// Close ends waiting delays and idle connections to providers.
func (s *SecurityServer) Close() {
	s.stop()
	s.transport.CloseIdleConnections()
}

// Register makes a client or provider known. Others are UnknownMember.
func (s *SecurityServer) Register(members ...xroadhdr.ClientID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range members {
		s.members[m] = true
	}
}

// Offer adds a service, or replaces the one of the same id, and registers its provider.
func (s *SecurityServer) Offer(service Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[providerOf(service.ID)] = true
	s.services[service.ID] = service
}

// Allow gives client the right to call the provider's service code, all versions.
func (s *SecurityServer) Allow(client, provider xroadhdr.ClientID, serviceCode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rights[right{client, provider, serviceCode}] = true
}

// Deny takes a right of Allow away.
func (s *SecurityServer) Deny(client, provider xroadhdr.ClientID, serviceCode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rights, right{client, provider, serviceCode})
}

// SetSpelling changes the spelling of error codes from the next fault on.
func (s *SecurityServer) SetSpelling(spelling Spelling) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spelling = spelling
}

// Misbehave queues what the next calls of the service code do wrong here, one
// Mischief a call. It refuses what only EMTA can do.
func (s *SecurityServer) Misbehave(serviceCode string, ms ...Mischief) error {
	return queueAt(AtSecurityServer, &s.mischief, serviceCode, ms)
}

func queueAt(place Place, q *mischiefQueue, operation string, ms []Mischief) error {
	for _, m := range ms {
		if m.Place == "" && !m.onlyEMTA() && !m.onlyServer() {
			m.Place = place
		}
		at, err := m.where()
		if err != nil {
			return err
		}
		if at != place {
			return fmt.Errorf("mischief asks for what cannot be done at the %s", place)
		}
	}
	q.push(operation, ms...)
	return nil
}

// ServeHTTP answers a client's information system.
func (s *SecurityServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, restPrefix) {
		s.serveREST(w, r)
		return
	}
	req, err := readRequest(w, r)
	if err != nil {
		s.fault(err).writeTo(w)
		return
	}
	m := s.mischief.pop(req.message.service.ServiceCode)
	pause(m.DelayBefore, s.stopped)
	if m.CutBefore {
		panic(http.ErrAbortHandler)
	}
	answer := s.answer(r.Context(), req, m)
	pause(m.DelayAfter, s.stopped)
	if m.CutAfter {
		panic(http.ErrAbortHandler)
	}
	m.spoil(m.spoilHeader(answer)).writeTo(w)
}

func (s *SecurityServer) answer(ctx context.Context, req *request, m Mischief) reply {
	var body []byte
	var err error
	if m.acts() {
		body, err = s.exchange(ctx, req)
	}
	switch {
	case m.Fault != "":
		return s.spelled(m.Spelling, &faultError{code: m.Fault, text: m.FaultText})
	case err != nil:
		return s.fault(err)
	}
	return xmlReply(http.StatusOK, body)
}

// faultError is a security server's fault: a whole code in classic spelling.
type faultError struct {
	code    string
	text    string
	foreign bool // the code ends in a client's own faultcode: only lower-cased from 7.8 (fact sheet §2.4)
}

func (e *faultError) Error() string { return e.code + ": " + e.text }

func (s *SecurityServer) fault(err error) reply { return s.spelled("", err) }

func (s *SecurityServer) spelled(spelling Spelling, err error) reply {
	s.mu.Lock()
	if spelling == "" {
		spelling = s.spelling
	}
	s.mu.Unlock()
	fault := &faultError{code: "Server.ClientProxy.InternalError", text: err.Error()}
	errors.As(err, &fault)
	code := spelling.write(fault.code)
	if fault.foreign {
		code = fault.code
		if spelling == SnakeCase {
			code = strings.ToLower(code)
		}
	}
	return xmlReply(http.StatusOK, securityServerFault(code, fault.text, s.newID()))
}
