package mandate

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
)

// Routes is the mandates' part of the internal API (design §8, openapi/core.yaml).
func (m *Module) Routes() []rest.Route {
	const scope = "mandates"
	return []rest.Route{
		{Method: http.MethodGet, Path: "/api/v1/mandates", Scope: scope, Serve: m.getMandates},
		{Method: http.MethodPost, Path: "/api/v1/mandates", Scope: scope, Serve: m.postMandate},
		{Method: http.MethodGet, Path: "/api/v1/mandates/{id}", Scope: scope, Serve: m.getMandate},
		{Method: http.MethodPatch, Path: "/api/v1/mandates/{id}", Scope: scope, Serve: m.patchMandate},
		{Method: http.MethodPost, Path: "/api/v1/mandates/{id}/end", Scope: scope, Serve: m.postEnd},
	}
}

// coreMandate is a mandate as the core sees it (design §8). Members that are not known are absent.
type coreMandate struct {
	ID           int64           `json:"id"`
	Representee  coreRepresentee `json:"representee"`
	Delegate     coreDelegate    `json:"delegate"`
	Role         string          `json:"role"`
	State        State           `json:"state"`
	From         string          `json:"from,omitempty"`
	Through      string          `json:"through,omitempty"`
	SubDelegable bool            `json:"subDelegable"`
	Parent       int64           `json:"parent,omitempty"`
	Added        string          `json:"added,omitempty"`
	AddedBy      string          `json:"addedBy,omitempty"`
	Ended        *coreEnding     `json:"ended,omitempty"`
}

type coreRepresentee struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

type coreDelegate struct {
	Code      string `json:"code"`
	FirstName string `json:"firstName"`
	Surname   string `json:"surname"`
}

type coreEnding struct {
	At  string `json:"at"`
	How How    `json:"how"`
	By  string `json:"by,omitempty"`
}

func coreMandateOf(m Mandate, today Date) coreMandate {
	c := coreMandate{
		ID: m.ID, Representee: coreRepresentee{Code: string(m.Representee.Identifier), Name: m.Representee.Name},
		Delegate: coreDelegate{Code: string(m.Delegate.Identifier), FirstName: m.Delegate.FirstName, Surname: m.Delegate.Surname},
		Role:     string(m.Role), State: m.State(today), From: string(m.Period.From), Through: string(m.Period.Through),
		SubDelegable: m.SubDelegable, Parent: m.Parent, Added: moment(m.AddedAt), AddedBy: m.AddedBy,
	}
	if !m.Ended.At.IsZero() && c.State == Ended {
		c.Ended = &coreEnding{At: moment(m.Ended.At), How: m.Ended.How, By: m.Ended.By}
	}
	return c
}

// moment is the time in UTC as RFC 3339, "" for one that is not known.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Bounds of a page of mandates.
const (
	defaultPage = 50
	maxPage     = 200
)

type coreMandates struct {
	Items []coreMandate `json:"items"`
	Next  string        `json:"next,omitempty"`
}

func (m *Module) getMandates(r *http.Request) (rest.Answer, error) {
	values, err := rest.Query(r, "representee", "delegate", "state", "history", "after", "limit")
	if err != nil {
		return rest.Answer{}, err
	}
	f, state, limit, err := m.coreFilter(values)
	if err != nil {
		return rest.Answer{}, err
	}
	list := coreMandates{Items: []coreMandate{}}
	for {
		f.Limit = limit + 1 // one more shows whether there is a next page
		page, err := m.store.Mandates(r.Context(), f)
		if err != nil {
			return rest.Answer{}, err
		}
		for _, found := range page {
			f.After = found.ID
			is := found.State(f.Today)
			if is == Ended && !f.History || state != "" && is != state {
				continue
			}
			if len(list.Items) == limit {
				list.Next = strconv.FormatInt(list.Items[limit-1].ID, 10)
				return rest.Answer{Body: list}, nil
			}
			list.Items = append(list.Items, coreMandateOf(found, f.Today))
		}
		if len(page) < f.Limit {
			return rest.Answer{Body: list}, nil
		}
	}
}

// coreFilter reads the parameters of a list: of a representee, a delegate, or both.
func (m *Module) coreFilter(values url.Values) (f Filter, state State, limit int, err error) {
	var wrong []rest.Field
	integer := func(name string, absent, least, most int64) int64 {
		n, err := strconv.ParseInt(values.Get(name), 10, 64)
		switch {
		case values.Get(name) == "":
			return absent
		case err != nil || n < least || n > most:
			wrong = append(wrong, rest.Field{Path: name, Rule: "range", Message: "must be a whole number within its bounds"})
			return absent
		}
		return n
	}
	person := func(name string) Identifier {
		i := Identifier(values.Get(name))
		if values.Has(name) && i.Code() == "" {
			wrong = append(wrong, rest.Field{Path: name, Rule: string(RuleFormat), Message: "must be EE and a code of 8 or 11 digits"})
		}
		return i
	}
	f = Filter{Representee: person("representee"), Delegate: person("delegate"), Today: m.decision(Actor{}, "").today, After: integer("after", 0, 0, 1<<62)}
	limit = int(integer("limit", defaultPage, 1, maxPage))
	if !values.Has("representee") && !values.Has("delegate") {
		wrong = append(wrong, rest.Field{Path: "representee", Rule: string(RuleRequired), Message: "must be there, or delegate"})
	}
	switch state = State(values.Get("state")); state {
	case "", Waiting, Active:
	case Ended:
		f.History = true
	default:
		wrong = append(wrong, rest.Field{Path: "state", Rule: "enum", Message: "must be one of waiting, active, ended"})
	}
	switch values.Get("history") {
	case "", "false":
	case "true":
		f.History = true
	default:
		wrong = append(wrong, rest.Field{Path: "history", Rule: "enum", Message: "must be true or false"})
	}
	if wrong != nil {
		return f, state, limit, rest.Invalid(wrong...)
	}
	return f, state, limit, nil
}

func (m *Module) getMandate(r *http.Request) (rest.Answer, error) {
	if _, err := rest.Query(r); err != nil {
		return rest.Answer{}, err
	}
	today := m.decision(Actor{}, "").today
	found, err := m.store.Mandate(r.Context(), key(r.PathValue("id")), today)
	if errors.Is(err, ErrNotFound) {
		err = coreProblem(&Error{Code: NotFound})
	}
	if err != nil {
		return rest.Answer{}, err
	}
	return rest.Answer{Body: coreMandateOf(found, today)}, nil
}

type coreAsk struct {
	Representee    coreRepresentee `json:"representee"`
	Delegate       coreDelegate    `json:"delegate"`
	Role           string          `json:"role"`
	From           string          `json:"from"`
	Through        string          `json:"through"`
	CanSubDelegate bool            `json:"canSubDelegate"`
}

func (m *Module) postMandate(r *http.Request) (rest.Answer, error) {
	by, err := actingUser(r)
	if err != nil {
		return rest.Answer{}, err
	}
	var body coreAsk
	if err := rest.Decode(r, &body); err != nil {
		return rest.Answer{}, err
	}
	ask := Ask{Role: m.settings.WholeRole(Role(body.Role)), CanSubDelegate: body.CanSubDelegate}
	var wrong []rest.Field
	ask.Period.From, wrong = coreDate(wrong, "from", body.From)
	ask.Period.Through, wrong = coreDate(wrong, "through", body.Through)
	if wrong != nil {
		return rest.Answer{}, rest.Invalid(wrong...)
	}
	ask.Representee = Person{Kind: UnknownPerson, Identifier: Identifier(body.Representee.Code), LegalName: body.Representee.Name, Surname: body.Representee.Name}
	ask.Delegate = Person{Kind: NaturalPerson, Identifier: Identifier(body.Delegate.Code), FirstName: body.Delegate.FirstName, Surname: body.Delegate.Surname}
	added, err := m.CoreAdd(r.Context(), by, ask)
	if err != nil {
		return rest.Answer{}, coreProblem(err)
	}
	return rest.Answer{Status: http.StatusCreated, Body: coreMandateOf(added, m.decision(Actor{}, "").today),
		Header: http.Header{"Location": {"/api/v1/mandates/" + strconv.FormatInt(added.ID, 10)}}}, nil
}

func coreDate(wrong []rest.Field, path, text string) (Date, []rest.Field) {
	if text == "" {
		return "", wrong
	}
	d, err := ParseDate(text)
	if err != nil {
		wrong = append(wrong, rest.Field{Path: path, Rule: string(RuleFormat), Message: err.Error()})
	}
	return d, wrong
}

func (m *Module) patchMandate(r *http.Request) (rest.Answer, error) {
	by, err := actingUser(r)
	if err != nil {
		return rest.Answer{}, err
	}
	var body struct {
		Through json.RawMessage `json:"through"` // null makes it open-ended
	}
	if err := rest.Decode(r, &body); err != nil {
		return rest.Answer{}, err
	}
	var through Date
	if !bytes.Equal(body.Through, []byte("null")) {
		var text string
		if body.Through == nil {
			return rest.Answer{}, rest.Invalid(rest.Field{Path: "through", Rule: string(RuleRequired), Message: "must be there: a day, or null for none"})
		}
		err := json.Unmarshal(body.Through, &text)
		if err == nil {
			through, err = ParseDate(text)
		}
		if err != nil {
			return rest.Answer{}, rest.Invalid(rest.Field{Path: "through", Rule: string(RuleFormat), Message: errDate.Error()})
		}
	}
	return m.answerMandate(m.CoreChange(r.Context(), by, key(r.PathValue("id")), through))
}

func (m *Module) postEnd(r *http.Request) (rest.Answer, error) {
	by, err := actingUser(r)
	if err != nil {
		return rest.Answer{}, err
	}
	if err := rest.DecodeOptional(r, &struct{}{}); err != nil {
		return rest.Answer{}, err
	}
	return m.answerMandate(m.CoreEnd(r.Context(), by, key(r.PathValue("id"))))
}

func (m *Module) answerMandate(changed Mandate, err error) (rest.Answer, error) {
	if err != nil {
		return rest.Answer{}, coreProblem(err)
	}
	return rest.Answer{Body: coreMandateOf(changed, m.decision(Actor{}, "").today)}, nil
}

// actingUser is the person for whom the core changes something: always named, since it is whose own mandate must not be changed.
func actingUser(r *http.Request) (string, error) {
	if r.Header.Get("X-Acting-User") == "" {
		return "", rest.Invalid(rest.Field{Path: "X-Acting-User", Rule: string(RuleRequired), Message: "must name the person who makes the change"})
	}
	return rest.ActingUser(r), nil
}

// corePaths are where the fields of the rules stand in the internal API.
var corePaths = map[Field]string{FieldRepresentee: "representee.code", FieldDelegate: "delegate.code", FieldUser: "X-Acting-User"}

// coreProblem is how the core is told of err. What is no *Error is the endpoint's to answer.
func coreProblem(err error) error {
	var refused *Error
	if !errors.As(err, &refused) {
		return err
	}
	p := &rest.Problem{Code: string(refused.Code), Err: err}
	switch refused.Code {
	case Forbidden:
		p.Status, p.Title = http.StatusForbidden, "Nobody changes the last day of their own mandate."
	case NotFound:
		p.Status, p.Title = http.StatusNotFound, "There is no such mandate."
	case IsEnded:
		p.Status, p.Title = http.StatusConflict, "The mandate has ended."
	default:
		p.Status, p.Title = http.StatusUnprocessableEntity, "The request breaks a rule."
	}
	for _, b := range refused.Broken {
		p.Fields = append(p.Fields, rest.Field{Path: pathOf(b.Field, corePaths), Rule: string(b.Rule), Message: saying(string(b.Rule))})
	}
	return p
}
