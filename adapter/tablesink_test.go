package main

import (
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// The tables of the exchange log are locked, slow, or gone with their server. What must be logged is refused, cleanly, and nothing is
// sent; what should be logged goes on. Both are told of, and once the tables are back everything goes on by itself, and the chain is whole.
func TestTablesInTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for locks and for a slow table, some minutes")
	}
	request, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	for _, mode := range []exchangelog.Mode{exchangelog.Required, exchangelog.BestEffort} {
		t.Run(string(mode), func(t *testing.T) {
			server := postgrestest.Start(t)
			database := server.Database(t)
			p, world := running(t, simulator.Options{
				Client: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11043739", SubsystemCode: "tkt"},
			}, func(s *Settings) {
				s.Store, s.XRoad.Client = database, "ee-dev/COM/11043739/tkt"
				system := LogSystem{Sinks: []string{"tables"}, Mode: string(mode)}
				s.Log.Systems = map[string]LogSystem{systemEMTA: system, systemPaasuke: system}
			})
			// notify returns the status and the fault's reason, "" where it is the operation's own.
			notify := func() (status int, reason string) {
				status, answer := postSOAP(t, "http://"+p.Address("xroad")+emtaPath, request)
				if answer.Fault == nil || answer.Fault.Detail == nil || answer.Fault.Detail.FindElement("reason") == nil {
					return status, ""
				}
				return status, answer.Fault.Detail.FindElement("reason").Text()
			}
			roles := func() int {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Address("xroad")+paasukePath+"/v1/roles", nil)
				require.NoError(t, err)
				r.Header = http.Header{"X-Road-Client": {paasukeClient}, "X-Road-Id": {"1"}}
				response, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				return response.StatusCode
			}
			failing := func() (n int, failures int64) {
				for _, f := range p.exchanges.Figures() {
					failures += f.Failures
					if f.Failing {
						n++
					}
				}
				return n, failures
			}
			troubled := func(t *testing.T, deaf bool) { // deaf: nothing of the database answers
				sent := len(world.EMTA.Calls())
				status, reason := notify()
				require.Equal(t, http.StatusInternalServerError, status)
				rolesStatus := roles()
				if mode == exchangelog.Required {
					require.Equal(t, exchangelog.Refused, reason)
					require.Equal(t, http.StatusServiceUnavailable, rolesStatus)
				} else {
					require.NotEqual(t, exchangelog.Refused, reason)
					require.Equal(t, http.StatusOK, rolesStatus)
				}
				if mode == exchangelog.Required || deaf {
					_, _, err := world.Core.StartPayment(t.Context(), (&demo{world: world, sequence: time.Now().Unix()}).ask())
					if deaf {
						require.Error(t, err)
					} else {
						require.ErrorContains(t, err, "503")
					}
					require.Len(t, world.EMTA.Calls(), sent, "nothing is sent")
				}
			}
			recovered := func(t *testing.T) {
				require.Eventually(t, func() bool {
					status, reason := notify()
					n, _ := failing()
					return status == http.StatusInternalServerError && reason != exchangelog.Refused && roles() == http.StatusOK && n == 0
				}, 2*time.Minute, 100*time.Millisecond)
			}
			told := func(t *testing.T) {
				require.Eventually(t, func() bool {
					return slices.ContainsFunc(p.status(t.Context()).Checks["exchange log:emta"], func(c check) bool { return c.Status == statusFail })
				}, time.Minute, 10*time.Millisecond)
				_, failures := failing()
				require.Positive(t, failures)
				requireMetrics(t, p, `adapter_exchange_log_failing{part="request",replica="`+p.exchanges.Figures()[0].Stream.Replica+`",sink="tables",system="emta"} 1`)
			}
			recovered(t)

			// A person's transaction holds the table.
			conn, err := pgx.Connect(t.Context(), database)
			require.NoError(t, err)
			tx, err := conn.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), `LOCK TABLE atis.exchange_record IN ACCESS EXCLUSIVE MODE`)
			require.NoError(t, err)
			troubled(t, false)
			told(t)
			require.NoError(t, tx.Rollback(t.Context()))
			recovered(t)

			// Each write takes longer than an exchange waits.
			postgrestest.Run(t, database, `CREATE FUNCTION atis.test_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(8); RETURN NULL; END $$;
				CREATE TRIGGER test_slow BEFORE INSERT ON atis.exchange_record FOR EACH STATEMENT EXECUTE FUNCTION atis.test_slow()`)
			troubled(t, false)
			postgrestest.Run(t, database, `DROP TRIGGER test_slow ON atis.exchange_record`)
			recovered(t)
			require.NoError(t, conn.Close(t.Context()))

			// The server is gone.
			server.Crash(t)
			troubled(t, true)
			told(t)
			server.Restart(t)
			recovered(t)

			for _, f := range p.exchanges.Figures() {
				require.Zero(t, f.Lost, "what could not be written waited")
			}
			report, err := exchangelog.Verify(t.Context(), p.store, exchangelog.VerifyOptions{})
			require.NoError(t, err)
			require.Len(t, report.Streams, 4)
			for _, s := range report.Streams {
				require.Empty(t, s.Findings, s.Stream.String())
			}
		})
	}
}
