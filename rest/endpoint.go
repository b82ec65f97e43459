package rest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// requestIDField carries our request id in every answer.
const requestIDField = "X-Request-Id"

// defaultMaxBody is far above the largest message known (an order is under 4 KiB) and small
// enough that a hundred at once do no harm.
const defaultMaxBody = 256 << 10

// EndpointOptions of an endpoint; the zero value answers without authentication.
type EndpointOptions struct {
	// Authenticate names the caller or returns a *Problem (401, 403). nil: everybody may call.
	Authenticate func(r *http.Request) (Caller, error)
	MaxBody      int64         // bytes; 0: 256 KiB
	Logger       *slog.Logger  // nil: none
	NewID        func() string // makes request ids, safe for concurrent use; nil: random ones
}

// NewEndpoint answers routes; 404, 405, OPTIONS, HEAD, panics and errors are problems (design §5).
// Paths are taken as they are: never cleaned, never redirected. If the request's context carries an
// exchange record, its request id is kept; the problem code and its cause are left there.
// Two routes for the same method and path are a panic here, not later.
func NewEndpoint(o EndpointOptions, routes ...Route) http.Handler {
	e := newEndpoint(o.MaxBody, o.Logger, o.NewID, endpoint{problem: plainProblem})
	for _, r := range routes {
		e.add(r, func(request *http.Request) (Answer, error) { return o.serve(r, request) })
	}
	return e
}

// serve answers a caller who may call the route.
func (o EndpointOptions) serve(route Route, r *http.Request) (Answer, error) {
	if o.Authenticate != nil {
		caller, err := o.Authenticate(r)
		if err != nil {
			return Answer{}, err
		}
		if !caller.May(route.Scope) {
			return Answer{}, forbidden(route.Scope)
		}
		r = r.WithContext(context.WithValue(r.Context(), callerKey{}, caller))
	}
	if err := checkActingUser(r); err != nil {
		return Answer{}, err
	}
	return route.Serve(r)
}

// plainProblem writes a problem as what it is.
func plainProblem(p Problem) (mediaType string, body any) { return "application/problem+json", p }

// newEndpoint completes e, without routes yet.
func newEndpoint(maxBody int64, logger *slog.Logger, newID func() string, e endpoint) *endpoint {
	e.maxBody, e.logger, e.newID, e.router = maxBody, logger, newID, newRouter()
	if maxBody == 0 {
		e.maxBody = defaultMaxBody
	}
	if logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	if newID == nil {
		e.newID = rand.Text
	}
	e.router.NoRoute(func(c *gin.Context) { e.notFound(c.Writer, c.Request) })
	e.router.NoMethod(func(c *gin.Context) { e.notAllowed(c.Writer, c.Request) })
	return &e
}

// newRouter is gin with everything off that answers or rewrites by itself.
func newRouter() *gin.Engine {
	// The mode is one for the whole process and only decides what gin prints; it has no
	// setting per engine, and in debug mode every route goes to standard output.
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.RedirectTrailingSlash = false
	router.HandleMethodNotAllowed = true
	// A "%2F" belongs to the parameter that it stands in. Unescaping is ours: gin reads "+" as a space.
	router.UseEscapedPath = true
	router.UnescapePathValues = false
	return router
}

// add answers the route by serve.
func (e *endpoint) add(route Route, serve func(r *http.Request) (Answer, error)) {
	names := route.parameters()
	for _, method := range route.methods() {
		e.router.Handle(method, route.routerPath(), func(c *gin.Context) { e.serve(c.Writer, withParameters(c, names), route, serve) })
	}
}

func withParameters(c *gin.Context, names []string) *http.Request {
	for i, p := range c.Params {
		if value, err := url.PathUnescape(p.Value); err == nil {
			c.Request.SetPathValue(names[i], value)
		}
	}
	return c.Request
}

// endpoint is what an endpoint of ours and a provider behind X-Road have in common.
type endpoint struct {
	maxBody int64
	logger  *slog.Logger
	newID   func() string
	router  *gin.Engine
	problem func(p Problem) (mediaType string, body any) // how a problem is written
	failure int                                          // the status of our own failures; 0: 500
}

// ServeHTTP gives the request its id and limits and finds its route.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.router.ServeHTTP(w, e.begin(w, r))
}

// begin gives the request its id and limits, and the answer the fields that all answers have.
func (e *endpoint) begin(w http.ResponseWriter, r *http.Request) *http.Request {
	exchange := xroadhdr.ExchangeFrom(r.Context())
	if exchange.RequestID == "" {
		exchange.RequestID = e.newID()
	}
	r = r.WithContext(xroadhdr.WithExchange(r.Context(), exchange))
	r.Body = http.MaxBytesReader(w, r.Body, e.maxBody)
	w.Header().Set(requestIDField, exchange.RequestID)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	return r
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request, route Route, serve func(r *http.Request) (Answer, error)) {
	if exchange := xroadhdr.ExchangeFrom(r.Context()); exchange.Route == "" {
		exchange.Route = route.Path
	}
	answer, err := call(r, serve)
	var body []byte
	if err == nil {
		body, err = encode(answer.Body)
	}
	if err != nil {
		e.fail(w, r, route, err)
		return
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	status := answer.Status
	if status == 0 {
		status = http.StatusOK
	}
	if body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	write(w, r, status, body)
}

// call runs a handler; its panic is an error.
func call(r *http.Request, serve func(r *http.Request) (Answer, error)) (answer Answer, err error) {
	defer func() {
		switch p := recover(); {
		case p == http.ErrAbortHandler:
			panic(p)
		case p != nil:
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return serve(r)
}

// panicError is a handler's panic.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// fail answers with the problem that err is, and logs what is our failure.
func (e *endpoint) fail(w http.ResponseWriter, r *http.Request, route Route, err error) {
	problem := e.problemOf(r, err)
	if problem.Status >= http.StatusInternalServerError {
		attrs := []any{"requestId", xroadhdr.ExchangeFrom(r.Context()).RequestID, "method", route.Method, "route", route.Path,
			"status", problem.Status, "code", problem.Code, "error", err}
		var p *panicError
		if errors.As(err, &p) {
			attrs = append(attrs, "stack", string(p.stack))
		}
		level := slog.LevelError
		if problem.Status != http.StatusInternalServerError && problem.Code != codeInternal {
			level = slog.LevelWarn
		}
		e.logger.Log(r.Context(), level, "request failed", attrs...)
	}
	e.send(w, r, problem, err)
}

// problemOf is the problem in err; without one it is our failure, or the caller has gone.
func (e *endpoint) problemOf(r *http.Request, err error) *Problem {
	var problem *Problem
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return &Problem{Status: http.StatusServiceUnavailable, Code: codeUnavailable, Detail: "The request was given up before it was done.", Err: err}
	}
	status := e.failure
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return &Problem{Status: status, Code: codeInternal, Title: "Internal error",
		Detail: "The failure is ours and was logged under the request id.", Err: err}
}

func (e *endpoint) notFound(w http.ResponseWriter, r *http.Request) {
	e.send(w, r, &Problem{Status: http.StatusNotFound, Code: codeNotFound, Title: "Not found", Detail: "There is no such path here."}, nil)
}

// notAllowed answers a method that the path does not have. OPTIONS only asks for the list.
func (e *endpoint) notAllowed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", w.Header().Get("Allow")+", "+http.MethodOptions) // the router listed the others
	if r.Method == http.MethodOptions {
		write(w, r, http.StatusNoContent, nil)
		return
	}
	e.send(w, r, &Problem{Status: http.StatusMethodNotAllowed, Code: codeMethodNotAllowed, Title: "Method not allowed",
		Detail: "The header field Allow lists what this path answers."}, nil)
}

// send writes a problem. A problem that cannot be written as JSON is sent without its order and fault.
func (e *endpoint) send(w http.ResponseWriter, r *http.Request, problem *Problem, cause error) {
	exchange := xroadhdr.ExchangeFrom(r.Context())
	exchange.Fault, exchange.Err = problem.Code, cause
	p := problem.titled()
	p.RequestID = exchange.RequestID
	mediaType, shown := e.problem(p)
	body, err := encode(shown)
	if err != nil {
		e.logger.ErrorContext(r.Context(), "problem cannot be written", "requestId", p.RequestID, "code", p.Code, "error", err)
		p.Order, p.Fault = nil, nil
		_, shown = e.problem(p)
		body, _ = encode(shown)
	}
	for name, values := range p.Header {
		w.Header()[name] = slices.Clone(values)
	}
	w.Header().Set("Content-Type", mediaType)
	write(w, r, p.Status, body)
}

// encode is v as JSON, nil for nil.
func encode(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	return b.Bytes(), nil
}

// write sends the answer. No X-Road field is among its own: a security server sets them, and one of
// ours would reach the client beside it, or be taken for its error (fact sheet §6.2).
func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	for name := range w.Header() {
		if strings.HasPrefix(strings.ToLower(name), "x-road-") {
			delete(w.Header(), name)
		}
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		body = nil
	}
	_, _ = w.Write(body) // an empty one too, or the router adds its own; whoever does not read its answer asks again
}
