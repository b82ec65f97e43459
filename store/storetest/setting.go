package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
)

func settingTests() []test {
	return []test{
		{"nothing was changed", testNoSettings},
		{"changes are kept, the last first", testSettings},
		{"of two changes from one version one is kept", testSettingsConflict},
	}
}

func testNoSettings(t *testing.T, s Store) {
	last, err := s.Settings(t.Context())
	require.NoError(t, err)
	require.Zero(t, last)
	history, err := s.SettingsHistory(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, history)
}

// changedSettings is the change that makes version n.
func changedSettings(n int64) setting.Stored {
	return setting.Stored{Version: n, At: noon().Add(time.Duration(n) * time.Second), By: "EE60001019906",
		Changes: []byte(fmt.Sprintf(`{"log":{"level":"debug","later":%d}}`, n)),
		Steps:   []setting.Step{{Path: "log.level", From: `"info"`, To: `"debug"`}}}
}

func testSettings(t *testing.T, s Store) {
	first, second := changedSettings(1), changedSettings(2)
	second.Steps = []setting.Step{}
	require.NoError(t, s.ChangeSettings(t.Context(), first))
	require.NoError(t, s.ChangeSettings(t.Context(), second))
	last, err := s.Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, second, last)
	history, err := s.SettingsHistory(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, []setting.Stored{second, first}, history)
	history, err = s.SettingsHistory(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, history)
}

func testSettingsConflict(t *testing.T, s Store) {
	require.ErrorIs(t, s.ChangeSettings(t.Context(), changedSettings(2)), setting.ErrConflict, "there is no first")
	require.NoError(t, s.ChangeSettings(t.Context(), changedSettings(1)))
	require.ErrorIs(t, s.ChangeSettings(t.Context(), changedSettings(1)), setting.ErrConflict)
	require.ErrorIs(t, s.ChangeSettings(t.Context(), changedSettings(3)), setting.ErrConflict)

	var kept atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			switch err := s.ChangeSettings(t.Context(), changedSettings(2)); {
			case err == nil:
				kept.Add(1)
			case !errors.Is(err, setting.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, kept.Load())
	history, err := s.SettingsHistory(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, history, 2)
}

func securityTests() []test {
	return []test{{"the security log keeps what it is given", testSecurityLog}}
}

func testSecurityLog(t *testing.T, s Store) {
	full := security.Event{At: noon(), Replica: "a", Kind: security.SettingsChanged, Caller: "core", Actor: "EE60001019906", Address: "192.0.2.7",
		RequestID: "r-1", Detail: "log.level", Count: 3}
	bare := security.Event{At: noon().Add(time.Second), Replica: "b", Kind: security.TokenRefused, Count: 1}
	require.NoError(t, s.AppendSecurity(t.Context(), nil))
	require.NoError(t, s.AppendSecurity(t.Context(), []security.Event{full, bare}))
	events, err := s.SecurityEvents(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, []security.Event{bare, full}, events)
	events, err = s.SecurityEvents(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []security.Event{bare}, events)
}
