package simulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// readHeaderTimeout is plenty for peers on this machine and ends idle ones.
const readHeaderTimeout = 10 * time.Second

// listener is one HTTP server, on loopback where no hostname is given.
type listener struct {
	server *http.Server
	url    string
	done   chan error
}

// listen starts h on address; an empty one is 127.0.0.1:0. Whoever reaches a
// simulator can make payments, so an address that is not loopback is refused without a hostname.
func listen(ctx context.Context, address, hostname string, h http.Handler) (*listener, error) {
	return listenTLS(ctx, address, hostname, nil, h)
}

// listenTLS is listen, by TLS where there is a config.
func listenTLS(ctx context.Context, address, hostname string, secret *tls.Config, h http.Handler) (*listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("simulator address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); hostname == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("simulator address %q: must be on loopback", address)
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("starting a simulator: %w", err)
	}
	at := l.Addr().String()
	if hostname != "" {
		_, port, _ := net.SplitHostPort(at) // Addr is always host:port
		at = net.JoinHostPort(hostname, port)
	}
	s := &listener{server: &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}, url: "http://" + at, done: make(chan error, 1)}
	if secret != nil {
		l = tls.NewListener(l, secret)
		s.url = "https://" + at
	}
	go func() { s.done <- s.server.Serve(l) }()
	return s, nil
}

// close ends all connections.
func (l *listener) close() error {
	err := l.server.Close()
	if served := <-l.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
