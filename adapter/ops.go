package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ametlikudteadaanded.ee/adapter/order"
)

// opsHandler answers the ops listener: metrics, status and health (design §8).
func opsHandler(p *Program) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if reason := p.unready(r.Context()); reason != "" {
			writeText(w, http.StatusServiceUnavailable, reason+"\n")
			return
		}
		writeText(w, http.StatusOK, "ready\n")
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
		defer cancel()
		s := p.status(ctx)
		w.Header().Set("Content-Type", "application/health+json")
		if s.Status == statusFail {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(s) // the reader went away
	})
	return mux
}

// statusTimeout bounds the questions that the status page asks.
const statusTimeout = 5 * time.Second

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the reader went away
}

// The words of the status page (NA-104).
const (
	statusPass = "pass"
	statusWarn = "warn"
	statusFail = "fail"
)

// status is the whole program's state, in the shape of application/health+json.
type status struct {
	Status  string           `json:"status"`
	Started string           `json:"started"`
	Output  string           `json:"output,omitempty"`
	Checks  map[string]check `json:"checks"`
}

type check struct {
	Status   string `json:"status"`
	Observed any    `json:"observedValue,omitempty"`
	Unit     string `json:"observedUnit,omitempty"`
	Output   string `json:"output,omitempty"`
	Time     string `json:"time"`
}

// lateWork is how long a due row may wait before the status page warns: many passes of the background work.
const lateWork = 5 * time.Minute

func (p *Program) status(ctx context.Context) status {
	now := p.now().UTC()
	s := status{Status: statusPass, Started: p.started.UTC().Format(time.RFC3339), Checks: map[string]check{}}
	add := func(name, state string, observed any, unit, output string) {
		s.Checks[name] = check{Status: state, Observed: observed, Unit: unit, Output: output, Time: now.Format(time.RFC3339)}
		if state == statusFail || state == statusWarn && s.Status == statusPass {
			s.Status = state
		}
	}
	if reason := p.ready.reason(); reason != "" {
		add("readiness", statusFail, nil, "", reason)
		return s
	}
	figures, err := p.store.Figures(ctx, now)
	if err != nil {
		add("database", statusFail, nil, "", "the database does not answer")
		return s
	}
	add("database", statusPass, nil, "", "")
	for _, state := range []order.State{order.Creating, order.Created, order.Pending, order.Completed, order.Cancelled} {
		add("orders:"+string(state), statusPass, figures.Orders[state], "orders", "")
	}
	add("work:due", late(now, figures.OldestDue), figures.DueOrders, "orders", "")
	add("notifications:open", late(now, figures.OldestOpen), figures.OpenNotifications, "notifications", "")
	add("claims:unconfirmed", statusPass, figures.UnclaimedOrders, "orders", "")
	held := statusPass
	if figures.Mismatches > 0 {
		held = statusWarn
	}
	add("orders:amountMismatch", held, figures.Mismatches, "orders", "")
	backlog, oldest, err := p.store.Backlog(ctx)
	switch {
	case err != nil:
		add("events:undelivered", statusFail, nil, "", "the database does not answer")
	case p.webhook != nil:
		add("events:undelivered", late(now, oldest), backlog, "events", "")
	}
	if !p.configured {
		add("emta", statusWarn, nil, "", "not configured: set emta.service, xroad.client and xroad.securityServer")
	}
	return s
}

// late warns of work that waits too long.
func late(now, oldest time.Time) string {
	if !oldest.IsZero() && now.Sub(oldest) > lateWork {
		return statusWarn
	}
	return statusPass
}

// figureGauges read the store whenever metrics are asked for.
type figureGauges struct {
	p       *Program
	orders  *prometheus.Desc
	due     *prometheus.Desc
	open    *prometheus.Desc
	unclaim *prometheus.Desc
	held    *prometheus.Desc
	backlog *prometheus.Desc
}

var _ prometheus.Collector = (*figureGauges)(nil)

func newFigureGauges(p *Program) *figureGauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &figureGauges{
		p:       p,
		orders:  desc("adapter_orders", "Orders by state.", "state"),
		due:     desc("adapter_orders_due", "Orders that EMTA is to be asked about now."),
		open:    desc("adapter_notifications_open", "Notifications that are not processed."),
		unclaim: desc("adapter_claims_unconfirmed", "Completions that the core has not confirmed."),
		held:    desc("adapter_orders_amount_mismatch", "Orders held back by their amount."),
		backlog: desc("adapter_events_undelivered", "Events that the webhook has not taken."),
	}
}

// Describe is for prometheus.Collector.
func (g *figureGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.orders, g.due, g.open, g.unclaim, g.held, g.backlog} {
		ch <- d
	}
}

// Collect is for prometheus.Collector. A database that does not answer leaves the gauges out.
func (g *figureGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	figures, err := g.p.store.Figures(ctx, g.p.now())
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	for _, state := range []order.State{order.Creating, order.Created, order.Pending, order.Completed, order.Cancelled} {
		gauge(g.orders, figures.Orders[state], string(state))
	}
	gauge(g.due, figures.DueOrders)
	gauge(g.open, figures.OpenNotifications)
	gauge(g.unclaim, figures.UnclaimedOrders)
	gauge(g.held, figures.Mismatches)
	if backlog, _, err := g.p.store.Backlog(ctx); err == nil {
		gauge(g.backlog, backlog)
	}
}
