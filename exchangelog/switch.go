package exchangelog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// switchWait is how long a switch waits for its note to be durable. It happens all the same: a sink that does
// not work must be possible to leave.
const switchWait = 2 * time.Second

// Switch changes how a system is logged, for every exchange that begins from now on; those that have begun are logged
// as they were. by is who did it. The streams that were used and that will be used have a note of it. With an error nothing has changed.
func (l *Log) Switch(name string, s Settings, by string) error {
	next, err := l.route(name, s)
	if err != nil {
		return err
	}
	current := l.system(name)
	last := current.Load()
	if last.settings.String() == next.settings.String() {
		return nil
	}
	text := fmt.Sprintf("logging switched from %s to %s", last.settings, next.settings)
	l.options.Logger.Info("exchange log switched", "system", name, "from", last.settings.String(), "to", next.settings.String())
	current.Store(next)
	var notes receipt
	for _, p := range union(last.writers, next.writers) {
		for _, part := range []Part{Request, Response} {
			w := p.of(part)
			notes.put(w, newDraft(noteRecord(w.stream, l.options.Now(), by, text)))
		}
	}
	if err := notes.wait(context.Background(), switchWait); err != nil {
		l.options.Logger.Warn("the note of the switch is not kept yet", "system", name, "error", err)
	}
	return nil
}

func union(a, b []pair) []pair {
	both := slices.Clone(a)
	for _, p := range b {
		if !slices.Contains(both, p) {
			both = append(both, p)
		}
	}
	return both
}

// Settings are how each system is logged now.
func (l *Log) Settings() map[string]Settings {
	l.mu.Lock()
	systems := maps.Clone(l.systems)
	l.mu.Unlock()
	settings := make(map[string]Settings, len(systems))
	for name, route := range systems {
		settings[name] = route.Load().settings
	}
	return settings
}
