package openapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"ametlikudteadaanded.ee/adapter/openapi"
)

var update = flag.Bool("update", false, "rewrite the descriptions in JSON from those in YAML")

func TestCoreJSONIsCoreYAML(t *testing.T) {
	requireTwins(t, openapi.Core(), openapi.CoreJSON(), "core.json")
}

func TestPaasukeJSONIsPaasukeYAML(t *testing.T) {
	requireTwins(t, openapi.Paasuke(), openapi.PaasukeJSON(), "paasuke.json")
}

// requireTwins compares a description with its twin in JSON, or rewrites that.
func requireTwins(t *testing.T, inYAML, inJSON []byte, file string) {
	t.Helper()
	var root yaml.Node
	require.NoError(t, yaml.Unmarshal(inYAML, &root))
	var plain bytes.Buffer
	writeJSON(t, &plain, root.Content[0])
	var want bytes.Buffer
	require.NoError(t, json.Indent(&want, plain.Bytes(), "", " "))
	want.WriteByte('\n')
	if *update {
		require.NoError(t, os.WriteFile(file, want.Bytes(), 0o644))
		return
	}
	require.Equal(t, want.String(), string(inJSON), "run: go test ./openapi -update")
}

// writeJSON writes a YAML node as JSON with its members in the same order, aliases and merges resolved.
func writeJSON(t testing.TB, b *bytes.Buffer, n *yaml.Node) {
	t.Helper()
	switch n.Kind {
	case yaml.AliasNode:
		writeJSON(t, b, n.Alias)
	case yaml.MappingNode:
		b.WriteByte('{')
		for i, pair := range pairs(n) {
			if i > 0 {
				b.WriteByte(',')
			}
			name, err := json.Marshal(pair[0].Value)
			require.NoError(t, err)
			b.Write(name)
			b.WriteByte(':')
			writeJSON(t, b, pair[1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(t, b, item)
		}
		b.WriteByte(']')
	default:
		var value any
		require.NoError(t, n.Decode(&value))
		encoder := json.NewEncoder(b)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(value))
	}
}

// pairs are a mapping's keys and values, those of "<<" in its place.
func pairs(n *yaml.Node) [][2]*yaml.Node {
	var all [][2]*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			all = append(all, pairs(n.Content[i+1].Alias)...)
			continue
		}
		all = append(all, [2]*yaml.Node{n.Content[i], n.Content[i+1]})
	}
	return all
}
