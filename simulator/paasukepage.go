package simulator

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
)

// View is somebody whom Pääsuke's page can be looked at as.
type View struct {
	Who   string // as the page names the choice
	Actor Actor
	Self  Person // the party: whose mandates are shown
}

// Roles of the registers that the page's people have.
const (
	soleRepresentative = "BR_REPRIGHT:SOLEREP"
	actsForOneself     = "NAT_REPRIGHT:SOLEREP"
)

// Views are the invented people of the page, in Pääsuke's own example codes: two companies' boards, and persons for themselves.
func Views() []View {
	company := func(who, user, name, code string) View {
		return View{Who: who + ", " + name, Actor: Actor{User: user, Party: code, Right: soleRepresentative}, Self: Person{Type: "LEGAL_PERSON", LegalName: name, Identifier: code}}
	}
	person := func(first, surname, code string) View {
		return View{Who: first + " " + surname, Actor: Actor{User: code, Right: actsForOneself},
			Self: Person{Type: "NATURAL_PERSON", FirstName: first, Surname: surname, Identifier: code}}
	}
	return []View{
		company("Mari Näidis", "EE60001019906", "Väikefirma Näidis OÜ", "EE10391131"),
		company("Tiit Näidis", "EE39912310123", "Suurfirma Näidis AS", "EE12345678"),
		person("Jüri", "Juurikas", "EE38302250123"),
		person("Anu", "Näidis", "EE49028099999"),
		person("Mari", "Näidis", "EE60001019906"),
	}
}

type paasukeTexts struct {
	Language, Other, OtherName, Title, As, Given, Held, Nothing, Delegate, Representee, Role, Period, By, Withdraw, Waive, PassOn, Add, Identifier, First, Surname, From,
	Through, CanPassOn, Open, Refused, Done, EndedToo, Note, Show string
}

var paasukeEstonian = paasukeTexts{
	Language: "et", Other: "en", OtherName: "In English", Title: "Volitused", As: "Tegutsen", Given: "Antud volitused", Held: "Saadud volitused", Nothing: "Volitusi ei ole.",
	Delegate: "Volitatu", Representee: "Volitaja", Role: "Roll", Period: "Kehtib", By: "Edasi volitas", Withdraw: "Võta tagasi", Waive: "Loobu", PassOn: "Volita edasi",
	Add: "Lisa volitus", Identifier: "Isikukood", First: "Eesnimi", Surname: "Perekonnanimi", From: "Alates", Through: "Kuni", CanPassOn: "võib edasi volitada", Open: "tähtajatu",
	Refused: "Ei õnnestunud", Done: "Tehtud.", EndedToo: "Koos sellega lõppes edasivolitus", Show: "Näita",
	Note: "See on Pääsukese jäljendus. Isikud on välja mõeldud.",
}

var paasukeEnglish = paasukeTexts{
	Language: "en", Other: "et", OtherName: "Eesti keeles", Title: "Mandates", As: "Acting as", Given: "Mandates given", Held: "Mandates held", Nothing: "There are none.",
	Delegate: "Delegate", Representee: "Representee", Role: "Role", Period: "Valid", By: "Passed on by", Withdraw: "Withdraw", Waive: "Waive", PassOn: "Pass on",
	Add: "Give a mandate", Identifier: "Personal code", First: "First name", Surname: "Surname", From: "From", Through: "Through", CanPassOn: "may be passed on", Open: "open-ended",
	Refused: "It was refused", Done: "Done.", EndedToo: "With it ended what was passed on to", Show: "Show",
	Note: "This is a simulation of Pääsuke. The persons are invented.",
}

// PageHandler serves a page as of eesti.ee: GET / shows the mandates of one of the Views, its buttons are POSTs. Pages of other sites
// cannot press them.
func (p *Paasuke) PageHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.showPage)
	mux.HandleFunc("POST /add", p.pageMove(func(r *http.Request, v View) ([]Ended, error) {
		return nil, p.Add(r.Context(), v.Actor, NewMandate{Representee: v.Self, Delegate: personOf(r), Role: r.PostFormValue("role"),
			CanSubDelegate: r.PostFormValue("canSubDelegate") != "", Period: periodOf(r)})
	}))
	mux.HandleFunc("POST /withdraw", p.pageMove(func(r *http.Request, v View) ([]Ended, error) {
		return p.Withdraw(r.Context(), v.Actor, r.PostFormValue("link"))
	}))
	mux.HandleFunc("POST /waive", p.pageMove(func(r *http.Request, v View) ([]Ended, error) {
		return p.Waive(r.Context(), v.Actor, r.PostFormValue("link"))
	}))
	mux.HandleFunc("POST /pass-on", p.pageMove(func(r *http.Request, v View) ([]Ended, error) {
		return nil, p.PassOn(r.Context(), v.Actor, r.PostFormValue("link"), personOf(r), periodOf(r))
	}))
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, maxFormBytes))
}

// maxFormBytes is far above the page's largest form.
const maxFormBytes = 16 << 10

func personOf(r *http.Request) Person {
	return Person{Type: "NATURAL_PERSON", FirstName: r.PostFormValue("firstName"), Surname: r.PostFormValue("surname"), Identifier: r.PostFormValue("identifier")}
}

func periodOf(r *http.Request) Period {
	return Period{From: r.PostFormValue("from"), Through: r.PostFormValue("through")}
}

type paasukePage struct {
	Text        paasukeTexts
	Views       []View
	Chosen      int
	View        View
	Given, Held []Triplet
	Roles       []Role
	Refused     string   // what a person reads
	Reason      string   // what an engineer does
	Instance    string   // the problem's
	Done        bool     // a move was made
	EndedToo    []string // names of those whose mandates ended with another
}

// viewOf is the view that the request names, the first if none.
func viewOf(r *http.Request) (int, View) {
	views := Views()
	i := slices.IndexFunc(views, func(v View) bool { return v.Who == r.FormValue("as") })
	i = max(i, 0)
	return i, views[i]
}

func (p *Paasuke) showPage(w http.ResponseWriter, r *http.Request) {
	p.page(w, r, paasukePage{Done: r.FormValue("done") != "", EndedToo: r.Form["ended"]}, nil)
}

// page asks for what the view has and shows it.
func (p *Paasuke) page(w http.ResponseWriter, r *http.Request, page paasukePage, failed error) {
	page.Text = paasukeEnglish
	if r.FormValue("language") == "et" {
		page.Text = paasukeEstonian
	}
	page.Views = Views()
	page.Chosen, page.View = viewOf(r)
	var errs [3]error
	page.Given, errs[0] = p.Given(r.Context(), page.View.Actor, page.View.Self.Identifier)
	page.Held, errs[1] = p.Held(r.Context(), page.View.Actor, page.View.Self.Identifier)
	page.Roles, errs[2] = p.Roles(r.Context())
	for _, err := range append([]error{failed}, errs[:]...) {
		if err != nil {
			page.refuse(err)
			break
		}
	}
	show(w, "paasuke.html", page)
}

func (page *paasukePage) refuse(err error) {
	page.Refused, page.Reason = err.Error(), err.Error()
	var refused *PaasukeRefusal
	if !errors.As(err, &refused) {
		return
	}
	page.Refused = refused.Shown(page.Text.Language)
	if len(refused.Problems) > 0 {
		page.Instance = refused.Problems[0].Instance
	}
}

func (p *Paasuke) pageMove(move func(r *http.Request, v View) ([]Ended, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, view := viewOf(r)
		ended, err := move(r, view)
		if err != nil {
			p.page(w, r, paasukePage{}, err)
			return
		}
		back := url.Values{"as": {view.Who}, "language": {r.FormValue("language")}, "done": {"1"}}
		for _, e := range ended {
			back.Add("ended", e.SubDelegate.Name())
		}
		http.Redirect(w, r, "/?"+back.Encode(), http.StatusSeeOther)
	}
}
