package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/access"
)

func tokenTests() []test {
	return []test{
		{"tokens are kept, by name", testTokens},
		{"a name is used once", testTokenNames},
		{"of two tokens of one name at once one is kept", testTokensAtOnce},
		{"a token is revoked once", testRevokeToken},
	}
}

// aToken is a token in use whose hash is its name's.
func aToken(t *testing.T, name string, expires time.Time) access.Token {
	t.Helper()
	made, _, err := access.New(name, []string{"orders", "events"}, noon(), expires, "cli:clerk")
	require.NoError(t, err)
	return made
}

func testTokens(t *testing.T, s Store) {
	none, err := s.Tokens(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
	b, a, upper := aToken(t, "b", time.Time{}), aToken(t, "a", noon().Add(time.Hour)), aToken(t, "B-2", time.Time{})
	for _, made := range []access.Token{b, a, upper} {
		require.NoError(t, s.AddToken(t.Context(), made))
	}
	list, err := s.Tokens(t.Context())
	require.NoError(t, err)
	require.Equal(t, []access.Token{upper, a, b}, list)
}

func testTokenNames(t *testing.T, s Store) {
	first := aToken(t, "core", time.Time{})
	require.NoError(t, s.AddToken(t.Context(), first))
	require.ErrorIs(t, s.AddToken(t.Context(), aToken(t, "core", time.Time{})), access.ErrTaken)
	require.NoError(t, s.RevokeToken(t.Context(), "core", noon()))
	require.ErrorIs(t, s.AddToken(t.Context(), aToken(t, "core", time.Time{})), access.ErrTaken, "a revoked name stays what it was in the logs")
	another := aToken(t, "other", time.Time{})
	another.SHA256 = first.SHA256
	require.Error(t, s.AddToken(t.Context(), another), "two callers with one token")
}

func testTokensAtOnce(t *testing.T, s Store) {
	var kept atomic.Int64
	var working sync.WaitGroup
	for range 8 {
		made := aToken(t, "core", time.Time{})
		working.Go(func() {
			if s.AddToken(t.Context(), made) == nil {
				kept.Add(1)
			}
		})
	}
	working.Wait()
	require.Equal(t, int64(1), kept.Load())
}

func testRevokeToken(t *testing.T, s Store) {
	require.ErrorIs(t, s.RevokeToken(t.Context(), "core", noon()), access.ErrNoToken)
	made := aToken(t, "core", time.Time{})
	require.NoError(t, s.AddToken(t.Context(), made))
	require.NoError(t, s.RevokeToken(t.Context(), "core", noon().Add(time.Minute)))
	require.ErrorIs(t, s.RevokeToken(t.Context(), "core", noon().Add(time.Hour)), access.ErrNoToken)
	list, err := s.Tokens(t.Context())
	require.NoError(t, err)
	made.Revoked = noon().Add(time.Minute)
	require.Equal(t, []access.Token{made}, list)
}
