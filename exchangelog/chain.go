package exchangelog

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Head is the end of a chain: the number and the hash of its last record. The Head before the first record is NoHead.
type Head struct {
	Seq  int64
	Hash string // 64 lower-case hex digits
}

// NoHead is the head of a stream without records.
func NoHead() Head { return Head{Hash: strings.Repeat("0", hashLength)} }

const hashLength = 2 * sha256.Size

// hashMember stands between what a hash covers and the hash.
const hashMember = `,"hash":"`

// lineEnd is how a record's line ends, the line break included.
const lineEnd = "\"}\n"

// chain computes the hashes of a stream; zero it continues nothing.
type chain struct {
	head Head
	work []byte // previous hash and line, as they are hashed
}

// append writes the draft as the next line of the chain, its line break included.
func (c *chain) append(b []byte, d *draft) []byte {
	begin := len(b)
	b = append(b, d.text[:d.seqAt]...)
	b = strconv.AppendInt(b, c.head.Seq+1, 10)
	b = append(b, d.text[d.seqAt:]...)
	c.head = Head{c.head.Seq + 1, c.hash(c.head.Hash, b[begin:])}
	b = append(b, hashMember...)
	b = append(b, c.head.Hash...)
	return append(b, lineEnd...)
}

// hash is that of a line, given without its member hash, after the record with the previous hash.
func (c *chain) hash(previous string, line []byte) string {
	c.work = append(append(c.work[:0], previous...), line...)
	sum := sha256.Sum256(c.work)
	return hex.EncodeToString(sum[:])
}

// splitHash takes a line, without its line break, apart into what the hash covers and the hash; ok is false if it does not end in one.
func splitHash(line []byte) (covered []byte, hash string, ok bool) {
	at := len(line) - len(hashMember) - hashLength - len(`"}`)
	if at < 0 || string(line[at:at+len(hashMember)]) != hashMember || string(line[len(line)-2:]) != `"}` {
		return nil, "", false
	}
	hash = string(line[at+len(hashMember) : len(line)-2])
	return line[:at], hash, isHash(hash)
}

func isHash(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == hashLength
}

// follows reports whether a line, with the head that it says it has, comes right after the record with the last head.
func (c *chain) follows(last, head Head, line []byte) bool {
	covered, _, ok := splitHash(line)
	return ok && head.Seq == last.Seq+1 && c.hash(last.Hash, covered) == head.Hash
}

// Prefix is the first 13 hex digits of the hash as a number, which a float64 holds exactly: for metrics.
func (h Head) Prefix() int64 {
	if len(h.Hash) < 13 {
		return 0
	}
	n, _ := strconv.ParseInt(h.Hash[:13], 16, 64) // a hash is hexadecimal
	return n
}
