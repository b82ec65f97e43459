package exchangelog

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// minSigningKeyBits is what is held to be safe until 2030 at least (ENISA, NIST SP 800-57).
const minSigningKeyBits = 2048

// maxManifest bounds a manifest before it is parsed: some 500 bytes for each file of a month, of which a busy system has thousands.
const maxManifest = 16 << 20

// maxManifestDepth is more than twice what a manifest with its signature has.
const maxManifestDepth = 16

// Signer signs manifests as logging.md §1 wants it: RSA-SHA256, enveloped, exclusive C14N. It is safe for concurrent use.
type Signer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// NewSigner reads a private RSA key (PKCS #8 or PKCS #1) and its certificate, both PEM. Of several certificates the first is
// the key's; the others are former ones, which only verification needs. An error says nothing of the key.
func NewSigner(keyPEM, certPEM []byte) (*Signer, error) {
	key, err := rsaKey(keyPEM)
	if err != nil {
		return nil, err
	}
	certs, err := ParseCertificates(certPEM)
	if err != nil {
		return nil, err
	}
	if public, ok := certs[0].PublicKey.(*rsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return nil, errors.New("the first certificate is not the signing key's")
	}
	return &Signer{key, certs[0]}, nil
}

func rsaKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the signing key is not PEM")
	}
	var parsed any
	var err error
	if block.Type == "RSA PRIVATE KEY" {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("the signing key must be RSA, unencrypted, PKCS #8 or PKCS #1")
	}
	if bits := key.N.BitLen(); bits < minSigningKeyBits {
		return nil, fmt.Errorf("the signing key has %d bits, must have %d or more", bits, minSigningKeyBits)
	}
	return key, nil
}

// ParseCertificates reads the certificates of a PEM text, at least one. What else stands in it is passed over.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("there is no PEM certificate")
	}
	return certs, nil
}

// CertificatePEM is the certificate of the key.
func (s *Signer) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw})
}

// sign returns the document with its signature as the root's last child. The time is when it is signed: a certificate that is
// not valid then is refused.
func (s *Signer) sign(text []byte, at time.Time) ([]byte, error) {
	if err := validAt(s.cert, at); err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, err
	}
	c, err := dsig.NewSigningContext(s.key, [][]byte{s.cert.Raw})
	if err != nil {
		return nil, err
	}
	c.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := c.SetSignatureMethod(dsig.RSASHA256SignatureMethod); err != nil {
		return nil, err
	}
	signed, err := c.SignEnveloped(doc.Root())
	if err != nil {
		return nil, err
	}
	doc.SetRoot(signed)
	return doc.WriteToBytes()
}

func validAt(cert *x509.Certificate, at time.Time) error {
	if at.Before(cert.NotBefore) || at.After(cert.NotAfter) {
		return fmt.Errorf("the signing certificate is not valid on %s", at.Format(time.DateOnly))
	}
	return nil
}

// errSignature is a document whose signature is not one of ours; it says no more than that, for nothing in it can be believed.
var errSignature = errors.New("the signature is not right: the document was changed after it was signed, or was signed by another key")

// validated returns the root of a signed document without its signature, and the trusted certificate whose key signed it.
// Only what is returned may be used. Certificates are taken as valid whatever the time: the caller, who knows when the document
// was signed, asks validAt.
func validated(text []byte, trusted []*x509.Certificate) (*etree.Element, *x509.Certificate, error) {
	if err := checkXML(text); err != nil {
		return nil, nil, err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, nil, fmt.Errorf("not XML: %w", err)
	}
	if err := checkSignatureForm(doc.Root()); err != nil {
		return nil, nil, err
	}
	for _, cert := range trusted {
		c := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
		c.Clock = dsig.NewFakeClockAt(cert.NotBefore)
		if root, err := c.Validate(doc.Root()); err == nil {
			return root, cert, nil
		}
	}
	return nil, nil, errSignature
}

// checkXML is a strict pass over bytes that nobody vouches for yet: a document without DTD, processing instructions and comments.
func checkXML(text []byte) error {
	if len(text) > maxManifest {
		return fmt.Errorf("the document has %d bytes, more than %d", len(text), maxManifest)
	}
	decoder := xml.NewDecoder(bytes.NewReader(text))
	depth, roots := 0, 0
	for {
		begin := decoder.InputOffset()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			if roots != 1 {
				return errors.New("not XML: there must be one root element")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("not XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxManifestDepth {
				return errors.New("elements are nested too deep")
			}
			if depth == 1 {
				roots++
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("not XML: there is text outside the root element")
			}
		case xml.ProcInst:
			if begin != 0 || t.Target != "xml" {
				return errors.New("processing instructions are not allowed")
			}
		default:
			return errors.New("a DTD and comments are not allowed")
		}
	}
}

// step is what an element of a signature must be: its name, its one attribute that counts, and its children.
type step struct {
	tag, attribute, value string
	children              []step
}

// signedInfo is the only form of signature that is accepted (logging.md §1).
var signedInfo = step{tag: "SignedInfo", children: []step{
	{tag: "CanonicalizationMethod", attribute: "Algorithm", value: string(dsig.CanonicalXML10ExclusiveAlgorithmId)},
	{tag: "SignatureMethod", attribute: "Algorithm", value: dsig.RSASHA256SignatureMethod},
	{tag: "Reference", attribute: "URI", value: "", children: []step{
		{tag: "Transforms", children: []step{
			{tag: "Transform", attribute: "Algorithm", value: string(dsig.EnvelopedSignatureAltorithmId)},
			{tag: "Transform", attribute: "Algorithm", value: string(dsig.CanonicalXML10ExclusiveAlgorithmId)},
		}},
		{tag: "DigestMethod", attribute: "Algorithm", value: "http://www.w3.org/2001/04/xmlenc#sha256"},
		{tag: "DigestValue"},
	}},
}}

// checkSignatureForm refuses all but one signature, the root's last element, that covers the whole document. Libraries
// accept more; whoever may choose transforms or references may choose what is signed.
func checkSignatureForm(root *etree.Element) error {
	children := root.ChildElements()
	if len(children) == 0 || len(root.FindElements("//Signature")) != 1 {
		return errors.New("the document must have one signature")
	}
	signature := children[len(children)-1]
	if signature.Tag != "Signature" || signature.NamespaceURI() != dsig.Namespace {
		return errors.New("the signature must be the root's last element")
	}
	tags := func(e *etree.Element) (list []string) {
		for _, c := range e.ChildElements() {
			list = append(list, c.Tag)
		}
		return list
	}
	if !slices.Equal(tags(signature), []string{"SignedInfo", "SignatureValue", "KeyInfo"}) {
		return errors.New("the signature must consist of SignedInfo, SignatureValue and KeyInfo")
	}
	return signedInfo.check(signature.ChildElements()[0])
}

func (s step) check(e *etree.Element) error {
	wrong := func() error { return fmt.Errorf("the signature's %s is not the one that is used here", s.tag) }
	if e.Tag != s.tag || e.NamespaceURI() != dsig.Namespace || (s.attribute != "" && e.SelectAttrValue(s.attribute, "?") != s.value) {
		return wrong()
	}
	children := e.ChildElements()
	if len(children) != len(s.children) {
		return wrong()
	}
	for i, c := range s.children {
		if err := c.check(children[i]); err != nil {
			return err
		}
	}
	return nil
}
