package order

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The defaults that the specification names (EMTA §§4, 7, design §§8, 9).
func TestSettingsDefaults(t *testing.T) {
	s := defaultSettings(t)
	require.Equal(t, "v1", s.Version)
	require.Equal(t, 90*time.Second, s.Timeout)
	require.Equal(t, 3*time.Minute, s.ReuseMinimum)
	require.Equal(t, 15*time.Minute, s.DefaultExpiry)
	require.Equal(t, 4, s.Parallel)
	require.Equal(t, []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 2 * time.Minute}, s.Delays)
	require.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}, s.ListDelays)
	require.Equal(t, 10*time.Minute, s.FirstOffer)
	require.Equal(t, 24*time.Hour, s.LastOffer)
	require.Equal(t, "http://tkt.x-road.eu", s.NotifyNamespace)
	require.False(t, s.configured(), "identifiers have no default")
	require.Equal(t, 30*time.Second, initMargin)
}

func TestSettingsGood(t *testing.T) {
	text := func(n int) string { return strings.Repeat("õ", n) }
	for name, s := range map[string]Settings{
		"nothing set":                       {},
		"75 characters, not bytes":          {Description: Description{ET: text(75), EN: text(75), RU: text(75)}},
		"75 characters with the longest id": {Description: Description{ET: text(75-19) + "{id}", EN: text(75-19) + "{id}"}},
		"75 characters with a short id":     {ShortStamp: true, Description: Description{ET: text(75-10) + "{id}"}},
		"one delay":                         {Delays: []time.Duration{time.Second}, ListDelays: []time.Duration{time.Second}},
		"a nanosecond":                      {Timeout: 1, ReuseMinimum: 1, DefaultExpiry: 1, FirstOffer: 1, LastOffer: 1},
	} {
		_, err := s.WithDefaults()
		require.NoError(t, err, name)
	}
}

// What is wrong is told at the start, by its name, not found out by a payer.
func TestSettingsBad(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	for name, row := range map[string]struct {
		settings Settings
		want     string
	}{
		"ET too long":                  {Settings{Description: Description{ET: text(76)}}, "ET"},
		"EN too long":                  {Settings{Description: Description{EN: text(76)}}, "EN"},
		"RU too long":                  {Settings{Description: Description{RU: text(76)}}, "RU"},
		"too long with the longest id": {Settings{Description: Description{ET: text(75-18) + "{id}"}}, "ET"},
		"too long with two ids":        {Settings{Description: Description{ET: text(40) + "{id}{id}"}}, "ET"},
		"too long with a short id":     {Settings{ShortStamp: true, Description: Description{ET: text(75-9) + "{id}"}}, "ET"},
		"timeout":                      {Settings{Timeout: -time.Second}, "-1s"},
		"reuse minimum":                {Settings{ReuseMinimum: -time.Second}, "-1s"},
		"default expiry":               {Settings{DefaultExpiry: -time.Second}, "-1s"},
		"a delay":                      {Settings{Delays: []time.Duration{time.Second, 0}}, "0s"},
		"a delay below zero":           {Settings{Delays: []time.Duration{-time.Second}}, "-1s"},
		"a list delay":                 {Settings{ListDelays: []time.Duration{-time.Second}}, "-1s"},
		"first offer":                  {Settings{FirstOffer: -time.Second}, "-1s"},
		"last offer":                   {Settings{LastOffer: -time.Second}, "-1s"},
		"parallel":                     {Settings{Parallel: -1}, "calls at a time"},
		"orders a page":                {Settings{List: ListSettings{Count: -1}}, "orders a page"},
	} {
		_, err := row.settings.WithDefaults()
		require.ErrorContains(t, err, row.want, name)
	}
}

// Filling in what is missing leaves the caller's settings as they are.
func TestSettingsAreNotChanged(t *testing.T) {
	s := Settings{Delays: make([]time.Duration, 1, 8)}
	s.Delays[0] = time.Second
	_, err := s.WithDefaults()
	require.NoError(t, err)
	require.Zero(t, s.Timeout)
	require.Equal(t, make([]time.Duration, 7), s.Delays[1:8])
}
