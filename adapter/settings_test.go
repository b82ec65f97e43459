package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func TestDefaultsRun(t *testing.T) {
	s, err := loadSettings("", nil)
	require.NoError(t, err)
	require.Equal(t, Listen{XRoad: "127.0.0.1:8080", Core: "127.0.0.1:8081", Ops: "127.0.0.1:9090"}, s.Listen)
	require.Equal(t, "sqlite:adapter.db", s.Store)
}

// The settings of design §9 that have a tenant, in one file.
func TestSettingsFile(t *testing.T) {
	s, err := loadSettings(file(t, `
listen: {xroad: "127.0.0.1:1", core: "127.0.0.1:2", ops: "127.0.0.1:3"}
store: "sqlite:other.db"
xroad: {securityServer: "http://127.0.0.1:8090", client: "ee-dev/GOV/70000310/at", allowedClients: [ee-dev/GOV/70000349/mkrliides], trustNetwork: false, requestHash: refuse}
emta:
  service: "ee-dev/GOV/70000349/mkrliides"
  version: v1
  issue: ATPUB
  merchantKind: tkt
  timeout: 90s
  sync: {delays: [10s, 2m], listDelays: [1m], parallel: 2}
core:
  tokens: [{name: core, sha256: "`+strings.Repeat("ab", 32)+`", scopes: [orders], expires: 2030-01-02T03:04:05Z}]
  webhook: {url: "http://127.0.0.1:1/", secret: whsec_x}
  claimOffer: {first: 10m, last: 24h}
log: {level: warn}
`), nil)
	require.NoError(t, err)
	require.Equal(t, 90*time.Second, s.EMTA.Timeout)
	require.Equal(t, []time.Duration{10 * time.Second, 2 * time.Minute}, s.EMTA.Sync.Delays)
	require.Equal(t, time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), s.Core.Tokens[0].Expires)
	o, err := s.orderSettings()
	require.NoError(t, err)
	require.True(t, o.ShortStamp)
	require.Equal(t, xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"}, o.Provider)
}

func TestBadSettings(t *testing.T) {
	for text, named := range map[string]string{
		"stroe: x":                                              "adapter.yaml, line 1: unknown key stroe, did you mean store?",
		"emta: {timeuot: 3s}":                                   "unknown key emta.timeuot, did you mean emta.timeout?",
		"xroad: {timeout: 3s}":                                  "unknown key xroad.timeout, did you mean emta.timeout?",
		"xroad:\n\n  quark: 1":                                  "line 3: unknown key xroad.quark",
		"emta:\n  timeout: soon":                                "line 2: emta.timeout must be a duration such as 90s or 2m",
		"emta: {timeout: 90}":                                   "emta.timeout must be a duration",
		"emta: {timeout: [90s]}":                                "emta.timeout must be a duration",
		"emta: {sync: {delays: 10s}}":                           "emta.sync.delays must be a list, each a duration",
		"emta: {sync: {delays: [\n1s,\nx]}}":                    "line 3: emta.sync.delays[1] must be a duration",
		"emta: {sync: {parallel: many}}":                        "emta.sync.parallel must be a whole number",
		"emta: 3":                                               "line 1: emta must be keys and values",
		"- emta":                                                "must be keys and values",
		"xroad: {trustNetwork: maybe}":                          "xroad.trustNetwork must be true or false",
		"core: {tokens: [{nam: x}]}":                            "unknown key core.tokens[0].nam, did you mean core.tokens[0].name?",
		"core: {tokens: [{expires: soon}]}":                     "core.tokens[0].expires must be a time such as",
		"store: a\nstore: b":                                    "line 2: store is there twice",
		"store: &a x\nlog: {level: *a}":                         "line 2: log.level is an alias",
		"store: [":                                              "line 1: is not YAML",
		"\"a\\nb\": 1":                                          "unknown key a b",
		"emta: {sync: {delays: [-1s]}}":                         "-1s is not a positive duration",
		"\nemta: {merchantKind: shop}":                          "adapter.yaml, line 2: setting emta.merchantKind must be other or tkt",
		"emta: {service: ee-dev/GOV/1/a}":                       "needs xroad.client",
		"xroad: {client: ee-dev/GOV}":                           "xroad.client",
		"xroad: {client: ee-dev/GOV/1/a_b}":                     "xroad.client",
		"xroad: {requestHash: maybe}":                           "xroad.requestHash",
		"xroad: {allowedClients: [x]}":                          "xroad.allowedClients",
		"xroad: {tls: {cert: a.pem}}":                           "xroad.tls",
		"listen: {core: '8081'}":                                "listen.core",
		"listen: {xroad: '0.0.0.0:8080'}":                       "xroad.trustNetwork",
		"listen: {xroad: ':8080'}\nxroad: {trustNetwork: true}": "xroad.allowedClients",
		"core: {webhook: {url: 'http://127.0.0.1/'}}":           "core.webhook.secret",
		"log: {level: loud}":                                    "log.level",
		"a: 1\n---\nb: 2":                                       "unknown key a",
		"store: x\n---\nstore: y":                               "one document",
	} {
		_, err := loadSettings(file(t, text), nil)
		require.ErrorContains(t, err, named, "%s", text)
	}
}

func TestXRoadListenerForTheNetwork(t *testing.T) {
	_, err := loadSettings(file(t, "listen: {xroad: '0.0.0.0:8080'}\nxroad: {trustNetwork: true, allowedClients: [ee-dev/GOV/70000349/mkrliides]}"), nil)
	require.NoError(t, err)
}

func TestEnvironment(t *testing.T) {
	secret := file(t, "whsec_from-a-file\n")
	s, err := loadSettings(file(t, "emta: {timeout: 10s}"), []string{
		"PATH=/bin", "ADAPTER_EMTA_TIMEOUT=30s", "ADAPTER_STORE=sqlite:env.db", "ADAPTER_EMTA_SYNC_DELAYS=[1s, 2s]",
		"ADAPTER_XROAD_TRUSTNETWORK=true", "ADAPTER_CORE_WEBHOOK_SECRET_FILE=" + secret,
		"ADAPTER_SERVICE_HOST=10.0.0.1", "ADAPTER_SERVICE_PORT_XROAD=8080", "ADAPTER_PORT=tcp://10.0.0.1:8080", "ADAPTER_PORT_8080_TCP=x", // Kubernetes'
		"ADAPTER_TEST_POSTGRES=required",
	})
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, s.EMTA.Timeout)
	require.Equal(t, "sqlite:env.db", s.Store)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second}, s.EMTA.Sync.Delays)
	require.True(t, s.XRoad.TrustNetwork)
	require.Equal(t, "whsec_from-a-file", s.Core.Webhook.Secret)
}

func TestBadEnvironment(t *testing.T) {
	for entry, named := range map[string]string{
		"ADAPTER_EMTA_TIMEUOT=3s":                "ADAPTER_EMTA_TIMEUOT names no setting, did you mean ADAPTER_EMTA_TIMEOUT?",
		"ADAPTER_CORE_TOKENS=[{nam: x}]":         "ADAPTER_CORE_TOKENS, line 1: unknown key core.tokens[0].nam",
		"ADAPTER_EMTA_SYNC_DELAYS=[1s, soon]":    "emta.sync.delays[1] must be a duration",
		"ADAPTER_EMTA_SYNC_PARALLEL=":            "ADAPTER_EMTA_SYNC_PARALLEL: must be a whole number",
		"ADAPTER_LOG_LEVEL=loud":                 "ADAPTER_LOG_LEVEL: setting log.level must be debug",
		"ADAPTER_EMTA_TIMEOUT=soon":              "ADAPTER_EMTA_TIMEOUT",
		"ADAPTER_CORE_WEBHOOK_SECRET_FILE=/none": "ADAPTER_CORE_WEBHOOK_SECRET_FILE",
		"ADAPTER_EMTA=x":                         "ADAPTER_EMTA names no setting",
	} {
		_, err := loadSettings("", []string{entry})
		require.ErrorContains(t, err, named)
	}
}

// A value that does not fit may be a secret in the wrong place: it is not repeated.
func TestEnvironmentErrorHidesTheValue(t *testing.T) {
	_, err := loadSettings("", []string{"ADAPTER_EMTA_TIMEOUT=whsec_secret"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "whsec_secret")
}

func TestAllowedClientsNarrow(t *testing.T) {
	s := defaultSettings()
	s.XRoad.AllowedClients = []string{"ee-dev/GOV/1/a", "ee-dev/GOV/1/b"}
	s.EMTA.AllowedClients = []string{"ee-dev/GOV/1/b", "ee-dev/GOV/1/c"}
	s.Paasuke.AllowedClients = []string{"ee-dev/GOV/1/a"}
	client := func(code string) xroadhdr.ClientID {
		return xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "1", SubsystemCode: code}
	}
	allowed, err := s.allowedToNotify()
	require.NoError(t, err)
	for code, want := range map[string]bool{"a": false, "b": true, "c": false, "": false} {
		require.Equal(t, want, allowed(client(code)), code)
	}
	allowed, err = s.allowedMandates()
	require.NoError(t, err)
	require.True(t, allowed(client("a")))
	require.False(t, allowed(client("b")))

	s.XRoad.AllowedClients, s.Paasuke.AllowedClients = nil, nil
	allowed, err = s.allowedMandates()
	require.NoError(t, err)
	require.Nil(t, allowed)
	s.Listen.XRoad = "0.0.0.0:8080" // others might reach it, and no list names anybody
	allowed, err = s.allowedMandates()
	require.NoError(t, err)
	require.False(t, allowed(client("a")))
}

// What config show prints is a settings file that gives the same settings, secrets apart.
func TestConfigShow(t *testing.T) {
	r, err := source{path: file(t, `
xroad: {securityServer: "https://10.0.0.5", client: ee-dev/GOV/70000310/at}
emta: {service: ee-dev/GOV/70000349/mkrliides, timeout: 10s, allowedClients: [ee-dev/GOV/70000349/mkrliides]}
core: {webhook: {url: "https://user:hush@core.example/", secret: whsec_c2VjcmV0}, tokens: [{name: a, sha256: "`+strings.Repeat("ab", 32)+`"}]}
`), environ: []string{"ADAPTER_STORE=postgres://u:hush@127.0.0.1/at?sslpassword=hush&sslmode=disable"}}.read()
	require.NoError(t, err)
	var shown bytes.Buffer
	require.NoError(t, r.show(&shown))
	require.Regexp(t, `timeout: 10s # .*adapter.yaml, line 3\n`, shown.String())
	require.Regexp(t, `store: .*sslmode=disable # ADAPTER_STORE\n`, shown.String())
	require.Regexp(t, `level: info # default\n`, shown.String())
	require.Regexp(t, `allowedClients: # .*line 3\n`, shown.String())
	for _, secret := range []string{"c2VjcmV0", "abab", "hush"} {
		require.NotContains(t, shown.String(), secret)
	}
	again, err := loadSettings(file(t, shown.String()), nil)
	require.NoError(t, err)
	require.Equal(t, r.EMTA, again.EMTA)
	require.Equal(t, r.Listen, again.Listen)
}

func TestTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "adapter.token")
	made, err := tokenIn(path)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(made), 43)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := tokenIn(path)
	require.NoError(t, err)
	require.Equal(t, made, again)
	require.NoError(t, os.WriteFile(path, []byte("short"), 0o600))
	_, err = tokenIn(path)
	require.ErrorContains(t, err, "delete it")
}

// file writes text to a file of the test's own and returns its path.
func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "adapter.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
