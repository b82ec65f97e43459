package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// maxProviderBody is what a provider reads of a request unless told otherwise. Services of registries and mandates stay below a
// hundredth of it; a security server buffers far more.
const maxProviderBody = 1 << 20

// Operation is one operation of a service that X-Road calls. Serve may run for many requests at once; h is the
// request's header, of which only Client was checked by a security server. Its error becomes the answer, as a Route's does.
type Operation struct {
	Name   string // operationId, for logs, e.g. "addMandate"
	Method string // one for GET also answers HEAD
	Path   string // e.g. "/paasuke/v1/delegates/{delegate}"; parameters by r.PathValue("delegate"), each decoded by itself
	Listed bool   // only for clients on a list: refused with 403 where ProviderOptions has none
	Serve  func(h xroadhdr.Header, r *http.Request) (Answer, error)
}

// ProviderOptions of a provider; the zero value serves whoever the security server lets through.
type ProviderOptions struct {
	Provider xroadhdr.ClientID            // whose services these are, for the exchange record
	Allowed  func(xroadhdr.ClientID) bool // who may call, a second layer behind the security server's rights; nil: everybody it lets through
	Problems Wording                      // how problems are told
	MaxBody  int64                        // bytes; 0: 1 MiB
	Logger   *slog.Logger                 // nil: none
	Security *slog.Logger                 // hears of refused access (403) and of forged header fields; nil: none
	NewID    func() string                // makes request ids, which must be UUIDs; nil: random ones
}

// NewProvider answers operations on X-Road's terms (fact sheet §6). The header is read before anything else: without one
// X-Road-Client, or with any X-Road field twice, nothing is done. Every error is a list of problems as application/json, our own failures are 503
// (500 is the security server's), and no X-Road field is ever sent: security servers set those of an answer.
func NewProvider(o ProviderOptions, operations ...Operation) http.Handler {
	if o.MaxBody == 0 {
		o.MaxBody = maxProviderBody
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Security == nil {
		o.Security = slog.New(slog.DiscardHandler)
	}
	p := &provider{options: o, endpoint: newEndpoint(o.MaxBody, o.Logger, o.NewID, endpoint{
		problem: o.Problems.list, failure: http.StatusServiceUnavailable})}
	for _, op := range operations {
		p.endpoint.add(Route{Method: op.Method, Path: op.Path}, func(r *http.Request) (Answer, error) { return p.serve(op, r) })
	}
	return p
}

type provider struct {
	options  ProviderOptions
	endpoint *endpoint
}

// headerKey is the context key of the X-Road header.
type headerKey struct{}

// unnamedRoute stands in the record of a request that is for no operation: its path may hold anybody's code.
const unnamedRoute = "(no operation)"

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = p.endpoint.begin(w, r)
	xroadhdr.ExchangeFrom(r.Context()).Route = unnamedRoute
	h, err := p.admit(r)
	if err != nil {
		p.endpoint.fail(w, r, Route{Method: r.Method, Path: unnamedRoute}, err)
		return
	}
	p.endpoint.router.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), headerKey{}, h)))
}

// admit reads the header and checks the client. The error is a *Problem.
func (p *provider) admit(r *http.Request) (xroadhdr.Header, error) {
	h, err := readHeader(r.Header)
	if err != nil {
		var field *xroadhdr.FieldError
		if errors.As(err, &field) && field.Code == xroadhdr.CodeDuplicateHeaderField {
			p.event(r, headerForged, "field", field.Field)
		}
		return h, headerProblem(err)
	}
	exchange := xroadhdr.ExchangeFrom(r.Context())
	exchange.XRoadID, exchange.Client = h.ID, h.Client
	if h.Issue != nil {
		exchange.Issue = *h.Issue
	}
	if h.UserID != nil {
		exchange.UserID = *h.UserID
	}
	if p.options.Allowed != nil && !p.options.Allowed(h.Client) {
		p.event(r, accessRefused, "client", h.Client.String(), "reason", "the client is not on the list")
		return h, &Problem{Status: http.StatusForbidden, Code: codeForbidden, Title: "Not allowed", Detail: "This client may not use the service."}
	}
	return h, nil
}

// maxHeaderField bounds each X-Road field: an identifier has at most four parts of 255 characters, and none of the others
// comes near it. Databases index what is in them.
const maxHeaderField = 1024

// readHeader reads the X-Road fields. Optional ones that are empty count as absent, for some clients send them so, and the
// service is left out: it is the client's own word.
func readHeader(fields http.Header) (xroadhdr.Header, error) {
	given := fields.Clone()
	for _, name := range []string{xroadhdr.HeaderUserID, xroadhdr.HeaderIssue, xroadhdr.HeaderRepresentedParty, xroadhdr.HeaderSecurityServer, xroadhdr.HeaderService} {
		if values := given.Values(name); len(values) == 1 && values[0] == "" {
			given.Del(name)
		}
	}
	h, err := xroadhdr.ReadHTTP(given)
	if err != nil {
		return xroadhdr.Header{}, err
	}
	h.Service = xroadhdr.ServiceID{}
	for _, name := range []string{xroadhdr.HeaderClient, xroadhdr.HeaderID, xroadhdr.HeaderRequestID, xroadhdr.HeaderUserID, xroadhdr.HeaderIssue, xroadhdr.HeaderRepresentedParty} {
		if broken := brokenField(given.Get(name)); broken != "" {
			return xroadhdr.Header{}, &xroadhdr.FieldError{Code: xroadhdr.CodeInvalidHeaderField, Field: name, Rule: broken}
		}
	}
	return h, nil
}

// brokenField says what is wrong with a field's value, "" for nothing.
func brokenField(value string) string {
	switch {
	case len(value) > maxHeaderField:
		return "is longer than 1024 bytes"
	case !utf8.ValidString(value), strings.ContainsFunc(value, unicode.IsControl):
		return "must be UTF-8 without control characters"
	}
	return ""
}

// headerProblem is 400, naming the field.
func headerProblem(err error) *Problem {
	problem := malformed("The X-Road header cannot be read.", err)
	var field *xroadhdr.FieldError
	if errors.As(err, &field) {
		problem.Fields = []Field{{Path: field.Field, Rule: headerRules[field.Code], Message: field.Rule}}
	}
	return problem
}

// headerRules are the words for what ReadHTTP finds.
var headerRules = map[string]string{
	xroadhdr.CodeMissingHeaderField:   ruleRequired,
	xroadhdr.CodeDuplicateHeaderField: ruleDuplicate,
	xroadhdr.CodeInvalidIdentifier:    ruleFormat,
	xroadhdr.CodeInvalidHeaderField:   ruleFormat,
}

func (p *provider) serve(op Operation, r *http.Request) (Answer, error) {
	h, _ := r.Context().Value(headerKey{}).(xroadhdr.Header)
	exchange := xroadhdr.ExchangeFrom(r.Context())
	exchange.Route = op.Path
	if p.options.Provider != (xroadhdr.ClientID{}) {
		exchange.Service = p.options.Provider.Service(op.Name, "")
	}
	if op.Listed && p.options.Allowed == nil {
		p.event(r, accessRefused, "client", h.Client.String(), "operation", op.Name, "reason", "no list of allowed clients is set")
		return Answer{}, &Problem{Status: http.StatusForbidden, Code: codeForbidden, Title: "Not allowed",
			Detail: "The operation changes something, and the provider has no list of the clients that may."}
	}
	if exchange.Noted != nil {
		exchange.Noted()
	}
	answer, err := op.Serve(h, r)
	var refused *Problem
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		p.event(r, accessRefused, "client", h.Client.String(), "operation", op.Name, "reason", refused.Error())
	}
	return answer, err
}

// What the security log hears of.
const (
	accessRefused = "access refused"
	headerForged  = "header field sent twice"
)

// event tells the security log of a request that somebody should look at.
func (p *provider) event(r *http.Request, what string, attrs ...any) {
	p.options.Security.WarnContext(r.Context(), what, append([]any{"requestId", xroadhdr.ExchangeFrom(r.Context()).RequestID, "address", r.RemoteAddr}, attrs...)...)
}
