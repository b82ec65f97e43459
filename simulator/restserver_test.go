package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// restBench is a security server with one REST service, whose backend keeps what it was sent and answers as told.
type restBench struct {
	server *simulator.SecurityServer
	got    *http.Request
	sent   string
	status int
	fields http.Header
}

var registers = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}

func newRESTBench(t testing.TB) *restBench {
	t.Helper()
	b := &restBench{status: 200, fields: http.Header{}}
	b.server = simulator.NewSecurityServer(simulator.SecurityServerOptions{NewID: counted()})
	t.Cleanup(b.server.Close)
	backend := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.got, b.sent = r, string(body)
		for name, values := range b.fields {
			w.Header()[name] = values
		}
		w.WriteHeader(b.status)
		_, _ = io.WriteString(w, "answered")
	})
	b.server.Register(shop)
	b.server.Offer(simulator.Service{ID: registers.Service("m_d/t", ""), URL: "http://at.example/base/", Transport: simulator.InProcess(backend)})
	b.server.Allow(shop, registers, "m_d/t")
	return b
}

func (b *restBench) ask(t testing.TB, method, target, body string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://ss.example"+target, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	answer, err := simulator.InProcess(b.server).RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, string(text)
}

const atService = "/r1/ee-dev/GOV/70000310/at/m_d%2Ft"

// asShop is the client's field.
const asShop = "ee-dev/COM/12345678/TKT"

// What the provider gets and what the client gets back, by fact sheet §§6.1 to 6.3.
func TestRESTForwards(t *testing.T) {
	b := newRESTBench(t)
	b.status, b.fields = 404, http.Header{"X-Road-Id": {"forged"}, "Server": {"mine"}, "Etag": {`"1"`}}
	answer, text := b.ask(t, "POST", atService+"/v1/a%2Fb?x=%2F+1&x=2", `{"a":1}`, "X-Road-Client", asShop, "X-Road-Id", "id-1", "X-Road-UserId", "EE60001019906",
		"X-Road-Request-Id", "mine", "X-Road-Request-Hash", "mine", "User-Agent", "me", "Content-Type", "application/json")
	require.Equal(t, "/base/v1/a%2Fb?x=%2F+1&x=2", b.got.URL.RequestURI())
	require.Equal(t, `{"a":1}`, b.sent)
	for name, want := range map[string][]string{
		"X-Road-Client": {asShop}, "X-Road-Id": {"id-1"}, "X-Road-Userid": {"EE60001019906"}, "Content-Type": {"application/json"},
		"X-Road-Request-Hash": nil, "X-Road-Service": nil,
	} {
		require.Equal(t, want, b.got.Header[name], name)
	}
	require.NotContains(t, []string{"", "mine"}, b.got.Header.Get("X-Road-Request-Id"))

	require.Equal(t, 404, answer.StatusCode)
	require.Equal(t, "answered", text)
	require.Equal(t, []string{"id-1"}, answer.Header.Values("X-Road-Id"))
	require.Equal(t, "ee-dev/GOV/70000310/at/m_d%2Ft", answer.Header.Get("X-Road-Service"))
	require.NotEmpty(t, answer.Header.Get("X-Road-Request-Hash"))
	require.Equal(t, `"1"`, answer.Header.Get("Etag"))
	require.Empty(t, answer.Header.Get("Server"))

	// Without an id the security server makes one; a body of DELETE stays behind; of several clients the last counts, and all go on.
	b.ask(t, "DELETE", atService, `{"a":1}`, "X-Road-Client", "ee-dev/COM/1/other", "X-Road-Client", asShop)
	require.Equal(t, "/base", b.got.URL.Path)
	require.Empty(t, b.sent)
	require.True(t, strings.HasPrefix(b.got.Header.Get("X-Road-Id"), "ee-dev-"))
	require.Len(t, b.got.Header.Values("X-Road-Client"), 2)
}

// Fact sheet §6.6.
func TestRESTErrors(t *testing.T) {
	for _, test := range []struct{ name, target, client, code string }{
		{"four parts", "/r1/ee-dev/GOV/70000310/at", asShop, "Server.ClientProxy.InternalError"},
		{"blank part", "/r1/ee-dev/GOV//at/m", asShop, "Server.ClientProxy.InternalError"},
		{"no client", atService, "", "Server.ClientProxy.InvalidClientIdentifier"},
		{"client of two parts", atService, "EE/GOV", "Server.ClientProxy.InternalError"},
		{"unknown client", atService, "ee-dev/COM/1/x", "Server.ClientProxy.UnknownMember"},
		{"unknown service", "/r1/ee-dev/GOV/70000310/at/other", asShop, "Server.ServerProxy.UnknownService"},
	} {
		b := newRESTBench(t)
		var fields []string
		if test.client != "" {
			fields = []string{"X-Road-Client", test.client}
		}
		answer, text := b.ask(t, "GET", test.target, "", fields...)
		requireRESTError(t, answer, text, test.code)
		require.Nil(t, b.got, test.name)
	}
	b := newRESTBench(t)
	b.server.Deny(shop, registers, "m_d/t")
	b.server.SetSpelling(simulator.SnakeCase)
	answer, text := b.ask(t, "GET", atService, "", "X-Road-Client", asShop)
	requireRESTError(t, answer, text, "server.serverproxy.access_denied")

	b = newRESTBench(t)
	b.server.Offer(simulator.Service{ID: registers.Service("m_d/t", ""), URL: "http://127.0.0.1:1/"})
	answer, text = b.ask(t, "GET", atService, "", "X-Road-Client", asShop)
	requireRESTError(t, answer, text, "Server.ServerProxy.NetworkError")
}

func requireRESTError(t testing.TB, answer *http.Response, text, code string) {
	t.Helper()
	require.Equal(t, 500, answer.StatusCode)
	require.Equal(t, code, answer.Header.Get("X-Road-Error"))
	require.Empty(t, answer.Header.Get("X-Road-Request-Hash"))
	var body map[string]string
	require.NoError(t, json.Unmarshal([]byte(text), &body), text)
	require.Equal(t, code, body["type"])
	require.NotEmpty(t, body["message"])
	require.NotEmpty(t, body["detail"])
}
