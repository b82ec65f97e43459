package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/mandate"
)

// section is what stands in docs/operations.md below a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	_, below, found := strings.Cut(string(text), "\n## "+heading+"\n")
	require.True(t, found, "docs/operations.md has no section %q", heading)
	below, _, _ = strings.Cut(below, "\n## ")
	return below
}

// constants are the strings of a package's constants whose names match, and the words that its code gives problems as they are.
func constants(t *testing.T, folder, names string) []string {
	t.Helper()
	wanted := regexp.MustCompile(names)
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	require.NoError(t, err)
	found := map[string]bool{}
	keep := func(e ast.Expr) {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			found[value] = true
		}
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i < len(n.Values) && wanted.MatchString(name.Name) {
						keep(n.Values[i])
					}
				}
			case *ast.CompositeLit:
				if of, ok := n.Type.(*ast.SelectorExpr); !ok || of.Sel.Name != "Problem" {
					return true
				}
				for _, element := range n.Elts {
					pair, ok := element.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					if key, named := pair.Key.(*ast.Ident); named && key.Name == "Code" {
						keep(pair.Value)
					}
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// requireWords wants each code to stand in a section as a word of its own.
func requireWords(t *testing.T, heading string, codes []string) {
	t.Helper()
	require.NotEmpty(t, codes)
	words := strings.FieldsFunc(section(t, heading), func(r rune) bool { return strings.ContainsRune(" ,|\n.;:`()", r) })
	for _, code := range codes {
		require.Contains(t, words, code, "%q of docs/operations.md does not say what to do about %s", heading, code)
	}
}

// Every reason of a SOAP fault is one that docs/operations.md tells of.
func TestFaultsStandInOperations(t *testing.T) {
	const heading = "Faults that a partner may see"
	requireWords(t, heading, constants(t, "soap", "^Reason[A-Z]"))
	requireWords(t, heading, constants(t, "xroadhdr", "^Code[A-Z]"))
	requireWords(t, heading, []string{exchangelog.Refused})
}

// The same for every word that the type of a problem of the mandates services may end with.
func TestPaasukeProblemsStandInOperations(t *testing.T) {
	const heading = "Problems that Pääsuke may see"
	codes := slices.DeleteFunc(slices.Sorted(maps.Keys(mandate.Wording("").Texts)), func(code string) bool { return code == "" })
	requireWords(t, heading, codes)
}

// The same for every code of the internal API; its description lists them all.
func TestCoreProblemsStandInOperations(t *testing.T) {
	const heading = "Problems that the core may see"
	var described struct {
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct{ Code struct{ Enum []string } }
				} `yaml:"Problem"`
			}
		}
	}
	text, err := os.ReadFile("../openapi/core.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &described))
	listed := described.Components.Schemas.Problem.Properties.Code.Enum
	requireWords(t, heading, listed)
	for _, of := range []struct{ folder, names string }{{"rest", "^code[A-Z]"}, {"setting", "^$"}, {"adapter", "^$"}} {
		codes := constants(t, of.folder, of.names)
		requireWords(t, heading, codes)
		for _, code := range codes {
			require.Contains(t, listed, code, "openapi/core.yaml does not know a code of package %s", of.folder)
		}
	}
}
