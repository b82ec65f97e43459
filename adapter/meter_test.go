package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// NA-102: what goes over the wire is counted by system, direction, operation and outcome, under labels of ours alone.
func TestMeter(t *testing.T) {
	program, world := running(t, simulator.Options{}, nil)
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world, program: program}
	require.NoError(t, d.paid(t.Context()))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+program.Address("core")+"/api/v1/60001019906", nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	for _, path := range []string{emtaPath, paasukePath + "/v1/roles"} {
		r, err := http.NewRequestWithContext(t.Context(), "BREW-60001019906", "http://"+program.Address("xroad")+path, nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	w := &wire{program: program, base: "http://" + program.Address("xroad")}
	require.Equal(t, 200, w.ask(t, call{method: "GET", path: "/v1/nss/AT/roles"}).status)
	shown := requireMetrics(t, program,
		`adapter_exchanges_total{direction="in",operation="getRoles",outcome="ok",system="paasuke"} 1`,
		`adapter_exchanges_total{direction="out",operation="cpgOrderInit",outcome="ok",system="emta"} 1`,
		`adapter_exchanges_total{direction="in",operation="cpgOrderNotify",outcome="ok",system="emta"}`,
		`adapter_exchanges_total{direction="in",operation="POST /api/v1/orders",outcome="ok",system="core"} 1`,
		`adapter_exchanges_total{direction="out",operation="webhook",outcome="ok",system="core"}`,
		`adapter_exchange_seconds_count{direction="out",operation="cpgOrderInit",system="emta"} 1`,
		`adapter_exchanges_in_flight{direction="out",system="emta"} 0`,
		`adapter_exchange_bytes_total{direction="out",part="request",system="emta"}`,
		`adapter_disk_free_bytes{holds="database"}`,
	)
	require.NotContains(t, shown, "60001019906", "neither a path nor a caller's own method is a label")

	_, body := statusOf(t, program, "")
	var s status
	require.NoError(t, json.Unmarshal(body, &s))
	for _, name := range []string{"emta:out:lastSuccess", "emta:in:lastSuccess", "core:out:lastSuccess", "securityServer:out:lastSuccess", "clock:skew", "disk:database"} {
		require.NotEmpty(t, s.Checks[name], "%s in %s", name, body)
		require.Equal(t, statusPass, s.Checks[name][0].Status, name)
	}
}

// A partner that fails again and again shows on the status page, with what to do; once is weather.
func TestStatusOfPartners(t *testing.T) {
	program, _ := running(t, simulator.Options{}, func(s *Settings) { s.XRoad.SecurityServer = "http://" + freeAddresses(t, 1)[0] })
	ask := func() status {
		_, body := statusOf(t, program, "")
		var s status
		require.NoError(t, json.Unmarshal(body, &s))
		return s
	}
	call := func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, program.settings.XRoad.SecurityServer, nil)
		require.NoError(t, err)
		_, err = program.meter.transport(systemEMTA, http.DefaultTransport).RoundTrip(r)
		require.Error(t, err)
	}
	call()
	require.Equal(t, statusPass, ask().Checks["securityServer:out:lastFailure"][0].Status)
	call()
	call()
	last := ask().Checks["securityServer:out:lastFailure"][0]
	require.Equal(t, statusWarn, last.Status)
	require.Contains(t, last.Output, "xroad.securityServer")
}

func TestOutcomes(t *testing.T) {
	ours := &soap.Fault{Err: errors.New("disk full")}
	for _, test := range []struct {
		status int
		fault  string
		err    error
		want   string
	}{
		{200, "", nil, "ok"},
		{304, "", nil, "ok"},
		{500, "Client", &soap.Fault{}, "theirs"},
		{500, "Server", ours, "ours"},
		{500, "", nil, "ours"},
		{404, "not-found", nil, "theirs"},
		{503, "unavailable", nil, "ours"},
		{502, "emta-refused", nil, "theirs"},
		{504, "outcome-unknown", nil, "timeout"},
		{0, "", nil, "network"},
		{500, "", context.Canceled, "network"},
	} {
		require.Equal(t, test.want, answered(test.status, &xroadhdr.Exchange{Fault: test.fault, Err: test.err}), "%v", test)
	}
	for _, test := range []struct {
		status int
		err    error
		want   string
	}{
		{200, nil, "ok"},
		{200, &soap.CallError{Failure: soap.FailedFault}, "theirs"},
		{200, &soap.CallError{Failure: soap.FailedTimeout}, "timeout"},
		{200, &soap.CallError{Failure: soap.FailedHTTP}, "network"},
		{503, nil, "theirs"},
	} {
		require.Equal(t, test.want, answeredUs(test.status, &xroadhdr.Exchange{Err: test.err}), "%v", test)
	}
}

// requireMetrics wants lines on the metrics page, and returns the page.
func requireMetrics(t testing.TB, program *Program, lines ...string) string {
	t.Helper()
	answer, err := http.Get("http://" + program.Address("ops") + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	shown, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	for _, line := range lines {
		require.True(t, strings.Contains(string(shown), line), "%s in\n%s", line, shown)
	}
	return string(shown)
}
