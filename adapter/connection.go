package main

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxConnections is how many a listener holds at a time. A security server keeps some dozens, a core likewise; each costs
// some tens of kilobytes and a file. Those beyond wait, unaccepted, until one ends.
const maxConnections = 2000

// cappedListener accepts no more connections than there are places.
type cappedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	close  func()
}

func capConnections(l net.Listener, most int) *cappedListener {
	c := &cappedListener{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
	c.close = sync.OnceFunc(func() { close(c.closed) })
	return c
}

// Accept waits for a place, then for a connection.
func (l *cappedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &countedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close ends the waiting for a place, too.
func (l *cappedListener) Close() error {
	l.close()
	return l.Listener.Close()
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}

// CloseWrite tells the other end that no more comes; without it a refusal could be lost in the reset of the connection.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// cutSlowReaders ends the connection of a caller that does not take its answer within the time given, from the answer's first
// byte on. How long the answer takes to be made has its limits elsewhere.
func cutSlowReaders(within time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.SetWriteDeadline(time.Time{}) // the last answer's; a writer without deadlines, as in tests of handlers, has none
		next.ServeHTTP(&deadlineWriter{ResponseWriter: w, begin: sync.OnceFunc(func() { _ = c.SetWriteDeadline(time.Now().Add(within)) })}, r)
	})
}

// deadlineWriter calls begin before the first byte.
type deadlineWriter struct {
	http.ResponseWriter
	begin func()
}

// WriteHeader is for http.ResponseWriter.
func (w *deadlineWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

// Write is for http.ResponseWriter.
func (w *deadlineWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
