package main

import (
	"context"
	"strings"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
)

// runningSettings are what the settings file says of what may change while the program runs.
func (s Settings) runningSettings() setting.Settings {
	return setting.Settings{Log: setting.Log{Level: s.Log.Level, Levels: s.Log.Levels, Systems: map[string]setting.System{}}}
}

// newRunning puts the settings file's values in force.
func (p *Program) newRunning() *setting.Running {
	levels := levelsOf(p.log)
	return setting.New(setting.Options{
		Store: p.store, File: p.settings.runningSettings(), Components: levels.names,
		Apply:   func(s setting.Settings) { levels.set(s.Log.Level, s.Log.Levels) },
		Audit:   func(ctx context.Context, s setting.Stored) error { return p.security.Keep(ctx, changeEvent(ctx, s)) },
		Changed: func(s setting.Stored) { p.security.Line(changeEvent(context.Background(), s)) },
		Now:     p.now, Logger: p.log.With("component", "setting"),
	})
}

// changeEvent is a change of settings in the security log. Whoever made it writes the row, and every replica a line when
// it is in force there, also of a change that was made by command.
func changeEvent(ctx context.Context, s setting.Stored) security.Event {
	var steps []string
	for _, step := range s.Steps {
		steps = append(steps, step.Path+" from "+step.From+" to "+step.To)
	}
	return security.Event{Kind: security.SettingsChanged, Caller: rest.CallerFrom(ctx).Name, Actor: s.By, Detail: strings.Join(steps, "; ")}
}
