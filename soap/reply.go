package soap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// reply is an HTTP answer, its body read to the end or to the limit, and of multipart/related to the end of the SOAP part.
type reply struct {
	status  int
	fields  http.Header
	refused error // what is wrong with its Content-Type
	body    []byte
	tooLong bool
	parts   *multipartReader // of multipart/related, nil otherwise
}

// receive reads an answer and compares it with the request. Its attachments are read last.
func (s *Sender) receive(ctx context.Context, c Call, sent []byte, response *http.Response) (m *Message, failed *CallError) {
	a := &reply{status: response.StatusCode, fields: response.Header}
	failed = s.read(ctx, c, a, response.Body)
	if failed == nil {
		m, failed = s.parse(a)
	}
	if failed == nil {
		failed = s.check(ctx, c, sent, m)
	}
	if failed == nil && c.AnswerAttachments {
		failed = s.readAttachments(ctx, a, m)
	}
	if failed != nil {
		failed.HTTPStatus, failed.Raw = a.status, a.body
		return nil, failed
	}
	return m, nil
}

func (s *Sender) read(ctx context.Context, c Call, a *reply, body io.Reader) *CallError {
	accepted := []string{mediaXML, "application/xml"}
	t, err := checkContentType(a.fields, c.AnswerAttachments, accepted...)
	a.refused = err
	if err == nil && t.mediaType == mediaMultipart {
		a.parts = newMultipartReader(body, t, s.options.Limits, accepted...)
		a.body, err = a.parts.soapPart()
		if err != nil {
			return a.unreadable(ctx, err)
		}
	} else if a.body, err = io.ReadAll(io.LimitReader(body, s.options.Limits.Bytes+1)); err != nil {
		return brokenAnswer(ctx, err)
	}
	if int64(len(a.body)) > s.options.Limits.Bytes {
		a.body, a.tooLong = a.body[:s.options.Limits.Bytes], true
	}
	return nil
}

// parse parses what claims to be XML, whatever the status (§5.2).
func (s *Sender) parse(a *reply) (*Message, *CallError) {
	switch {
	case a.parts == nil && isBlank(a.body):
		return nil, a.empty()
	case !isXML(a.fields):
		return nil, &CallError{Failure: FailedHTTP, Err: fmt.Errorf("HTTP status %d with content that is not XML", a.status)}
	case a.refused != nil:
		return nil, &CallError{Failure: FailedAnswer, Err: a.refused}
	case a.tooLong:
		return nil, &CallError{Failure: FailedAnswer, Err: wrong(ReasonTooLarge, "message", "must not be longer than %d bytes", s.options.Limits.Bytes)}
	}
	m, err := ParseAnswer(a.body, s.options.Limits)
	if err != nil {
		return nil, &CallError{Failure: FailedAnswer, Err: err}
	}
	return m, nil
}

// readAttachments reads on to the end of the answer.
func (s *Sender) readAttachments(ctx context.Context, a *reply, m *Message) *CallError {
	files, whole := &spool{}, false
	defer func() {
		if !whole {
			_ = files.close()
		}
	}()
	var list []*Attachment
	var err error
	if a.parts != nil {
		list, err = a.parts.attachments(files)
	}
	if err == nil {
		err = checkIncludes(m.Body, list)
	}
	if err != nil {
		return a.unreadable(ctx, err)
	}
	m.Attachments, m.files, whole = list, files, true
	return nil
}

// unreadable tells what is the connection's fault from what is the message's. Where our disk failed the outcome is
// as unknown as where the connection broke.
func (a *reply) unreadable(ctx context.Context, err error) *CallError {
	field := (*xroadhdr.FieldError)(nil)
	switch {
	case a.parts != nil && a.parts.body.err != nil:
		return brokenAnswer(ctx, a.parts.body.err)
	case a.parts != nil && a.parts.body.ended && a.parts.body.read == 0:
		return a.empty()
	case errors.As(err, &field):
		return &CallError{Failure: FailedAnswer, Err: err}
	}
	return brokenAnswer(ctx, err)
}

func (a *reply) empty() *CallError {
	return &CallError{Failure: FailedHTTP, EmptyBody: true, Err: fmt.Errorf("HTTP status %d without a body", a.status)}
}

func brokenAnswer(ctx context.Context, err error) *CallError {
	failure := FailedBroken
	if isTimeout(ctx, err) {
		failure = FailedTimeout
	}
	return &CallError{Failure: failure, Err: err}
}
