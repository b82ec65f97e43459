package main

import (
	"context"
	"log/slog"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// logKeys reads the keys of the exchange log as the program does.
func (d *doctor) logKeys(_ context.Context, found *diagnosis) {
	s := d.settings.Log
	told := func(key, advice string, err error) {
		if err != nil {
			found.fail("key "+key, advice, "%v", err)
			return
		}
		found.ok("key "+key, "can be read")
	}
	if s.SealKey != "" {
		_, err := exchangelog.ReadSealKey(s.SealKey)
		told("log.sealKey", "make one with `openssl genpkey -algorithm ed25519 -out seal.key`, readable by the adapter's user", err)
	} else {
		found.warn("key log.sealKey", "make one with `openssl genpkey -algorithm ed25519 -out seal.key` and set log.sealKey", "is not set: seals of the exchange log are not signed")
	}
	if s.MasterKey != "" {
		_, err := exchangelog.OpenKeys(s.Dir, s.MasterKey)
		told("log.masterKey", "make one with `openssl rand -base64 32`, one a line, readable by the adapter's user", err)
	}
	if s.SigningKey != "" {
		_, err := d.settings.exporter(d.now, slog.New(slog.DiscardHandler))
		told("log.signingKey", "give an RSA key of PEM form and the certificate made from it, readable by the adapter's user", err)
	}
}
