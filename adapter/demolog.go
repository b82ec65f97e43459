package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// newSealKey writes a key that signs the seals of the demo's exchange log.
func newSealKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// logged verifies the day's exchange log, and a copy in which one digit of one record is another.
func (d *demo) logged(ctx context.Context) error {
	settings := d.program.settings.Log
	var told bytes.Buffer
	if err := (&logVerify{}).verify(ctx, settings, &told); err != nil {
		return fmt.Errorf("%w: %s", err, &told)
	}
	for line := range strings.Lines(told.String()) {
		if strings.Contains(line, ": whole: ") {
			verdict, _, _ := strings.Cut(line, ", head ")
			d.line("log", verdict)
		}
	}
	if n := d.unanswered(); n > mostUnderWay {
		return fmt.Errorf("%d requests have no answer in the log", n)
	}
	changed, err := os.MkdirTemp("", "adapter-demo-log-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(changed)
	if err := os.CopyFS(changed, os.DirFS(settings.Dir)); err != nil {
		return err
	}
	if err := changeOneAmount(changed); err != nil {
		return err
	}
	told.Reset()
	if err := (&logVerify{Dir: changed}).verify(ctx, settings, &told); !errors.Is(err, errLogWrong) {
		return fmt.Errorf("an amount was changed in the log, and verify says: %v: %s", err, &told)
	}
	for line := range strings.Lines(told.String()) {
		if what, ok := strings.CutPrefix(line, "  changed: "); ok {
			d.line("log", "a copy with one amount changed: "+strings.ReplaceAll(strings.TrimSpace(what), changed+string(filepath.Separator), ""))
			return nil
		}
	}
	return fmt.Errorf("verify does not say what was changed: %s", &told)
}

// mostUnderWay is how many exchanges with EMTA may be under way at a time in the demo: four in the background, and the core's.
const mostUnderWay = 6

// unanswered is how many more requests than answers the log has of EMTA.
func (d *demo) unanswered() int64 {
	var n int64
	for _, f := range d.program.exchanges.Figures() {
		switch {
		case f.Stream.System != systemEMTA:
		case f.Stream.Part == exchangelog.Request:
			n += f.Written
		default:
			n -= f.Written
		}
	}
	return n
}

// changeOneAmount writes 31 euros for 30 in the first request to EMTA that is found.
func changeOneAmount(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, systemEMTA, "*", "*."+string(exchangelog.Request)+".*.ndjson"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if changed := bytes.Replace(text, []byte("<Amount>30"), []byte("<Amount>31"), 1); !bytes.Equal(changed, text) {
			return os.WriteFile(path, changed, 0o600)
		}
	}
	return errors.New("no request to EMTA with an amount is in the log")
}
