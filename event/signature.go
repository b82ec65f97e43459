package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// secretPrefix marks a signing secret (Standard Webhooks, "Signature scheme").
const secretPrefix = "whsec_"

// Length of a signing key, as Standard Webhooks has it.
const (
	minKey = 24
	maxKey = 64
)

// parseSecret returns the key of a secret; no error repeats it.
func parseSecret(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return nil, errors.New("webhook secret: must begin with whsec_")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("webhook secret: must be Base64 after whsec_")
	}
	if len(key) < minKey || len(key) > maxKey {
		return nil, fmt.Errorf("webhook secret: must have %d to %d bytes, has %d", minKey, maxKey, len(key))
	}
	return key, nil
}

// sign is the webhook-signature field: HMAC-SHA256 over id, timestamp and body.
func sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
