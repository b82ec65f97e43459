package exchangelog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fill writes n records into a stream at a time, as a process does that then stops, or with killed dies.
func fill(t testing.TB, sink Sink, s Stream, at time.Time, n int, killed bool) {
	t.Helper()
	w := &writer{stream: s, sink: sink, limits: Limits{}.withDefaults(), key: sealKey, now: func() time.Time { return at }, log: slog.New(slog.DiscardHandler), queue: newQueue()}
	_, err := w.open()
	require.NoError(t, err)
	for range n {
		next := w.chain.head.Seq + 1
		body := fmt.Sprintf("<a>%d</a>", next)
		digest := sha256.Sum256([]byte(body))
		_, err := w.append([]*entry{{draft: newDraft(&Record{Time: at, System: s.System, Direction: In, Part: s.Part, RequestID: fmt.Sprintf("r-%d", next), Protocol: "soap",
			Method: "POST", Path: "/" + s.System, Replica: s.Replica, Digest: hex.EncodeToString(digest[:]), Body: body})}})
		require.NoError(t, err)
	}
	if !killed && w.tally.Count > 0 {
		require.NoError(t, w.seal(false))
	}
	w.close()
}

var (
	requests  = Stream{"emta", "a", Request}
	responses = Stream{"emta", "a", Response}
	others    = Stream{"paasuke", "a", Request}
	inOctober = time.Date(2026, 10, 31, 23, 30, 0, 0, tallinn)
)

// filled has two segments of October's and one of November's in one stream, one each in two others.
func filled(t testing.TB) (*Files, string) {
	folder := filepath.Join(t.TempDir(), "logs")
	f := NewFiles(folder, nil)
	fill(t, f, requests, inOctober.AddDate(0, 0, -20), 3, false)
	fill(t, f, requests, inOctober, 2, false)
	fill(t, f, responses, inOctober, 4, false)
	fill(t, f, others, inOctober, 1, false)
	fill(t, f, requests, inOctober.Add(time.Hour), 2, false)
	return f, folder
}

func TestRetire(t *testing.T) {
	f, folder := filled(t)
	e := testExporter(t)
	dir, err := e.Export(t.Context(), f, "emta", october, "tester")
	require.NoError(t, err)
	m, err := e.Retire(t.Context(), f, dir, trust(testSigner()), "tester")
	require.NoError(t, err)
	require.EqualValues(t, 9, m.Count())

	left := slices.Sorted(namesIn(t, folder))
	left = slices.DeleteFunc(left, func(name string) bool {
		return strings.HasSuffix(name, lockSuffix) || strings.HasSuffix(name, sideSuffix)
	})
	require.Equal(t, []string{"emta/2026-11-01/a.request.000003.ndjson.gz", "emta/2026-11-03/archivist.request.000001.ndjson.gz", "emta/archived/2026-10.xml",
		"paasuke/2026-10-31/a.request.000001.ndjson.gz"}, left)
	require.NoDirExists(t, filepath.Join(folder, "emta", "2026-10-31"))
	removed, err := f.Removed(t.Context(), "emta")
	require.NoError(t, err)
	kept, err := ReadManifest(removed[october], trust(testSigner()))
	require.NoError(t, err)
	require.Equal(t, m, kept)

	// What was removed stands in the log.
	var notes []string
	for s, err := range f.Segments(t.Context(), "emta", november) {
		require.NoError(t, err)
		if s.Stream.Replica != archivist {
			continue
		}
		for line, err := range s.Lines {
			require.NoError(t, err)
			if r, err := ParseRecord(line); err == nil {
				notes = append(notes, r.Client+": "+r.Body)
			}
		}
	}
	require.Len(t, notes, 1)
	require.Regexp(t, `^tester: 2026-10: 9 records of 2 streams were archived and are removed; SHA-256 of the archive's manifest: [0-9a-f]{64}$`, notes[0])

	// Once more there is nothing to do, and nothing more is written down.
	_, err = e.Retire(t.Context(), f, dir, trust(testSigner()), "tester")
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(folder, "emta/2026-11-03/archivist.request.000002.ndjson.gz"))

	// The streams go on where they were, also that of which nothing is left, and do not call it missing.
	fill(t, f, requests, signedAt, 1, false)
	fill(t, f, responses, signedAt, 1, false)
	e.Now = func() time.Time { return signedAt.AddDate(0, 1, 0) }
	next, err := e.Export(t.Context(), f, "emta", november, "tester")
	require.NoError(t, err)
	require.NoError(t, verifyArchive(next, testSigner()))
	a, err := OpenArchive(next, trust(testSigner()))
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.NoError(t, Follow(m, a.Manifest))
	require.EqualValues(t, 5, a.Manifest.Count(), "three requests, one response, one note of the removal")
	before := map[Stream]Head{}
	for _, c := range a.Manifest.Chapters {
		before[a.Manifest.Stream(c)] = c.Before
	}
	require.Equal(t, m.Chapters[0].Last, before[requests])
	require.Equal(t, m.Chapters[1].Last, before[responses])
}

// A replica that was killed and never came back leaves its segment open; whoever exports seals it.
func TestExportSealsWhatTheDeadLeft(t *testing.T) {
	f := NewFiles(filepath.Join(t.TempDir(), "logs"), nil)
	fill(t, f, responses, inOctober, 3, true)
	fill(t, f, requests, inOctober, 2, false)
	fill(t, f, requests, inOctober, 3, true)
	e := testExporter(t)
	without := e
	without.SealKey = nil
	_, err := without.Export(t.Context(), f, "emta", october, "tester")
	require.ErrorIs(t, err, ErrUnsealed, "no key to seal it with")

	alive, _, err := f.Open(t.Context(), requests)
	require.NoError(t, err)
	_, err = e.Export(t.Context(), f, "emta", october, "tester")
	require.ErrorIs(t, err, ErrUnsealed)
	require.ErrorContains(t, err, "another process writes as replica a")
	require.NoError(t, alive.Close())

	dir, err := e.Export(t.Context(), f, "emta", october, "tester")
	require.NoError(t, err)
	require.NoError(t, verifyArchive(dir, testSigner()))
}

func TestNobodyIsTheArchivist(t *testing.T) {
	_, _, err := TakeReplica(t.TempDir(), archivist, true)
	require.ErrorContains(t, err, "is the name of who removes months")
}

func TestRetireRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(t *testing.T, f *Files, folder, dir string, e *Exporter)
		want  string
	}{
		"a changed archive": {func(t *testing.T, _ *Files, _, dir string, _ *Exporter) {
			change(t, filepath.Join(dir, "a", "request-000001.ndjson.gz"))
		}, "is not the one that the manifest names"},
		"an archive of another key": {func(t *testing.T, f *Files, _, dir string, e *Exporter) {
			require.NoError(t, os.RemoveAll(dir))
			e.Signer = anotherSigner()
			_, err := e.Export(t.Context(), f, "emta", october, "tester")
			require.NoError(t, err)
		}, errSignature.Error()},
		"another month's archive in the folder": {func(t *testing.T, f *Files, _, dir string, e *Exporter) {
			require.NoError(t, os.RemoveAll(dir))
			e.Now = func() time.Time { return signedAt.AddDate(0, 1, 0) }
			other, err := e.Export(t.Context(), f, "emta", november, "tester")
			require.NoError(t, err)
			require.NoError(t, os.Rename(other, dir))
			_, err = Archives{e.Dir, trust(testSigner())}.Open("emta", october)
			require.ErrorContains(t, err, "holds the archive of emta 2026-11")
		}, "holds the archive of emta 2026-11"},
		"a segment that came later": {func(t *testing.T, f *Files, _, _ string, _ *Exporter) {
			fill(t, f, Stream{"emta", "b", Request}, inOctober, 1, false)
		}, "segment 1 of emta/b/request is not in the archive"},
		"a segment that came later and is not sealed": {func(t *testing.T, f *Files, _, _ string, _ *Exporter) {
			fill(t, f, Stream{"emta", "b", Request}, inOctober, 1, true)
		}, "segment 1 of emta/b/request is not in the archive"},
		"a segment that is gone": {func(t *testing.T, _ *Files, folder, _ string, _ *Exporter) {
			require.NoError(t, os.Remove(filepath.Join(folder, "emta", "2026-10-31", "a.request.000002.ndjson.gz")))
		}, "segment 2 of emta/a/request is in the archive, and not in the log"},
		"a log that was changed": {func(t *testing.T, _ *Files, folder, _ string, _ *Exporter) {
			change(t, filepath.Join(folder, "emta", "2026-10-31", "a.request.000002.ndjson.gz"))
		}, "segment 2 of emta/a/request: "},
		"a month that is not over": {func(_ *testing.T, _ *Files, _, _ string, e *Exporter) {
			e.Now = func() time.Time { return inOctober }
		}, "month 2026-10 is not over"},
		"the archivist at work": {func(t *testing.T, f *Files, _, _ string, _ *Exporter) {
			j, _, err := f.Open(t.Context(), Stream{"emta", archivist, Request})
			require.NoError(t, err)
			t.Cleanup(func() { _ = j.Close() })
		}, "the removal could not be recorded"},
	} {
		t.Run(name, func(t *testing.T) {
			f, folder := filled(t)
			e := testExporter(t)
			dir, err := e.Export(t.Context(), f, "emta", october, "tester")
			require.NoError(t, err)
			row.spoil(t, f, folder, dir, &e)
			before := segmentsIn(t, folder)
			_, err = e.Retire(t.Context(), f, dir, trust(testSigner()), "tester")
			require.ErrorContains(t, err, row.want)
			require.Equal(t, before, segmentsIn(t, folder), "nothing is removed")
			require.NoDirExists(t, filepath.Join(folder, "emta", removedFolder))
		})
	}
}

func segmentsIn(t *testing.T, folder string) []string {
	return slices.DeleteFunc(slices.Sorted(namesIn(t, folder)), func(name string) bool { return !strings.Contains(name, extension) })
}

func change(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(file, content, 0o600))
}

// A removal that was killed half-way is finished by the next, by the same archive only.
func TestRetireAfterCrash(t *testing.T) {
	f, folder := filled(t)
	e := testExporter(t)
	dir, err := e.Export(t.Context(), f, "emta", october, "tester")
	require.NoError(t, err)
	manifest, err := os.ReadFile(filepath.Join(dir, manifestName))
	require.NoError(t, err)
	require.NoError(t, f.keepManifest("emta", october, manifest))
	require.NoError(t, os.Remove(filepath.Join(folder, "emta", "2026-10-31", "a.request.000002.ndjson.gz")))

	other := testExporter(t)
	other.Now = func() time.Time { return signedAt.Add(time.Hour) }
	otherDir, err := other.Export(t.Context(), twoMonths(), "emta", october, "tester")
	require.NoError(t, err)
	_, err = e.Retire(t.Context(), f, otherDir, trust(testSigner()), "tester")
	require.ErrorContains(t, err, "the month was removed after another archive")

	_, err = e.Retire(t.Context(), f, dir, trust(testSigner()), "tester")
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(folder, "emta", "2026-10-31"))
	require.NoDirExists(t, filepath.Join(folder, "emta", "2026-10-11"))
}
