package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// ports takes each listener's address for a moment. One in use is right only where the adapter itself serves there.
func (d *doctor) ports(ctx context.Context, found *diagnosis) {
	for _, l := range []struct{ name, address, path string }{{"xroad", d.settings.Listen.XRoad, emtaPath + "?wsdl"},
		{"core", d.settings.Listen.Core, "/api/openapi.json"}, {"ops", d.settings.Listen.Ops, "/healthz"}} {
		check := "port listen." + l.name
		listener, err := d.listen(ctx, l.address)
		switch {
		case err == nil:
			_ = listener.Close() // nothing was accepted
			found.ok(check, "%s is free", l.address)
		case errors.Is(err, syscall.EADDRINUSE):
			if d.ours(ctx, l.name, l.address, l.path) {
				found.ok(check, "%s is served by an adapter with these settings", l.address)
				continue
			}
			found.fail(check, "end the other program (ss -ltnp shows it), restart an adapter that serves with older settings or certificates, or choose another port in listen."+l.name,
				"%s is in use by something else", l.address)
		case errors.Is(err, fs.ErrPermission):
			found.fail(check, "choose a port from 1024 up in listen."+l.name+"; ports below belong to root", "%s may not be used by this user", l.address)
		default:
			found.fail(check, "listen."+l.name+" must be an address of this machine (ip address shows them), 0.0.0.0 for all", "%s cannot be used: %v", l.address, err)
		}
	}
}

// lookTimeout is plenty for a listener on this machine.
const lookTimeout = 3 * time.Second

// ours reports whether an adapter answers at our listener's address: with TLS, by our certificate; without, by what it serves there.
func (d *doctor) ours(ctx context.Context, name, address, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	host, port, _ := net.SplitHostPort(address) // it could be listened on
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	address = net.JoinHostPort(host, port)
	key := "listen.tls." + name
	if t := d.settings.tls()[key]; t.Cert != "" {
		i, err := t.load(key)
		if err != nil {
			return false // told by the check of the files
		}
		return bytes.Equal(d.shown(ctx, address), i.pair.Leaf.Raw)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{DialContext: d.dial, DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close() // not read
	return answer.StatusCode == http.StatusOK
}

// shown is the certificate that a TLS server shows, nil without one. Nothing is believed of it.
func (d *doctor) shown(ctx context.Context, address string) []byte {
	conn, err := d.dial(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	defer conn.Close()
	var leaf []byte
	config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error {
		leaf = state.PeerCertificates[0].Raw
		return nil
	}}
	_ = tls.Client(conn, config).HandshakeContext(ctx) // what was shown before it failed counts
	return leaf
}

// adviceDial says what to do about a server that no connection can be made to.
func adviceDial(err error, t target) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		advice := "nothing listens there: check host and port in " + t.key + ", and that the server runs"
		if strings.HasPrefix(t.key, "xroad.") {
			advice += " (a security server takes requests on 8080 and 8443, Estonian packages on 80 and 443, and, until its connector-host is set, on 127.0.0.1 only)"
		}
		return advice
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "something on the way drops what we send: have the firewalls opened from this machine to " + t.address()
	}
	return "check the network between this machine and " + t.address()
}
