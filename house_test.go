// Package house checks the rules of the house that no compiler knows: who may import whom, what stays
// out of rules, that packages are described and requirements tested. It has tests only.
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "ametlikudteadaanded.ee/adapter"

// Outside modules, by import path; whatever is below counts too.
const (
	decimal    = "github.com/shopspring/decimal"
	etree      = "github.com/beevik/etree"
	gin        = "github.com/gin-gonic/gin"
	goose      = "github.com/pressly/goose"
	kong       = "github.com/alecthomas/kong"
	otel       = "go.opentelemetry.io"
	pgx        = "github.com/jackc/pgx"
	prometheus = "github.com/prometheus/client_golang/prometheus"
	signatures = "github.com/russellhaering/goxmldsig"
	sqlite     = "modernc.org/sqlite"
	testify    = "github.com/stretchr/testify"
	uuid       = "github.com/google/uuid"
	yaml       = "go.yaml.in/yaml"
	kin        = "github.com/getkin/kin-openapi"
)

// anywhere may be imported by every package: uuid for ids, and client_golang for the types of a
// Registerer that is handed in (its subpackages, promhttp among them, are adapter's alone).
var anywhere = []string{uuid, prometheus}

// row says what the non-test files of a package may import besides the standard library: packages of
// ours, where "x" does not cover "x/y", and outside modules.
type row struct {
	ours, outside []string
}

// counterpart is the row of a package for one party that we talk to. Counterparts never import one
// another, and etree only in elements.go; that is checked apart.
var counterpart = row{
	ours:    []string{"soap", "rest", "xroadhdr", "wsdl", "openapi", "event"},
	outside: []string{etree, decimal},
}

var counterparts = []string{"order", "mandate"}

// stores have the nouns of the counterparts.
var stores = append([]string{"access", "event", "exchangelog", "schedule", "setting", "security"}, counterparts...)

// table is the import table of the house. A new package gets a row here; CONTRIBUTING.md says when.
var table = map[string]row{
	"xroadhdr":           {outside: []string{etree}},
	"soap":               {ours: []string{"xroadhdr"}, outside: []string{etree}},
	"rest":               {ours: []string{"xroadhdr"}, outside: []string{gin}},
	"wsdl":               {},
	"openapi":            {},
	"event":              {ours: []string{"rest"}},
	"mask":               {},
	"schedule":           {},
	"exchangelog":        {ours: []string{"xroadhdr", "mask"}, outside: []string{etree, signatures}},
	"access":             {ours: []string{"rest"}},
	"setting":            {ours: []string{"rest"}},
	"security":           {ours: []string{"mask", "xroadhdr"}},
	"order":              counterpart,
	"mandate":            counterpart,
	"store/postgres":     {ours: stores, outside: []string{pgx, goose, decimal}},
	"store/sqlite":       {ours: stores, outside: []string{sqlite, goose, decimal}},
	"store/storetest":    {ours: append([]string{"xroadhdr"}, stores...), outside: []string{testify, decimal}},
	"store/postgrestest": {outside: []string{pgx}},
	"store":              {ours: append([]string{"store/postgres", "store/sqlite"}, stores...)},
	"simulator":          {ours: []string{"soap", "rest", "xroadhdr", "wsdl"}, outside: []string{etree, decimal}},
	"adapter": {
		ours: append([]string{"xroadhdr", "soap", "rest", "wsdl", "openapi", "simulator", "mask", "store", "store/postgres", "store/sqlite"},
			stores...),
		// etree for the commands that show messages, decimal for the demo's wrong amount.
		outside: []string{kong, yaml, otel, "github.com/prometheus/client_golang", etree, decimal},
	},
	"openapi/openapitest": {ours: []string{"openapi"}, outside: []string{kin}},
}

// badNames are package names that say nothing of what is in the package.
var badNames = []string{"common", "helper", "helpers", "misc", "model", "models", "shared", "type", "types", "util", "utils"}

func TestImportTable(t *testing.T) {
	for _, f := range sources(t) {
		r, ok := table[f.dir]
		assert.True(t, ok, "package %s has no row in the import table of house_test.go", f.dir)
		for _, spec := range f.ast.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
				assert.True(t, slices.Contains(r.ours, ours), "%s: %s may not import our package %s", f.path, f.dir, ours)
				continue
			}
			if standard(imported) {
				continue
			}
			allowed := slices.Contains(anywhere, imported) ||
				slices.ContainsFunc(r.outside, func(m string) bool { return within(imported, m) })
			assert.True(t, allowed, "%s: %s may not import %s", f.path, f.dir, imported)
		}
	}
}

// Only elements.go of a counterpart knows how its messages are written.
func TestWireStaysInElements(t *testing.T) {
	for _, f := range sources(t) {
		if !slices.Contains(counterparts, f.dir) || path.Base(f.path) == "elements.go" {
			continue
		}
		for _, spec := range f.ast.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			assert.False(t, within(imported, etree), "%s: etree belongs in %s/elements.go", f.path, f.dir)
		}
	}
}

// Rules decide from what they are given: no clock, no randomness, no I/O.
func TestRulesArePure(t *testing.T) {
	forbidden := []string{"context", "crypto/rand", "database/sql", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", uuid}
	for _, f := range sources(t) {
		if path.Base(f.path) != "rules.go" {
			continue
		}
		for _, spec := range f.ast.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			assert.NotContains(t, forbidden, imported, "%s: rules do no I/O and make no ids", f.path)
		}
		for _, name := range []string{"Now", "Since", "Until", "After", "Sleep", "Tick", "NewTimer", "NewTicker"} {
			assert.Empty(t, f.calls("time", name), "%s: the time is handed to a rule", f.path)
		}
	}
}

// Settings come from one place. What only tests import may ask where the tests' database is.
func TestEnvironmentIsReadInAdapterOnly(t *testing.T) {
	for _, f := range sources(t) {
		if f.dir == "adapter" || f.dir == "store/postgrestest" {
			continue
		}
		for _, name := range []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"} {
			assert.Empty(t, f.calls("os", name), "%s reads the environment; packages get values from adapter", f.path)
		}
	}
}

func TestPackagesAreNamedAndDescribed(t *testing.T) {
	described := map[string]bool{}
	for _, f := range sources(t) {
		assert.NotContains(t, badNames, f.ast.Name.Name, "%s: name what the package is for", f.path)
		described[f.dir] = described[f.dir] || f.ast.Doc != nil
		if f.ast.Doc == nil {
			continue
		}
		want := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			want = "Command " + path.Base(f.dir) + " "
		}
		assert.True(t, strings.HasPrefix(f.ast.Doc.Text(), want), "%s: the package comment begins with %q", f.path, want)
	}
	for dir, ok := range described {
		assert.True(t, ok, "package %s has no package comment", dir)
	}
}

// Each row of docs/requirements.md names the tests that show it, as directory.TestName, and they exist.
// A row without a test says in its last cell who or what is meant instead: "core", or "later" with why.
func TestRequirementsNameTests(t *testing.T) {
	text, err := os.ReadFile("docs/requirements.md")
	require.NoError(t, err)

	tests := testNames(t)
	requirement := regexp.MustCompile(`^\W*[A-Z]{2}-[A-Z0-9-]*[0-9]`)
	named := regexp.MustCompile(`\b([a-z][a-z0-9/]*)\.((?:Test|Fuzz|Example)\w*)`)
	rows := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			assert.True(t, tests[m[0]], "no test %s, named in: %s", m[0], line)
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !requirement.MatchString(strings.TrimSpace(cells[0])) {
			continue
		}
		rows++
		last := strings.TrimSpace(cells[len(cells)-1])
		assert.True(t, named.MatchString(line) || strings.HasPrefix(last, "core") || strings.HasPrefix(last, "later"),
			"names no test, and does not say whose it is or why later: %s", line)
	}
	require.NotZero(t, rows, "docs/requirements.md has no row that begins with the id of a requirement")
}

type source struct {
	path string // slashed, from the root
	dir  string
	ast  *ast.File
}

// sources returns the parsed Go files that are not tests.
func sources(t *testing.T) []source {
	t.Helper()
	var files []source
	walkGo(t, func(name string) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(name), nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, source{name, path.Dir(name), file})
	})
	require.NotEmpty(t, files)
	return files
}

// testNames returns the names of tests, fuzz tests and examples, each as directory.Name and as
// package.Name.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	walkGo(t, func(name string) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[path.Dir(name)+"."+f.Name.Name] = true
				names[strings.TrimSuffix(file.Name.Name, "_test")+"."+f.Name.Name] = true
			}
		}
	})
	return names
}

// walkGo calls f with each Go file of the tree, testdata and hidden folders left out.
func walkGo(t *testing.T, f func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata"):
			return fs.SkipDir
		case !d.IsDir() && path.Ext(name) == ".go":
			f(name)
		}
		return nil
	})
	require.NoError(t, err)
}

// calls returns the uses of a name of a standard package in the file, whatever it is imported as.
func (s source) calls(imported, name string) []token.Pos {
	local := ""
	for _, spec := range s.ast.Imports {
		if strings.Trim(spec.Path.Value, `"`) == imported {
			local = path.Base(imported)
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	if local == "" {
		return nil
	}
	var found []token.Pos
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if e, ok := n.(*ast.SelectorExpr); ok && e.Sel.Name == name {
			if x, ok := e.X.(*ast.Ident); ok && x.Name == local {
				found = append(found, e.Pos())
			}
		}
		return true
	})
	return found
}

func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func within(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}
