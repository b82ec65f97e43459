package simulator_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// sign is a webhook by the Standard Webhooks convention.
func sign(t *testing.T, id string, at time.Time, body string) http.Header {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	require.NoError(t, err)
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + body))
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp},
		"Webhook-Signature": {"v1,AAAA v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
}

func newCore(t *testing.T, c *clock, api http.Handler) *simulator.Core {
	t.Helper()
	core, err := simulator.NewCore(simulator.CoreOptions{Clock: c.Now, Secret: webhookSecret, Transport: simulator.InProcess(api)})
	require.NoError(t, err)
	t.Cleanup(core.Close)
	core.Attach("http://adapter.example", "secret-token")
	return core
}

func deliver(core *simulator.Core, header http.Header, body string) (int, error) {
	req := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	req.Header = header
	status, _, _, err := send(core, req)
	return status, err
}

func TestWebhookSignature(t *testing.T) {
	c := newClock()
	body := golden(t, "order-completed.json")
	right := sign(t, "msg_1", c.Now(), body)
	changed := func(field, value string) http.Header {
		h := right.Clone()
		h.Set(field, value)
		if value == "" {
			h.Del(field)
		}
		return h
	}
	for _, tt := range []struct {
		name   string
		header http.Header
		body   string
		status int
	}{
		{"right", right, body, 204},
		{"another body", right, body + " ", 401},
		{"another id", changed("webhook-id", "msg_2"), body, 401},
		{"no id", changed("webhook-id", ""), body, 401},
		{"no timestamp", changed("webhook-timestamp", ""), body, 401},
		{"another timestamp", changed("webhook-timestamp", strconv.FormatInt(c.Now().Unix()+1, 10)), body, 401},
		{"no signature", changed("webhook-signature", ""), body, 401},
		{"another version", changed("webhook-signature", strings.ReplaceAll(right.Get("webhook-signature"), "v1,", "v2,")), body, 401},
		{"old", sign(t, "msg_1", c.Now().Add(-6*time.Minute), body), body, 401},
		{"from the future", sign(t, "msg_1", c.Now().Add(6*time.Minute), body), body, 401},
		{"signed nonsense", sign(t, "msg_1", c.Now(), "nonsense"), "nonsense", 400},
		{"signed, no CloudEvent", sign(t, "msg_1", c.Now(), "{}"), "{}", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			core := newCore(t, c, nil)
			status, err := deliver(core, tt.header, tt.body)
			require.NoError(t, err)
			require.Equal(t, tt.status, status)
			require.Equal(t, tt.status == 204, len(core.Received()) == 1)
			require.Equal(t, tt.status != 204, len(core.Refused()) == 1)
		})
	}
}

// The convention's own example; its body is no CloudEvent, which is looked at
// only after the signature.
func TestWebhookSignatureOfTheConvention(t *testing.T) {
	c := &clock{now: time.Unix(1614265330, 0)}
	core := newCore(t, c, nil)
	header := http.Header{"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}
	status, err := deliver(core, header, `{"test": 2432232314}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
}

func TestWebhookSecretMustBeRight(t *testing.T) {
	for _, secret := range []string{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_%"} {
		_, err := simulator.NewCore(simulator.CoreOptions{Secret: secret})
		require.Error(t, err, secret)
		require.NotContains(t, err.Error(), "MfKQ")
	}
}

func TestWebhookEvent(t *testing.T) {
	c := newClock()
	core := newCore(t, c, nil)
	body := golden(t, "order-completed.json")
	_, err := deliver(core, sign(t, "msg_1", c.Now(), body), body)
	require.NoError(t, err)
	got := core.Received()[0]
	require.Equal(t, "msg_1", got.WebhookID)
	require.True(t, got.Accepted)
	e := got.Event
	require.Equal(t, "order.completed", e.Type)
	require.Equal(t, "order/12", e.Subject)
	require.Equal(t, "3", e.CompletionID)
	require.Equal(t, 2, e.Attempt)
	require.Equal(t, "12", e.Order.ID)
	require.Equal(t, "30.00", e.Order.Amount)
	require.Equal(t, "9", e.DuplicateOf)
	require.Equal(t, time.Date(2026, 3, 2, 10, 5, 0, 0, time.UTC), e.Order.Finished.UTC())
	require.True(t, e.Order.Expires.IsZero())
}

func TestWebhookMischief(t *testing.T) {
	c := newClock()
	core := newCore(t, c, nil)
	core.Misbehave(simulator.Mischief{HTML: 500}, simulator.Mischief{CutBefore: true}, simulator.Mischief{CutAfter: true})
	body := golden(t, "order-completed.json")
	header := sign(t, "msg_1", c.Now(), body)
	status, err := deliver(core, header, body)
	require.NoError(t, err)
	require.Equal(t, 500, status)
	_, err = deliver(core, header, body)
	require.ErrorIs(t, err, simulator.ErrCut)
	_, err = deliver(core, header, body)
	require.ErrorIs(t, err, simulator.ErrCut)
	status, err = deliver(core, header, body)
	require.NoError(t, err)
	require.Equal(t, 204, status)
	var accepted []bool
	for _, d := range core.Received() {
		accepted = append(accepted, d.Accepted)
	}
	require.Equal(t, []bool{false, false, true}, accepted)
}

func TestAwait(t *testing.T) {
	c := newClock()
	core := newCore(t, c, nil)
	body := golden(t, "order-completed.json")
	go func() { _, _ = deliver(core, sign(t, "msg_1", c.Now(), body), body) }()
	e, err := core.Await(t.Context(), func(e simulator.Event) bool { return e.Type == "order.completed" })
	require.NoError(t, err)
	require.Equal(t, "12", e.Order.ID)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = core.Await(ended, func(simulator.Event) bool { return false })
	require.ErrorIs(t, err, context.Canceled)
}

// api is the internal API as design §8 describes it: it records what it was
// asked and answers from a script.
type api struct {
	t       *testing.T
	mu      sync.Mutex
	asked   []string
	bodies  []string
	answers []string // status, blank, body
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	require.Equal(a.t, "Bearer secret-token", r.Header.Get("Authorization"))
	require.Equal(a.t, "EE60001019906", r.Header.Get("X-Acting-User"))
	body, err := io.ReadAll(r.Body)
	require.NoError(a.t, err)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.Method+" "+r.RequestURI)
	a.bodies = append(a.bodies, string(body))
	if len(a.answers) == 0 {
		panic(http.ErrAbortHandler)
	}
	status, rest, _ := strings.Cut(a.answers[0], " ")
	a.answers = a.answers[1:]
	code, err := strconv.Atoi(status)
	require.NoError(a.t, err)
	w.WriteHeader(code)
	_, _ = w.Write([]byte(rest))
}

func TestCoreCallsTheInternalAPI(t *testing.T) {
	const order = `{"id": 12, "emtaOrderId": "e", "announcementId": "77", "state": "created", "amount": "30.00", "paymentUrl": "http://pay"}`
	a := &api{t: t, answers: []string{"201 " + order, "200 " + order, "200 " + order, "200 " + order, "200 " + order, "200 " + order, "204 "}}
	core := newCore(t, newClock(), a)
	ctx := t.Context()
	start := simulator.StartPayment{AnnouncementID: 77, Amount: "30.00", Currency: "EUR", ReferenceNumber: "123",
		PayerCode: "EE60001019906", PayerCountry: "EE", Language: "et", RedirectURL: "https://at.example/back"}
	o, reused, err := core.StartPayment(ctx, start)
	require.NoError(t, err)
	require.False(t, reused)
	require.Equal(t, simulator.CoreOrder{ID: "12", EMTAOrderID: "e", AnnouncementID: "77", State: "created", Amount: "30.00", PaymentURL: "http://pay"}, o)
	start.PayerCode, start.PayerCountry = "", ""
	_, reused, err = core.StartPayment(ctx, start)
	require.NoError(t, err)
	require.True(t, reused)
	_, err = core.Order(ctx, "1/2")
	require.NoError(t, err)
	_, err = core.Refresh(ctx, "12")
	require.NoError(t, err)
	_, err = core.Cancel(ctx, "12")
	require.NoError(t, err)
	_, err = core.Accept(ctx, "12", "it is fine")
	require.NoError(t, err)
	_, err = core.Claim(ctx, "12")
	require.NoError(t, err)
	require.Equal(t, []string{"POST /api/v1/orders", "POST /api/v1/orders", "GET /api/v1/orders/1%2F2", "POST /api/v1/orders/12/refresh",
		"POST /api/v1/orders/12/cancel", "POST /api/v1/orders/12/accept", "POST /api/v1/orders/12/claim"}, a.asked)
	require.JSONEq(t, `{"announcementId": 77, "amount": "30.00", "currency": "EUR", "referenceNumber": "123",
		"payer": {"code": "EE60001019906", "country": "EE"}, "language": "et", "redirectUrl": "https://at.example/back"}`, a.bodies[0])
	require.NotContains(t, a.bodies[1], "payer")
	require.JSONEq(t, `{"reason": "it is fine"}`, a.bodies[5])
}

func TestCoreReadsProblems(t *testing.T) {
	a := &api{t: t, answers: []string{
		`504 {"code": "outcome-unknown", "detail": "ask later", "payerText": {"et": "Proovige uuesti", "en": "Try again"}, "order": {"id": "12"}}`,
		`422 {"code": "invalid", "fields": [{"path": "amount", "rule": "positive", "message": "must be above 0"}]}`,
		`502 <html/>`,
	}}
	core := newCore(t, newClock(), a)
	var p *simulator.Problem
	_, err := core.Refresh(t.Context(), "12")
	require.ErrorAs(t, err, &p)
	require.Equal(t, "outcome-unknown", p.Code)
	require.Equal(t, 504, p.Status)
	require.Equal(t, "Try again", p.PayerTextEN)
	require.Equal(t, "12", p.Order.ID)
	_, _, err = core.StartPayment(t.Context(), simulator.StartPayment{})
	require.ErrorAs(t, err, &p)
	require.Equal(t, []simulator.ProblemField{{Path: "amount", Rule: "positive", Message: "must be above 0"}}, p.Fields)
	_, err = core.Order(t.Context(), "12")
	require.ErrorAs(t, err, &p)
	require.Equal(t, 502, p.Status)
	require.Empty(t, p.Code)
	_, err = core.Order(t.Context(), "12")
	require.ErrorIs(t, err, simulator.ErrCut)
}

func TestCoreFollowsTheFeed(t *testing.T) {
	completed := golden(t, "order-completed.json")
	a := &api{t: t, answers: []string{
		`200 {"items": [` + completed + `], "next": "c1"}`, `409 {"code": "amount-mismatch"}`,
		`200 {"items": [` + completed + `], "next": "c2"}`, `204 `,
		`200 {"items": [` + completed + `], "next": "c3"}`,
		`200 {"items": [], "next": "c3"}`,
	}}
	core := newCore(t, newClock(), a)
	events, next, err := core.Events(t.Context(), "", 5, time.Minute)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, "c1", next)
	seen := 0
	a.answers = append([]string{`200 {"items": [` + completed + `], "next": "c1"}`}, a.answers...)
	err = core.Follow(t.Context(), func(simulator.Event) { seen++ })
	require.True(t, errors.Is(err, simulator.ErrCut), "the script has ended: %v", err)
	require.Equal(t, 3, seen)
	claim := "POST /api/v1/orders/12/claim"
	require.Equal(t, []string{"GET /api/v1/events?limit=5&wait=1m0s", "GET /api/v1/events?wait=30s", claim, "GET /api/v1/events?after=c1&wait=30s", claim,
		"GET /api/v1/events?after=c2&wait=30s", "GET /api/v1/events?after=c3&wait=30s", "GET /api/v1/events?after=c3&wait=30s"}, a.asked)
}
