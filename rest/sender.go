package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Defaults of a Sender.
const (
	defaultTimeout   = 30 * time.Second // whoever needs longer has lost the request
	defaultMaxAnswer = 1 << 20          // nothing that we ask for comes near it
)

// SenderOptions of a JSON client; the zero value works for Post.
type SenderOptions struct {
	Transport http.RoundTripper // nil: a connection pool of its own
	Timeout   time.Duration     // of a whole exchange; 0: 30 s
	MaxAnswer int64             // bytes of an answer that are read; 0: 1 MiB

	SecurityServer string // URL of our own security server, for Call; Post needs none
}

// Sender posts JSON, and calls REST services over X-Road. Redirects are not followed; nothing is repeated once a byte of it was sent. It is
// safe for concurrent use.
type Sender struct {
	client         http.Client
	maxAnswer      int64
	securityServer string
}

// NewSender returns a Sender that works by o.
func NewSender(o SenderOptions) *Sender {
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = defaultMaxAnswer
	}
	return &Sender{
		client: http.Client{Transport: o.Transport, Timeout: o.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		maxAnswer:      o.MaxAnswer,
		securityServer: o.SecurityServer,
	}
}

// NewTransport is a connection pool such as a Sender has of its own, for whoever wraps one.
func NewTransport() http.RoundTripper {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true}
}

// SendError is a request that brought no whole answer. Its text holds neither the address, which may
// carry a secret, nor anything that was sent.
type SendError struct {
	Kind xroadhdr.FailureKind // Ours, Theirs, Network or Timeout
	Err  error
}

func (e *SendError) Error() string { return fmt.Sprintf("sending (%s): %v", e.Kind, e.Err) }

// Unwrap is the cause.
func (e *SendError) Unwrap() error { return e.Err }

// Post sends body with the given fields, as application/json if they name no Content-Type, and returns the status and at most
// MaxAnswer bytes of the answer; the rest is cut off. Any status is an answer; the error is a *SendError.
func (s *Sender) Post(ctx context.Context, address string, fields http.Header, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, &SendError{Kind: xroadhdr.Ours, Err: withoutAddress(err)}
	}
	for name, values := range fields {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	if request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, sendError(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, s.maxAnswer))
	if err != nil {
		return response.StatusCode, nil, sendError(err)
	}
	return response.StatusCode, answer, nil
}

func sendError(err error) *SendError {
	kind := xroadhdr.Network
	var netErr net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout() {
		kind = xroadhdr.Timeout
	}
	return &SendError{Kind: kind, Err: withoutAddress(err)}
}

// withoutAddress takes off the wrapping that repeats the whole URL.
func withoutAddress(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
