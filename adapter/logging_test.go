package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// logged is the one line that write leaves in a log.
func logged(t testing.TB, write func(*slog.Logger)) map[string]any {
	t.Helper()
	var out bytes.Buffer
	write(newLogger(&out, slog.LevelDebug))
	require.Equal(t, 1, strings.Count(out.String(), "\n"), out.String())
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
	return line
}

type stringer struct{}

func (stringer) String() string { return "isik 60001019906" }

type person struct{ Code, Email string }

func TestLogMasksWhateverTheValueIs(t *testing.T) {
	for _, value := range []any{
		"EE60001019906", 60001019906, uint64(60001019906), errors.New("no such person: 60001019906"), fmt.Errorf("a: %w", errors.New("maksja@example.ee")),
		[]string{"60001019906"}, map[string]string{"a": "maksja@example.ee"}, person{"60001019906", "maksja@example.ee"}, &person{"60001019906", ""},
		stringer{}, []byte("60001019906"), json.RawMessage(`{"code":"60001019906"}`), slog.GroupValue(slog.String("x", "60001019906"), slog.String("surname", "Maasikas")),
		http.Header{"Authorization": {"Bearer abcdef"}}, "Bearer abcdef", "password=abcdef", "a%20EE6000101990%36",
	} {
		var out bytes.Buffer
		log := newLogger(&out, slog.LevelDebug)
		log.Info("seen 60001019906", "value", value, slog.Group("g", "value", value), "requestId", "60001019906")
		log.With("value", value).WithGroup("g").Error("seen", "value", value)
		for _, planted := range []string{"60001019906", "maksja", "Maasikas", "abcdef", "6000101990%36"} {
			require.NotContains(t, out.String(), planted, "%T %v", value, value)
		}
	}
}

func TestLogLineHasItsForm(t *testing.T) {
	for _, name := range []string{"authorization", "token", "email", "surname", "userId", "X-Acting-User"} {
		line := logged(t, func(log *slog.Logger) { log.Info("x", name, "Maasikas") })
		require.Equal(t, "***", line[name])
	}
	line := logged(t, func(log *slog.Logger) {
		log.With("component", "order").Info("hostile \n\x1b[2J\xff", "empty", "", "at", time.Time{})
	})
	require.Equal(t, "order", line["component"])
	require.Equal(t, "-", line["requestId"])
	require.Equal(t, "-", line["empty"])
	require.Contains(t, line["msg"], "hostile")
	require.NotContains(t, line, "stack", "only of errors")

	ctx := xroadhdr.WithExchange(t.Context(), &xroadhdr.Exchange{RequestID: "r-1"})
	line = logged(t, func(log *slog.Logger) { log.InfoContext(ctx, "x") })
	require.Equal(t, "r-1", line["requestId"], "from the context")
	line = logged(t, func(log *slog.Logger) { log.InfoContext(ctx, "x", "requestId", "r-2") })
	require.Equal(t, "r-2", line["requestId"], "the line's own")
	line = logged(t, func(log *slog.Logger) { log.Info("x", "big", strings.Repeat("x", 1<<20)) })
	require.Less(t, len(line["big"].(string)), 20<<10)
}

// An X-Road id is shown where it looks like one; a partner may write into it whatever he likes.
func TestLogShowsIDsOnly(t *testing.T) {
	for id, shown := range map[string]bool{
		"4894e35d-bf0f-44a6-867a-8e51f1daa7e0": true, "EE-AT-2026-000123": true, "1": true, "at:17.03/4_2": true, "DEADBEEF-1": true, "": false,
		"Mari-Maasikas-1": false, "Mari Maasikas 1": false, "Pärtel1": false, "maasikas1": false, "MISP2-1": false, "no-digits-at-all": false, "ab\n1": false,
	} {
		line := logged(t, func(log *slog.Logger) { log.Info("x", "xroadId", id) })
		want := id
		if !shown {
			want = hidden
		}
		if id == "" {
			want = "-"
		}
		require.Equal(t, want, line["xroadId"], id)
	}
}

// Estonian time, also where the clock is set twice a year.
func TestLogTimeIsEstonian(t *testing.T) {
	for utc, want := range map[string]string{
		"2026-03-29T00:59:59.999Z": "2026-03-29T02:59:59.999+02:00", "2026-03-29T01:00:00Z": "2026-03-29T04:00:00.000+03:00",
		"2026-10-25T00:59:59Z": "2026-10-25T03:59:59.000+03:00", "2026-10-25T01:00:00Z": "2026-10-25T03:00:00.000+02:00",
	} {
		at, err := time.Parse(time.RFC3339Nano, utc)
		require.NoError(t, err)
		line := logged(t, func(log *slog.Logger) {
			r := slog.NewRecord(at, slog.LevelInfo, "x", 0)
			r.AddAttrs(slog.Time("at", at))
			require.NoError(t, log.Handler().Handle(context.Background(), r))
		})
		require.Equal(t, want, line["time"])
		require.Equal(t, want, line["at"])
	}
}

// An error line has the stack and the request that it is about: its route, never its path, and no secrets of its header.
func TestErrorLineDescribesTheRequest(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, slog.LevelInfo).With("component", "mandate")
	h := observer{system: "core", log: newLogger(new(bytes.Buffer), slog.LevelError), now: time.Now, meter: unmeasured()}.observe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		xroadhdr.ExchangeFrom(r.Context()).Route = "/v1/representees/{representee}"
		log.ErrorContext(r.Context(), "it broke", "error", errors.New("disk full"))
	}))
	r := httptest.NewRequest(http.MethodGet, "/v1/representees/EE60001019906?x=maksja@example.ee", nil)
	for name, value := range map[string]string{"Authorization": "Bearer abcdef", "X-Road-UserId": "EE60001019906", "X-Road-Client": "ee-dev/GOV/70000310/at",
		"Cookie": "a=abcdef", "X-60001019906": "x", "User-Agent": "curl (60001019906) \x1b[2J" + strings.Repeat("x", 1<<20), "X-Odd": "abcdef"} {
		r.Header.Set(name, value)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	var line struct {
		Error, Stack, RequestID string
		HTTP                    struct {
			Request string
			Header  map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &line), out.String())
	require.Equal(t, "disk full", line.Error)
	require.Contains(t, line.Stack, "TestErrorLineDescribesTheRequest")
	require.Contains(t, line.Stack, "logging_test.go:")
	require.Equal(t, "GET /v1/representees/{representee} HTTP/1.1", line.HTTP.Request)
	require.Equal(t, "ee-dev/GOV/70000310/at", line.HTTP.Header["X-Road-Client"])
	require.Equal(t, hidden, line.HTTP.Header["X-Odd"])
	require.Equal(t, hidden, line.HTTP.Header["User-Agent"], "anybody may write anything into it")
	require.Less(t, out.Len(), 8<<10)
	require.NotContains(t, out.String(), "60001019906")
	require.NotContains(t, out.String(), "abcdef")
	require.NotContains(t, out.String(), "maksja")
}

func TestLevelsByComponentChangeWhileOthersLog(t *testing.T) {
	var out lockedBuffer
	log := newLogger(&out, slog.LevelInfo)
	levels := levelsOf(log)
	order, soap := log.With("component", "order"), log.With("component", "soap")
	require.Equal(t, []string{"order", "soap"}, levels.names())

	order.Debug("no")
	levels.set("warn", map[string]string{"order": "debug", "odd": "loud"})
	order.With("a", 1).Debug("yes 1")
	soap.Info("no")
	log.Info("no")
	soap.Warn("yes 2")
	levels.set("odd", nil)
	order.Info("no")
	levels.set("info", nil)
	order.Info("yes 3")
	require.Equal(t, 3, strings.Count(out.String(), "yes"), out.String())
	require.NotContains(t, out.String(), `"no"`)

	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				levels.set("debug", map[string]string{"order": "error"})
				order.With("component", "order").Info("x")
			}
		})
	}
	all.Wait()
}

// lockedBuffer is written by many goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// unmeasured is a meter whose figures nobody reads.
func unmeasured() *meter {
	return newMeter(time.Now, noop.NewTracerProvider().Tracer(""), prometheus.NewRegistry())
}
