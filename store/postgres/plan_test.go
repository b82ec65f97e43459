package postgres_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/postgres"
)

// TestPlans has PostgreSQL run each statement of a request and of the searches for what is due on many orders with
// statistics, as it does the first times and as it does once it has settled on one plan, and shows what it did. None may read a
// whole table, sort more than a page, or touch many pages. ADAPTER_TEST_EXPLAIN_ORDERS sets how many orders (make explain: 1,000,000,
// with all plans shown).
func TestPlans(t *testing.T) {
	t.Parallel()
	const few = 20_000
	orders := few
	if given := os.Getenv("ADAPTER_TEST_EXPLAIN_ORDERS"); given != "" {
		var err error
		orders, err = strconv.Atoi(given)
		require.NoError(t, err)
	}
	_, address := migrated(t)
	script, err := os.ReadFile("testdata/generate.sql")
	require.NoError(t, err)
	conn := connect(t, address)
	for statement := range strings.SplitSeq(strings.ReplaceAll(string(script), "@N", strconv.Itoa(orders)), ";\n") {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	queries := postgres.Queries(int64(orders))
	names := []string{}
	for name := range queries {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for _, name := range names {
			p := explain(t, conn, mode, queries[name])
			if orders > few {
				t.Logf("%-23s %-18s %7.3f ms, %d pages: %s", name, mode, p.Time, p.Plan.Hit+p.Plan.Read, p.Plan.line())
			}
			p.Plan.walk(func(n node) {
				if n.Type == "Seq Scan" || n.Type == "Parallel Seq Scan" {
					t.Errorf("%s, %s: reads all of %s", name, mode, n.Relation)
				}
				// What is open or undelivered is read whole by some, out of an index that holds no more than that.
				if rows := n.Loops * (n.Rows + n.Filtered); rows > 1000 {
					t.Errorf("%s, %s: %s of %v rows", name, mode, n.Type, rows)
				}
			})
			if pages := p.Plan.Hit + p.Plan.Read; pages > 3000 {
				t.Errorf("%s, %s: touches %d pages", name, mode, pages)
			}
		}
	}
}

// node is a step of a plan as it ran.
type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Rows     float64 `json:"Actual Rows"`
	Filtered float64 `json:"Rows Removed by Filter"`
	Loops    float64 `json:"Actual Loops"`
	Hit      int     `json:"Shared Hit Blocks"`
	Read     int     `json:"Shared Read Blocks"`
	Plans    []node
}

type plan struct {
	Plan node
	Time float64 `json:"Execution Time"`
}

func (n node) walk(visit func(node)) {
	visit(n)
	for _, inner := range n.Plans {
		inner.walk(visit)
	}
}

func (n node) line() string {
	var steps []string
	n.walk(func(n node) { steps = append(steps, strings.TrimSpace(n.Type+" "+n.Relation+n.Index)) })
	return strings.Join(steps, " < ")
}

// explain runs the statement and takes back what it did.
func explain(t *testing.T, conn *pgx.Conn, mode string, q postgres.Query) (p plan) {
	t.Helper()
	ctx := t.Context()
	tx, err := conn.Begin(ctx)
	require.NoError(t, err)
	defer tx.Rollback(ctx)
	_, err = tx.Exec(ctx, `SET LOCAL plan_cache_mode = `+mode)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, `PREPARE q AS `+q.SQL)
	require.NoError(t, err)
	defer conn.Exec(ctx, `DEALLOCATE ALL`)
	args := []string{}
	for _, arg := range q.Args {
		args = append(args, literal(t, arg))
	}
	execute := "EXECUTE q"
	if len(args) > 0 {
		execute += "(" + strings.Join(args, ", ") + ")"
	}
	var text []byte
	require.NoError(t, tx.QueryRow(ctx, `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) `+execute, pgx.QueryExecModeSimpleProtocol).Scan(&text), execute)
	var plans []plan
	require.NoError(t, json.Unmarshal(text, &plans))
	require.Len(t, plans, 1)
	return plans[0]
}

func literal(t *testing.T, arg any) string {
	t.Helper()
	switch v := arg.(type) {
	case nil:
		return "NULL"
	case int, int64, bool:
		return fmt.Sprint(v)
	case []int64:
		return "'{" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(v)), ","), "[]") + "}'"
	case time.Time:
		return "'" + v.Format(time.RFC3339Nano) + "'"
	}
	return "'" + fmt.Sprint(arg) + "'"
}
