package exchangelog

import (
	"fmt"
	"strings"
)

// Part says whether a message is a request or a response.
type Part string

// The two parts.
const (
	Request  Part = "request"
	Response Part = "response"
)

// Stream is one chain of records: of one system, one replica, requests or responses. It can be a map's key.
type Stream struct {
	System  string // emta, paasuke, core: lower-case letters, digits, hyphens
	Replica string // who wrote it; letters, digits, dots, hyphens, underscores
	Part    Part
}

// String is system/replica/part, as seals, sidecars and reports name a stream.
func (s Stream) String() string { return s.System + "/" + s.Replica + "/" + string(s.Part) }

// ParseStream reads what String writes.
func ParseStream(text string) (Stream, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return Stream{}, fmt.Errorf("stream %q: must be system/replica/part", text)
	}
	s := Stream{parts[0], parts[1], Part(parts[2])}
	return s, s.check()
}

func (s Stream) check() error {
	switch {
	case !systemName(s.System):
		return fmt.Errorf("system %q: must be of lower-case letters, digits and hyphens, at most %d", s.System, maxName)
	case !replicaName(s.Replica):
		return fmt.Errorf("replica %q: must be of letters, digits, dots, hyphens and underscores, at most %d", s.Replica, maxName)
	case s.Part != Request && s.Part != Response:
		return fmt.Errorf("part %q: must be request or response", s.Part)
	}
	return nil
}

// maxName bounds the names that stand in file names: a host name has at most 63 characters a label.
const maxName = 64

func systemName(s string) bool {
	return nameOf(s, func(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' })
}

func replicaName(s string) bool {
	return nameOf(s, func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
	})
}

// nameOf does not let a name begin with a dot or a hyphen: it would be hidden, or read as an option.
func nameOf(s string, allowed func(byte) bool) bool {
	if s == "" || len(s) > maxName || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

// ReplicaName makes a replica's name of a host's: what a stream's name may not hold becomes a hyphen.
func ReplicaName(host string) string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && replicaName("x"+string(r)) {
			return r
		}
		return '-'
	}, host[:min(len(host), maxName)])
	name = strings.TrimLeft(name, ".-")
	if name == "" {
		return "adapter"
	}
	return name
}
