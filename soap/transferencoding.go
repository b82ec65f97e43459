package soap

import (
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
)

// errBase64 is content that is not what its Content-Transfer-Encoding says.
var errBase64 = errors.New("not base64")

// isIdentity reports whether content in that encoding stands as it is. No field at all means 7bit.
func isIdentity(encoding string) bool {
	switch strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary":
		return true
	}
	return false
}

// decoded undoes a transfer encoding (§3.4); ok is false for one that we do not know.
func decoded(content io.Reader, encoding string) (r io.Reader, ok bool) {
	switch {
	case isIdentity(encoding):
		return content, true
	case strings.EqualFold(encoding, "base64"):
		return &base64Reader{encoded: content}, true
	case strings.EqualFold(encoding, "quoted-printable"):
		return quotedprintable.NewReader(content), true
	}
	return nil, false
}

// base64Reader decodes base64 with white space anywhere. Unlike encoding/base64's stream it refuses data
// after the padding wherever its buffer happens to end, so that no two readers see different bytes.
type base64Reader struct {
	encoded io.Reader
	in      [4 << 10]byte
	held    int // bytes at the start of in that wait for the rest of their group of four
	out     []byte
	buffer  [3 << 10]byte
	padded  bool
	err     error
}

func (r *base64Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

func (r *base64Reader) fill() {
	n, err := r.encoded.Read(r.in[r.held:])
	length := r.held
	for _, c := range r.in[r.held : r.held+n] {
		if c != '\r' && c != '\n' && c != ' ' && c != '\t' {
			r.in[length] = c
			length++
		}
	}
	whole := length / 4 * 4
	if r.padded && length > 0 {
		r.err = errBase64
		return
	}
	if whole > 0 {
		size, corrupt := base64.StdEncoding.Decode(r.buffer[:], r.in[:whole])
		if corrupt != nil {
			r.err = errBase64
			return
		}
		r.out, r.padded = r.buffer[:size], r.in[whole-1] == '='
	}
	r.held = copy(r.in[:], r.in[whole:length])
	switch {
	case err == nil:
	case err == io.EOF && r.held > 0:
		r.err = errBase64
	default:
		r.err = err
	}
}
