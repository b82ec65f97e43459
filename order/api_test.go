package order_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/openapi/openapitest"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// postedAsk is what the core posts for announcement 101.
const postedAsk = `{"announcementId":101,"amount":"30.00","currency":"EUR","referenceNumber":"11015",
	"payer":{"code":"EE60001019906","country":"EE","email":"payer@example.ee"},"language":"et","redirectUrl":"https://core.example/back?order=${id}"}`

// createdOrder is the order that comes of it.
const createdOrder = `{"id":1,"emtaOrderId":"e0000000-0000-4000-8000-000000000001","announcementId":101,"state":"created","amount":"30.00",
	"askedAmount":"30.00","currency":"EUR","amountMismatch":false,"referenceNumber":"11015",
	"paymentUrl":"http://payer.example/pay/e0000000-0000-4000-8000-000000000001",
	"created":"2026-03-02T10:00:00.251Z","expires":"2026-03-02T10:15:00.251Z","claimForwarded":false}`

// Design §8: status, code and JSON of every route, held to the description of the internal API.
func TestInternalAPI(t *testing.T) {
	paid := and(startedOnce, pays("pay"), refresh)
	late := simulator.Mischief{DelayAfter: 9 * time.Second, Place: simulator.AtSecurityServer}
	another := wrong(opGet, simulator.Mischief{WrongAmount: euros("3.00")})
	for _, row := range []struct {
		name    string
		before  func(*world)
		request string // method and path
		body    string
		status  int
		answer  string // the whole JSON, or the members of it that matter
	}{
		{"start", nothing, "POST /orders", postedAsk, 201, createdOrder},
		{"start again", startedOnce, "POST /orders", postedAsk, 200, createdOrder},
		{"start, paid", paid, "POST /orders", postedAsk, 409, `{"code":"already-paid","order":{"id":1,"state":"completed"}}`},
		{"start, wrong", nothing, "POST /orders", strings.Replace(postedAsk, "30.00", "0.00", 1), 422, `{"code":"invalid","fields":[{"path":"amount","rule":"positive"}]}`},
		{"start, amount as number", nothing, "POST /orders", strings.Replace(postedAsk, `"30.00"`, "30.00", 1), 422, `{"code":"invalid","fields":[{"path":"amount","rule":"type"}]}`},
		{"start, refused", wrong(opInit, simulator.Mischief{Refuse: 403}), "POST /orders", postedAsk, 502,
			`{"code":"emta-refused","fault":{"code":"Forbidden","name":"Forbidden","status":403},"order":{"state":"cancelled"},"payerText":{"en":"There was a system error, please try again. If the problem persists, please use a different payment method or contact customer support."}}`},
		{"start, no link", wrong(opInit, simulator.Mischief{NoLink: true}), "POST /orders", postedAsk, 502, `{"code":"no-payment-link","order":{"id":1,"state":"created"}}`},
		{"start, lost", wrong(opInit, simulator.Mischief{CutAfter: true, Place: simulator.AtEMTA}), "POST /orders", postedAsk, 504,
			`{"code":"outcome-unknown","order":{"state":"creating"},"payerText":{"et":"Süsteemis esines viga, proovige uuesti. Kui probleem jätkub, valige muu makseviis või pöörduge klienditoe poole."}}`},
		{"start, under way", lost, "POST /orders", postedAsk, 504, `{"code":"in-progress"}`},
		{"order", startedOnce, "GET /orders/1", "", 200, createdOrder},
		{"order, none", nothing, "GET /orders/1", "", 404, `{"code":"not-found"}`},
		{"order, no number", nothing, "GET /orders/x", "", 404, `{"code":"not-found"}`},
		{"orders", startedOnce, "GET /orders?announcementId=101&state=created&limit=1", "", 200, `{"items":[` + createdOrder + `]}`},
		{"orders, none", startedOnce, "GET /orders?announcementId=102", "", 200, `{"items":[]}`},
		{"orders, a page", twoCreated, "GET /orders?limit=1", "", 200, `{"items":[{"id":1}],"next":"1"}`},
		{"orders, the next", twoCreated, "GET /orders?limit=1&after=1", "", 200, `{"items":[{"id":2}]}`},
		{"orders, by EMTA's id", twoCreated, "GET /orders?emtaOrderId=e0000000-0000-4000-8000-000000000001", "", 200, `{"items":[{"id":1}]}`},
		{"orders, unknown state", nothing, "GET /orders?state=paid", "", 422, `{"code":"invalid","fields":[{"path":"state","rule":"enum"}]}`},
		{"log", paid, "GET /orders/1/log", "", 200, `{"items":[{"time":"2026-03-02T10:00:00.251Z","action":"init","message":"Tellimus loodud: (U) → (L)"},
			{"action":"sync","message":"Tellimuse staatus uuendatud: (L) → (T)"},{"action":"noue","message":"Nõue pakutud, katse 1"}]}`},
		{"log, none", nothing, "GET /orders/1/log", "", 404, `{"code":"not-found"}`},
		{"refresh", and(startedOnce, pays("pay")), "POST /orders/1/refresh", "", 200, `{"state":"completed","finished":"2026-03-02T10:00:00.251Z"}`},
		{"refresh, timeout", and(startedOnce, wrong(opGet, late)), "POST /orders/1/refresh", "", 504, `{"code":"outcome-unknown","order":{"id":1,"state":"created"}}`},
		{"refresh, none", nothing, "POST /orders/1/refresh", "", 404, `{"code":"not-found"}`},
		{"cancel", startedOnce, "POST /orders/1/cancel", "", 200, `{"state":"cancelled"}`},
		{"cancel, paid", paid, "POST /orders/1/cancel", "", 409, `{"code":"not-cancellable","order":{"state":"completed"}}`},
		{"cancel, paying", and(startedOnce, pays("choose")), "POST /orders/1/cancel", "", 409, `{"code":"not-cancellable","fault":{"name":"CancellingNotAllowed","status":409}}`},
		{"cancel, timeout", and(startedOnce, wrong(opCancel, late)), "POST /orders/1/cancel", "", 504, `{"code":"outcome-unknown"}`},
		{"claim", paid, "POST /orders/1/claim", "", 200, `{"state":"completed","claimForwarded":true}`},
		{"claim, of no completion", paid, "POST /orders/1/claim", `{"completionId":"another"}`, 409, `{"code":"not-completed"}`},
		{"claim, another amount", and(startedOnce, pays("pay"), another, refresh), "POST /orders/1/claim", "", 409, `{"code":"amount-mismatch","order":{"amount":"3.00","askedAmount":"30.00","amountMismatch":true}}`},
		{"accept", and(startedOnce, pays("pay"), another, refresh), "POST /orders/1/accept", `{"reason":"the payer rang"}`, 200, `{"amountMismatch":false,"amount":"3.00"}`},
		{"accept, no reason", and(startedOnce, pays("pay"), another, refresh), "POST /orders/1/accept", `{"reason":" "}`, 422, `{"code":"invalid","fields":[{"path":"reason","rule":"required"}]}`},
		{"accept, nothing to", paid, "POST /orders/1/accept", `{"reason":"why not"}`, 409, `{"code":"no-mismatch"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				row.before(w)
				status, answer := w.call(t, row.request, row.body)
				require.Equal(t, row.status, status, answer)
				requireMembers(t, row.answer, answer)
			})
		})
	}
}

// Without EMTA's name nothing can be started, and the core is told so.
func TestInternalAPINotConfigured(t *testing.T) {
	inWorld(t, worldOptions{settings: func(s *order.Settings) { s.Provider = order.Settings{}.Provider }}, func(t *testing.T, w *world) {
		status, answer := w.call(t, "POST /orders", postedAsk)
		require.Equal(t, http.StatusServiceUnavailable, status)
		requireMembers(t, `{"code":"not-configured"}`, answer)
	})
}

// call is a request of the core's, for a person, checked against the description.
func (w *world) call(t *testing.T, request, body string) (int, string) {
	t.Helper()
	endpoint := rest.NewEndpoint(rest.EndpointOptions{NewID: w.ids}, w.module.Routes()...)
	transport := openapitest.New(t, openapi.Core()).Transport(simulator.InProcess(endpoint))
	method, path, _ := strings.Cut(request, " ")
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, "http://core.example/api/v1"+path, content)
	require.NoError(t, err)
	r.Header.Set("X-Acting-User", operator)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := transport.RoundTrip(r)
	require.NoError(t, err)
	raw, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	if strings.HasPrefix(path, "/orders/1/") && method == http.MethodPost && answer.StatusCode == http.StatusOK {
		require.NotZero(t, w.audited(strings.TrimPrefix(path, "/orders/1/")), "who did it is written down")
	}
	if location := answer.Header.Get("Location"); answer.StatusCode == http.StatusCreated || location != "" {
		require.Equal(t, "/api/v1/orders/1", location)
	}
	return answer.StatusCode, string(raw)
}

// requireMembers wants the members of want in the JSON got, at any depth; more may stand beside them. An order that is
// wanted whole is compared whole.
func requireMembers(t *testing.T, want, got string) {
	t.Helper()
	if want == createdOrder {
		require.JSONEq(t, want, got)
		return
	}
	var w, g any
	require.NoError(t, json.Unmarshal([]byte(want), &w))
	require.NoError(t, json.Unmarshal([]byte(got), &g), got)
	requireWithin(t, w, g, "")
}

func requireWithin(t *testing.T, want, got any, at string) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		require.True(t, ok, "%s is no object: %v", at, got)
		for name, value := range want {
			requireWithin(t, value, object[name], at+"/"+name)
		}
	case []any:
		list, ok := got.([]any)
		require.True(t, ok, "%s is no list: %v", at, got)
		require.Len(t, list, len(want), at)
		for i, value := range want {
			requireWithin(t, value, list[i], at)
		}
	default:
		require.Equal(t, want, got, at)
	}
}
