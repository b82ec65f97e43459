package simulator_test

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

func hashOf(message string) string {
	sum := sha512.Sum512([]byte(message))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// shopkeeper is a notified merchant: it knows some orders and answers with the
// samples' words. The ids that it was told arrive on told.
type shopkeeper struct {
	mu    sync.Mutex
	known map[string]bool
	cut   int // so many first calls get no answer
	told  chan string
}

func newShopkeeper(known ...string) *shopkeeper {
	s := &shopkeeper{known: map[string]bool{}, told: make(chan string, 100)}
	for _, id := range known {
		s.known[id] = true
	}
	return s
}

func (s *shopkeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil || doc.FindElement("//cpgOrderNotifyRequest/id") == nil {
		panic("not a notification: " + string(raw))
	}
	id := doc.FindElement("//cpgOrderNotifyRequest/id").Text()
	s.mu.Lock()
	known, cut := s.known[id], s.cut > 0
	s.cut--
	s.mu.Unlock()
	s.told <- id
	if cut {
		panic(http.ErrAbortHandler)
	}
	body := doc.FindElement("//Body")
	body.RemoveChild(body.ChildElements()[0])
	w.Header().Set("Content-Type", "text/xml")
	if known {
		body.CreateElement("tkt:cpgOrderNotifyResponse")
	} else {
		fault := body.CreateElement("soapenv:Fault")
		fault.CreateElement("faultcode").SetText("soapenv:Server")
		fault.CreateElement("faultstring").SetText("Order not found with id: " + id)
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = doc.WriteTo(w)
}

func (s *shopkeeper) await(t *testing.T) string {
	t.Helper()
	select {
	case id := <-s.told:
		return id
	case <-time.After(10 * time.Second):
		require.Fail(t, "nothing was notified")
		return ""
	}
}

// notified is a bench whose EMTA notifies s through the security server.
func notified(t *testing.T, s *shopkeeper, o simulator.NotifyOptions) *bench {
	t.Helper()
	var server http.Handler
	o.URL, o.Client, o.Service = "http://ss.example/", gateway, service(shop, "cpgOrderNotify")
	o.Transport = simulator.InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) }))
	b := newBench(t, simulator.EMTAOptions{Notifications: o})
	server = b.server
	b.server.Offer(simulator.Service{ID: service(shop, "cpgOrderNotify"), URL: "http://adapter.example/emta", Transport: simulator.InProcess(s)})
	b.server.Allow(gateway, shop, "cpgOrderNotify")
	return b
}

// run delivers in the background until the test ends.
func (b *bench) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.emta.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

const firstOrder = "00000000-0000-4000-8000-000000000001"

func TestNotifiesByHandInAnyOrder(t *testing.T) {
	s := newShopkeeper(firstOrder)
	b := notified(t, s, simulator.NotifyOptions{Mode: simulator.NotifyManual})
	id := b.create(t, "1")
	require.Empty(t, b.emta.Pending(), "a new order is no change")
	require.NoError(t, b.emta.ChooseMethod(id))
	require.NoError(t, b.emta.Pay(id))
	pending := b.emta.Pending()
	require.Len(t, pending, 2)
	require.Equal(t, []simulator.OrderState{simulator.OrderPending, simulator.OrderCompleted},
		[]simulator.OrderState{pending[0].State, pending[1].State})
	for _, i := range []int{1, 0, 1} {
		answer, err := b.emta.Deliver(t.Context(), i)
		require.NoError(t, err)
		require.True(t, answer.OK())
		require.Equal(t, id, s.await(t))
	}
	require.Equal(t, 2, b.emta.Pending()[1].Accepted)
	require.NoError(t, b.emta.Drop(0))
	require.Equal(t, simulator.OrderCompleted, b.emta.Pending()[0].State)
	_, err := b.emta.Deliver(t.Context(), 1)
	require.Error(t, err)
	require.Error(t, b.emta.Drop(-1))
	require.Len(t, b.emta.Calls(), 4)
}

func TestNotifiesOfUnknownOrders(t *testing.T) {
	b := notified(t, newShopkeeper(), simulator.NotifyOptions{Mode: simulator.NotifyNever})
	answer, err := b.emta.Notify(t.Context(), `odd & <id>`)
	require.NoError(t, err)
	require.False(t, answer.OK())
	require.Equal(t, "soapenv:Server", answer.FaultCode)
	require.Equal(t, "Order not found with id: odd & <id>", answer.FaultString)
	require.Equal(t, []simulator.Call{{Operation: "cpgOrderNotify", OrderID: "odd & <id>", Time: b.clock.Now(), Acted: true, Refusal: "soapenv:Server"}}, b.emta.Calls())
}

func TestNotificationIsTheSamples(t *testing.T) {
	var got string
	b := notified(t, newShopkeeper(), simulator.NotifyOptions{UserID: "EE12345678901"})
	b.server.Offer(simulator.Service{ID: service(shop, "cpgOrderNotify"), URL: "http://adapter.example/emta",
		Transport: simulator.InProcess(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			got = string(raw)
		}))})
	_, err := b.emta.Notify(t.Context(), "order-id-n3n78ts")
	require.NoError(t, err)
	want := golden(t, "cpgOrderNotifyRequest.xml")
	want = want[strings.Index(want, "<soapenv:Envelope"):]
	for _, space := range []string{"\n", "  "} {
		want = strings.ReplaceAll(want, space, "")
	}
	ours := strings.NewReplacer("<xro:id>00000000-0000-4000-8000-000000000001<", "<xro:id>1<", "12345678<", "11043739<",
		"70000349", "11043739", ">EE<", ">ee-dev<", "payment-gateway", "tkt", ">TKT<", ">tkt<").Replace(got)
	require.Equal(t, want, ours[strings.Index(ours, "<soapenv:Envelope"):])
}

func TestNotifiesAlwaysUntilAccepted(t *testing.T) {
	s := newShopkeeper(firstOrder)
	s.cut = 2
	b := notified(t, s, simulator.NotifyOptions{Backoff: []time.Duration{time.Second, 4 * time.Second}})
	id := b.create(t, "1")
	b.run(t)
	require.NoError(t, b.emta.Pay(id))
	for i, wait := range []time.Duration{time.Second, 4 * time.Second} {
		require.Equal(t, id, s.await(t))
		require.Eventually(t, func() bool { return b.emta.Pending()[0].Attempts == i+1 }, 10*time.Second, time.Millisecond)
		require.Equal(t, b.clock.Now().Add(wait), b.emta.Pending()[0].Due)
		b.clock.advance(wait)
	}
	require.Equal(t, id, s.await(t))
	require.Eventually(t, func() bool { return len(b.emta.Pending()) == 0 }, 10*time.Second, time.Millisecond)
	require.Len(t, b.emta.Calls(), 4)
}

func TestNotifiesRepeatedly(t *testing.T) {
	s := newShopkeeper(firstOrder)
	b := notified(t, s, simulator.NotifyOptions{Mode: simulator.NotifyRepeat, Times: 3, Backoff: []time.Duration{0}})
	id := b.create(t, "1")
	b.run(t)
	require.NoError(t, b.emta.Pay(id))
	for range 3 {
		require.Equal(t, id, s.await(t))
	}
	require.Eventually(t, func() bool { return len(b.emta.Pending()) == 0 }, 10*time.Second, time.Millisecond)
	require.Empty(t, s.told)
}

func TestGivesUpNotifying(t *testing.T) {
	s := newShopkeeper()
	b := notified(t, s, simulator.NotifyOptions{Attempts: 3, Backoff: []time.Duration{0}})
	id := b.create(t, "1")
	b.run(t)
	require.NoError(t, b.emta.Pay(id))
	require.Eventually(t, func() bool { return len(b.emta.Pending()) == 0 }, 10*time.Second, time.Millisecond)
	require.Len(t, s.told, 3)
}

func TestNeverNotifies(t *testing.T) {
	b := notified(t, newShopkeeper(firstOrder), simulator.NotifyOptions{Mode: simulator.NotifyNever})
	require.NoError(t, b.emta.Pay(b.create(t, "1")))
	require.Empty(t, b.emta.Pending())
}

func TestRunExpiresOrders(t *testing.T) {
	s := newShopkeeper(firstOrder)
	b := notified(t, s, simulator.NotifyOptions{})
	id := b.create(t, "1")
	b.run(t)
	b.clock.advance(16 * time.Minute)
	require.Equal(t, id, s.await(t))
}

func TestNotificationAnsweredWithNonsense(t *testing.T) {
	b := notified(t, newShopkeeper(), simulator.NotifyOptions{})
	nonsense := httptest.NewServer(provider(200, "text/html", []byte("<html/>")))
	defer nonsense.Close()
	b.server.Offer(simulator.Service{ID: service(shop, "cpgOrderNotify"), URL: nonsense.URL})
	answer, err := b.emta.Notify(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, "Server.ServerProxy.ServiceFailed.InvalidContentType", answer.FaultCode)
}
