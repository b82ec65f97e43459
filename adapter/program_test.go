package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// running starts the program and the simulators on loopback, wired to each other, and ends both with the test.
func running(t testing.TB, o simulator.Options, change func(*Settings)) (*Program, *simulator.World) {
	t.Helper()
	program, world := wired(t, o, change)
	t.Cleanup(func() { require.NoError(t, program.Stop()) })
	return program, world
}

// wired is the same with a program that the test stops.
func wired(t testing.TB, o simulator.Options, change func(*Settings)) (*Program, *simulator.World) {
	t.Helper()
	world, err := simulator.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	s := demoSettings(world, t.TempDir())
	if change != nil {
		change(&s)
	}
	require.NoError(t, s.check())
	program, err := Start(t.Context(), s, slog.New(slog.DiscardHandler), Watch{})
	require.NoError(t, err)
	token, err := tokenIn(s.Core.TokenFile)
	require.NoError(t, err)
	world.Attach(simulator.AdapterAddresses{EMTA: "http://" + program.Address("xroad") + emtaPath, Core: "http://" + program.Address("core"), Token: token,
		Mandates: "http://" + program.Address("xroad") + paasukePath})
	return program, world
}

// sampleOrderID is the id that the sample request notifies of.
const sampleOrderID = "order-id-n3n78ts"

// The tender's sample request, posted unchanged: the fault for an order that is not known, the empty answer for one that is.
func TestSampleNotification(t *testing.T) {
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	program, world := running(t, simulator.Options{
		Client: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11043739", SubsystemCode: "tkt"},
		NewID:  func() string { return sampleOrderID },
	}, func(s *Settings) { s.XRoad.Client = "ee-dev/COM/11043739/tkt" })
	endpoint := "http://" + program.Address("xroad") + emtaPath

	status, answer := postSOAP(t, endpoint, request)
	require.Equal(t, http.StatusInternalServerError, status)
	require.NotNil(t, answer.Fault)
	require.Equal(t, "Server", answer.Fault.Code)
	require.Equal(t, "Order not found with id: "+sampleOrderID, answer.Fault.String)
	require.Equal(t, fields(t, request), headerTags(answer))

	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}
	o, _, err := world.Core.StartPayment(t.Context(), d.ask())
	require.NoError(t, err)
	require.Equal(t, sampleOrderID, o.EMTAOrderID)

	status, answer = postSOAP(t, endpoint, request)
	require.Equal(t, http.StatusOK, status)
	require.Nil(t, answer.Fault)
	require.Equal(t, "cpgOrderNotifyResponse", answer.Body.Tag)
	require.Equal(t, "http://tkt.x-road.eu", answer.Body.NamespaceURI())
	require.Empty(t, answer.Body.ChildElements())
	require.Equal(t, fields(t, request), headerTags(answer))
}

func postSOAP(t testing.TB, url string, body []byte) (int, *soap.Message) {
	t.Helper()
	response, err := http.Post(url, "text/xml; charset=UTF-8", bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "text/xml; charset=UTF-8", response.Header.Get("Content-Type"))
	m, err := soap.ParseAnswer(raw, soap.Limits{})
	require.NoError(t, err, "%s", raw)
	return response.StatusCode, m
}

func fields(t testing.TB, raw []byte) []string {
	t.Helper()
	m, err := soap.ParseAnswer(raw, soap.Limits{})
	require.NoError(t, err)
	return headerTags(m)
}

func headerTags(m *soap.Message) []string {
	var tags []string
	for _, el := range m.Header.ChildElements() {
		tags = append(tags, el.Tag)
	}
	return tags
}

// Whatever comes to the xroad listener, a SOAP message goes back, but for the WSDL and its schemas.
func TestXRoadListenerAnswersSOAP(t *testing.T) {
	program, _ := running(t, simulator.Options{}, nil)
	for _, test := range []struct{ method, path, contentType, body string }{
		{"POST", "/emta", "text/xml", ""},
		{"POST", "/emta", "application/json", "{}"},
		{"POST", "/", "text/xml", "<a/>"},
		{"POST", "/emta/", "text/xml", "<a/>"},
		{"POST", "//emta", "text/xml", "<a/>"},
		{"GET", "/emta", "", ""},
		{"GET", "/", "", ""},
		{"DELETE", "/emta?wsdl", "", ""},
		{"GET", "/metrics", "", ""},
		{"GET", "/api/v1/orders", "", ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+program.Address("xroad")+test.path, bytes.NewReader([]byte(test.body)))
		require.NoError(t, err)
		r.Header.Set("Content-Type", test.contentType)
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		raw, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusInternalServerError, response.StatusCode, "%v", test)
		m, err := soap.ParseAnswer(raw, soap.Limits{})
		require.NoError(t, err, "%v: %s", test, raw)
		require.NotNil(t, m.Fault)
		require.Equal(t, "Client", m.Fault.Code)
	}
}

// Nothing of one listener can be reached on another (design §1).
func TestListenersAreApart(t *testing.T) {
	program, _ := running(t, simulator.Options{}, nil)
	for _, test := range []struct {
		listener, path string
		status         int
	}{
		{"core", "/metrics", 404}, {"core", "/emta?wsdl", 404}, {"core", "/status", 404},
		{"ops", "/api/v1/orders", 404}, {"ops", "/emta?wsdl", 404},
		{"core", "/api/v1/orders", 401}, {"ops", "/healthz", 200}, {"ops", "/readyz", 200}, {"ops", "/status", 200}, {"ops", "/metrics", 200},
		{"xroad", "/emta?wsdl", 200}, {"xroad", "/emta/xroad.xsd", 200}, {"xroad", "/emta/xml.xsd", 200},
		{"core", "/api/docs", 200}, {"core", "/api/openapi.yaml", 200},
	} {
		response, err := http.Get("http://" + program.Address(test.listener) + test.path)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, test.status, response.StatusCode, "%v", test)
	}
}

// A client that is not on the list is refused before anything is stored.
func TestAllowedClients(t *testing.T) {
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	program, _ := running(t, simulator.Options{}, func(s *Settings) {
		s.XRoad.Client, s.XRoad.AllowedClients = "ee-dev/COM/11043739/tkt", []string{"ee-dev/GOV/70000349/mkrliides"}
	})
	_, answer := postSOAP(t, "http://"+program.Address("xroad")+emtaPath, request)
	require.Equal(t, "Client", answer.Fault.Code)
	require.NotContains(t, answer.Fault.String, "Order not found")
}

// A database that would forget is refused at start (design §4).
func TestStartRefusesAForgetfulDatabase(t *testing.T) {
	s := defaultSettings()
	s.Listen = Listen{XRoad: "127.0.0.1:0", Core: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	s.Store = "sqlite::memory:"
	s.Core.TokenFile, s.Log.Dir = filepath.Join(t.TempDir(), "adapter.token"), t.TempDir()
	_, err := Start(t.Context(), s, slog.New(slog.DiscardHandler), Watch{})
	require.ErrorContains(t, err, "a memory database keeps nothing")
}

// A program that stops finishes what the core asked for: here an order is cancelled, and another one made instead.
func TestStopFinishesWhatIsInHand(t *testing.T) {
	program, world := wired(t, simulator.Options{}, nil)
	ask := (&demo{}).ask()
	first, _, err := world.Core.StartPayment(t.Context(), ask)
	require.NoError(t, err)
	require.NoError(t, world.Misbehave(simulator.OperationCancel, simulator.Mischief{DelayAfter: time.Second}))
	var asking sync.WaitGroup
	var second simulator.CoreOrder
	var startErr error
	ask.Amount = "31.00"
	asking.Go(func() { second, _, startErr = world.Core.StartPayment(t.Context(), ask) })
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(world.EMTA.Calls(), func(c simulator.Call) bool { return c.Operation == simulator.OperationCancel })
	}, 10*time.Second, 2*time.Millisecond)
	require.NoError(t, program.Stop())
	asking.Wait()
	require.NoError(t, startErr)
	require.NotEqual(t, first.ID, second.ID)
	require.Equal(t, string(order.Created), second.State)
}

// Who is given up when the time to stop is nearly over is answered all the same.
func TestStopGivesUp(t *testing.T) {
	program, world := running(t, simulator.Options{}, nil)
	ask := (&demo{}).ask()
	_, _, err := world.Core.StartPayment(t.Context(), ask)
	require.NoError(t, err)
	require.NoError(t, world.Misbehave(simulator.OperationCancel, simulator.Mischief{DelayAfter: 10 * time.Second}))
	var asking sync.WaitGroup
	var startErr error
	ask.Amount = "31.00"
	begin := time.Now()
	asking.Go(func() { _, _, startErr = world.Core.StartPayment(t.Context(), ask) })
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(world.EMTA.Calls(), func(c simulator.Call) bool { return c.Operation == simulator.OperationCancel })
	}, 10*time.Second, 2*time.Millisecond)
	program.server("core").giveUp()
	asking.Wait()
	var refused *simulator.Problem
	require.ErrorAs(t, startErr, &refused)
	require.Equal(t, http.StatusServiceUnavailable, refused.Status)
	require.Less(t, time.Since(begin), 10*time.Second, "EMTA's answer was not waited for")
}

// Without settings a payment is refused in words, and a notification of an order that is not known is answered.
func TestNotConfigured(t *testing.T) {
	folder := t.TempDir()
	s := defaultSettings()
	s.Listen = Listen{XRoad: "127.0.0.1:0", Core: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	s.Store, s.Core.TokenFile, s.Log.Dir = "sqlite:"+filepath.Join(folder, "adapter.db"), filepath.Join(folder, "adapter.token"), folder
	program, err := Start(t.Context(), s, slog.New(slog.DiscardHandler), Watch{})
	require.NoError(t, err)
	defer func() { require.NoError(t, program.Stop()) }()

	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	_, answer := postSOAP(t, "http://"+program.Address("xroad")+emtaPath, request)
	require.Equal(t, "Order not found with id: "+sampleOrderID, answer.Fault.String)

	core, err := simulator.NewCore(simulator.CoreOptions{})
	require.NoError(t, err)
	token, err := tokenIn(s.Core.TokenFile)
	require.NoError(t, err)
	core.Attach("http://"+program.Address("core"), token)
	_, _, err = core.StartPayment(t.Context(), (&demo{}).ask())
	var refused *simulator.Problem
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 503, refused.Status)
	require.Equal(t, "not-configured", refused.Code)
}

// The demo's day comes out right: the scenes of it are the end-to-end tests of the payment path.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo's day takes half a minute")
	}
	var told bytes.Buffer
	d := &demo{narrator: &narrator{out: &told, now: time.Now}}
	require.NoError(t, d.start(t.Context(), t.TempDir(), false))
	defer func() { require.NoError(t, d.stop()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, d.day(ctx), "%s", &told)
	require.Contains(t, told.String(), "16 scenes, 16 right, 0 wrong")
	require.Empty(t, d.world.Core.Refused(), "webhooks whose signature or content was wrong")
}
