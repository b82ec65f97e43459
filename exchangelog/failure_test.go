package exchangelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// failing is a sink in files whose journals fail, or do not come back, as long as the test wants.
type failing struct {
	exchangelog.Sink
	err   atomic.Pointer[error]
	stuck atomic.Pointer[chan struct{}]
}

func (f *failing) fail(err error) { f.err.Store(&err) }

func (f *failing) check() error {
	if wait := f.stuck.Load(); wait != nil {
		<-*wait
	}
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *failing) Open(ctx context.Context, s exchangelog.Stream) (exchangelog.Journal, exchangelog.Tail, error) {
	if err := f.check(); err != nil {
		return nil, exchangelog.Tail{}, err
	}
	j, tail, err := f.Sink.Open(ctx, s)
	return &failingJournal{j, f}, tail, err
}

type failingJournal struct {
	exchangelog.Journal
	sink *failing
}

func (j *failingJournal) Append(ctx context.Context, b exchangelog.Batch) error {
	if err := j.sink.check(); err != nil {
		return err
	}
	return j.Journal.Append(ctx, b)
}

var errDisk = errors.New("no space left on device")

// failingOptions have a sink that can fail.
func failingOptions(folder string) (exchangelog.Options, *failing) {
	o := options(folder)
	sink := &failing{Sink: o.Sinks["files"]}
	o.Sinks["files"] = sink
	o.Now = time.Now
	return o, sink
}

// post sends one request and returns the answer's status.
func post(handler http.Handler) int {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/emta", strings.NewReader("<request/>")))
	return w.Code
}

// While the disk is full a required system refuses, before anything is done, and a best-effort one goes on. When there is room
// again everything is logged, what was refused too, and the chain is whole.
func TestDiskFull(t *testing.T) {
	for _, mode := range []exchangelog.Mode{exchangelog.Required, exchangelog.BestEffort} {
		folder := t.TempDir()
		o, sink := failingOptions(folder)
		var told bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&told, nil))
		o.Systems["emta"] = files(mode, exchangelog.Full)
		log := open(t, o)
		served := 0
		handler := log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served++
			echo(w, r)
		}))
		require.Equal(t, http.StatusOK, post(handler))
		sink.fail(errDisk)
		const more = 5
		for range more {
			if mode == exchangelog.Required {
				require.Equal(t, http.StatusServiceUnavailable, post(handler))
			} else {
				require.Equal(t, http.StatusOK, post(handler))
			}
		}
		if mode == exchangelog.Required {
			require.LessOrEqual(t, served, 2, "once it is known to fail nothing is done of what is refused")
		}
		require.True(t, log.Figures()[0].Failing)
		require.Positive(t, log.Figures()[0].Failures)
		sink.err.Store(nil)
		require.Eventually(t, func() bool { return !log.Figures()[0].Failing && !log.Figures()[1].Failing }, time.Minute, time.Millisecond)
		require.Equal(t, http.StatusOK, post(handler))
		closeLog(t, log)
		report := verify(t, folder, exchangelog.VerifyOptions{})
		require.False(t, report.Wrong(), "%s", text(t, report))
		for _, part := range []string{"request", "response"} {
			exchanges := 0
			for _, r := range records(t, folder, "emta", part) {
				if r.Protocol == exchangelog.SOAP {
					exchanges++
				}
			}
			require.Equal(t, more+2, exchanges, "%s: no exchange is missing", part)
		}
		require.Contains(t, told.String(), "exchange log cannot be written")
		require.LessOrEqual(t, strings.Count(told.String(), "exchange log cannot be written"), 2, "an alarm a stream, not one an exchange")
	}
}

// A call whose record cannot be kept is not made.
func TestNothingSentUnlogged(t *testing.T) {
	o, sink := failingOptions(t.TempDir())
	log := open(t, o)
	sink.fail(errDisk)
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	client := http.Client{Transport: log.Transport("emta", exchangelog.SOAP, http.DefaultTransport)}
	_, err := client.Post(server.URL, "text/xml", strings.NewReader("<request/>"))
	require.ErrorIs(t, err, errDisk)
	require.ErrorContains(t, err, "nothing was sent")
	require.False(t, called)
	sink.err.Store(nil)
	closeLog(t, log)
}

// A sink that does not come back costs callers no more than their patience, and the memory is bounded: what does not fit is
// counted, and the stream tells of it.
func TestStuckSink(t *testing.T) {
	folder := t.TempDir()
	o, sink := failingOptions(folder)
	o.Limits = exchangelog.Limits{Wait: 20 * time.Millisecond}
	o.Systems["emta"] = files(exchangelog.BestEffort, exchangelog.Full)
	log := open(t, o)
	handler := log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(echo))
	wait := make(chan struct{})
	sink.stuck.Store(&wait)
	large := strings.Repeat("x", 512<<10)
	const sent = 100 // 50 MB, of which a stream keeps 16
	for range sent {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/emta", strings.NewReader(large)))
		require.Equal(t, http.StatusOK, w.Code)
	}
	lost := log.Figures()[0].Lost
	require.Greater(t, lost, int64(50))
	require.Less(t, lost, int64(sent))
	sink.stuck.Store(nil)
	close(wait)
	require.Eventually(t, func() bool { return log.Figures()[0].Written >= sent-lost }, time.Minute, time.Millisecond)
	require.Equal(t, http.StatusOK, post(handler))
	closeLog(t, log)
	kept := records(t, folder, "emta", "request")
	require.Len(t, kept, int(sent-lost)+2)
	notes := 0
	for _, r := range kept {
		if r.Protocol == "log" {
			notes++
			require.Contains(t, r.Body, fmt.Sprintf("%d records before this one were not kept", lost))
		}
	}
	require.Equal(t, 1, notes)
	require.False(t, verify(t, folder, exchangelog.VerifyOptions{}).Wrong())
}

// A required system without a place to write does not start, and the place is named; a best-effort one starts.
func TestFolderCannotBeWritten(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "emta"), nil, 0o600)) // a file where the folder should be
	o := options(folder)
	_, err := exchangelog.Open(o)
	require.ErrorContains(t, err, filepath.Join(folder, "emta"))
	o.Systems["emta"] = files(exchangelog.BestEffort, exchangelog.Full)
	log := open(t, o)
	require.Equal(t, http.StatusOK, post(log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(echo))))
	require.True(t, log.Figures()[0].Failing)
	require.NoError(t, os.Remove(filepath.Join(folder, "emta")))
	require.Eventually(t, func() bool { return log.Figures()[0].Written == 1 && log.Figures()[1].Written == 1 }, time.Minute, time.Millisecond)
	closeLog(t, log)
	require.False(t, verify(t, folder, exchangelog.VerifyOptions{}).Wrong())
}

// Nobody else writes a stream meanwhile, whatever the settings say.
func TestOneWriter(t *testing.T) {
	folder := t.TempDir()
	log := open(t, options(folder))
	_, err := exchangelog.Open(options(folder))
	require.ErrorContains(t, err, filepath.Join(folder, "emta", "r1.request.lock"))
	closeLog(t, log)
	log = open(t, options(folder))
	closeLog(t, log)

	name, first, err := exchangelog.TakeReplica(folder, "host", true)
	require.NoError(t, err)
	require.Equal(t, "host", name)
	name, second, err := exchangelog.TakeReplica(folder, "host", true)
	require.NoError(t, err)
	require.Equal(t, "host-2", name)
	_, _, err = exchangelog.TakeReplica(folder, "host", false)
	require.ErrorContains(t, err, filepath.Join(folder, "host.lock"))
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}

// A file that is taken away while it is written is put back whole; so is one whose folder is. One that was changed ends, and Verify finds
// it.
func TestFileRemoved(t *testing.T) {
	folder := t.TempDir()
	log := open(t, options(folder))
	exchange(log, 3)
	require.NoError(t, os.Remove(segments(t, folder, "emta", "request")[0]))
	exchange(log, 3)
	require.Len(t, lines(t, folder, "emta", "request"), 6)
	require.NoError(t, os.RemoveAll(filepath.Join(folder, "emta")))
	exchange(log, 3)
	require.Len(t, lines(t, folder, "emta", "request"), 9)
	closeLog(t, log)
	report := verify(t, folder, exchangelog.VerifyOptions{})
	require.False(t, report.Wrong(), "%s", text(t, report))
	require.EqualValues(t, 9, report.Streams[0].Records)
}

func TestFileChangedWhileWritten(t *testing.T) {
	folder := t.TempDir()
	o := options(folder)
	o.Systems["emta"] = files(exchangelog.BestEffort, exchangelog.Full)
	log := open(t, o)
	exchange(log, 3)
	path := segments(t, folder, "emta", "request")[0]
	require.NoError(t, os.Truncate(path, 100))
	exchange(log, 3)
	require.Eventually(t, func() bool { return log.Figures()[0].Written >= 6 }, time.Minute, time.Millisecond)
	closeLog(t, log)
	report := verify(t, folder, exchangelog.VerifyOptions{})
	require.True(t, report.Wrong(), "%s", text(t, report))
	var notes []string
	for _, r := range records(t, folder, "emta", "request") {
		require.Greater(t, r.Seq, int64(3), "the numbers of what is gone are not used again")
		if r.Protocol == "log" {
			notes = append(notes, r.Body)
		}
	}
	require.Contains(t, notes, "the files end at record 0, and the sidecar tells of 3: what is between is missing")
	require.Contains(t, notes, "segment 1 ended in 100 bytes that were not whole; they are kept in r1.request.000001.ndjson.torn")
}

// A disk that is really full, where a small one can be made.
func TestSmallDisk(t *testing.T) {
	folder := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no small file system can be mounted here: %v %s", err, out)
	}
	defer func() { require.NoError(t, exec.Command("umount", folder).Run()) }()
	o := options(folder)
	o.Now = time.Now
	log := open(t, o)
	handler := log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(echo))
	refused, answered := 0, 0
	for range 300 {
		if post(handler) == http.StatusOK {
			answered++
		} else {
			refused++
		}
	}
	require.Positive(t, refused)
	require.Positive(t, answered)
	require.NoError(t, exec.Command("mount", "-o", "remount,size=8m", folder).Run())
	require.Eventually(t, func() bool { return !log.Figures()[0].Failing && !log.Figures()[1].Failing }, time.Minute, time.Millisecond)
	require.Equal(t, http.StatusOK, post(handler))
	closeLog(t, log)
	report := verify(t, folder, exchangelog.VerifyOptions{})
	require.False(t, report.Wrong(), "%s", text(t, report))

	// And one that can only be read: the start says where.
	require.NoError(t, exec.Command("mount", "-o", "remount,ro", folder).Run())
	_, err := exchangelog.Open(options(folder))
	require.ErrorContains(t, err, folder)
	require.ErrorContains(t, err, "read-only")
}

// Switching under load loses no exchange that began while the system was on, and each switch is in the stream with who did it.
func TestSwitchUnderLoad(t *testing.T) {
	folder := t.TempDir()
	o := options(folder)
	var ids atomic.Int64
	o.Now, o.NewID = time.Now, func() string { return fmt.Sprint("id-", ids.Add(1)) }
	log := open(t, o)
	var on sync.Map // ids of exchanges that were handled while the log had taken them
	handler := log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(echo))
	var load sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/emta", strings.NewReader("x")))
				on.Store(w, w.Code)
			}
		})
	}
	const switches = 10
	for i := range switches {
		s := exchangelog.Settings{}
		if i%2 == 1 {
			s = files(exchangelog.Required, exchangelog.Full)
		}
		require.NoError(t, log.Switch("emta", s, fmt.Sprint("operator ", i)))
		require.Equal(t, s.Off(), log.Settings()["emta"].Off())
	}
	close(stop)
	load.Wait()
	on.Range(func(_, code any) bool {
		require.Equal(t, http.StatusOK, code)
		return true
	})
	closeLog(t, log)
	requests, responses, notes := map[string]bool{}, map[string]bool{}, 0
	for _, r := range records(t, folder, "emta", "request") {
		if r.Protocol == "log" {
			require.Contains(t, r.Body, "logging switched from")
			require.Equal(t, fmt.Sprint("operator ", notes), r.Client)
			notes++
			continue
		}
		requests[r.RequestID] = true
	}
	for _, r := range records(t, folder, "emta", "response") {
		if r.Protocol != "log" {
			responses[r.RequestID] = true
		}
	}
	require.Equal(t, switches, notes)
	require.Equal(t, requests, responses, "each exchange is logged whole")
	require.Len(t, requests, int(ids.Load()), "an id is made only for what is logged")
	require.False(t, verify(t, folder, exchangelog.VerifyOptions{}).Wrong())

	require.Error(t, log.Switch("emta", exchangelog.Settings{Sinks: []string{"tables"}, Body: exchangelog.Full, Mode: exchangelog.Required}, ""))
	require.ErrorContains(t, log.Switch("Emta", exchangelog.Settings{}, ""), "lower-case")
}

// No folder has more than its share of files.
func TestFullFolder(t *testing.T) {
	folder := t.TempDir()
	day := filepath.Join(folder, "emta", "2026-11-27")
	require.NoError(t, os.MkdirAll(day, 0o700))
	for i := range 9000 {
		require.NoError(t, os.WriteFile(filepath.Join(day, fmt.Sprint("other", i)), nil, 0o600))
	}
	for range 2 {
		log := open(t, options(folder))
		exchange(log, 2)
		closeLog(t, log)
	}
	for _, path := range segments(t, folder, "emta", "request") {
		require.Equal(t, filepath.Join(day, "2"), filepath.Dir(path))
	}
	require.Len(t, records(t, folder, "emta", "request"), 4)
	require.False(t, verify(t, folder, exchangelog.VerifyOptions{}).Wrong())
}
