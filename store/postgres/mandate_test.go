package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/storetest"
)

// TestMandates runs the contract of mandates on one database that is emptied in between.
func TestMandates(t *testing.T) {
	t.Parallel()
	_, address := migrated(t)
	storetest.RunMandates(t, func(tb testing.TB) (storetest.MandateStore, storetest.Core) {
		run(tb, address, `DELETE FROM atis.adapter_event; DELETE FROM atis.adapter_mandate_audit; DELETE FROM atis.adapter_mandate_request;
			DELETE FROM atis.adapter_schedule; DELETE FROM atis.adapter_mandate; DELETE FROM atis.andmeandjad_kasutajad; DELETE FROM atis.kasutajad;
			DELETE FROM atis.andmeandjad`)
		return open(tb, address), core(address)
	})
}

// core runs statements in a session of its own each.
func core(address string) storetest.Core {
	return func(tb testing.TB, statement string) {
		tb.Helper()
		conn := connect(tb, address)
		defer conn.Close(context.Background())
		_, err := conn.Exec(tb.Context(), statement)
		require.NoError(tb, err)
	}
}
