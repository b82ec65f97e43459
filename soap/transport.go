package soap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// dialTimeout and handshakeTimeout: the security server stands in our own network.
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	// idleTimeout is below the 30 s after which a security server closes an idle connection (§4.5), so that
	// a request seldom meets a connection that has just been closed.
	idleTimeout = 20 * time.Second
	// maxIdleConnections is more than the calls that one system makes at a time.
	maxIdleConnections = 16
	// maxHeaderBytes of an answer; a security server sends a handful of short fields.
	maxHeaderBytes = 64 << 10
)

// newTransport connects straight to our security server: no proxy from the environment, no HTTP/2, no compression.
func newTransport(config *tls.Config) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:        config.Clone(),
		TLSHandshakeTimeout:    handshakeTimeout,
		Protocols:              &protocols,
		DisableCompression:     true,
		MaxIdleConns:           maxIdleConnections,
		MaxIdleConnsPerHost:    maxIdleConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// progress is how far an attempt came. The transport reports it from goroutines of its own.
type progress struct {
	asked     atomic.Bool // for a connection
	connected atomic.Bool // TLS included
	writing   atomic.Bool // of the request, perhaps into a buffer only
}

func (p *progress) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:          func(string) { p.asked.Store(true) },
		GotConn:          func(httptrace.GotConnInfo) { p.connected.Store(true) },
		WroteHeaderField: func(string, []string) { p.writing.Store(true) },
	})
}

// failure classifies what became of an attempt without an answer. In doubt the outcome is unknown. A transport
// that never asked for a connection sent nothing if it is ours; what any other does is not known.
func (p *progress) failure(ctx context.Context, err error, ours bool) Failure {
	nothingSent := !p.connected.Load() && (p.asked.Load() || ours)
	switch {
	case nothingSent:
		return FailedConnection
	case isTimeout(ctx, err):
		return FailedTimeout
	case p.connected.Load() && !p.writing.Load(), refusedHandshake(err):
		return FailedConnection
	}
	return FailedBroken
}

func isTimeout(ctx context.Context, err error) bool {
	timeout := net.Error(nil)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

// handshakeAlerts are those with which a server turns a client certificate down (RFC 8446 §6.2). In TLS 1.3 they come after
// the client has finished its part and begun to send, but the server reads no request before it.
var handshakeAlerts = [...]tls.AlertError{
	40,  // handshake_failure
	42,  // bad_certificate
	43,  // unsupported_certificate
	44,  // certificate_revoked
	45,  // certificate_expired
	46,  // certificate_unknown
	48,  // unknown_ca
	49,  // access_denied
	116, // certificate_required
}

// refusedHandshake reports whether the server did not accept our certificate, the commonest mistake
// in setting up mutual TLS. crypto/tls gives the alert its text only.
func refusedHandshake(err error) bool {
	var operation *net.OpError
	if !errors.As(err, &operation) || operation.Op != "remote error" {
		return false
	}
	return slices.ContainsFunc(handshakeAlerts[:], func(a tls.AlertError) bool { return a.Error() == operation.Err.Error() })
}
