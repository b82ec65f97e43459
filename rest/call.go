package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Call is one request to a REST service over X-Road (fact sheet §6.1).
type Call struct {
	Header      xroadhdr.Header // its Service names a subsystem and no version
	Method      string
	Path        string // what follows the service code, with the query, percent-encoded; empty, or begins with / or ?
	Body        []byte // only for POST, PUT and PATCH: a security server delivers no other
	ContentType string // of Body; empty: application/json
}

// Request builds the HTTP request to our own security server, whose address is a URL. Encoded parts of the path stay as they
// are. What no security server would deliver is refused.
func (c Call) Request(ctx context.Context, securityServer string) (*http.Request, error) {
	if c.Header.Service.SubsystemCode == "" || c.Header.Service.ServiceVersion != "" {
		return nil, errors.New("a REST service is instance/class/member/subsystem/code: a version stands in its path")
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") && !strings.HasPrefix(c.Path, "?") {
		return nil, errors.New("the path must begin with / or ?")
	}
	if len(c.Body) > 0 && !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, c.Method) {
		return nil, fmt.Errorf("a security server does not deliver the body of a %s: only those of POST, PUT and PATCH (fact sheet §6.1)", c.Method)
	}
	target, err := url.Parse(strings.TrimSuffix(securityServer, "/") + "/r1/" + c.Header.Service.Path() + c.Path)
	if err != nil {
		return nil, fmt.Errorf("the path: %w", withoutAddress(err))
	}
	r, err := http.NewRequestWithContext(ctx, c.Method, target.String(), bytes.NewReader(c.Body))
	if err != nil {
		return nil, fmt.Errorf("the method: %w", withoutAddress(err))
	}
	h := c.Header
	h.Service = xroadhdr.ServiceID{} // the path names it
	if err := h.WriteHTTP(r.Header); err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json") // alone, or a security server's error may come as XML (§6.5)
	if len(c.Body) > 0 {
		r.Header.Set("Content-Type", c.ContentType)
		if c.ContentType == "" {
			r.Header.Set("Content-Type", "application/json")
		}
	}
	return r, nil
}

// Reply is a provider's answer, whatever its status.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte // at most the sender's MaxAnswer bytes
}

// ServerError is the error of a security server, ours or the provider's: the provider did not answer.
type ServerError struct {
	Code   xroadhdr.ErrorCode
	Text   string // its message, for the log; "" where the answer had none
	Detail string // the security server's own id of the error
	Status int    // of no meaning: decide by Code (§6.5)
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("security server: %s: %s (%s)", e.Code, e.Text, e.Detail)
}

// Kind is whose failure it is. Only Network and Timeout may be repeated, and only where repeating is safe.
func (e *ServerError) Kind() xroadhdr.FailureKind { return e.Code.Kind(e.Text) }

// Call sends one request through our security server and returns the provider's answer. It is not repeated. The
// error is a *ServerError, a *SendError, or tells what in c is wrong; then nothing was sent.
func (s *Sender) Call(ctx context.Context, c Call) (Reply, error) {
	request, err := c.Request(ctx, s.securityServer)
	if err != nil {
		return Reply{}, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return Reply{}, sendError(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, s.maxAnswer+1))
	switch {
	case err != nil:
		return Reply{}, sendError(err)
	case int64(len(body)) > s.maxAnswer:
		return Reply{}, &SendError{Kind: xroadhdr.Theirs, Err: fmt.Errorf("the answer is longer than %d bytes", s.maxAnswer)}
	}
	// A provider can set X-Road-Error too, by mistake or not; but to what a provider answered a security server adds its hash.
	if code := response.Header.Get(xroadhdr.HeaderError); code != "" && response.Header.Get(xroadhdr.HeaderRequestHash) == "" {
		return Reply{}, serverError(code, response.StatusCode, body)
	}
	if field := differs(c.Header, response.Header); field != "" {
		return Reply{}, &SendError{Kind: xroadhdr.Theirs, Err: fmt.Errorf("the answer's %s is not the request's", field)}
	}
	return Reply{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// serverError reads what it can of the body; the code is the header field's.
func serverError(code string, status int, body []byte) *ServerError {
	e := &ServerError{Code: xroadhdr.ParseErrorCode(code), Status: status}
	var said struct{ Message, Detail string }
	if json.Unmarshal(body, &said) == nil {
		e.Text, e.Detail = said.Message, said.Detail
	}
	return e
}

// differs names the field of an answer that is not the request's, identifiers compared decoded: a security server may encode them
// in its own way (§1.4).
func differs(h xroadhdr.Header, answer http.Header) string {
	client, clientErr := xroadhdr.ParseClientPath(answer.Get(xroadhdr.HeaderClient))
	service, serviceErr := xroadhdr.ParseServicePath(answer.Get(xroadhdr.HeaderService))
	switch {
	case answer.Get(xroadhdr.HeaderID) != h.ID:
		return xroadhdr.HeaderID
	case clientErr != nil || client != h.Client:
		return xroadhdr.HeaderClient
	case serviceErr != nil || service != h.Service:
		return xroadhdr.HeaderService
	}
	return ""
}
