package mandate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
)

// filling makes mandates as AT's tables might hold them: ten of each company, ten of each person, one in seven has ended, some passed on.
const filling = `
INSERT INTO atis.andmeandjad (kood, nimi) SELECT (10000000 + i)::text, 'Firma ' || i FROM generate_series(1, @N / 10) AS i;
INSERT INTO atis.kasutajad (isikukood, eesnimi, perenimi) SELECT (30000000000 + i)::text, 'Eesnimi', 'Perenimi ' || i FROM generate_series(1, @N / 10) AS i;
INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, on_tahtajatu, esindusoiguse_kehtivus_alates)
SELECT 1 + (i - 1) % (@N / 10), 1 + (i - 1) * 7 % (@N / 10), CASE i % 3 WHEN 0 THEN 'ESINDAJA' ELSE 'AVALDAJA' END, CASE i % 7 WHEN 0 THEN 'M' ELSE 'A' END, true, '2026-01-01'
  FROM generate_series(1, @N) AS i;
INSERT INTO atis.adapter_mandate (mandate_id, state, parent_id, sub_delegable)
SELECT id, CASE staatus_kl WHEN 'A' THEN 'active' ELSE 'ended' END, CASE WHEN id % 20 = 10 THEN id - 1 END, id % 3 = 0 FROM atis.andmeandjad_kasutajad;
VACUUM ANALYZE atis.andmeandjad, atis.kasutajad, atis.andmeandjad_kasutajad, atis.adapter_mandate`

// TestListingUnderLoad lists by company and by person, in several goroutines, while others add and end mandates, of many mandates and of
// 1,000: of many, 99 of 100 lists take at most three times as long. ADAPTER_TEST_MANDATES says how many (make bench-mandates: 1,000,000);
// without it there are 20,000, and the times are only shown, since other tests take them too.
func TestListingUnderLoad(t *testing.T) {
	many, decides := 20_000, false
	if given := os.Getenv("ADAPTER_TEST_MANDATES"); given != "" {
		var err error
		many, err = strconv.Atoi(given)
		require.NoError(t, err)
		decides = true
	}
	if testing.Short() && !decides {
		t.Skip("takes some seconds")
	}
	const few, rounds = 1_000, 6
	sizes := []int{few, many}
	worlds := map[int]*world{}
	for _, n := range sizes {
		w := inPostgres(t)
		for statement := range strings.SplitSeq(strings.ReplaceAll(filling, "@N", strconv.Itoa(n)), ";\n") {
			w.core(t, statement)
		}
		worlds[n] = w
	}
	times := map[int][]time.Duration{}
	for round := range rounds { // in turn, so that what else the machine does meets both
		for _, n := range sizes {
			took := listing(t, worlds[n], n, round)
			if round > 0 { // the first warms up
				times[n] = append(times[n], took...)
			}
		}
	}
	p99 := map[int]time.Duration{}
	for _, n := range sizes {
		slices.Sort(times[n])
		p99[n] = times[n][len(times[n])*99/100]
		t.Logf("%9d mandates: %d lists, median %v, p99 %v", n, len(times[n]), times[n][len(times[n])/2], p99[n])
	}
	t.Logf("p99 of %d is %.2f times that of %d", many, float64(p99[many])/float64(p99[few]), few)
	if decides {
		require.LessOrEqual(t, p99[many], 3*p99[few])
	}
}

// listing lists for a second, and returns how long each list took.
func listing(t *testing.T, w *world, n, round int) []time.Duration {
	t.Helper()
	const readers, writers = 4, 2
	var mu sync.Mutex
	var times []time.Duration
	var wait sync.WaitGroup
	until := time.Now().Add(time.Second)
	firmAt := func(i int) mandate.Identifier { return mandate.Estonian(strconv.Itoa(10_000_000 + 1 + i%(n/10))) }
	for range readers {
		wait.Go(func() {
			for time.Now().Before(until) {
				began := time.Now()
				var list []mandate.Triplet
				var err error
				if i := rand.IntN(n); i%2 == 0 {
					list, err = w.m.ByRepresentee(t.Context(), mandate.Actor{}, firmAt(i), mandate.Query{})
				} else {
					list, err = w.m.ByDelegate(t.Context(), mandate.Actor{}, mandate.Estonian(strconv.Itoa(30_000_000_000+1+i%(n/10))), mandate.Query{})
				}
				took := time.Since(began)
				if err != nil || len(list) == 0 {
					t.Error(len(list), err)
					return
				}
				mu.Lock()
				times = append(times, took)
				mu.Unlock()
			}
		})
	}
	for writer := range writers {
		wait.Go(func() {
			for i := 0; time.Now().Before(until); i++ {
				to := mandate.Estonian(fmt.Sprintf("4%02d%02d%06d", round, writer, i))
				m, err := w.m.CoreAdd(t.Context(), string(mari), asking(to, func(a *mandate.Ask) { a.Representee.Identifier = firmAt(rand.IntN(n)) }))
				if err == nil {
					_, err = w.m.CoreEnd(t.Context(), string(mari), m.ID)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return times
}
