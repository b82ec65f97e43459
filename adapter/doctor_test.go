package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// patient is an installation in which all is well, until a fault is put in.
type patient struct {
	*doctor
	dir   string // the test CA's files
	world *simulator.World
}

// newPatient has certificates of 90 days from the time given. shown is what the security server shows; nil: what is pinned.
func newPatient(t testing.TB, from time.Time, shown *TLS) *patient {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	require.NoError(t, (&testCA{now: from, valid: 90 * 24 * time.Hour}).write(dir, nil))
	var o simulator.Options
	require.NoError(t, (&simulateCommand{TLS: dir, API: "https://127.0.0.1:1"}).useTLS(&o))
	if shown != nil {
		i, err := shown.load("shown")
		require.NoError(t, err)
		o.ListenTLS = i.serverConfig()
	}
	world, err := simulator.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	world.Attach(simulator.AdapterAddresses{EMTA: "http://127.0.0.1:1/emta", Mandates: "http://127.0.0.1:1/paasuke", Core: "http://127.0.0.1:1"})
	p := &patient{newDoctor(demoSettings(world, t.TempDir())), dir, world}
	s := &p.settings
	s.Listen.TLS.XRoad = TLS{Cert: p.in("adapter.pem"), Key: p.in("adapter.key"), Pinned: p.in("security-server.pem")}
	s.Listen.TLS.Core = TLS{Cert: p.in("adapter.pem"), Key: p.in("adapter.key"), CA: p.in("ca.pem")}
	s.XRoad.TLS = s.Listen.TLS.XRoad
	_, seal, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(seal)
	require.NoError(t, err)
	s.Log.SealKey = p.in("seal.key")
	require.NoError(t, writePEM(s.Log.SealKey, "PRIVATE KEY", der))
	p.free = func(string) (uint64, uint64, error) { return 8 << 30, 16 << 30, nil }
	return p
}

func (p *patient) in(name string) string { return filepath.Join(p.dir, name) }

// write makes a file of others' contents, beside the test CA's.
func (p *patient) write(t testing.TB, name string, of ...string) string {
	t.Helper()
	var content []byte
	for _, file := range of {
		raw, err := os.ReadFile(p.in(file))
		require.NoError(t, err)
		content = append(content, raw...)
	}
	require.NoError(t, os.WriteFile(p.in(name), content, 0o600))
	return p.in(name)
}

// late moves the doctor's clock; the security server's stays.
func (p *patient) late(by time.Duration) { p.now = func() time.Time { return time.Now().Add(by) } }

// busy is the address of a server that is no adapter, plain HTTP.
func busy(t testing.TB) string {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestDoctorFindsNothing(t *testing.T) {
	p := newPatient(t, time.Now(), nil)
	d := &diagnosis{}
	p.examine(t.Context(), d)
	for _, f := range d.findings {
		if f.Check != "database migrations" {
			require.Equal(t, gradeOK, f.Grade, "%+v", f)
		}
	}
	require.NoFileExists(t, strings.TrimPrefix(p.settings.Store, "sqlite:"), "the doctor makes nothing")
	require.NoDirExists(t, p.settings.Log.Dir)
}

// Each fault that the doctor knows: what it says and advises. All other checks are made nevertheless.
func TestDoctor(t *testing.T) {
	other := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "other"}
	for _, test := range []struct {
		name   string
		fault  func(t *testing.T, p *patient, s *Settings)
		check  string
		grade  grade
		tried  string
		advice string
	}{
		{"no such name", func(t *testing.T, p *patient, s *Settings) {
			s.XRoad.SecurityServer = "https://ss.example:8443"
			p.resolve = func(context.Context, string) ([]string, error) {
				return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
			}
			p.dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
			}
		}, "name xroad.securityServer", gradeFail, "ss.example has no address", "hosts file"},
		{"no URL", func(_ *testing.T, _ *patient, s *Settings) { s.Trace.Endpoint = "collector:4318" }, "name trace.endpoint", gradeFail, "is not a URL", "http://HOST:PORT"},

		{"port in use", func(t *testing.T, _ *patient, s *Settings) { s.Listen.Ops = busy(t) }, "port listen.ops", gradeFail, "in use by something else", "choose another port in listen.ops"},
		{"TLS port in use", func(t *testing.T, _ *patient, s *Settings) { s.Listen.Core = busy(t) }, "port listen.core", gradeFail, "in use by something else", "restart an adapter"},
		{"another's address", func(_ *testing.T, _ *patient, s *Settings) { s.Listen.Core = "192.0.2.1:8081" }, "port listen.core", gradeFail, "cannot be used", "an address of this machine"},
		{"root's port", func(_ *testing.T, p *patient, _ *Settings) {
			p.listen = func(context.Context, string) (net.Listener, error) {
				return nil, &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
			}
		}, "port listen.xroad", gradeFail, "may not be used by this user", "from 1024 up"},

		{"no security server", func(_ *testing.T, _ *patient, s *Settings) { s.XRoad.SecurityServer, s.EMTA.Service = "", "" }, "security server", gradeWarn, "is not set", "set xroad.securityServer"},
		{"security server refuses", func(_ *testing.T, _ *patient, s *Settings) { s.XRoad.SecurityServer = "https://127.0.0.1:1" }, "security server", gradeFail, "refused", "8080 and 8443"},
		{"security server behind a firewall", func(_ *testing.T, p *patient, _ *Settings) {
			p.dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
			}
		}, "security server", gradeFail, "cannot be reached", "firewalls"},
		{"security server is silent", func(t *testing.T, p *patient, s *Settings) {
			l, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and wait to be accepted
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			s.XRoad.SecurityServer, p.within = "https://"+l.Addr().String(), 300*time.Millisecond
		}, "security server TLS", gradeFail, "gave no answer", "for information systems"},
		{"a fault without an end", func(t *testing.T, p *patient, _ *Settings) {
			require.NoError(t, p.world.SecurityServer.Misbehave("cpgOrderList", simulator.Mischief{Fault: "Server.ServerProxy.AccessDenied", FaultText: strings.Repeat("õ\u202e", 20000)}))
		}, "EMTA round trip", gradeFail, "…", "the right to this service"},
		{"https to a plain port", func(_ *testing.T, p *patient, s *Settings) {
			s.XRoad.SecurityServer = strings.Replace(p.world.ControlURL(), "http:", "https:", 1)
		}, "security server TLS", gradeFail, "does not speak TLS", "write http:// in xroad.securityServer"},
		{"http to a TLS port", func(_ *testing.T, p *patient, s *Settings) {
			s.XRoad.SecurityServer = strings.Replace(s.XRoad.SecurityServer, "https:", "http:", 1)
		}, "security server answer", gradeWarn, "HTTP 400", "write https://"},
		{"not a security server", func(_ *testing.T, p *patient, s *Settings) { s.XRoad.SecurityServer = p.world.ControlURL() }, "security server answer", gradeWarn, "does not look like", "administrators' page"},
		{"another certificate than pinned", func(_ *testing.T, p *patient, s *Settings) { s.XRoad.TLS.Pinned = p.in("core.pem") }, "security server TLS", gradeFail, "is not the pinned one", "xroad.tls.pinned"},
		{"one that is not pinned on the listener", func(_ *testing.T, p *patient, s *Settings) { s.Listen.TLS.XRoad.Pinned = p.in("core.pem") },
			"certificate listen.tls.xroad", gradeFail, "is not in the file of listen.tls.xroad.pinned", "internal TLS certificate"},
		{"our certificate is not known there", func(_ *testing.T, p *patient, s *Settings) {
			s.XRoad.TLS.Cert, s.XRoad.TLS.Key = p.in("core.pem"), p.in("core.key")
		},
			"security server TLS", gradeFail, "refused our certificate", "security server's administrator"},
		{"we show none", func(_ *testing.T, p *patient, s *Settings) { s.XRoad.TLS.Cert, s.XRoad.TLS.Key = "", "" }, "security server TLS", gradeFail, "refused our certificate", "xroad.tls.cert"},
		{"not pinned at all", func(_ *testing.T, p *patient, s *Settings) { s.XRoad.TLS.Pinned = "" }, "security server TLS", gradeFail, "127.0.0.1", "compare the certificate with xroad.tls.pinned"},
		{"another name", func(_ *testing.T, p *patient, s *Settings) {
			s.XRoad.TLS.Pinned, s.XRoad.TLS.CA = "", p.in("security-server.pem")
		}, "security server TLS", gradeFail, "127.0.0.1", "a security server's has any name"},

		{"ends soon", func(_ *testing.T, p *patient, _ *Settings) { p.late(80 * 24 * time.Hour) }, "certificate xroad.tls", gradeWarn, `"adapter" ends in 9 days`, "at the security server before"},
		{"ended", func(_ *testing.T, p *patient, _ *Settings) { p.late(100 * 24 * time.Hour) }, "certificate listen.tls.core", gradeFail, `"adapter" has ended on`, "get a new one"},
		{"not yet valid", func(_ *testing.T, p *patient, _ *Settings) { p.late(-24 * time.Hour) }, "certificate xroad.tls", gradeFail, "is not valid before", "clock"},
		{"PFX", func(t *testing.T, p *patient, s *Settings) {
			require.NoError(t, os.WriteFile(p.in("adapter.pfx"), []byte("\x30\x82\x0a\x01\x02\x01\x03"), 0o600))
			s.XRoad.TLS.Cert = p.in("adapter.pfx")
		}, "certificate xroad.tls", gradeFail, "openssl pkcs12", "take the PFX apart"},
		{"another's key", func(_ *testing.T, p *patient, s *Settings) { s.Listen.TLS.Core.Key = p.in("core.key") }, "certificate listen.tls.core", gradeFail, "do not belong together", "that the certificate was requested with"},
		{"no such file", func(_ *testing.T, p *patient, s *Settings) { s.Listen.TLS.XRoad.Pinned = p.in("none.pem") }, "certificate listen.tls.xroad", gradeFail, "listen.tls.xroad.pinned", "check the path"},
		{"cert and key exchanged", func(_ *testing.T, p *patient, s *Settings) {
			s.XRoad.TLS.Cert, s.XRoad.TLS.Key = s.XRoad.TLS.Key, s.XRoad.TLS.Cert
		},
			"certificate xroad.tls", gradeFail, "holds no PEM certificate", "BEGIN CERTIFICATE"},
		{"a key that others may read", func(t *testing.T, p *patient, _ *Settings) { require.NoError(t, os.Chmod(p.in("adapter.key"), 0o644)) }, "certificate xroad.tls", gradeWarn, "others than its owner", "chmod 600"},
		{"chain in the wrong order", func(t *testing.T, p *patient, s *Settings) {
			s.Listen.TLS.Core.Cert = p.write(t, "chain.pem", "adapter.pem", "core.pem")
		},
			"certificate listen.tls.core", gradeFail, `"core" follows "adapter"`, "in order"},
		{"chain without its end", func(_ *testing.T, _ *patient, s *Settings) { s.Listen.TLS.Core.CA = "" }, "certificate listen.tls.core", gradeWarn, `issuer "Test CA of the adapter"`, "append its certificate"},

		{"identifier without a subsystem", func(_ *testing.T, _ *patient, s *Settings) { s.EMTA.AllowedClients = []string{"ee-dev/GOV/70000349"} }, "identifier emta.allowedClients", gradeFail, "without a subsystem", "add the subsystem"},
		{"identifier of another form", func(_ *testing.T, _ *patient, s *Settings) { s.EMTA.Service = "ee-dev:GOV:70000349:x" }, "identifier emta.service", gradeFail, "emta.service", "instance/class/member/subsystem"},
		{"instance in capitals", func(_ *testing.T, _ *patient, s *Settings) { s.XRoad.Client = "EE-DEV/GOV/70000310/at" }, "identifier xroad.client", gradeWarn, "of instance EE-DEV", "capitals count"},
		{"no such class", func(_ *testing.T, _ *patient, s *Settings) { s.EMTA.Service = "ee-dev/gov/70000349/mkrliides" }, "identifier emta.service", gradeWarn, "of class gov", "GOV, COM, NGO"},
		{"short member code", func(_ *testing.T, _ *patient, s *Settings) { s.EMTA.Service = "ee-dev/GOV/7000034/mkrliides" }, "identifier emta.service", gradeWarn, "member code 7000034", "8 digits"},
		{"two instances", func(_ *testing.T, _ *patient, s *Settings) { s.EMTA.Service = "EE/GOV/70000349/mkrliides" }, "identifier emta.service", gradeWarn, "another instance", "do not reach each other"},
		{"no client", func(_ *testing.T, _ *patient, s *Settings) { s.XRoad.Client = "" }, "identifier xroad.client", gradeWarn, "is not set", "set xroad.client"},

		{"services of another version", func(_ *testing.T, _ *patient, s *Settings) { s.EMTA.Version = "v9" }, "EMTA listMethods", gradeFail, "without cpgOrderInit.v9", "check emta.service and emta.version"},
		{"no right", func(_ *testing.T, p *patient, _ *Settings) {
			p.world.SecurityServer.Deny(xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"},
				xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"}, "cpgOrderCancel")
		}, "EMTA allowedMethods", gradeFail, "is without cpgOrderCancel.v1;", "ask EMTA to give our subsystem, ee-dev/GOV/70000310/at, the right"},
		{"we are not registered", func(_ *testing.T, _ *patient, s *Settings) { s.XRoad.Client = "ee-dev/GOV/70000310/atx" }, "EMTA listMethods", gradeFail, "UnknownMember", "check xroad.client"},
		{"EMTA is not registered", func(_ *testing.T, _ *patient, s *Settings) { s.EMTA.Service = "ee-dev/GOV/70000349/x" }, "EMTA allowedMethods", gradeFail, "UnknownMember", "emta.service"},
		{"the subsystem wants our certificate", func(t *testing.T, p *patient, _ *Settings) {
			require.NoError(t, p.world.SecurityServer.Misbehave("listMethods", simulator.Mischief{Fault: "Server.ClientProxy.SslAuthenticationFailed",
				FaultText: "Client (SUBSYSTEM:ee-dev/GOV/70000310/at) specifies HTTPS but did not supply TLS certificate"}))
		}, "EMTA listMethods", gradeFail, "SslAuthenticationFailed", "our subsystem is set to HTTPS there"},
		{"notifications are not registered", func(_ *testing.T, p *patient, s *Settings) {
			p.world.SecurityServer.Register(other)
			s.XRoad.Client = other.String()
		}, "our cpgOrderNotify", gradeWarn, "is not registered", "/emta?wsdl"},
		{"mandates are not registered", func(_ *testing.T, p *patient, s *Settings) {
			p.world.SecurityServer.Register(other)
			s.XRoad.Client = other.String()
		}, "our mandates service", gradeWarn, "no REST service", "/paasuke/openapi.yaml"},
		{"EMTA is away", func(t *testing.T, p *patient, _ *Settings) {
			require.NoError(t, p.world.SecurityServer.Misbehave("cpgOrderList", simulator.Mischief{Fault: "Server.ServerProxy.ServiceFailed.NetworkError"}))
		}, "EMTA round trip", gradeFail, "NetworkError", "try again later"},
		{"EMTA reads dates otherwise", func(_ *testing.T, p *patient, _ *Settings) {
			p.world.EMTA.SetList(simulator.ListOptions{DateFormats: []string{"20060102"}})
		},
			"EMTA round trip", gradeFail, "cpgOrderList answered with the fault", "the provider's own fault"},

		{"database cannot be made", func(_ *testing.T, p *patient, s *Settings) { s.Store = "sqlite:" + p.in("none/adapter.db") }, "database", gradeFail, "cannot be made", "make the folder"},
		{"database is a folder", func(_ *testing.T, p *patient, s *Settings) { s.Store = "sqlite:" + p.dir }, "database", gradeFail, "cannot be opened", "mend the address in store"},
		{"database is away", func(_ *testing.T, _ *patient, s *Settings) { s.Store = "postgres://adapter@127.0.0.1:1/x" }, "database", gradeFail, "does not answer", "pg_hba.conf"},
		{"database loses commits", func(_ *testing.T, _ *patient, s *Settings) { s.Store = "sqlite::memory:" }, "database durability", gradeFail, "", "a commit could be lost"},
		{"migrations are missing", func(_ *testing.T, _ *patient, s *Settings) { s.Store = "sqlite::memory:" }, "database migrations", gradeWarn, "are missing", "serve makes them"},

		{"clock a little off", func(_ *testing.T, p *patient, _ *Settings) { p.late(-20 * time.Second) }, "clock", gradeWarn, "behind the security server's", "chrony"},
		{"clock off", func(_ *testing.T, p *patient, _ *Settings) { p.late(2 * time.Minute) }, "clock", gradeFail, "ahead of the security server's", "chrony"},
		{"little space", func(_ *testing.T, p *patient, _ *Settings) {
			p.free = func(string) (uint64, uint64, error) { return 512 << 20, 1 << 40, nil }
		}, "disk log", gradeWarn, "512 MiB", "make room"},
		{"no space", func(_ *testing.T, p *patient, _ *Settings) {
			p.free = func(string) (uint64, uint64, error) { return 1 << 20, 1 << 40, nil }
		}, "disk database", gradeFail, "1 MiB", "make room"},
		{"log folder", func(_ *testing.T, p *patient, s *Settings) { s.Log.Dir = p.in("ca.pem/logs") }, "folder log.dir", gradeFail, "cannot be written", "chown"},
		{"archive folder", func(_ *testing.T, p *patient, s *Settings) {
			s.Log.SigningKey, s.Log.SigningCert, s.Log.ArchiveDir = p.in("adapter.key"), p.in("adapter.pem"), p.in("ca.pem/archive")
		}, "folder log.archiveDir", gradeFail, "cannot be written", "log.archiveDir"},
		{"no seal key", func(_ *testing.T, _ *patient, s *Settings) { s.Log.SealKey = "" }, "key log.sealKey", gradeWarn, "are not signed", "ed25519"},
		{"seal key of another kind", func(_ *testing.T, p *patient, s *Settings) { s.Log.SealKey = p.in("adapter.key") }, "key log.sealKey", gradeFail, "", "ed25519"},
		{"master key", func(_ *testing.T, p *patient, s *Settings) { s.Log.MasterKey = p.in("ca.pem") }, "key log.masterKey", gradeFail, "must be 32 bytes", "openssl rand"},
		{"signing key of another kind", func(_ *testing.T, p *patient, s *Settings) {
			s.Log.SigningKey, s.Log.SigningCert = p.in("adapter.key"), p.in("adapter.pem")
		},
			"key log.signingKey", gradeFail, "log.signingKey", "RSA"},
		{"webhook refuses", func(_ *testing.T, _ *patient, s *Settings) { s.Core.Webhook.URL = "http://127.0.0.1:1/hook" }, "webhook", gradeFail, "refused", "core.webhook.url"},
		{"webhook speaks no TLS", func(_ *testing.T, _ *patient, s *Settings) {
			s.Core.Webhook.URL = strings.Replace(s.Core.Webhook.URL, "http:", "https:", 1)
		},
			"webhook TLS", gradeFail, "does not speak TLS", "core.webhook.url"},
		{"webhook refuses our certificate", func(_ *testing.T, p *patient, s *Settings) {
			s.Core.Webhook.URL = p.world.SecurityServerURL() // it wants one
			s.Core.Webhook.TLS = TLS{Pinned: p.in("security-server.pem")}
		}, "webhook TLS", gradeFail, "refused our certificate", "core.webhook.tls.cert"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t, time.Now(), nil)
			test.fault(t, p, &p.settings)
			d := &diagnosis{}
			p.examine(t.Context(), d)
			d.requires(t, test.check, test.grade, test.tried, test.advice)
			for _, check := range []string{"disk log", "database", "webhook"} {
				require.True(t, slices.ContainsFunc(d.findings, func(f finding) bool { return f.Check == check }), "%s was not tried", check)
			}
			require.Equal(t, test.grade == gradeFail, slices.ContainsFunc(d.findings, func(f finding) bool { return f.Check == test.check && f.Grade == gradeFail }))
		})
	}
}

// requires looks for a finding.
func (d *diagnosis) requires(t testing.TB, check string, g grade, tried, advice string) {
	t.Helper()
	for _, f := range d.findings {
		if f.Check == check && f.Grade == g && strings.Contains(f.Tried, tried) && strings.Contains(f.Advice, advice) {
			require.NotContains(t, f.Tried+f.Advice, "\n")
			return
		}
	}
	require.Fail(t, "not found", "%s %s %q %q in %+v", g, check, tried, advice, d.findings)
}

// What a security server shows, checked by a CA: one that has ended, and one whose chain is not whole.
func TestDoctorChecksByCA(t *testing.T) {
	old := newPatient(t, time.Now().Add(-100*24*time.Hour), nil)
	old.settings.XRoad.TLS.Pinned, old.settings.XRoad.TLS.CA = "", old.in("security-server.pem")
	d := &diagnosis{}
	old.securityServer(t.Context(), d)
	d.requires(t, "security server TLS", gradeFail, "has ended", "have it renewed there")

	cert, key, err := (&testCA{now: time.Now(), valid: time.Hour}).issue("ss2", []string{"127.0.0.1"}, false)
	require.NoError(t, err)
	require.NoError(t, writePair(old.dir, "own", cert, key))
	p := newPatient(t, time.Now(), &TLS{Cert: old.in("own.pem"), Key: old.in("own.key")})
	p.settings.XRoad.TLS.Pinned = ""
	d = &diagnosis{}
	p.securityServer(t.Context(), d)
	d.requires(t, "security server TLS", gradeFail, "issued by nobody known here", "set xroad.tls.pinned")

	fresh := newPatient(t, time.Now(), nil)
	p = newPatient(t, time.Now(), &TLS{Cert: fresh.in("adapter.pem"), Key: fresh.in("adapter.key")})
	p.settings.XRoad.TLS.Pinned = ""
	d = &diagnosis{}
	p.securityServer(t.Context(), d)
	d.requires(t, "security server TLS", gradeFail, "the chain it shows is incomplete", "intermediate certificates")
}

// A pinned certificate may have ended: security servers go on with theirs.
func TestDoctorPinnedEnded(t *testing.T) {
	p := newPatient(t, time.Now().Add(-100*24*time.Hour), nil)
	d := &diagnosis{}
	p.securityServer(t.Context(), d)
	d.requires(t, "security server TLS", gradeOK, "its certificate is accepted", "")
}

// Beside an adapter that serves, the ports are taken by it, and the database is in use.
func TestDoctorBesideServe(t *testing.T) {
	p := newPatient(t, time.Now(), nil)
	program, err := Start(t.Context(), p.settings, slog.New(slog.DiscardHandler), Watch{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, program.Stop()) })
	p.settings.Listen.XRoad, p.settings.Listen.Core, p.settings.Listen.Ops = program.Address("xroad"), program.Address("core"), program.Address("ops")
	d := &diagnosis{}
	p.examine(t.Context(), d)
	require.False(t, d.failed(), "%+v", d.findings)
	for _, name := range []string{"xroad", "core", "ops"} {
		d.requires(t, "port listen."+name, gradeOK, "is served by an adapter", "")
	}
	d.requires(t, "database migrations", gradeOK, "all ", "")

	p.settings.Listen.TLS.Core.Cert, p.settings.Listen.TLS.Core.Key = p.in("core.pem"), p.in("core.key")
	d = &diagnosis{}
	p.ports(t.Context(), d)
	d.requires(t, "port listen.core", gradeFail, "in use by something else", "older settings or certificates")
}

// Two roles: the one that serves may not migrate, and may lack rights.
func TestDoctorRights(t *testing.T) {
	server := postgrestest.Start(t, "fsync=off")
	address := server.Database(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	role := u.Query()
	role.Set("user", "doctor_app")
	u.User, u.RawQuery = nil, role.Encode()
	postgrestest.Run(t, address, `CREATE ROLE doctor_app LOGIN; CREATE SCHEMA atis; GRANT USAGE ON SCHEMA atis TO doctor_app`)

	examine := func(address string) *diagnosis {
		s := defaultSettings()
		s.Store = address
		d := &diagnosis{}
		newDoctor(s).database(t.Context(), d)
		return d
	}
	d := examine(u.String())
	d.requires(t, "database migrations", gradeFail, "this role may not make them", "run adapter migrate up with the address of the role that owns schema atis")
	d.requires(t, "database durability", gradeFail, "fsync is off", "a commit could be lost")
	examine(address).requires(t, "database migrations", gradeWarn, "are missing", "serve makes them")

	owner, err := store.Open(t.Context(), address)
	require.NoError(t, err)
	_, err = owner.Migrate(t.Context())
	require.NoError(t, errors.Join(err, owner.Close()))
	postgrestest.Run(t, address, `GRANT SELECT ON atis.adapter_migration TO doctor_app`)
	d = examine(u.String())
	d.requires(t, "database rights", gradeFail, "adapter_order", "GRANT SELECT, INSERT, UPDATE ON atis.adapter_audit")
	d.requires(t, "database migrations", gradeOK, "all ", "")
	examine(address).requires(t, "database rights", gradeOK, "may use all tables", "")
}

// The command's lines, its JSON, its exit status; and `config check`, which makes some of the checks.
func TestDoctorCommand(t *testing.T) {
	p := newPatient(t, time.Now(), nil)
	write := func(text string) string {
		file := p.in("adapter.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	folder := t.TempDir()
	good := `{listen: {xroad: "127.0.0.1:0", core: "127.0.0.1:0", ops: "127.0.0.1:0"}, store: "sqlite:` + folder + `/adapter.db", log: {dir: ` + folder + `},
		xroad: {securityServer: "` + p.world.SecurityServerURL() + `", client: ee-dev/GOV/70000310/at, tls: {cert: ` + p.in("adapter.pem") + `, key: ` + p.in("adapter.key") + `, pinned: ` + p.in("security-server.pem") + `}},
		emta: {service: ee-dev/GOV/70000349/mkrliides}}`
	var out bytes.Buffer
	require.NoError(t, (&doctorCommand{Config: write(good)}).run(t.Context(), nil, &out))
	require.Contains(t, out.String(), "ok    EMTA round trip: cpgOrderList was answered in ")
	require.Contains(t, out.String(), "warn  key log.sealKey: is not set: seals of the exchange log are not signed. To do: make one with ")

	out.Reset()
	require.NoError(t, checkConfig(t.Context(), write(good), nil, &out))
	require.Contains(t, out.String(), "the settings are right\n")
	require.NotContains(t, out.String(), "ok ")

	bad := strings.Replace(good, p.in("adapter.key"), p.in("core.key"), 1)
	out.Reset()
	require.ErrorIs(t, (&doctorCommand{Config: write(bad), JSON: true}).run(t.Context(), nil, &out), errDoctor)
	var said struct {
		OK       bool
		Findings []finding
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &said))
	require.False(t, said.OK)
	(&diagnosis{said.Findings}).requires(t, "certificate xroad.tls", gradeFail, "do not belong together", "private key")

	out.Reset()
	require.ErrorIs(t, checkConfig(t.Context(), write(bad), nil, &out), errDoctor)
	require.Contains(t, out.String(), "FAIL  certificate xroad.tls: ")
	require.NotContains(t, out.String(), "the settings are right")

	out.Reset()
	require.ErrorIs(t, (&doctorCommand{Config: write("{emta: {servise: x}}")}).run(t.Context(), nil, &out), errDoctor)
	require.True(t, strings.HasPrefix(out.String(), "FAIL  settings: "), out.String())
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}
