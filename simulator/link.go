package simulator

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Link is a stretch of network before a target, on loopback: whoever connects to Address is carried there, until the link is
// slowed, cut, or half open. It knows no protocol. Safe for concurrent use.
type Link struct {
	listener        net.Listener
	network, target string
	running         sync.WaitGroup

	mu     sync.Mutex
	state  linkState
	delay  time.Duration
	joints map[*joint]bool
}

type linkState int

const (
	linkWhole    linkState = iota
	linkCut                // whoever connects, or is connected, is told so
	linkHalfOpen           // the target has lost its connections, and their other ends do not know
	linkClosed
)

// joint is one connection with its continuation. far is nil where there is none.
type joint struct{ near, far net.Conn }

// NewLink opens a link to a target as net.Dial has it: "tcp" with host:port or "unix" with a path. Nobody needs to listen
// there yet. ctx bounds the start only; Close ends the link.
func NewLink(ctx context.Context, network, target string) (*Link, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Link{listener: listener, network: network, target: target, joints: map[*joint]bool{}}
	l.running.Go(l.accept)
	return l, nil
}

// Address is where the link is entered, host:port.
func (l *Link) Address() string { return l.listener.Addr().String() }

// Slow makes whatever comes back from the target that much later, on all connections, whole round trips with it.
// The bytes keep their order, and however many are under way none waits for another.
func (l *Link) Slow(delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = delay
}

// Cut ends all connections, and those that are tried from now on, with a reset.
func (l *Link) Cut() { l.enter(linkCut) }

// HalfOpen ends all connections on the target's side alone: the other ends stay open and hear nothing, and so do those
// that connect from now on.
func (l *Link) HalfOpen() { l.enter(linkHalfOpen) }

// Heal makes the link whole and quick again. Connections that a half open link has kept are reset.
func (l *Link) Heal() {
	l.Slow(0)
	l.enter(linkWhole)
}

// Close ends all connections and the link.
func (l *Link) Close() error {
	l.enter(linkClosed)
	err := l.listener.Close()
	l.running.Wait()
	return err
}

// enter changes the state and does to the connections what it means for them.
func (l *Link) enter(state linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state
	l.state = state
	for j := range l.joints {
		switch {
		case state == linkHalfOpen:
			l.halve(j)
		case state != linkWhole, before == linkHalfOpen:
			l.end(j)
		}
	}
}

// halve takes a connection's continuation away. The lock is held.
func (l *Link) halve(j *joint) {
	if j.far != nil {
		reset(j.far)
		j.far = nil
	}
}

// end ends a connection. The lock is held.
func (l *Link) end(j *joint) {
	l.halve(j)
	reset(j.near)
	delete(l.joints, j)
}

// broken is for a connection that one of its ends has left.
func (l *Link) broken(j *joint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.joints[j]:
	case l.state == linkHalfOpen:
		l.halve(j)
	default:
		l.end(j)
	}
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			l.running.Go(func() { l.join(near) })
		}
	}
}

// join connects near with the target, as the link's state has it.
func (l *Link) join(near net.Conn) {
	j := &joint{near: near}
	l.mu.Lock()
	state := l.state
	l.joints[j] = true
	if state == linkCut || state == linkClosed {
		l.end(j)
	}
	l.mu.Unlock()
	if state != linkWhole {
		return
	}
	far, err := net.Dial(l.network, l.target)
	if err != nil {
		l.broken(j)
		return
	}
	l.mu.Lock()
	if !l.joints[j] || l.state != linkWhole {
		l.mu.Unlock()
		reset(far)
		return
	}
	j.far = far
	l.mu.Unlock()
	l.running.Go(func() {
		l.carry(far, near, func() time.Duration { return 0 })
		l.broken(j)
	})
	l.carry(near, far, func() time.Duration {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.delay
	})
	l.broken(j)
}

// Of a connection's bytes under way, in one direction.
const (
	pieceBytes = 32 << 10
	mostPieces = 256 // then the sender has to wait, as for a full window
)

// piece is what was read at once.
type piece struct {
	bytes []byte
	due   time.Time
}

// carry copies from one end to the other, each piece delayed, until one of them is gone.
func (l *Link) carry(to, from net.Conn, delay func() time.Duration) {
	pieces := make(chan piece, mostPieces)
	gone := make(chan struct{})
	l.running.Go(func() {
		defer close(gone)
		for p := range pieces {
			pause(time.Until(p.due), nil)
			if _, err := to.Write(p.bytes); err != nil {
				return
			}
		}
	})
	defer func() { close(pieces); <-gone }()
	b := make([]byte, pieceBytes)
	for {
		n, err := from.Read(b)
		if n > 0 {
			select {
			case pieces <- piece{bytes.Clone(b[:n]), time.Now().Add(delay())}:
			case <-gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// reset closes a connection without a farewell.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // it may be gone
	}
	_ = c.Close()
}
