package soap_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// tempDir is where temporary files go during the test.
func tempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	switch t := t.(type) {
	case *testing.T:
		t.Setenv("TMPDIR", dir)
	case *testing.B:
		t.Setenv("TMPDIR", dir)
	}
	return dir
}

// openTempFiles counts the open files in dir, and requires that none has a name: the end of the process ends them.
func openTempFiles(t testing.TB, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	links, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	if len(links) == 0 {
		t.Skip("open files are counted in /proc")
	}
	n := 0
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir) {
			n++
		}
	}
	return n
}

// large goes to a file.
var large = "Content-Type: a/b\r\nContent-ID: <large>\r\n\r\n" + strings.Repeat("0123456789abcdef", 100_000)

func TestHandlerLeavesNoFiles(t *testing.T) {
	dir := tempDir(t)
	root := soapPart(t, "")
	small := "Content-Type: a/b\r\nContent-ID: <small>\r\n\r\nsmall"
	tests := []struct {
		name   string
		body   string
		serve  func(*soap.Request) error
		status int // 0: the connection is cut
	}{
		{"refused after it", joined(root, small, large, small), nil, http.StatusInternalServerError}, // two of one Content-ID
		{"large", joined(root, small, large), func(*soap.Request) error { return nil }, http.StatusOK},
		{"error", joined(root, large), func(*soap.Request) error { return errors.New("no") }, http.StatusInternalServerError},
		{"panic", joined(root, large), func(*soap.Request) error { panic("no") }, http.StatusInternalServerError},
		{"abort", joined(root, large), func(*soap.Request) error { panic(http.ErrAbortHandler) }, 0},
		{"cut", strings.TrimSuffix(joined(root, large, small), "--\r\n"), nil, http.StatusInternalServerError},
		{"sent back", joined(root, large), func(r *soap.Request) error { r.Attach(r.Attachments[0]); return nil }, http.StatusOK},
		{"sent back broken", joined(root, large), func(r *soap.Request) error {
			r.Attach(r.Attachments[0])
			r.Attach(&soap.Attachment{ContentType: "a/b", Open: func() (io.ReadCloser, error) { return io.NopCloser(failingReader{}), nil }})
			return nil
		}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			served := false
			handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
				served = true
				require.Equal(t, 1, openTempFiles(t, dir), "one for all, without a name")
				return test.serve(r)
			}))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", related)
			w := httptest.NewRecorder()
			if test.status == 0 {
				require.PanicsWithValue(t, http.ErrAbortHandler, func() { handler.ServeHTTP(w, r) })
			} else {
				handler.ServeHTTP(w, r)
				require.Equal(t, test.status, w.Code, w.Body.String())
			}
			require.Equal(t, test.serve != nil, served)
			require.Zero(t, openTempFiles(t, dir))
		})
	}
}

type failingReader struct{}

var errDisk = errors.New("disk failed")

func (failingReader) Read([]byte) (int, error) { return 0, errDisk }

func TestMessageCloseLeavesNoFiles(t *testing.T) {
	dir := tempDir(t)
	body := joined(soapPart(t, ""), "Content-Type: a/b\r\nContent-ID: <small>\r\n\r\nsmall", large)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, related, multipartMessage{body: body}.answered().body)
	}))
	defer server.Close()
	m, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(t.Context(), storeCall())
	require.NoError(t, err)
	require.Equal(t, 1, openTempFiles(t, dir))
	require.Equal(t, "small", read(t, m.Attachments[0]))
	begun, err := m.Attachments[1].Open()
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close(), "more than once")
	require.Zero(t, openTempFiles(t, dir))
	for _, a := range m.Attachments {
		_, err = a.Open()
		require.ErrorIs(t, err, os.ErrClosed)
	}
	_, err = begun.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrClosed)
	plain, err := soap.ParseRequest([]byte(base(t)), soap.Limits{})
	require.NoError(t, err)
	require.NoError(t, plain.Close(), "of a message without attachments it does nothing")
}

func TestAttachmentsAreReadByManyAtOnce(t *testing.T) {
	second := strings.Repeat("fedcba9876543210", 150_000)
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, storeDocument(func(_ context.Context, r *soap.Request, _ *etree.Element) error {
		var readers sync.WaitGroup
		contents := make([]string, 16)
		for i := range contents {
			readers.Go(func() { contents[i] = read(t, r.Attachments[i%2]) })
		}
		readers.Wait()
		for i, content := range contents {
			require.True(t, content == []string{large[strings.Index(large, "0123"):], second}[i%2], "reader %d", i)
		}
		return nil
	}))
	a := post(t, handler, joined(soapPart(t, ""), large, "Content-Type: a/b\r\n\r\n"+second), multipartMessage{contentType: related}.edit)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
}

// Without a place for files what is large is refused as our failure, on either side.
func TestAttachmentsNeedATempDir(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	body := joined(soapPart(t, ""), large)
	f, reason, _ := post(t, soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, storeDocument(accept)), body, multipartMessage{contentType: related}.edit).fault(t)
	require.Equal(t, []string{"Server", soap.ReasonInternalError}, []string{f.Code, reason})
	require.NotContains(t, f.String, "missing")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, related, multipartMessage{body: body}.answered().body)
	}))
	defer server.Close()
	_, err := newSender(t, soap.SenderOptions{URL: server.URL}).Send(t.Context(), storeCall())
	var failed *soap.CallError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, soap.FailedBroken, failed.Failure)
	require.ErrorIs(t, err, os.ErrNotExist)
}
