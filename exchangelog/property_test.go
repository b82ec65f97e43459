package exchangelog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// A log is written by several processes one after another, of which some are killed, also in the middle of a line. It verifies clean.
// Then it is damaged in every way that can be found, and each is found, at the right place or before.
func TestVerifyFindsEveryDamage(t *testing.T) {
	if testing.Short() {
		require.NoError(t, flag.Set("rapid.checks", "15"))
	}
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp(fastFolder(), "property-")
		require.NoError(t, err)
		defer os.RemoveAll(root)
		o, folder := options(""), filepath.Join(root, "0")
		o.SealKey = propertyKey
		o.Limits.Segment = rapid.Int64Range(1000, 20000).Draw(t, "segment")
		keys := exchangelog.VerifyOptions{Keys: []ed25519.PublicKey{propertyKey.Public()}}
		for session := range rapid.IntRange(1, 4).Draw(t, "sessions") {
			o.Sinks = map[string]exchangelog.Sink{"files": exchangelog.NewFiles(folder, nil)}
			log, err := exchangelog.Open(o)
			require.NoError(t, err)
			n := rapid.IntRange(0, 12).Draw(t, "exchanges")
			sendSizes(log, rapid.SliceOfN(rapid.IntRange(0, 3000), n, n).Draw(t, "sizes"))
			killed := rapid.Bool().Draw(t, "killed")
			next := filepath.Join(root, fmt.Sprint(session+1))
			for begin := time.Now(); written(log) < int64(2*n) && time.Since(begin) < time.Minute; {
				time.Sleep(time.Millisecond) // the last answer's record may be on its way
			}
			if killed { // what the disk has at some moment after the last answer
				copyLog(t, folder, next)
				tear(t, next, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "torn"))
			}
			require.NoError(t, log.Close(context.Background()))
			if killed {
				folder = next
				report := verifySource(t, exchangelog.FileSource{Folder: folder}, keys)
				require.False(t, wrongBeyondTorn(report), "%s", reportText(report))
			}
		}
		// The last process ends well, so that all is sealed.
		o.Sinks = map[string]exchangelog.Sink{"files": exchangelog.NewFiles(folder, nil)}
		log, err := exchangelog.Open(o)
		require.NoError(t, err)
		sendSizes(log, []int{10, 20})
		require.NoError(t, log.Close(context.Background()))

		whole := remembered(t, exchangelog.FileSource{Folder: folder})
		report := verifySource(t, whole, keys)
		require.False(t, report.Wrong(), "%s", reportText(report))
		for _, s := range report.Streams {
			require.Zero(t, s.Unsealed)
		}
		for _, d := range damages {
			damaged, first := d.do(t, whole.clone())
			if damaged == nil {
				continue // the log is too small for it
			}
			report := verifySource(t, damaged, keys)
			require.True(t, report.Wrong(), "not found: %s\n%s", d.name, reportText(report))
			for _, s := range report.Streams {
				if len(s.Findings) > 0 && first > 0 && s.Findings[0].Seq > 0 && s.Findings[0].Kind != exchangelog.Misplaced {
					require.InDelta(t, first, s.Findings[0].Seq, 1, "%s\n%s", d.name, reportText(report))
				}
			}
		}
	})
}

// written counts the records of all streams, notes included.
func written(log *exchangelog.Log) (n int64) {
	for _, f := range log.Figures() {
		n += f.Written
	}
	return n
}

var propertyKey = exchangelog.NewSealKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)))

var otherKey = exchangelog.NewSealKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize)))

func sendSizes(log *exchangelog.Log, sizes []int) {
	handler := log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(echo))
	for _, size := range sizes {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/emta", strings.NewReader(strings.Repeat("x", size))))
	}
}

// fastFolder is where files cost no disk, if there is such a place: what is kept through a crash of the machine is not the matter here.
func fastFolder() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// copyLog copies a log that is being written, sidecars first: they never tell of more than there is.
func copyLog(t require.TestingT, from, to string) {
	var paths []string
	require.NoError(t, filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			paths = append(paths, path)
		}
		return err
	}))
	slices.SortStableFunc(paths, func(a, b string) int { return rank(a) - rank(b) })
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) { // compressed meanwhile
			if strings.HasSuffix(path, ".tmp") {
				continue
			}
			path += ".gz"
			text, err = os.ReadFile(path)
		}
		require.NoError(t, err)
		name, err := filepath.Rel(from, path)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(to, name), text, 0o600))
	}
	require.NoError(t, os.MkdirAll(to, 0o700))
}

func rank(path string) int {
	if strings.HasSuffix(path, ".head") {
		return 0
	}
	return 1
}

// tear adds what a crash may leave of the next line to every segment that is open.
func tear(t require.TestingT, folder string, torn []byte) {
	torn = bytes.ReplaceAll(torn, []byte("\n"), nil)
	require.NoError(t, filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".ndjson" {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && !bytes.Contains(text, []byte(`{"seal":`)) {
			err = os.WriteFile(path, append(text, torn...), 0o600)
		}
		return err
	}))
}

// wrongBeyondTorn: right after a crash the last line may be torn, and nothing else is wrong.
func wrongBeyondTorn(r *exchangelog.Report) bool { return r.Wrong() }

func verifySource(t require.TestingT, s exchangelog.Source, o exchangelog.VerifyOptions) *exchangelog.Report {
	report, err := exchangelog.Verify(context.Background(), s, o)
	require.NoError(t, err)
	return report
}

func reportText(r *exchangelog.Report) string {
	var b strings.Builder
	_, _ = r.WriteTo(&b)
	return b.String()
}

// memory is a log in memory, line by line.
type memory []memoryStream

type memoryStream struct {
	exchangelog.StoredStream
	lines [][]string // of each segment, with line breaks
}

func remembered(t require.TestingT, s exchangelog.Source) memory {
	streams, err := s.Streams(context.Background())
	require.NoError(t, err)
	var m memory
	for _, stream := range streams {
		kept := memoryStream{StoredStream: stream}
		for _, segment := range stream.Segments {
			r, err := segment.Open(context.Background())
			require.NoError(t, err)
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			kept.lines = append(kept.lines, slices.Collect(strings.Lines(string(text))))
		}
		m = append(m, kept)
	}
	return m
}

func (m memory) clone() memory {
	c := slices.Clone(m)
	for i := range c {
		c[i].Segments = slices.Clone(c[i].Segments)
		c[i].lines = slices.Clone(c[i].lines)
		for k := range c[i].lines {
			c[i].lines[k] = slices.Clone(c[i].lines[k])
		}
	}
	return c
}

// Streams is for Source.
func (m memory) Streams(context.Context) ([]exchangelog.StoredStream, error) {
	var streams []exchangelog.StoredStream
	for _, s := range m {
		for k := range s.Segments {
			text := strings.Join(s.lines[k], "")
			s.Segments[k].Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
		}
		streams = append(streams, s.StoredStream)
	}
	return streams, nil
}

// place draws a record: its stream, segment, line and number.
func (m memory) place(t *rapid.T) (s *memoryStream, segment, line int, seq int64) {
	s = &m[rapid.IntRange(0, len(m)-1).Draw(t, "stream")]
	segment = rapid.IntRange(0, len(s.lines)-1).Draw(t, "segment")
	line = rapid.IntRange(0, len(s.lines[segment])-2).Draw(t, "line") // the last is the seal
	r, err := exchangelog.ParseRecord([]byte(strings.TrimSuffix(s.lines[segment][line], "\n")))
	require.NoError(t, err)
	return s, segment, line, r.Seq
}

// damages change a log and tell the number of the record where that is found; nil where it cannot be done.
var damages = []struct {
	name string
	do   func(t *rapid.T, m memory) (memory, int64)
}{
	{"a byte of a record is changed", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, line, seq := m.place(t)
		text := []byte(s.lines[segment][line])
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		text[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		s.lines[segment][line] = string(text)
		return m, seq
	}},
	{"a byte of a seal is changed", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, _, _ := m.place(t)
		last := len(s.lines[segment]) - 1
		text := []byte(s.lines[segment][last])
		at := rapid.IntRange(0, len(text)-2).Draw(t, "at")
		text[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		s.lines[segment][last] = string(text)
		return m, 0
	}},
	{"a record is removed", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, line, seq := m.place(t)
		s.lines[segment] = slices.Delete(s.lines[segment], line, line+1)
		return m, seq
	}},
	{"a record is there twice", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, line, seq := m.place(t)
		s.lines[segment] = slices.Insert(s.lines[segment], line, s.lines[segment][line])
		return m, seq
	}},
	{"a record of the other stream is put in", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, line, seq := m.place(t)
		other := &m[0]
		if s == other {
			other = &m[1]
		}
		if len(other.lines) == 0 {
			return nil, 0
		}
		s.lines[segment] = slices.Insert(s.lines[segment], line+1, other.lines[0][0])
		return m, seq + 1
	}},
	{"two records are exchanged", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, line, seq := m.place(t)
		if line+2 >= len(s.lines[segment]) {
			return nil, 0
		}
		s.lines[segment][line], s.lines[segment][line+1] = s.lines[segment][line+1], s.lines[segment][line]
		return m, seq
	}},
	{"a segment is cut off", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, line, seq := m.place(t)
		cut := rapid.IntRange(0, len(s.lines[segment][line])-1).Draw(t, "cut")
		s.lines[segment] = append(s.lines[segment][:line:line], s.lines[segment][line][:cut])
		return m, seq
	}},
	{"the end of the stream is cut off", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, line, _ := m.place(t)
		s.lines[segment] = s.lines[segment][:line]
		s.lines, s.Segments = s.lines[:segment+1], s.Segments[:segment+1]
		return m, 0
	}},
	{"a segment is removed", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, _, _ := m.place(t)
		s.lines, s.Segments = slices.Delete(s.lines, segment, segment+1), slices.Delete(s.Segments, segment, segment+1)
		return m, 0
	}},
	{"a segment is there twice", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, _, _ := m.place(t)
		s.lines, s.Segments = slices.Insert(s.lines, segment, s.lines[segment]), slices.Insert(s.Segments, segment, s.Segments[segment])
		return m, 0
	}},
	{"a seal is removed", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, _, _ := m.place(t)
		s.lines[segment] = s.lines[segment][:len(s.lines[segment])-1]
		return m, 0
	}},
	{"a seal's signature is taken off", func(t *rapid.T, m memory) (memory, int64) {
		s, segment, _, _ := m.place(t)
		last := len(s.lines[segment]) - 1
		before, _, _ := strings.Cut(s.lines[segment][last], `,"signature"`)
		s.lines[segment][last] = before + `,"signature":"-"}` + "\n"
		if segment == 0 {
			return nil, 0 // as one that was written before there was a key
		}
		return m, 0
	}},
	{"the stream is written anew by somebody without the key", func(t *rapid.T, m memory) (memory, int64) {
		folder, err := os.MkdirTemp(fastFolder(), "forged-")
		require.NoError(t, err)
		defer os.RemoveAll(folder)
		o := options(folder)
		o.SealKey = otherKey
		log, err := exchangelog.Open(o)
		require.NoError(t, err)
		sendSizes(log, []int{1, 2, 3})
		require.NoError(t, log.Close(context.Background()))
		return remembered(t, exchangelog.FileSource{Folder: folder}), 0
	}},
}

// The tail that no seal covers is compared with the sidecar and with heads that were kept elsewhere.
func TestVerifyUnsealedTail(t *testing.T) {
	folder, later := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	o := options(folder)
	log := open(t, o)
	exchange(log, 5)
	require.Eventually(t, func() bool { return log.Figures()[1].Written == 5 }, time.Minute, time.Millisecond)
	head := log.Figures()[0]
	copyLog(t, folder, later)
	closeLog(t, log)

	report := verify(t, later, exchangelog.VerifyOptions{})
	require.False(t, report.Wrong(), "%s", text(t, report))
	require.EqualValues(t, 5, report.Streams[0].Unsealed)
	require.Contains(t, text(t, report), "not sealed yet: the last 5 records")

	path := segments(t, later, "emta", "request")[0]
	kept := lines(t, later, "emta", "request")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(kept[:4], "\n")+"\n"), 0o600))
	report = verify(t, later, exchangelog.VerifyOptions{})
	require.Equal(t, "truncated: the sidecar tells of 5 records, and the last here is 4", report.Streams[0].Findings[0].String())

	// Without the sidecar only a head that was kept elsewhere tells.
	require.NoError(t, os.Remove(filepath.Join(later, "emta", "r1.request.head")))
	report = verify(t, later, exchangelog.VerifyOptions{})
	require.False(t, report.Wrong())
	require.Contains(t, text(t, report), "there is no sidecar")
	known := exchangelog.KnownHead{Stream: head.Stream, Head: exchangelog.Head{Seq: 5, Hash: head.Head.Hash[:13]}, From: "monitoring"}
	report = verify(t, later, exchangelog.VerifyOptions{Heads: []exchangelog.KnownHead{known}})
	require.Equal(t, "truncated: monitoring tells of 5 records, and the last here is 4", report.Streams[0].Findings[0].String())
	known.Head = exchangelog.Head{Seq: 4, Hash: "0000000000000"}
	report = verify(t, later, exchangelog.VerifyOptions{Heads: []exchangelog.KnownHead{known}})
	require.Equal(t, exchangelog.Contradict, report.Streams[0].Findings[0].Kind)
}
