package exchangelog

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var signedAt = time.Date(2026, 11, 3, 2, 0, 0, 0, time.UTC)

// signers are made once: an RSA key takes a while.
var signers = sync.OnceValues(func() (*Signer, *Signer) { return newSigner("one"), newSigner("two") })

func testSigner() *Signer    { s, _ := signers(); return s }
func anotherSigner() *Signer { _, s := signers(); return s }

func newSigner(name string) *Signer {
	key := must(rsa.GenerateKey(rand.Reader, minSigningKeyBits))
	return must(NewSigner(pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))), certificate(name, key, &key.PublicKey)))
}

func certificate(name string, key, public any) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: signedAt.AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0)}
	return pemOf("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, public, key)))
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func trust(signers ...*Signer) (certs []*x509.Certificate) {
	for _, s := range signers {
		certs = append(certs, s.cert)
	}
	return certs
}

// tool finds a program that a test needs. Without it the test is skipped, and fails with ADAPTER_TEST_TOOLS=required.
func tool(t testing.TB, name, packages string) string {
	t.Helper()
	found, err := exec.LookPath(name)
	if err == nil {
		return found
	}
	if os.Getenv("ADAPTER_TEST_TOOLS") == "required" {
		require.NoError(t, err, "ADAPTER_TEST_TOOLS=required; needed: %s", packages)
	}
	t.Skipf("NOT TESTED: %s is not installed (package %s)", name, packages)
	return ""
}

func testManifest() Manifest {
	hash := func(c string) string { return strings.Repeat(c, 64) }
	file := func(kind, name string) ArchiveFile { return describe(kind, name, []byte(name)) }
	return Manifest{System: "emta", Month: Month{2026, time.October}, Created: signedAt, CreatedBy: `õ <"&'> admin`, Tool: "adapter 1.0",
		Files: []ArchiveFile{file(kindSealKey, "seal-key.pem")},
		Chapters: []Chapter{{Replica: "a", Part: "request", Before: Head{7, hash("1")}, Last: Head{11, hash("3")}, Segments: []ArchivedSegment{
			{Number: 3, Before: Head{7, hash("1")}, Last: Head{9, hash("2")}, Files: []ArchiveFile{file(kindLines, "a/request-3.ndjson.gz")}},
			{Number: 4, Before: Head{9, hash("2")}, Last: Head{11, hash("3")}, Files: []ArchiveFile{file(kindLines, "a/request-4.ndjson.gz")}},
		}}}}
}

func TestManifestRoundTrip(t *testing.T) {
	text, err := testManifest().Sign(testSigner())
	require.NoError(t, err)
	again, err := testManifest().Sign(testSigner())
	require.NoError(t, err)
	require.Equal(t, string(text), string(again), "the same content gives the same bytes")

	got, err := ReadManifest(text, trust(anotherSigner(), testSigner()))
	require.NoError(t, err)
	require.Equal(t, testManifest(), got)
}

// TestManifestXMLSec is the requirement's own words: xmlsec1 needs no more than the certificate.
func TestManifestXMLSec(t *testing.T) {
	xmlsec := tool(t, "xmlsec1", "xmlsec1")
	dir := t.TempDir()
	cert, other := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "other.pem")
	require.NoError(t, os.WriteFile(cert, testSigner().CertificatePEM(), 0o600))
	require.NoError(t, os.WriteFile(other, anotherSigner().CertificatePEM(), 0o600))
	verify := func(text []byte, cert string) error {
		name := filepath.Join(dir, "manifest.xml")
		require.NoError(t, os.WriteFile(name, text, 0o600))
		out, err := exec.Command(xmlsec, "--verify", "--trusted-pem", cert, name).CombinedOutput()
		if err == nil {
			require.Contains(t, string(out), "OK")
		}
		return err
	}
	text, err := testManifest().Sign(testSigner())
	require.NoError(t, err)
	require.NoError(t, verify(text, cert))
	require.Error(t, verify(text, other))
	for _, change := range []struct{ old, new string }{{"<system>emta", "<system>emtb"}, {`count="4"`, `count="5"`}, {"  <stream", " <stream"}} {
		changed := bytes.Replace(text, []byte(change.old), []byte(change.new), 1)
		require.NotEqual(t, text, changed)
		require.Error(t, verify(changed, cert), "%v", change)
	}
}

// Of a signed manifest no byte can be changed without being noticed, but for bytes that mean nothing: those of the
// certificate beside the signature, whose key would then be another, and blanks outside of what is signed.
func TestManifestChangedByte(t *testing.T) {
	text, err := testManifest().Sign(testSigner())
	require.NoError(t, err)
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		m, err := ReadManifest(changed, trust(testSigner()))
		if err == nil {
			require.Equal(t, testManifest(), m, "byte %d, %q", i, changed[max(0, i-20):min(len(text), i+20)])
			require.True(t, i < len(`<?xml version="1.0" encoding="UTF-8"?>`)+1 || i > bytes.Index(text, []byte("<ds:SignatureValue")), "byte %d", i)
		}
	}
}

// What a partner of the archive's keeper might try.
func TestManifestForged(t *testing.T) {
	signer := testSigner()
	signed := string(must(testManifest().Sign(signer)))
	body, rest, _ := strings.Cut(signed, "<ds:Signature ")
	signature := "<ds:Signature " + strings.TrimSuffix(strings.TrimSpace(rest), "</manifest>")
	evil := strings.Replace(body, "<system>emta", "<system>evil", 1)
	expired := testManifest()
	expired.Created = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, text := range map[string]string{
		"another key":         string(must(testManifest().Sign(anotherSigner()))),
		"not signed":          body + "</manifest>",
		"signature first":     strings.Replace(signed, "<system>", signature+"<system>", 1),
		"signature elsewhere": evil + "<x>" + body[strings.Index(body, "<manifest"):] + signature + "</manifest></x></manifest>",
		"content wrapped":     evil + "<ds:Object xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">" + body[strings.Index(body, "<manifest"):] + "</manifest></ds:Object>" + signature + "</manifest>",
		"two signatures":      body + signature + signature + "</manifest>",
		"changed":             evil + signature + "</manifest>",
		"child added":         body + "<file/>" + signature + "</manifest>",
		"comment in a value":  strings.Replace(signed, "<system>emta", "<system>em<!-- -->ta", 1),
		"doctype":             strings.Replace(signed, "<manifest ", "<!DOCTYPE manifest [<!ENTITY x \"y\">]>\n<manifest ", 1),
		"instruction":         strings.Replace(signed, "<system>", "<?x y?><system>", 1),
		"two roots":           signed + "<x/>",
		"text after it":       signed + "x",
		"weak digest":         strings.Replace(signed, "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1", 1),
		"weak signature":      strings.Replace(signed, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1", 1),
		"reference to an id":  strings.Replace(signed, `URI=""`, `URI="#x"`, 1),
		"deep":                strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100),
		"empty":               "",
		"nothing":             "<manifest/>",
	} {
		_, err := ReadManifest([]byte(text), trust(signer))
		require.Error(t, err, name)
	}
	_, err := expired.Sign(signer)
	require.ErrorContains(t, err, "not valid on 2020-01-01")
	_, err = ReadManifest([]byte(signed), nil)
	require.ErrorIs(t, err, errSignature)
}

// A signature does not make sense of nonsense: what the key's owner was made to sign is checked as well.
func TestManifestNonsense(t *testing.T) {
	for name, spoil := range map[string]func(*Manifest){
		"file outside":         func(m *Manifest) { m.Files[0].Name = "../x" },
		"absolute file":        func(m *Manifest) { m.Files[0].Name = "/etc/passwd" },
		"hidden file":          func(m *Manifest) { m.Files[0].Name = ".x" },
		"deep file":            func(m *Manifest) { m.Files[0].Name = "a/b/c" },
		"the manifest itself":  func(m *Manifest) { m.Files[0].Name = manifestName },
		"a file twice":         func(m *Manifest) { m.Files[0].Name = m.Chapters[0].Segments[0].Files[0].Name },
		"negative size":        func(m *Manifest) { m.Files[0].Size = -1 },
		"no hash":              func(m *Manifest) { m.Files[0].SHA256 = "" },
		"a stream twice":       func(m *Manifest) { m.Chapters = append(m.Chapters, m.Chapters[0]) },
		"an unknown part":      func(m *Manifest) { m.Chapters[0].Part = "both" },
		"a gap":                func(m *Manifest) { m.Chapters[0].Segments[1].Before.Seq++ },
		"another predecessor":  func(m *Manifest) { m.Chapters[0].Segments[1].Before.Hash = strings.Repeat("f", 64) },
		"an empty segment":     func(m *Manifest) { m.Chapters[0].Segments[1].Last = m.Chapters[0].Segments[1].Before },
		"another end":          func(m *Manifest) { m.Chapters[0].Last.Seq++ },
		"nobody":               func(m *Manifest) { m.CreatedBy = "" },
		"a line break":         func(m *Manifest) { m.CreatedBy = "a\nb" },
		"a system that climbs": func(m *Manifest) { m.System = "../emta" },
	} {
		m := testManifest()
		spoil(&m)
		_, err := m.Sign(testSigner())
		require.ErrorIs(t, err, ErrManifest, name)
	}
}

func TestSignerRefuses(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, minSigningKeyBits))
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	curve := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	pkcs8 := func(key any) []byte { return pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }
	own := certificate("a", key, &key.PublicKey)
	_, err := NewSigner(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), own)
	require.NoError(t, err)
	for _, bad := range []struct {
		key, cert []byte
		want      string
	}{
		{nil, own, "not PEM"},
		{pkcs8(curve), own, "must be RSA"},
		{pemOf("PRIVATE KEY", []byte("x")), own, "must be RSA"},
		{pkcs8(small), own, "1024 bits"},
		{pkcs8(key), testSigner().CertificatePEM(), "not the signing key's"},
		{pkcs8(key), certificate("a", curve, &curve.PublicKey), "not the signing key's"},
		{pkcs8(key), nil, "no PEM certificate"},
		{pkcs8(key), pemOf("CERTIFICATE", []byte("x")), "certificate 1"},
	} {
		_, err := NewSigner(bad.key, bad.cert)
		require.ErrorContains(t, err, bad.want)
	}
}

func FuzzReadManifest(f *testing.F) {
	signed := must(testManifest().Sign(testSigner()))
	f.Add(signed)
	f.Add(bytes.Replace(signed, []byte("<system>"), []byte("<a/><system>"), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ReadManifest(text, trust(testSigner()))
		if err == nil {
			require.Equal(t, testManifest(), m, "nobody signed anything else")
		}
	})
}
