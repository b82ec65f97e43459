package main

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// statusOf asks for the status page.
func statusOf(t testing.TB, program *Program, accept string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+program.Address("ops")+"/status", nil)
	require.NoError(t, err)
	r.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer, body
}

// NA-104: the same for programs and for people.
func TestStatus(t *testing.T) {
	program, _ := running(t, simulator.Options{}, func(s *Settings) { s.EMTA.Version = "v2" }) // of what we call
	for _, accept := range []string{"", "*/*", "application/health+json", "application/json, text/html"} {
		answer, body := statusOf(t, program, accept)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Equal(t, "application/health+json", answer.Header.Get("Content-Type"))
		var s status
		require.NoError(t, json.Unmarshal(body, &s), "%s", body)
		require.Equal(t, statusPass, s.Status, "%s", body)
		require.Equal(t, statusPass, s.Checks["database"][0].Status)
		require.Equal(t, map[string]string{"cpgOrderNotify": "v1", "paasuke": "v1", "internal API": "v1"}, s.Contracts)
		require.NotEmpty(t, s.Started)
	}
	answer, body := statusOf(t, program, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	require.Equal(t, "text/html; charset=utf-8", answer.Header.Get("Content-Type"))
	require.Contains(t, string(body), `<span class="s pass">pass</span>`)
	require.Contains(t, string(body), "<td>database</td>")
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	program, _ := running(t, simulator.Options{}, func(s *Settings) { s.EMTA.Service = "" })
	answer, body := statusOf(t, program, "text/html")
	require.Equal(t, http.StatusOK, answer.StatusCode, "a warning is no reason to send nobody here")
	require.Contains(t, string(body), `<span class="s warn">warn</span>`)
	require.Contains(t, string(body), "set emta.service")
	require.NoError(t, program.store.Close())
	answer, body = statusOf(t, program, "text/html")
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	require.Contains(t, string(body), "the database does not answer")
}
