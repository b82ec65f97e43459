package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
)

// The role that serves may neither remove a month nor believe that it may.
func TestServingRoleRemovesNoMonth(t *testing.T) {
	t.Parallel()
	owner, address := migrated(t)
	require.NoError(t, owner.MayRemoveExchanges(t.Context()))
	run(t, address, `CREATE ROLE adapter_archive_reader LOGIN; GRANT USAGE ON SCHEMA atis TO adapter_archive_reader;
		GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA atis TO adapter_archive_reader`)
	app := open(t, as(t, address, "adapter_archive_reader"))
	require.ErrorIs(t, app.MayRemoveExchanges(t.Context()), exchangelog.ErrMayNotRemove)
	month := exchangelog.Month{Year: 2026, Month: 10}
	require.NoError(t, owner.PreparePartitions(t.Context(), month.Begin()))
	require.ErrorContains(t, app.RemoveExchanges(t.Context(), "emta", month, []byte("x"), 0), "42501")
	removed, err := owner.RemovedExchanges(t.Context(), "emta")
	require.NoError(t, err)
	require.Empty(t, removed)
}
