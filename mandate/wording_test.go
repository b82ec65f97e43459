package mandate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every rule and code that Pääsuke can be told has its words in three languages, and no words are left over.
func TestWordsForEverything(t *testing.T) {
	// What package rest gives by itself.
	want := []string{"", "malformed", "type", "unknown", "duplicate", "too-large", "unsupported-media-type", "method-not-allowed", "internal", "unavailable"}
	set := token.NewFileSet()
	for _, name := range []string{"error.go", "wording.go"} {
		file, err := parser.ParseFile(set, name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			constants, ok := d.(*ast.GenDecl)
			if !ok || constants.Tok != token.CONST {
				continue
			}
			for _, spec := range constants.Specs {
				v := spec.(*ast.ValueSpec)
				name := v.Names[0].Name
				if !strings.HasPrefix(strings.ToLower(name), "rule") && !strings.HasPrefix(name, "code") && !slices.Contains([]string{"Invalid", "Forbidden", "NotFound", "IsEnded", "Reused"}, name) {
					continue
				}
				text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				want = append(want, text)
			}
		}
	}
	slices.Sort(want)
	require.Equal(t, slices.Compact(want), slices.Sorted(maps.Keys(words)))
	for code, w := range words {
		require.NotEmpty(t, w.Says, code)
		for _, text := range []string{w.ET, w.EN, w.RU} {
			require.NotEmpty(t, text, code)
			require.True(t, strings.HasSuffix(text, "."), text)
		}
	}
	wording := Wording("https://x.example.ee/")
	require.Equal(t, words["overlap"].ET, wording.Texts["overlap"].ET)
	require.Equal(t, "https://x.example.ee/", wording.Page)
}
