package order

import (
	"errors"
	"sync"
	"time"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// When calls to EMTA pause, and for how long.
const (
	// circuitFailures in a row are no chance: the way to EMTA is broken, or EMTA hangs.
	circuitFailures = 3
	// firstPause is of a break of moments; each probe that fails doubles it.
	firstPause = time.Second
	// lastPause is how long after EMTA's return it may take until it is asked again.
	lastPause = 30 * time.Second
)

// circuit keeps calls back from an EMTA that does not answer. It is open after some failures of the network in a row; then one call, the
// probe, goes out after each pause, and the first answer closes it. It counts and holds nothing else: what is kept back stays
// due, with no attempt counted. Each replica has its own. Safe for concurrent use.
type circuit struct {
	now func() time.Time

	mu       sync.Mutex
	failures int           // in a row
	pause    time.Duration // 0: closed
	until    time.Time     // no probe before
	probing  bool
}

// admission is what a circuit says to who is about to call.
type admission int

const (
	noCall    admission = iota // nothing is to be sent
	anyCall                    // as many as are needed
	probeCall                  // one piece of work; nobody else calls until it has ended
)

// admit says whether EMTA may be called now. When the calls have been made, or turned out not to be needed, ended must be told.
func (c *circuit) admit() admission {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.pause == 0:
		return anyCall
	case c.probing || c.now().Before(c.until):
		return noCall
	}
	c.probing = true
	return probeCall
}

// ended makes place for the next probe.
func (c *circuit) ended(a admission) {
	if a != probeCall {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probing = false
}

// called tells how a call ended that was made, by whomever. An error of the network or a timeout is a failure; a call that was never
// sent tells nothing; any other error is an answer.
func (c *circuit) called(err error) {
	var call *soap.CallError
	if err != nil && (!errors.As(err, &call) || call.Failure == soap.FailedRequest) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil || call.Kind() != xroadhdr.Network && call.Kind() != xroadhdr.Timeout {
		c.failures, c.pause = 0, 0
		return
	}
	c.failures++
	now := c.now()
	switch {
	case c.failures < circuitFailures:
		return
	case c.pause == 0:
		c.pause = firstPause
	case !now.Before(c.until): // a call that began before the pause and failed in it tells nothing new
		c.pause = min(2*c.pause, lastPause)
	}
	c.until = now.Add(c.pause)
}

// KeepsBack reports whether EMTA does not answer, and calls are kept back but for one now and then.
func (m *Module) KeepsBack() bool { return m.circuit.open() }

// open reports whether calls are kept back.
func (c *circuit) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pause != 0
}
