package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
)

// hostileRow is one request to POST /emta that a provider must survive (X-Road §9, NA-security).
type hostileRow struct {
	name   string
	send   sending
	want   string // the answers in their order, as shownAnswer writes them
	says   string // part of the faultstring, where reason and field alone are those of other kinds too
	stored int    // rows of notifications that it adds: an unknown id is kept while an order is in creation (EMTA §6)
	heavy  bool   // skipped with -short
}

// accepted is the answer to a notification of the known order.
const accepted = "cpgOrderNotifyResponse"

// Bounds of the whole table. Between the rows the heap is what the program needs at rest; the memory ever taken from the
// system is that of the largest messages that are read at once, the client's side included.
const (
	heapGrowth   = 16 << 20
	systemGrowth = 256 << 20
	// atOnce is how soon the next good request is answered. It takes milliseconds, of which the commit is most; on a machine
	// whose disk is busy with other things, hundreds of them.
	atOnce = 3 * time.Second
	// patience is how long an answer, or the end of the connection, is waited for before the server counts as hung.
	patience = 2 * time.Minute
)

// victim is the program under attack: with one order that EMTA knows, one in creation, no background work.
type victim struct {
	program *Program
	address string
	message string // the good request
	good    *http.Client
	// canary hears of whoever fetches what a message points at.
	canary  *httptest.Server
	fetched atomic.Int64
}

func startVictim(t testing.TB) *victim {
	t.Helper()
	message, err := os.ReadFile("testdata/hostile/notify.xml")
	require.NoError(t, err)
	program, world := running(t, simulator.Options{NewID: func() string { return sampleOrderID }}, func(s *Settings) {
		s.EMTA.AllowedClients = []string{"ee-dev/GOV/70000349/mkrliides"}
		s.EMTA.Sync.ListDelays = []time.Duration{time.Hour} // nothing becomes due by itself
	})
	program.endWork()
	v := &victim{program: program, address: program.Address("xroad"), message: string(message), good: &http.Client{Timeout: patience}}
	v.canary = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		v.fetched.Add(1)
		_, _ = io.WriteString(w, sampleOrderID)
	}))
	t.Cleanup(v.canary.Close)
	t.Cleanup(v.good.CloseIdleConnections)

	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world}
	known, _, err := world.Core.StartPayment(t.Context(), d.ask())
	require.NoError(t, err)
	require.Equal(t, sampleOrderID, known.EMTAOrderID)
	require.NoError(t, world.Misbehave(simulator.OperationInit, simulator.Mischief{CutBefore: true}))
	_, _, err = world.Core.StartPayment(t.Context(), d.ask())
	require.Error(t, err)
	v.probe(t, "the first good request")
	require.Equal(t, 1, v.figures(t).Orders[order.Creating])
	require.Equal(t, 1, v.figures(t).OpenNotifications)
	return v
}

// probe sends the good request, which must be answered at once.
func (v *victim) probe(t testing.TB, after string) {
	t.Helper()
	begin := time.Now()
	response, err := v.good.Post("http://"+v.address+emtaPath, "text/xml; charset=UTF-8", strings.NewReader(v.message))
	require.NoError(t, err, after)
	defer response.Body.Close()
	require.Equal(t, accepted, shownAnswer(t, response, ""), after)
	require.Less(t, time.Since(begin), atOnce, after)
}

// figures are what the store counts, without the times, of which each probe moves one.
func (v *victim) figures(t testing.TB) order.Figures {
	t.Helper()
	f, err := v.program.store.Figures(t.Context(), time.Now())
	require.NoError(t, err)
	f.OldestDue, f.OldestOpen = time.Time{}, time.Time{}
	return f
}

// notified is when the known order was last notified of.
func (v *victim) notified(t testing.TB) time.Time {
	t.Helper()
	n, err := v.program.store.OpenNotification(t.Context(), sampleOrderID)
	require.NoError(t, err)
	return n.NotifiedAt
}

// attack sends the row's bytes over a connection of their own and reads whatever comes until the server closes it.
func (v *victim) attack(t testing.TB, row hostileRow) string {
	t.Helper()
	a := row.send(v)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", v.address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	var sent sync.WaitGroup
	sent.Go(func() {
		_, _ = io.Copy(conn, a.bytes) // the server may close before it has all
		if a.end != nil {
			_ = a.end(conn.(*net.TCPConn)) // likewise
		}
	})
	var answers []string
	for in := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(in, a.request)
		if err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server neither answers nor closes")
			break
		}
		answers = append(answers, shownAnswer(t, response, row.says))
		require.NoError(t, response.Body.Close())
	}
	_ = conn.Close() // the row may have done so
	sent.Wait()
	if len(answers) == 0 {
		return "closed"
	}
	return strings.Join(answers, " | ")
}

// shownAnswer names an answer in a few words: the wrapper; a client fault's reason and field; another fault's code and what
// else it has; HTTP's own status where it is no SOAP. What is wrong with it as an answer to a security server (X-Road §4.3)
// stands beside it. says must be part of a fault's text.
func shownAnswer(t testing.TB, response *http.Response, says string) string {
	t.Helper()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/xml") {
		return fmt.Sprintf("HTTP %d", response.StatusCode)
	}
	m, err := soap.ParseAnswer(raw, soap.Limits{})
	if err != nil && len(raw) == 0 && response.Request != nil && response.Request.Method == http.MethodHead {
		return fmt.Sprintf("HTTP %d", response.StatusCode)
	}
	require.NoError(t, err, "%.2000s", raw)
	require.Equal(t, "text/xml; charset=UTF-8", response.Header.Get("Content-Type"))
	require.Empty(t, response.Header.Values("Content-Encoding"))
	require.Nil(t, m.XRoad.RequestHash, "the answer repeats requestHash")
	if m.Fault == nil {
		require.Equal(t, http.StatusOK, response.StatusCode)
		return m.Body.Tag
	}
	require.Equal(t, http.StatusInternalServerError, response.StatusCode)
	require.Contains(t, m.Fault.String, says)
	reason, field := "", ""
	if detail := m.Fault.Detail; detail != nil {
		require.NotEmpty(t, detail.SelectElement("requestId").Text())
		reason = detail.SelectElement("reason").Text()
		if el := detail.SelectElement("field"); el != nil {
			field = el.Text()
		}
	}
	switch m.Fault.Code {
	case "Client":
		return strings.TrimSpace(reason + " " + field)
	case "Server":
		return fmt.Sprintf("%q", m.Fault.String)
	}
	return strings.TrimSpace(m.Fault.Code + " " + reason + " " + field)
}

// Whatever is sent to the provider, the answer is the precise one, nothing is stored, memory stays bounded, and the next good
// request is answered at once.
func TestHostileRequests(t *testing.T) {
	v := startVictim(t)
	rows := slices.Concat(xmlRows, envelopeRows, headerRows, bodyRows, contentRows, httpRows)
	kinds := map[string]bool{}
	for _, row := range rows {
		require.False(t, kinds[row.name], "two rows %q", row.name)
		kinds[row.name] = true
	}
	slow := v.dribble(t)
	defer slow.end()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.heavy && testing.Short() {
				t.Skip("takes a second")
			}
			figures, notified := v.figures(t), v.notified(t)
			got := v.attack(t, row)
			require.Equal(t, row.want, got)
			figures.OpenNotifications += row.stored
			require.Equal(t, figures, v.figures(t), "what is stored")
			if !strings.Contains(row.want, accepted) {
				require.Equal(t, notified, v.notified(t), "the known order was notified of")
			} else {
				require.True(t, v.notified(t).After(notified), "the known order was not notified of")
			}
			v.probe(t, row.name)
			slow.oneByteMore(t)
		})
	}
	runtime.ReadMemStats(&after)
	t.Logf("before the crowd: memory of the system %+d KiB", (int64(after.Sys)-int64(before.Sys))>>10)
	v.crowd(t)
	require.Zero(t, v.fetched.Load(), "something that a message points at was fetched")
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d rows; heap %+d KiB, memory of the system %+d KiB", len(rows), (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>10, (int64(after.Sys)-int64(before.Sys))>>10)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(heapGrowth))
	require.Less(t, int64(after.Sys)-int64(before.Sys), int64(systemGrowth))
}
