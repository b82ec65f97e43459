package exchangelog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"
)

// PLACEHOLDER of the package's own chain.

var tallinn, _ = time.LoadLocation("Europe/Tallinn")

const maxLine = 64 << 20

func nextHead(h Head, line []byte) (Head, error) {
	i := bytes.LastIndex(line, []byte(`,"hash":"`))
	if i < 0 {
		return h, fmt.Errorf("record %d: no hash", h.Seq+1)
	}
	sum := sha256.New()
	sum.Write([]byte(h.Hash))
	sum.Write(line[:i])
	got := hex.EncodeToString(sum.Sum(nil))
	if string(line[i:]) != `,"hash":"`+got+`"}` {
		return h, fmt.Errorf("record %d: its hash does not follow", h.Seq+1)
	}
	return Head{h.Seq + 1, got}, nil
}

type tmpSeal struct {
	Body      string
	Signature []byte
}

func checkSeal(text, key []byte, system string, s SourceSegment, last Head) error {
	var seal tmpSeal
	if err := json.Unmarshal(text, &seal); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	block, _ := pem.Decode(key)
	if block == nil {
		return fmt.Errorf("seal key")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%s %s %s %d %d %s", system, s.Replica, s.Part, s.Number, last.Seq, last.Hash); seal.Body != want {
		return fmt.Errorf("seal is about something else")
	}
	if !ed25519.Verify(public.(ed25519.PublicKey), []byte(seal.Body), seal.Signature) {
		return fmt.Errorf("seal is forged")
	}
	return nil
}
