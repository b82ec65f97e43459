package openapitest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Checker compares exchanges with a description. It is safe for concurrent use.
type Checker struct {
	t      testing.TB
	base   string // what stands before the described paths
	doc    *openapi3.T
	router routers.Router

	mu   sync.Mutex
	seen map[string]bool // operationId and status of what fitted
}

// New returns a Checker for a description in YAML or JSON, which is checked itself, examples included. What does
// not fit it is an error of t; each exchange fails it at most once.
func New(t testing.TB, description []byte) *Checker {
	t.Helper()
	return NewAt(t, "", description)
}

// NewAt is New for a server that has the described paths below base, e.g. "/paasuke".
func NewAt(t testing.TB, base string, description []byte) *Checker {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(description)
	if err != nil {
		t.Fatalf("the description cannot be read: %v", err)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("the description is wrong: %v", err)
	}
	doc.Servers = nil // paths are compared, whatever host the test's server has
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatalf("the description's paths are wrong: %v", err)
	}
	return &Checker{t: t, base: base, doc: doc, router: router, seen: map[string]bool{}}
}

// Transport checks what goes through next; nil is http.DefaultTransport. Bodies are read whole.
func (c *Checker) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return transport{checker: c, next: next}
}

// Handler checks what next answers, and passes it on. Bodies are read whole.
func (c *Checker) Handler(next http.Handler) http.Handler {
	return handler{checker: c, next: next}
}

// Unseen lists the operations that have had no good answer yet, as "GET /api/v1/orders", sorted.
func (c *Checker) Unseen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var unseen []string
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			good := false
			for status := range operation.Responses.Map() {
				good = good || strings.HasPrefix(status, "2") && c.seen[operation.OperationID+" "+status]
			}
			if !good {
				unseen = append(unseen, method+" "+path)
			}
		}
	}
	slices.Sort(unseen)
	return unseen
}

// exchange is one request with its answer, bodies read.
type exchange struct {
	request *http.Request
	sent    []byte
	status  int
	header  http.Header
	answer  []byte
}

func (c *Checker) check(x exchange) {
	c.t.Helper()
	if err := c.fits(x); err != nil {
		c.t.Errorf("%s %s, answered %d, does not fit the description: %v", x.request.Method, x.request.URL.Path, x.status, err)
	}
}

// Reasons beside those of the validating library.
var (
	errUndescribed = errors.New("the operation is not described")
	errForbidden   = errors.New("the request is against the description and was done nevertheless")
)

func (c *Checker) fits(x exchange) error {
	r := x.request.Clone(context.Background())
	r.Body = io.NopCloser(bytes.NewReader(x.sent))
	// An encoded slash belongs to the parameter that it stands in.
	r.URL.Path, r.URL.RawPath = strings.TrimPrefix(r.URL.EscapedPath(), c.base), ""
	route, parameters, err := c.router.FindRoute(r)
	if err != nil {
		// Every server may refuse what it does not have; HEAD and OPTIONS are HTTP's own.
		if x.status == http.StatusNotFound || x.status == http.StatusMethodNotAllowed || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			return nil
		}
		return errUndescribed
	}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true}}
	if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil && x.status < 400 {
		return errors.Join(errForbidden, err)
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: x.status, Header: x.header, Options: input.Options}
	answer.SetBodyBytes(x.answer)
	if err := openapi3filter.ValidateResponse(context.Background(), answer); err != nil {
		return err
	}
	c.mu.Lock()
	c.seen[route.Operation.OperationID+" "+strconv.Itoa(x.status)] = true
	c.mu.Unlock()
	return nil
}
