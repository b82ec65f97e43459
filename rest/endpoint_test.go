package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

type echo struct {
	ID     string `json:"id"`
	Caller string `json:"caller"`
	Actor  string `json:"actor"`
}

func routes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/api/v1/orders/{id}", Scope: "orders", Serve: func(r *http.Request) (rest.Answer, error) {
			return rest.Answer{Body: echo{r.PathValue("id"), rest.CallerFrom(r.Context()).Name, rest.ActingUser(r)}}, nil
		}},
		{Method: "POST", Path: "/api/v1/orders", Scope: "orders", Serve: func(r *http.Request) (rest.Answer, error) {
			var m message
			if err := rest.Decode(r, &m); err != nil {
				return rest.Answer{}, fmt.Errorf("starting: %w", err)
			}
			return rest.Answer{Status: http.StatusCreated, Body: m, Header: http.Header{"Location": {"/api/v1/orders/1"}}}, nil
		}},
		{Method: "POST", Path: "/api/v1/orders/{id}/claim", Scope: "claims", Serve: func(*http.Request) (rest.Answer, error) {
			return rest.Answer{Status: http.StatusNoContent}, nil
		}},
		{Method: "GET", Path: "/fails/{how}", Serve: func(r *http.Request) (rest.Answer, error) {
			switch r.PathValue("how") {
			case "problem":
				return rest.Answer{}, paid
			case "panic":
				panic("boom")
			case "abort":
				panic(http.ErrAbortHandler)
			case "unwritable":
				return rest.Answer{Body: func() {}}, nil
			case "unwritable-order":
				return rest.Answer{}, &rest.Problem{Status: 504, Code: "outcome-unknown", Order: func() {}}
			case "cancelled":
				return rest.Answer{}, fmt.Errorf("asking: %w", context.Canceled)
			}
			return rest.Answer{}, errors.New("password is hunter2")
		}},
	}
}

var paid = &rest.Problem{Status: http.StatusConflict, Code: "already-paid", Title: "Already paid",
	PayerText: map[string]string{"et": "Makstud <õigesti>"}, Order: echo{ID: "7"}, Header: http.Header{"Retry-After": {"5"}}, Err: errors.New("cause")}

// open is an endpoint for everybody with fixed ids.
func open(t testing.TB, log io.Writer) http.Handler {
	t.Helper()
	return rest.NewEndpoint(rest.EndpointOptions{
		MaxBody: 1000,
		Logger:  slog.New(slog.NewJSONHandler(log, nil)),
		NewID:   func() string { return "req-1" },
	}, routes()...)
}

func ask(h http.Handler, method, target, body string, fields ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t testing.TB, answer *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(b)
}

// requireProblem checks what every problem has.
func requireProblem(t testing.TB, answer *http.Response, status int, code string) map[string]any {
	t.Helper()
	var problem map[string]any
	body := text(t, answer)
	require.NoError(t, json.Unmarshal([]byte(body), &problem), body)
	require.Equal(t, status, answer.StatusCode, body)
	require.Equal(t, code, problem["code"])
	require.EqualValues(t, status, problem["status"])
	require.NotEmpty(t, problem["title"])
	require.Equal(t, "req-1", problem["requestId"])
	require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
	requireCommon(t, answer)
	return problem
}

func requireCommon(t testing.TB, answer *http.Response) {
	t.Helper()
	require.Equal(t, "req-1", answer.Header.Get("X-Request-Id"))
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
	require.Equal(t, "nosniff", answer.Header.Get("X-Content-Type-Options"))
}

func TestEndpointAnswers(t *testing.T) {
	h := open(t, io.Discard)

	answer := ask(h, "GET", "/api/v1/orders/12", "", "X-Acting-User", "EE60001019906")
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	require.JSONEq(t, `{"id":"12","caller":"","actor":"EE60001019906"}`, text(t, answer))
	requireCommon(t, answer)

	answer = ask(h, "POST", "/api/v1/orders", `{"amount":"<30.00>"}`, "Content-Type", "application/json")
	require.Equal(t, 201, answer.StatusCode)
	require.Equal(t, "/api/v1/orders/1", answer.Header.Get("Location"))
	require.Equal(t, `{"amount":"<30.00>"}`+"\n", text(t, answer))

	answer = ask(h, "POST", "/api/v1/orders/1/claim", "")
	require.Equal(t, 204, answer.StatusCode)
	require.Empty(t, text(t, answer))
	require.Empty(t, answer.Header.Get("Content-Length"))
	requireCommon(t, answer)
}

func TestEndpointPathsAreTakenAsTheyAre(t *testing.T) {
	h := open(t, io.Discard)
	for _, test := range []struct{ path, id string }{ // "": not found
		{"/api/v1/orders/a%2Fb", "a/b"},
		{"/api/v1/orders/a+b", "a+b"},
		{"/api/v1/orders/a%20b%2B", "a b+"},
		{"/api/v1/orders/%C3%B5", "õ"},
		{"/api/v1/orders/..", ".."},
		{"/api/v1/orders/", ""},
		{"/api/v1/orders/1/", ""},
		{"/api/v1//orders/1", ""},
		{"//api/v1/orders/1", ""},
		{"/api/v1/x/../orders/1", ""},
		{"/API/v1/orders/1", ""},
		{"/", ""},
	} {
		answer := ask(h, "GET", "http://adapter"+test.path, "")
		if test.id == "" {
			requireProblem(t, answer, 404, "not-found")
			continue
		}
		require.Equal(t, 200, answer.StatusCode, test.path)
		var got echo
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&got))
		require.Equal(t, test.id, got.ID, test.path)
	}
}

func TestEndpointMethods(t *testing.T) {
	h := open(t, io.Discard)

	answer := ask(h, "DELETE", "/api/v1/orders/1", "")
	requireProblem(t, answer, 405, "method-not-allowed")
	require.Equal(t, "GET, HEAD, OPTIONS", answer.Header.Get("Allow"))

	answer = ask(h, "OPTIONS", "/api/v1/orders", "")
	require.Equal(t, 204, answer.StatusCode)
	require.Equal(t, "POST, OPTIONS", answer.Header.Get("Allow"))
	require.Empty(t, text(t, answer))
	requireCommon(t, answer)

	requireProblem(t, ask(h, "OPTIONS", "/nowhere", ""), 404, "not-found")
	requireProblem(t, ask(h, "BREW", "/nowhere", ""), 404, "not-found")
	requireProblem(t, ask(h, "BREW", "/api/v1/orders", ""), 405, "method-not-allowed")

	for _, path := range []string{"/api/v1/orders/12", "/nowhere", "/fails/panic", "/api/v1/orders"} {
		get, head := ask(h, "GET", path, ""), ask(h, "HEAD", path, "")
		require.Equal(t, get.StatusCode, head.StatusCode, path)
		require.Equal(t, get.Header, head.Header, path)
		require.Empty(t, text(t, head), path)
	}
}

func TestEndpointFailures(t *testing.T) {
	var log bytes.Buffer
	h := open(t, &log)

	answer := ask(h, "GET", "/fails/problem", "")
	problem := requireProblem(t, answer, 409, "already-paid")
	require.Equal(t, "Already paid", problem["title"])
	require.Equal(t, map[string]any{"et": "Makstud <õigesti>"}, problem["payerText"])
	require.Equal(t, "7", problem["order"].(map[string]any)["id"])
	require.Equal(t, "5", answer.Header.Get("Retry-After"))
	require.Empty(t, paid.RequestID, "the handler's value is left alone")
	require.Empty(t, log.String(), "a refusal is no failure of ours")

	for _, how := range []string{"error", "panic", "unwritable"} {
		log.Reset()
		answer := ask(h, "GET", "/fails/"+how, "")
		problem := requireProblem(t, answer, 500, "internal")
		require.NotContains(t, fmt.Sprint(problem), "hunter2")
		require.NotContains(t, fmt.Sprint(problem), "boom")
		var line map[string]any
		require.NoError(t, json.Unmarshal(log.Bytes(), &line))
		require.Equal(t, "ERROR", line["level"])
		require.Equal(t, "req-1", line["requestId"])
		require.Equal(t, "/fails/{how}", line["route"])
		if how == "panic" {
			require.Equal(t, "panic: boom", line["error"])
			require.Contains(t, line["stack"], "endpoint_test.go")
		}
	}

	problem = requireProblem(t, ask(h, "GET", "/fails/unwritable-order", ""), 504, "outcome-unknown")
	require.Equal(t, "Gateway Timeout", problem["title"])
	require.NotContains(t, problem, "order")

	requireProblem(t, ask(h, "GET", "/fails/cancelled", ""), 500, "internal") // nobody gave it up: a bug
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/fails/cancelled", nil).WithContext(ctx))
	requireProblem(t, w.Result(), 503, "unavailable")

	require.PanicsWithValue(t, http.ErrAbortHandler, func() { ask(h, "GET", "/fails/abort", "") })
}

func TestEndpointBodyLimit(t *testing.T) {
	h := open(t, io.Discard)
	at := `{"amount":"` + strings.Repeat("1", 1000-13) + `"}`
	require.Len(t, at, 1000)
	require.Equal(t, 201, ask(h, "POST", "/api/v1/orders", at, "Content-Type", "application/json").StatusCode)
	requireProblem(t, ask(h, "POST", "/api/v1/orders", at+" ", "Content-Type", "application/json"), 413, "too-large")
}

func TestEndpointExchangeRecord(t *testing.T) {
	h := open(t, io.Discard)
	exchange := &xroadhdr.Exchange{RequestID: "from-log"}
	r := httptest.NewRequest("GET", "/fails/problem", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(xroadhdr.WithExchange(r.Context(), exchange)))
	require.Equal(t, "from-log", w.Header().Get("X-Request-Id"))
	require.Contains(t, w.Body.String(), `"requestId":"from-log"`)
	require.Equal(t, "already-paid", exchange.Fault)
	require.ErrorContains(t, exchange.Err, "cause")

	exchange = &xroadhdr.Exchange{}
	r = httptest.NewRequest("GET", "/api/v1/orders/1", nil)
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(xroadhdr.WithExchange(r.Context(), exchange)))
	require.Equal(t, xroadhdr.Exchange{RequestID: "req-1", Route: "/api/v1/orders/{id}"}, *exchange)
}

func TestEndpointZeroOptions(t *testing.T) {
	h := rest.NewEndpoint(rest.EndpointOptions{}, routes()...)
	first, second := ask(h, "GET", "/api/v1/orders/1", ""), ask(h, "GET", "/fails/panic", "")
	require.Equal(t, 200, first.StatusCode)
	require.Equal(t, 500, second.StatusCode)
	require.NotEmpty(t, first.Header.Get("X-Request-Id"))
	require.NotEqual(t, first.Header.Get("X-Request-Id"), second.Header.Get("X-Request-Id"))
}

func TestEndpointAuthentication(t *testing.T) {
	h := rest.NewEndpoint(rest.EndpointOptions{
		Authenticate: tokens(t).Authenticate,
		NewID:        func() string { return "req-1" },
	}, routes()...)

	answer := ask(h, "GET", "/api/v1/orders/1", "")
	requireProblem(t, answer, 401, "unauthorized")
	require.Equal(t, "Bearer", answer.Header.Get("WWW-Authenticate"))
	requireProblem(t, ask(h, "GET", "/fails/problem", ""), 401, "unauthorized") // no scope, but a caller

	answer = ask(h, "POST", "/api/v1/orders/1/claim", "", "Authorization", "Bearer core-secret")
	requireProblem(t, answer, 403, "forbidden")
	require.Equal(t, `Bearer error="insufficient_scope", scope="claims"`, answer.Header.Get("WWW-Authenticate"))
	require.Equal(t, 204, ask(h, "POST", "/api/v1/orders/1/claim", "", "Authorization", "Bearer next-secret").StatusCode)

	require.JSONEq(t, `{"id":"1","caller":"core","actor":"core"}`, text(t, ask(h, "GET", "/api/v1/orders/1", "", "Authorization", "Bearer core-secret")))
	require.JSONEq(t, `{"id":"1","caller":"core","actor":"EE60001019906"}`,
		text(t, ask(h, "GET", "/api/v1/orders/1", "", "Authorization", "Bearer core-secret", "X-Acting-User", "EE60001019906")))
}

func TestEndpointActingUser(t *testing.T) {
	h := open(t, io.Discard)
	for _, fields := range [][]string{
		{"X-Acting-User", ""},
		{"X-Acting-User", "60001019906"},
		{"X-Acting-User", "ee60001019906"},
		{"X-Acting-User", "EE60001019906 "},
		{"X-Acting-User", "EE" + strings.Repeat("1", 21)},
		{"X-Acting-User", "EE60001019906", "X-Acting-User", "EE60001019906"},
	} {
		problem := requireProblem(t, ask(h, "GET", "/api/v1/orders/1", "", fields...), 422, "invalid")
		require.Contains(t, fmt.Sprint(problem["fields"]), "X-Acting-User")
		require.NotContains(t, fmt.Sprint(problem), "60001019906")
	}
}
