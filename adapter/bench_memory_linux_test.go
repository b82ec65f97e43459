package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Of the figures of memory.
const (
	memoryIdle    = 5 * time.Second
	memoryTime    = 30 * time.Second
	memoryRate    = 1000 // requests a second
	memoryCallers = 100  // at most under way at a time
	memoryOrders  = 200
	mostIdle      = 40  // MiB
	mostBusy      = 150 // MiB
)

// BenchmarkMemory is what the real program, with SQLite and its defaults, occupies (RSS) before its first request, and at most while it
// answers mixed requests: of ten, four notifications, four readings by the core (orders, and events), two lists of mandates. It fails
// where it is more than it may be.
func BenchmarkMemory(b *testing.B) {
	world, err := simulator.Start(b.Context(), simulator.Options{
		Client: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11043739", SubsystemCode: "tkt"}})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, world.Close()) })
	b.Setenv("CGO_ENABLED", "0") // as .ci/release builds it
	b.Setenv("GOFLAGS", "-trimpath -buildvcs=false -ldflags=-s")
	in := install(b, buildAdapter(b), world, func(s *Settings) { s.XRoad.Client = "ee-dev/COM/11043739/tkt" })
	p := in.serve(b)
	require.NoError(b, p.ready(b.Context()), "%s", in.said(b))
	time.Sleep(memoryIdle)
	idle := resident(b, p, "VmRSS")

	world.Attach(in.attached(b))
	kinds := mixed(b, in, world)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: memoryCallers}, Timeout: 30 * time.Second}
	b.Cleanup(client.CloseIdleConnections)
	var calling sync.WaitGroup
	var sent, failed atomic.Int64
	var firstFailure atomic.Value
	latencies := make([][]time.Duration, memoryCallers)
	b.ResetTimer()
	begin := time.Now()
	for i := range memoryCallers {
		calling.Go(func() {
			for k := i; ; k += memoryCallers {
				due := begin.Add(time.Duration(k) * time.Second / memoryRate)
				if due.Sub(begin) > memoryTime || time.Since(begin) > memoryTime {
					return
				}
				time.Sleep(time.Until(due))
				at := time.Now()
				if err := kinds[k%len(kinds)](b.Context(), client, k); err != nil {
					failed.Add(1)
					firstFailure.CompareAndSwap(nil, err.Error())
				}
				latencies[i] = append(latencies[i], time.Since(at))
				sent.Add(1)
			}
		})
	}
	calling.Wait()
	took := time.Since(begin)
	b.StopTimer()
	busy := resident(b, p, "VmHWM")
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	require.NotEmpty(b, all)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(idle, "idle-MiB")
	b.ReportMetric(busy, "peak-MiB")
	b.ReportMetric(resident(b, p, "RssFile"), "file-MiB") // of it, the program's own file
	b.ReportMetric(float64(sent.Load())/took.Seconds(), "requests/s")
	b.ReportMetric(float64(failed.Load()), "failed")
	b.ReportMetric(float64(all[len(all)*99/100].Milliseconds()), "p99-ms")
	if failed.Load() > 0 {
		b.Logf("the first of %d that failed: %s", failed.Load(), firstFailure.Load())
	}
	b.Logf("idle %.1f MiB; at most %.1f MiB under %.0f requests/s", idle, busy, float64(sent.Load())/took.Seconds()) // a failure hides the figures
	require.Less(b, idle, float64(mostIdle), "MiB before the first request")
	require.Less(b, busy, float64(mostBusy), "MiB at most")
	require.Zero(b, p.stop(b), "%s", in.said(b))
}

// resident is what of a process stands in memory, in MiB, by a name of /proc/PID/status.
func resident(b *testing.B, p *process, name string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(b, err)
	_, after, found := strings.Cut(string(text), name+":")
	require.True(b, found, "%s in %s", name, text)
	kib, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	require.NoError(b, err)
	return kib / 1024
}

// mixed makes orders and mandates, and returns ten kinds of requests about them, to be sent in turn.
func mixed(b *testing.B, in installation, world *simulator.World) []func(ctx context.Context, client *http.Client, k int) error {
	b.Helper()
	sample, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(b, err)
	token, err := tokenIn(in.settings.Core.TokenFile)
	require.NoError(b, err)
	core, xroad := "http://"+in.settings.Listen.Core, "http://"+in.settings.Listen.XRoad
	call := func(ctx context.Context, client *http.Client, method, url, body string) error {
		r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header = http.Header{"Authorization": {"Bearer " + token}, "X-Acting-User": {"EE60001019906"}, "Content-Type": {"application/json"},
			"X-Road-Client": {"ee-dev/GOV/70006317/paasuke"}, "X-Road-Id": {"memory"}, "X-Road-Userid": {"EE60001019906"}}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode >= http.StatusBadRequest {
			err = fmt.Errorf("%s %s: status %d: %s", method, url, answer.StatusCode, said)
		}
		return err
	}
	for n := range int64(memoryOrders) {
		_, _, err := world.Core.StartPayment(b.Context(), askFor(n+1, "30.00"))
		require.NoError(b, err)
	}
	for _, role := range []string{"ESINDAJA", "AVALDAJA"} {
		require.NoError(b, call(b.Context(), http.DefaultClient, http.MethodPost, core+"/api/v1/mandates",
			`{"representee": {"code": "EE10391131", "name": "Näidis OÜ"}, "delegate": {"code": "EE60001019906", "firstName": "Mari", "surname": "Maasikas"}, "role": "`+role+`"}`))
	}
	var notifications [][]byte
	for _, o := range world.EMTA.Orders() {
		notifications = append(notifications, bytes.ReplaceAll(sample, []byte(sampleOrderID), []byte(o.ID)))
	}
	notify := func(ctx context.Context, client *http.Client, k int) error {
		return notifyOnce(ctx, client, xroad+emtaPath, notifications[k%len(notifications)])
	}
	get := func(url string) func(context.Context, *http.Client, int) error {
		return func(ctx context.Context, client *http.Client, k int) error {
			return call(ctx, client, http.MethodGet, url, "")
		}
	}
	order := func(ctx context.Context, client *http.Client, k int) error {
		return call(ctx, client, http.MethodGet, fmt.Sprintf("%s/api/v1/orders/%d", core, k%memoryOrders+1), "")
	}
	mandates := get(xroad + paasukePath + "/v1/representees/EE10391131/delegates/mandates")
	events := get(core + "/api/v1/events")
	return []func(context.Context, *http.Client, int) error{notify, order, mandates, notify, events, notify, order, mandates, notify, order}
}
