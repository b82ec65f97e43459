package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Codes of the problems that an endpoint itself gives; operations add their own (design §8).
const (
	codeInvalid          = "invalid"                // 422: fields are wrong, see Fields
	codeMalformed        = "malformed"              // 400: not the JSON or the URL that it should be
	codeUnauthorized     = "unauthorized"           // 401: no caller could be named
	codeForbidden        = "forbidden"              // 403: the caller may not do this
	codeNotFound         = "not-found"              // 404: no such path
	codeMethodNotAllowed = "method-not-allowed"     // 405
	codeTooLarge         = "too-large"              // 413: the body passes the limit
	codeMediaType        = "unsupported-media-type" // 415: the body is not declared as JSON
	codeInternal         = "internal"               // 500: our failure
	codeUnavailable      = "unavailable"            // 503: stopped or given up before it was done
)

// Problem is an error answer, application/problem+json (RFC 9457, design §5, §8). It is an error:
// handlers return it, wrapped or not. Any other error is answered 500 "internal" without its text.
// An endpoint never changes a Problem, so one value may be returned many times.
type Problem struct {
	Status    int               `json:"status"`
	Code      string            `json:"code"`  // stable, e.g. "already-paid"
	Title     string            `json:"title"` // empty: the status in words
	Detail    string            `json:"detail,omitempty"`
	Fields    []Field           `json:"fields,omitempty"`    // for 422
	PayerText map[string]string `json:"payerText,omitempty"` // et, en: what a payer may be told
	RequestID string            `json:"requestId,omitempty"` // set by the endpoint
	Order     any               `json:"order,omitempty"`     // the last known order, where there is one
	Fault     any               `json:"fault,omitempty"`     // a partner's fault, where one was the reason
	Header    http.Header       `json:"-"`                   // fields of the answer, e.g. Retry-After
	Err       error             `json:"-"`                   // cause, logged and never sent
}

// Field is one thing wrong in a request. None of its texts repeats the value that was sent.
type Field struct {
	Path    string `json:"path"` // e.g. "payer.email", "items[0].code", a query parameter or a header field; "" is the whole body
	Rule    string `json:"rule"` // stable word, e.g. "required", "format", "max-length"
	Message string `json:"message"`
}

// Error names code, status and broken rules, then the cause.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d)", p.Code, p.Status)
	for i, f := range p.Fields {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %s", f.Path, f.Rule)
	}
	if p.Err != nil {
		fmt.Fprintf(&b, ": %v", p.Err)
	}
	return b.String()
}

// titled is a copy with a title.
func (p *Problem) titled() Problem {
	t := *p
	if t.Title == "" {
		t.Title = http.StatusText(t.Status)
	}
	return t
}

// Unwrap is the cause, nil if there is none.
func (p *Problem) Unwrap() error { return p.Err }

// Invalid is the problem of a request whose fields are wrong: 422 "invalid".
func Invalid(fields ...Field) *Problem {
	return &Problem{Status: http.StatusUnprocessableEntity, Code: codeInvalid, Title: "Invalid request", Fields: fields}
}

// Malformed is the problem of a request to a service that X-Road calls which cannot be read, by its fields: 400. It is nil without any.
func Malformed(fields ...Field) error {
	if len(fields) == 0 {
		return nil
	}
	return malformedFields(Invalid(fields...))
}

// malformed is the problem of a request that cannot be read at all.
func malformed(detail string, err error) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: codeMalformed, Title: "Malformed request", Detail: detail, Err: err}
}

// malformedFields turns the problem of wrong fields into 400: in X-Road services 422 is for what is well formed and cannot be done.
func malformedFields(err error) error {
	var problem *Problem
	if !errors.As(err, &problem) || problem.Code != codeInvalid {
		return err
	}
	p := *problem
	p.Status, p.Code, p.Title = http.StatusBadRequest, codeMalformed, "Malformed request"
	return &p
}
