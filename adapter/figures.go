package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store"
)

// figureGauges read the store whenever metrics are asked for.
type figureGauges struct {
	p                           *Program
	orders                      *prometheus.Desc
	due                         *prometheus.Desc
	open                        *prometheus.Desc
	parked                      *prometheus.Desc
	unclaim                     *prometheus.Desc
	held                        *prometheus.Desc
	backlog                     *prometheus.Desc
	dueAge, openAge, backlogAge *prometheus.Desc
	ready                       *prometheus.Desc
	build                       *prometheus.Desc
	pool                        *prometheus.Desc
}

var _ prometheus.Collector = (*figureGauges)(nil)

func newFigureGauges(p *Program) *figureGauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &figureGauges{
		p:          p,
		orders:     desc("adapter_orders", "Orders by state.", "state"),
		due:        desc("adapter_orders_due", "Orders that EMTA is to be asked about now."),
		open:       desc("adapter_notifications_open", "Notifications that are not processed."),
		parked:     desc("adapter_notifications_parked", "Notifications that are no longer tried by themselves."),
		unclaim:    desc("adapter_claims_unconfirmed", "Completions that the core has not confirmed."),
		held:       desc("adapter_orders_amount_mismatch", "Orders held back by their amount."),
		backlog:    desc("adapter_events_undelivered", "Events that the webhook has not taken."),
		dueAge:     desc("adapter_orders_due_age_seconds", "How long the longest due order has waited to be asked about."),
		openAge:    desc("adapter_notifications_open_age_seconds", "Age of the oldest notification that is not processed."),
		backlogAge: desc("adapter_events_undelivered_age_seconds", "Age of the oldest event that the webhook has not taken."),
		ready:      desc("adapter_ready", "Whether the replica takes work: 1, or 0."),
		build:      desc("adapter_build_info", "Always 1: which program this is.", "version", "commit", "go"),
		pool:       desc("adapter_database_connections", "Connections to PostgreSQL by state: in_use, idle; max is the most there may be.", "state"),
	}
}

// Describe is for prometheus.Collector.
func (g *figureGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.orders, g.due, g.open, g.parked, g.unclaim, g.held, g.backlog, g.dueAge, g.openAge, g.backlogAge, g.ready, g.build, g.pool} {
		ch <- d
	}
}

// Collect is for prometheus.Collector. A database that does not answer leaves the gauges out.
func (g *figureGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	b := thisBuild()
	gauge(g.build, 1, b.Version, b.Commit, b.Go)
	if pool, ok := g.p.store.(store.Pooled); ok {
		s := pool.Pool()
		gauge(g.pool, s.InUse, "in_use")
		gauge(g.pool, s.Idle, "idle")
		gauge(g.pool, s.Max, "max")
	}
	if g.p.unready(ctx) != "" {
		gauge(g.ready, 0)
		return
	}
	gauge(g.ready, 1)
	now := g.p.now()
	figures, err := g.p.store.Figures(ctx, now)
	if err != nil {
		return
	}
	age := func(d *prometheus.Desc, since time.Time) {
		var seconds float64
		if !since.IsZero() {
			seconds = max(0, now.Sub(since).Seconds())
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, seconds)
	}
	age(g.dueAge, figures.OldestDue)
	age(g.openAge, figures.OldestOpen)
	for _, state := range []order.State{order.Creating, order.Created, order.Pending, order.Completed, order.Cancelled} {
		gauge(g.orders, figures.Orders[state], string(state))
	}
	gauge(g.due, figures.DueOrders)
	gauge(g.open, figures.OpenNotifications)
	gauge(g.parked, figures.Parked)
	gauge(g.unclaim, figures.UnclaimedOrders)
	gauge(g.held, figures.Mismatches)
	if g.p.webhook == nil {
		return // the feed is all there is, and it keeps no score
	}
	if backlog, oldest, err := g.p.store.Backlog(ctx); err == nil {
		gauge(g.backlog, backlog)
		age(g.backlogAge, oldest)
	}
}
