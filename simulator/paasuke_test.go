package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

// mandates is a service that keeps what it was asked and answers by the public definition: one mandate between the page's people.
type mandates struct {
	mu    sync.Mutex
	asked []string // method, path, user, party
	body  string
	wrong bool // refuses changes
}

const oneMandate = `[{"representee":{"type":"LEGAL_PERSON","legalName":"Väikefirma <b>OÜ","identifier":"EE10391131"},
"delegate":{"type":"NATURAL_PERSON","firstName":"Jüri","surname":"Juurikas","identifier":"EE38302250123"},
"mandates":[{"role":"AT:ESINDAJA","subDelegable":true,"validityPeriod":{"from":"2027-03-01"},
"subDelegator":{"type":"NATURAL_PERSON","firstName":"Anu","surname":"Näidis","identifier":"EE49028099999"},
"links":{"delete":"/v1/representees/1/delegates/2/mandates/3","addSubDelegate":"/v1/representees/1/delegates/2/mandates/3/subdelegates","origin":"https://at.example.ee/"}}]}]`

func (m *mandates) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, strings.Join([]string{r.Method, r.URL.EscapedPath(), r.Header.Get("X-Road-UserId"), r.Header.Get("X-Road-Represented-Party")}, " "))
	if len(body) > 0 {
		m.body = string(body)
	}
	switch {
	case m.wrong && r.Method != http.MethodGet:
		w.WriteHeader(422)
		_, _ = io.WriteString(w, `[{"type":"urn:x:overlap","title":"Refused: role overlaps","translation":{"et":"Juba olemas.","en":"There already."},"instance":"urn:uuid:1"}]`)
	case r.Method == http.MethodPost:
		w.WriteHeader(201)
		_, _ = io.WriteString(w, `[]`)
	case r.Method == http.MethodPut:
		_, _ = io.WriteString(w, `{"deletedSubDelegatedMandates":[{"subDelegate":{"type":"NATURAL_PERSON","firstName":"Anu","surname":"Näidis","identifier":"EE49028099999"}}]}`)
	case strings.HasSuffix(r.URL.Path, "/roles"):
		_, _ = io.WriteString(w, `[{"code":"AT:ESINDAJA","title":{"et":"Esindaja","en":"Representative"},"subDelegable":"ASK"}]`)
	default:
		_, _ = io.WriteString(w, oneMandate)
	}
}

// last is the last request that was no GET.
func (m *mandates) last() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.asked) - 1; i >= 0; i-- {
		if !strings.HasPrefix(m.asked[i], "GET") {
			return m.asked[i]
		}
	}
	return ""
}

func paasukeWorld(t testing.TB) (*simulator.World, *mandates) {
	t.Helper()
	w := worldOverSockets(t, simulator.Options{})
	m := &mandates{}
	service := httptest.NewServer(m)
	t.Cleanup(service.Close)
	w.Attach(simulator.AdapterAddresses{EMTA: service.URL, Core: service.URL, Mandates: service.URL + "/paasuke"})
	return w, m
}

// Every call goes through the security server, in the words of the public definition.
func TestPaasukeCalls(t *testing.T) {
	w, m := paasukeWorld(t)
	ctx, company, person := t.Context(), simulator.Views()[0], simulator.Views()[2]
	link := "/v1/representees/1/delegates/2/mandates/3"

	given, err := w.Paasuke.Given(ctx, company.Actor, "EE10391131")
	require.NoError(t, err)
	require.Equal(t, "Jüri Juurikas", given[0].Delegate.Name())
	require.Equal(t, simulator.Period{From: "2027-03-01"}, given[0].Mandates[0].Period)
	require.Equal(t, "GET /paasuke/v1/representees/EE10391131/delegates/mandates EE60001019906 EE10391131", m.asked[0])

	_, err = w.Paasuke.Held(ctx, simulator.Actor{}, "PT/1")
	require.NoError(t, err)
	require.Equal(t, "GET /paasuke/v1/delegates/PT%2F1/representees/mandates  ", m.asked[1])

	require.NoError(t, w.Paasuke.Add(ctx, company.Actor, simulator.NewMandate{Representee: company.Self, Delegate: person.Self, Role: "AT:ESINDAJA",
		CanSubDelegate: true, Period: simulator.Period{Through: "2027-12-31"}}))
	require.Equal(t, "POST /paasuke/v1/representees/EE10391131/delegates/EE38302250123/mandates EE60001019906 EE10391131", m.last())
	require.JSONEq(t, `{"representee":{"type":"LEGAL_PERSON","legalName":"Väikefirma Näidis OÜ","identifier":"EE10391131"},
		"delegate":{"type":"NATURAL_PERSON","firstName":"Jüri","surname":"Juurikas","identifier":"EE38302250123"},
		"mandate":{"role":"AT:ESINDAJA","canSubDelegate":true,"validityPeriod":{"from":null,"through":"2027-12-31"}},
		"authorizations":[{"userIdentifier":"EE60001019906","hasRole":"BR_REPRIGHT:SOLEREP"}]}`, m.body)

	require.NoError(t, w.Paasuke.PassOn(ctx, person.Actor, link+"/subdelegates", simulator.Views()[3].Self, simulator.Period{}))
	require.Equal(t, "POST /paasuke"+link+"/subdelegates EE38302250123 ", m.last())
	ended, err := w.Paasuke.Withdraw(ctx, company.Actor, link)
	require.NoError(t, err)
	require.Equal(t, "Anu Näidis", ended[0].SubDelegate.Name())
	require.Contains(t, m.body, `"action":"DELETE_WITHDRAW"`)
	_, err = w.Paasuke.Waive(ctx, person.Actor, link)
	require.NoError(t, err)
	require.Contains(t, m.body, `"action":"DELETE_WAIVE"`)
	require.Equal(t, "PUT /paasuke"+link+" EE38302250123 ", m.last())
	roles, err := w.Paasuke.Roles(ctx)
	require.NoError(t, err)
	require.Equal(t, "Esindaja", roles[0].Title.ET)

	_, err = w.Paasuke.Withdraw(ctx, company.Actor, "")
	require.ErrorContains(t, err, "no link")
}

// What Pääsuke sends is valid by the definition's own examples of persons and periods; what comes back as an error is told.
func TestPaasukeIsRefused(t *testing.T) {
	w, m := paasukeWorld(t)
	m.wrong = true
	_, err := w.Paasuke.Waive(t.Context(), simulator.Actor{}, "/v1/x")
	var refused *simulator.PaasukeRefusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 422, refused.Status)
	require.Equal(t, "Juba olemas.", refused.Shown("et"))
	require.Equal(t, "There already.", refused.Shown("en"))
	require.ErrorContains(t, err, "overlaps")

	unattached := worldOverSockets(t, simulator.Options{})
	_, err = unattached.Paasuke.Roles(t.Context())
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "Server.ServerProxy.UnknownService", refused.Server)
}

func TestPaasukePage(t *testing.T) {
	w, m := paasukeWorld(t)
	page := strings.TrimSuffix(w.PaasukeURL(), "/")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(path string) string {
		answer, err := client.Get(page + path)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, 200, answer.StatusCode)
		return string(body)
	}
	shown := get("/")
	for _, part := range []string{`<html lang="en">`, "Mandates given", "Väikefirma &lt;b&gt;OÜ", "Jüri Juurikas", "AT:ESINDAJA", "2027-03-01 – open-ended", "Anu Näidis",
		`value="/v1/representees/1/delegates/2/mandates/3"`, `action="/waive"`, `action="/pass-on"`, "Representative"} {
		require.Contains(t, shown, part)
	}
	require.Contains(t, get("/?language=et&as=Anu+N%C3%A4idis"), "Saadud volitused")

	form := url.Values{"as": {"Mari Näidis, Väikefirma Näidis OÜ"}, "language": {"et"}, "link": {"/v1/representees/1/delegates/2/mandates/3"},
		"identifier": {"EE49028099999"}, "firstName": {"Anu"}, "surname": {"Näidis"}, "role": {"AT:ESINDAJA"}, "from": {"2027-03-02"}, "through": {""}}
	press := func(button string) (*http.Response, string) {
		answer, err := client.PostForm(page+button, form)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer, string(body)
	}
	for button, request := range map[string]string{
		"/add": "POST /paasuke/v1/representees/EE10391131/delegates/EE49028099999/mandates", "/withdraw": "PUT /paasuke/v1/representees/1/delegates/2/mandates/3 ",
		"/waive": "PUT /paasuke/v1/representees/1/delegates/2/mandates/3 ", "/pass-on": "POST /paasuke/v1/representees/1/delegates/2/mandates/3/subdelegates",
	} {
		if button == "/pass-on" {
			form.Set("link", form.Get("link")+"/subdelegates")
		}
		answer, _ := press(button)
		require.Equal(t, 303, answer.StatusCode, button)
		require.Contains(t, m.last(), request, button)
		form.Set("link", strings.TrimSuffix(form.Get("link"), "/subdelegates"))
		if button == "/withdraw" {
			require.Contains(t, get(answer.Header.Get("Location")), "Koos sellega lõppes edasivolitus: Anu Näidis.")
		}
	}
	m.wrong = true
	answer, body := press("/add")
	require.Equal(t, 200, answer.StatusCode)
	require.Contains(t, body, "Juba olemas.")

	// Pages of other sites cannot press buttons.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+"/withdraw", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err = client.Do(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 403, answer.StatusCode)
}

// The simulator's own words are those of the definition.
func TestPaasukeWordsAreTheDefinitions(t *testing.T) {
	raw, err := os.ReadFile("../openapi/openapitest/public/paasuke-1.0.0.json")
	require.NoError(t, err)
	var d struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]json.RawMessage }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &d))
	for schema, v := range map[string]any{"Person": simulator.Person{FirstName: "a", Surname: "b", LegalName: "c"}, "ValidityPeriod": simulator.Period{From: "a", Through: "b"}} {
		written, err := json.Marshal(v)
		require.NoError(t, err)
		var members map[string]any
		require.NoError(t, json.Unmarshal(written, &members))
		for name := range members {
			require.Contains(t, d.Components.Schemas[schema].Properties, name, schema)
		}
	}
}
