package main

import (
	"context"
	"sync/atomic"
	"time"

	"ametlikudteadaanded.ee/adapter/store"
)

// stopping is why a program that was told to stop is not ready.
const stopping = "stopping"

// readiness is whether the program takes work, and why not if it does not.
type readiness struct{ why atomic.Pointer[string] }

func newReadiness() *readiness {
	r := &readiness{}
	r.set("starting")
	return r
}

// set says why the program is not ready; "" says that it is.
func (r *readiness) set(why string) { r.why.Store(&why) }

// reason is "" when the program is ready.
func (r *readiness) reason() string { return *r.why.Load() }

// Pauses between looks for a database that is away: short at first, since most outages are, and never so long that
// somebody would restart the program instead.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
)

// awaitDatabase brings the database up to date and checks it, again and again while it is away. It returns nil when the program
// is ready, and an error where waiting does not help or ctx ends.
func (p *Program) awaitDatabase(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := p.prepareDatabase(ctx)
		if err == nil {
			p.ready.set("")
			return nil
		}
		reason := store.Passing(err)
		if reason == "" {
			return err
		}
		if reason != p.ready.reason() {
			p.log.Warn("not ready", "reason", reason, "error", err)
		}
		p.ready.set(reason)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (p *Program) prepareDatabase(ctx context.Context) error {
	applied, err := p.store.Migrate(ctx)
	for _, name := range applied {
		p.log.Info("database migrated", "migration", name)
	}
	if err != nil {
		return err
	}
	if err := p.store.CheckDurability(ctx); err != nil {
		return err
	}
	if err := p.store.PreparePartitions(ctx, p.now()); err != nil {
		return err
	}
	if err := p.running.Refresh(ctx); err != nil {
		return err
	}
	return p.readTokens(ctx)
}

// readyTimeout bounds the question to the database. It is longer than a request waits for a connection, so that a busy
// database does not count as one that is away.
const readyTimeout = 4 * time.Second

// unready is why the program cannot take work now, "" if it can.
func (p *Program) unready(ctx context.Context) string {
	if reason := p.ready.reason(); reason != "" {
		return reason
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := p.store.Ping(ctx)
	if err == nil {
		return ""
	}
	if reason := store.Passing(err); reason != "" {
		return reason
	}
	return "the database does not answer"
}
