package setting

import (
	"slices"
	"time"
)

// Settings are what is in force: every value is there.
type Settings struct {
	Log Log `json:"log"`
}

// Log is the application log and the exchange log.
type Log struct {
	Level   string            `json:"level"`   // debug, info, warn or error
	Levels  map[string]string `json:"levels"`  // by component, where it differs from Level
	Systems map[string]System `json:"systems"` // by external system, e.g. emta
}

// System is the exchange log of one external system (logging §1).
type System struct {
	Sinks []string `json:"sinks"` // files, tables, stdout, each at most once; none: off
	Body  string   `json:"body"`  // full, masked or digest
	Mode  string   `json:"mode"`  // required or best-effort
}

// Words of the settings.
var (
	levels = []string{"debug", "info", "warn", "error"}
	sinks  = []string{"files", "tables", "stdout"}
	bodies = []string{"full", "masked", "digest"}
	modes  = []string{"required", "best-effort"}
)

// Changes are what was changed; nil is the file's value. They are kept as JSON.
type Changes struct {
	Log *LogChanges `json:"log,omitempty"`
}

// LogChanges changes a Log.
type LogChanges struct {
	Level   *string                  `json:"level,omitempty"`
	Levels  map[string]string        `json:"levels,omitempty"`
	Systems map[string]SystemChanges `json:"systems,omitempty"`
}

// SystemChanges changes a System.
type SystemChanges struct {
	Sinks *[]string `json:"sinks,omitempty"`
	Body  *string   `json:"body,omitempty"`
	Mode  *string   `json:"mode,omitempty"`
}

// Stored are the changes in force, and the last change that led to them. The zero value: nothing was ever changed.
type Stored struct {
	Version int64     // counts changes, from 1
	At      time.Time // of the last change
	By      string    // who made it, as X-Acting-User names a person, or "cli:" and a user of the machine
	Changes []byte    // JSON of Changes, as whoever wrote it knew them
	Steps   []Step    // what the last change did to the values in force
}

// Step is one value that a change made another. Values are as JSON.
type Step struct {
	Path string `json:"path"` // e.g. log.systems.emta.sinks
	From string `json:"from"`
	To   string `json:"to"`
}

// With returns the settings with changes over them; s is not changed. Systems that s does not have, and words
// that this version does not know, are passed over.
func (s Settings) With(c Changes) Settings {
	next := Settings{Log: Log{Level: s.Log.Level, Levels: map[string]string{}, Systems: map[string]System{}}}
	for name, level := range s.Log.Levels {
		next.Log.Levels[name] = level
	}
	for name, system := range s.Log.Systems {
		system.Sinks = append([]string{}, system.Sinks...)
		next.Log.Systems[name] = system
	}
	if c.Log == nil {
		return next
	}
	if c.Log.Level != nil && slices.Contains(levels, *c.Log.Level) {
		next.Log.Level = *c.Log.Level
	}
	for name, level := range c.Log.Levels {
		if slices.Contains(levels, level) {
			next.Log.Levels[name] = level
		}
	}
	for name, change := range c.Log.Systems {
		if system, ok := next.Log.Systems[name]; ok {
			next.Log.Systems[name] = system.with(change)
		}
	}
	return next
}

func (s System) with(c SystemChanges) System {
	if c.Sinks != nil && !slices.ContainsFunc(*c.Sinks, func(sink string) bool { return !slices.Contains(sinks, sink) }) {
		s.Sinks = append([]string{}, *c.Sinks...)
	}
	if c.Body != nil && slices.Contains(bodies, *c.Body) {
		s.Body = *c.Body
	}
	if c.Mode != nil && slices.Contains(modes, *c.Mode) {
		s.Mode = *c.Mode
	}
	return s
}
