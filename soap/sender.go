package soap

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/beevik/etree"
	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// SenderOptions of a consumer; the zero value but URL works.
type SenderOptions struct {
	URL       string            // of our own security server
	TLS       *tls.Config       // of the own transport; nil: the defaults of crypto/tls
	Transport http.RoundTripper // replaces the own http.Transport; what failed in it counts as sent unless it shows otherwise (httptrace)
	// Wrap, when set, wraps the transport (exchange log, demo). It must not repeat a request.
	Wrap        func(http.RoundTripper) http.RoundTripper
	Limits      Limits // of answers
	RequestHash HashPolicy
	// HashProblems, when set, is told of each answer without a right requestHash: HashMissing, HashWrong, HashAlgorithm.
	// It is called by several goroutines at once.
	HashProblems func(problem string)
	Logger       *slog.Logger  // nil: nothing is logged
	NewID        func() string // message ids; default random UUID
}

// Sender calls services through our security server. Safe for concurrent use.
type Sender struct {
	options SenderOptions
	client  *http.Client
}

// NewSender checks the options; it connects to nothing yet.
func NewSender(o SenderOptions) (*Sender, error) {
	target, err := url.Parse(o.URL)
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.User != nil {
		return nil, errors.New("security server URL: must be an absolute http or https address without a user")
	}
	switch o.RequestHash {
	case "":
		o.RequestHash = ReportHash
	case ReportHash, RefuseHash:
	default:
		return nil, fmt.Errorf("request hash policy: must be %s or %s", ReportHash, RefuseHash)
	}
	o.Limits = o.Limits.withDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	transport := o.Transport
	if transport == nil {
		transport = newTransport(o.TLS)
	}
	if o.Wrap != nil {
		transport = o.Wrap(transport)
	}
	return &Sender{options: o, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Call is one request: the header without id (Send makes a fresh one each
// attempt), the body wrapper, and the wrapper that the answer must have.
type Call struct {
	Header   xroadhdr.Header
	Body     *etree.Element // copied; it may be part of another document
	Response xml.Name
}

// Send performs one attempt, never repeated. Its deadline is ctx's. The error is always a *CallError.
// On a provider's fault the Message is nil and CallError.Fault is set. It fills the Exchange record of ctx.
func (s *Sender) Send(ctx context.Context, c Call) (*Message, error) {
	c.Header.ID = s.options.NewID()
	note(ctx, c.Header)
	m, failed := s.attempt(ctx, c)
	if failed == nil {
		return m, nil
	}
	failed.MessageID = c.Header.ID
	exchange := xroadhdr.ExchangeFrom(ctx)
	exchange.Fault, exchange.Err = string(failed.Failure), failed
	if failed.Fault != nil {
		exchange.Fault = failed.Fault.Code
	}
	return nil, failed
}

func (s *Sender) attempt(ctx context.Context, c Call) (*Message, *CallError) {
	if c.Response.Local == "" {
		return nil, &CallError{Failure: FailedRequest, Err: errors.New("the wrapper of the answer is not given")}
	}
	sent, err := Envelope(c.Header, c.Body)
	if err != nil {
		return nil, &CallError{Failure: FailedRequest, Err: err}
	}
	if err := ctx.Err(); err != nil {
		return nil, &CallError{Failure: FailedConnection, Err: err}
	}
	reply, failed := s.post(ctx, sent)
	if failed != nil {
		return nil, failed
	}
	m, failed := s.read(reply)
	if failed == nil {
		failed = s.check(ctx, c, sent, m)
	}
	if failed != nil {
		failed.HTTPStatus, failed.Raw = reply.status, reply.body
		return nil, failed
	}
	return m, nil
}

// reply is an HTTP answer, read to its end or to the limit.
type reply struct {
	status  int
	fields  http.Header
	body    []byte
	tooLong bool
}

func (s *Sender) post(ctx context.Context, sent []byte) (*reply, *CallError) {
	var p progress
	r, err := http.NewRequestWithContext(p.trace(ctx), http.MethodPost, s.options.URL, bytes.NewReader(sent))
	if err != nil {
		return nil, &CallError{Failure: FailedRequest, Err: err}
	}
	r.GetBody = nil // the transport cannot send it a second time
	r.Header.Set("Content-Type", ContentType)
	r.Header["SOAPAction"] = []string{`""`} // quoted (§5.1); in the spelling of the standard for peers that compare case
	response, err := s.client.Do(r)
	if err != nil {
		return nil, &CallError{Failure: p.failure(ctx, err, s.options.Transport == nil), Err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, s.options.Limits.Bytes+1))
	a := &reply{status: response.StatusCode, fields: response.Header, body: body}
	if int64(len(body)) > s.options.Limits.Bytes {
		a.body, a.tooLong = body[:s.options.Limits.Bytes], true
	}
	if err != nil {
		failure := FailedBroken
		if isTimeout(ctx, err) {
			failure = FailedTimeout
		}
		return nil, &CallError{Failure: failure, HTTPStatus: a.status, Raw: a.body, Err: err}
	}
	return a, nil
}

// read parses what claims to be XML, whatever the status (§5.2).
func (s *Sender) read(a *reply) (*Message, *CallError) {
	if isBlank(a.body) {
		return nil, &CallError{Failure: FailedHTTP, EmptyBody: true, Err: fmt.Errorf("HTTP status %d without a body", a.status)}
	}
	if !isXML(a.fields) {
		return nil, &CallError{Failure: FailedHTTP, Err: fmt.Errorf("HTTP status %d with content that is not XML", a.status)}
	}
	if err := checkContentType(a.fields, "text/xml", "application/xml"); err != nil {
		return nil, &CallError{Failure: FailedAnswer, Err: err}
	}
	if a.tooLong {
		return nil, &CallError{Failure: FailedAnswer, Err: wrong(ReasonTooLarge, "message", "must not be longer than %d bytes", s.options.Limits.Bytes)}
	}
	m, err := ParseAnswer(a.body, s.options.Limits)
	if err != nil {
		return nil, &CallError{Failure: FailedAnswer, Err: err}
	}
	return m, nil
}

// check compares the answer with the request. A fault comes first: it has no hash and often no header (§2.3).
func (s *Sender) check(ctx context.Context, c Call, sent []byte, m *Message) *CallError {
	if m.Fault != nil {
		return checkFault(c, m)
	}
	if field := c.Header.Differs(m.XRoad); field != "" {
		return mismatch(field, "must be the request's")
	}
	if !named(m.Body, c.Response) {
		return mismatch("Body", "must hold the element %s of the namespace %q", c.Response.Local, c.Response.Space)
	}
	problem := hashProblem(m.XRoad.RequestHash, sent)
	if problem == "" {
		return nil
	}
	if s.options.HashProblems != nil {
		s.options.HashProblems(problem)
	}
	if s.options.RequestHash == RefuseHash {
		return mismatch("requestHash", "must be the digest of the request (%s)", problem)
	}
	s.options.Logger.WarnContext(ctx, "request hash of the answer does not fit", "problem", problem, "xroadId", c.Header.ID)
	return nil
}

func checkFault(c Call, m *Message) *CallError {
	if m.XRoad.ID != "" && m.XRoad.ID != c.Header.ID {
		return mismatch("id", "must be the request's")
	}
	if m.Fault.XRoad.Origin != "" {
		return &CallError{Failure: FailedXRoad, Fault: m.Fault}
	}
	return &CallError{Failure: FailedFault, Fault: m.Fault}
}

func mismatch(field, format string, args ...any) *CallError {
	return &CallError{Failure: FailedMismatch, Err: wrong(ReasonInconsistentHeaders, field, format, args...)}
}
