package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/order"
)

// The words of the status page (NA-104), worst last.
const (
	statusPass = "pass"
	statusWarn = "warn"
	statusFail = "fail"
)

// status is the whole program's state, in the shape of application/health+json: a check's name is its component and what is
// observed of it, joined by a colon.
type status struct {
	Status      string             `json:"status"`
	Description string             `json:"description"`
	ReleaseID   string             `json:"releaseId"`
	Commit      string             `json:"commit,omitempty"`
	Started     string             `json:"started"`
	Contracts   map[string]string  `json:"contracts"` // what we serve and its version
	Checks      map[string][]check `json:"checks"`
}

// check is one observation. Output says what is wrong and what to do; it is empty where nothing is.
type check struct {
	Status   string `json:"status"`
	Observed any    `json:"observedValue,omitempty"`
	Unit     string `json:"observedUnit,omitempty"`
	Output   string `json:"output,omitempty"`
	Time     string `json:"time"`
}

// statusSource adds what one part of the program knows of itself. It may ask the database and the system, within ctx, and
// nobody else.
type statusSource func(ctx context.Context, s *statusReport)

// statusReport is a status that is being put together, at one moment.
type statusReport struct {
	now    time.Time
	status status
}

// add adds an observation, of which there may be several of one name. The whole is as bad as its worst.
func (r *statusReport) add(name string, c check) {
	if c.Time == "" {
		c.Time = r.now.Format(time.RFC3339)
	}
	r.status.Checks[name] = append(r.status.Checks[name], c)
	if c.Status == statusFail || c.Status == statusWarn && r.status.Status == statusPass {
		r.status.Status = c.Status
	}
}

// count adds a number that warns where warning is not "", with the warning as what to do.
func (r *statusReport) count(name string, n int, unit, warning string) {
	c := check{Status: statusPass, Observed: n, Unit: unit}
	if warning != "" {
		c.Status, c.Output = statusWarn, warning
	}
	r.add(name, c)
}

// statusTimeout bounds the questions that the status page asks.
const statusTimeout = 5 * time.Second

//go:embed status.html
var statusHTML string

var statusPage = template.Must(template.New("status").Parse(statusHTML))

// serveStatus answers with JSON, or with the same as a page where the asker prefers one: a browser.
func (p *Program) serveStatus(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	s := p.status(ctx)
	code := http.StatusOK
	if s.Status == statusFail {
		code = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept")
	if wantsPage(r) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.WriteHeader(code)
		_ = statusPage.Execute(w, s.rows()) // the reader went away
		return
	}
	w.Header().Set("Content-Type", "application/health+json")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(s) // the reader went away
}

// wantsPage reports whether HTML is the first thing that the asker names.
func wantsPage(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	kind, _, err := mime.ParseMediaType(first)
	return err == nil && kind == "text/html"
}

// statusRow is one line of the page.
type statusRow struct {
	Component, What string
	check
}

// rows are for the page: what needs somebody first, then by name.
func (s status) rows() any {
	var list []statusRow
	for _, name := range slices.Sorted(maps.Keys(s.Checks)) {
		component, what, _ := strings.Cut(name, ":")
		for _, c := range s.Checks[name] {
			list = append(list, statusRow{component, what, c})
		}
	}
	rank := map[string]int{statusFail: 0, statusWarn: 1, statusPass: 2}
	slices.SortStableFunc(list, func(a, b statusRow) int { return rank[a.Status] - rank[b.Status] })
	return struct {
		status
		Rows []statusRow
	}{s, list}
}

// lateWork is how long a due row may wait before the status page warns: many passes of the background work.
const lateWork = 5 * time.Minute

// status asks every part of the program.
func (p *Program) status(ctx context.Context) status {
	b := thisBuild()
	r := &statusReport{now: p.now().UTC(), status: status{
		Status: statusPass, Description: "X-Road adapter of Ametlikud Teadaanded", ReleaseID: b.Version, Commit: b.Commit,
		Started: p.started.UTC().Format(time.RFC3339), Contracts: p.contracts(), Checks: map[string][]check{},
	}}
	for _, source := range append([]statusSource{p.databaseStatus}, p.sources...) {
		source(ctx, r)
	}
	return r.status
}

// contracts are what is served, and its version.
func (p *Program) contracts() map[string]string {
	notify := p.orders.Operation()
	return map[string]string{notify.ServiceCode: notify.ServiceVersion, "paasuke": "v1", "internal API": "v1"}
}

const databaseAway = "the database does not answer: look at it, at its disk and at the network to it (store); the adapter goes on by itself once it is back"

// databaseStatus is the database and what waits in it.
func (p *Program) databaseStatus(ctx context.Context, r *statusReport) {
	if reason := p.ready.reason(); reason != "" {
		r.add("readiness", check{Status: statusFail, Output: reason + "; it goes on by itself once this is mended"})
		return
	}
	figures, err := p.store.Figures(ctx, r.now)
	if err != nil {
		r.add("database", check{Status: statusFail, Output: databaseAway})
		return
	}
	r.add("database", check{Status: statusPass})
	for _, state := range []order.State{order.Creating, order.Created, order.Pending, order.Completed, order.Cancelled} {
		r.count("orders:"+string(state), figures.Orders[state], "orders", "")
	}
	r.count("work:due", figures.DueOrders, "orders",
		late(r.now, figures.OldestDue, "EMTA is not asked, or does not answer in time: see emta and security server"))
	r.count("notifications:open", figures.OpenNotifications, "notifications",
		late(r.now, figures.OldestOpen, "EMTA does not say what became of them: see emta and security server"))
	parked := ""
	if figures.Parked > 0 {
		parked = "no longer tried by themselves: GET /api/v1/parked-notifications says why, POST …/{id}/retry tries one again"
	}
	r.count("notifications:parked", figures.Parked, "notifications", parked)
	r.count("claims:unconfirmed", figures.UnclaimedOrders, "orders", "")
	held := ""
	if figures.Mismatches > 0 {
		held = "held back by their amount: accept each with a reason, or have EMTA mend it"
	}
	r.count("orders:amountMismatch", figures.Mismatches, "orders", held)
	if p.webhook != nil {
		backlog, oldest, err := p.store.Backlog(ctx)
		if err != nil {
			r.add("events:undelivered", check{Status: statusFail, Output: databaseAway})
			return
		}
		r.count("events:undelivered", backlog, "events", late(r.now, oldest, "the core's webhook refuses or is away"))
	}
	if !p.configured {
		r.add("emta", check{Status: statusWarn, Output: "not configured: set emta.service, xroad.client and xroad.securityServer"})
	}
}

// circuitStatus warns while calls to EMTA are kept back.
func (p *Program) circuitStatus(_ context.Context, r *statusReport) {
	if !p.configured {
		return
	}
	if p.orders.KeepsBack() {
		r.add("emta:circuit", check{Status: statusWarn, Output: "EMTA does not answer: calls are kept back, but for one at most every 30 s that tries; " +
			"what is due is done when it is back: see emta and security server"})
		return
	}
	r.add("emta:circuit", check{Status: statusPass})
}

// late is the warning where the oldest of some work waits too long, else "".
func late(now, oldest time.Time, warning string) string {
	if !oldest.IsZero() && now.Sub(oldest) > lateWork {
		return warning
	}
	return ""
}
