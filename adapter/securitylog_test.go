package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// watched starts the program with its log in a buffer.
func watched(t testing.TB, change func(*Settings)) (*Program, *lockedBuffer) {
	t.Helper()
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	s := demoSettings(world, t.TempDir())
	if change != nil {
		change(&s)
	}
	require.NoError(t, s.check())
	out := &lockedBuffer{}
	p, err := Start(t.Context(), s, newLogger(out, slog.LevelInfo), Watch{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Stop()) })
	return p, out
}

// called asks the internal API and returns the status.
func asked(t testing.TB, p *Program, method, path, token, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.Address("core")+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("X-Acting-User", "EE60001019906")
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	if body != "" {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

func TestSecurityLogTellsWhoWasRefused(t *testing.T) {
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	token := func(name string, expires time.Time) Token {
		return Token{Name: name, SHA256: rest.HashToken(name + "-token"), Scopes: []string{name}, Expires: expires}
	}
	p, out := watched(t, func(s *Settings) {
		s.Core.Tokens = []Token{token("orders", time.Time{}), token("settings", time.Time{}), token("old", time.Now().Add(-time.Hour))}
		s.Core.Proxies = []string{"127.0.0.0/8"}
		s.XRoad.Client, s.EMTA.AllowedClients = "ee-dev/COM/11043739/tkt", []string{"ee-dev/GOV/1/other"}
	})
	require.Equal(t, 401, asked(t, p, "GET", "/api/v1/orders", "", ""))
	for range 20 {
		require.Equal(t, 401, asked(t, p, "GET", "/api/v1/orders", "wrong-60001019906", ""))
	}
	require.Equal(t, 401, asked(t, p, "GET", "/api/v1/orders", "old-token", ""))
	require.Equal(t, 200, asked(t, p, "GET", "/api/v1/orders", "orders-token", ""))
	require.Equal(t, 403, asked(t, p, "GET", "/api/v1/events", "orders-token", ""))
	status, _ := postSOAP(t, "http://"+p.Address("xroad")+emtaPath, request)
	require.Equal(t, 500, status)
	require.Equal(t, 200, asked(t, p, "PATCH", "/api/v1/settings", "settings-token", `{"log": {"level": "error", "levels": {"core": "error"}}}`))
	require.Equal(t, 422, asked(t, p, "PATCH", "/api/v1/settings", "settings-token", `{"log": {"levels": {"odrer": "debug"}}}`))

	want := []security.Event{
		{Kind: security.TokenRefused, Detail: "GET /api/v1/orders"},
		{Kind: security.TokenExpired, Detail: "GET /api/v1/orders"},
		{Kind: security.SessionStarted, Caller: "orders"},
		{Kind: security.AccessRefused, Caller: "orders", Detail: "GET /api/v1/events"},
		{Kind: security.AccessRefused, Caller: "ee-dev/COM/11043739/tkt", Detail: "ee-dev/COM/11043739/tkt/cpgOrderNotify/v1"},
		{Kind: security.SettingsChanged, Caller: "settings", Actor: "EE60001019906", Detail: `log.level from "info" to "error"; log.levels.core from null to "error"`},
	}
	var rows []security.Event
	require.Eventually(t, func() bool {
		rows, err = p.store.SecurityEvents(t.Context(), 100)
		return err == nil && len(rows) >= len(want)+1 // and the second session
	}, 30*time.Second, 20*time.Millisecond)
	for _, w := range want {
		found := false
		for _, row := range rows {
			require.NotEmpty(t, row.RequestID)
			require.NotEmpty(t, row.Replica)
			address := "198.51.100.1"
			if w.Caller == "ee-dev/COM/11043739/tkt" {
				address = "127.0.0.1"
			}
			if row.Kind == w.Kind && row.Caller == w.Caller && row.Detail == w.Detail && row.Actor == w.Actor && row.Address == address {
				found = true
			}
		}
		require.True(t, found, "%+v in %+v", w, rows)
	}
	lines := 0
	for line := range strings.Lines(out.String()) {
		var l struct{ Log, Msg, Address, RequestID string }
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		if l.Log == "security" {
			lines++
			require.NotEmpty(t, l.Msg)
		}
	}
	require.Equal(t, len(want)+1, lines, "twenty wrong tokens are one line")
	require.NotContains(t, out.String(), "60001019906")
	require.NotContains(t, out.String(), "wrong-")
}

// The hash is the same for the same person and key, and says nothing without the key.
func TestPersonsAreHashed(t *testing.T) {
	a, b := newPersons(strings.Repeat("k", 32)), newPersons("")
	require.Equal(t, a.hash("EE60001019906"), newPersons(strings.Repeat("k", 32)).hash("EE60001019906"))
	require.NotEqual(t, a.hash("EE60001019906"), a.hash("EE38302250123"))
	require.NotEqual(t, a.hash("EE60001019906"), b.hash("EE60001019906"))
	require.NotEqual(t, b.hash("EE60001019906"), newPersons("").hash("EE60001019906"))
	require.Empty(t, a.hash(""))
	require.Len(t, a.hash("EE60001019906"), 32)
}

func TestSessionEndsInSilence(t *testing.T) {
	p, _ := watched(t, nil)
	now := time.Now()
	s := newSessions(func() time.Time { return now }, p.security)
	caller := s.authenticate(func(*http.Request) (rest.Caller, error) { return rest.Caller{Name: "core"}, nil })
	use := func() {
		_, err := caller(&http.Request{})
		require.NoError(t, err)
		now = now.Add(20 * time.Minute)
		s.sweep(t.Context())
	}
	use()
	use()
	require.Contains(t, s.last, "core", "used every 20 minutes")
	now = now.Add(10 * time.Minute)
	s.sweep(t.Context())
	require.Empty(t, s.last)
	kinds := func() (list []string) {
		events, err := p.store.SecurityEvents(t.Context(), 100)
		require.NoError(t, err)
		for _, e := range events {
			list = append(list, e.Kind)
		}
		return list
	}
	require.Eventually(t, func() bool { return len(kinds()) >= 2 }, 30*time.Second, 20*time.Millisecond)
	require.Contains(t, kinds(), security.SessionEnded)
	require.Contains(t, kinds(), security.SessionStarted)
}
