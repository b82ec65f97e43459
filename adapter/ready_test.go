//go:build unix

package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// The real program and a PostgreSQL that comes and goes: it waits for it, says so, and goes on by itself.
func TestServeWithoutDatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("the program has to be built")
	}
	binary := buildAdapter(t)
	t.Run("away", func(t *testing.T) { testDatabaseAway(t, binary) })
	t.Run("not migrated", func(t *testing.T) { testNotMigrated(t, binary) })
	t.Run("refused", func(t *testing.T) { testDatabaseRefused(t, binary) })
}

// installed is an adapter on a database, with a world around it, and not running yet.
func installed(t *testing.T, binary, database string) (installation, *simulator.World) {
	t.Helper()
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	return install(t, binary, world, func(s *Settings) { s.Store = database }), world
}

// page is what a page of the ops listener says, 0 while it does not listen.
func (in installation) page(t *testing.T, path string) (status int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + in.settings.Listen.Ops + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(raw)
}

// requirePage waits until a page of the ops listener is as wanted.
func (in installation) requirePage(t *testing.T, path string, status int, says string) {
	t.Helper()
	require.Eventually(t, func() bool {
		got, body := in.page(t, path)
		return got == status && strings.Contains(body, says)
	}, patience, 10*time.Millisecond, "%s: %s", path, in.said(t))
}

// requireRefused has EMTA and the core call an adapter that cannot take anything: both are told, soon, to come again.
func (in installation) requireRefused(t *testing.T, reason string) {
	t.Helper()
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	begin := time.Now()
	status, answer := postSOAP(t, "http://"+in.settings.Listen.XRoad+emtaPath, request)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, "Server", answer.Fault.Code)
	require.NotContains(t, answer.Fault.String, "Order not found", "who does not know does not say so")
	require.Equal(t, reason, answer.Fault.Detail.FindElement("reason").Text())

	token, err := tokenIn(in.settings.Core.TokenFile)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+in.settings.Listen.Core+"/api/v1/orders", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	refused, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer refused.Body.Close()
	body, err := io.ReadAll(refused.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode, "%s", body)
	require.Equal(t, retryAfter, refused.Header.Get("Retry-After"))
	require.Equal(t, "application/problem+json", refused.Header.Get("Content-Type"))
	require.Contains(t, string(body), `"code":"unavailable"`)
	require.Less(t, time.Since(begin), 10*time.Second)
}

func testDatabaseAway(t *testing.T, binary string) {
	server := postgrestest.Start(t)
	in, world := installed(t, binary, server.Database(t))
	in.settings.XRoad.Client = "ee-dev/COM/11043739/tkt" // of the sample notification
	in.settings.EMTA.Service = ""
	in.write(t)
	server.Stop(t)

	p := in.serve(t)
	in.requirePage(t, "/readyz", http.StatusServiceUnavailable, "the database does not answer")
	in.requirePage(t, "/healthz", http.StatusOK, "ok")
	in.requirePage(t, "/status", http.StatusServiceUnavailable, "the database does not answer")
	in.requirePage(t, "/metrics", http.StatusOK, "process_start_time_seconds")
	in.requireRefused(t, soap.ReasonUnavailable)
	require.Zero(t, p.stop(t), "told to stop it does not wait for a database: %s", in.said(t))

	p = in.serve(t)
	in.requirePage(t, "/readyz", http.StatusServiceUnavailable, "the database does not answer")
	server.Restart(t)
	require.NoError(t, p.ready(t.Context()), "%s", in.said(t))
	world.Attach(in.attached(t))

	server.Crash(t)
	in.requirePage(t, "/readyz", http.StatusServiceUnavailable, "the database does not answer")
	in.requirePage(t, "/healthz", http.StatusOK, "ok")
	in.requireRefused(t, soap.ReasonInternalError)
	server.Restart(t)
	require.NoError(t, p.ready(t.Context()), "%s", in.said(t))
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	_, answer := postSOAP(t, "http://"+in.settings.Listen.XRoad+emtaPath, request)
	require.Equal(t, "Order not found with id: "+sampleOrderID, answer.Fault.String)

	server.Crash(t)
	require.Zero(t, p.stop(t), "%s", in.said(t))
	require.Equal(t, 2, strings.Count(in.said(t), `"not ready"`), "said once each time: %s", in.said(t))
}

// A replica whose role may not change the schema waits for the administrator's migration.
func testNotMigrated(t *testing.T, binary string) {
	server := postgrestest.Start(t)
	address := server.Database(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	query := u.Query()
	query.Set("user", "adapter_app")
	u.RawQuery = query.Encode()
	postgrestest.Run(t, address, `CREATE ROLE adapter_app LOGIN; CREATE SCHEMA atis; GRANT USAGE ON SCHEMA atis TO adapter_app;
		ALTER DEFAULT PRIVILEGES IN SCHEMA atis GRANT SELECT, INSERT, UPDATE ON TABLES TO adapter_app;
		ALTER DEFAULT PRIVILEGES IN SCHEMA atis GRANT USAGE ON SEQUENCES TO adapter_app`)
	in, _ := installed(t, binary, u.String())
	p := in.serve(t)
	in.requirePage(t, "/readyz", http.StatusServiceUnavailable, "run adapter migrate up")
	admin, err := store.Open(t.Context(), address)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Migrate(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.ready(t.Context()), "%s", in.said(t))
	require.Zero(t, p.stop(t), "%s", in.said(t))
}

// What no waiting mends ends the start, in words.
func testDatabaseRefused(t *testing.T, binary string) {
	forgetful := postgrestest.Start(t, "fsync=off")
	address := forgetful.Database(t)
	for _, row := range []struct{ name, database, says string }{
		{"forgetful", address, "fsync is off, want on"},
		{"no such role", strings.Replace(address, "user=adapter_test", "user=nobody", 1), `role \"nobody\" does not exist`},
		{"no such database", strings.Replace(address, "/adapter_test_", "/x", 1), "does not exist"},
		{"unreadable", "postgres://adapter@db:nine/at", "the address cannot be read"},
	} {
		in, _ := installed(t, binary, row.database)
		require.NotZero(t, in.serve(t).exit(t), row.name)
		require.Contains(t, strings.ReplaceAll(in.said(t), `"nobody"`, `\"nobody\"`), row.says, row.name)
	}
}
