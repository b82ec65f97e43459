package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// inbound is one request that was answered, for the log and the demo.
type inbound struct {
	xroadhdr.Exchange
	System string // who called: emta, core
	Method string
	Path   string
	Status int
	Took   time.Duration
}

// observe gives every request of next an exchange record and logs it when it is answered. told, if not nil, hears of
// it too.
func observe(system string, log *slog.Logger, now func() time.Time, told func(inbound), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchange := &xroadhdr.Exchange{RequestID: uuid.NewString()}
		begin := now()
		answer := &statusWriter{ResponseWriter: w}
		defer func() {
			in := inbound{Exchange: *exchange, System: system, Method: r.Method, Path: r.URL.Path, Status: answer.status, Took: now().Sub(begin)}
			in.log(r.Context(), log)
			if told != nil {
				told(in)
			}
		}()
		next.ServeHTTP(answer, r.WithContext(xroadhdr.WithExchange(r.Context(), exchange)))
	})
}

// log writes one line. The cause of a failure of ours is in it; what the other side sent is not.
func (in inbound) log(ctx context.Context, log *slog.Logger) {
	level := slog.LevelInfo
	attrs := []any{"system", in.System, "requestId", in.RequestID, "xroadId", clipped(in.XRoadID), "method", clipped(in.Method),
		"status", in.Status, "ms", in.Took.Milliseconds()}
	if in.Service != (xroadhdr.ServiceID{}) {
		attrs = append(attrs, "client", clipped(in.Client.String()), "service", clipped(in.Service.String()))
	} else if in.Route == "" {
		attrs = append(attrs, "path", clipped(in.Path))
	}
	if in.Route != "" {
		attrs = append(attrs, "route", in.Route)
	}
	if in.Fault != "" {
		attrs = append(attrs, "fault", in.Fault)
	}
	cause := in.Err
	var fault *soap.Fault
	if errors.As(in.Err, &fault) {
		attrs = append(attrs, "reason", fault.Reason, "field", fault.Field)
		cause = fault.Err
	}
	if cause != nil {
		attrs = append(attrs, "error", cause.Error())
	}
	switch {
	case errors.Is(cause, context.Canceled): // the caller left
	case in.Status == http.StatusInternalServerError && cause != nil:
		level = slog.LevelError // ours
	case in.Status > http.StatusInternalServerError:
		level = slog.LevelWarn // a partner's, told to the core as such
	}
	log.Log(ctx, level, "answered", attrs...)
}

// clipped bounds what the other side wrote before it goes to the log.
func clipped(s string) string {
	const most = 200 // the longest identifier that anybody registered is a third of it
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
