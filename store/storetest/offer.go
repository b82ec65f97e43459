package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func offerTests() []test {
	return []test{{"due offers, the longest due first", testDueOffers}}
}

func testDueOffers(t *testing.T, s Store) {
	offered := func(emtaOrderID string, next time.Time) order.Order {
		o := creating(5)
		o.State, o.EMTAOrderID, o.Live, o.CompletionID, o.NextOffer = order.Completed, emtaOrderID, false, "completion-"+emtaOrderID, next
		return start(t, s, o)
	}
	second, first := offered("emta-1", noon()), offered("emta-2", noon().Add(-time.Hour))
	later := offered("emta-3", noon().Add(time.Microsecond))
	offered("emta-4", time.Time{})

	ids, err := s.DueOffers(t.Context(), noon(), 10)
	require.NoError(t, err)
	require.Equal(t, []int64{first.ID, second.ID}, ids)
	ids, err = s.DueOffers(t.Context(), noon().Add(time.Microsecond), 2)
	require.NoError(t, err)
	require.Equal(t, []int64{first.ID, second.ID}, ids)
	ids, err = s.DueOffers(t.Context(), noon(), 0)
	require.NoError(t, err)
	require.Empty(t, ids)

	first.ClaimForwarded, first.NextOffer = true, time.Time{}
	write(t, s, first.ID, order.Change{Orders: []order.Order{first}})
	ids, err = s.DueOffers(t.Context(), noon().Add(time.Microsecond), 10)
	require.NoError(t, err)
	require.Equal(t, []int64{second.ID, later.ID}, ids)
}
