package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/access"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
)

// A token that is made while the program runs is good, beside the settings' own; its scopes count; one that is revoked is not.
func TestTokensOfTheDatabase(t *testing.T) {
	program, _ := running(t, simulator.Options{}, nil)
	own, err := tokenIn(program.settings.Core.TokenFile)
	require.NoError(t, err)
	s := &secured{program: program}
	ask := func(path, token string) int { return s.get(t, http.DefaultClient, "core", path, token) }
	const orders, events = "/api/v1/orders", "/api/v1/events"

	kept, token, err := access.New("reader", []string{"events"}, time.Now(), time.Now().Add(time.Hour), "cli:x")
	require.NoError(t, err)
	require.Equal(t, 401, ask(events, token))
	require.NoError(t, program.store.AddToken(t.Context(), kept))
	require.NoError(t, program.readTokens(t.Context()))
	require.Equal(t, 200, ask(events, token))
	require.Equal(t, 403, ask(orders, token))
	require.Equal(t, 200, ask(orders, own))
	require.NoError(t, program.store.RevokeToken(t.Context(), "reader", time.Now()))
	require.Eventually(t, func() bool { return ask(events, token) == 401 }, 10*time.Second, 20*time.Millisecond, "the running program follows by itself")
	require.Equal(t, 200, ask(orders, own))
}

// By command, as an operator does it: the token is printed once, kept by its hash, and refused when its name is used again.
func TestTokenCommands(t *testing.T) {
	config := file(t, "store: 'sqlite:"+t.TempDir()+"/adapter.db'\n")
	migrate, c := &commands{}, &commands{}
	migrate.Migrate.Config, c.Token.Config = config, config
	require.NoError(t, (&migrateUp{}).Run(t.Context(), migrate))
	add := &tokenAdd{Name: "core", Scope: []string{"orders", "events"}, Expires: time.Hour}
	var secret, list, after strings.Builder
	require.NoError(t, add.add(t.Context(), config, &secret))
	require.Regexp(t, `^[A-Za-z0-9_-]{43}\n$`, secret.String())
	require.NoError(t, listTokens(t.Context(), config, &list))
	require.Regexp(t, `core +in use +orders events +`, list.String())
	require.NotContains(t, list.String(), secret.String()[:10])
	require.ErrorIs(t, add.add(t.Context(), config, &secret), access.ErrTaken)
	require.NoError(t, (&tokenRevoke{Name: "core"}).Run(t.Context(), c))
	require.ErrorIs(t, (&tokenRevoke{Name: "core"}).Run(t.Context(), c), access.ErrNoToken)
	require.NoError(t, listTokens(t.Context(), config, &after))
	require.Contains(t, after.String(), "revoked")

	// Who changed which token is in the security log, and no token is.
	require.NoError(t, withStore(t.Context(), config, func(s store.Store) error {
		events, err := s.SecurityEvents(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, events, 2)
		require.Equal(t, []string{tokenRevoked, tokenAdded}, []string{events[0].Kind, events[1].Kind})
		require.Equal(t, "core", events[0].Detail)
		require.Contains(t, events[1].Detail, "core: orders events, expires 20")
		for _, e := range events {
			require.Equal(t, operatorName(), e.Actor)
			require.NotEmpty(t, e.Replica)
			require.NotContains(t, e.Detail, secret.String()[:10])
		}
		return nil
	}))
}
