package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// BenchmarkNotification answers the tender's sample request: without a database, and end to end over HTTP on
// loopback with SQLite, where each answer waits for the disk. What the callers take is in the figures.
func BenchmarkNotification(b *testing.B) {
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(b, err)
	b.Run("parse and answer", func(b *testing.B) { benchmarkAnswer(b, request) })
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchmarkEndToEnd(b, request, callers) })
	}
}

func benchmarkAnswer(b *testing.B, request []byte) {
	handler := soap.NewHandler(
		soap.HandlerOptions{Provider: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11043739", SubsystemCode: "tkt"}},
		soap.Operation{
			ServiceCode: "cpgOrderNotify", ServiceVersion: "v1",
			Request:  xml.Name{Space: "http://tkt.x-road.eu", Local: "cpgOrderNotifyRequest"},
			Response: xml.Name{Space: "http://tkt.x-road.eu", Local: "cpgOrderNotifyResponse"},
			Serve: func(_ context.Context, r *soap.Request, _ *etree.Element) error {
				if id := r.Body.SelectElement("id"); id == nil || id.Text() != sampleOrderID {
					return soap.ClientFault("InvalidBody", "id is another")
				}
				return nil
			},
		})
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, emtaPath, bytes.NewReader(request))
		r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			b.Fatalf("status %d: %s", answer.Code, answer.Body)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notifications/s")
}

func benchmarkEndToEnd(b *testing.B, request []byte, callers int) {
	folder := b.TempDir()
	s := defaultSettings()
	s.Listen = Listen{XRoad: "127.0.0.1:0", Core: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	s.Store, s.Core.TokenFile = "sqlite:"+filepath.Join(folder, "adapter.db"), filepath.Join(folder, "adapter.token")
	s.Log.Dir = filepath.Join(folder, "logs")
	s.XRoad.Client = "ee-dev/COM/11043739/tkt"
	program, err := Start(b.Context(), s, newLogger(io.Discard, slog.LevelInfo), Watch{})
	require.NoError(b, err)
	defer func() { require.NoError(b, program.Stop()) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	url := "http://" + program.Address("xroad") + emtaPath

	// Every caller has an order of its own, which a notification is about.
	requests := make([][]byte, callers)
	for i := range requests {
		id := fmt.Sprintf("order-id-%07d", i)
		o := order.Order{AnnouncementID: int64(i + 1), EMTAOrderID: id, State: order.Created, Started: time.Now()}
		_, err := program.store.Start(b.Context(), o.AnnouncementID, order.Lease{Token: "benchmark"}, func([]order.Order) (order.Change, error) {
			return order.Change{New: &o}, nil
		})
		require.NoError(b, err)
		requests[i] = bytes.ReplaceAll(request, []byte(sampleOrderID), []byte(id))
	}
	b.ReportAllocs()
	b.ResetTimer()
	ended := make(chan error, callers)
	for i, request := range requests {
		go func() {
			for n := i; n < b.N; n += callers {
				if err := notifyOnce(b.Context(), client, url, request); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	for range callers {
		require.NoError(b, <-ended)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notifications/s")
	b.StopTimer()
	for i := range requests {
		n, err := program.store.OpenNotification(b.Context(), fmt.Sprintf("order-id-%07d", i))
		if i < b.N {
			require.NoError(b, err)
			require.NotZero(b, n.NotifiedAt)
		}
	}
}

// notifyOnce wants the empty answer of a notification that is kept.
func notifyOnce(ctx context.Context, client *http.Client, url string, request []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(request))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/xml; charset=UTF-8")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !bytes.Contains(raw, []byte("cpgOrderNotifyResponse")) {
		return fmt.Errorf("status %d: %s", answer.StatusCode, raw)
	}
	return nil
}
