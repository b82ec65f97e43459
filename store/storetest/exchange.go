package storetest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func exchangeTests() []test {
	return []test{
		{"what was logged is found, and verifies", testExchangesLogged},
		{"segments end in seals and the stream goes on", testExchangesGoOn},
		{"a stream that was not closed is sealed when it is opened", testExchangesAfterCrash},
		{"whoever opens a stream takes it", testExchangesTaken},
		{"a page begins where the one before ended", testExchangesPaged},
		{"a month is archived and removed", testExchangeMonth},
		{"a month goes whole or not at all", testExchangeMonthRefused},
	}
}

// openLog logs emta to the store's tables, at noon.
func openLog(t testing.TB, s Store, limits exchangelog.Limits) *exchangelog.Log {
	t.Helper()
	require.NoError(t, s.PreparePartitions(t.Context(), noon()))
	var mu sync.Mutex
	ids := 0
	log, err := exchangelog.Open(exchangelog.Options{Replica: "r1", Sinks: map[string]exchangelog.Sink{"tables": s}, Limits: limits,
		Now: noon, NewID: func() string { mu.Lock(); defer mu.Unlock(); ids++; return fmt.Sprintf("id-%d", ids) },
		Systems: map[string]exchangelog.Settings{"emta": {Sinks: []string{"tables"}, Body: exchangelog.Full, Mode: exchangelog.Required}}})
	require.NoError(t, err)
	return log
}

func closeLog(t testing.TB, log *exchangelog.Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, log.Close(ctx))
}

// exchanged is one inbound exchange; it returns the status of the answer.
func exchanged(log *exchangelog.Log, xroadID string) int { return exchangedWith(log, "emta", xroadID) }

func exchangedWith(log *exchangelog.Log, system, xroadID string) int {
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	w := httptest.NewRecorder()
	log.Handler(system, exchangelog.SOAP, refuse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		xroadhdr.ExchangeFrom(r.Context()).XRoadID = xroadID
		_, _ = io.WriteString(w, "<õun/>")
	})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/emta", strings.NewReader("<a>'\"\\\u2028</a>")))
	return w.Code
}

func find(t testing.TB, s Store, q exchangelog.TableQuery) []*exchangelog.Record {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 1000
	}
	found, err := s.Exchanges(t.Context(), q)
	require.NoError(t, err)
	records := []*exchangelog.Record{}
	for _, f := range found {
		r, err := exchangelog.ParseRecord(f.Line)
		require.NoError(t, err, "%s", f.Line)
		require.Equal(t, r.Stream(), f.Place.Stream)
		require.Equal(t, r.Seq, f.Place.Seq)
		require.True(t, r.Time.Equal(f.Place.Time))
		records = append(records, r)
	}
	return records
}

// requireWhole verifies what the store has and returns how many records that is.
func requireWhole(t testing.TB, s Store) int64 {
	t.Helper()
	report, err := exchangelog.Verify(t.Context(), s, exchangelog.VerifyOptions{})
	require.NoError(t, err)
	var records int64
	for _, stream := range report.Streams {
		require.Empty(t, stream.Findings, "%+v", stream)
		records += stream.Records
	}
	return records
}

func testExchangesLogged(t *testing.T, s Store) {
	require.Zero(t, requireWhole(t, s), "an empty store")
	log := openLog(t, s, exchangelog.Limits{})
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if status := exchanged(log, fmt.Sprintf("message-%d", i)); status != http.StatusOK {
				t.Error(status)
			}
		})
	}
	all.Wait()
	closeLog(t, log)
	require.EqualValues(t, 40, requireWhole(t, s))
	both := find(t, s, exchangelog.TableQuery{XRoadID: "message-7"})
	require.Len(t, both, 1+1)
	require.Equal(t, both[0].RequestID, both[1].RequestID)
	require.Len(t, find(t, s, exchangelog.TableQuery{RequestID: both[0].RequestID}), 2)
	require.Equal(t, "<a>'\"\\\u2028</a>", both[0].Body)
	require.Len(t, find(t, s, exchangelog.TableQuery{System: "emta"}), 40)
	require.Empty(t, find(t, s, exchangelog.TableQuery{System: "paasuke"}))
	require.Empty(t, find(t, s, exchangelog.TableQuery{XRoadID: "message-99"}))
	require.Len(t, find(t, s, exchangelog.TableQuery{From: noon(), To: noon().Add(time.Microsecond)}), 40)
	require.Empty(t, find(t, s, exchangelog.TableQuery{To: noon()}))
	require.Empty(t, find(t, s, exchangelog.TableQuery{From: noon().Add(time.Microsecond)}))
	list, err := s.Exchanges(t.Context(), exchangelog.TableQuery{})
	require.NoError(t, err)
	require.Empty(t, list, "no limit is none")
}

func testExchangesGoOn(t *testing.T, s Store) {
	for range 3 {
		log := openLog(t, s, exchangelog.Limits{Segment: 1}) // a segment a record
		for range 3 {
			require.Equal(t, http.StatusOK, exchanged(log, "x"))
		}
		closeLog(t, log)
	}
	require.EqualValues(t, 18, requireWhole(t, s))
	streams, err := s.Streams(t.Context())
	require.NoError(t, err)
	require.Len(t, streams, 2)
	require.Len(t, streams[0].Segments, 9)
	require.Equal(t, exchangelog.Stream{System: "emta", Replica: "r1", Part: exchangelog.Request}, streams[0].Stream)
}

func testExchangesAfterCrash(t *testing.T, s Store) {
	crashed := openLog(t, s, exchangelog.Limits{})
	require.Equal(t, http.StatusOK, exchanged(crashed, "x"))
	log := openLog(t, s, exchangelog.Limits{}) // nobody closed the first
	require.Equal(t, http.StatusOK, exchanged(log, "y"))
	closeLog(t, log)
	requests := find(t, s, exchangelog.TableQuery{})
	require.Contains(t, texts(requests), "segment 1 had no seal and was sealed when it was found")
	requireWhole(t, s)
	closeLog(t, crashed) // its streams are taken, so what it still has is lost, and told
	requireWhole(t, s)
}

func texts(records []*exchangelog.Record) (list []string) {
	for _, r := range records {
		list = append(list, r.Body)
	}
	return list
}

func testExchangesTaken(t *testing.T, s Store) {
	stream := exchangelog.Stream{System: "emta", Replica: "r1", Part: exchangelog.Request}
	log := openLog(t, s, exchangelog.Limits{})
	require.Equal(t, http.StatusOK, exchanged(log, "x"))
	closeLog(t, log)
	first, tail, err := s.Open(t.Context(), stream)
	require.NoError(t, err)
	require.EqualValues(t, 1, tail.Head.Seq)
	require.Nil(t, tail.Open, "it was sealed")
	require.Empty(t, tail.Notes)
	second, again, err := s.Open(t.Context(), stream)
	require.NoError(t, err)
	require.Equal(t, tail, again)

	line := exchangelog.Line{Text: []byte(`{"time":"x","seq":2,"hash":"` + strings.Repeat("a", 64) + `"}`), Seq: 2, Time: noon(), RequestID: "id", XRoadID: "-"}
	b := exchangelog.Batch{Stream: stream, Segment: tail.Segment + 1, Day: exchangelog.Day(noon()), Lines: []exchangelog.Line{line},
		Head: exchangelog.Head{Seq: 2, Hash: strings.Repeat("a", 64)}, Count: 1}
	require.ErrorIs(t, first.Append(t.Context(), b), exchangelog.ErrTaken)
	require.Len(t, find(t, s, exchangelog.TableQuery{System: "emta"}), 2, "nothing of it is there")
	require.ErrorIs(t, first.Seal(t.Context(), exchangelog.Seal{Stream: stream, Segment: 1, Last: tail.Head}, []byte("{}\n")), exchangelog.ErrTaken)
	require.NoError(t, second.Append(t.Context(), b))
	require.Error(t, second.Append(t.Context(), b), "a number twice")
}

func testExchangesPaged(t *testing.T, s Store) {
	log := openLog(t, s, exchangelog.Limits{})
	for range 7 {
		require.Equal(t, http.StatusOK, exchanged(log, "x"))
	}
	closeLog(t, log)
	seen := map[string]bool{}
	var after exchangelog.TablePlace
	for pages := 0; ; pages++ {
		require.Less(t, pages, 10)
		found, err := s.Exchanges(t.Context(), exchangelog.TableQuery{After: after, Limit: 4})
		require.NoError(t, err)
		for _, f := range found {
			key := fmt.Sprint(f.Place.Stream, f.Place.Seq)
			require.False(t, seen[key], key)
			seen[key] = true
			after, err = exchangelog.ParseTablePlace(f.Place.Cursor())
			require.NoError(t, err)
			require.Equal(t, f.Place.Stream, after.Stream)
		}
		if len(found) < 4 {
			break
		}
	}
	require.Len(t, seen, 14)
}
