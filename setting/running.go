package setting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// pollEvery is how often the store is read: with the time that reading and applying take, a change is in force
// everywhere within two seconds, also where no hint of it comes.
const pollEvery = time.Second

// readTimeout bounds one reading; a database that takes longer is asked again.
const readTimeout = 5 * time.Second

// tries is how often a change is decided again because another came before it. Who is refused so often
// is told.
const tries = 5

// Options of a Running. All are required.
type Options struct {
	Store      Store
	File       Settings                            // what the settings file says; its systems are all that can be changed
	Components func() []string                     // those that write to the application log; safe for concurrent use
	Apply      func(s Settings, by string) error   // puts settings in force; called by one goroutine at a time, again until it succeeds
	Audit      func(context.Context, Stored) error // writes a change that was made here into the security log
	Changed    func(Stored)                        // told when a change is found here, but not of the one at the start
	Now        func() time.Time
	Logger     *slog.Logger
}

// Running keeps this replica's settings as the store has them. It is safe for concurrent use.
type Running struct {
	o    Options
	wake chan struct{}

	mu      sync.Mutex // held while settings are read and put in force
	started bool       // the store was read
	behind  bool       // what is in force is not all that the store says
	failing bool       // Run's last reading failed
	file    Settings
	stored  Stored
	now     Settings
}

// New returns a Running that has put nothing in force: the first Refresh does.
func New(o Options) *Running {
	return &Running{o: o, wake: make(chan struct{}, 1), file: o.File, now: o.File.With(Changes{})}
}

// Refresh reads the store and puts in force what is new there. With an error the settings stay as they are.
func (r *Running) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	stored, err := r.o.Store.Settings(ctx)
	if err != nil {
		return err
	}
	if r.started && !r.behind && stored.Version == r.stored.Version { // a restored database may have an older one
		return nil
	}
	changes, err := readChanges(stored.Changes)
	if err != nil {
		return err
	}
	told := r.started && stored.Version != r.stored.Version
	r.started, r.behind = true, true
	r.stored, r.now = stored, r.file.With(changes)
	if told {
		r.o.Changed(stored)
	}
	if err := r.o.Apply(r.now, stored.By); err != nil {
		return fmt.Errorf("settings of version %d are not all in force: %w", stored.Version, err)
	}
	r.behind = false
	return nil
}

// Wake makes Run read the store soon; it never blocks.
func (r *Running) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run reads the store each second, and when woken, until ctx ends.
func (r *Running) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.wake:
		}
		err := r.Refresh(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !r.failing { // once an outage
			r.o.Logger.Warn("settings in force may not be the last; tried again each second", "error", err)
		}
		r.failing = err != nil
	}
}

// Current returns the settings in force here and the change that they come from.
func (r *Running) Current() (Settings, Stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now, r.stored
}

// ReplaceFile puts other values of the settings file in force, beneath what was changed since.
func (r *Running) ReplaceFile(file Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changes, err := readChanges(r.stored.Changes)
	if err != nil {
		return // what cannot be read is not in r.stored
	}
	r.file = file
	r.now = file.With(changes)
	if !r.started {
		return // the first Refresh will
	}
	if err := r.o.Apply(r.now, settingsFile); err != nil { // Run goes on trying
		r.behind = true
		r.o.Logger.Error("the settings file's new values are not all in force yet", "error", err)
	}
}

// settingsFile stands for whoever changed the settings file.
const settingsFile = "settings file"

// errStale says that the caller's version is no longer the last.
var errStale = errors.New("the version is not the last")

// Change applies a JSON merge patch for by and puts it in force here; other replicas follow. expected is the version
// that the patch was made for, below 0 for whichever is the last. What changes nothing is not kept. The error is a *rest.Problem where the patch is wrong.
func (r *Running) Change(ctx context.Context, patch []byte, by string, expected int64) (Stored, error) {
	for try := 1; ; try++ {
		last, err := r.o.Store.Settings(ctx)
		if err != nil {
			return Stored{}, err
		}
		if expected >= 0 && expected != last.Version {
			return Stored{}, errStale
		}
		known := Known{File: r.fileValues(), Components: r.o.Components()}
		next := Stored{Version: last.Version + 1, At: r.o.Now(), By: by}
		if next.Changes, next.Steps, err = known.change(last.Changes, patch); err != nil {
			return Stored{}, err
		}
		if len(next.Steps) == 0 && sameChanges(last.Changes, next.Changes) {
			return last, r.Refresh(ctx)
		}
		err = r.o.Store.ChangeSettings(ctx, next)
		if errors.Is(err, ErrConflict) && try < tries {
			continue
		}
		if err != nil {
			return Stored{}, err
		}
		if err := r.o.Audit(ctx, next); err != nil { // the store has it already
			r.o.Logger.ErrorContext(ctx, "a change of settings is not in the security log", "version", next.Version, "error", err)
		}
		if err := r.Refresh(ctx); err != nil { // the change is made; Run goes on trying to put it in force
			r.o.Logger.ErrorContext(ctx, "a change of settings is not in force here yet", "version", next.Version, "error", err)
		}
		return next, nil
	}
}

func (r *Running) fileValues() Settings {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file
}

func sameChanges(a, b []byte) bool {
	empty := func(raw []byte) string {
		if len(raw) == 0 {
			return "{}"
		}
		return string(raw)
	}
	return empty(a) == empty(b)
}
