package exchangelog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// sealedReader checks one sealed segment while its lines pass, the seal last: each record's hash follows from the one before, and
// the seal says the same as the records. Zero it is at the segment's beginning.
type sealedReader struct {
	first  []byte   // what the first record's hash covers: what it follows, only the seal tells
	hashes []string // of the records; a segment is bounded, and so is this
	seal   *Seal
	keys   map[string]bool // ids of keys
	work   chain
}

// add takes the next line; it keeps nothing of it.
func (r *sealedReader) add(line []byte) error {
	if r.seal != nil {
		return errors.New("a line follows the seal")
	}
	if isSeal(line) {
		var err error
		r.seal, err = ParseSeal(line)
		return err
	}
	n := len(r.hashes)
	covered, hash, ok := splitHash(line)
	switch {
	case !ok:
		return fmt.Errorf("record %d of it does not end in a hash", n+1)
	case n == 0:
		r.first = append(r.first, covered...)
	case r.work.hash(r.hashes[n-1], covered) != hash:
		return fmt.Errorf("record %d of it was changed, or does not follow the one before", n+1)
	}
	r.hashes = append(r.hashes, hash)
	if id := keyOf(covered); id != "" && !r.keys[id] {
		if r.keys == nil {
			r.keys = map[string]bool{}
		}
		r.keys[id] = true
	}
	return nil
}

// keyMember stands before a record's key. It cannot stand in a value: there its quotes would be escaped.
const keyMember = `,"keyId":"`

// keyOf is the id of the key that a record's body is encrypted with, empty if it is not.
func keyOf(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(keyMember))
	id, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return ""
	}
	return orNothing(string(id))
}

// before is the end of the chain before the segment, as its seal has it.
func (r *sealedReader) before() Head { return Head{r.seal.First.Seq - 1, r.seal.Previous} }

// check says whether the whole is the segment that it should be; with a key, whether that key sealed it.
func (r *sealedReader) check(s Stream, number int, key ed25519.PublicKey) error {
	if err := r.checkSeal(s, number, key); err != nil {
		return err
	}
	if r.work.hash(r.seal.Previous, r.first) != r.hashes[0] {
		return errors.New("its first record was changed, or does not follow what its seal says")
	}
	return nil
}

// checkSeal compares the seal with the records' hashes.
func (r *sealedReader) checkSeal(s Stream, number int, key ed25519.PublicKey) error {
	n := int64(len(r.hashes))
	switch {
	case r.seal == nil:
		return ErrUnsealed
	case r.seal.Stream != s || r.seal.Segment != number:
		return fmt.Errorf("its seal is that of segment %d of %s", r.seal.Segment, r.seal.Stream)
	case key != nil && !r.seal.SignedBy(key):
		return errors.New("its seal is not signed by the key of the seals")
	case n == 0 || r.seal.Count != n || r.seal.Last.Seq-r.seal.First.Seq+1 != n:
		return fmt.Errorf("it has %d records, and its seal says %d, from %d to %d", n, r.seal.Count, r.seal.First.Seq, r.seal.Last.Seq)
	case r.seal.First.Hash != r.hashes[0] || r.seal.Last.Hash != r.hashes[n-1]:
		return errors.New("its first or last record is not the one that was sealed")
	}
	return nil
}

// publicPEM is a public key as OpenSSL reads it.
func publicPEM(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func parsePublicKey(text []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key of the seals is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := key.(ed25519.PublicKey)
	if err != nil || !ok {
		return nil, errors.New("the key of the seals is not Ed25519")
	}
	return public, nil
}
