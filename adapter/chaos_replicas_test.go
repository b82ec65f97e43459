//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// replica is one of several adapters on a database. Its processes are started again when they end, as a cluster does.
type replica struct {
	in         installation
	toDatabase *simulator.Link
	toServer   *simulator.Link // the security server
	fromServer *simulator.Link // to the xroad listener
	watching   sync.WaitGroup

	mu      sync.Mutex
	present *process // nil between two
	ending  ending   // of the present one, as far as it is known
	ended   []ending
}

// ways of a process's end that were wanted.
const (
	killed  = "killed"
	stopped = "stopped"
)

// ending is how a process ended.
type ending struct {
	wanted string // "" for one that ended by itself
	ready  bool   // it had become ready
	code   int    // exit status; -1 for a signal
	how    string
}

// wrong says what is wrong with the way in which a process ended, "" for nothing. One that was told to stop before it could
// listen may end by the signal itself.
func (e ending) wrong() string {
	switch {
	case e.wanted == "":
		return "a replica ended by itself: " + e.how
	case e.wanted == stopped && e.ready && e.code != 0:
		return "a replica that was told to stop ended with " + e.how
	case e.wanted == stopped && e.code > 0:
		return "a replica that was told to stop while it started ended with " + e.how
	}
	return ""
}

// keepUp runs one process after another until ctx ends.
func (r *replica) keepUp(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		p := r.in.serve(t)
		r.mu.Lock()
		r.present, r.ending = p, ending{}
		r.mu.Unlock()
		r.watch(ctx, p)
		r.mu.Lock()
		e := r.ending
		e.code, e.how = p.cmd.ProcessState.ExitCode(), p.cmd.ProcessState.String()
		r.ended = append(r.ended, e)
		r.present = nil
		r.mu.Unlock()
		pause(ctx, 50*time.Millisecond)
	}
}

// watch notes when p has become ready, until it has ended.
func (r *replica) watch(ctx context.Context, p *process) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.watching.Go(func() {
		for ctx.Err() == nil {
			if p.ready(ctx) == nil {
				r.mu.Lock()
				defer r.mu.Unlock()
				if r.present == p {
					r.ending.ready = true
				}
				return
			}
		}
	})
	<-p.ended
}

// end ends the present process, if there is one. One that does not stop in its time is killed, which counts as wrong.
func (r *replica) end(wanted string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.present
	if p == nil || r.ending.wanted != "" {
		return
	}
	r.ending.wanted = wanted
	if wanted == killed {
		_ = p.cmd.Process.Kill() // it may have ended by itself
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	r.watching.Go(func() {
		select {
		case <-p.ended:
		case <-time.After(stopTimeout + 10*time.Second):
			_ = p.cmd.Process.Kill()
		}
	})
}

// serves reports whether the present process is ready and not about to end.
func (r *replica) serves() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.present != nil && r.ending.ready && r.ending.wanted == ""
}

func (r *replica) endings() []ending {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]ending(nil), r.ended...)
}

// processFaults end replicas, one or two at once.
func (c *chaos) processFaults() []mishap {
	several := func(wanted string) func(*testing.T, *rand.Rand) func() {
		return func(_ *testing.T, rng *rand.Rand) func() {
			for _, i := range rng.Perm(len(c.replicas))[:1+rng.IntN(2)] {
				c.replicas[i].end(wanted)
			}
			return func() {}
		}
	}
	return []mishap{
		{name: "kill -9", family: "processes", begin: several(killed)},
		{name: "kill -9 again", family: "processes", begin: several(killed)},
		{name: "SIGTERM", family: "processes", begin: several(stopped)},
	}
}

// endingsOf counts how the processes of all replicas ended.
func endingsOf(replicas []*replica) string {
	counts := map[string]int{}
	for _, r := range replicas {
		for _, e := range r.endings() {
			counts[e.wanted]++
		}
	}
	return fmt.Sprintf("%d killed, %d stopped, %d ended by themselves", counts[killed], counts[stopped], counts[""])
}
