package exchangelog

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	october  = Month{2026, time.October}
	november = Month{2026, time.November}

	sealPublic, sealPrivate, _ = ed25519.GenerateKey(strings.NewReader(strings.Repeat("seal", 8)))
	sealKey                    = NewSealKey(sealPrivate)
)

// kept is a system's log in memory.
type kept struct {
	segments map[Month][]keptSegment
	chains   map[Stream]*chain
}

type keptSegment struct {
	stream Stream
	number int
	lines  []string // with line breaks, the seal last
}

func newKept() *kept { return &kept{map[Month][]keptSegment{}, map[Stream]*chain{}} }

func (k *kept) Months(context.Context, string) ([]Month, error) {
	return slices.SortedFunc(maps.Keys(k.segments), func(a, b Month) int { return strings.Compare(a.String(), b.String()) }), nil
}

func (k *kept) Segments(ctx context.Context, _ string, m Month) iter.Seq2[MonthSegment, error] {
	return func(yield func(MonthSegment, error) bool) {
		for _, s := range k.segments[m] {
			lines := func(yield func([]byte, error) bool) {
				for _, line := range s.lines {
					if line == "broken\n" {
						yield(nil, errBroken)
						return
					}
					if !yield([]byte(strings.TrimSuffix(line, "\n")), nil) {
						return
					}
				}
			}
			if !yield(MonthSegment{s.stream, s.number, lines}, nil) {
				return
			}
		}
	}
}

var errBroken = errors.New("broken")

// add appends a sealed segment of n records.
func (k *kept) add(m Month, replica string, part Part, number, n int) {
	k.addBody(m, replica, part, number, n, func(*Record) {})
}

// addBody does so with records that are kept in another way.
func (k *kept) addBody(m Month, replica string, part Part, number, n int, as func(*Record)) {
	s := keptSegment{stream: Stream{"emta", replica, part}, number: number}
	c := k.chains[s.stream]
	if c == nil {
		c = &chain{head: NoHead()}
		k.chains[s.stream] = c
	}
	var tally Tally
	for range n {
		previous := c.head.Hash
		body := fmt.Sprintf("<a>%d</a>", c.head.Seq+1)
		digest := sha256.Sum256([]byte(body))
		r := &Record{Time: m.Begin().Add(time.Duration(c.head.Seq) * time.Hour), System: "emta", Direction: In, Part: part,
			RequestID: fmt.Sprintf("r-%d", c.head.Seq+1), XRoadID: fmt.Sprintf("x-%d", c.head.Seq+1), Protocol: "soap", Method: "POST", Path: "/emta", Status: 200,
			Replica: replica, Digest: hex.EncodeToString(digest[:]), Body: body}
		as(r)
		s.lines = append(s.lines, string(c.append(nil, newDraft(r))))
		tally.add(previous, c.head)
	}
	seal := tally.seal(s.stream, number)
	seal.Time = m.Begin()
	s.lines = append(s.lines, string(seal.line(sealKey)))
	k.segments[m] = append(k.segments[m], s)
}

func testExporter(t testing.TB) Exporter {
	return Exporter{Dir: t.TempDir(), Signer: testSigner(), Seals: sealPublic, SealKey: sealKey, Tool: "adapter 1.0", Now: func() time.Time { return signedAt },
		Logger: slog.New(slog.DiscardHandler)}
}

// twoMonths has an October of two replicas and the November after it.
func twoMonths() *kept {
	k := newKept()
	k.add(october, "a", "request", 1, 3)
	k.add(october, "a", "request", 2, 2)
	k.add(october, "a", "response", 1, 4)
	k.add(october, "b", "request", 1, 1)
	k.add(november, "a", "request", 3, 2)
	return k
}

func verifyArchive(dir string, signers ...*Signer) error {
	a, err := OpenArchive(dir, trust(signers...))
	if err != nil {
		return err
	}
	return errors.Join(a.Verify(context.Background()), a.Close())
}

func TestExport(t *testing.T) {
	e := testExporter(t)
	dir, err := e.Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(e.Dir, "emta", "2026-10"), dir)
	require.NoError(t, verifyArchive(dir, testSigner()))
	require.Equal(t, []string{"SHA256SUMS",
		"a/request-000001.hashes", "a/request-000001.ndjson.gz", "a/request-000002.hashes", "a/request-000002.ndjson.gz",
		"a/response-000001.hashes", "a/response-000001.ndjson.gz", "b/request-000001.hashes", "b/request-000001.ndjson.gz",
		"manifest.xml", "seal-key.pem"}, slices.Sorted(namesIn(t, dir)))
	entries, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing unfinished is left")
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(folderMode), info.Mode().Perm(), "auditors read it by their group")

	a, err := OpenArchive(dir, trust(testSigner()))
	require.NoError(t, err)
	defer a.Close()
	require.Equal(t, []int64{5, 4, 1}, []int64{a.Manifest.Chapters[0].Count(), a.Manifest.Chapters[1].Count(), a.Manifest.Chapters[2].Count()})
	require.Equal(t, "tester", a.Manifest.CreatedBy)

	_, err = e.Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.ErrorIs(t, err, ErrArchived)
	again := testExporter(t)
	other, err := again.Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.NoError(t, err)
	require.Equal(t, contents(t, dir), contents(t, other), "the same records give the same bytes")
}

// namesIn are the names of all files below a folder.
func namesIn(t testing.TB, dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range contents(t, dir) {
			if !yield(name) {
				return
			}
		}
	}
}

func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		relative, _ := filepath.Rel(dir, name)
		files[filepath.ToSlash(relative)] = string(content)
		return err
	}))
	return files
}

// TestArchiveStandardTools reads an archive with nothing of ours.
func TestArchiveStandardTools(t *testing.T) {
	dir, err := testExporter(t).Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.NoError(t, err)
	run := func(name, packages string, args ...string) string {
		c := exec.Command(tool(t, name, packages), args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	run("sha256sum", "coreutils", "--check", "--strict", "--quiet", sumsName)
	require.Contains(t, run("zcat", "gzip", "a/request-000001.ndjson.gz"), `"requestId":"r-1"`)
	cert := filepath.Join(t.TempDir(), "cert.pem")
	require.NoError(t, os.WriteFile(cert, testSigner().CertificatePEM(), 0o600))
	run("xmlsec1", "xmlsec1", "--verify", "--trusted-pem", cert, manifestName)
}

func TestExportRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func([]keptSegment)
		month Month
		want  string
	}{
		"a month that is not over": {nil, november, "is not over"},
		"a month without records":  {nil, october.Add(-1), ErrNothing.Error()},
		"an unsealed segment":      {func(s []keptSegment) { s[1].lines = s[1].lines[:2] }, october, "segment 2 of emta/a/request: a segment is not sealed"},
		"an empty segment":         {func(s []keptSegment) { s[1].lines = nil }, october, "segment 2 of emta/a/request: a segment is not sealed"},
		"another segment's seal":   {func(s []keptSegment) { s[1].lines[2] = s[0].lines[3] }, october, "segment 2 of emta/a/request: its seal is that of segment 1"},
		"another stream":           {func(s []keptSegment) { s[1].stream.Replica = "b" }, october, "its seal is that of segment 2 of emta/a/request"},
		"a segment twice":          {func(s []keptSegment) { s[1] = s[0] }, october, "file exists"},
		"a record twice":           {func(s []keptSegment) { s[0].lines = slices.Insert(s[0].lines, 1, s[0].lines[1]) }, october, "segment 1 of emta/a/request: record 3 of it was changed"},
		"the first removed":        {func(s []keptSegment) { s[0].lines = s[0].lines[1:] }, october, "it has 2 records, and its seal says 3"},
		"the last removed":         {func(s []keptSegment) { s[0].lines = slices.Delete(s[0].lines, 2, 3) }, october, "it has 2 records, and its seal says 3"},
		"the first changed":        {func(s []keptSegment) { s[0].lines[0] = strings.Replace(s[0].lines[0], "r-1", "r-9", 1) }, october, "its first record was changed"},
		"one changed":              {func(s []keptSegment) { s[0].lines[1] = strings.Replace(s[0].lines[1], "r-2", "r-9", 1) }, october, "record 2 of it was changed"},
		"a line after the seal":    {func(s []keptSegment) { s[0].lines = append(s[0].lines, s[0].lines[0]) }, october, "a line follows the seal"},
		"a line that is none":      {func(s []keptSegment) { s[0].lines[1] = "{}\n" }, october, "record 2 of it does not end in a hash"},
		"a forged seal": {func(s []keptSegment) {
			s[0].lines[3] = strings.Replace(s[0].lines[3], "\"recovered\":false", "\"recovered\":true", 1)
		}, october, "not signed by the key"},
		"an unsigned seal": {func(s []keptSegment) {
			i := strings.Index(s[0].lines[3], signatureMember)
			s[0].lines[3] = s[0].lines[3][:i] + signatureMember + "-\"}\n"
		}, october, "not signed by the key"},
		"a source that fails": {func(s []keptSegment) { s[2].lines[0] = "broken\n" }, october, "broken"},
	} {
		e, k := testExporter(t), twoMonths()
		if row.spoil != nil {
			row.spoil(k.segments[october])
		}
		_, err := e.Export(t.Context(), k, "emta", row.month, "tester")
		require.ErrorContains(t, err, row.want, name)
		require.Empty(t, contents(t, e.Dir), "%s: nothing half is left", name)
	}
	e := testExporter(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Export(ctx, twoMonths(), "emta", october, "tester")
	require.ErrorIs(t, err, context.Canceled)
}

// An export that was killed leaves a folder that nobody takes for an archive, and that a later one clears away.
func TestExportAfterCrash(t *testing.T) {
	e := testExporter(t)
	left := filepath.Join(e.Dir, "emta", partialPrefix+"2026-10-1")
	fresh := filepath.Join(e.Dir, "emta", partialPrefix+"2026-10-2")
	for _, dir := range []string{left, fresh} {
		require.NoError(t, os.MkdirAll(dir, 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, manifestName), nil, 0o600))
	}
	require.NoError(t, os.Chtimes(left, signedAt, signedAt.Add(-25*time.Hour)))
	require.NoError(t, os.Chtimes(fresh, signedAt, signedAt.Add(-time.Hour)))
	dir, err := e.Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.NoError(t, err)
	require.NoError(t, verifyArchive(dir, testSigner()))
	require.NoDirExists(t, left)
	require.DirExists(t, fresh, "somebody may be writing it")
}

// Whatever is done to an archive is found.
func TestArchiveDamaged(t *testing.T) {
	zip := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.String()
	}
	unzip := func(text string) string {
		return string(must(io.ReadAll(must(gzip.NewReader(strings.NewReader(text))))))
	}
	anotherSeal, _, _ := ed25519.GenerateKey(rand.Reader)
	resigned := func(files map[string]string, name, content string, signer *Signer) {
		m := must(ReadManifest([]byte(files[manifestName]), trust(testSigner())))
		for i, f := range m.Files {
			if f.Name == name {
				m.Files[i] = describe(f.Kind, name, []byte(content))
			}
		}
		for _, c := range m.Chapters {
			for _, s := range c.Segments {
				for i, f := range s.Files {
					if f.Name == name {
						s.Files[i] = describe(f.Kind, name, []byte(content))
					}
				}
			}
		}
		files[name], files[manifestName], files[sumsName] = content, string(must(m.Sign(signer))), string(m.sums())
	}
	damages := map[string]struct {
		damage func(map[string]string)
		want   string
	}{
		"file missing":      {func(f map[string]string) { delete(f, "a/request-000002.hashes") }, "no such file"},
		"lines missing":     {func(f map[string]string) { delete(f, "b/request-000001.ndjson.gz") }, "no such file"},
		"manifest missing":  {func(f map[string]string) { delete(f, manifestName) }, "no such file"},
		"sums missing":      {func(f map[string]string) { delete(f, sumsName) }, "no such file"},
		"sums changed":      {func(f map[string]string) { f[sumsName] += "\n" }, "does not say what the manifest says"},
		"file added":        {func(f map[string]string) { f["a/request-000003.ndjson.gz"] = "" }, "is not in the manifest"},
		"hidden file added": {func(f map[string]string) { f["a/.x"] = "" }, "is not in the manifest"},
		"files swapped": {func(f map[string]string) {
			f["a/request-000001.ndjson.gz"], f["a/request-000002.ndjson.gz"] = f["a/request-000002.ndjson.gz"], f["a/request-000001.ndjson.gz"]
		}, "is not the one that the manifest names"},
		"another key's manifest": {func(f map[string]string) {
			resigned(f, "a/request-000001.hashes", f["a/request-000001.hashes"], anotherSigner())
		}, errSignature.Error()},
		"another month's manifest": {func(f map[string]string) {
			m := must(ReadManifest([]byte(f[manifestName]), trust(testSigner())))
			m.Month = november
			m.Chapters = m.Chapters[:1]
			f[manifestName], f[sumsName] = string(must(m.Sign(testSigner()))), string(m.sums())
		}, "is not in the manifest"},
		// What the key's owner signs by mistake or in bad faith does not pass either, as long as the key of the seals is another's.
		"signed, but a record is missing": {func(f map[string]string) {
			seal := unzip(f["b/request-000001.ndjson.gz"])
			resigned(f, "b/request-000001.ndjson.gz", zip(seal[strings.Index(seal, sealBegin):]), testSigner())
		}, "it has 0 records"},
		"signed, but a record is changed": {func(f map[string]string) {
			resigned(f, "b/request-000001.ndjson.gz", zip(strings.Replace(unzip(f["b/request-000001.ndjson.gz"]), "r-1", "r-2", 1)), testSigner())
		}, "its first record was changed"},
		"signed, but the seal is missing": {func(f map[string]string) {
			lines := unzip(f["b/request-000001.ndjson.gz"])
			resigned(f, "b/request-000001.ndjson.gz", zip(lines[:strings.Index(lines, sealBegin)]), testSigner())
		}, ErrUnsealed.Error()},
		"signed, but another segment": {func(f map[string]string) {
			resigned(f, "a/request-000002.ndjson.gz", f["a/request-000001.ndjson.gz"], testSigner())
		}, "its seal is that of segment 1"},
		"signed, but another key of the seals": {func(f map[string]string) {
			resigned(f, "seal-key.pem", string(must(publicPEM(anotherSeal))), testSigner())
		}, "not signed by the key"},
		"signed, but not gzip":     {func(f map[string]string) { resigned(f, "b/request-000001.ndjson.gz", "x", testSigner()) }, "unexpected EOF"},
		"signed, but another hash": {func(f map[string]string) { resigned(f, "b/request-000001.hashes", "0\n", testSigner()) }, "does not hold hashes"},
		"signed, but a hash too many": {func(f map[string]string) {
			resigned(f, "b/request-000001.hashes", f["b/request-000001.hashes"]+f["a/request-000001.hashes"], testSigner())
		}, "the list of its hashes is not right"},
	}
	whole, err := testExporter(t).Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.NoError(t, err)
	for name := range contents(t, whole) {
		damages["byte changed in "+name] = struct {
			damage func(map[string]string)
			want   string
		}{func(f map[string]string) {
			b := []byte(f[name])
			b[len(b)/2] ^= 1
			f[name] = string(b)
		}, ""}
	}
	for name, row := range damages {
		files := contents(t, whole)
		row.damage(files)
		dir := written(t, files)
		require.ErrorContains(t, verifyArchive(dir, testSigner()), row.want, name)
	}
	t.Run("link", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
		outside := filepath.Join(t.TempDir(), "x")
		require.NoError(t, os.Rename(filepath.Join(dir, "seal-key.pem"), outside))
		require.NoError(t, os.Symlink(outside, filepath.Join(dir, "seal-key.pem")))
		require.ErrorContains(t, verifyArchive(dir, testSigner()), "is not a file")
	})
}

// Archives of several months continue each other, also over a month in which a replica was silent.
func TestArchivesFollow(t *testing.T) {
	k := twoMonths()
	k.add(november.Add(1), "b", "request", 2, 1)
	e := testExporter(t)
	e.Now = func() time.Time { return signedAt.AddDate(0, 3, 0) }
	var manifests []Manifest
	for _, m := range []Month{october, november, november.Add(1)} {
		dir, err := e.Export(t.Context(), k, "emta", m, "tester")
		require.NoError(t, err)
		a, err := OpenArchive(dir, trust(testSigner()))
		require.NoError(t, err)
		require.NoError(t, a.Close())
		manifests = append(manifests, a.Manifest)
	}
	require.NoError(t, Follow(manifests...))
	require.NoError(t, Follow(manifests[1:]...), "a chain may be looked at from its middle")
	require.ErrorContains(t, Follow(manifests[0], manifests[2], manifests[1]), "order")
	require.ErrorContains(t, Follow(manifests[0], manifests[0]), "order")

	gap := manifests[2]
	gap.Chapters = slices.Clone(gap.Chapters)
	gap.Chapters[0].Before.Seq++
	require.ErrorContains(t, Follow(manifests[0], manifests[1], gap), "stream emta/b/request: 2026-10 ends at record 1, 2026-12 goes on after record 2")
	forged := manifests[1]
	forged.Chapters = slices.Clone(forged.Chapters)
	forged.Chapters[0].Before.Hash = strings.Repeat("f", 64)
	require.ErrorContains(t, Follow(manifests[0], forged), "parts of another chain")
	begun := manifests[1]
	begun.System = "paasuke"
	require.ErrorContains(t, Follow(manifests[0], begun), "of another system")
}
