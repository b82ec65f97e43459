package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// identity is who we are in TLS, and whom we accept: what the files of a TLS setting hold.
type identity struct {
	pair   *tls.Certificate    // nil: none is shown
	ca     *x509.CertPool      // nil: the machine's for servers, nobody's for clients
	pinned []*x509.Certificate // exactly these, where there are any
	shown  []*x509.Certificate // every certificate of the files, for their expiry
}

// errPFX is the commonest thing that is no PEM: what Windows and many CAs hand out.
var errPFX = errors.New("is a PFX (PKCS#12) file: take it apart with " +
	"`openssl pkcs12 -in FILE -nokeys -out cert.pem` and `openssl pkcs12 -in FILE -nocerts -nodes -out key.pem`")

var errNotPinned = errors.New("is not the pinned one")

// load reads the files that t names. key is t's name in the settings, for errors.
func (t TLS) load(key string) (*identity, error) {
	i := &identity{}
	if t.Cert != "" {
		chain, err := certificatesIn(key+".cert", t.Cert)
		if err != nil {
			return nil, err
		}
		if i.pair, err = keyPair(key, t, chain); err != nil {
			return nil, err
		}
		i.shown = append(i.shown, chain...)
	}
	if t.CA != "" {
		trusted, err := certificatesIn(key+".ca", t.CA)
		if err != nil {
			return nil, err
		}
		i.ca = x509.NewCertPool()
		for _, c := range trusted {
			i.ca.AddCert(c)
		}
		i.shown = append(i.shown, trusted...)
	}
	if t.Pinned != "" {
		var err error
		if i.pinned, err = certificatesIn(key+".pinned", t.Pinned); err != nil {
			return nil, err
		}
		i.shown = append(i.shown, i.pinned...)
	}
	return i, nil
}

// certificatesIn are the certificates of a PEM file, at least one.
func certificatesIn(key, path string) ([]*x509.Certificate, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", key, err)
	}
	var found []*x509.Certificate
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("setting %s: %s: %w", key, path, err)
		}
		found = append(found, c)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case isDER(content):
		if _, err := x509.ParseCertificate(content); err == nil {
			return nil, fmt.Errorf("setting %s: %s is DER, not PEM: write it anew with `openssl x509 -inform DER -in FILE -out cert.pem`", key, path)
		}
		return nil, fmt.Errorf("setting %s: %s %w", key, path, errPFX)
	}
	return nil, fmt.Errorf("setting %s: %s holds no PEM certificate", key, path)
}

// isDER reports whether the content begins as a DER structure does.
func isDER(content []byte) bool { return len(content) > 1 && content[0] == 0x30 && content[1] >= 0x80 }

func keyPair(key string, t TLS, chain []*x509.Certificate) (*tls.Certificate, error) {
	secret, err := os.ReadFile(t.Key)
	if err != nil {
		return nil, fmt.Errorf("setting %s.key: %w", key, err)
	}
	switch {
	case isDER(secret):
		return nil, fmt.Errorf("setting %s.key: %s is not PEM", key, t.Key)
	case bytes.Contains(secret, []byte("ENCRYPTED")):
		return nil, fmt.Errorf("setting %s.key: %s is locked by a password: write it without one with `openssl pkey -in FILE -out key.pem`, readable by the adapter alone", key, t.Key)
	}
	var chainPEM bytes.Buffer
	for _, c := range chain {
		_ = pem.Encode(&chainPEM, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a Buffer takes everything
	}
	pair, err := tls.X509KeyPair(chainPEM.Bytes(), secret)
	if err != nil {
		// The library's text says which of the two is wrong; it holds nothing of the key.
		return nil, fmt.Errorf("setting %s: %s and %s do not belong together: %w", key, t.Cert, t.Key, err)
	}
	pair.Leaf = chain[0]
	return &pair, nil
}

// accepts checks the other side's certificates. A pinned one is compared byte for byte: security servers make theirs themselves,
// under any name, and go on using it when it has expired (X-Road §§4.1, 5.1). name is the server's, empty for a client.
func (i *identity) accepts(state tls.ConnectionState, name string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the other side showed no certificate")
	}
	leaf := state.PeerCertificates[0]
	if len(i.pinned) > 0 {
		for _, known := range i.pinned {
			if bytes.Equal(known.Raw, leaf.Raw) {
				return nil
			}
		}
		return fmt.Errorf("the other side's certificate (SHA-256 %s) %w", fingerprint(leaf), errNotPinned)
	}
	options := x509.VerifyOptions{Roots: i.ca, DNSName: name, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if name == "" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(options)
	return err
}

// clientAuth is what a listener asks of clients. What they show is checked by accepts, so that a change of settings counts at once.
func (i *identity) clientAuth() tls.ClientAuthType {
	if i.ca != nil || len(i.pinned) > 0 {
		return tls.RequireAnyClientCert
	}
	return tls.RequestClientCert
}

// serverConfig is a listener's. It has no session tickets: each connection is checked by what holds now.
func (i *identity) serverConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*i.pair}, NextProtos: []string{"http/1.1"},
		ClientAuth: i.clientAuth(), SessionTicketsDisabled: true}
	if config.ClientAuth == tls.RequireAnyClientCert {
		config.VerifyConnection = func(state tls.ConnectionState) error { return i.accepts(state, "") }
	}
	return config
}

// clientConfig is for calling the server at host. current is asked at each connection.
func clientConfig(host string, current func() *identity) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host,
		// The library's own check knows one set of roots for the transport's whole life, and no pinning; accepts stands for it.
		InsecureSkipVerify: true,
		VerifyConnection:   func(state tls.ConnectionState) error { return current().accepts(state, host) },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if pair := current().pair; pair != nil {
				return pair, nil
			}
			return &tls.Certificate{}, nil // none
		},
	}
}

// securityServerTLS is for one command that calls the security server.
func (s Settings) securityServerTLS() (*tls.Config, error) {
	i, err := s.XRoad.TLS.load("xroad.tls")
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(s.XRoad.SecurityServer)
	if err != nil {
		return nil, &settingError{"xroad.securityServer", "must be a URL"}
	}
	return clientConfig(u.Hostname(), func() *identity { return i }), nil
}

// renewWithin is how long before its end a certificate is to be renewed: an order at a CA and at the security server's
// administrator takes days.
const renewWithin = 21 * 24 * time.Hour

// report is for the status page: when the certificates of each TLS setting end.
func (l *live) report(_ context.Context, r *statusReport) {
	for key, i := range l.current.Load().identities {
		if ends := i.expires(); !ends.IsZero() {
			r.add("certificate:"+key, checkExpiry(r.now, ends))
		}
	}
}

// checkExpiry is about certificates of which the first ends then.
func checkExpiry(now, ends time.Time) check {
	c := check{Status: statusPass, Observed: ends.UTC().Format(time.RFC3339), Unit: "time"}
	switch left := ends.Sub(now); {
	case left <= 0:
		c.Status, c.Output = statusWarn, "has ended: put a new one in its file"
	case left < renewWithin:
		c.Status, c.Output = statusWarn, fmt.Sprintf("ends in %d days: put a new one in its file", int(left.Hours()/24))
	}
	return c
}

// certificateGauge shows when certificates end.
type certificateGauge struct {
	live *live
	ends *prometheus.Desc
}

var _ prometheus.Collector = (*certificateGauge)(nil)

func newCertificateGauge(l *live) *certificateGauge {
	return &certificateGauge{l, prometheus.NewDesc("adapter_certificate_expiry_timestamp_seconds",
		"When the first certificate of a TLS setting ends, in Unix time.", []string{"setting"}, nil)}
}

// Describe is for prometheus.Collector.
func (g *certificateGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.ends }

// Collect is for prometheus.Collector.
func (g *certificateGauge) Collect(ch chan<- prometheus.Metric) {
	for key, i := range g.live.current.Load().identities {
		if ends := i.expires(); !ends.IsZero() {
			ch <- prometheus.MustNewConstMetric(g.ends, prometheus.GaugeValue, float64(ends.Unix()), key)
		}
	}
}

// expires is when the first of the certificates ends, the zero time without any.
func (i *identity) expires() time.Time {
	var first time.Time
	for _, c := range i.shown {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}
