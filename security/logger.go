package security

import (
	"context"
	"log/slog"
	"strings"
)

// Logger is Report for packages that do not know this one: the message is the kind; the attributes caller, client, person, address
// and requestId are the event's own, all others its detail. The level does not count.
func (l *Log) Logger() *slog.Logger { return slog.New(&handler{log: l}) }

type handler struct {
	log   *Log
	attrs []slog.Attr
}

var _ slog.Handler = (*handler)(nil)

// Enabled is for slog.Handler: every event counts.
func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle is for slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	e := Event{Kind: r.Message}
	var detail []string
	add := func(a slog.Attr) bool {
		text := a.Value.Resolve().String()
		switch a.Key {
		case "component":
		case "caller", "client":
			e.Caller = text
		case "person":
			e.Actor = text
		case "address":
			if host, ok := hostAddress(text); ok {
				e.Address = host.String()
			}
		case "requestId":
			e.RequestID = text
		default:
			detail = append(detail, a.Key+": "+text)
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	e.Detail = strings.Join(detail, "; ")
	if address := AddressFrom(ctx); address != "" { // which has looked behind proxies
		e.Address = address
	}
	h.log.Report(ctx, e)
	return nil
}

// WithAttrs is for slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.log, append(append([]slog.Attr{}, h.attrs...), attrs...)}
}

// WithGroup is for slog.Handler; groups are not told apart.
func (h *handler) WithGroup(string) slog.Handler { return h }
