package simulator_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// The identifiers of EMTA's samples.
var (
	shop    = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "12345678", SubsystemCode: "TKT"}
	gateway = xroadhdr.ClientID{Instance: "EE", MemberClass: "COM", MemberCode: "70000349", SubsystemCode: "payment-gateway"}
)

func service(c xroadhdr.ClientID, code string) xroadhdr.ServiceID {
	return xroadhdr.ServiceID{Instance: c.Instance, MemberClass: c.MemberClass, MemberCode: c.MemberCode,
		SubsystemCode: c.SubsystemCode, ServiceCode: code, ServiceVersion: "v1"}
}

// clock is a hand-moved time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 2, 10, 0, 0, 251_000_000, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// counted gives ids in sequence.
func counted() func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	}
}

// bench is a security server before EMTA, without sockets.
type bench struct {
	clock  *clock
	server *simulator.SecurityServer
	emta   *simulator.EMTA
}

func newBench(t testing.TB, o simulator.EMTAOptions) *bench {
	t.Helper()
	b := &bench{clock: newClock(), server: simulator.NewSecurityServer(simulator.SecurityServerOptions{NewID: counted()})}
	o.Clock, o.NewID, o.PayerURL = b.clock.Now, counted(), "http://payer.example"
	if o.Seed == 0 {
		o.Seed = 1
	}
	b.emta = simulator.NewEMTA(o)
	b.server.Register(shop)
	for _, code := range []string{"cpgOrderInit", "cpgOrderGet", "cpgOrderList", "cpgOrderCancel"} {
		b.server.Offer(simulator.Service{ID: service(gateway, code), URL: "http://emta.example/", Transport: simulator.InProcess(b.emta)})
		b.server.Allow(shop, gateway, code)
	}
	t.Cleanup(b.server.Close)
	t.Cleanup(b.emta.Close)
	return b
}

func golden(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return string(raw)
}

// initRequest is EMTA's sample for a stamp.
func initRequest(t testing.TB, stamp string) string {
	return strings.Replace(golden(t, "cpgOrderInitRequest.xml"), "MERCHANT_UNIQUE_MESSAGE_ID", stamp, 1)
}

// bodyRequest is the sample's header with another service and body content.
func bodyRequest(t testing.TB, code, content string) string {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromString(golden(t, "cpgOrderInitRequest.xml")))
	doc.FindElement("//serviceCode").SetText(code)
	body := doc.FindElement("//Body")
	body.RemoveChild(body.ChildElements()[0])
	inner := etree.NewDocument()
	require.NoError(t, inner.ReadFromString("<cpg:"+code+"Request>"+content+"</cpg:"+code+"Request>"))
	body.AddChild(inner.Root())
	out, err := doc.WriteToString()
	require.NoError(t, err)
	return out
}

// post sends a message as a client's information system does.
func post(h http.Handler, message string) (int, string, []byte, error) {
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://ss.example/", strings.NewReader(message))
	req.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	req.Header.Set("SOAPAction", `""`)
	return send(h, req)
}

func send(h http.Handler, req *http.Request) (int, string, []byte, error) {
	answer, err := simulator.InProcess(h).RoundTrip(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var body bytes.Buffer
	_, err = io.Copy(&body, answer.Body)
	return answer.StatusCode, answer.Header.Get("Content-Type"), body.Bytes(), err
}

// call posts and wants a SOAP message back.
func (b *bench) call(t testing.TB, message string) *etree.Document {
	t.Helper()
	status, contentType, body, err := post(b.server, message)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Equal(t, "text/xml; charset=UTF-8", contentType)
	return parse(t, body)
}

func parse(t testing.TB, raw []byte) *etree.Document {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromBytes(raw), "%s", raw)
	require.NotNil(t, doc.Root(), "%s", raw)
	return doc
}

// at is the text at a path of local names anywhere in the message, "" when absent.
func at(doc *etree.Document, path string) string {
	if el := doc.FindElement("//" + path); el != nil {
		return el.Text()
	}
	return ""
}

// create makes an order by the sample and returns its id.
func (b *bench) create(t testing.TB, stamp string) string {
	t.Helper()
	id := at(b.call(t, initRequest(t, stamp)), "Order/Id")
	require.NotEmpty(t, id)
	return id
}

func (b *bench) get(t testing.TB, id string) *etree.Document {
	t.Helper()
	return b.call(t, bodyRequest(t, "cpgOrderGet", "<Id>"+id+"</Id>"))
}
