package simulator

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzReadMessage: whatever is read is written and read again as the same
// message, and as an answer it can be given a requestHash.
func FuzzReadMessage(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(samples) == 0 {
		f.Fatal("no samples", err)
	}
	for _, name := range samples {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, refusal := readMessage(raw)
		if refusal != nil {
			if refusal.Code == "" || refusal.Text == "" {
				t.Fatalf("a refusal without words for %q", raw)
			}
			return
		}
		if m.fault {
			return
		}
		out := rewrite(m, raw)
		again, refusal := readMessage(out)
		if refusal != nil {
			t.Fatalf("%v\nread %q\nwritten %q", refusal, raw, out)
		}
		if field := m.differs(again); field != "" || again.fields["requestHash"] != hashOf(raw) {
			t.Fatalf("%s differs\nread %q\nwritten %q", field, raw, out)
		}
	})
}

func FuzzDecodeEvent(f *testing.F) {
	raw, err := os.ReadFile("testdata/order-completed.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decodeEvent(raw)
		if err == nil && (e.ID == "" || e.Type == "" || e.Source == "") {
			t.Fatalf("an event without what it must have, from %q", raw)
		}
	})
}

func FuzzDecodeMischief(f *testing.F) {
	f.Add(mischiefExample)
	f.Add(`{"Operation": "cpgOrderGet", "DelayBefore": "1m30s", "WrongAmount": "2.50", "Refuse": 404}`)
	f.Fuzz(func(t *testing.T, raw string) {
		operation, m, err := decodeMischief(strings.NewReader(raw))
		if err != nil && (operation != "" || !reflect.DeepEqual(m, Mischief{})) {
			t.Fatalf("half of %q was read", raw)
		}
	})
}
