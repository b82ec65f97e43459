package mandate

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/event"
)

// Module is AT's mandates as the rest of the program sees them: Pääsuke's operations, the nightly work, and the core's. Safe for
// concurrent use; several replicas may share a store.
type Module struct {
	store    Store
	settings Settings
	now      func() time.Time
	newID    func() string
	log      *slog.Logger
	measures *measures
	appended func()
}

// Options of a Module. All fields are needed unless they say otherwise.
type Options struct {
	Store    Store
	Settings Settings
	Now      func() time.Time // the clock
	NewID    func() string    // fresh random ids, UUIDs
	Logger   *slog.Logger
	Registry prometheus.Registerer
	Appended func() // called when events were committed, to wake who delivers them; may be nil
}

// New returns a module, or says which setting is wrong.
func New(o Options) (*Module, error) {
	settings, err := o.Settings.WithDefaults()
	if err != nil {
		return nil, err
	}
	if o.Appended == nil {
		o.Appended = func() {}
	}
	return &Module{
		store:    o.Store,
		settings: settings,
		now:      func() time.Time { return o.Now().UTC().Truncate(time.Microsecond) },
		newID:    o.NewID,
		log:      o.Logger,
		measures: newMeasures(o.Registry),
		appended: o.Appended,
	}, nil
}

// decision is what a rule needs besides rows, made anew for each transaction.
func (m *Module) decision(a Actor, by string) decision {
	now := m.now()
	return decision{now: now, today: DateOf(now), settings: m.settings, actor: a, by: by}
}

// Deleted is a mandate that ended together with what it was passed on from.
type Deleted struct {
	SubDelegate Person
	Period      Period // when it was really valid; empty if it ended before its first day
	Began       bool   // it was valid at some time: Period says when
}

// outcome is what a well-answered request is answered with, also when it comes again.
type outcome struct {
	Deleted []Deleted `json:",omitempty"`
}

// change runs decide in a transaction and writes what it says. A request of X-Road's that was answered before is answered so
// again, and changes nothing.
func (m *Module) change(ctx context.Context, a Actor, r Request, s Scope, decide func(v View) (Change, outcome, error)) ([]Mandate, outcome, error) {
	now := m.now()
	s.Today = DateOf(now)
	s.Client, s.RequestID, s.Since = a.Client, a.RequestID, now.Add(-RequestTime)
	var answer outcome
	var happened []Happening
	written, err := m.store.ChangeMandates(ctx, s, func(v View) (Change, error) {
		happened = nil
		if v.Repeat != nil {
			if v.Repeat.Request != r {
				return Change{}, &Error{Code: Reused}
			}
			answer = outcome{}
			if err := json.Unmarshal(v.Repeat.Outcome, &answer); err != nil {
				return Change{}, fmt.Errorf("read the outcome of a request: %w", err)
			}
			return Change{}, nil
		}
		c, out, err := decide(v)
		if err != nil {
			return Change{}, err
		}
		answer, happened = out, c.Happened
		if s.RequestID != "" {
			text, err := json.Marshal(out)
			if err != nil {
				return Change{}, fmt.Errorf("keep the outcome of a request: %w", err)
			}
			c.Answered = &Answered{Client: s.Client, ID: s.RequestID, Request: r, At: now, Outcome: text}
		}
		return c, nil
	}, m.tell)
	if err != nil {
		return nil, outcome{}, err
	}
	m.told(happened)
	return written, answer, nil
}

// ask is change for a request of Pääsuke's. Who may change nothing at all is told so before anything of what is there; of
// the user's mandates of the party that he represents the view shows those that may give him a right.
func (m *Module) ask(ctx context.Context, a Actor, r Request, s Scope, decide func(v View) (Change, outcome, error)) ([]Mandate, outcome, error) {
	if err := a.mayChange(); err != nil {
		return nil, outcome{}, err
	}
	if s.User, s.Party = a.User, a.party(); s.User == s.Party {
		s.User, s.Party = "", "" // of himself he needs nothing
	}
	return m.change(ctx, a, r, s, decide)
}

// tell is a happening to a mandate as the core hears it.
func (m *Module) tell(kind string, about Mandate) (event.Event, error) {
	now := m.now()
	data, err := json.Marshal(coreMandateOf(about, DateOf(now)))
	if err != nil {
		return event.Event{}, fmt.Errorf("event %s of mandate %d: %w", kind, about.ID, err)
	}
	return event.Event{ID: m.newID(), Type: kind, Subject: "mandate/" + strconv.FormatInt(about.ID, 10), Time: now, Data: data}, nil
}

// told counts what happened, once it is committed, and wakes who delivers the events.
func (m *Module) told(happened []Happening) {
	for _, h := range happened {
		m.measures.changes.WithLabelValues(strings.TrimPrefix(h.Kind, "mandate.")).Inc()
	}
	if len(happened) > 0 {
		m.appended()
	}
}

// Place names a mandate as the links of Pääsuke do: all three must fit together.
type Place struct {
	RepresenteeID int64
	DelegateID    int64
	MandateID     int64
}

// names reports whether the place is that of m.
func (p Place) names(m *Mandate) bool {
	return m != nil && p.MandateID == m.ID && p.RepresenteeID == m.Representee.ID && p.DelegateID == m.Delegate.ID
}

// at reports whether found is a mandate that Pääsuke is shown under the place: other roles of the core's are not there for it.
func (m *Module) at(p Place, found *Mandate) bool {
	return p.names(found) && m.settings.has(found.Role)
}

// Add adds a mandate (addMandate, AT-PAASUKE-012). The request's identifiers are those of the path. It returns the mandate as
// written, the zero one for a repeat. The error is an *Error Invalid, Forbidden or Reused, or a failure of ours.
func (m *Module) Add(ctx context.Context, a Actor, r Request, ask Ask) (Mandate, error) {
	s := Scope{Representee: ask.Representee.Identifier, Delegate: ask.Delegate.Identifier}
	written, _, err := m.ask(ctx, a, r, s, func(v View) (Change, outcome, error) {
		d := m.decision(a, string(a.User))
		if err := d.may(v, ask.Authorizations, ask.Representee.Identifier); err != nil {
			return Change{}, outcome{}, err
		}
		c, err := d.added(v, ask)
		return c, outcome{}, err
	})
	return first(written), err
}

// PassOn passes a mandate on (addSubDelegate). It returns the new mandate as written, the zero one for a repeat. The error is an
// *Error Invalid, Forbidden or Reused, or a failure of ours; a mandate that is not there is Invalid.
func (m *Module) PassOn(ctx context.Context, a Actor, r Request, ask PassOnAsk) (Mandate, error) {
	s := Scope{MandateID: ask.Place.MandateID, Delegate: ask.SubDelegate.Identifier}
	written, _, err := m.ask(ctx, a, r, s, func(v View) (Change, outcome, error) {
		if !m.at(ask.Place, v.Mandate) {
			return Change{}, outcome{}, invalid(FieldMandate, RuleUnknownMandate)
		}
		d := m.decision(a, string(a.User))
		if err := d.may(v, ask.Authorizations, v.Mandate.Delegate.Identifier); err != nil {
			return Change{}, outcome{}, err
		}
		c, err := d.passedOn(v, ask)
		return c, outcome{}, err
	})
	return first(written), err
}

// EndAsk is what editMandate asks for (AT-PAASUKE-011).
type EndAsk struct {
	Place          Place
	How            How // Withdrawn or Waived
	Authorizations []Authorization
	Document       Document
}

// End ends a mandate with all that was passed on from it, at any depth, and returns those, by key. The error is an *Error
// NotFound, IsEnded, Forbidden, Invalid or Reused, or a failure of ours.
func (m *Module) End(ctx context.Context, a Actor, r Request, ask EndAsk) ([]Deleted, error) {
	_, out, err := m.ask(ctx, a, r, Scope{MandateID: ask.Place.MandateID}, func(v View) (Change, outcome, error) {
		if !m.at(ask.Place, v.Mandate) {
			return Change{}, outcome{}, &Error{Code: NotFound}
		}
		d, root := m.decision(a, string(a.User)), *v.Mandate
		if root.State(d.today) == Ended {
			return Change{}, outcome{}, &Error{Code: IsEnded}
		}
		parties := []Identifier{root.Delegate.Identifier}
		if ask.How != Waived {
			parties = append(chain(v.Mandates, root), root.Representee.Identifier)
		}
		if err := d.may(v, ask.Authorizations, parties...); err != nil {
			return Change{}, outcome{}, err
		}
		if broken := checkGrounds(ask.Authorizations, ask.Document); broken != nil {
			return Change{}, outcome{}, &Error{Invalid, broken}
		}
		c := d.endedBranch(v, root, ask.How, ask.Authorizations, ask.Document)
		return c, outcome{d.deleted(v, c)}, nil
	})
	return out.Deleted, err
}

// deleted are the mandates that a change ends beside its first, of those that had not ended before.
func (d decision) deleted(v View, c Change) []Deleted {
	valid := map[int64]bool{}
	for _, m := range v.Mandates {
		valid[m.ID] = m.State(d.today) != Ended
	}
	var list []Deleted
	for _, m := range c.Mandates[1:] {
		if !valid[m.ID] {
			continue
		}
		item := Deleted{SubDelegate: m.Delegate.Person(), Began: !m.Period.empty()}
		if item.Began {
			item.Period = m.Period
		}
		list = append(list, item)
	}
	return list
}

func first(written []Mandate) Mandate {
	if len(written) == 0 {
		return Mandate{}
	}
	return written[0]
}
