package exchangelog

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// capture sees a body pass: it keeps the beginning, and counts and digests the whole. One goroutine at a time uses it.
type capture struct {
	limit int64
	kept  []byte // all that passed; nil where it is longer than is kept
	size  int64
	sum   hash.Hash
	whole bool // the end was seen
}

func newCapture(limit int64) *capture { return &capture{limit: limit, sum: sha256.New()} }

func (c *capture) write(p []byte) {
	c.size += int64(len(p))
	c.sum.Write(p)
	if c.size <= c.limit {
		c.kept = append(c.kept, p...)
	} else {
		c.kept = nil
	}
}

// digest is of the whole body; empty where not all of it passed.
func (c *capture) digest() string {
	if !c.whole || c.size == 0 {
		return ""
	}
	return hex.EncodeToString(c.sum.Sum(nil))
}
