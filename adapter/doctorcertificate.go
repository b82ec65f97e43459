package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// certificates reads the files of all TLS settings and looks at what is in them.
func (d *doctor) certificates(_ context.Context, found *diagnosis) {
	settings := d.settings.tls()
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		t := *settings[key]
		if t == (TLS{}) {
			continue
		}
		check := "certificate " + key
		i, err := t.load(key)
		if err != nil {
			found.fail(check, adviceFiles(err), "%v", err)
			continue
		}
		before := len(found.findings)
		d.dates(found, check, key, i)
		if i.pair != nil {
			if info, err := os.Stat(t.Key); err == nil && info.Mode().Perm()&0o077 != 0 {
				found.warn(check, "chmod 600 "+t.Key, "others than its owner may read %s", t.Key)
			}
			// A security server compares our certificate and needs no chain; others do (fact sheet §§4.1, 5.1).
			if !strings.Contains(key, "xroad") {
				d.chain(found, check, t.Cert, i)
			}
		}
		if len(found.findings) > before {
			continue
		}
		if i.pair == nil {
			found.ok(check, "the files can be read")
			continue
		}
		found.ok(check, "ours has SHA-256 %s and ends on %s", fingerprint(i.pair.Leaf), i.pair.Leaf.NotAfter.UTC().Format("2006-01-02"))
	}
}

// adviceFiles says what to do about files that cannot be loaded, where the error does not say it itself.
func adviceFiles(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, errPFX):
		return "take the PFX apart as said, and set cert and key to the two files"
	case strings.Contains(text, "do not belong together"):
		return "give the private key that the certificate was requested with, and put the adapter's own certificate first in the file of cert"
	case errors.Is(err, os.ErrNotExist):
		return "check the path, which counts from the folder that the adapter starts in; in a container, that the file is mounted"
	case errors.Is(err, os.ErrPermission):
		return "let the user that runs the adapter read the file (chown USER; chmod 600)"
	}
	return "give a PEM file: it has lines with BEGIN CERTIFICATE, a key's BEGIN PRIVATE KEY"
}

// dates looks at our own certificate and the CAs. A pinned one is compared, whatever its dates say.
func (d *doctor) dates(found *diagnosis, check, key string, i *identity) {
	for _, c := range i.shown {
		if slices.ContainsFunc(i.pinned, c.Equal) {
			continue
		}
		of, renew := c.Subject.CommonName, "get a new one and put it in the file; a running adapter takes it over"
		if strings.Contains(key, "xroad") && i.pair != nil && c.Equal(i.pair.Leaf) {
			renew += "; have it added to our subsystem at the security server before"
		}
		now := d.now()
		switch left := c.NotAfter.Sub(now); {
		case left <= 0:
			found.fail(check, renew, "the certificate of %q has ended on %s", of, c.NotAfter.UTC().Format("2006-01-02"))
		case now.Before(c.NotBefore):
			found.fail(check, "check this machine's clock, or wait", "the certificate of %q is not valid before %s", of, c.NotBefore.UTC().Format("2006-01-02 15:04 MST"))
		case left < renewWithin:
			found.warn(check, renew, "the certificate of %q ends in %d days", of, int(left.Hours()/24))
		}
	}
}

// chain follows the issuers through the file to one that the other side may know.
func (d *doctor) chain(found *diagnosis, check, file string, i *identity) {
	var chain []*x509.Certificate
	for _, raw := range i.pair.Certificate {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return // it was read before
		}
		chain = append(chain, c)
	}
	for n, c := range chain[1:] {
		if chain[n].CheckSignatureFrom(c) != nil {
			found.fail(check, "put them in order: ours, then the one that issued it, then the next", "in %s, %q follows %q and did not issue it", file, c.Subject.CommonName, chain[n].Subject.CommonName)
			return
		}
	}
	last := chain[len(chain)-1]
	if bytes.Equal(last.RawIssuer, last.RawSubject) {
		return
	}
	rest := x509.NewCertPool()
	for _, c := range chain[1:] {
		rest.AddCert(c)
	}
	for _, roots := range []*x509.CertPool{nil, d.knownCAs()} { // the machine's, then the settings'
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest, CurrentTime: d.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err == nil {
			return
		}
	}
	found.warn(check, fmt.Sprintf("if %q is not a root that the callers have, append its certificate (and those above it, but the root) to %s", last.Issuer.CommonName, file),
		"the chain may be incomplete: it ends with %q, whose issuer %q is neither in the file nor known here", last.Subject.CommonName, last.Issuer.CommonName)
}

// knownCAs are those of the settings.
func (d *doctor) knownCAs() *x509.CertPool {
	pool := x509.NewCertPool()
	for key, t := range d.settings.tls() {
		if t.CA == "" {
			continue
		}
		if list, err := certificatesIn(key+".ca", t.CA); err == nil {
			for _, c := range list {
				pool.AddCert(c)
			}
		}
	}
	return pool
}
