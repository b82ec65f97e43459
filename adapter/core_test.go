package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/openapi/openapitest"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// The running server and its description agree, on every operation.
func TestInternalAPIAsDescribed(t *testing.T) {
	checker := openapitest.New(t, openapi.Core())
	program, world := running(t, simulator.Options{CoreTransport: checker.Transport(nil)}, nil)
	ctx, core := t.Context(), world.Core
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world, program: program}

	require.NoError(t, d.paid(ctx))
	require.NoError(t, d.wrongAmount(ctx))
	require.NoError(t, d.foreignAnswer(ctx))
	require.NoError(t, d.lost(ctx))
	reused, _, err := core.StartPayment(ctx, d.ask())
	require.NoError(t, err)
	_, err = core.Refresh(ctx, reused.ID)
	require.NoError(t, err)
	_, err = core.Cancel(ctx, reused.ID)
	require.NoError(t, err)
	_, _, err = core.Events(ctx, "", 2, 0)
	require.NoError(t, err)

	token, err := tokenIn(program.settings.Core.TokenFile)
	require.NoError(t, err)
	call := func(method, path, body string) string {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+program.Address("core")+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Acting-User", "EE60001019906")
		response, err := checker.Transport(nil).RoundTrip(r)
		require.NoError(t, err)
		defer response.Body.Close()
		answered, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(answered)
	}
	get := func(path string) string { return call(http.MethodGet, path, "") }
	require.Contains(t, get("/api/v1/orders?limit=2"), `"next":"2"`)
	require.Contains(t, get("/api/v1/orders?state=completed&announcementId=1"), `"state":"completed"`)
	require.Contains(t, get("/api/v1/orders/1/log"), "(L) → (T)")
	require.Contains(t, get("/api/v1/orders/99"), string(order.NotFound))
	require.Contains(t, call("PATCH", "/api/v1/settings", `{"log": {"level": "debug"}}`), `"level":"debug"`)
	require.Contains(t, get("/api/v1/settings"), `"version":1`)
	listed := get("/api/v1/exchanges?order=1&limit=2")
	require.Contains(t, listed, `"next"`)
	var page coreExchanges
	require.NoError(t, json.Unmarshal([]byte(listed), &page))
	require.Contains(t, get("/api/v1/exchanges/"+page.Items[0].RequestID), "Envelope")
	require.Contains(t, get("/api/v1/exchanges/nobodys"), `"not-found"`)

	require.Contains(t, call("POST", "/api/v1/mandates", `{"representee":{"code":"EE10391131","name":"Väikefirma OÜ"},
		"delegate":{"code":"EE50001029996","firstName":"Jüri","surname":"Juurikas"},"role":"ESINDAJA"}`), `"state":"active"`)
	require.Contains(t, get("/api/v1/mandates/1"), `"addedBy":"EE60001019906"`)
	require.NotContains(t, call("PATCH", "/api/v1/mandates/1", `{"through":null}`), "through")
	require.Contains(t, call("POST", "/api/v1/mandates/1/end", "{}"), `"how":"core"`)
	require.Contains(t, get("/api/v1/mandates?representee=EE10391131&history=true"), `"state":"ended"`)
	require.Contains(t, get("/api/v1/events?limit=1000"), `"subject":"mandate/1"`)

	// A notification that was parked is shown, and tried once more by hand. EMTA does not know the id, so it is parked again.
	err = program.store.Notified(ctx, "nobodys", func(order.Known) (order.Change, error) {
		return order.Change{Notifications: []order.Notification{{EMTAOrderID: "nobodys", NotifiedAt: time.Now(), Attempts: 100, ParkedAt: time.Now()}}}, nil
	})
	require.NoError(t, err)
	parked, err := program.store.ParkedNotifications(ctx, 0, 10)
	require.NoError(t, err)
	require.Len(t, parked, 1)
	retry := fmt.Sprintf("/api/v1/parked-notifications/%d/retry", parked[0].ID)
	require.Contains(t, get("/api/v1/parked-notifications"), `"attempts":100`)
	require.NotContains(t, call(http.MethodPost, retry, ""), `"parked"`)
	require.Eventually(t, func() bool {
		return strings.Contains(get("/api/v1/parked-notifications?limit=1"), `"attempts":101`)
	}, patience, 10*time.Millisecond)
	audits, err := program.store.NotificationAudits(ctx, parked[0].ID)
	require.NoError(t, err)
	require.Len(t, audits, 1)
	require.Equal(t, "EE60001019906", audits[0].Actor)
	require.Contains(t, call(http.MethodPost, "/api/v1/parked-notifications/999/retry", ""), string(order.NotFound))
	require.Equal(t, statusWarn, program.status(ctx).Checks["notifications:parked"][0].Status)
	require.Empty(t, checker.Unseen())

	// What the metrics page shows of the day.
	requireMetrics(t, program,
		`adapter_emta_calls_total{operation="cpgOrderInit",outcome="timeout"} 1`,
		`adapter_order_suspicions_total{reason="amount-mismatch"} 1`,
		`adapter_webhook_deliveries_total{outcome="ok"}`,
		`adapter_orders{state="cancelled"} 2`,
		`adapter_notifications_parked 1`)
}
