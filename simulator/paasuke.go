package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// ServiceMandates is the code under which the adapter's mandates service is registered at the simulated security server. In a real one
// its administrator chooses it.
const ServiceMandates = "mandates"

// PaasukeOptions of a Paasuke.
type PaasukeOptions struct {
	SecurityServer string             // URL of its security server
	Client         xroadhdr.ClientID  // its own subsystem
	Service        xroadhdr.ServiceID // the mandates service of the adapter's subsystem
	NewID          func() string      // of messages and documents
	Transport      http.RoundTripper  // to the security server; nil: its own
}

// Paasuke is RIA's central system of mandates, by which people see and change mandates on eesti.ee. It keeps
// nothing: every view is asked for. It is written from the public definition. Its methods are what
// a person's browser does; they are safe for concurrent use.
type Paasuke struct {
	o PaasukeOptions
}

// NewPaasuke returns a Paasuke.
func NewPaasuke(o PaasukeOptions) *Paasuke {
	if o.Transport == nil {
		o.Transport = &http.Transport{}
	}
	return &Paasuke{o: o}
}

// Actor is who is logged in to eesti.ee and for whom: for herself with an empty Party. Right is what Pääsuke knows to allow
// her to act, e.g. BR_REPRIGHT:SOLEREP; it goes along as an authorization. The zero Actor is a background process.
type Actor struct {
	User  string
	Party string
	Right string
}

// Person of the definition.
type Person struct {
	Type       string `json:"type"`
	FirstName  string `json:"firstName,omitempty"`
	Surname    string `json:"surname,omitempty"`
	LegalName  string `json:"legalName,omitempty"`
	Identifier string `json:"identifier"`
}

// Name is how a page shows a person.
func (p Person) Name() string {
	if p.LegalName != "" {
		return p.LegalName
	}
	return strings.TrimSpace(p.FirstName + " " + p.Surname)
}

// Period of the definition: ISO dates, "" for open.
type Period struct {
	From    string `json:"from,omitempty"`
	Through string `json:"through,omitempty"`
}

// Triplet of the definition: one pair of persons and mandates between them.
type Triplet struct {
	Representee Person    `json:"representee"`
	Delegate    Person    `json:"delegate"`
	Mandates    []Mandate `json:"mandates"`
}

// Mandate of the definition.
type Mandate struct {
	Role         string  `json:"role"`
	Period       Period  `json:"validityPeriod"`
	SubDelegable bool    `json:"subDelegable"`
	SubDelegator *Person `json:"subDelegator"`
	Links        struct {
		Delete         string `json:"delete"`
		AddSubDelegate string `json:"addSubDelegate"`
		Origin         string `json:"origin"`
	} `json:"links"`
}

// Ended is a mandate that ended with another from which it was passed on.
type Ended struct {
	SubDelegate Person `json:"subDelegate"`
	Period      Period `json:"validityPeriod"`
}

// NewMandate is what a person fills in.
type NewMandate struct {
	Representee    Person
	Delegate       Person
	Role           string
	CanSubDelegate bool
	Period         Period
}

// PaasukeRefusal is an answer that is no success.
type PaasukeRefusal struct {
	Status   int
	Problems []PaasukeProblem
	Server   string // the security server's error code, "" for the service's own answer
}

// PaasukeProblem is one problem of the list.
type PaasukeProblem struct {
	Type        string
	Title       string
	Translation struct{ ET, EN, RU string }
	Instance    string
}

func (e *PaasukeRefusal) Error() string {
	switch {
	case e.Server != "":
		return "security server: " + e.Server
	case len(e.Problems) == 0:
		return fmt.Sprintf("refused with %d and no problem", e.Status)
	}
	return fmt.Sprintf("refused with %d: %s", e.Status, e.Problems[0].Title)
}

// Shown is what a person reads of it.
func (e *PaasukeRefusal) Shown(language string) string {
	if len(e.Problems) == 0 {
		return e.Error()
	}
	t := e.Problems[0].Translation
	if language == "en" && t.EN != "" {
		return t.EN
	}
	return t.ET
}

// Given lists the mandates that a person has given.
func (p *Paasuke) Given(ctx context.Context, as Actor, representee string) ([]Triplet, error) {
	var list []Triplet
	err := p.call(ctx, as, http.MethodGet, "/v1/representees/"+url.PathEscape(representee)+"/delegates/mandates", nil, &list)
	return list, err
}

// Held lists the mandates that a person has been given.
func (p *Paasuke) Held(ctx context.Context, as Actor, delegate string) ([]Triplet, error) {
	var list []Triplet
	err := p.call(ctx, as, http.MethodGet, "/v1/delegates/"+url.PathEscape(delegate)+"/representees/mandates", nil, &list)
	return list, err
}

type authorizationWire struct {
	UserIdentifier string `json:"userIdentifier"`
	HasRole        string `json:"hasRole"`
}

func (as Actor) authorizations() []authorizationWire {
	if as.Right == "" {
		return nil
	}
	return []authorizationWire{{as.User, as.Right}}
}

// periodWire is a period as Pääsuke sends it: an open day is null.
type periodWire struct {
	From    *string `json:"from"`
	Through *string `json:"through"`
}

func (p Period) wire() periodWire {
	var w periodWire
	if p.From != "" {
		w.From = &p.From
	}
	if p.Through != "" {
		w.Through = &p.Through
	}
	return w
}

// Add gives a mandate.
func (p *Paasuke) Add(ctx context.Context, as Actor, m NewMandate) error {
	type mandateWire struct {
		Role           string     `json:"role"`
		CanSubDelegate bool       `json:"canSubDelegate"`
		Period         periodWire `json:"validityPeriod"`
	}
	body := struct {
		Representee    Person              `json:"representee"`
		Delegate       Person              `json:"delegate"`
		Mandate        mandateWire         `json:"mandate"`
		Authorizations []authorizationWire `json:"authorizations"`
	}{m.Representee, m.Delegate, mandateWire{m.Role, m.CanSubDelegate, m.Period.wire()}, as.authorizations()}
	path := "/v1/representees/" + url.PathEscape(m.Representee.Identifier) + "/delegates/" + url.PathEscape(m.Delegate.Identifier) + "/mandates"
	return p.call(ctx, as, http.MethodPost, path, body, nil)
}

// PassOn gives a mandate's sub-delegate; link is the mandate's addSubDelegate.
func (p *Paasuke) PassOn(ctx context.Context, as Actor, link string, to Person, period Period) error {
	body := struct {
		SubDelegate    Person              `json:"subDelegate"`
		Period         periodWire          `json:"validityPeriod"`
		Authorizations []authorizationWire `json:"authorizations"`
	}{to, period.wire(), as.authorizations()}
	return p.call(ctx, as, http.MethodPost, link, body, nil)
}

// Withdraw ends a mandate for its representee; link is the mandate's delete. What ended with it is returned.
func (p *Paasuke) Withdraw(ctx context.Context, as Actor, link string) ([]Ended, error) {
	return p.end(ctx, as, link, "DELETE_WITHDRAW")
}

// Waive ends a mandate for its delegate; link is the mandate's delete. What ended with it is returned.
func (p *Paasuke) Waive(ctx context.Context, as Actor, link string) ([]Ended, error) {
	return p.end(ctx, as, link, "DELETE_WAIVE")
}

func (p *Paasuke) end(ctx context.Context, as Actor, link, action string) ([]Ended, error) {
	body := struct {
		Action         string              `json:"action"`
		Authorizations []authorizationWire `json:"authorizations"`
	}{action, as.authorizations()}
	var result struct {
		Ended []Ended `json:"deletedSubDelegatedMandates"`
	}
	err := p.call(ctx, as, http.MethodPut, link, body, &result)
	return result.Ended, err
}

// Role is what Pääsuke reads of a role's definition.
type Role struct {
	Code         string                      `json:"code"`
	Title        struct{ ET, EN, RU string } `json:"title"`
	SubDelegable string                      `json:"subDelegable"`
}

// Roles lists the roles that AT offers.
func (p *Paasuke) Roles(ctx context.Context) ([]Role, error) {
	var roles []Role
	err := p.call(ctx, Actor{}, http.MethodGet, "/v1/roles", nil, &roles)
	return roles, err
}

// call sends one request; a path is what follows the service's base. The error is a *PaasukeRefusal where somebody answered.
func (p *Paasuke) call(ctx context.Context, as Actor, method, path string, body, answer any) error {
	if !strings.HasPrefix(path, "/v1/") {
		return errors.New("there is no link for that")
	}
	r, err := p.request(ctx, as, method, path, body)
	if err != nil {
		return err
	}
	response, err := p.o.Transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("calling the mandates service: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to the end or given up
	got, err := io.ReadAll(io.LimitReader(response.Body, maxMessageBytes))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return paasukeRefusal(response, got)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("the answer is not what the definition says: %w", err)
	}
	return nil
}

func (p *Paasuke) request(ctx context.Context, as Actor, method, path string, body any) (*http.Request, error) {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(p.o.SecurityServer, "/")+restPrefix+encodedService(p.o.Service)+path, bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	c := p.o.Client
	r.Header.Set("X-Road-Client", strings.Join([]string{c.Instance, c.MemberClass, c.MemberCode, c.SubsystemCode}, "/"))
	r.Header.Set("X-Road-Id", p.o.NewID())
	r.Header.Set("Accept", "application/json")
	if as.User != "" {
		r.Header.Set("X-Road-UserId", as.User)
	}
	if as.Party != "" {
		r.Header.Set("X-Road-Represented-Party", url.PathEscape(as.Party))
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

func paasukeRefusal(response *http.Response, body []byte) error {
	e := &PaasukeRefusal{Status: response.StatusCode, Server: response.Header.Get("X-Road-Error")}
	if e.Server == "" {
		if err := json.Unmarshal(body, &e.Problems); err != nil {
			return fmt.Errorf("refused with %d, and not by a list of problems: %w", response.StatusCode, err)
		}
	}
	return e
}
