package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// TestDrill breaks one thing after another: the status page names it and says what to do, and what /metrics shows then fires the
// alert rule for it, which it did not before.
func TestDrill(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for what fails")
	}
	t.Run("database", drillDatabase)
	t.Run("security server", drillSecurityServer)
	t.Run("EMTA", drillEMTA)
	t.Run("disk", drillDisk)
	t.Run("certificate", drillCertificate)
}

func drillDatabase(t *testing.T) {
	server := postgrestest.Start(t)
	program, _ := running(t, simulator.Options{}, func(s *Settings) { s.Store = server.Database(t) })
	before := scrape(t, program)
	server.Crash(t)
	requireTrouble(t, program, "database", statusFail, "the database does not answer: look at it")
	requireFires(t, "AdapterNotReady", before, scrape(t, program))
	server.Restart(t)
	requireWell(t, program, "database")
}

func drillSecurityServer(t *testing.T) {
	var front *httptest.Server
	program, world := running(t, simulator.Options{}, func(s *Settings) {
		behind, err := url.Parse(s.XRoad.SecurityServer)
		require.NoError(t, err)
		front = httptest.NewServer(httputil.NewSingleHostReverseProxy(behind))
		s.XRoad.SecurityServer = front.URL + "/"
	})
	_, _, err := world.Core.StartPayment(t.Context(), askFor(1, "30.00"))
	require.NoError(t, err)
	before := scrape(t, program)
	front.CloseClientConnections()
	front.Close()
	startInVain(t, world)
	requireTrouble(t, program, "securityServer:out:lastFailure", statusWarn, "our security server cannot be reached: look at xroad.securityServer, the network and TLS")
	requireTrouble(t, program, "emta:circuit", statusWarn, "EMTA does not answer: calls are kept back")
	requireFires(t, "AdapterEMTAUnreachable", before, scrape(t, program))
}

func drillEMTA(t *testing.T) {
	program, world := running(t, simulator.Options{}, nil)
	_, _, err := world.Core.StartPayment(t.Context(), askFor(1, "30.00"))
	require.NoError(t, err)
	before := scrape(t, program)
	away := "http://" + freeAddresses(t, 1)[0] + "/"
	for _, operation := range []string{simulator.OperationInit, simulator.OperationGet, simulator.OperationList, simulator.OperationCancel} {
		world.SecurityServer.Offer(simulator.Service{URL: away, ID: xroadhdr.ServiceID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349",
			SubsystemCode: "mkrliides", ServiceCode: operation, ServiceVersion: "v1"}})
	}
	startInVain(t, world)
	requireTrouble(t, program, "emta:out:lastFailure", statusWarn, "`adapter doctor` tells whose side it is")
	require.NotContains(t, statusNow(t, program).Checks, "securityServer:out:lastFailure", "the security server is well")
	requireTrouble(t, program, "emta:circuit", statusWarn, "EMTA does not answer: calls are kept back")
	requireFires(t, "AdapterEMTAUnreachable", before, scrape(t, program))
}

// startInVain starts so many payments that calls are kept back.
func startInVain(t *testing.T, world *simulator.World) {
	t.Helper()
	for announcement := range int64(7) {
		_, _, err := world.Core.StartPayment(t.Context(), askFor(10+announcement, "30.00"))
		require.Error(t, err)
	}
}

func drillDisk(t *testing.T) {
	const need = "filling a disk needs root and the right to mount"
	if os.Getuid() != 0 {
		if os.Getenv("ADAPTER_TEST_TOOLS") == "required" {
			t.Fatal(need)
		}
		t.Skip("SKIPPED, NOT TESTED: " + need)
	}
	disk := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2g"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	program, _ := running(t, simulator.Options{}, func(s *Settings) {
		s.Log.Dir = filepath.Join(disk, "logs")
		s.XRoad.Client = "ee-dev/COM/11043739/tkt" // of the sample request
	})
	reason := func() string {
		_, answer := postSOAP(t, "http://"+program.Address("xroad")+emtaPath, request)
		if r := answer.Fault.Detail; r != nil {
			return r.FindElement("reason").Text()
		}
		return ""
	}
	require.Empty(t, reason(), "before, the order is simply not known")
	before := scrape(t, program)
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=16m"))
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	require.Eventually(t, func() bool { return reason() == exchangelog.Refused }, patience, time.Millisecond, "an exchange that cannot be logged is refused")
	requireTrouble(t, program, "disk:log", statusFail, "make room, or move it (log.dir, store)")
	broken := scrape(t, program)
	requireFires(t, "AdapterDiskFull", before, broken)
	requireFires(t, "AdapterExchangeLogFails", before, broken)
	require.NoError(t, os.Remove(filler))
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=2g"))
	require.Eventually(t, func() bool { return reason() == "" }, patience, 100*time.Millisecond, "it goes on by itself")
	requireWell(t, program, "disk:log")
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}

func drillCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	issue := func(valid time.Duration) {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, (&testCA{now: time.Now(), valid: valid}).write(dir, nil))
	}
	issue(60 * 24 * time.Hour)
	program, _ := running(t, simulator.Options{}, func(s *Settings) {
		s.Listen.TLS.Core = TLS{Cert: filepath.Join(dir, "adapter.pem"), Key: filepath.Join(dir, "adapter.key")}
	})
	const component = "certificate:listen.tls.core"
	requireWell(t, program, component)
	well := scrape(t, program)
	for _, step := range []struct {
		valid       time.Duration
		says, alert string
	}{
		{10*24*time.Hour + time.Hour, "ends in 10 days: put a new one in its file", "AdapterCertificateEndsSoon"},
		{25 * time.Hour, "ends in 1 days: put a new one in its file", "AdapterCertificateEnds"},
	} {
		issue(step.valid)
		_, _, err := program.reload(program.settings)
		require.NoError(t, err)
		requireTrouble(t, program, component, statusWarn, step.says)
		requireFires(t, step.alert, well, scrape(t, program))
	}
}

func statusNow(t *testing.T, program *Program) status {
	t.Helper()
	_, body := statusOf(t, program, "")
	var s status
	require.NoError(t, json.Unmarshal(body, &s), "%s", body)
	return s
}

// requireTrouble waits until the status page has turned, by this component, and wants it to say what to do.
func requireTrouble(t *testing.T, program *Program, component, turned, says string) {
	t.Helper()
	var s status
	require.Eventually(t, func() bool {
		s = statusNow(t, program)
		return len(s.Checks[component]) > 0 && s.Checks[component][0].Status == turned
	}, patience, 20*time.Millisecond, "%s does not turn", component)
	require.Equal(t, turned, s.Status, "the whole is as bad as its worst: %v", s.Checks)
	require.Contains(t, s.Checks[component][0].Output, says)
}

func requireWell(t *testing.T, program *Program, component string) {
	t.Helper()
	require.Eventually(t, func() bool {
		c := statusNow(t, program).Checks[component]
		return len(c) > 0 && c[0].Status == statusPass
	}, patience, 20*time.Millisecond, "%s does not become well", component)
}

// scraped is what /metrics shows at a time, by series.
type scraped struct {
	at     time.Time
	series map[string]float64
}

func scrape(t *testing.T, program *Program) scraped {
	t.Helper()
	answer, err := http.Get("http://" + program.Address("ops") + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	s := scraped{at: time.Now(), series: map[string]float64{}}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		line := lines.Text()
		end := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || end < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[end+1:], 64)
		require.NoError(t, err, line)
		s.series[line[:end]] = value
	}
	require.NoError(t, lines.Err())
	return s
}

// steps are the values that promtool is to see: before for ten minutes, after for twenty. Its clock begins at 0, so that a
// time is told as what is left until then.
func steps(series string, before, after scraped) (string, bool) {
	is, there := after.series[series]
	was, shown := before.series[series]
	if strings.Contains(series, "_timestamp_seconds") {
		was, is = was-float64(before.at.Unix()), is-float64(after.at.Unix())
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	switch {
	case !there: // a database that is away leaves its gauges out
		return "", false
	case !shown:
		return "_x10 " + number(is) + "x20", true
	}
	return number(was) + "x10 " + number(is) + "x20", true
}

// requireFires has promtool run the rule over what /metrics showed: it is quiet with what was before, and fires with what is
// after.
func requireFires(t *testing.T, name string, before, after scraped) {
	t.Helper()
	rule, known := alertsByName(t)[name]
	require.True(t, known, name)
	require.NotEmpty(t, rule.Annotations.Do)
	rules, err := filepath.Abs("../deploy/prometheus/alerts.yaml")
	require.NoError(t, err)
	if _, err := exec.LookPath("promtool"); err != nil { // the drill goes on: what is broken has to be mended
		require.NotEqual(t, "required", os.Getenv("ADAPTER_TEST_TOOLS"), "the package prometheus is needed")
		t.Logf("SKIPPED, NOT TESTED: whether %s fires; it needs the package prometheus", name)
		return
	}

	type input struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	var quiet, broken []input
	for series := range after.series {
		metric, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		if !strings.Contains(rule.Expr, metric) {
			continue
		}
		full := metric + `{instance="a",` + labels + "}"
		if values, ok := steps(series, before, before); ok {
			quiet = append(quiet, input{full, values})
		}
		values, _ := steps(series, before, after)
		broken = append(broken, input{full, values})
	}
	require.NotEmpty(t, broken, "/metrics has none of what %s looks at", name)
	type sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
	test := func(series []input, want ...sample) map[string]any {
		return map[string]any{"interval": "1m", "input_series": series, "promql_expr_test": []map[string]any{{
			"expr":      fmt.Sprintf(`sum(count_over_time(ALERTS{alertname=%q,alertstate="firing"}[30m])) > bool 0`, name),
			"eval_time": "30m", "exp_samples": want}}}
	}
	text, err := yaml.Marshal(map[string]any{"rule_files": []string{rules}, "evaluation_interval": "1m",
		"tests": []any{test(quiet), test(broken, sample{"{}", 1})}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "fired.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	out, err := exec.CommandContext(t.Context(), "promtool", "test", "rules", file).CombinedOutput()
	require.NoError(t, err, "%s does not fire: %s\n%s", name, out, text)
}
