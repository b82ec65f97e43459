package sqlite_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/sqlite"
)

// TestPlans asks SQLite how it runs each statement: none may read a whole table or sort. Read whole
// may be only indexes that hold nothing but what is open or undelivered.
func TestPlans(t *testing.T) {
	open := regexp.MustCompile(`^SCAN \w+ USING (COVERING )?INDEX (adapter_event_undelivered|krediitkaardi_teavitused_tootlemata|adapter_order_mismatch|adapter_order_background|adapter_notification_leased|adapter_notification_parked)$`)
	harmless := regexp.MustCompile(`^(SEARCH |SCAN CONSTANT ROW$|SCALAR SUBQUERY \d+$|CORRELATED SCALAR SUBQUERY \d+$)`)
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
	if regexp.MustCompile(`\?1`).MatchString(query) {
		return 1
	}
	return len(regexp.MustCompile(`\?`).FindAllString(query, -1))
}
