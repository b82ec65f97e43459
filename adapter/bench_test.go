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
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
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
	l := newLoad(b, request, callers, nil)
	b.ReportAllocs()
	b.ResetTimer()
	l.run(b, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "notifications/s")
	b.StopTimer()
	l.check(b)
}

// BenchmarkNotificationLogged compares notifications with the exchange log on (files, whole bodies) and off, round by round in one run.
func BenchmarkNotificationLogged(b *testing.B) {
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(b, err)
	for _, store := range []string{"sqlite", "postgres"} {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", store, callers), func(b *testing.B) {
				address := func() string { return "sqlite:" + filepath.Join(b.TempDir(), "adapter.db") }
				if store == "postgres" {
					address = func() string { return postgrestest.Open(b) }
				}
				on := newLoad(b, request, callers, func(s *Settings) { s.Store = address() })
				off := newLoad(b, request, callers, func(s *Settings) {
					s.Store, s.Log.Systems = address(), map[string]LogSystem{systemEMTA: {Sinks: []string{}}}
				})
				compare(b, on, off, callers)
			})
		}
	}
}

// compare runs both loads in turn, round by round, until b.N rounds are over.
func compare(b *testing.B, on, off *load, callers int) {
	round := max(20*callers, 100)
	on.run(b, round) // both warm
	off.run(b, round)
	var with, without time.Duration
	b.ResetTimer()
	for range b.N {
		begin := time.Now()
		on.run(b, round)
		between := time.Now()
		off.run(b, round)
		with, without = with+between.Sub(begin), without+time.Since(between)
	}
	b.ReportMetric(float64(b.N*round)/with.Seconds(), "on/s")
	b.ReportMetric(float64(b.N*round)/without.Seconds(), "off/s")
	b.ReportMetric(100*without.Seconds()/with.Seconds(), "%of-off")
	b.StopTimer()
	on.check(b)
	off.check(b)
}

// load is a program and callers that notify it, each of an order of its own.
type load struct {
	program  *Program
	client   *http.Client
	url      string
	requests [][]byte
}

func newLoad(b *testing.B, request []byte, callers int, change func(*Settings)) *load {
	b.Helper()
	folder := b.TempDir()
	s := defaultSettings()
	s.Listen = Listen{XRoad: "127.0.0.1:0", Core: "127.0.0.1:0", Ops: "127.0.0.1:0"}
	s.Store, s.Core.TokenFile = "sqlite:"+filepath.Join(folder, "adapter.db"), filepath.Join(folder, "adapter.token")
	s.Log.Dir = filepath.Join(folder, "logs")
	s.XRoad.Client = "ee-dev/COM/11043739/tkt"
	if change != nil {
		change(&s)
	}
	program, err := Start(b.Context(), s, newLogger(io.Discard, slog.LevelInfo), Watch{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, program.Stop()) })
	l := &load{program: program, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}},
		url: "http://" + program.Address("xroad") + emtaPath, requests: make([][]byte, callers)}
	b.Cleanup(l.client.CloseIdleConnections)
	for i := range l.requests {
		id := fmt.Sprintf("order-id-%07d", i)
		o := order.Order{AnnouncementID: int64(i + 1), EMTAOrderID: id, State: order.Created, Started: time.Now()}
		_, err := program.store.Start(b.Context(), o.AnnouncementID, order.Lease{Token: "benchmark"}, func([]order.Order) (order.Change, error) {
			return order.Change{New: &o}, nil
		})
		require.NoError(b, err)
		l.requests[i] = bytes.ReplaceAll(request, []byte(sampleOrderID), []byte(id))
	}
	return l
}

// run lets the callers together make n notifications.
func (l *load) run(b *testing.B, n int) {
	b.Helper()
	ended := make(chan error, len(l.requests))
	for i, request := range l.requests {
		go func() {
			for k := i; k < n; k += len(l.requests) {
				if err := notifyOnce(b.Context(), l.client, l.url, request); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	for range l.requests {
		require.NoError(b, <-ended)
	}
}

// check wants every order that was notified of to have its notification.
func (l *load) check(b *testing.B) {
	b.Helper()
	for i := range l.requests {
		n, err := l.program.store.OpenNotification(b.Context(), fmt.Sprintf("order-id-%07d", i))
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
