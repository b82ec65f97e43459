package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// secured is the program with TLS on every listener, set up by a file, and a security server that speaks TLS both ways.
type secured struct {
	dir      string // the test CA's, and adapter.yaml
	level    string
	program  *Program
	world    *simulator.World
	follower *follower
}

// securedSettings is the file; more is appended.
const securedSettings = `
listen:
  xroad: "127.0.0.1:0"
  core: "127.0.0.1:0"
  ops: "127.0.0.1:0"
  tls:
    xroad: {cert: DIR/adapter.pem, key: DIR/adapter.key, pinned: DIR/security-server.pem}
    core: {cert: DIR/adapter.pem, key: DIR/adapter.key}
    ops: {cert: DIR/adapter.pem, key: DIR/adapter.key, ca: DIR/ca.pem}
store: "sqlite:DIR/adapter.db"
xroad:
  securityServer: "SERVER"
  client: ee-dev/COM/11043739/tkt
  tls: {cert: DIR/adapter.pem, key: DIR/adapter.key, pinned: DIR/security-server.pem}
emta: {service: ee-dev/GOV/70000349/mkrliides, issue: ATPUB, timeout: 5s, ALLOWED}
core:
  tokens: [TOKENS]
  certificates: [{name: core-by-certificate, sha256: "CORE", scopes: [orders, events]}]
  webhook: {url: "HOOK", secret: "SECRET"}
ops: {authenticate: true}
log: {level: LEVEL, dir: DIR/logs}
`

func startSecured(t testing.TB, o simulator.Options) *secured {
	t.Helper()
	s := &secured{dir: testFolder(t), level: "info"}
	core := certificateIn(t, filepath.Join(s.dir, "core.pem"))
	o.Client = xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11043739", SubsystemCode: "tkt"}
	c := simulateCommand{TLS: s.dir, API: "https://localhost"}
	require.NoError(t, c.useTLS(&o))
	caller, err := s.files("core", "ca").load("core")
	require.NoError(t, err)
	o.CoreTransport = &http.Transport{TLSClientConfig: clientConfig("localhost", func() *identity { return caller })}
	s.world, err = simulator.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.world.Close()) })
	s.write(t, "", map[string]string{"one": "token-one"}, core)
	from := source{path: filepath.Join(s.dir, "adapter.yaml")}
	first, err := from.read()
	require.NoError(t, err)
	s.program, err = Start(t.Context(), first.Settings, newLogger(io.Discard, slog.LevelInfo), Watch{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.program.Stop()) })
	s.follower = newFollower(s.program, from, first)
	s.world.Attach(simulator.AdapterAddresses{EMTA: s.program.url("xroad") + emtaPath, Core: s.program.url("core")})
	return s
}

func certificateIn(t testing.TB, path string) string {
	t.Helper()
	found, err := certificatesIn("x", path)
	require.NoError(t, err)
	return fingerprint(found[0])
}

func (s *secured) files(name, ca string) TLS {
	in := func(file string) string { return filepath.Join(s.dir, file) }
	return TLS{Cert: in(name + ".pem"), Key: in(name + ".key"), CA: in(ca + ".pem")}
}

// write writes the settings file.
func (s *secured) write(t testing.TB, allowed string, tokens map[string]string, core string) {
	t.Helper()
	var list []string
	for name, token := range tokens {
		list = append(list, fmt.Sprintf("{name: %s, sha256: %s, scopes: [orders, events, ops]}", name, rest.HashToken(token)))
	}
	if allowed != "" {
		allowed = "allowedClients: [" + allowed + "]"
	}
	text := strings.NewReplacer("DIR", s.dir, "SERVER", s.world.SecurityServerURL(), "HOOK", s.world.WebhookURL(), "SECRET", s.world.WebhookSecret(),
		"CORE", core, "LEVEL", s.level, "TOKENS", strings.Join(list, ", "), ", ALLOWED", map[bool]string{true: ", " + allowed}[allowed != ""]).Replace(securedSettings)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "adapter.yaml"), []byte(text), 0o600))
}

// client calls with the certificate of that name, "" for none.
func (s *secured) client(t testing.TB, name string, keepAlive bool) *http.Client {
	t.Helper()
	files := TLS{CA: filepath.Join(s.dir, "ca.pem")}
	if name != "" {
		files = s.files(name, "ca")
	}
	i, err := files.load("client")
	require.NoError(t, err)
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: !keepAlive,
		TLSClientConfig: clientConfig("localhost", func() *identity { return i })}}
}

func (s *secured) get(t testing.TB, client *http.Client, listener, path, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.program.url(listener)+path, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// A payment with TLS in every direction: the core by its certificate, the security server by its own, both ways.
func TestPaymentWithTLSBothWays(t *testing.T) {
	s := startSecured(t, simulator.Options{})
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: s.world, program: s.program}
	require.NoError(t, d.paid(t.Context()))
	require.True(t, strings.HasPrefix(s.world.SecurityServerURL(), "https://"))
}

// Who may reach what, by certificate and by token.
func TestTLSListeners(t *testing.T) {
	s := startSecured(t, simulator.Options{})
	const refused = 0 // the connection
	for _, test := range []struct {
		listener, path, certificate, token string
		status                             int
	}{
		{"xroad", "/emta?wsdl", "security-server", "", 200}, {"xroad", "/emta?wsdl", "", "", refused}, {"xroad", "/emta?wsdl", "core", "", refused},
		{"core", "/api/v1/orders", "core", "", 200}, {"core", "/api/v1/orders", "", "token-one", 200}, {"core", "/api/v1/orders", "", "", 401},
		{"core", "/api/v1/orders", "security-server", "", 401}, {"core", "/api/v1/orders", "adapter", "", 401},
		{"core", "/api/v1/orders", "core", "wrong", 401}, // who shows a token means it
		{"ops", "/healthz", "core", "", 200}, {"ops", "/healthz", "", "token-one", refused}, {"ops", "/metrics", "core", "token-one", 200},
		{"ops", "/metrics", "core", "", 403}, {"ops", "/status", "adapter", "", 401}, {"ops", "/status", "adapter", "token-one", 200},
		{"ops", "/readyz", "adapter", "", 200},
	} {
		require.Equal(t, test.status, s.get(t, s.client(t, test.certificate, true), test.listener, test.path, test.token), "%v", test)
	}
	plain, err := http.Get("http://" + s.program.Address("core") + "/api/v1/orders")
	require.NoError(t, err)
	defer plain.Body.Close()
	require.Equal(t, http.StatusBadRequest, plain.StatusCode)
}

// Certificates, tokens, allowed clients and the log level change again and again while requests come on old connections and new ones;
// none of them fails.
func TestSettingsChangeUnderLoad(t *testing.T) {
	s := startSecured(t, simulator.Options{})
	core := certificateIn(t, filepath.Join(s.dir, "core.pem"))
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	var done atomic.Bool
	var requests, failures atomic.Int64
	var working sync.WaitGroup
	load := func(call func() bool) {
		for range 2 {
			working.Go(func() {
				for !done.Load() {
					requests.Add(1)
					if !call() {
						failures.Add(1)
					}
				}
			})
		}
	}
	for _, keepAlive := range []bool{true, false} {
		byToken, byCertificate, server := s.client(t, "", keepAlive), s.client(t, "core", keepAlive), s.client(t, "security-server", keepAlive)
		load(func() bool { return s.get(t, byToken, "core", "/api/v1/orders", "token-one") == http.StatusOK })
		load(func() bool { return s.get(t, byCertificate, "core", "/api/v1/events", "") == http.StatusOK })
		load(func() bool { return s.notified(server, request) })
	}
	for i := range 12 {
		renewed := folderBeside(t, s.dir)
		for _, file := range []string{"adapter.pem", "adapter.key"} { // one after the other, as a renewal does
			content, err := os.ReadFile(filepath.Join(renewed, file))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(s.dir, file), content, 0o600))
			s.follower.read() // the pair does not fit in between: the old one stays
		}
		s.level = []string{"debug", "info"}[i%2]
		allowed := "ee-dev/GOV/70000349/mkrliides, ee-dev/COM/11043739/tkt, ee-dev/GOV/" + fmt.Sprint(i) + "/other"
		s.write(t, allowed, map[string]string{"one": "token-one", fmt.Sprintf("extra-%d", i): fmt.Sprintf("token-extra-%d", i)}, core)
		s.follower.read()
		problem, _ := s.program.reloading.last()
		require.Empty(t, problem)
		require.Equal(t, http.StatusOK, s.get(t, s.client(t, "", true), "core", "/api/v1/orders", fmt.Sprintf("token-extra-%d", i)))
		require.Equal(t, certificateIn(t, filepath.Join(s.dir, "adapter.pem")), s.shown(t, "core"))
		require.Equal(t, i%2 == 0, s.program.log.Enabled(t.Context(), slog.LevelDebug))
		if i > 0 {
			require.Equal(t, http.StatusUnauthorized, s.get(t, s.client(t, "", true), "core", "/api/v1/orders", fmt.Sprintf("token-extra-%d", i-1)))
		}
	}
	done.Store(true)
	working.Wait()
	require.Zero(t, failures.Load(), "of %d requests", requests.Load())
	require.Greater(t, requests.Load(), int64(100))
	t.Logf("%d requests, none failed", requests.Load())
}

// folderBeside has certificates of the CA in dir, made anew.
func folderBeside(t testing.TB, dir string) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
	require.NoError(t, err)
	ca := &testCA{now: time.Now(), valid: time.Hour, cert: pair.Leaf, key: ecdsaKey(t, pair)}
	beside := t.TempDir()
	cert, key, err := ca.issue("adapter", []string{"localhost", "127.0.0.1"}, false)
	require.NoError(t, err)
	require.NoError(t, writePair(beside, "adapter", cert, key))
	return beside
}

// notified sends a notification of an order that is not known, and reports whether the adapter said that.
func (s *secured) notified(client *http.Client, request []byte) bool {
	response, err := client.Post(s.program.url("xroad")+emtaPath, "text/xml; charset=UTF-8", bytes.NewReader(request))
	if err != nil {
		return false
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return false
	}
	m, err := soap.ParseAnswer(raw, soap.Limits{})
	return err == nil && m.Fault != nil && strings.HasPrefix(m.Fault.String, "Order not found")
}

// shown is the fingerprint of the certificate that a listener shows now.
func (s *secured) shown(t testing.TB, listener string) string {
	t.Helper()
	c, err := tls.Dial("tcp", s.program.Address(listener), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	return fingerprint(c.ConnectionState().PeerCertificates[0])
}
