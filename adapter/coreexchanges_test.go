package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

const readerToken = "reader-token"

// readExchanges asks as a person who may read exchanges; actor may be empty.
func readExchanges(t testing.TB, p *Program, path, token, actor string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Address("core")+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	if actor != "" {
		r.Header.Set("X-Acting-User", actor)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func exchangesAt(t testing.TB, p *Program, path string) coreExchanges {
	t.Helper()
	status, body := readExchanges(t, p, path, readerToken, "EE60001019906")
	require.Equal(t, 200, status, body)
	var page coreExchanges
	require.NoError(t, json.Unmarshal([]byte(body), &page))
	return page
}

// withReader starts the program with EMTA logged to sink, and has two orders paid.
func withReader(t testing.TB, sink string, change func(*Settings)) (*Program, *simulator.World) {
	t.Helper()
	program, world := running(t, simulator.Options{}, func(s *Settings) {
		s.Log.Systems = map[string]LogSystem{"emta": {Sinks: []string{sink}}}
		s.Core.Tokens = []Token{{Name: "auditor", SHA256: rest.HashToken(readerToken), Scopes: []string{"exchanges"}},
			{Name: "core", SHA256: rest.HashToken("core-token"), Scopes: []string{"orders", "events", "mandates"}}}
		require.NoError(t, os.WriteFile(s.Core.TokenFile, []byte(strings.Repeat("x", 40)), 0o600))
		if change != nil {
			change(s)
		}
	})
	world.Attach(simulator.AdapterAddresses{EMTA: "http://" + program.Address("xroad") + emtaPath, Core: "http://" + program.Address("core"), Token: "core-token"})
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world, program: program}
	require.NoError(t, d.paid(t.Context()))
	require.NoError(t, d.paid(t.Context()))
	return program, world
}

func TestExchangesAreRead(t *testing.T) {
	for _, where := range []string{"files", "tables", "tables on PostgreSQL"} {
		t.Run(where, func(t *testing.T) {
			sink, _, postgres := strings.Cut(where, " on ")
			p, _ := withReader(t, sink, func(s *Settings) {
				if postgres {
					s.Store = postgrestest.Open(t)
				}
			})
			first, err := p.store.Order(t.Context(), 1)
			require.NoError(t, err)
			all := exchangesAt(t, p, "/api/v1/exchanges?system=emta&limit=100")
			require.Empty(t, all.Next)
			require.Greater(t, len(all.Items), 8)
			for i, item := range all.Items {
				require.Empty(t, item.Body)
				require.Equal(t, "emta", item.System)
				require.Len(t, item.Hash, 64)
				if i > 0 {
					require.LessOrEqual(t, all.Items[i-1].Time, item.Time)
				}
			}

			// Page by page the same.
			var paged []coreRecord
			for after := ""; ; {
				page := exchangesAt(t, p, "/api/v1/exchanges?system=emta&limit=3&after="+after)
				require.LessOrEqual(t, len(page.Items), 3)
				paged = append(paged, page.Items...)
				if after = page.Next; after == "" {
					break
				}
				require.NotEmpty(t, page.Items)
			}
			require.Equal(t, all.Items, paged)

			// The order's: Init's request has our stamp, the notification EMTA's id, and nothing is the other order's.
			ofFirst := exchangesAt(t, p, "/api/v1/exchanges?order=1&limit=100")
			require.Empty(t, ofFirst.Next)
			kinds := map[string]bool{}
			for _, item := range ofFirst.Items {
				kinds[item.Direction+" "+item.Part] = true
				body := bodiesOf(exchangesAt(t, p, "/api/v1/exchanges/"+item.RequestID))
				require.True(t, strings.Contains(body, first.EMTAOrderID) || strings.Contains(body, "Stamp>1<"), body)
			}
			require.Equal(t, map[string]bool{"out request": true, "out response": true, "in request": true}, kinds)
			require.Less(t, len(ofFirst.Items), len(all.Items))

			byID := exchangesAt(t, p, "/api/v1/exchanges?xroadId="+url.QueryEscape(ofFirst.Items[0].XRoadID))
			require.NotEmpty(t, byID.Items)
			for _, item := range byID.Items {
				require.Equal(t, ofFirst.Items[0].XRoadID, item.XRoadID)
			}
			whole := exchangesAt(t, p, "/api/v1/exchanges/"+ofFirst.Items[0].RequestID)
			require.Len(t, whole.Items, 2)
			require.Contains(t, whole.Items[0].Body, "Envelope")
			require.Equal(t, "response", whole.Items[1].Part)

			last := all.Items[len(all.Items)-1].Time
			require.Len(t, exchangesAt(t, p, "/api/v1/exchanges?system=emta&from="+url.QueryEscape(all.Items[0].Time)+"&limit=100").Items, len(all.Items))
			for _, item := range exchangesAt(t, p, "/api/v1/exchanges?system=emta&limit=100&to="+url.QueryEscape(last)).Items {
				require.Less(t, item.Time, last)
			}

			// Each reading is a row, with who and what.
			rows, err := p.store.SecurityEvents(t.Context(), 200)
			require.NoError(t, err)
			told := map[string]bool{}
			for _, row := range rows {
				if row.Kind == security.ExchangesRead {
					require.Equal(t, "auditor", row.Caller)
					require.Equal(t, "EE60001019906", row.Actor)
					told[row.Detail] = true
				}
			}
			require.True(t, told["limit=100&order=1"], told)
			require.True(t, told[whole.Items[0].RequestID+" with bodies"], told)
		})
	}
}

func bodiesOf(page coreExchanges) string {
	var b strings.Builder
	for _, item := range page.Items {
		b.WriteString(item.Body)
	}
	return b.String()
}

// What is encrypted can be read where the key is, and what is masked is shown as it is kept.
func TestExchangesAreDecrypted(t *testing.T) {
	key := filepath.Join(t.TempDir(), "master")
	require.NoError(t, os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))+"\n"), 0o600))
	for _, mode := range []string{"full", "masked"} {
		p, _ := withReader(t, "tables", func(s *Settings) {
			s.Log.MasterKey = key
			s.Log.Systems["emta"] = LogSystem{Sinks: []string{"tables"}, Body: mode}
		})
		page := exchangesAt(t, p, "/api/v1/exchanges?order=1&limit=1")
		require.Len(t, page.Items, 1)
		require.NotEmpty(t, page.Items[0].KeyID)
		whole := exchangesAt(t, p, "/api/v1/exchanges/"+page.Items[0].RequestID)
		require.Contains(t, whole.Items[0].Body, "Stamp>1<")
		rows, err := p.store.Exchanges(t.Context(), exchangelog.TableQuery{RequestID: page.Items[0].RequestID, Limit: 1})
		require.NoError(t, err)
		require.NotContains(t, string(rows[0].Line), "Stamp")
		require.Equal(t, mode == "full", strings.Contains(whole.Items[0].Body, "maksja.naidis@example.com"), whole.Items[0].Body)
	}
}

func TestExchangesRefuseBadQuestions(t *testing.T) {
	p, _ := withReader(t, "files", nil)
	for path, field := range map[string]string{
		"?system=emtaa":              "system",
		"?order=0":                   "order",
		"?order=99":                  "order",
		"?order=1&system=core":       "system",
		"?limit=101":                 "limit",
		"?limit=x":                   "limit",
		"?from=2026-10-31":           "from",
		"?to=%00":                    "to",
		"?after=..":                  "after",
		"?after=e30":                 "after",
		"?xroadId=a%00":              "xroadId",
		"?from=9999-12-31T00:00:00Z": "from",
		"?to=0001-01-01T00:00:00Z":   "to",
		"?after=" + exchangelog.TablePlace{Stream: exchangelog.Stream{System: "emta", Replica: "a", Part: "request"}}.Cursor(): "after",
		"?body=true":               "body",
		"?system=emta&system=core": "system",
		"?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z": "from",
		"?from=2026-03-01T00:00:00Z&to=2026-01-01T00:00:00Z": "to",
		"?xroadId=" + strings.Repeat("a", 1025):              "xroadId",
		"/..%2F..%2Fetc":                                     "requestId",
		"/" + strings.Repeat("a", 65):                        "requestId",
		"/abc?order=1":                                       "order",
	} {
		status, body := readExchanges(t, p, "/api/v1/exchanges"+path, readerToken, "EE60001019906")
		require.Equal(t, 422, status, path+body)
		require.Contains(t, body, `"path":"`+field+`"`, path)
	}
	status, body := readExchanges(t, p, "/api/v1/exchanges", readerToken, "")
	require.Equal(t, 422, status)
	require.Contains(t, body, `"path":"X-Acting-User"`)
	status, _ = readExchanges(t, p, "/api/v1/exchanges", "core-token", "EE60001019906")
	require.Equal(t, 403, status)
	status, _ = readExchanges(t, p, "/api/v1/exchanges/nobodys", readerToken, "EE60001019906")
	require.Equal(t, 404, status)
}
