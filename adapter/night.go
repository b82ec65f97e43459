package main

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/schedule"
)

// The nightly activation and ending of mandates (AT-PAASUKE-006): right after the day has changed, since the core acts by what it
// switches.
const (
	nightSchedule = "mandates"
	nightAt       = 5 * time.Second
)

// appended wakes who delivers events.
func (p *Program) appended() {
	if p.webhook != nil {
		p.webhook.Wake()
	}
}

func (p *Program) newMandates() (*mandate.Module, error) {
	settings, err := p.settings.mandateSettings()
	if err != nil {
		return nil, err
	}
	return mandate.New(mandate.Options{Store: p.store, Settings: settings, Now: p.now, NewID: uuid.NewString,
		Logger: p.log.With("component", "mandate"), Registry: p.registry, Appended: p.appended})
}

// workOnMandates begins what is done of mandates in the background.
func (p *Program) workOnMandates(ctx context.Context) {
	last := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "adapter_schedule_last_success_day_seconds",
		Help: "The last day whose daily work is done, as the Unix time of its beginning in UTC."}, []string{"schedule"})
	p.registry.MustRegister(last)
	night := schedule.Daily{Name: nightSchedule, At: nightAt, Zone: mandate.Zone(), Work: p.mandates.Nightly, Store: p.store, Now: p.now, NewID: uuid.NewString,
		Logger: p.log.With("component", "mandate"), Done: func(day string) {
			if t, err := time.Parse(time.DateOnly, day); err == nil {
				last.WithLabelValues(nightSchedule).Set(float64(t.Unix()))
			}
		}}
	p.working.Go(func() { p.mandates.Run(ctx) })
	p.working.Go(func() { night.Run(ctx) })
}

// lateNight is how long the night's work may take, or fail and be tried again, before the status page warns.
const lateNight = 15 * time.Minute

// nightStatus is the last day whose work on mandates is done.
func (p *Program) nightStatus(ctx context.Context, r *statusReport) {
	if p.ready.reason() != "" {
		return
	}
	day, err := p.store.LastSuccess(ctx, nightSchedule)
	c := check{Status: statusPass, Observed: day, Unit: "day"}
	switch {
	case err != nil:
		c = check{Status: statusFail, Output: "the database does not answer"}
	case day < string(mandate.DateOf(r.now.Add(-lateNight))) && r.now.Sub(p.started) > lateNight:
		c.Status, c.Output = statusWarn, "mandates were not activated and ended this night: the log says why"
	}
	r.add("mandates:night", c)
}
