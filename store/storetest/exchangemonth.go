package storetest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// october and november of the year of noon, in a time zone in which their days are Estonian ones.
var (
	october  = exchangelog.Month{Year: noon().Year(), Month: time.October}
	november = exchangelog.Month{Year: noon().Year(), Month: time.November}
	december = exchangelog.Month{Year: noon().Year(), Month: time.December}
)

// logMonth lets n exchanges with a system pass in a month, as a replica that stops then.
func logMonth(t testing.TB, s Store, system string, m exchangelog.Month, n int) {
	t.Helper()
	at := m.Begin().Add(36 * time.Hour)
	require.NoError(t, s.PreparePartitions(t.Context(), at))
	ids := 0
	log, err := exchangelog.Open(exchangelog.Options{Replica: "r1", Sinks: map[string]exchangelog.Sink{"tables": s}, Now: func() time.Time { return at },
		NewID:   func() string { ids++; return fmt.Sprintf("%s-%s-%d", system, m, ids) },
		Systems: map[string]exchangelog.Settings{system: {Sinks: []string{"tables"}, Body: exchangelog.Full, Mode: exchangelog.Required}}})
	require.NoError(t, err)
	for i := range n {
		exchangedWith(log, system, fmt.Sprintf("x-%d", i))
	}
	closeLog(t, log)
}

// archiver exports in December.
func archiver(t testing.TB) (exchangelog.Exporter, []*x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "log"}, NotBefore: october.Begin(), NotAfter: december.Add(12).Begin()}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})
	signer, err := exchangelog.NewSigner(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), cert)
	require.NoError(t, err)
	trusted, err := exchangelog.ParseCertificates(cert)
	require.NoError(t, err)
	return exchangelog.Exporter{Dir: t.TempDir(), Signer: signer, Tool: "adapter", Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return december.Begin().Add(time.Hour) }}, trusted
}

// verifies reads what the store has, with the months that were removed.
func verifies(t testing.TB, s Store, removed ...exchangelog.Manifest) *exchangelog.Report {
	t.Helper()
	report, err := exchangelog.Verify(t.Context(), exchangelog.Continued{Source: s, Removed: removed}, exchangelog.VerifyOptions{})
	require.NoError(t, err)
	return report
}

func testExchangeMonth(t *testing.T, s Store) {
	logMonth(t, s, "emta", october, 3)
	logMonth(t, s, "emta", november, 2)
	logMonth(t, s, "paasuke", october, 1)
	tables := exchangelog.TableMonths{MonthTables: s}
	months, err := tables.Months(t.Context(), "emta")
	require.NoError(t, err)
	require.Equal(t, []exchangelog.Month{october, november}, months)
	e, trusted := archiver(t)
	require.NoError(t, s.PreparePartitions(t.Context(), e.Now()))

	var manifests []exchangelog.Manifest
	for _, step := range []struct {
		system string
		month  exchangelog.Month
		count  int64
	}{{"emta", october, 6}, {"paasuke", october, 2}, {"emta", november, 4}} {
		dir, err := e.Export(t.Context(), tables, step.system, step.month, "tester")
		require.NoError(t, err)
		for range 2 { // and once more there is nothing to do
			m, err := e.Retire(t.Context(), tables, dir, trusted, "tester")
			require.NoError(t, err)
			require.Equal(t, step.count, m.Count())
			manifests = append(manifests, m)
		}
		months, err := tables.Months(t.Context(), step.system)
		require.NoError(t, err)
		require.NotContains(t, months, step.month)
		require.False(t, verifies(t, s, manifests...).Wrong())
	}
	require.True(t, verifies(t, s).Wrong(), "without their manifests the months are missing")
	removed, err := tables.Removed(t.Context(), "emta")
	require.NoError(t, err)
	require.Len(t, removed, 2)
	kept, err := exchangelog.ReadManifest(removed[october], trusted)
	require.NoError(t, err)
	require.Equal(t, manifests[0], kept)

	// The streams go on where they were, and nothing is called missing.
	logMonth(t, s, "emta", december, 1)
	report := verifies(t, s, manifests...)
	require.False(t, report.Wrong(), "%+v", report)
	list, err := s.Exchanges(t.Context(), exchangelog.TableQuery{System: "emta", RequestID: fmt.Sprintf("emta-%s-1", december), Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 2)
	r, err := exchangelog.ParseRecord(list[0].Line)
	require.NoError(t, err)
	require.EqualValues(t, 6, r.Seq)
}

func testExchangeMonthRefused(t *testing.T, s Store) {
	logMonth(t, s, "emta", october, 3)
	e, trusted := archiver(t)
	require.NoError(t, s.PreparePartitions(t.Context(), e.Now()))
	tables := exchangelog.TableMonths{MonthTables: s}
	dir, err := e.Export(t.Context(), tables, "emta", october, "tester")
	require.NoError(t, err)
	require.ErrorContains(t, s.RemoveExchanges(t.Context(), "emta", october, []byte("<manifest/>"), 5), "the table has 6 records, and the archive 5")
	removed, err := tables.Removed(t.Context(), "emta")
	require.NoError(t, err)
	require.Empty(t, removed, "nothing is done")

	logMonth(t, s, "emta", october, 1)
	_, err = e.Retire(t.Context(), tables, dir, trusted, "tester")
	require.ErrorContains(t, err, "is not in the archive")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Retire(ctx, tables, dir, trusted, "tester")
	require.ErrorIs(t, err, context.Canceled)
	months, err := tables.Months(t.Context(), "emta")
	require.NoError(t, err)
	require.Equal(t, []exchangelog.Month{october}, months)
}
