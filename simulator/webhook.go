package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// signatureTolerance is how far a webhook's time may be from ours, as Standard
// Webhooks advises, against replay.
const signatureTolerance = 5 * time.Minute

// webhookKey is the key of a secret "whsec_" and Base64.
func webhookKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		return nil, errors.New("webhook secret: must begin with whsec_")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("webhook secret: must be Base64 after whsec_")
	}
	return key, nil
}

// checkSignature checks a webhook by the Standard Webhooks convention: one of
// the signatures v1 is the HMAC-SHA256 of id, timestamp and body.
func checkSignature(key []byte, header http.Header, body []byte, now time.Time) error {
	id, written := header.Get("webhook-id"), header.Get("webhook-timestamp")
	if id == "" {
		return errors.New("webhook-id is missing")
	}
	seconds, err := strconv.ParseInt(written, 10, 64)
	if err != nil {
		return errors.New("webhook-timestamp must be seconds since 1970")
	}
	if now.Sub(time.Unix(seconds, 0)).Abs() > signatureTolerance {
		return errors.New("webhook-timestamp is too far from now")
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, written, body) // a hash never fails to write
	want := mac.Sum(nil)
	for _, signature := range strings.Fields(header.Get("webhook-signature")) {
		encoded, ok := strings.CutPrefix(signature, "v1,")
		got, err := base64.StdEncoding.DecodeString(encoded)
		if ok && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return errors.New("webhook-signature does not fit")
}
