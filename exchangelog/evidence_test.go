package exchangelog

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// evidenceOf packs an exchange of October's and unpacks it again.
func evidenceOf(t testing.TB, k *kept, v Evidence) (dir string) {
	t.Helper()
	e := testExporter(t)
	file := filepath.Join(t.TempDir(), "evidence.tar.gz")
	v.Segments = k.Segments(t.Context(), "emta", october)
	if v.Open == nil {
		v.Open = (*Record).Plain
	}
	require.NoError(t, e.WriteEvidence(t.Context(), v, file, "tester"))
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")
	return unpack(t, file)
}

func unpack(t testing.TB, file string) (dir string) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	zip, err := gzip.NewReader(f)
	require.NoError(t, err)
	root := t.TempDir()
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		full := filepath.Join(root, filepath.FromSlash(h.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o750))
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(full, content, 0o600))
	}
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	return filepath.Join(root, entries[0].Name())
}

func TestEvidence(t *testing.T) {
	dir := evidenceOf(t, twoMonths(), Evidence{RequestID: "r-2"})
	require.Equal(t, "evidence-r-2", filepath.Base(dir))
	require.NoError(t, verifyArchive(dir, testSigner()))
	files := contents(t, dir)
	require.Equal(t, []string{"README.txt", "SHA256SUMS",
		"a/request-000001.hashes", "a/request-000001.seal", "a/request-000001.seal.sig", "a/request-2.body", "a/request-2.record",
		"a/response-000001.hashes", "a/response-000001.seal", "a/response-000001.seal.sig", "a/response-2.body", "a/response-2.record",
		"manifest.xml", "seal-key.pem"}, slices.Sorted(namesIn(t, dir)))
	for name, content := range files {
		require.NotRegexp(t, `"r-[13456789]"`, content, "%s: nothing of other exchanges", name)
	}
	require.Equal(t, "<a>2</a>", files["a/request-2.body"])

	// The list of hashes is the archive's own, byte for byte: what was signed then vouches for it now.
	archive, err := testExporter(t).Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.NoError(t, err)
	require.Equal(t, contents(t, archive)["a/request-000001.hashes"], files["a/request-000001.hashes"])
}

func TestEvidenceWholeSegments(t *testing.T) {
	dir := evidenceOf(t, twoMonths(), Evidence{RequestID: "r-2", WholeSegments: true})
	require.NoError(t, verifyArchive(dir, testSigner()))
	require.Contains(t, contents(t, dir), "a/request-000001.ndjson.gz")
}

func TestEvidenceWithoutBody(t *testing.T) {
	dir := evidenceOf(t, twoMonths(), Evidence{RequestID: "r-2", Open: func(*Record) ([]byte, error) { return nil, ErrNoBody }})
	require.NoError(t, verifyArchive(dir, testSigner()))
	require.NotContains(t, contents(t, dir), "a/request-2.body")
}

// A masked message is shown as what it is, and an encrypted one as the institution's word.
func TestEvidenceOfWhatIsNotKeptWhole(t *testing.T) {
	k := newKept()
	k.addBody(october, "a", Request, 1, 2, func(r *Record) { r.Body = "<a>***</a>" })
	k.addBody(october, "a", Response, 1, 2, func(r *Record) { r.Body, r.KeyID, r.Digest = "YWJj", "emta-2026-10", "" })
	dir := evidenceOf(t, k, Evidence{RequestID: "r-2", Open: func(r *Record) ([]byte, error) {
		if r.KeyID != "" {
			return []byte("decrypted"), nil
		}
		return r.Plain()
	}})
	require.NoError(t, verifyArchive(dir, testSigner()))
	files := contents(t, dir)
	require.Equal(t, "<a>***</a>", files["a/request-2.masked"])
	require.Equal(t, "decrypted", files["a/response-2.body"])
	files["a/request-2.masked"] = "<a>38</a>"
	resign(files)
	require.ErrorContains(t, verifyArchive(written(t, files), testSigner()), "is not the body that its record says")
}

func TestEvidenceRefuses(t *testing.T) {
	e := testExporter(t)
	file := filepath.Join(e.Dir, "x.tar.gz")
	write := func(k *kept, id string) error {
		return e.WriteEvidence(t.Context(), Evidence{RequestID: id, Segments: k.Segments(t.Context(), "emta", october),
			Open: (*Record).Plain}, file, "tester")
	}
	require.ErrorIs(t, write(twoMonths(), "r-99"), ErrNothing)
	unsealed := twoMonths()
	unsealed.segments[october][0].lines = unsealed.segments[october][0].lines[:3]
	require.ErrorIs(t, write(unsealed, "r-2"), ErrUnsealed)
	changed := twoMonths()
	changed.segments[october][0].lines[2] = strings.Replace(changed.segments[october][0].lines[2], "<a>", "<b>", 1)
	require.ErrorContains(t, write(changed, "r-2"), "record 3 of it was changed", "also where it is not the exchange's own")
	require.Empty(t, contents(t, e.Dir))

	require.NoError(t, write(twoMonths(), "r-2"))
	before := contents(t, e.Dir)
	require.Error(t, write(twoMonths(), "r-2"), "nothing is replaced")
	require.Equal(t, before, contents(t, e.Dir))
}

// What whoever holds the signing key might put together, or a bundle's holder change, is found.
func TestEvidenceForged(t *testing.T) {
	whole := evidenceOf(t, twoMonths(), Evidence{RequestID: "r-2"})
	other := contents(t, evidenceOf(t, twoMonths(), Evidence{RequestID: "r-3"}))
	for name, row := range map[string]struct {
		resign bool
		damage func(map[string]string)
		want   string
	}{
		"record changed":             {false, replaced("a/request-2.record", "POST", "GET"), "is not the one that the manifest names"},
		"record changed and signed":  {true, replaced("a/request-2.record", "POST", "GET"), "its hash is not that of the segment"},
		"record of another exchange": {true, func(f map[string]string) { f["a/request-2.record"] = other["a/request-3.record"] }, "it is of another exchange"},
		"record of another stream":   {true, func(f map[string]string) { f["a/request-2.record"] = f["a/response-2.record"] }, "it is of another exchange or stream"},
		"record moved":               {true, replaced("a/request-2.record", `"seq":2`, `"seq":3`), "its hash is not that of the segment"},
		"record far away":            {true, replaced("a/request-2.record", `"seq":2`, `"seq":500`), "is not of the segment"},
		"record that is none":        {true, func(f map[string]string) { f["a/request-2.record"] = "x" }, "must be one JSON object"},
		"body changed and signed":    {true, replaced("a/request-2.body", "2", "3"), "is not the body that its record says"},
		"hash changed and signed": {true, func(f map[string]string) {
			f["a/request-000001.hashes"] = strings.Repeat("f", 64) + f["a/request-000001.hashes"][64:]
		}, "not the one that was sealed"},
		"hashes cut and signed":               {true, func(f map[string]string) { f["a/request-000001.hashes"] = f["a/request-000001.hashes"][65:] }, "it has 2 records, and its seal says 3"},
		"no hashes":                           {true, func(f map[string]string) { f["a/request-000001.hashes"] = "" }, "does not hold hashes"},
		"hashes that are none":                {true, func(f map[string]string) { f["a/request-000001.hashes"] = "x\n" }, "does not hold hashes"},
		"seal changed and signed by manifest": {true, replaced("a/request-000001.seal", `"recovered":false`, `"recovered":true`), "not signed by the key"},
		"another stream's seal": {true, func(f map[string]string) {
			f["a/request-000001.seal"], f["a/request-000001.seal.sig"] = f["a/response-000001.seal"], f["a/response-000001.seal.sig"]
		}, "its seal is that of segment 1 of emta/a/response"},
		"the seal's signature of another": {true, func(f map[string]string) { f["a/request-000001.seal.sig"] = f["a/response-000001.seal.sig"] }, "not signed by the key"},
	} {
		files := contents(t, whole)
		row.damage(files)
		if row.resign {
			resign(files)
		}
		require.ErrorContains(t, verifyArchive(written(t, files), testSigner()), row.want, name)
	}
}

func replaced(file, old, new string) func(map[string]string) {
	return func(f map[string]string) { f[file] = strings.Replace(f[file], old, new, 1) }
}

// resign signs what is there, as the key's owner could.
func resign(files map[string]string) {
	m := must(ReadManifest([]byte(files[manifestName]), trust(testSigner())))
	again := func(list []ArchiveFile) {
		for i, f := range list {
			list[i] = describe(f.Kind, f.Name, []byte(files[f.Name]))
		}
	}
	again(m.Files)
	for _, c := range m.Chapters {
		for _, s := range c.Segments {
			again(s.Files)
		}
	}
	files[manifestName], files[sumsName] = string(must(m.Sign(testSigner()))), string(m.sums())
}

func written(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for file, content := range files {
		full := filepath.Join(dir, filepath.FromSlash(file))
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o750))
		require.NoError(t, os.WriteFile(full, []byte(content), 0o600))
	}
	return dir
}

// TestEvidenceStandardTools does what the README says, command by command, with nothing of ours.
func TestEvidenceStandardTools(t *testing.T) {
	for _, program := range []struct{ name, packages string }{{"xmlsec1", "xmlsec1"}, {"openssl", "openssl"}, {"sha256sum", "coreutils"}, {"sed", "sed"}, {"tar", "tar"}} {
		tool(t, program.name, program.packages)
	}
	k := twoMonths()
	archive, err := testExporter(t).Export(t.Context(), k, "emta", october, "tester")
	require.NoError(t, err)
	signed, err := os.ReadFile(filepath.Join(archive, manifestName))
	require.NoError(t, err)
	cert := filepath.Join(t.TempDir(), "cert.pem")
	require.NoError(t, os.WriteFile(cert, testSigner().CertificatePEM(), 0o600))
	for _, id := range []string{"r-1", "r-3", "r-4"} { // the first of a segment, the last, one with segments apart
		dir := evidenceOf(t, k, Evidence{RequestID: id, Archive: signed})
		require.NoError(t, verifyArchive(dir, testSigner()))
		outputs := followReadme(t, dir, cert)
		records := len(slices.Collect(matches(contents(t, dir), ".record")))
		t.Logf("%s: %d records\n%s", id, records, strings.Join(outputs, "\n"))
		pairs, ones, verified, ok := 0, 0, 0, 0
		for _, out := range outputs {
			lines := strings.Split(strings.TrimSpace(out), "\n")
			for i, line := range lines {
				switch {
				case line == "1":
					ones++
				case line == "Signature Verified Successfully":
					verified++
				case strings.HasSuffix(line, ": OK"), line == "OK":
					ok++
				case len(line) == 64 && i > 0 && lines[i-1] == line:
					pairs++
				}
			}
		}
		require.Equal(t, records, pairs, "step 3")
		require.Equal(t, 3*records, ones, "steps 4, 5 and 6")
		require.Equal(t, records, verified, "step 4")
		require.Equal(t, 2+strings.Count(contents(t, dir)[manifestName], "<file "), ok, "steps 1, 2 and 6")
	}

	dir := evidenceOf(t, k, Evidence{RequestID: "r-3", Archive: signed})
	record := filepath.Join(dir, "a", "request-3.record")
	text, err := os.ReadFile(record)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(record, []byte(strings.Replace(string(text), "POST", "PUT", 1)), 0o600))
	out, err := exec.Command("sh", "-c", "cd "+dir+" && "+commandsOf(t, dir, cert)[1]).CombinedOutput()
	require.Error(t, err, "%s", out)
	require.Contains(t, string(out), "a/request-3.record: FAILED")
}

func matches(files map[string]string, end string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range files {
			if strings.HasSuffix(name, end) && !yield(name) {
				return
			}
		}
	}
}

var indented = regexp.MustCompile(`(?m)^    (\S.*)$`)

// commandsOf are the README's, but for that of the adapter; those of one block are one.
func commandsOf(t testing.TB, dir, cert string) (commands []string) {
	t.Helper()
	text := contents(t, dir)["README.txt"]
	_, text, _ = strings.Cut(text, "With nothing but")
	text = strings.ReplaceAll(text, "CERT", cert)
	for block := range strings.SplitSeq(text, "\n\n") {
		if lines := indented.FindAllStringSubmatch(block, -1); lines != nil {
			var script []string
			for _, l := range lines {
				script = append(script, l[1])
			}
			commands = append(commands, strings.Join(script, "\n"))
		}
	}
	return commands
}

func followReadme(t testing.TB, dir, cert string) (outputs []string) {
	t.Helper()
	for _, command := range commandsOf(t, dir, cert) {
		c := exec.Command("sh", "-ec", command)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s\n%s", command, out)
		outputs = append(outputs, string(out))
	}
	return outputs
}
