package main

import (
	"context"
	"crypto/sha256"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/security"
)

// reload puts in force what of next may change while the program runs (setting:"live"), all of it or, with an error, nothing;
// certificates are read anew in any case. waiting are the keys that differ from those that the program runs with, and count
// from the next start.
func (p *Program) reload(next Settings) (taken, waiting []string, err error) {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	was := p.live.current.Load().settings
	is := p.settings.taking(next)
	if err := is.check(); err != nil { // what was right beside next's other settings need not be beside ours
		return nil, nil, err
	}
	ready, err := is.live(p.now)
	if err != nil {
		return nil, nil, err
	}
	running, err := is.runningSettings()
	if err != nil {
		return nil, nil, err
	}
	p.live.current.Store(ready)
	p.running.ReplaceFile(running)
	if taken = differing(was, is); len(taken) > 0 {
		p.security.Report(context.Background(), security.Event{Kind: security.SettingsChanged, Actor: "settings file", Detail: strings.Join(taken, ", ")})
	}
	return taken, differing(is, next), nil
}

// reloading is how the last reading of the settings went. It is a lock for reload, too.
type reloading struct {
	sync.Mutex

	state   sync.Mutex
	problem string   // "": they were right
	waiting []string // keys that count from the next start
}

func newReloading(r prometheus.Registerer) *reloading {
	s := &reloading{}
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("adapter_settings_stale", "1 while the settings file or a certificate is wrong, so that the settings before it are in force.", func() float64 {
		if problem, _ := s.last(); problem != "" {
			return 1
		}
		return 0
	})
	gauge("adapter_settings_waiting", "Settings that were changed and count from the next start.", func() float64 {
		_, waiting := s.last()
		return float64(len(waiting))
	})
	return s
}

func (s *reloading) last() (problem string, waiting []string) {
	s.state.Lock()
	defer s.state.Unlock()
	return s.problem, s.waiting
}

// keep remembers the outcome. Of settings that were wrong the waiting ones are not known anew.
func (s *reloading) keep(waiting []string, err error) {
	s.state.Lock()
	defer s.state.Unlock()
	if err != nil {
		s.problem = err.Error()
		return
	}
	s.problem, s.waiting = "", waiting
}

// report is for the status page.
func (s *reloading) report(_ context.Context, r *statusReport) {
	c := check{Status: statusPass}
	switch problem, waiting := s.last(); {
	case problem != "":
		c.Status, c.Output = statusWarn, "the changed settings are wrong, and those before them in force: "+problem
	case len(waiting) > 0:
		c.Status, c.Output = statusWarn, "changed, and in force from the next start: "+strings.Join(waiting, ", ")
	}
	r.add("settings", c)
}

// lookEvery is how often the files of the settings are looked at. They are read and compared: the links of a mounted ConfigMap
// or Secret are swapped in ways that no notice of a file tells. A change counts when two looks have seen the same, so that a
// file that is being written is not taken for a whole one.
const lookEvery = time.Second

// follow reads the settings anew when their files change, or at once on a signal, until ctx ends.
func (p *Program) follow(ctx context.Context, from source, first reading, hangup <-chan os.Signal) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	f := newFollower(p, from, first)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			f.read()
		case <-tick.C:
			f.look()
		}
	}
}

// follower compares files with what they held when they were read last.
type follower struct {
	p     *Program
	from  source
	files []string
	was   [sha256.Size]byte // the digest of what was read last
	seen  [sha256.Size]byte // at the last look
}

func newFollower(p *Program, from source, first reading) *follower {
	f := &follower{p: p, from: from, files: allFiles(first)}
	f.seen = digest(f.files)
	f.was = f.seen
	return f
}

// allFiles are those of the settings and those that they name.
func allFiles(r reading) []string {
	files := append([]string{}, r.files...)
	for _, t := range r.tls() {
		for _, name := range []string{t.Cert, t.Key, t.CA, t.Pinned} {
			if name != "" {
				files = append(files, name)
			}
		}
	}
	if len(r.Core.Tokens) == 0 && r.Core.TokenFile != "" {
		files = append(files, r.Core.TokenFile)
	}
	return files
}

// digest stands for what the files hold; for one that cannot be read, why.
func digest(files []string) [sha256.Size]byte {
	all := sha256.New()
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			content = []byte(err.Error())
		}
		one := sha256.Sum256(content)
		all.Write(one[:])
	}
	return [sha256.Size]byte(all.Sum(nil))
}

func (f *follower) look() {
	now := digest(f.files)
	if now != f.was && now == f.seen {
		f.read()
	}
	f.seen = now
}

// read takes the settings over and says so, or says why not.
func (f *follower) read() {
	f.was = digest(f.files)
	next, err := f.from.read()
	var taken, waiting []string
	if err == nil {
		taken, waiting, err = f.p.reload(next.Settings)
	}
	f.p.reloading.keep(waiting, err)
	if err != nil {
		f.p.log.Error("changed settings are not taken over: those before them stay in force", "error", err)
		return
	}
	f.p.log.Info("settings taken over", "changed", taken)
	if len(waiting) > 0 {
		f.p.log.Warn("some changed settings count from the next start", "keys", waiting)
	}
	f.files = allFiles(next)
	f.was = digest(f.files)
	f.seen = f.was
}
