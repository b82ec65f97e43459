package exchangelog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Seal ends a segment of a stream. Its line is
//
//	{"seal":{"stream":…,"segment":…,…},"signature":"…"}
//
// where the signature is Ed25519 over the exact bytes of the object that is the member seal, in Base64; "-" where there was no key.
type Seal struct {
	Stream    Stream
	Segment   int   // from 1, one more with each segment of a stream
	Count     int64 // records of the segment, at least 1
	Previous  string
	First     Head // of the segment
	Last      Head
	Time      time.Time
	Recovered bool   // made when the next process, or the same after a failure, found the segment without one
	Key       string // id of the key that signed; empty without
	signed    []byte // what the signature covers
	signature []byte
}

// SealKey signs seals.
type SealKey struct {
	private ed25519.PrivateKey
	id      string
}

// ReadSealKey reads an Ed25519 private key in PEM (PKCS #8), as `openssl genpkey -algorithm ed25519` writes it.
func ReadSealKey(path string) (*SealKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: holds no PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s: holds no Ed25519 private key", path)
	}
	return NewSealKey(key), nil
}

// NewSealKey signs with the key given.
func NewSealKey(key ed25519.PrivateKey) *SealKey {
	return &SealKey{key, keyID(key.Public().(ed25519.PublicKey))}
}

// Public is what verifies the seals.
func (k *SealKey) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// ReadPublicKey reads an Ed25519 public key, or takes it from a private one, in PEM.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: holds no PEM", path)
	}
	if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		if key, ok := parsed.(ed25519.PublicKey); ok {
			return key, nil
		}
	}
	key, err := ReadSealKey(path)
	if err != nil {
		return nil, fmt.Errorf("%s: holds no Ed25519 key", path)
	}
	return key.Public(), nil
}

// keyID tells keys apart: the beginning of the digest of the public key.
func keyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// line is the seal's line with its line break; key may be nil.
func (s *Seal) line(key *SealKey) []byte {
	s.Key = ""
	if key != nil {
		s.Key = key.id
	}
	b := []byte(`{"stream":`)
	b = appendString(b, s.Stream.String())
	b = appendNumber(b, "segment", int64(s.Segment))
	b = appendNumber(b, "count", s.Count)
	b = appendNumber(b, "firstSeq", s.First.Seq)
	b = appendNumber(b, "lastSeq", s.Last.Seq)
	b = appendMember(b, "previous", s.Previous)
	b = appendMember(b, "first", s.First.Hash)
	b = appendMember(b, "last", s.Last.Hash)
	b = appendMember(b, "time", s.Time.In(tallinn).Format(timeFormat))
	b = append(b, `,"recovered":`...)
	b = strconv.AppendBool(b, s.Recovered)
	b = appendMember(b, "key", s.Key)
	b = append(b, '}')
	s.signed, s.signature = b, nil
	signature := empty
	if key != nil {
		s.signature = ed25519.Sign(key.private, b)
		signature = base64.StdEncoding.EncodeToString(s.signature)
	}
	return fmt.Appendf(nil, "%s%s%s%s\"}\n", sealBegin, b, signatureMember, signature)
}

const (
	sealBegin       = `{"seal":`
	signatureMember = `,"signature":"`
)

// isSeal tells a seal's line from a record's.
func isSeal(line []byte) bool { return bytes.HasPrefix(line, []byte(sealBegin)) }

var errSeal = errors.New("not a seal")

// ParseSeal reads a seal's line, without its line break. It checks no signature.
func ParseSeal(line []byte) (*Seal, error) {
	rest, ok := bytes.CutPrefix(line, []byte(sealBegin))
	at := bytes.LastIndex(rest, []byte(signatureMember))
	if !ok || at < 0 || !bytes.HasSuffix(rest, []byte(`"}`)) || len(rest) < at+len(signatureMember)+2 {
		return nil, errSeal
	}
	var wire struct {
		Stream                      string
		Segment                     int
		Count, FirstSeq, LastSeq    int64
		Previous, First, Last, Time string
		Recovered                   bool
		Key                         string
	}
	if err := json.Unmarshal(rest[:at], &wire); err != nil {
		return nil, fmt.Errorf("%w: %w", errSeal, err)
	}
	stream, err := ParseStream(wire.Stream)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSeal, err)
	}
	when, err := time.Parse(timeFormat, wire.Time)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSeal, err)
	}
	s := &Seal{Stream: stream, Segment: wire.Segment, Count: wire.Count, Previous: wire.Previous, First: Head{wire.FirstSeq, wire.First},
		Last: Head{wire.LastSeq, wire.Last}, Time: when, Recovered: wire.Recovered, Key: orNothing(wire.Key), signed: bytes.Clone(rest[:at])}
	if signature := string(rest[at+len(signatureMember) : len(rest)-2]); signature != empty {
		if s.signature, err = base64.StdEncoding.DecodeString(signature); err != nil {
			return nil, fmt.Errorf("%w: signature: %w", errSeal, err)
		}
	}
	return s, nil
}

// Signed reports whether the seal carries a signature, which may be anybody's.
func (s *Seal) Signed() bool { return len(s.signature) > 0 }

// SignedBy reports whether the key made the seal.
func (s *Seal) SignedBy(key ed25519.PublicKey) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, s.signed, s.signature)
}

func orNothing(s string) string {
	if s == empty {
		return ""
	}
	return s
}
