package exchangelog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// noon is when the tests' exchanges take place.
var noon = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

func files(mode exchangelog.Mode, body exchangelog.BodyMode) exchangelog.Settings {
	return exchangelog.Settings{Sinks: []string{"files"}, Body: body, Mode: mode}
}

// options log emta to files in the folder.
func options(folder string) exchangelog.Options {
	return exchangelog.Options{
		Replica: "r1", Now: func() time.Time { return noon }, NewID: func() string { return "id-1" },
		Sinks:   map[string]exchangelog.Sink{"files": exchangelog.NewFiles(folder, nil)},
		Systems: map[string]exchangelog.Settings{"emta": files(exchangelog.Required, exchangelog.Full)},
	}
}

func open(t testing.TB, o exchangelog.Options) *exchangelog.Log {
	t.Helper()
	log, err := exchangelog.Open(o)
	require.NoError(t, err)
	return log
}

func closeLog(t testing.TB, log *exchangelog.Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, log.Close(ctx))
}

// refuse is what answers in the tests where an exchange must not go on.
func refuse(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "refused "+xroadhdr.ExchangeFrom(r.Context()).RequestID, http.StatusServiceUnavailable)
}

// lines are those of a stream's segments in order, seals left out.
func lines(t testing.TB, folder, system, part string) []string {
	t.Helper()
	var found []string
	for _, path := range segments(t, folder, system, part) {
		for line := range strings.Lines(string(readSegment(t, path))) {
			if !strings.HasPrefix(line, `{"seal":`) {
				found = append(found, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	return found
}

// segments are the paths of a stream's segments in order.
func segments(t testing.TB, folder, system, part string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(filepath.Join(folder, system), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.Contains(e.Name(), "."+part+".") && strings.Contains(e.Name(), ".ndjson") && !strings.HasSuffix(path, ".torn") {
			paths = append(paths, path)
		}
		return err
	})
	require.NoError(t, err)
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return paths
}

func readSegment(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(content))
		require.NoError(t, err)
		content, err = io.ReadAll(z)
		require.NoError(t, err)
	}
	return content
}

func records(t testing.TB, folder, system, part string) []*exchangelog.Record {
	t.Helper()
	var list []*exchangelog.Record
	for _, line := range lines(t, folder, system, part) {
		r, err := exchangelog.ParseRecord([]byte(line))
		require.NoError(t, err, "%s", line)
		list = append(list, r)
	}
	return list
}

func TestInbound(t *testing.T) {
	folder := t.TempDir()
	log := open(t, options(folder))
	handler := log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		exchange := xroadhdr.ExchangeFrom(r.Context())
		exchange.XRoadID, exchange.Issue, exchange.Fault = "message-1", "ATPUB", "Client"
		exchange.Noted()
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "<answer/>")
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/emta?x=1", strings.NewReader("<request/>")))
	require.Equal(t, "<answer/>", w.Body.String())
	require.Len(t, lines(t, folder, "emta", "request"), 1, "the request's record is there before the answer")
	closeLog(t, log)

	golden(t, "inbound.ndjson", append(lines(t, folder, "emta", "request"), lines(t, folder, "emta", "response")...))
}

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares lines with a file of testdata, and each line's hash with what sha256sum would say.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
	for _, line := range lines { // each is the first of its stream
		covered, rest, ok := strings.Cut(line, `,"hash":"`)
		require.True(t, ok)
		sum := sha256.Sum256([]byte(strings.Repeat("0", 64) + covered))
		require.Equal(t, hex.EncodeToString(sum[:])+`"}`, rest)
	}
}

func TestOutbound(t *testing.T) {
	folder := t.TempDir()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Len(t, lines(t, folder, "emta", "request"), 1, "the record is there before the request")
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "<request/>", string(body))
		_, _ = io.WriteString(w, "<answer/>")
	}))
	defer server.Close()
	log := open(t, options(folder))
	client := http.Client{Transport: log.Transport("emta", exchangelog.SOAP, http.DefaultTransport)}
	answer, err := client.Post(server.URL+"/cgi", "text/xml", strings.NewReader("<request/>"))
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, "<answer/>", string(body))
	require.NoError(t, answer.Body.Close())
	server.Close()
	_, err = client.Post(server.URL+"/cgi", "text/xml", strings.NewReader("<request/>"))
	require.Error(t, err)
	closeLog(t, log)

	responses := records(t, folder, "emta", "response")
	require.Len(t, responses, 2)
	require.Equal(t, 200, responses[0].Status)
	require.Equal(t, "<answer/>", responses[0].Body)
	require.Equal(t, -1, responses[1].Status)
	require.Equal(t, "network", responses[1].Fault)
	require.Equal(t, exchangelog.Out, responses[1].Direction)
}

// clock stands still until it is set. The log's writers read it too.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.set(at)
	return c
}

func (c *clock) set(at time.Time) { c.at.Store(&at) }

func (c *clock) now() time.Time { return *c.at.Load() }
