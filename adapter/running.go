package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/setting"
)

// runningSettings are what the settings file says of what may change while the program runs.
func (s Settings) runningSettings() (setting.Settings, error) {
	systems, err := s.logSystems()
	if err != nil {
		return setting.Settings{}, err
	}
	running := setting.Settings{Log: setting.Log{Level: s.Log.Level, Levels: s.Log.Levels, Systems: map[string]setting.System{}}}
	for name, system := range systems {
		running.Log.Systems[name] = setting.System{Sinks: system.Sinks, Body: string(system.Body), Mode: string(system.Mode)}
	}
	return running, nil
}

// newRunning puts the settings file's levels in force. All else comes with the first Refresh.
func (p *Program) newRunning() (*setting.Running, error) {
	file, err := p.settings.runningSettings()
	if err != nil {
		return nil, err
	}
	levels := levelsOf(p.log)
	levels.set(file.Log.Level, file.Log.Levels)
	return setting.New(setting.Options{
		Store: p.store, File: file, Components: levels.names,
		Apply: func(s setting.Settings, by string) error {
			levels.set(s.Log.Level, s.Log.Levels)
			return p.exchanges.apply(s.Log.Systems, by)
		},
		Audit:   func(ctx context.Context, s setting.Stored) error { return p.security.Keep(ctx, changeEvent(ctx, s)) },
		Changed: func(s setting.Stored) { p.security.Line(changeEvent(context.Background(), s)) },
		Now:     p.now, Logger: p.log.With("component", "setting"),
	}), nil
}

// apply switches every system at once, so that none waits for another's sink. One that cannot be switched stays as it is.
func (x *exchangeLog) apply(systems map[string]setting.System, by string) error {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for name, system := range systems {
		all.Go(func() {
			err := x.Switch(name, exchangelog.Settings{Sinks: slices.Clone(system.Sinks), Body: exchangelog.BodyMode(system.Body), Mode: exchangelog.Mode(system.Mode)}, by)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// changeEvent is a change of settings in the security log. Whoever made it writes the row, and every replica a line when
// it is found there, also of a change that was made by command.
func changeEvent(ctx context.Context, s setting.Stored) security.Event {
	var steps []string
	for _, step := range s.Steps {
		steps = append(steps, step.Path+" from "+step.From+" to "+step.To)
	}
	return security.Event{Kind: security.SettingsChanged, Caller: rest.CallerFrom(ctx).Name, Actor: s.By, Detail: strings.Join(steps, "; ")}
}

// partitionsEvery is often enough for what is made months ahead, and does nothing where it was done.
const partitionsEvery = 6 * time.Hour

// partitionsAhead makes room in the exchange log's tables for the months to come, until ctx ends. Any replica may, and all do.
func (p *Program) partitionsAhead(ctx context.Context) {
	tick := time.NewTicker(partitionsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := p.store.PreparePartitions(ctx, p.now()); err != nil && ctx.Err() == nil {
				p.log.With("component", "exchangelog").Error("no room was made for the months ahead; it is tried again", "error", err)
			}
		}
	}
}
