package soap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/beevik/etree"
	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// HandlerOptions of a provider endpoint; the zero value works.
type HandlerOptions struct {
	Limits Limits // of requests
	// Provider is who we are; zero: only code and version of the service are checked.
	Provider xroadhdr.ClientID
	// Allowed says which X-Road clients may call; nil allows all. A member is not its subsystems: what is
	// compared, and how, is the function's.
	Allowed func(xroadhdr.ClientID) bool
	// IgnoreMustUnderstand lets foreign header blocks with mustUnderstand pass, as security servers do (§2.2).
	IgnoreMustUnderstand bool
	Logger               *slog.Logger  // of panics and answers that did not arrive; nil: none. Faults are told by the Exchange
	NewID                func() string // request ids for faults; default random UUID
}

// NewHandler answers POSTs with operations. What it answers is always a SOAP
// message, status 200 or 500, text/xml or with attachments multipart/related (§4.3). It fills the Exchange record of the request's context.
// Attachments are read only when all else of a request is found right. It panics when an operation is incomplete or two have the same code and version.
func NewHandler(o HandlerOptions, operations ...Operation) http.Handler {
	o.Limits = o.Limits.withDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	h := &handler{HandlerOptions: o, operations: make(map[operationKey]Operation, len(operations))}
	for _, op := range operations {
		key := operationKey{op.ServiceCode, op.ServiceVersion}
		if _, taken := h.operations[key]; taken {
			panic(fmt.Sprintf("soap: two operations for service %q version %q", op.ServiceCode, op.ServiceVersion))
		}
		if op.ServiceCode == "" || op.Request.Local == "" || op.Response.Local == "" || op.Serve == nil {
			panic(fmt.Sprintf("soap: operation %q is incomplete", op.ServiceCode))
		}
		h.operations[key] = op
		h.attachments = h.attachments || op.Attachments
	}
	return h
}

type handler struct {
	HandlerOptions
	operations  map[operationKey]Operation
	attachments bool // some operation takes them
}

type operationKey struct{ code, version string }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	exchange := xroadhdr.ExchangeFrom(r.Context())
	if exchange.RequestID == "" {
		exchange.RequestID = h.NewID()
	}
	ctx := xroadhdr.WithExchange(r.Context(), exchange)
	files := &spool{}
	defer files.close()
	status := http.StatusOK
	req, reply, err := h.answer(ctx, w, r, files)
	if err != nil {
		status = http.StatusInternalServerError
		reply = plainPayload(h.fault(ctx, req, err))
	}
	defer reply.Close()
	defer context.AfterFunc(ctx, func() { _ = reply.Close() })() // nobody waits for a content that is still being read
	w.Header().Set("Content-Type", reply.contentType)
	if reply.length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(reply.length, 10))
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := io.Copy(w, reply.Reader); err != nil {
		h.undelivered(ctx, reply, err)
	}
}

// undelivered cuts the connection where no length was told: the caller must not take for whole what it has so far.
func (h *handler) undelivered(ctx context.Context, reply *payload, err error) {
	exchange := xroadhdr.ExchangeFrom(ctx)
	if failed := reply.failed(); failed != nil {
		exchange.Fault, exchange.Err = ReasonInternalError, failed
	}
	h.Logger.InfoContext(ctx, "soap answer not delivered", "requestId", exchange.RequestID, "xroadId", exchange.XRoadID, "error", err)
	if reply.length < 0 {
		panic(http.ErrAbortHandler)
	}
}

// answer is the way of one request. The Message is what could be read of it, for the fault.
func (h *handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, files *spool) (req *Message, reply *payload, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.Logger.ErrorContext(ctx, "soap operation panicked", "requestId", xroadhdr.ExchangeFrom(ctx).RequestID,
				"xroadId", xroadhdr.ExchangeFrom(ctx).XRoadID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("operation panicked: %v", p)
		}
	}()
	raw, parts, err := h.read(w, r)
	if parts != nil {
		defer func() { h.leave(w, parts) }()
	}
	if err != nil {
		return nil, nil, requestFault(err)
	}
	req, err = ParseRequest(raw, h.Limits)
	if req != nil {
		note(ctx, req.XRoad)
		if noted := xroadhdr.ExchangeFrom(ctx).Noted; noted != nil {
			noted()
		}
	}
	if err != nil {
		return req, nil, err
	}
	op, err := h.operation(req)
	if err != nil {
		return req, nil, err
	}
	request := &Request{XRoad: req.XRoad, Body: req.Body}
	if request.Attachments, err = h.receive(op, req, parts, files); err != nil {
		return req, nil, err
	}
	a := newAnswer(req)
	response := a.createContent(op.Response, "tns")
	if err := op.Serve(ctx, request, response); err != nil {
		return req, nil, err
	}
	if raw, err = a.bytes(); err != nil {
		return req, nil, err
	}
	reply, err = newPayload(raw, response, request.answered)
	return req, reply, err
}

// read checks what HTTP tells and reads the SOAP message, at most one byte beyond the limit. With attachments to
// come they are what parts reads next.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (raw []byte, parts *multipartReader, err error) {
	if r.Method != http.MethodPost {
		return nil, nil, wrong(ReasonInvalidHTTPMethod, "method", "must be POST")
	}
	t, err := checkContentType(r.Header, h.attachments, mediaXML)
	if err != nil {
		return nil, nil, err
	}
	limit := h.Limits.Bytes
	if t.mediaType == mediaMultipart {
		limit = h.Limits.message()
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, nil, wrong(ReasonTooLarge, "message", "must not be longer than %d bytes", limit)
	}
	if t.mediaType == mediaMultipart {
		parts = newMultipartReader(r.Body, t, h.Limits, mediaXML)
		raw, err = parts.soapPart()
		return raw, parts, err
	}
	raw, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		w.Header().Set("Connection", "close")
		return nil, nil, brokenOff(err)
	}
	if int64(len(raw)) > limit {
		w.Header().Set("Connection", "close")
	}
	return raw, nil, nil
}

// receive reads the attachments of req, which is right in all else; parts is nil where it is not multipart.
func (h *handler) receive(op Operation, req *Message, parts *multipartReader, files *spool) (list []*Attachment, err error) {
	if parts != nil && !op.Attachments {
		return nil, requestFault(wrong(ReasonInvalidContentType, fieldContentType, "must be text/xml: the service %s takes no attachments", op.ServiceCode))
	}
	if parts != nil {
		list, err = parts.attachments(files)
	}
	if err == nil && op.Attachments {
		err = checkIncludes(req.Body, list)
	}
	if err != nil && files.err == nil {
		return nil, requestFault(err)
	}
	return list, err
}

// leave reads on for a while where a request was refused before its end, as much as of one without attachments: a
// connection that is cut while the caller still writes can lose the fault. After that the connection is closed.
func (h *handler) leave(w http.ResponseWriter, parts *multipartReader) {
	_, _ = io.CopyN(io.Discard, parts.body, h.Limits.Bytes)
	if !parts.body.ended {
		w.Header().Set("Connection", "close")
	}
}

// operation finds who serves req and makes the checks that need to know (§4.2).
func (h *handler) operation(req *Message) (Operation, error) {
	if f := notUnderstood(req.Header); f != nil && !h.IgnoreMustUnderstand {
		return Operation{}, f
	}
	service := req.XRoad.Service
	op, ok := h.operations[operationKey{service.ServiceCode, service.ServiceVersion}]
	if !ok {
		return Operation{}, requestFault(wrong(ReasonUnknownService, "service", "must name a service and version that are provided here"))
	}
	if h.Provider != (xroadhdr.ClientID{}) && service.Provider() != h.Provider {
		return Operation{}, requestFault(wrong(ReasonUnknownMember, "service", "must name this system as the service's owner"))
	}
	if !named(req.Body, op.Request) {
		return Operation{}, requestFault(wrong(ReasonInconsistentHeaders, "Body",
			"must hold the element %s of the namespace %q, as the service %s declares", op.Request.Local, op.Request.Space, op.ServiceCode))
	}
	if h.Allowed != nil && !h.Allowed(req.XRoad.Client) {
		return Operation{}, requestFault(wrong(ReasonAccessDenied, "client", "must be one that may call this service"))
	}
	return op, nil
}

func named(el *etree.Element, name xml.Name) bool {
	return el.Tag == name.Local && el.NamespaceURI() == name.Space
}

// fault turns any error into the answer.
func (h *handler) fault(ctx context.Context, req *Message, err error) []byte {
	exchange := xroadhdr.ExchangeFrom(ctx)
	f := ownFault(err)
	f.RequestID = exchange.RequestID
	raw, err := ReplyFault(req, f)
	if err != nil { // the fault of an operation that cannot be written
		f = ownFault(errors.Join(err, f.Err))
		f.RequestID = exchange.RequestID
		raw, err = ReplyFault(req, f)
		if err != nil {
			f.Err = errors.Join(err, f.Err)
		}
	}
	exchange.Fault, exchange.Err = f.Code, f
	return raw
}

// ownFault is the fault for err, always a copy: an operation may return the same one each time.
func ownFault(err error) *Fault {
	var f *Fault
	if !errors.As(err, &f) || f == nil {
		f = ServerFault("internal error: the request id leads to the cause", err)
		f.Reason = ReasonInternalError
		return f
	}
	own := *f
	own.XRoad = xroadhdr.ErrorCode{} // what a security server told us is not ours to repeat (§4.4)
	if own.Code == "" || blamesXRoad(own.Code) {
		own.Code = "Server"
	}
	return &own
}

// note fills the exchange record with what the header tells.
func note(ctx context.Context, h xroadhdr.Header) {
	exchange := xroadhdr.ExchangeFrom(ctx)
	exchange.XRoadID, exchange.Client, exchange.Service = h.ID, h.Client, h.Service
	if h.Issue != nil {
		exchange.Issue = *h.Issue
	}
	if h.UserID != nil {
		exchange.UserID = *h.UserID
	}
}
