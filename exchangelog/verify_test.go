package exchangelog_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// exchange lets n exchanges pass.
func exchange(log *exchangelog.Log, n int) {
	handler := log.Handler("emta", exchangelog.SOAP, refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 10)
		_, _ = r.Body.Read(body)
		_, _ = w.Write([]byte("<answer/>"))
	}))
	for i := range n {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/emta", strings.NewReader(fmt.Sprintf("<request n='%d'/>", i))))
	}
}

func sealKey(t testing.TB) *exchangelog.SealKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return exchangelog.NewSealKey(key)
}

func verify(t testing.TB, folder string, o exchangelog.VerifyOptions) *exchangelog.Report {
	t.Helper()
	report, err := exchangelog.Verify(t.Context(), exchangelog.FileSource{Folder: folder}, o)
	require.NoError(t, err)
	return report
}

func text(t testing.TB, r *exchangelog.Report) string {
	t.Helper()
	var b bytes.Buffer
	_, err := r.WriteTo(&b)
	require.NoError(t, err)
	return b.String()
}

func TestVerifyWhole(t *testing.T) {
	folder := t.TempDir()
	o := options(folder)
	o.SealKey = sealKey(t)
	o.Limits = exchangelog.Limits{Segment: 5000}
	for range 3 {
		log := open(t, o)
		exchange(log, 20)
		closeLog(t, log)
	}
	report := verify(t, folder, exchangelog.VerifyOptions{Keys: []ed25519.PublicKey{o.SealKey.Public()}})
	require.False(t, report.Wrong(), "%s", text(t, report))
	require.Len(t, report.Streams, 2)
	for _, s := range report.Streams {
		require.EqualValues(t, 60, s.Records)
		require.Greater(t, s.Segments, 3)
		require.Equal(t, s.Segments, s.Signed)
		require.Zero(t, s.Unsealed)
		require.Empty(t, s.Notes)
	}
}

// A million records are verified in seconds.
func BenchmarkVerify(b *testing.B) {
	folder := b.TempDir()
	o := options(folder)
	o.Now = time.Now
	log := open(b, o)
	exchange(log, 200)
	closeLog(b, log)
	report := verify(b, folder, exchangelog.VerifyOptions{})
	b.ResetTimer()
	for b.Loop() {
		verify(b, folder, exchangelog.VerifyOptions{})
	}
	b.ReportMetric(float64(b.N)*float64(report.Streams[0].Records+report.Streams[1].Records)/b.Elapsed().Seconds(), "records/s")
}
