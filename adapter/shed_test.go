package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// The gate lets in as many as it has places, tells the others at once, and lets in again who comes when one has left.
func TestGate(t *testing.T) {
	ready := newReadiness()
	g := newGate(ready, prometheus.NewRegistry())
	entered, leave := make(chan struct{}), make(chan struct{})
	o := g.operation(soap.Operation{Serve: func(context.Context, *soap.Request, *etree.Element) error {
		entered <- struct{}{}
		<-leave
		return nil
	}})
	r := g.route(rest.Route{Serve: func(*http.Request) (rest.Answer, error) {
		entered <- struct{}{}
		<-leave
		return rest.Answer{}, nil
	}})
	soapCall := func() error { return o.Serve(t.Context(), nil, nil) }
	restCall := func() error { _, err := r.Serve(nil); return err }
	for _, row := range []struct {
		call   func() error
		places int
	}{{soapCall, maxXRoadRequests}, {restCall, maxCoreRequests}} {
		ready.set("the database is away")
		require.Error(t, row.call(), "not ready")
		for _, reason := range []string{"", stopping} {
			ready.set(reason)
			done := make(chan error, row.places)
			for range row.places {
				go func() { done <- row.call() }()
				<-entered
			}
			require.Error(t, row.call(), "full")
			for range row.places {
				leave <- struct{}{}
				require.NoError(t, <-done)
			}
		}
	}
}

// A database that answers nothing while many notify: everybody hears within seconds, few wait for it at a time, nothing
// half-done is left, and it goes on by itself.
func TestSlowDatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a database that hangs")
	}
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	database := postgrestest.Open(t)
	program, _ := running(t, simulator.Options{
		NewID: func() string { return sampleOrderID },
	}, func(s *Settings) { s.Store, s.XRoad.Client = database, "ee-dev/COM/11043739/tkt" })
	endpoint := "http://" + program.Address("xroad") + emtaPath

	holder, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer holder.Close(context.WithoutCancel(t.Context()))
	tx, err := holder.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE atis.krediitkaardi_teavitused IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)

	const callers = maxXRoadRequests + 100
	reasons := map[string]int{}
	var mu sync.Mutex
	var calling sync.WaitGroup
	begin := time.Now()
	for range callers {
		calling.Go(func() {
			response, err := http.Post(endpoint, "text/xml; charset=UTF-8", bytes.NewReader(request))
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			mu.Lock()
			defer mu.Unlock()
			for _, reason := range []string{soap.ReasonUnavailable, soap.ReasonInternalError} {
				if strings.Contains(string(body), "<reason>"+reason+"<") && err == nil && response.StatusCode == http.StatusInternalServerError {
					reasons[reason]++
				}
			}
		})
	}
	calling.Wait()
	took := time.Since(begin)
	require.Equal(t, callers, reasons[soap.ReasonUnavailable]+reasons[soap.ReasonInternalError], "%v", reasons)
	require.Positive(t, reasons[soap.ReasonUnavailable], "who found no place was told at once")
	require.Less(t, took, 25*time.Second, "a third of what a security server waits")
	require.NoError(t, tx.Rollback(t.Context()))

	status, answer := postSOAP(t, endpoint, request)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, "Order not found with id: "+sampleOrderID, answer.Fault.String)
	var n int
	require.NoError(t, holder.QueryRow(t.Context(), `SELECT count(*) FROM atis.krediitkaardi_teavitused`).Scan(&n))
	require.Zero(t, n)
	response, err := http.Get("http://" + program.Address("ops") + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(metrics), fmt.Sprintf(`adapter_requests_shed_total{listener="xroad"} %d`, reasons[soap.ReasonUnavailable]))
}
