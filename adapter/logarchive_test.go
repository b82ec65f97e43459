package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
)

// signingFiles are an RSA key and its certificate, as openssl writes them.
func signingFiles(t testing.TB) (key, cert string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "log"}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(9, 0, 0)}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	dir := t.TempDir()
	key, cert = filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER}), 0o600))
	return key, cert
}

// archiveSettings are settings with everything that archives need, also as a file.
func archiveSettings(t testing.TB) (s Settings, file string) {
	t.Helper()
	dir := t.TempDir()
	s = defaultSettings()
	s.Store = "sqlite:" + filepath.Join(dir, "adapter.db")
	s.Log.Dir, s.Log.ArchiveDir, s.Log.SealKey = filepath.Join(dir, "logs"), filepath.Join(dir, "archive"), sealKeyFile(t)
	s.Log.SigningKey, s.Log.SigningCert = signingFiles(t)
	text, err := yaml.Marshal(s)
	require.NoError(t, err)
	file = filepath.Join(dir, "adapter.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return s, file
}

// recorded lets exchanges with EMTA pass at a time, as a replica that then stops; their ids are NAME-1 and so on.
func recorded(t testing.TB, s Settings, name string, at time.Time, bodies ...string) {
	t.Helper()
	recordedIn(t, s, map[string]exchangelog.Sink{placeFiles: exchangelog.NewFiles(s.Log.Dir, nil)}, name, at, bodies...)
}

// recordedIn does so in the places given.
func recordedIn(t testing.TB, s Settings, sinks map[string]exchangelog.Sink, name string, at time.Time, bodies ...string) {
	t.Helper()
	key, err := exchangelog.ReadSealKey(s.Log.SealKey)
	require.NoError(t, err)
	var keys *exchangelog.Keys
	if s.Log.MasterKey != "" {
		keys, err = exchangelog.OpenKeys(s.Log.Dir, s.Log.MasterKey)
		require.NoError(t, err)
	}
	n := 0
	log, err := exchangelog.Open(exchangelog.Options{Replica: "a", SealKey: key, Keys: keys, Now: func() time.Time { return at },
		Sinks:   sinks,
		Systems: map[string]exchangelog.Settings{"emta": {Sinks: slices.Collect(maps.Keys(sinks)), Body: exchangelog.Full, Mode: exchangelog.Required}},
		NewID:   func() string { n++; return fmt.Sprintf("%s-%d", name, n) }})
	require.NoError(t, err)
	handler := log.Handler("emta", exchangelog.SOAP, func(http.ResponseWriter, *http.Request) { t.Error("refused") },
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = w.Write([]byte("<answer/>"))
		}))
	for _, body := range bodies {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/emta", strings.NewReader(body)))
	}
	require.NoError(t, log.Close(t.Context()))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// exported runs the command as it is at a time.
func exported(t testing.TB, s Settings, c logExport, at time.Time) (string, error) {
	t.Helper()
	e, err := s.exporter(func() time.Time { return at }, quiet())
	require.NoError(t, err)
	var out bytes.Buffer
	err = c.export(t.Context(), s, e, exchangelog.NewFiles(s.Log.Dir, nil), &out)
	return out.String(), err
}

var (
	lateOctober   = time.Date(2026, 10, 31, 23, 59, 0, 0, estonia)
	earlyNovember = time.Date(2026, 11, 1, 0, 1, 0, 0, estonia)
	inDecember    = time.Date(2026, 12, 2, 12, 0, 0, 0, estonia)
)

// A month's way out of the log: archived, verified, removed, found again, proved.
func TestLogExportDrop(t *testing.T) {
	s, file := archiveSettings(t)
	recorded(t, s, "october", lateOctober, "<order>one</order>", "<order>two</order>")
	recorded(t, s, "november", earlyNovember, "<order>three</order>")
	verified := func(c logVerify) (string, error) {
		var out bytes.Buffer
		err := c.verify(t.Context(), s.Log, &out)
		return out.String(), err
	}

	_, err := exported(t, s, logExport{System: "emta", Month: "2026-11"}, earlyNovember)
	require.ErrorContains(t, err, "month 2026-11 is not over")
	_, err = exported(t, s, logExport{System: "emta", Month: "November"}, earlyNovember)
	require.ErrorContains(t, err, "--month")
	_, err = exported(t, s, logExport{System: "paasuke", Month: "2026-10"}, earlyNovember)
	require.ErrorIs(t, err, exchangelog.ErrNothing)

	told, err := exported(t, s, logExport{System: "emta", Month: "2026-10", By: "tester"}, earlyNovember)
	require.NoError(t, err)
	require.Contains(t, told, "emta 2026-10 is archived in ")
	require.Contains(t, told, "whole: archive of emta 2026-10, made 2026-11-01 00:01:00 +02:00 by tester")
	require.Contains(t, told, "emta/a/request: records 1 to 2")
	require.NotContains(t, told, "removed")

	// The command itself, which also tells the security log.
	st, err := store.Open(t.Context(), s.Store)
	require.NoError(t, err)
	defer st.Close()
	_, err = st.Migrate(t.Context())
	require.NoError(t, err)
	require.NoError(t, (&logExport{Config: file, System: "emta", Month: "2026-10", Drop: true, By: "tester"}).Run(t.Context()))
	events, err := st.SecurityEvents(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, monthRemoved, events[0].Kind)
	require.Equal(t, "tester", events[0].Actor)
	require.Contains(t, events[0].Detail, "emta 2026-10: 4 records of 2 streams")
	require.NoDirExists(t, filepath.Join(s.Log.Dir, "emta", "2026-10-31"))

	// What is left verifies, and says where it begins.
	told, err = verified(logVerify{})
	require.NoError(t, err, "%s", told)
	require.Contains(t, told, "emta 2026-10: archived on ")
	require.Contains(t, told, "begins behind record 2, which was moved into an archive")
	// Not so without the certificate, or with another's: then it is missing.
	_, other := signingFiles(t)
	told, err = verified(logVerify{Cert: []string{other}})
	require.ErrorIs(t, err, errLogWrong)
	require.Contains(t, told, "counts for nothing")
	require.Contains(t, told, "the segments before it are missing")

	// The next month's archive continues the chain.
	told, err = exported(t, s, logExport{System: "emta", Month: "2026-11", By: "tester"}, inDecember)
	require.NoError(t, err, "%s", told)
	archives := []string{filepath.Join(s.Log.ArchiveDir, "emta", "2026-11"), filepath.Join(s.Log.ArchiveDir, "emta", "2026-10")}
	told, err = verified(logVerify{Archives: archives})
	require.NoError(t, err, "%s", told)
	require.Contains(t, told, "emta: the archives of 2026-10 to 2026-11 continue each other")

	// It is found in the archive, and packed from there.
	var shown bytes.Buffer
	require.NoError(t, (&logShow{ID: "october-2"}).show(t.Context(), s, nil, inDecember, &shown))
	require.Contains(t, shown.String(), "<order>two</order>")
	require.Contains(t, shown.String(), "archive/emta/a/request, segment 1, record 2")
	e, err := s.exporter(func() time.Time { return inDecember }, quiet())
	require.NoError(t, err)
	bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
	require.NoError(t, (&logEvidence{ID: "october-2", Out: bundle}).pack(t.Context(), s, e, nil, io.Discard))
	evidence := unpacked(t, bundle, "october-2")
	require.FileExists(t, filepath.Join(evidence, "archive-manifest.xml"))
	told, err = verified(logVerify{Archives: []string{evidence}})
	require.NoError(t, err, "%s", told)
	require.Contains(t, told, "whole: evidence of exchange october-2 with emta")
	require.ErrorIs(t, (&logEvidence{ID: "nobody", Out: bundle}).pack(t.Context(), s, e, nil, io.Discard), errNotFound)

	// What is done to an archive is found, with the place.
	_, err = verified(logVerify{Archives: archives, Cert: []string{other}})
	require.ErrorIs(t, err, errLogWrong)
	require.NoError(t, os.Remove(filepath.Join(archives[1], "a", "request-000001.hashes")))
	told, err = verified(logVerify{Archives: archives})
	require.ErrorIs(t, err, errLogWrong)
	require.Contains(t, told, "WRONG: archive of emta 2026-10: ")
	require.Contains(t, told, "request-000001.hashes")
	_, err = verified(logVerify{Archives: []string{filepath.Join(s.Log.ArchiveDir, "nothing")}})
	require.ErrorIs(t, err, fs.ErrNotExist)
	s.Log.SigningCert = ""
	_, err = verified(logVerify{Archives: archives})
	require.ErrorIs(t, err, errNoCert)
}

func unpacked(t testing.TB, bundle, id string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("tar", "xzf", bundle, "-C", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "evidence-"+id)
}

// Without its security log a removal does not happen.
func TestLogExportTellsBeforeItRemoves(t *testing.T) {
	s, _ := archiveSettings(t)
	recorded(t, s, "october", lateOctober, "<order/>")
	e, err := s.exporter(func() time.Time { return inDecember }, quiet())
	require.NoError(t, err)
	e.Removing = tellRemoval(func(context.Context, security.Event) error { return io.ErrUnexpectedEOF }, time.Now, "tester")
	err = (&logExport{System: "emta", Month: "2026-10", Drop: true}).export(t.Context(), s, e, exchangelog.NewFiles(s.Log.Dir, nil), io.Discard)
	require.ErrorContains(t, err, "the removal could not be recorded")
	require.DirExists(t, filepath.Join(s.Log.Dir, "emta", "2026-10-31"))
}

func TestLogShow(t *testing.T) {
	s, _ := archiveSettings(t)
	recorded(t, s, "october", lateOctober, `<a><b>õ</b></a>`, `{"order":"77"}`, "\x1b[2Jgone\u202e", "\xff\x00")
	recorded(t, s, "november", earlyNovember, `<order>77</order>`)
	show := func(c logShow) (string, error) {
		var out bytes.Buffer
		err := c.show(t.Context(), s, nil, earlyNovember.Add(time.Minute), &out)
		return out.String(), err
	}
	told, err := show(logShow{ID: "october-1"})
	require.NoError(t, err)
	require.Contains(t, told, "2026-10-31 23:59:00.000 +02:00  emta in request\n")
	require.Contains(t, told, "\n<a>\n  <b>õ</b>\n</a>\n")
	require.Contains(t, told, "emta in response\n")
	require.Contains(t, told, "status      200")
	require.Less(t, strings.Index(told, "in request"), strings.Index(told, "in response"))
	require.NotContains(t, told, "october-2")

	told, err = show(logShow{ID: "october-2"})
	require.NoError(t, err)
	require.Contains(t, told, "{\n  \"order\": \"77\"\n}")
	for _, id := range []string{"october-3", "october-4"} {
		told, err = show(logShow{ID: id})
		require.NoError(t, err)
		require.Equal(t, told, terminalSafe(told), "nothing of a body steers the terminal")
	}
	require.Contains(t, told, `\xff\x00`)

	// By order, in the time that is asked for; without a time, in the last day.
	told, err = show(logShow{Order: "77"})
	require.NoError(t, err)
	require.Contains(t, told, "october-2")
	require.Contains(t, told, "november-1")
	told, err = show(logShow{Order: "77", From: "2026-11-01"})
	require.NoError(t, err)
	require.NotContains(t, told, "october")
	told, err = show(logShow{To: "2026-11-01T00:00"})
	require.NoError(t, err)
	require.NotContains(t, told, "november")
	_, err = show(logShow{Order: "77", From: "2026-11-01T00:02:00+02:00"})
	require.ErrorIs(t, err, errNotFound)
	_, err = show(logShow{ID: "october-1", System: "paasuke"})
	require.ErrorIs(t, err, errNotFound)
	_, err = show(logShow{From: "yesterday"})
	require.ErrorContains(t, err, "--from")

	told, err = show(logShow{Limit: 2})
	require.NoError(t, err)
	require.Contains(t, told, "There are more than 2")
	require.Equal(t, 2, strings.Count(told, "in request"))

	told, err = show(logShow{ID: "october-2", JSON: true})
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(told), "\n")
	require.Len(t, lines, 2)
	var first struct {
		Segment int
		Record  struct{ RequestID, Part, Body string }
	}
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.Equal(t, `{"order":"77"}`, first.Record.Body)
	require.Equal(t, "request", first.Record.Part)
	require.Equal(t, 1, first.Segment)
}

// What is encrypted is archived so, with its key beside it; without the key it still verifies.
func TestLogArchiveEncrypted(t *testing.T) {
	s, _ := archiveSettings(t)
	s.Log.MasterKey = filepath.Join(t.TempDir(), "master")
	require.NoError(t, os.WriteFile(s.Log.MasterKey, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))), 0o600))
	recorded(t, s, "october", lateOctober, "<order>one</order>")
	e, err := s.exporter(func() time.Time { return inDecember }, quiet())
	require.NoError(t, err)
	require.NoError(t, (&logExport{System: "emta", Month: "2026-10", Drop: true}).export(t.Context(), s, e, exchangelog.NewFiles(s.Log.Dir, nil), io.Discard))
	archive := filepath.Join(s.Log.ArchiveDir, "emta", "2026-10")
	archived, err := filepath.Glob(filepath.Join(archive, "keys", "emta-2026-10-*.key"))
	require.NoError(t, err)
	require.Len(t, archived, 1)
	require.NotContains(t, string(readGzip(t, filepath.Join(archive, "a", "request-000001.ndjson.gz"))), "one")

	shown := func(id string, asJSON bool) string {
		var out bytes.Buffer
		require.NoError(t, (&logShow{ID: id, JSON: asJSON}).show(t.Context(), s, nil, inDecember, &out))
		return out.String()
	}
	require.NoError(t, os.RemoveAll(filepath.Join(s.Log.Dir, "emta", "keys")))
	require.Contains(t, shown("october-1", false), "<order>one</order>", "by the archive's key")
	require.Contains(t, shown("october-1", true), `"body":"\u003corder\u003eone\u003c/order\u003e"`)
	bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
	require.NoError(t, (&logEvidence{ID: "october-1", Out: bundle}).pack(t.Context(), s, e, nil, io.Discard))
	body, err := os.ReadFile(filepath.Join(unpacked(t, bundle, "october-1"), "a", "request-1.body"))
	require.NoError(t, err)
	require.Equal(t, "<order>one</order>", string(body))

	require.NoError(t, os.RemoveAll(filepath.Join(archive, "keys")))
	require.Contains(t, shown("october-1", false), "encrypted with key emta-2026-10-")
	var told bytes.Buffer
	require.NoError(t, (&logVerify{Archives: []string{archive}}).verify(t.Context(), s.Log, &told))
	require.Contains(t, told.String(), "whole: archive of emta 2026-10")
	require.Contains(t, told.String(), "note: key emta-2026-10-")
}

// A log that is in tables as well as in files is two chains, and each has its archives.
func TestLogArchiveOfTables(t *testing.T) {
	s, file := archiveSettings(t)
	st, err := store.Open(t.Context(), s.Store)
	require.NoError(t, err)
	defer st.Close()
	_, err = st.Migrate(t.Context())
	require.NoError(t, err)
	tables := exchangelog.TableMonths{MonthTables: st}
	recordedIn(t, s, map[string]exchangelog.Sink{placeFiles: exchangelog.NewFiles(s.Log.Dir, nil), placeTables: st}, "october", lateOctober, "<order>one</order>", "<order>two</order>")
	recordedIn(t, s, map[string]exchangelog.Sink{placeTables: st}, "november", earlyNovember, "<order>three</order>")

	require.NoError(t, (&logExport{Config: file, System: "emta", Month: "2026-10", From: placeFiles, Drop: true}).Run(t.Context()))
	require.NoError(t, (&logExport{Config: file, System: "emta", Month: "2026-10", From: placeTables, Drop: true}).Run(t.Context()))
	require.NoError(t, (&logVerify{Config: file, Tables: true}).verify(t.Context(), s.Log, io.Discard))
	require.NoError(t, (&logVerify{Config: file}).verify(t.Context(), s.Log, io.Discard))
	for _, dir := range []string{s.Log.ArchiveDir, s.tableArchives()} {
		require.NoError(t, (&logVerify{Archives: []string{filepath.Join(dir, "emta", "2026-10")}}).verify(t.Context(), s.Log, io.Discard))
	}
	months, err := tables.Months(t.Context(), "emta")
	require.NoError(t, err)
	require.Equal(t, "2026-11", months[0].String())

	var shown bytes.Buffer
	require.NoError(t, (&logShow{Order: "<order>", From: "2026-10-01"}).show(t.Context(), s, tables, inDecember, &shown))
	require.Equal(t, 3, strings.Count(shown.String(), "in request"), "each once, wherever it stands")
	e, err := s.exporter(func() time.Time { return inDecember }, quiet())
	require.NoError(t, err)
	bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
	require.NoError(t, (&logEvidence{ID: "november-1", Out: bundle}).pack(t.Context(), s, e, tables, io.Discard))
	require.NoError(t, (&logVerify{Archives: []string{unpacked(t, bundle, "november-1")}}).verify(t.Context(), s.Log, io.Discard))
	require.ErrorIs(t, (&logEvidence{ID: "november-1", Out: bundle}).pack(t.Context(), s, e, nil, io.Discard), errNotFound)
	require.True(t, (&logExport{System: "emta"}).tables(Settings{Log: Log{Systems: map[string]LogSystem{"emta": {Sinks: []string{placeTables}}}}}))
	require.False(t, (&logExport{System: "emta"}).tables(s))
}

// Old months go by themselves, and whoever comes second has nothing to do.
func TestRetention(t *testing.T) {
	s, _ := archiveSettings(t)
	recorded(t, s, "september", lateOctober.AddDate(0, -1, -2), "<order/>")
	recorded(t, s, "october", lateOctober, "<order/>")
	recorded(t, s, "november", earlyNovember, "<order/>")
	var told []string
	e, err := s.exporter(func() time.Time { return inDecember }, quiet())
	require.NoError(t, err)
	e.Removing = tellRemoval(func(_ context.Context, event security.Event) error {
		told = append(told, event.Actor+": "+event.Detail)
		return nil
	}, time.Now, "retention")
	files := exchangelog.NewFiles(s.Log.Dir, nil)
	for range 2 {
		r := &retention{s, "emta", 1, e, files}
		require.NoError(t, r.work(t.Context()))
		require.Len(t, told, 2)
		require.Contains(t, told[0], "retention: emta 2026-09: 2 records")
		require.Contains(t, told[1], "retention: emta 2026-10: 2 records")
		months, err := files.Months(t.Context(), "emta")
		require.NoError(t, err)
		require.Equal(t, []exchangelog.Month{{Year: 2026, Month: time.November}, {Year: 2026, Month: time.December}}, months)
	}
	var out bytes.Buffer
	require.NoError(t, (&logVerify{}).verify(t.Context(), s.Log, &out), "%s", out.String())

	// One that does not verify stays, and so do those after it.
	s2, _ := archiveSettings(t)
	recorded(t, s2, "september", lateOctober.AddDate(0, -1, -2), "<order/>")
	recorded(t, s2, "october", lateOctober, "<order/>")
	damaged := filepath.Join(s2.Log.Dir, "emta", "2026-09-29", "a.request.000001.ndjson.gz")
	require.NoError(t, os.WriteFile(damaged, []byte("x"), 0o600))
	e.Dir = s2.Log.ArchiveDir
	r := &retention{s2, "emta", 1, e, exchangelog.NewFiles(s2.Log.Dir, nil)}
	require.ErrorContains(t, r.work(t.Context()), "emta 2026-09: ")
	require.DirExists(t, filepath.Join(s2.Log.Dir, "emta", "2026-10-31"))
	require.Len(t, told, 2)
}

// The program does it by itself, at once where a night was missed.
func TestRetentionRuns(t *testing.T) {
	var folder, archives string
	old := time.Now().AddDate(0, -3, 0)
	running(t, simulator.Options{}, func(s *Settings) {
		s.Log.SealKey = sealKeyFile(t)
		s.Log.SigningKey, s.Log.SigningCert = signingFiles(t)
		s.Log.ArchiveDir = filepath.Join(t.TempDir(), "archive")
		s.Log.Systems = map[string]LogSystem{"emta": {KeepMonths: 1}}
		recorded(t, *s, "old", old, "<order/>")
		folder, archives = filepath.Join(s.Log.Dir, "emta", exchangelog.Day(old)), filepath.Join(s.Log.ArchiveDir, "emta", exchangelog.MonthOf(old).String())
	})
	require.Eventually(t, func() bool {
		_, err := os.Stat(folder)
		return errors.Is(err, fs.ErrNotExist)
	}, time.Minute, 20*time.Millisecond)
	require.DirExists(t, archives)
}

func TestArchiveSettings(t *testing.T) {
	for _, row := range []struct {
		set  func(*Log)
		want string
	}{
		{func(l *Log) { l.SigningCert = "" }, "log.signingKey needs log.signingCert"},
		{func(l *Log) { l.SigningKey = "" }, "log.signingKey needs log.signingCert"},
		{func(l *Log) { l.Systems = map[string]LogSystem{"emta": {KeepMonths: -1}} }, "log.systems.emta.keepMonths must not be negative"},
		{func(l *Log) {
			l.SigningKey, l.SigningCert, l.Systems = "", "", map[string]LogSystem{"emta": {KeepMonths: 1}}
		}, "log.systems.emta.keepMonths needs log.signingKey"},
	} {
		s, _ := archiveSettings(t)
		row.set(&s.Log)
		require.ErrorContains(t, s.check(), row.want)
	}
	s, _ := archiveSettings(t)
	s.Log.Systems = map[string]LogSystem{"emta": {KeepMonths: 3}}
	require.NoError(t, s.check())
	s.Log.SigningKey, s.Log.SigningCert = "", ""
	_, err := s.exporter(time.Now, quiet())
	require.ErrorIs(t, err, errNoSigningKey)
}
