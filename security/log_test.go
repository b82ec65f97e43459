package security_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// world is a security log with its table, its lines and a clock.
type world struct {
	*security.Log
	store store.Store
	lines bytes.Buffer
	now   time.Time
	lost  int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	w := &world{store: s, now: time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.Log = security.New(security.Options{Store: s, Lines: slog.New(slog.NewJSONHandler(&w.lines, nil)).With("log", "security"),
		Person: func(string) string { return "hash" }, Replica: "a", Now: func() time.Time { return w.now }, Lost: func() { w.lost++ }})
	t.Cleanup(func() { s.Close() })
	return w
}

// rows are all events of the table, oldest first.
func (w *world) rows(t testing.TB) []security.Event {
	t.Helper()
	events, err := w.store.SecurityEvents(t.Context(), 100000)
	require.NoError(t, err)
	for i, j := 0, len(events)-1; i < j; i, j = i+1, j-1 {
		events[i], events[j] = events[j], events[i]
	}
	return events
}

// pass lets a while pass and writes what is due.
func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.Sweep(context.Background(), false)
}

func TestRecordIsARowAndALine(t *testing.T) {
	w := newWorld(t)
	ctx := security.WithAddress(xroadhdr.WithExchange(t.Context(), &xroadhdr.Exchange{RequestID: "r-1"}), "192.0.2.7")
	require.NoError(t, w.Record(ctx, security.Event{Kind: security.ExchangesRead, Caller: "core", Actor: "EE60001019906",
		Detail: "order 12\nof maksja@example.ee " + strings.Repeat("x", 5000)}))
	rows := w.rows(t)
	require.Len(t, rows, 1)
	require.Len(t, rows[0].Detail, 1000+len("…"))
	require.Equal(t, security.Event{At: w.now, Replica: "a", Kind: security.ExchangesRead, Caller: "core", Actor: "EE60001019906", Address: "192.0.2.7",
		RequestID: "r-1", Detail: rows[0].Detail, Count: 1}, rows[0])
	require.True(t, strings.HasPrefix(rows[0].Detail, "order 12 of *** x"), rows[0].Detail)

	line := w.lines.String()
	for _, part := range []string{`"log":"security"`, `"msg":"exchanges read"`, `"caller":"core"`, `"person":"hash"`, `"address":"192.0.2.7"`, `"requestId":"r-1"`} {
		require.Contains(t, line, part)
	}
	require.NotContains(t, line, "60001019906", "the person is in the table only")

	require.NoError(t, w.store.Close())
	w.lines.Reset()
	require.Error(t, w.Record(ctx, security.Event{Kind: security.ExchangesRead}))
	require.Empty(t, w.lines.String())
}

// A flood of wrong tokens fills neither the table nor the log, and is counted to the last.
func TestFloodIsCounted(t *testing.T) {
	w := newWorld(t)
	ctx := security.WithAddress(t.Context(), "192.0.2.7")
	for range 100 {
		for range 1000 {
			w.Report(ctx, security.Event{Kind: security.TokenRefused})
		}
		w.pass(time.Second)
	}
	w.Report(security.WithAddress(t.Context(), "192.0.2.8"), security.Event{Kind: security.TokenRefused})
	w.Report(ctx, security.Event{Kind: security.AccessRefused})
	w.pass(time.Minute)
	rows := w.rows(t)
	require.Len(t, rows, 5, "two a minute, and one each of what else was")
	total := 0
	for _, e := range rows {
		if e.Address == "192.0.2.7" && e.Kind == security.TokenRefused {
			total += e.Count
		}
	}
	require.Equal(t, 100_000, total)
	require.Equal(t, 5, strings.Count(w.lines.String(), "\n"))
	w.pass(time.Hour)
	w.pass(time.Hour)
	require.Len(t, w.rows(t), 5, "nothing came")
	w.Report(ctx, security.Event{Kind: security.TokenRefused})
	w.pass(time.Second)
	require.Len(t, w.rows(t), 6, "at once again")
}

func TestFloodFromManyAddressesIsBounded(t *testing.T) {
	w := newWorld(t)
	for i := range 20_000 {
		w.Report(security.WithAddress(t.Context(), fmt.Sprintf("2001:db8::%x", i)), security.Event{Kind: security.TokenRefused})
	}
	w.pass(time.Second)
	w.pass(time.Minute)
	rows := w.rows(t)
	require.Len(t, rows, 1002, "a thousand addresses, the first of the others, and their count")
	total := 0
	for _, e := range rows {
		total += e.Count
	}
	require.Equal(t, 20_000, total)
	last := rows[len(rows)-1]
	require.Equal(t, "", last.Address)
	require.Equal(t, 20_000-1001, last.Count)
}

// While the database is away events wait, as many as fit; they are lines at once.
func TestReportsWaitForTheDatabase(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.store.Close())
	for i := range 4096 {
		w.Report(security.WithAddress(t.Context(), "192.0.2.7"), security.Event{Kind: fmt.Sprintf("kind-%d", i)})
		if i%900 == 0 {
			w.pass(2 * time.Minute)
		}
	}
	require.Zero(t, w.lost)
	w.pass(2 * time.Minute)
	w.Report(t.Context(), security.Event{Kind: security.AccessRefused})
	require.Equal(t, 1, w.lost)
	require.Equal(t, 4097, strings.Count(w.lines.String(), "\n"))
}

func TestRunWritesWhatIsLeftAtTheEnd(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.Report(t.Context(), security.Event{Kind: security.TokenRefused})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.Run(ctx)
	rows := w.rows(t)
	require.Len(t, rows, 2)
	require.Equal(t, 2, rows[1].Count)
}

func TestReportsAtOnce(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				w.Report(context.Background(), security.Event{Kind: security.TokenRefused})
			}
		})
	}
	all.Go(func() { w.Sweep(context.Background(), false) })
	all.Wait()
	w.Sweep(t.Context(), true)
	total := 0
	for _, e := range w.rows(t) {
		total += e.Count
	}
	require.Equal(t, 800, total)
}

func TestLoggerReports(t *testing.T) {
	w := newWorld(t)
	log := w.Logger().With("component", "mandate", "client", "ee-dev/GOV/70000310/at")
	log.Debug(security.HeaderForged, "field", "X-Road-UserId", "n", 2, "of", "EE60001019906", "requestId", "r-7", "address", "192.0.2.9:1234", "person", "EE38302250123")
	w.pass(time.Second)
	require.Equal(t, []security.Event{{At: w.now.Add(-time.Second), Replica: "a", Kind: security.HeaderForged, Caller: "ee-dev/GOV/70000310/at", Actor: "EE38302250123",
		Address: "192.0.2.9", RequestID: "r-7", Detail: "field: X-Road-UserId; n: 2; of: EE***", Count: 1}}, w.rows(t))
}

func TestCallerAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, test := range []struct {
		remote, forwarded, want string
	}{
		{"192.0.2.7:1234", "", "192.0.2.7"},
		{"192.0.2.7:1234", "198.51.100.1", "192.0.2.7"}, // no proxy of ours
		{"10.0.0.1:1234", "", "10.0.0.1"},
		{"10.0.0.1:1234", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1234", "1.1.1.1, 198.51.100.1", "198.51.100.1"}, // what was there before the proxy's is the caller's own invention
		{"10.0.0.1:1234", "1.1.1.1, 198.51.100.1,10.0.0.2", "198.51.100.1"},
		{"10.0.0.1:1234", "198.51.100.1:443", "198.51.100.1"},
		{"10.0.0.1:1234", "not an address", "10.0.0.1"},
		{"10.0.0.1:1234", "60001019906\n", "10.0.0.1"},
		{"[2001:db8::1]:1234", "[2001:db9::7%eth0]:1", "2001:db9::7"},
		{"[::ffff:10.0.0.1]:1234", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.1:1234", strings.Repeat("10.0.0.2,", 100000) + "10.0.0.3", "10.0.0.2"},
		{"@", "198.51.100.1", ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.remote
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		require.Equal(t, test.want, security.CallerAddress(r, proxies), "%.100v", test)
	}
}
