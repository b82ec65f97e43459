package main

import (
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
	get := func(path string) string {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+program.Address("core")+path, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := checker.Transport(nil).RoundTrip(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(body)
	}
	require.Contains(t, get("/api/v1/orders?limit=2"), `"next":"2"`)
	require.Contains(t, get("/api/v1/orders?state=completed&announcementId=1"), `"state":"completed"`)
	require.Contains(t, get("/api/v1/orders/1/log"), "(L) → (T)")
	require.Contains(t, get("/api/v1/orders/99"), string(order.NotFound))
	require.Empty(t, checker.Unseen())

	// What the metrics page shows of the day.
	response, err := http.Get("http://" + program.Address("ops") + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for _, line := range []string{
		`adapter_emta_calls_total{operation="cpgOrderInit",outcome="timeout"} 1`,
		`adapter_order_suspicions_total{reason="amount-mismatch"} 1`,
		`adapter_webhook_deliveries_total{outcome="ok"}`,
		`adapter_orders{state="cancelled"} 2`,
	} {
		require.True(t, strings.Contains(string(metrics), line), line)
	}
}
