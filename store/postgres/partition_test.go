package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/store/postgres"
)

// Replicas that start at once make the same partitions: one makes them, the others find them.
func TestPartitionsAtOnce(t *testing.T) {
	t.Parallel()
	first, address := migrated(t)
	replicas := []*postgres.Store{first}
	for range 5 {
		s, err := postgres.Open(t.Context(), address)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		replicas = append(replicas, s)
	}
	for month := range 10 {
		at := time.Now().AddDate(0, month, 0)
		errs := make([]error, len(replicas))
		var starting sync.WaitGroup
		for i, s := range replicas {
			starting.Go(func() { errs[i] = s.PreparePartitions(t.Context(), at) })
		}
		starting.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
	}
}
