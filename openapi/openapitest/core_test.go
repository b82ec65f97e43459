package openapitest_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/openapi/openapitest"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/setting"
	"ametlikudteadaanded.ee/adapter/store"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// internal is the internal API on a store of its own, without a payment module.
func internal(t testing.TB) (store.Store, []rest.Route) {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	m, err := order.New(order.Options{Store: s, Now: func() time.Time { return noon }, NewID: uuid.NewString,
		Random: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	require.NoError(t, err)
	mandates, err := mandate.New(mandate.Options{Store: s, Now: func() time.Time { return noon }, NewID: uuid.NewString,
		Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	require.NoError(t, err)
	running := setting.New(setting.Options{Store: s, File: setting.Settings{Log: setting.Log{Level: "info", Systems: map[string]setting.System{
		"emta": {Sinks: []string{"files"}, Body: "full", Mode: "required"}}}},
		Components: func() []string { return []string{"order"} }, Apply: func(setting.Settings, string) error { return nil }, Changed: func(setting.Stored) {},
		Audit: func(context.Context, setting.Stored) error { return nil }, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler)})
	routes := append(m.Routes(), mandates.Routes()...)
	routes = append(routes, event.NewFeed(s, event.FeedOptions{})...)
	return s, append(routes, running.Routes()...)
}

// ofTheProgram are the routes that no package serves but the program itself; its own tests see them.
var ofTheProgram = []string{"GET /api/v1/exchanges", "GET /api/v1/exchanges/{requestId}"}

// Every route is described, and nothing that is not there.
func TestCoreDescribesTheRoutes(t *testing.T) {
	_, routes := internal(t)
	served := slices.Clone(ofTheProgram)
	for _, r := range routes {
		served = append(served, r.Method+" "+r.Path)
	}
	slices.Sort(served)
	require.Equal(t, served, openapitest.New(t, openapi.Core()).Unseen())
}

// The description in YAML and the one in JSON say the same to a validator.
func TestCoreJSONIsValid(t *testing.T) {
	_, routes := internal(t)
	require.Len(t, openapitest.New(t, openapi.CoreJSON()).Unseen(), len(routes)+len(ofTheProgram))
}

// A problem's example stands under its own status.
func TestCoreExamplesHaveTheirStatus(t *testing.T) {
	var d struct {
		Components struct {
			Responses map[string]json.RawMessage
			Examples  map[string]struct{ Value struct{ Status int } }
		}
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(openapi.CoreJSON(), &d))
	checked := 0
	for path, item := range d.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var o struct {
				Responses map[string]json.RawMessage
			}
			require.NoError(t, json.Unmarshal(raw, &o))
			for status, response := range o.Responses {
				for _, name := range exampleNames(t, response, d.Components.Responses) {
					require.Equal(t, status, strconv.Itoa(d.Components.Examples[name].Value.Status), "%s %s: example %s", method, path, name)
					checked++
				}
			}
		}
	}
	require.Greater(t, checked, 50)
}

// exampleNames are the shared examples of a response or of the shared response that it is.
func exampleNames(t testing.TB, raw json.RawMessage, shared map[string]json.RawMessage) []string {
	t.Helper()
	var r struct {
		Ref     string `json:"$ref"`
		Content map[string]struct {
			Examples map[string]struct {
				Ref string `json:"$ref"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(raw, &r))
	if r.Ref != "" {
		return exampleNames(t, shared[strings.TrimPrefix(r.Ref, "#/components/responses/")], shared)
	}
	var names []string
	for _, e := range r.Content["application/problem+json"].Examples {
		names = append(names, strings.TrimPrefix(e.Ref, "#/components/examples/"))
	}
	return names
}

// orders are rows with little and with much known.
func orders() []order.Order {
	thirty, forty := decimal.NewFromInt(30), decimal.NewFromInt(40)
	return []order.Order{
		{State: order.Creating, Amount: thirty, AskedAmount: thirty, InitDeadline: noon.Add(time.Minute)},
		{State: order.Created, EMTAOrderID: "a", Amount: thirty, AskedAmount: thirty, Created: noon, Expires: noon.Add(time.Hour), PaymentURL: "https://maksemoodul.example.ee/a"},
		{State: order.Completed, EMTAOrderID: "b", Amount: thirty, AskedAmount: thirty, Created: noon, Expires: noon.Add(time.Hour), Finished: noon,
			RevertedAt: noon, CompletionID: "c", DuplicateOf: 2},
		{State: order.Completed, EMTAOrderID: "d", Amount: forty, AskedAmount: thirty, Mismatch: true, Fault: "Keelatud"},
	}
}

func TestCoreDescribesTheRunningServer(t *testing.T) {
	s, routes := internal(t)
	for i, o := range orders() {
		o.AnnouncementID, o.ReferenceNumber, o.Currency, o.AskedCurrency, o.Started = int64(i+1), "12344", "EUR", "EUR", noon
		_, err := s.Start(context.Background(), o.AnnouncementID, order.Lease{Token: "t", Until: noon}, func([]order.Order) (order.Change, error) {
			return order.Change{New: &o, Log: []order.LogEntry{{At: noon, Action: order.LogInit, Message: "ok"}}}, nil
		})
		require.NoError(t, err)
	}
	parked := order.Notification{EMTAOrderID: "b", NotifiedAt: noon, Attempts: 100, Failure: "timeout", ParkedAt: noon}
	err := s.Notified(context.Background(), "b", func(order.Known) (order.Change, error) {
		return order.Change{Notifications: []order.Notification{parked}}, nil
	})
	require.NoError(t, err)
	known, err := rest.NewTokens(func() time.Time { return noon },
		rest.Token{Name: "core", SHA256: rest.HashToken("core"), Scopes: []string{"*"}}, rest.Token{Name: "none", SHA256: rest.HashToken("none")})
	require.NoError(t, err)
	checker := openapitest.New(t, openapi.Core())
	server := httptest.NewServer(rest.NewEndpoint(rest.EndpointOptions{Authenticate: known.Authenticate}, routes...))
	defer server.Close()
	client := http.Client{Transport: checker.Transport(nil)}

	ask := `{"announcementId":9,"amount":"30.00","currency":"EUR","referenceNumber":"12344","language":"et","redirectUrl":"https://x.example.ee"}`
	for _, test := range []struct {
		method, path, body, token string
		status                    int
	}{
		{"GET", "/api/v1/orders", "", "core", 200},
		{"GET", "/api/v1/orders?limit=2", "", "core", 200},
		{"GET", "/api/v1/orders?state=paid", "", "core", 422},
		{"GET", "/api/v1/orders?announcementId=1&state=creating", "", "core", 200},
		{"GET", "/api/v1/orders?x=%zz", "", "core", 400},
		{"GET", "/api/v1/orders/1", "", "core", 200},
		{"GET", "/api/v1/orders/1", "", "", 401},
		{"GET", "/api/v1/orders/1", "", "none", 403},
		{"GET", "/api/v1/orders/99", "", "core", 404},
		{"GET", "/api/v1/orders/x", "", "core", 404},
		{"GET", "/api/v1/orders/1/log", "", "core", 200},
		{"GET", "/api/v1/orders/99/log", "", "core", 404},
		{"POST", "/api/v1/orders", ask, "core", 503},
		{"POST", "/api/v1/orders", `{"amount":"0","payer":{"code":"1","email":"x"}}`, "core", 422},
		{"POST", "/api/v1/orders", `{"amount":30}`, "core", 422},
		{"POST", "/api/v1/orders", `{`, "core", 400},
		{"POST", "/api/v1/orders", `"` + strings.Repeat("x", 300<<10) + `"`, "core", 413},
		{"POST", "/api/v1/orders/1/refresh", "", "core", 503},
		{"POST", "/api/v1/orders/2/cancel", "", "core", 503},
		{"POST", "/api/v1/orders/1/claim", "", "core", 409},
		{"POST", "/api/v1/orders/4/claim", "", "core", 409},
		{"POST", "/api/v1/orders/3/claim", `{"completionId":"other"}`, "core", 409},
		{"POST", "/api/v1/orders/3/claim", `{"completionId":"c"}`, "core", 200},
		{"POST", "/api/v1/orders/3/claim", "", "core", 200},
		{"POST", "/api/v1/orders/3/accept", `{"reason":"x"}`, "core", 409},
		{"POST", "/api/v1/orders/4/accept", `{"reason":""}`, "core", 422},
		{"POST", "/api/v1/orders/4/accept", `{"reason":"x","amount":"1"}`, "core", 422},
		{"POST", "/api/v1/orders/4/accept", `{"reason":"Paid by hand."}`, "core", 200},
		{"GET", "/api/v1/mandates?representee=EE10391131", "", "core", 200},
		{"GET", "/api/v1/mandates", "", "core", 422},
		{"GET", "/api/v1/mandates?delegate=PT1&state=x&history=2&limit=0", "", "core", 422},
		{"POST", "/api/v1/mandates", `{"representee":{"code":"EE10391131","name":"Väikefirma OÜ"},"delegate":{"code":"EE60001019906","firstName":"Mari","surname":"Maasikas"},"role":"ESINDAJA","canSubDelegate":true}`, "core", 201},
		{"POST", "/api/v1/mandates", `{"representee":{"code":"EE10391131"},"delegate":{"code":"EE50001029996","firstName":"Jüri","surname":"Juurikas"},"role":"AVALDAJA","from":"2027-04-01","through":"2027-04-30"}`, "core", 201},
		{"POST", "/api/v1/mandates", `{"representee":{"code":"EE10391131"},"delegate":{"code":"EE60001019906"},"role":"ESINDAJA"}`, "core", 422},
		{"POST", "/api/v1/mandates", `{"representee":{"code":"EE10391131"},"delegate":{"code":"EE60001019906"},"role":"ESINDAJA","from":"2027-02-29"}`, "core", 422},
		{"POST", "/api/v1/mandates", `{"representee":{"code":"EE10391131"},"delegate":{"code":"EE60001019906"},"role":1}`, "core", 422},
		{"POST", "/api/v1/mandates", `{"role":"ESINDAJA"}`, "none", 403},
		{"GET", "/api/v1/mandates?representee=EE10391131&limit=1", "", "core", 200},
		{"GET", "/api/v1/mandates?delegate=EE50001029996&state=waiting", "", "core", 200},
		{"GET", "/api/v1/mandates/1", "", "core", 200},
		{"GET", "/api/v1/mandates/99", "", "core", 404},
		{"GET", "/api/v1/mandates/x", "", "core", 404},
		{"PATCH", "/api/v1/mandates/1", `{"through":"2027-06-30"}`, "core", 403},
		{"PATCH", "/api/v1/mandates/2", `{"through":null}`, "core", 200},
		{"PATCH", "/api/v1/mandates/2", `{"through":"2027-05-31"}`, "core", 200},
		{"PATCH", "/api/v1/mandates/2", `{"through":"2027-02-30"}`, "core", 422},
		{"PATCH", "/api/v1/mandates/2", `{}`, "core", 422},
		{"PATCH", "/api/v1/mandates/2", `{"from":"2027-05-01","through":null}`, "core", 422},
		{"PATCH", "/api/v1/mandates/99", `{"through":null}`, "core", 404},
		{"POST", "/api/v1/mandates/2/end", "", "core", 422},
		{"POST", "/api/v1/mandates/2/end", "{}", "core", 200},
		{"POST", "/api/v1/mandates/2/end", "{}", "core", 409},
		{"PATCH", "/api/v1/mandates/2", `{"through":null}`, "core", 409},
		{"POST", "/api/v1/mandates/99/end", "{}", "core", 404},
		{"GET", "/api/v1/mandates?representee=EE10391131&state=ended", "", "core", 200},
		{"GET", "/api/v1/parked-notifications?limit=1", "", "core", 200},
		{"GET", "/api/v1/parked-notifications?limit=0&after=x", "", "core", 422},
		{"GET", "/api/v1/parked-notifications", "", "none", 403},
		{"POST", "/api/v1/parked-notifications/1/retry", "", "core", 200},
		{"POST", "/api/v1/parked-notifications/1/retry", "", "core", 404},
		{"POST", "/api/v1/parked-notifications/x/retry", "", "core", 404},
		{"GET", "/api/v1/events", "", "core", 200},
		{"GET", "/api/v1/events?after=!", "", "core", 422},
		{"GET", "/api/v1/settings", "", "core", 200},
		{"PATCH", "/api/v1/settings", `{"log": {"levels": {"order": "debug"}, "systems": {"emta": {"sinks": []}}}}`, "core", 200},
		{"GET", "/api/v1/settings", "", "core", 200},
		{"PATCH", "/api/v1/settings", `{"log": {"levels": null, "systems": {"emta": {"sinks": ["disk"], "body": null}}}}`, "core", 422},
		{"PATCH", "/api/v1/settings", `{"log": null}`, "core", 200},
		{"PATCH", "/api/v1/settings", `{"log": {"level": "debug"}}`, "none", 403},
		{"DELETE", "/api/v1/orders/1", "", "core", 405},
		{"GET", "/api/v1/nowhere", "", "core", 404},
	} {
		request, err := http.NewRequest(test.method, server.URL+test.path, strings.NewReader(test.body))
		require.NoError(t, err)
		if test.body != "" {
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("X-Acting-User", "EE60001019906")
		}
		if test.token != "" {
			request.Header.Set("Authorization", "Bearer "+test.token)
		}
		response, err := client.Do(request)
		require.NoError(t, err, test.path)
		require.NoError(t, response.Body.Close())
		require.Equal(t, test.status, response.StatusCode, "%s %s %s", test.method, test.path, test.body)
	}
	// These need a payment module; the program's own tests see them.
	require.Equal(t, append(slices.Clone(ofTheProgram), "POST /api/v1/orders", "POST /api/v1/orders/{id}/cancel", "POST /api/v1/orders/{id}/refresh"), checker.Unseen())
}
