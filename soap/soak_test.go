package soap_test

import (
	"context"
	"hash"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

const (
	soakBytes  = 1 << 30
	soakMemory = 32 << 20 // that the heap may grow by meanwhile, on both sides together
)

// soak is generated data of soakBytes, the same each time.
type soak struct {
	random io.Reader
	heap   *heap
}

func (h *heap) attachment() *soap.Attachment {
	return &soap.Attachment{ContentID: "soak", ContentType: "application/octet-stream", Open: func() (io.ReadCloser, error) {
		random := rand.NewChaCha8([32]byte{})
		return io.NopCloser(io.LimitReader(soak{random, h}, soakBytes)), nil
	}}
}

func (s soak) Read(p []byte) (int, error) {
	s.heap.look(len(p))
	return s.random.Read(p)
}

// heap is the highest that it was seen at, looked at as data passes.
type heap struct {
	passed, start, peak atomic.Uint64
}

func newHeap() *heap {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h := &heap{}
	h.start.Store(m.HeapAlloc)
	return h
}

func (h *heap) look(n int) {
	const every = 8 << 20
	if after := h.passed.Add(uint64(n)); after/every == (after-uint64(n))/every {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	for peak := h.peak.Load(); m.HeapAlloc > peak && !h.peak.CompareAndSwap(peak, m.HeapAlloc); peak = h.peak.Load() {
	}
}

func (h *heap) sum(t testing.TB, a *soap.Attachment) uint64 {
	t.Helper()
	r, err := a.Open()
	require.NoError(t, err)
	defer r.Close()
	var sum hash.Hash64 = crc64.New(crc64.MakeTable(crc64.ECMA))
	n, err := io.Copy(io.MultiWriter(sum, looking{h}), r)
	require.NoError(t, err)
	require.EqualValues(t, soakBytes, n)
	return sum.Sum64()
}

type looking struct{ heap *heap }

func (l looking) Write(p []byte) (int, error) { l.heap.look(len(p)); return len(p), nil }

// 59: a gigabyte each way, in memory that does not grow with it. There is one such file at a time.
func TestSoakAttachment(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds, and a gigabyte of disk")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	h := newHeap()
	want := h.sum(t, h.attachment())
	limits := soap.Limits{AttachmentBytes: soakBytes + 1<<20}
	handler := soap.NewHandler(soap.HandlerOptions{Limits: limits}, storeDocument(func(_ context.Context, r *soap.Request, response *etree.Element) error {
		if len(r.Attachments) == 0 {
			r.Attach(h.attachment())
			return nil
		}
		require.EqualValues(t, soakBytes, r.Attachments[0].Size)
		require.Equal(t, 1, openTempFiles(t, dir))
		require.Equal(t, want, h.sum(t, r.Attachments[0]))
		response.CreateElement("stored").SetText("true")
		return nil
	}))
	server := httptest.NewServer(handler)
	defer server.Close()
	sender := newSender(t, soap.SenderOptions{URL: server.URL, Limits: limits})
	m, err := sender.Send(t.Context(), storeCall(h.attachment()))
	require.NoError(t, err)
	require.Equal(t, "true", childText(m.Body, "stored"))
	require.NoError(t, m.Close())

	m, err = sender.Send(t.Context(), storeCall())
	require.NoError(t, err)
	require.EqualValues(t, soakBytes, m.Attachments[0].Size)
	require.Equal(t, want, h.sum(t, m.Attachments[0]))
	require.NoError(t, m.Close())
	require.Zero(t, openTempFiles(t, dir))

	require.GreaterOrEqual(t, h.passed.Load(), uint64(5*soakBytes))
	grown := int64(h.peak.Load()) - int64(h.start.Load())
	t.Logf("heap grew by at most %.1f MiB", float64(grown)/(1<<20))
	require.Less(t, grown, int64(soakMemory))
}
