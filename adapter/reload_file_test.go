package main

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// mounted is the program, started from a settings file that is mounted as Kubernetes mounts a ConfigMap: the file is a link
// into a folder that is a link itself, and the latter is swapped.
type mounted struct {
	dir      string
	n        int
	program  *Program
	follower *follower
}

func mountSettings(t testing.TB, text string, environ ...string) *mounted {
	t.Helper()
	m := &mounted{dir: t.TempDir()}
	m.swap(t, text)
	require.NoError(t, os.Symlink("..data/adapter.yaml", filepath.Join(m.dir, "adapter.yaml")))
	from := source{filepath.Join(m.dir, "adapter.yaml"), append(environ, "ADAPTER_STORE=sqlite:"+filepath.Join(m.dir, "adapter.db"), "ADAPTER_CORE_TOKENFILE="+filepath.Join(m.dir, "token"))}
	first, err := from.read()
	require.NoError(t, err)
	m.program, err = Start(t.Context(), first.Settings, slog.New(slog.DiscardHandler), Watch{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.program.Stop()) })
	m.follower = newFollower(m.program, from, first)
	return m
}

const anyPorts = "listen: {xroad: '127.0.0.1:0', core: '127.0.0.1:0', ops: '127.0.0.1:0'}\n"

func (m *mounted) swap(t testing.TB, text string) {
	t.Helper()
	m.n++
	folder := filepath.Join(m.dir, "..version"+strings.Repeat("i", m.n))
	require.NoError(t, os.Mkdir(folder, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "adapter.yaml"), []byte(text), 0o600))
	require.NoError(t, os.Symlink(filepath.Base(folder), filepath.Join(m.dir, "..new")))
	require.NoError(t, os.Rename(filepath.Join(m.dir, "..new"), filepath.Join(m.dir, "..data")))
}

func clientAt(code string) xroadhdr.ClientID {
	return xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "1", SubsystemCode: code}
}

// A changed file counts when two looks have seen the same; a wrong one never, and it is said; other keys wait.
func TestReloadOfAMountedFile(t *testing.T) {
	m := mountSettings(t, anyPorts+"emta: {allowedClients: [ee-dev/GOV/1/a]}")
	allows := m.program.live.mayNotify
	require.True(t, allows(clientAt("a")))
	require.False(t, allows(clientAt("b")))

	m.swap(t, anyPorts+"emta: {allowedClients: [ee-dev/GOV/1/b], timeout: 5s}\n")
	m.follower.look()
	require.False(t, allows(clientAt("b")), "it may still be being written")
	m.follower.look()
	require.True(t, allows(clientAt("b")))
	require.False(t, allows(clientAt("a")))
	require.Contains(t, statusText(t, m.program), `"changed, and in force from the next start: emta.timeout"`)

	for _, wrong := range []string{"emta: {allowedClients: [x]}", "emta: {allowedCleints: []}", "emta: [", "xroad: {tls: {ca: /none}}", "core: {tokens: [{name: a}]}"} {
		m.swap(t, anyPorts+wrong)
		m.follower.look()
		m.follower.look()
		require.True(t, allows(clientAt("b")), wrong)
		problem, _ := m.program.reloading.last()
		require.NotEmpty(t, problem, wrong)
		require.Contains(t, statusText(t, m.program), "the changed settings are wrong")
	}

	m.swap(t, anyPorts)
	m.follower.look()
	m.follower.look()
	require.True(t, allows(clientAt("a")))
	problem, waiting := m.program.reloading.last()
	require.Empty(t, problem)
	require.Empty(t, waiting)
}

func page(t testing.TB, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func statusText(t testing.TB, p *Program) string {
	t.Helper()
	_, body := page(t, "http://"+p.Address("ops")+"/status")
	return body
}

// What is safe is what the program runs with: a list cannot be emptied by a file whose address would be safe.
func TestReloadKeepsTheNetworkClosed(t *testing.T) {
	m := mountSettings(t, "listen: {xroad: '0.0.0.0:0', core: '127.0.0.1:0', ops: '127.0.0.1:0'}\nxroad: {trustNetwork: true, allowedClients: [ee-dev/GOV/1/a]}")
	m.swap(t, anyPorts)
	m.follower.read()
	require.False(t, m.program.live.mayNotify(clientAt("b")))
	problem, _ := m.program.reloading.last()
	require.Contains(t, problem, "listen.xroad")
}

// A listener cannot begin to speak TLS; the rest of the file counts.
func TestReloadCannotSwitchTLS(t *testing.T) {
	dir := testFolder(t)
	m := mountSettings(t, anyPorts)
	m.swap(t, "listen: {xroad: '127.0.0.1:0', core: '127.0.0.1:0', ops: '127.0.0.1:0', tls: {core: {cert: "+dir+"/adapter.pem, key: "+dir+"/adapter.key}}}\n"+
		"emta: {allowedClients: [ee-dev/GOV/1/a]}")
	m.follower.read()
	require.False(t, m.program.live.mayNotify(clientAt("b")))
	_, waiting := m.program.reloading.last()
	require.Equal(t, []string{"listen.tls.core.cert", "listen.tls.core.key"}, waiting)
	status, _ := page(t, "http://"+m.program.Address("core")+"/api/docs")
	require.Equal(t, 200, status)
}

// How systems are logged changes with the settings file, beneath what was changed by the API or a command.
func TestReloadOfLogSystems(t *testing.T) {
	m := mountSettings(t, anyPorts+"log: {dir: "+t.TempDir()+"}\n")
	dir := m.program.settings.Log.Dir
	put := func(systems string) {
		m.swap(t, anyPorts+"log: {dir: "+dir+", systems: "+systems+"}\n")
		m.follower.look()
		m.follower.look()
	}
	put("{emta: {body: digest, mode: best-effort}, core: {sinks: [files]}}")
	in := m.program.exchanges.Settings()
	require.Equal(t, exchangelog.Digest, in["emta"].Body)
	require.Equal(t, exchangelog.BestEffort, in["emta"].Mode)
	require.Equal(t, []string{"files"}, in["core"].Sinks)
	_, waiting := m.program.reloading.last()
	require.Empty(t, waiting)

	_, err := m.program.running.Change(t.Context(), []byte(`{"log": {"systems": {"emta": {"body": "masked"}}}}`), "cli:x", -1)
	require.NoError(t, err)
	put("{emta: {body: full, mode: required}}")
	in = m.program.exchanges.Settings()
	require.Equal(t, exchangelog.Masked, in["emta"].Body, "what was changed by hand stays")
	require.Equal(t, exchangelog.Required, in["emta"].Mode)
	require.True(t, in["core"].Off())

	put("{emta: {body: odd}}")
	problem, _ := m.program.reloading.last()
	require.Contains(t, problem, "log.systems.emta.body")
	require.Equal(t, exchangelog.Required, m.program.exchanges.Settings()["emta"].Mode)

	// Months are kept as the next start has it.
	was := Settings{Log: Log{Systems: map[string]LogSystem{"emta": {KeepMonths: 12}, "core": {Body: "full"}}}}
	next := Settings{Log: Log{Systems: map[string]LogSystem{"emta": {KeepMonths: 3, Body: "masked"}, "paasuke": {KeepMonths: 1}}}}
	is := was.taking(next)
	require.Equal(t, map[string]LogSystem{"emta": {KeepMonths: 12, Body: "masked"}, "paasuke": {}}, is.Log.Systems)
	require.Equal(t, []string{"log.systems"}, differing(is, next))
	require.Equal(t, 12, was.taking(Settings{}).Log.Systems["emta"].KeepMonths)
	require.Empty(t, differing(Settings{}.taking(Settings{}), Settings{}))
}
