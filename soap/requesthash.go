package soap

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"unicode"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// HashPolicy says what a wrong or missing requestHash of an answer does.
type HashPolicy string

const (
	ReportHash HashPolicy = "report" // logged and counted, the answer is used; the default
	RefuseHash HashPolicy = "refuse" // the answer is an error
)

// What SenderOptions.HashProblems is told.
const (
	HashMissing   = "missing"
	HashWrong     = "wrong"
	HashAlgorithm = "algorithm" // one that we do not know
)

// hashProblem compares an answer's requestHash with the bytes that were sent (§2.3); "" when they fit.
func hashProblem(h *xroadhdr.RequestHash, sent []byte) string {
	if h == nil {
		return HashMissing
	}
	var sum []byte
	switch h.AlgorithmID {
	case "http://www.w3.org/2001/04/xmlenc#sha512":
		s := sha512.Sum512(sent)
		sum = s[:]
	case "http://www.w3.org/2001/04/xmldsig-more#sha384":
		s := sha512.Sum384(sent)
		sum = s[:]
	case "http://www.w3.org/2001/04/xmlenc#sha256":
		s := sha256.Sum256(sent)
		sum = s[:]
	default:
		return HashAlgorithm
	}
	value := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, h.Value)
	if value != base64.StdEncoding.EncodeToString(sum) {
		return HashWrong
	}
	return ""
}
