package event

import (
	"encoding/base64"
	"strconv"
)

// cursor is a position in the feed as the core sees it: a word to hand back, not a number to count with.
func cursor(seq int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, seq, 10))
}

// parseCursor reads what cursor wrote, and nothing else; "" is the beginning.
func parseCursor(s string) (seq int64, ok bool) {
	if s == "" {
		return 0, true
	}
	decoded, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, false
	}
	seq, err = strconv.ParseInt(string(decoded), 10, 64)
	return seq, err == nil && seq >= 0 && cursor(seq) == s
}
