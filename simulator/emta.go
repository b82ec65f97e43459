package simulator

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/beevik/etree"
	"github.com/google/uuid"
)

// namespaceCPG is that of the payment module's services (mkrliides.wsdl).
const namespaceCPG = "http://cpg-v6.x-road.eu"

// The payment module's services, and the merchant's that it calls.
const (
	OperationInit   = "cpgOrderInit"
	OperationGet    = "cpgOrderGet"
	OperationList   = "cpgOrderList"
	OperationCancel = "cpgOrderCancel"
	OperationNotify = "cpgOrderNotify"
)

// EMTAOptions of EMTA. The zero value works but for notifications, which need
// the addresses of NotifyOptions.
type EMTAOptions struct {
	Clock func() time.Time // nil: time.Now
	Seed  uint64           // of prefixes, member order and number formats; 0: another one each time
	NewID func() string    // ids of orders, payments and messages; nil: random UUIDs

	Expiry      time.Duration // of an order; 0 means 15 min
	KeepExpired bool          // do not cancel expired orders by ourselves

	// TKT makes the merchant one of TKT or customs: the stamp has at most 10
	// characters, and EN, RU and the reference number are mandatory.
	TKT      bool
	Refusals Refusals
	List     ListOptions
	Payments bool   // show Payments, which the text says external services do not get
	PayerURL string // the payer's page is PayerURL + "/pay/" + id

	Notifications NotifyOptions
}

// EMTA is the payment module: an http.Handler that a security server forwards
// to, the payer's moves, and notifications. It tells a call's merchant by the
// X-Road client.
type EMTA struct {
	mischief mischiefQueue
	stopped  chan struct{}
	stop     func()
	wake     chan struct{} // capacity 1: something is to be notified

	mu      sync.Mutex
	o       EMTAOptions
	rng     *rand.Rand
	orders  []*Order
	calls   []Call
	waiting []*Notification
}

var _ http.Handler = (*EMTA)(nil)

// Call is one call in either direction, in the order in which they ended.
type Call struct {
	Operation string
	OrderID   string // of the request, or of the order made; may be empty
	Stamp     string // of the order made or found; may be empty
	Time      time.Time
	Acted     bool   // a call of ours was carried out
	Refusal   string // what was refused with; empty when it went well
}

// NewEMTA returns a payment module without orders. Nothing runs in the
// background until Run.
func NewEMTA(o EMTAOptions) *EMTA {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Expiry == 0 {
		o.Expiry = 15 * time.Minute // what EMTA says production has
	}
	o.List = o.List.withDefaults()
	o.Notifications = o.Notifications.withDefaults()
	stopped := make(chan struct{})
	return &EMTA{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0)), wake: make(chan struct{}, 1),
		stopped: stopped, stop: sync.OnceFunc(func() { close(stopped) })}
}

// Close ends waiting delays.
func (e *EMTA) Close() { e.stop() }

// SetPayerURL changes where the payer's page is, for orders made from now on.
func (e *EMTA) SetPayerURL(url string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o.PayerURL = url
}

// Calls returns the calls of the payment module's services and the
// notifications sent, the oldest first.
func (e *EMTA) Calls() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Call(nil), e.calls...)
}

// Misbehave queues what the next calls of the operation do wrong, one Mischief a
// call. It refuses what only the security server can do.
func (e *EMTA) Misbehave(operation string, ms ...Mischief) error {
	return queueAt(AtEMTA, &e.mischief, operation, ms)
}

// ServeHTTP answers the security server.
func (e *EMTA) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageBytes))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req, refusal := readMessage(raw)
	if refusal != nil || req.fault {
		doc, _ := newFault("SOAP-ENV:Client", "the message is not a request over X-Road")
		xmlReply(http.StatusInternalServerError, bytesOf(doc)).writeTo(w)
		return
	}
	m := e.mischief.pop(req.service.ServiceCode)
	pause(m.DelayBefore, e.stopped)
	if m.CutBefore {
		panic(http.ErrAbortHandler)
	}
	answer := e.answer(req, m)
	pause(m.DelayAfter, e.stopped)
	if m.CutAfter {
		panic(http.ErrAbortHandler)
	}
	m.spoil(m.spoilHeader(answer)).writeTo(w)
}

// answer carries the operation out under the lock, logs the call and writes the answer.
func (e *EMTA) answer(req *message, m Mischief) reply {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
	call := Call{Operation: req.service.ServiceCode, Time: e.o.Clock(), Acted: m.acts()}
	var fill func(response *etree.Element)
	var refusal *refusedCall
	if m.acts() {
		fill, refusal = e.act(req, m, &call)
	}
	if m.Refuse != 0 {
		refusal = refuse(m.Refuse)
	}
	if refusal != nil {
		call.Refusal = refusal.Error()
	} else if m.ProviderFault != "" {
		call.Refusal = m.ProviderFault
	}
	e.calls = append(e.calls, call)
	switch {
	case m.ProviderFault != "":
		doc, _ := newFault(m.ProviderFault, m.FaultText)
		return xmlReply(http.StatusInternalServerError, bytesOf(doc))
	case refusal != nil:
		return e.o.Refusals.reply(refusal)
	}
	return xmlReply(http.StatusOK, e.respond(req, fill))
}

// act is one call of a service; fill writes the answer's content.
func (e *EMTA) act(req *message, m Mischief, call *Call) (fill func(*etree.Element), refusal *refusedCall) {
	operation := req.service.ServiceCode
	if req.body.Tag != operation+"Request" || req.body.NamespaceURI() != namespaceCPG {
		return nil, broken(req.body.Tag, "is not the element of "+operation)
	}
	if req.client.SubsystemCode == "" || req.service.ServiceVersion == "" {
		return nil, broken("header", "client and service must have all their parts")
	}
	switch operation {
	case OperationInit:
		return e.init(req, m, call)
	case OperationGet:
		return e.get(req, m, call)
	case OperationList:
		return e.list(req, m)
	case OperationCancel:
		return e.cancelOrder(req, call)
	}
	return nil, broken("service", "there is no "+operation)
}

// own finds the merchant's order that the request names by Id.
func (e *EMTA) own(req *message, call *Call) (*Order, *refusedCall) {
	call.OrderID = textOf(req.body, "Id")
	o := e.find(call.OrderID)
	if o == nil {
		return nil, refuse(http.StatusNotFound)
	}
	call.Stamp = o.Stamp
	if o.Merchant != req.client {
		return nil, refuse(http.StatusForbidden)
	}
	return o, nil
}

func (e *EMTA) get(req *message, m Mischief, call *Call) (func(*etree.Element), *refusedCall) {
	o, refusal := e.own(req, call)
	if refusal != nil {
		return nil, refusal
	}
	return func(response *etree.Element) { e.writeOrder(response, o, m) }, nil
}

func (e *EMTA) cancelOrder(req *message, call *Call) (func(*etree.Element), *refusedCall) {
	o, refusal := e.own(req, call)
	switch {
	case refusal != nil && refusal.number == http.StatusNotFound && e.o.Refusals.UnknownIs204:
		return nil, refuse(http.StatusNoContent)
	case refusal != nil:
		return nil, refusal
	case o.State == OrderCancelled:
		return nil, refuse(http.StatusNoContent)
	case o.State != OrderCreated:
		return nil, refuse(http.StatusConflict)
	}
	e.cancel(o, "nullified")
	return func(*etree.Element) {}, nil
}
