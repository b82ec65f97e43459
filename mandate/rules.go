package mandate

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// decision is what rules need besides rows: the time, the settings, and who asks.
type decision struct {
	now      time.Time
	today    Date
	settings Settings
	actor    Actor
	by       string // who is written down: the user, or who acts at the core
}

// Ask is what addMandate asks for (AT-PAASUKE-012).
type Ask struct {
	Representee    Person
	Delegate       Person
	Role           string // with its namespace
	CanSubDelegate bool
	Period         Period
	Authorizations []Authorization
	Document       Document
}

// Bounds of what is kept of a request.
const (
	maxName              = 200  // AT's columns have a bound that we do not know; the longest name in the registers is far below
	maxAuthorizations    = 100  // signers of one document; each is kept with the mandate and in the audit
	maxAuthorizationRole = 4000 // the contract's bound of a role
)

// added is what becomes of a request to add a mandate (Pääsuke §5).
func (d decision) added(v View, ask Ask) (Change, error) {
	role, known := d.settings.role(ask.Role)
	var broken []Broken
	add := func(f Field, r Rule) { broken = append(broken, Broken{f, r}) }
	switch {
	case !known:
		add(FieldRole, RuleUnknownRole)
	case ask.CanSubDelegate && role.SubDelegable == SubDelegableNo:
		add(FieldCanSubDelegate, RuleNotSubDelegable)
	}
	if ask.Representee.Identifier.Code() == "" {
		add(FieldRepresentee, RuleEstonian)
	} else if v.Representee == nil {
		broken = append(broken, checkName(FieldRepresentee, ask.Representee.representee().Name)...)
	}
	broken = append(broken, checkDelegate(v, ask.Delegate)...)
	if ask.Delegate.Identifier == ask.Representee.Identifier {
		add(FieldDelegate, RuleSelf)
	}
	period, wrong := d.period(ask.Period)
	broken = append(broken, wrong...)
	broken = append(broken, checkGrounds(ask.Authorizations, ask.Document)...)
	if broken == nil && d.held(v, ask.Delegate.Identifier, role.Code, period, 0) {
		add(FieldRole, RuleOverlap)
	}
	if broken != nil {
		return Change{}, &Error{Invalid, broken}
	}
	m := Mandate{Role: role.Code, Period: period, SubDelegable: ask.CanSubDelegate, AskedFrom: ask.Period.From,
		Authorizations: ask.Authorizations, Document: ask.Document}
	c := d.inserted(v, m, ask.Representee, ask.Delegate)
	c.Audits = []Audit{d.audit(0, "add", ask.Authorizations, ask.Document, "")}
	return c, nil
}

// inserted is the change that inserts m, with the people of it that AT does not know yet. Known ones keep their names.
func (d decision) inserted(v View, m Mandate, representee, delegate Person) Change {
	m.Known, m.On = Waiting, false
	if m.Period.From <= d.today {
		m.Known, m.On = Active, true
	}
	m.AddedAt, m.AddedBy, m.AddedFor = d.now, d.by, d.actor.party()
	c := Change{New: &m, Happened: []Happening{{0, EventAdded}}}
	if v.Representee == nil {
		r := representee.representee()
		c.Representee = &r
	}
	if v.Delegate == nil {
		u := delegate.delegate()
		c.Delegate = &u
	}
	return c
}

// period is when a mandate is to be valid. A first day in the past, or none, counts as today (AT-PAASUKE-005).
func (d decision) period(asked Period) (Period, []Broken) {
	p := Period{From: max(asked.From, d.today), Through: asked.Through}
	switch {
	case p.Over(d.today):
		return p, []Broken{{FieldThrough, RuleThroughInPast}}
	case p.empty():
		return p, []Broken{{FieldThrough, RuleThroughBeforeFrom}}
	}
	return p, nil
}

// held reports whether a delegate has a role in some of the days of a period already, by another mandate than except.
func (d decision) held(v View, delegate Identifier, role Role, p Period, except int64) bool {
	return slices.ContainsFunc(v.Mandates, func(m Mandate) bool {
		return m.ID != except && m.Delegate.Identifier == delegate && m.Role == role && m.State(d.today) != Ended && m.Period.overlaps(p)
	})
}

// checkDelegate: AT's roles are for natural persons, of whom AT knows Estonian ones.
func checkDelegate(v View, p Person) []Broken {
	switch {
	case p.Identifier.Legal() || p.Kind == LegalPerson:
		return []Broken{{FieldDelegate, RuleNaturalPerson}}
	case !p.Identifier.Natural():
		return []Broken{{FieldDelegate, RuleEstonian}}
	case v.Delegate != nil:
		return nil
	}
	return checkName(FieldDelegate, p.FirstName+p.Surname)
}

// checkName: somebody new needs a name, one that can be shown.
func checkName(f Field, name string) []Broken {
	switch {
	case strings.TrimSpace(name) == "":
		return []Broken{{f, RuleRequired}}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return []Broken{{f, RuleFormat}}
	case utf8.RuneCountInString(name) > maxName:
		return []Broken{{f, RuleTooLong}}
	}
	return nil
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// checkGrounds bounds what is kept of authorizations and the document.
func checkGrounds(authorizations []Authorization, document Document) []Broken {
	var broken []Broken
	if len(authorizations) > maxAuthorizations {
		broken = append(broken, Broken{FieldAuthorizations, RuleTooMany})
	}
	if slices.ContainsFunc(authorizations, func(a Authorization) bool {
		return len(a.Role) > maxAuthorizationRole || !utf8.ValidString(a.Role)
	}) {
		broken = append(broken, Broken{FieldAuthorizations, RuleFormat})
	}
	if document.UUID != "" && !uuidForm.MatchString(document.UUID) {
		broken = append(broken, Broken{FieldDocument, RuleFormat})
	}
	return broken
}

// PassOnAsk is what addSubDelegate asks for (AT-PAASUKE-012).
type PassOnAsk struct {
	Place          Place
	SubDelegate    Person
	Period         Period
	Authorizations []Authorization
	Document       Document
}

// passedOn is what becomes of a request to pass the view's mandate on (Pääsuke §5).
func (d decision) passedOn(v View, ask PassOnAsk) (Change, error) {
	original := *v.Mandate
	var broken []Broken
	add := func(f Field, r Rule) { broken = append(broken, Broken{f, r}) }
	switch {
	case !original.ValidOn(d.today):
		add(FieldMandate, RuleNotValid)
	case !d.settings.passable(original):
		add(FieldMandate, RuleNotSubDelegable)
	}
	broken = append(broken, checkDelegate(v, ask.SubDelegate)...)
	if id := ask.SubDelegate.Identifier; id == original.Delegate.Identifier || id == original.Representee.Identifier {
		add(FieldDelegate, RuleSelf)
	}
	period, wrong := d.period(ask.Period)
	broken = append(broken, wrong...)
	if original.ValidOn(d.today) {
		broken = append(broken, outside(original.Period, period)...)
	}
	broken = append(broken, checkGrounds(ask.Authorizations, ask.Document)...)
	if broken == nil && d.held(v, ask.SubDelegate.Identifier, original.Role, period, 0) {
		add(FieldDelegate, RuleOverlap)
	}
	if broken != nil {
		return Change{}, &Error{Invalid, broken}
	}
	m := Mandate{Role: original.Role, Period: period, Parent: original.ID, SubDelegator: &original.Delegate, AskedFrom: ask.Period.From,
		Authorizations: ask.Authorizations, Document: ask.Document}
	c := d.inserted(v, m, Person{}, ask.SubDelegate)
	c.Audits = []Audit{d.audit(0, "pass-on", ask.Authorizations, ask.Document, "")}
	return c, nil
}

// outside says how p is longer than the period of what it is passed on from.
func outside(original, p Period) []Broken {
	switch {
	case p.From < original.From || original.Over(p.From):
		return []Broken{{FieldFrom, RuleOutsideParent}}
	case original.Through != "" && (p.Through == "" || p.Through > original.Through):
		return []Broken{{FieldThrough, RuleOutsideParent}}
	}
	return nil
}

// endedBranch is the change that ends a mandate and all that was passed on from it, at any depth (AT-PAASUKE-011). The audits say who
// did it; the mandate itself comes first.
func (d decision) endedBranch(v View, root Mandate, how How, authorizations []Authorization, document Document) Change {
	var c Change
	d.end(&c, root, how)
	c.Audits = append(c.Audits, d.audit(root.ID, "end", authorizations, document, string(how)))
	for _, m := range branch(v.Mandates, root.ID) {
		if m.State(d.today) == Ended && !m.On {
			continue
		}
		d.end(&c, m, WithParent)
		c.Audits = append(c.Audits, d.audit(m.ID, "end", authorizations, document, string(WithParent)))
	}
	return c
}

// end adds to a change that m ends now. A mandate that was to go on ends today.
func (d decision) end(c *Change, m Mandate, how How) {
	m.On, m.Known = false, Ended
	m.Ended = Ending{At: d.now, How: how, By: d.by}
	if how != Expired && how != SwitchedOff {
		m.Period.Through = earlier(m.Period.Through, d.today)
	}
	c.Mandates = append(c.Mandates, m)
	c.Happened = append(c.Happened, Happening{m.ID, EventEnded})
}

// branch is what was passed on from a mandate, at any depth: parents before children, by key.
func branch(mandates []Mandate, root int64) []Mandate {
	var found []Mandate
	above := map[int64]bool{root: true}
	for grown := true; grown; {
		grown = false
		for _, m := range mandates {
			if above[m.Parent] && !above[m.ID] {
				above[m.ID], grown = true, true
				found = append(found, m)
			}
		}
	}
	slices.SortFunc(found, func(a, b Mandate) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// chain are the delegates of what a mandate was passed on from, from its parent upwards.
func chain(mandates []Mandate, m Mandate) []Identifier {
	byID := map[int64]Mandate{}
	for _, o := range mandates {
		byID[o.ID] = o
	}
	var found []Identifier
	for range mandates { // no chain is longer, and none goes in a circle for ever
		parent, ok := byID[m.Parent]
		if !ok {
			break
		}
		found = append(found, parent.Delegate.Identifier)
		m = parent
	}
	return found
}

// changedThrough is what becomes of the view's mandate when its last day is changed (AT-PAASUKE-007): what was passed on from it
// is cut to it.
func (d decision) changedThrough(v View, through Date) (Change, error) {
	m := *v.Mandate
	if string(m.Delegate.Identifier) == d.by {
		return Change{}, forbidden(FieldUser, RuleOwn)
	}
	if m.State(d.today) == Ended {
		return Change{}, &Error{Code: IsEnded}
	}
	p := Period{From: m.Period.From, Through: through}
	var broken []Broken
	switch {
	case p.Over(d.today):
		broken = []Broken{{FieldThrough, RuleThroughInPast}}
	case p.empty():
		broken = []Broken{{FieldThrough, RuleThroughBeforeFrom}}
	}
	if i := slices.IndexFunc(v.Mandates, func(o Mandate) bool { return o.ID == m.Parent }); broken == nil && m.Parent != 0 && i >= 0 {
		if original := v.Mandates[i].Period; original.Through != "" && (through == "" || through > original.Through) {
			broken = []Broken{{FieldThrough, RuleOutsideParent}}
		}
	}
	if broken == nil && d.held(v, m.Delegate.Identifier, m.Role, p, m.ID) {
		broken = []Broken{{FieldThrough, RuleOverlap}}
	}
	if broken != nil {
		return Change{}, &Error{Invalid, broken}
	}
	if through == m.Period.Through {
		return Change{}, nil
	}
	var c Change
	d.change(&c, m, through)
	for _, below := range branch(v.Mandates, m.ID) {
		switch {
		case below.State(d.today) == Ended || earlier(below.Period.Through, through) == below.Period.Through:
		case through < below.Period.From: // it would never begin
			d.end(&c, below, WithParent)
			c.Audits = append(c.Audits, d.audit(below.ID, "end", nil, Document{}, string(WithParent)))
		default:
			d.change(&c, below, through)
		}
	}
	return c, nil
}

// change adds to a change that m has another last day.
func (d decision) change(c *Change, m Mandate, through Date) {
	detail := "through " + string(m.Period.Through) + " → " + string(through)
	m.Period.Through = through
	m.Known, m.Ended = m.State(d.today), Ending{} // the core may have given back what had ended
	c.Mandates = append(c.Mandates, m)
	c.Happened = append(c.Happened, Happening{m.ID, EventChanged})
	c.Audits = append(c.Audits, d.audit(m.ID, "change", nil, Document{}, detail))
}

func (d decision) audit(id int64, action string, authorizations []Authorization, document Document, detail string) Audit {
	return Audit{At: d.now, MandateID: id, Action: action, Actor: d.by, OnBehalf: d.actor.party(), Client: d.actor.Client, RequestID: d.actor.RequestID,
		Authorizations: authorizations, Document: document, Detail: detail}
}
