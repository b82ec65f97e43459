package openapitest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// The public definition of what Pääsuke calls, 1.0.0, byte for byte, and where we do not follow it.
//
//go:embed public/paasuke-1.0.0.json
var publicPaasuke []byte

//go:embed public/paasuke-1.0.0-patches.json
var publicPatches []byte

// patch is one change to a description, with its reason. Values are set by JSON pointer (RFC 6901); a nil
// value removes.
type patch struct {
	Reason string
	Set    map[string]json.RawMessage
	Remove []string
}

// PublicPaasuke returns a Checker for the public definition 1.0.0 with the committed patches, for a server that has its paths
// below base.
func PublicPaasuke(t testing.TB, base string) *Checker {
	t.Helper()
	var patches []patch
	if err := json.Unmarshal(publicPatches, &patches); err != nil {
		t.Fatalf("the patches cannot be read: %v", err)
	}
	var doc any
	if err := json.Unmarshal(publicPaasuke, &doc); err != nil {
		t.Fatalf("the definition cannot be read: %v", err)
	}
	for _, p := range patches {
		if err := p.apply(doc); err != nil {
			t.Fatalf("patch %q: %v", p.Reason, err)
		}
	}
	patched, err := json.Marshal(doc)
	if err != nil {
		t.Fatalf("the patched definition cannot be written: %v", err)
	}
	return NewAt(t, base, patched)
}

// apply refuses a patch that would change nothing, so that none outlives its reason.
func (p patch) apply(doc any) error {
	if p.Reason == "" {
		return fmt.Errorf("has no reason")
	}
	for pointer, value := range p.Set {
		members, name, err := at(doc, pointer)
		if err != nil {
			return err
		}
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		members[name] = v
	}
	for _, pointer := range p.Remove {
		members, name, err := at(doc, pointer)
		if err != nil {
			return err
		}
		if _, ok := members[name]; !ok {
			return fmt.Errorf("%s is not there", pointer)
		}
		delete(members, name)
	}
	return nil
}

// at is the object that holds what the pointer names, and the member's name.
func at(doc any, pointer string) (map[string]any, string, error) {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch within := doc.(type) {
		case map[string]any:
			if i == len(parts)-1 {
				return within, parts[i], nil
			}
			doc = within[parts[i]]
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(within) {
				return nil, "", fmt.Errorf("%s leads nowhere", pointer)
			}
			doc = within[n]
		}
	}
	return nil, "", fmt.Errorf("%s leads nowhere", pointer)
}
