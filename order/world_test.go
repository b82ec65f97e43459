package order_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Who is who in the tests.
var (
	at   = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}
	emta = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"}
)

const (
	payerCode  = "60001019906" // the public test code
	payerEmail = "payer@example.ee"
	operator   = "EE60001019906"
)

// EMTA's operations, as they are called.
const (
	opInit   = simulator.OperationInit
	opGet    = simulator.OperationGet
	opList   = simulator.OperationList
	opCancel = simulator.OperationCancel
)

// world is the module on a SQLite store, before a simulated security server and EMTA, all in one process. It lives in
// a synctest bubble: the bubble's time is everybody's clock, and waiting costs nothing.
type world struct {
	t      rapid.TB
	path   string // of the database; ":memory:" is kept open over crashes
	store  store.Store
	mortal *mortal
	module *order.Module
	notify http.Handler // the present module's cpgOrderNotify
	ids    func() string

	server  *simulator.SecurityServer
	emta    *simulator.EMTA
	wire    *wire
	history *history

	settings order.Settings
	logged   *lockedBuffer
	registry *prometheus.Registry
}

// worldOptions choose a world; the zero value is a plain one.
type worldOptions struct {
	path     string // of the database; "": a fresh file
	settings func(*order.Settings)
	emta     simulator.EMTAOptions
	seed     uint64
}

// newWorld must be called in a bubble. close ends it.
func newWorld(t rapid.TB, dir string, o worldOptions) *world {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 3, 2, 10, 0, 0, 251_000_000, time.UTC))) // bubbles begin in 2000, which no order does
	if o.path == "" {
		o.path = filepath.Join(dir, "orders.db")
	}
	w := &world{t: t, path: o.path, ids: counted("a"), logged: &lockedBuffer{}}
	w.settings = order.Settings{Client: at, Provider: emta, MerchantName: "Ametlikud Teadaanded", Issue: "ATPUB",
		Timeout: 5 * time.Second, Parallel: 1}
	if o.settings != nil {
		o.settings(&w.settings)
	}
	w.server = simulator.NewSecurityServer(simulator.SecurityServerOptions{NewID: counted("f")})
	w.server.Register(at, emta)
	o.emta.Clock, o.emta.NewID, o.emta.PayerURL = time.Now, counted("e"), "http://payer.example"
	if o.emta.Seed = o.seed; o.seed == 0 {
		o.emta.Seed = 1
	}
	if o.emta.Notifications.Mode == "" {
		o.emta.Notifications.Mode = simulator.NotifyManual
	}
	o.emta.Notifications.URL, o.emta.Notifications.Transport = "http://ss.example/", simulator.InProcess(w.server)
	o.emta.Notifications.Client, o.emta.Notifications.Service = emta, at.Service("cpgOrderNotify", "v1")
	w.emta = simulator.NewEMTA(o.emta)
	for _, code := range []string{opInit, opGet, opList, opCancel} {
		w.server.Offer(simulator.Service{ID: emta.Service(code, "v1"), URL: "http://emta.example/", Transport: simulator.InProcess(w.emta)})
		w.server.Allow(at, emta, code)
	}
	w.server.Offer(simulator.Service{ID: at.Service("cpgOrderNotify", "v1"), URL: "http://adapter.example/emta",
		Transport: simulator.InProcess(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.notify.ServeHTTP(rw, r) }))})
	w.server.Allow(emta, at, "cpgOrderNotify")
	w.history = newHistory(w.emta)
	w.wire = &wire{world: w, inner: simulator.InProcess(w.server), mischief: map[string][]simulator.Mischief{}, sent: map[string]int{}}

	w.open()
	_, err := w.store.Migrate(context.Background())
	require.NoError(t, err)
	w.begin()
	return w
}

func (w *world) open() {
	s, err := store.Open(context.Background(), "sqlite:"+w.path)
	require.NoError(w.t, err)
	w.store = s
}

// begin makes a module on the store, as at the start of the program.
func (w *world) begin() {
	w.mortal = &mortal{Store: w.store, left: -1}
	w.module = w.replica(w.mortal)
	w.notify = soap.NewHandler(soap.HandlerOptions{NewID: w.ids}, w.module.Operation())
}

// replica is another module on the same database.
func (w *world) replica(s order.Store) *order.Module {
	logger := slog.New(slog.NewJSONHandler(w.logged, nil))
	sender, err := soap.NewSender(soap.SenderOptions{URL: "http://ss.example/", Transport: w.wire, NewID: w.ids, Logger: logger, RequestHash: soap.RefuseHash})
	require.NoError(w.t, err)
	w.registry = prometheus.NewRegistry()
	random := 0.0
	m, err := order.New(order.Options{Store: s, Sender: sender, Settings: w.settings, Now: time.Now, NewID: w.ids, Logger: logger,
		Random: func() float64 { return random }, Registry: w.registry})
	require.NoError(w.t, err)
	return m
}

// restart is the end of the process and the next start on the same database. Leases of the dead run out meanwhile.
func (w *world) restart() {
	w.mortal.kill()
	if w.path != ":memory:" {
		require.NoError(w.t, w.store.Close())
		w.open()
	}
	time.Sleep(11 * time.Second)
	w.begin()
}

func (w *world) close() {
	w.server.Close()
	w.emta.Close()
	require.NoError(w.t, w.store.Close())
	for _, secret := range []string{payerCode, payerEmail} {
		require.NotContains(w.t, w.logged.String(), secret, "a log line tells who paid")
	}
}

// ask is what the core asks for an announcement.
func ask(announcementID int64, amount string) order.Ask {
	digits := strconv.FormatInt(1000+announcementID, 10)
	return order.Ask{AnnouncementID: announcementID, Amount: amount, Currency: "EUR",
		ReferenceNumber: digits + string(order.ReferenceCheckDigit(digits)),
		Payer:           order.Payer{Code: payerCode, Country: "EE", Email: payerEmail},
		Language:        "et", RedirectURL: "https://core.example/back?order=${id}"}
}

// started starts a payment that is to succeed.
func (w *world) started(announcementID int64, amount string) order.Order {
	w.t.Helper()
	o, reused, err := w.module.Start(context.Background(), ask(announcementID, amount))
	require.NoError(w.t, err)
	require.False(w.t, reused)
	return o
}

// work does background work until nothing is due.
func (w *world) work() {
	w.t.Helper()
	for range 1000 {
		n, err := w.module.Work(context.Background())
		require.NoError(w.t, err)
		if n == 0 {
			return
		}
	}
	require.Fail(w.t, "background work has no end: something is due all the time")
}

// wait lets time pass, with background work when something is due.
func (w *world) wait(d time.Duration) {
	w.t.Helper()
	w.work()
	for end := time.Now().Add(d); time.Now().Before(end); w.work() {
		time.Sleep(max(time.Millisecond, time.Until(w.nextDue(end))))
	}
}

// nextDue is when the next row is due, at most until.
func (w *world) nextDue(until time.Time) time.Time {
	w.t.Helper()
	next := until
	for _, o := range w.orders() {
		for _, due := range []time.Time{o.NextCheck, o.NextOffer} {
			if !due.IsZero() && due.After(time.Now()) && due.Before(next) {
				next = due
			}
		}
	}
	return next
}

func (w *world) order(id int64) order.Order {
	w.t.Helper()
	o, err := w.store.Order(context.Background(), id)
	require.NoError(w.t, err)
	return o
}

func (w *world) orders() []order.Order {
	w.t.Helper()
	all, err := w.store.Orders(context.Background(), order.Filter{Limit: 10_000})
	require.NoError(w.t, err)
	return all
}

func (w *world) events() []event.Event {
	w.t.Helper()
	all, err := w.store.Events(context.Background(), 0, 100_000)
	require.NoError(w.t, err)
	return all
}

// told is an event's data as far as the tests read it.
type told struct {
	seq            int64
	kind           string
	ID             int64       `json:"id"`
	State          order.State `json:"state"`
	Amount         string      `json:"amount"`
	AmountMismatch bool        `json:"amountMismatch"`
	CompletionID   string      `json:"completionId"`
	Attempt        int         `json:"attempt"`
	AfterCancel    bool        `json:"afterCancel"`
	DuplicateOf    int64       `json:"duplicateOf"`
	Reason         string      `json:"reason"`
	EMTAOrderID    string      `json:"emtaOrderId"`
}

func readEvent(t rapid.TB, e event.Event) told {
	t.Helper()
	d := told{seq: e.Seq, kind: e.Type}
	require.NoError(t, json.Unmarshal(e.Data, &d))
	return d
}

// heard are the events of a subject in words, e.g. "order.completed 2".
func (w *world) heard(subject string) []string {
	w.t.Helper()
	words := []string{}
	for _, e := range w.events() {
		if e.Subject != subject {
			continue
		}
		d, word := readEvent(w.t, e), e.Type
		if d.Attempt > 1 {
			word += " " + strconv.Itoa(d.Attempt)
		}
		if d.AfterCancel {
			word += " after cancel"
		}
		if d.Reason != "" {
			word += " " + d.Reason
		}
		words = append(words, word)
	}
	return words
}

func subjectOf(o order.Order) string { return "order/" + strconv.FormatInt(o.ID, 10) }

// logOf are the order's log rows of an action.
func (w *world) logOf(id int64, action string) []string {
	w.t.Helper()
	entries, err := w.store.LogOf(context.Background(), id)
	require.NoError(w.t, err)
	messages := []string{}
	for _, e := range entries {
		if e.Action == action {
			messages = append(messages, strings.SplitN(e.Message, "\n", 2)[0])
		}
	}
	return messages
}

func (w *world) suspicions(emtaOrderID string) []order.Suspicion {
	w.t.Helper()
	s, err := w.store.Suspicions(context.Background(), emtaOrderID)
	require.NoError(w.t, err)
	return s
}

// deliver sends EMTA's waiting notification i.
func (w *world) deliver(i int) simulator.NotifyAnswer {
	w.t.Helper()
	a, err := w.emta.Deliver(context.Background(), i)
	require.NoError(w.t, err)
	return a
}

// claim confirms an order's present completion as the core does.
func (w *world) claim(id int64) order.Order {
	w.t.Helper()
	o, err := w.module.Claim(context.Background(), id, w.order(id).CompletionID, operator)
	require.NoError(w.t, err)
	return o
}

// code is the Code of an error, "" for none.
func code(t rapid.TB, err error) order.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *order.Error
	require.ErrorAs(t, err, &e)
	return e.Code
}

// wire is the way from the module to the security server. It sees each request, puts the mischief that is queued in place,
// and lets a test act in the middle of a call.
type wire struct {
	world *world
	inner http.RoundTripper

	mu       sync.Mutex
	mischief map[string][]simulator.Mischief // what the next calls of an operation do wrong
	sent     map[string]int                  // requests by operation
	requests []string                        // bodies, in the order in which they were sent
	before   func(operation string)          // runs once, before the next call reaches the security server
	after    func(operation string)          // runs once, when EMTA has answered the next call
	sending  func(body string)               // runs before each call
	cut      bool                            // there is no way to the security server
}

func (x *wire) misbehave(operation string, ms ...simulator.Mischief) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mischief[operation] = append(x.mischief[operation], ms...)
}

// behave forgets what is queued.
func (x *wire) behave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.mischief)
	x.before, x.after = nil, nil
}

func (x *wire) count(operation string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sent[operation]
}

var operationForm = regexp.MustCompile(`<cpg:(cpgOrder[A-Za-z]+)Request[ >]`)

func (x *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	operation := operationForm.FindStringSubmatch(string(body))[1]
	before, after := x.begin(operation, string(body))
	if x.sending != nil {
		x.sending(string(body))
	}
	if before != nil {
		before(operation)
	}
	if x.cut {
		httptrace.ContextClientTrace(r.Context()).GetConn("ss.example:80") // as a transport tells that it asks for a connection
		return nil, errors.New("no route to host")
	}
	answer, err := x.inner.RoundTrip(r)
	x.world.history.record()
	if after != nil {
		after(operation)
	}
	return answer, err
}

// begin notes the request and takes what is to happen with it.
func (x *wire) begin(operation, body string) (before, after func(string)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent[operation]++
	x.requests = append(x.requests, body)
	if queue := x.mischief[operation]; len(queue) > 0 {
		x.mischief[operation] = queue[1:]
		if err := x.world.server.Misbehave(operation, queue[0]); err != nil {
			if err := x.world.emta.Misbehave(operation, queue[0]); err != nil {
				panic(err) // a mischief that nobody can do
			}
		}
	}
	before, after = x.before, x.after
	x.before, x.after = nil, nil
	return before, after
}

// history is what EMTA's orders have ever been, and how often they were completed and taken back.
type history struct {
	emta *simulator.EMTA
	mu   sync.Mutex
	of   map[string]*past
}

type past struct {
	stamp       string
	states      map[order.State]bool
	amounts     map[string]bool
	finished    map[time.Time]bool
	last        order.State
	moves       int
	completions int
	reversals   int
}

func newHistory(e *simulator.EMTA) *history { return &history{emta: e, of: map[string]*past{}} }

// record must be called after whatever moves an order at EMTA.
func (h *history) record() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.emta.Orders() {
		p := h.of[o.ID]
		if p == nil {
			p = &past{stamp: o.Stamp, states: map[order.State]bool{order.Created: true}, amounts: map[string]bool{}, finished: map[time.Time]bool{{}: true}}
			h.of[o.ID] = p
		}
		state := order.State(o.State)
		if state != p.last {
			p.moves++
		}
		if state == order.Completed && p.last != order.Completed {
			p.completions++
		}
		if state != order.Completed && p.last == order.Completed {
			p.reversals++
		}
		p.last = state
		p.states[state] = true
		p.amounts[o.Amount.StringFixed(2)] = true
		p.finished[o.Finished.UTC().Truncate(time.Millisecond)] = true
	}
}

func (h *history) past(id string) *past {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[id]
}

// counted gives ids in sequence that look like UUIDs.
func counted(first string) func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("%s0000000-0000-4000-8000-%012d", first, n)
	}
}

func euros(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
