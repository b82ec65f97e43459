package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// testCACommand makes certificates for trying TLS both ways; no real installation uses them.
type testCACommand struct {
	Dir  string   `arg:"" type:"path" help:"Folder for the files; made if it is not there. No file is written over."`
	Host []string `placeholder:"NAME" help:"A further name or address of this machine; it may be given several times. localhost, 127.0.0.1 and ::1 are always in."`
	Days int      `default:"90" help:"How long they are valid."`
}

// Run is for kong.
func (c *testCACommand) Run() error {
	ca := &testCA{now: time.Now(), valid: time.Duration(c.Days) * 24 * time.Hour}
	if err := ca.write(c.Dir, c.Host); err != nil {
		return err
	}
	fmt.Printf("made in %[1]s, valid for %[2]d days:\n\n"+
		"  ca.pem                             the CA\n"+
		"  adapter.pem, .key                  the adapter's, issued by it\n"+
		"  core.pem, .key                     the core's, issued by it; SHA-256 %[3]s\n"+
		"  security-server.pem, .key          the security server's own, self-signed as real ones are\n\n"+
		"Settings for the adapter:\n\n"+
		"  listen:\n    tls:\n"+
		"      xroad: {cert: %[1]s/adapter.pem, key: %[1]s/adapter.key, pinned: %[1]s/security-server.pem}\n"+
		"      core: {cert: %[1]s/adapter.pem, key: %[1]s/adapter.key}\n"+
		"  xroad:\n    tls: {cert: %[1]s/adapter.pem, key: %[1]s/adapter.key, pinned: %[1]s/security-server.pem}\n"+
		"  core:\n    certificates: [{name: core, sha256: %[3]s, scopes: [orders, events]}]\n\n"+
		"The simulated security server: adapter simulate --tls %[1]s\n", c.Dir, c.Days, ca.core)
	return nil
}

// testCA issues certificates.
type testCA struct {
	now   time.Time
	valid time.Duration
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	core  string // fingerprint of the core's
}

// write makes the files. One that is there already is an error: it may be in use.
func (ca *testCA) write(dir string, hosts []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var err error
	if ca.cert, ca.key, err = ca.issue("Test CA of the adapter", nil, true); err != nil {
		return err
	}
	hosts = append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)
	adapter, adapterKey, err := ca.issue("adapter", hosts, false)
	if err != nil {
		return err
	}
	core, coreKey, err := ca.issue("core", nil, false)
	if err != nil {
		return err
	}
	ca.core = fingerprint(core)
	// Its own issuer, and with a name that is not its address.
	self := &testCA{now: ca.now, valid: ca.valid}
	server, serverKey, err := self.issue("ss1", nil, false)
	if err != nil {
		return err
	}
	return errors.Join(
		writePair(dir, "ca", ca.cert, ca.key), writePair(dir, "adapter", adapter, adapterKey),
		writePair(dir, "core", core, coreKey), writePair(dir, "security-server", server, serverKey))
}

// issue makes a certificate for both sides of TLS; the first of a testCA without one signs itself.
func (ca *testCA) issue(name string, hosts []string, isCA bool) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: ca.now.Add(-time.Hour), NotAfter: ca.now.Add(ca.valid), BasicConstraintsValid: true, IsCA: isCA,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if isCA {
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	parent, signer := ca.cert, ca.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func writePair(dir, name string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(dir, name+".pem"), "CERTIFICATE", cert.Raw),
		writePEM(filepath.Join(dir, name+".key"), "PRIVATE KEY", der))
}

// writePEM never writes over a file.
func writePEM(path, kind string, der []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Close())
}
