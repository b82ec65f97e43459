package main

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
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// called runs the command against the world and returns what it printed.
func called(t testing.TB, securityServer string, c callCommand) (string, error) {
	t.Helper()
	s := defaultSettings()
	s.XRoad.SecurityServer, s.XRoad.Client = securityServer, "ee-dev/GOV/70000310/at"
	s.EMTA.Service, s.EMTA.Issue = "ee-dev/GOV/70000349/mkrliides", "ATPUB"
	h, err := c.header(s)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if c.REST != "" {
		err = c.callREST(t.Context(), s, h, &out)
	} else {
		err = c.callSOAP(t.Context(), s, h, &out)
	}
	return out.String(), err
}

func TestCallSOAP(t *testing.T) {
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, world.Close()) }()
	url := world.SecurityServerURL()

	shown, err := called(t, url, callCommand{Service: "cpgOrderList", Page: "0"})
	require.NoError(t, err)
	require.Contains(t, shown, "cpgOrderListResponse")
	require.Contains(t, shown, "<Total>0</Total>")

	raw, err := called(t, url, callCommand{Service: "cpgOrderList", Page: "0", Raw: true})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(raw, "<?xml"), raw)

	shown, err = called(t, url, callCommand{Service: "cpgOrderGet", ID: "none"})
	require.ErrorIs(t, err, errCall)
	require.Contains(t, shown, "provider's own fault")

	unknown := callCommand{Service: "ee-dev/GOV/70000349/mkrliides/other/v1", Body: file(t, `<o:other xmlns:o="urn:o"/>`)}
	shown, err = called(t, url, unknown)
	require.ErrorIs(t, err, errCall)
	require.Contains(t, shown, "Server.ServerProxy.UnknownService")
	require.Contains(t, shown, "whose      ours")

	_, err = called(t, "http://127.0.0.1:1/", callCommand{Service: "cpgOrderGet", ID: "x"})
	require.ErrorIs(t, err, errCall)
}

// A dry run sends nothing, and shows the very message.
func TestCallDryRun(t *testing.T) {
	shown, err := called(t, "http://127.0.0.1:1/", callCommand{Service: "cpgOrderCancel", ID: "an-id", DryRun: true, UserID: "EE60001019906"})
	require.NoError(t, err)
	for _, part := range []string{"POST http://127.0.0.1:1/", "cpgOrderCancelRequest", "<Id>an-id</Id>", "ATPUB</xrd:issue>", "EE60001019906", ">4.0<"} {
		require.Contains(t, shown, part)
	}
	shown, err = called(t, "http://127.0.0.1:1/", callCommand{Service: "ee-dev/GOV/1/reg/firms", REST: "get", Path: "/a%2Fb?x=1&x=2", DryRun: true})
	require.NoError(t, err)
	require.Contains(t, shown, "GET http://127.0.0.1:1/r1/ee-dev/GOV/1/reg/firms/a%2Fb?x=1&x=2\n")
	require.Contains(t, shown, "X-Road-Client: ee-dev/GOV/70000310/at\n")
}

func TestCallREST(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		if strings.HasSuffix(r.URL.Path, "/denied") {
			w.Header().Set("X-Road-Error", "server.serverproxy.access_denied")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"type":"server.serverproxy.access_denied","message":"no","detail":"x"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":1}`)
	}))
	defer server.Close()

	shown, err := called(t, server.URL, callCommand{Service: "ee-dev/GOV/1/reg/firms", REST: "POST", Path: "/x%2Fy?b=%2F+x", Body: file(t, `{"q":2}`), Type: "application/json"})
	require.NoError(t, err)
	require.Equal(t, "/r1/ee-dev/GOV/1/reg/firms/x%2Fy?b=%2F+x", got.RequestURI)
	require.Equal(t, []string{"ee-dev/GOV/70000310/at"}, got.Header.Values("X-Road-Client"))
	require.NotEmpty(t, got.Header.Get("X-Road-Id"))
	require.JSONEq(t, `{"q":2}`, string(body))
	require.Contains(t, shown, "200 OK")
	require.Contains(t, shown, "{\n  \"a\": 1\n}")

	// A security server's refusal is told by its code, not by its status.
	shown, err = called(t, server.URL, callCommand{Service: "ee-dev/GOV/1/reg/firms", REST: "GET", Path: "/denied"})
	require.ErrorIs(t, err, errCall)
	require.Contains(t, shown, "has not given our subsystem the right")
}

func TestBadCalls(t *testing.T) {
	for want, c := range map[string]callCommand{
		"--id is needed":      {Service: "cpgOrderGet"},
		"--body is needed":    {Service: "ee-dev/GOV/1/reg/firms/v1"},
		"must be cpgOrderGet": {Service: "cpgOrderInit"},
		"must hold one XML":   {Service: "ee-dev/GOV/1/reg/firms/v1", Body: file(t, "no xml")},
		"does not deliver":    {Service: "ee-dev/GOV/1/reg/firms", REST: "DELETE", Body: file(t, "{}")},
		"must begin with /":   {Service: "ee-dev/GOV/1/reg/firms", REST: "GET", Path: "x"},
		"stands in its path":  {Service: "ee-dev/GOV/1/reg/firms/v1", REST: "GET"},
		"no such file":        {Service: "ee-dev/GOV/1/reg/firms/v1", Body: filepath.Join(t.TempDir(), "none")},
		"/firms%2Fv1\"":       {Service: "ee-dev/GOV/1/reg/firms%2Fv1"},
	} {
		c.Timeout = time.Second
		_, err := called(t, "http://127.0.0.1:1/", c)
		require.ErrorContains(t, err, want)
	}
}

// What a partner writes cannot move the terminal's cursor.
func TestPrintable(t *testing.T) {
	require.Equal(t, "a [2Jb", printable("a\x1b[2Jb"))
	require.Equal(t, "õ€", printable("õ€"))
}

// The program's words for settings that are missing.
func TestCallNeedsSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	require.ErrorContains(t, (&callCommand{Service: "cpgOrderGet"}).Run(t.Context()), "xroad.securityServer")
}

// The golden shape of the log line of an answered request: no value of the request's body.
func TestAnsweredLogLine(t *testing.T) {
	var log bytes.Buffer
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := observer{system: "core", log: newLogger(&log, slog.LevelInfo).With("component", "core"), now: time.Now, meter: unmeasured()}.observe(next)
	r := httptest.NewRequest(http.MethodPost, "/"+strings.Repeat("x", 1000), strings.NewReader("60001019906"))
	h.ServeHTTP(httptest.NewRecorder(), r)
	var line struct {
		Time, Level, Msg, Component, System, RequestID, Route, XRoadID string
		Status                                                         int
	}
	require.NoError(t, json.Unmarshal(log.Bytes(), &line))
	require.Equal(t, http.StatusNoContent, line.Status)
	require.Equal(t, "core", line.Component)
	require.Len(t, line.RequestID, 36)
	require.Equal(t, "-", line.Route, "there is none")
	require.Equal(t, "-", line.XRoadID)
	require.NotContains(t, log.String(), "xxx", "the path stays out")
	require.NotContains(t, log.String(), "60001019906")
	at, err := time.Parse("2006-01-02T15:04:05.000Z07:00", line.Time)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
}

// The level of a line says whose trouble it is: ours wakes somebody, a caller that left nobody.
func TestAnsweredLogLevel(t *testing.T) {
	for _, row := range []struct {
		status int
		err    error
		level  string
	}{
		{200, nil, "INFO"}, {404, nil, "INFO"}, {422, errors.New("field"), "INFO"},
		{500, errors.New("disk full"), "ERROR"}, {500, nil, "INFO"},
		{502, errors.New("refused"), "WARN"}, {504, errors.New("timeout"), "WARN"},
		{504, fmt.Errorf("waiting: %w", context.Canceled), "INFO"}, {500, context.Canceled, "INFO"},
	} {
		var log bytes.Buffer
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			xroadhdr.ExchangeFrom(r.Context()).Err = row.err
			w.WriteHeader(row.status)
		})
		observer{system: "core", log: newLogger(&log, slog.LevelDebug), now: time.Now, meter: unmeasured()}.observe(next).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		require.Contains(t, log.String(), `"level":"`+row.level+`"`, "%v", row)
	}
}
