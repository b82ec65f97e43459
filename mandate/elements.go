package mandate

import (
	"encoding/json"
	"strconv"
	"strings"

	"ametlikudteadaanded.ee/adapter/rest"
)

// What Pääsuke sends and gets, by the public definition (Pääsuke §§4, 5). A member that may be absent is a pointer: null is as good as
// absent in a request, and never stands in an answer.

// personWire is a Person.
type personWire struct {
	Type       *string `json:"type,omitempty"`
	FirstName  *string `json:"firstName,omitempty"`
	Surname    *string `json:"surname,omitempty"`
	LegalName  *string `json:"legalName,omitempty"`
	Identifier *string `json:"identifier,omitempty"`
}

// periodWire is a ValidityPeriod.
type periodWire struct {
	From    *string `json:"from,omitempty"`
	Through *string `json:"through,omitempty"`
}

// authorizationWire is an Authorization. 1.0.5 calls the role hasRoles in one place.
type authorizationWire struct {
	UserIdentifier *string   `json:"userIdentifier"`
	HasRole        *string   `json:"hasRole"`
	HasRoles       *manyWire `json:"hasRoles"`
}

// manyWire is one text or several.
type manyWire []string

// UnmarshalJSON reads a text or an array of texts.
func (m *manyWire) UnmarshalJSON(raw []byte) error {
	var one *string
	if err := json.Unmarshal(raw, &one); err == nil {
		if *m = nil; one != nil {
			*m = manyWire{*one}
		}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(m))
}

// documentWire is a Document.
type documentWire struct {
	UUID           *string `json:"uuid"`
	SingleDelegate *bool   `json:"singleDelegate"`
}

// groundsWire is what every change carries.
type groundsWire struct {
	Authorizations []authorizationWire `json:"authorizations"`
	Document       *documentWire       `json:"document"`
}

// addWire is the body of addMandate. The schema of 1.0.0 requires "mandates", which it does not have.
type addWire struct {
	Representee *personWire `json:"representee"`
	Delegate    *personWire `json:"delegate"`
	Mandate     *struct {
		Role           *string     `json:"role"`
		CanSubDelegate *bool       `json:"canSubDelegate"`
		ValidityPeriod *periodWire `json:"validityPeriod"`
	} `json:"mandate"`
	groundsWire
}

// passOnWire is the body of addSubDelegate.
type passOnWire struct {
	SubDelegate    *personWire `json:"subDelegate"`
	ValidityPeriod *periodWire `json:"validityPeriod"`
	groundsWire
}

// endWire is the body of editMandate.
type endWire struct {
	Action *string `json:"action"`
	groundsWire
}

// reader collects what is wrong with a body, each by its path.
type reader struct{ fields []rest.Field }

func (d *reader) wrong(path, rule string) {
	d.fields = append(d.fields, rest.Field{Path: path, Rule: rule, Message: saying(rule)})
}

// err is 400 if anything was wrong.
func (d *reader) err() error { return rest.Malformed(d.fields...) }

func (d *reader) required(path string, value *string) string {
	if value == nil {
		d.wrong(path, string(RuleRequired))
		return ""
	}
	return *value
}

func (d *reader) identifier(path, value string) Identifier {
	id, err := ParseIdentifier(value)
	if err != nil {
		d.wrong(path, string(RuleFormat))
	}
	return id
}

// person reads a person; want is the identifier that the path names, "" for none.
func (d *reader) person(path string, w *personWire, want Identifier) Person {
	if w == nil {
		d.wrong(path, string(RuleRequired))
		return Person{}
	}
	p := Person{Kind: Kind(d.required(path+".type", w.Type)), FirstName: text(w.FirstName), Surname: text(w.Surname), LegalName: text(w.LegalName)}
	switch p.Kind {
	case NaturalPerson, LegalPerson, UnknownPerson, OtherPerson:
	default:
		if w.Type != nil {
			d.wrong(path+".type", ruleOneOf)
		}
	}
	if id := d.required(path+".identifier", w.Identifier); w.Identifier != nil {
		p.Identifier = d.identifier(path+".identifier", id)
		if want != "" && p.Identifier != "" && p.Identifier != want {
			d.wrong(path+".identifier", ruleSameAsPath)
		}
	}
	return p
}

func (d *reader) period(path string, w *periodWire) Period {
	if w == nil {
		return Period{}
	}
	return Period{From: d.day(path+".from", w.From), Through: d.day(path+".through", w.Through)}
}

// day reads a date that exists: validators let 2026-02-30 through.
func (d *reader) day(path string, w *string) Date {
	if w == nil {
		return ""
	}
	day, err := ParseDate(*w)
	if err != nil {
		d.wrong(path, ruleDate)
	}
	return day
}

// grounds reads why Pääsuke let the user do it.
func (d *reader) grounds(w groundsWire) ([]Authorization, Document) {
	var all []Authorization
	for i, a := range w.Authorizations {
		var user Identifier
		if a.UserIdentifier != nil {
			user = d.identifier("authorizations["+strconv.Itoa(i)+"].userIdentifier", *a.UserIdentifier)
		}
		for _, role := range a.roles() {
			all = append(all, Authorization{User: user, Role: role})
		}
	}
	if w.Document == nil {
		return all, Document{}
	}
	document := Document{UUID: strings.ToLower(text(w.Document.UUID)), SingleDelegate: w.Document.SingleDelegate != nil && *w.Document.SingleDelegate}
	if w.Document.UUID != nil && !uuidForm.MatchString(document.UUID) {
		d.wrong("document.uuid", string(RuleFormat))
	}
	return all, document
}

func (a authorizationWire) roles() []string {
	var all []string
	if a.HasRole != nil {
		all = append(all, *a.HasRole)
	}
	if a.HasRoles != nil {
		all = append(all, *a.HasRoles...)
	}
	return all
}

func text(w *string) string {
	if w == nil {
		return ""
	}
	return *w
}

// ask reads addMandate.
func (w addWire) ask(representee, delegate Identifier) (Ask, error) {
	var d reader
	a := Ask{Representee: d.person("representee", w.Representee, representee), Delegate: d.person("delegate", w.Delegate, delegate)}
	if w.Mandate == nil {
		d.wrong("mandate", string(RuleRequired))
	} else {
		a.Role = d.required("mandate.role", w.Mandate.Role)
		a.CanSubDelegate = w.Mandate.CanSubDelegate != nil && *w.Mandate.CanSubDelegate
		a.Period = d.period("mandate.validityPeriod", w.Mandate.ValidityPeriod)
	}
	a.Authorizations, a.Document = d.grounds(w.groundsWire)
	return a, d.err()
}

// ask reads addSubDelegate.
func (w passOnWire) ask(place Place) (PassOnAsk, error) {
	var d reader
	a := PassOnAsk{Place: place, SubDelegate: d.person("subDelegate", w.SubDelegate, ""), Period: d.period("validityPeriod", w.ValidityPeriod)}
	a.Authorizations, a.Document = d.grounds(w.groundsWire)
	return a, d.err()
}

// ask reads editMandate. Another action than the two is errAction.
func (w endWire) ask(place Place) (EndAsk, error) {
	var d reader
	a := EndAsk{Place: place}
	action := d.required("action", w.Action)
	a.Authorizations, a.Document = d.grounds(w.groundsWire)
	if err := d.err(); err != nil {
		return a, err
	}
	switch action {
	case "DELETE_WITHDRAW":
		a.How = Withdrawn
	case "DELETE_WAIVE":
		a.How = Waived
	default:
		return a, errAction
	}
	return a, nil
}

// tripletWire is a MandateTriplet.
type tripletWire struct {
	Representee personWire    `json:"representee"`
	Delegate    personWire    `json:"delegate"`
	Mandates    []mandateWire `json:"mandates"`
}

// mandateWire is a Mandate. subDelegatorIdentifier is deprecated since 1.0.1; namespace is in the text of 1.0.5 §3.5 alone.
type mandateWire struct {
	Namespace              string      `json:"namespace,omitempty"`
	Role                   string      `json:"role"`
	SubDelegable           bool        `json:"subDelegable"`
	ValidityPeriod         *periodWire `json:"validityPeriod,omitempty"`
	SubDelegator           *personWire `json:"subDelegator,omitempty"`
	SubDelegatorIdentifier string      `json:"subDelegatorIdentifier,omitempty"`
	Links                  linksWire   `json:"links"`
}

// linksWire is MandateLinks.
type linksWire struct {
	Delete         string `json:"delete,omitempty"`
	AddSubDelegate string `json:"addSubDelegate,omitempty"`
	Origin         string `json:"origin"`
}

// deletedWire is the answer of editMandate.
type deletedWire struct {
	Deleted []deletedMandateWire `json:"deletedSubDelegatedMandates,omitempty"`
}

type deletedMandateWire struct {
	SubDelegate    personWire  `json:"subDelegate"`
	ValidityPeriod *periodWire `json:"validityPeriod,omitempty"`
}

func wirePerson(p Person) personWire {
	kind, id := string(p.Kind), string(p.Identifier)
	return personWire{Type: &kind, FirstName: known(p.FirstName), Surname: known(p.Surname), LegalName: known(p.LegalName), Identifier: &id}
}

// wirePeriod is nil for a period that is open at both ends.
func wirePeriod(p Period) *periodWire {
	if p == (Period{}) {
		return nil
	}
	return &periodWire{From: known(string(p.From)), Through: known(string(p.Through))}
}

func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// wireTriplets is a list, which is never null. passable says which mandates get the link for passing on.
func (s Settings) wireTriplets(list []Triplet, passable func(Mandate) bool) []tripletWire {
	all := make([]tripletWire, 0, len(list))
	for _, t := range list {
		w := tripletWire{Representee: wirePerson(t.Representee.Person()), Delegate: wirePerson(t.Delegate.Person())}
		for _, m := range t.Mandates {
			w.Mandates = append(w.Mandates, s.wireMandate(m, passable(m)))
		}
		all = append(all, w)
	}
	return all
}

func (s Settings) wireMandate(m Mandate, passable bool) mandateWire {
	link := "/v1/representees/" + strconv.FormatInt(m.Representee.ID, 10) + "/delegates/" + strconv.FormatInt(m.Delegate.ID, 10) +
		"/mandates/" + strconv.FormatInt(m.ID, 10)
	w := mandateWire{Role: s.WholeRole(m.Role), SubDelegable: s.passable(m), ValidityPeriod: wirePeriod(m.Period), Links: linksWire{Delete: link, Origin: s.Origin}}
	if s.EmitNamespace {
		w.Namespace = s.Namespace
	}
	if m.SubDelegator != nil {
		p := wirePerson(m.SubDelegator.Person())
		w.SubDelegator, w.SubDelegatorIdentifier = &p, *p.Identifier
	}
	if passable {
		w.Links.AddSubDelegate = link + "/subdelegates"
	}
	return w
}

func wireDeleted(list []Deleted) deletedWire {
	var w deletedWire
	for _, d := range list {
		w.Deleted = append(w.Deleted, deletedMandateWire{SubDelegate: wirePerson(d.SubDelegate), ValidityPeriod: wirePeriod(d.Period)})
	}
	return w
}
