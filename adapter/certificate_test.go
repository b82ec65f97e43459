package main

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testFolder has a test CA's files, valid for an hour from now on.
func testFolder(t testing.TB) string {
	t.Helper()
	return folderAt(t, time.Now())
}

func folderAt(t testing.TB, now time.Time) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	ca := &testCA{now: now, valid: time.Hour}
	require.NoError(t, ca.write(dir, nil))
	return dir
}

func TestTLSFilesThatAreWrong(t *testing.T) {
	dir, other := testFolder(t), testFolder(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	der := func(name string) []byte {
		content, err := os.ReadFile(in(name))
		require.NoError(t, err)
		block, _ := pem.Decode(content)
		return block.Bytes
	}
	write := func(name string, content []byte) string {
		require.NoError(t, os.WriteFile(in(name), content, 0o600))
		return in(name)
	}
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	cert, key := in("adapter.pem"), in("adapter.key")
	for _, test := range []struct {
		name  string
		files TLS
		want  string
	}{
		{"no such file", TLS{Cert: in("none.pem"), Key: key}, "xroad.tls.cert"},
		{"no such key", TLS{Cert: cert, Key: in("none.key")}, "xroad.tls.key"},
		{"another's key", TLS{Cert: cert, Key: filepath.Join(other, "adapter.key")}, "do not belong together"},
		{"the two exchanged", TLS{Cert: key, Key: cert}, "holds no PEM certificate"},
		{"PFX", TLS{Cert: write("adapter.pfx", []byte("\x30\x82\x0a\x01\x02\x01\x03")), Key: key}, "openssl pkcs12"},
		{"DER", TLS{Cert: write("adapter.cer", der("adapter.pem")), Key: key}, "openssl x509 -inform DER"},
		{"DER key", TLS{Cert: cert, Key: write("der.key", der("adapter.key"))}, "xroad.tls.key: " + in("der.key") + " is not PEM"},
		{"locked key", TLS{Cert: cert, Key: write("locked.key", locked)}, "openssl pkey"},
		{"empty CA", TLS{CA: write("empty.pem", nil)}, "xroad.tls.ca: " + in("empty.pem") + " holds no PEM certificate"},
		{"broken", TLS{Pinned: write("broken.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))}, "xroad.tls.pinned"},
	} {
		_, err := test.files.load("xroad.tls")
		require.ErrorContains(t, err, test.want, test.name)
	}
}

// What each side of a connection accepts: the table of the ways to check.
func TestTLSAccepts(t *testing.T) {
	dir, other, old := testFolder(t), testFolder(t), folderAt(t, time.Now().Add(-48*time.Hour))
	server := func(dir, name string) TLS {
		return TLS{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
	}
	pinning := func(t TLS, file string) TLS { t.Pinned = file; return t }
	trusting := func(t TLS, file string) TLS { t.CA = file; return t }
	ca, ss := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "security-server.pem")
	for _, test := range []struct {
		name           string
		server, client TLS
		host           string
		refused        string // by whoever is the first to; empty: the connection is made
	}{
		{"CA and name", server(dir, "adapter"), TLS{CA: ca}, "localhost", ""},
		{"CA and address", server(dir, "adapter"), TLS{CA: ca}, "127.0.0.1", ""},
		{"CA, another name", server(dir, "adapter"), TLS{CA: ca}, "core.example", "not core.example"},
		{"another CA", server(other, "adapter"), TLS{CA: ca}, "localhost", "unknown authority"},
		{"the machine's CAs", server(dir, "adapter"), TLS{}, "localhost", "certificate"},
		{"ended", server(old, "adapter"), TLS{CA: filepath.Join(old, "ca.pem")}, "localhost", "expired"},
		{"pinned, whatever its name", server(dir, "security-server"), TLS{Pinned: ss}, "10.0.0.1", ""},
		{"pinned, though it has ended", server(old, "security-server"), TLS{Pinned: filepath.Join(old, "security-server.pem")}, "x", ""},
		{"another than pinned", server(other, "security-server"), TLS{Pinned: ss}, "x", "is not the pinned one"},
		{"pinned means that one, not its CA", server(dir, "adapter"), TLS{Pinned: ca}, "localhost", "is not the pinned one"},
		{"client of the CA", trusting(server(dir, "adapter"), ca), trusting(server(dir, "core"), ca), "localhost", ""},
		{"client of another CA", trusting(server(dir, "adapter"), ca), trusting(server(other, "core"), ca), "localhost", "unknown authority"},
		{"client without", trusting(server(dir, "adapter"), ca), TLS{CA: ca}, "localhost", "didn't provide a certificate"},
		{"client that is pinned", pinning(server(dir, "adapter"), ss), trusting(server(dir, "security-server"), ca), "localhost", ""},
		{"client that is not pinned", pinning(server(dir, "adapter"), ss), trusting(server(dir, "core"), ca), "localhost", "is not the pinned one"},
		{"client with the pinned one's public half only", pinning(server(dir, "adapter"), ss), TLS{CA: ca}, "localhost", "didn't provide a certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			serving, err := test.server.load("server")
			require.NoError(t, err)
			calling, err := test.client.load("client")
			require.NoError(t, err)
			served, called := handshake(t, serving.serverConfig(), clientConfig(test.host, func() *identity { return calling }))
			if test.refused == "" {
				require.NoError(t, served)
				require.NoError(t, called)
				return
			}
			var texts string
			for _, err := range []error{served, called} {
				if err != nil {
					texts += err.Error() + "\n"
				}
			}
			require.Contains(t, texts, test.refused)
		})
	}
}

// handshake returns what each side says of it; the client reads until the server has told.
func handshake(t testing.TB, server, client *tls.Config) (served, called error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	b, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		a, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		c := tls.Server(a, server)
		err = c.Handshake()
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		done <- err
		_ = a.Close()
	}()
	c := tls.Client(b, client)
	called = c.Handshake()
	if called == nil {
		_, called = c.Read(make([]byte, 1))
	}
	_ = b.Close()
	return <-done, called
}

func TestTLSVersions(t *testing.T) {
	dir := testFolder(t)
	i, err := TLS{Cert: filepath.Join(dir, "adapter.pem"), Key: filepath.Join(dir, "adapter.key")}.load("x")
	require.NoError(t, err)
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		old := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
		_, err := handshake(t, i.serverConfig(), old)
		require.Equal(t, ok, err == nil, "client of %x: %v", version, err)
		served := &tls.Config{Certificates: []tls.Certificate{*i.pair}, MinVersion: version, MaxVersion: version}
		_, err = handshake(t, served, clientConfig("localhost", func() *identity { return &identity{pinned: []*x509.Certificate{i.pair.Leaf}} }))
		require.Equal(t, ok, err == nil, "server of %x: %v", version, err)
	}
}

func TestCertificateExpiry(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		left   time.Duration
		state  string
		output string
	}{
		{60 * 24 * time.Hour, statusPass, ""}, {22 * 24 * time.Hour, statusPass, ""},
		{20*24*time.Hour + time.Minute, statusWarn, "ends in 20 days"}, {-time.Second, statusWarn, "has ended"},
	} {
		c := checkExpiry(now, now.Add(test.left))
		require.Equal(t, test.state, c.Status, test.left)
		require.Contains(t, c.Output, test.output)
	}
}

// A second run does not write over keys that may be in use.
func TestTestCAKeepsFiles(t *testing.T) {
	dir := testFolder(t)
	before, err := os.ReadFile(filepath.Join(dir, "adapter.key"))
	require.NoError(t, err)
	require.Error(t, (&testCA{now: time.Now(), valid: time.Hour}).write(dir, nil))
	after, err := os.ReadFile(filepath.Join(dir, "adapter.key"))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func ecdsaKey(t testing.TB, pair tls.Certificate) *ecdsa.PrivateKey {
	t.Helper()
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	require.True(t, ok)
	return key
}
