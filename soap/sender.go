package soap

import (
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
	// Attachments go with the request, which then is multipart/related (§3.3), MTOM where Body holds an Include. They are
	// opened once, sent as they are read, and closed when Send returns or ctx ends, perhaps while they are read.
	Attachments []*Attachment
	// AnswerAttachments says that the answer may come with attachments. Then the Message must be closed. Without it such an answer
	// is FailedAnswer.
	AnswerAttachments bool
}

// Send performs one attempt, never repeated. Its deadline is ctx's, the reading of attachments included. The error is
// always a *CallError. On a provider's fault the Message is nil and CallError.Fault is set. It fills the Exchange record of ctx.
func (s *Sender) Send(ctx context.Context, c Call) (*Message, error) {
	c.Header.ID = s.options.NewID()
	note(ctx, c.Header)
	m, failed := s.attempt(ctx, c)
	if failed == nil {
		return m, nil
	}
	failed.MessageID = c.Header.ID
	noteFailure(ctx, failed)
	return nil, failed
}

// noteFailure fills the exchange record with how the attempt failed.
func noteFailure(ctx context.Context, failed *CallError) {
	exchange := xroadhdr.ExchangeFrom(ctx)
	exchange.Fault, exchange.Err = string(failed.Failure), failed
	if failed.Fault != nil {
		exchange.Fault = failed.Fault.Code
	}
}

func (s *Sender) attempt(ctx context.Context, c Call) (*Message, *CallError) {
	if c.Response.Local == "" {
		return nil, &CallError{Failure: FailedRequest, Err: errors.New("the wrapper of the answer is not given")}
	}
	sent, err := Envelope(c.Header, c.Body)
	if err != nil {
		return nil, &CallError{Failure: FailedRequest, Err: err}
	}
	body, err := newPayload(sent, c.Body, c.Attachments)
	if err != nil {
		return nil, &CallError{Failure: FailedRequest, Err: err}
	}
	defer body.Close()
	defer context.AfterFunc(ctx, func() { _ = body.Close() })() // the transport waits for a content that is being read
	if err := ctx.Err(); err != nil {
		return nil, &CallError{Failure: FailedConnection, Err: err}
	}
	response, failed := s.post(ctx, body)
	if failed != nil {
		return nil, failed
	}
	defer response.Body.Close()
	m, failed := s.receive(ctx, c, sent, response)
	if failed != nil {
		noteFailure(ctx, failed) // before the body is closed: whoever logs the answer does it then
	}
	return m, failed
}

func (s *Sender) post(ctx context.Context, body *payload) (*http.Response, *CallError) {
	var p progress
	r, err := http.NewRequestWithContext(p.trace(ctx), http.MethodPost, s.options.URL, nil)
	if err != nil {
		return nil, &CallError{Failure: FailedRequest, Err: err}
	}
	r.Body, r.ContentLength = body, body.length // and no GetBody: the transport cannot send it a second time
	if body.length >= 0 {
		r.Body = io.NopCloser(body.Reader) // the transport sees that it is in memory, and writes it together with the header
	}
	r.Header.Set("Content-Type", body.contentType)
	r.Header["SOAPAction"] = []string{`""`} // quoted (§5.1); in the spelling of the standard for peers that compare case
	response, err := s.client.Do(r)
	if failed := body.failed(); err != nil && failed != nil {
		return nil, &CallError{Failure: FailedRequest, Err: failed}
	}
	if ended := ctx.Err(); err != nil && ended != nil && !errors.Is(err, ended) {
		err = errors.Join(ended, err) // the transport can meet the closed attachments first
	}
	if err != nil {
		return nil, &CallError{Failure: p.failure(ctx, err, s.options.Transport == nil), Err: err}
	}
	return response, nil
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
