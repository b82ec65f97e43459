package sqlite_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

// TestPlans asks SQLite how it runs each statement: none may read a whole table or sort. Read whole
// may be only indexes that hold nothing but what is open or undelivered.
func TestPlans(t *testing.T) {
	open := regexp.MustCompile(`^SCAN \w+ USING (COVERING )?INDEX (adapter_event_undelivered|krediitkaardi_teavitused_tootlemata|adapter_order_mismatch|adapter_order_background|adapter_notification_leased|adapter_notification_parked)$`)
	harmless := regexp.MustCompile(`^(SEARCH |SCAN CONSTANT ROW$|SCALAR SUBQUERY \d+$|CORRELATED SCALAR SUBQUERY \d+$)`)
	// A company's or a person's mandates are sorted, and each one's chain is followed.
	ofMandates := regexp.MustCompile(`^(LIST SUBQUERY \d+|CO-ROUTINE up|SETUP|RECURSIVE STEP|SCAN up|COMPOUND QUERY|LEFT-MOST SUBQUERY|UNION ALL|CREATE BLOOM FILTER|USE TEMP B-TREE FOR ORDER BY)$`)
	s := migrated(t, ":memory:")
	for name, query := range sqlite.Queries() {
		rows, err := s.Writer().QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, make([]any, placeholders(query))...)
		require.NoError(t, err, name)
		steps := 0
		for rows.Next() {
			var id, parent, unused int
			var step string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &step), name)
			steps++
			if strings.Contains(name, "andate") && ofMandates.MatchString(step) {
				continue
			}
			if !open.MatchString(step) && !harmless.MatchString(step) {
				t.Errorf("%s: %s", name, step)
			}
		}
		require.NoError(t, rows.Err(), name)
		require.NoError(t, rows.Close(), name)
		require.Positive(t, steps, name)
	}
}

func placeholders(query string) int {
	most := 0
	for _, numbered := range regexp.MustCompile(`\?(\d+)`).FindAllStringSubmatch(query, -1) {
		n, _ := strconv.Atoi(numbered[1])
		most = max(most, n)
	}
	if most > 0 {
		return most
	}
	return strings.Count(query, "?")
}
