package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// opsHandler answers the ops listener: metrics, status and health (design §8).
func opsHandler(p *Program) http.Handler {
	mux := http.NewServeMux()
	protected := func(next http.Handler) http.Handler {
		if p.settings.Ops.Authenticate {
			return p.callers.require("ops", next)
		}
		return next
	}
	mux.Handle("GET /metrics", protected(promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if reason := p.unready(r.Context()); reason != "" {
			writeText(w, http.StatusServiceUnavailable, reason+"\n")
			return
		}
		writeText(w, http.StatusOK, "ready\n")
	})
	mux.Handle("GET /status", protected(http.HandlerFunc(p.serveStatus)))
	return mux
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the reader went away
}
