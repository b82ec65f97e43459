package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/openapi"
	"ametlikudteadaanded.ee/adapter/openapi/openapitest"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// paasukeClient is the simulated Pääsuke's subsystem, as a header field.
const paasukeClient = "ee-dev/GOV/70006317/paasuke"

// The people of these tests, in Pääsuke's own example codes.
const (
	board = "EE60001019906" // may act for every company by the register
	juri  = "EE38302250123"
	anu   = "EE49028099999"
	tiit  = "EE39912310123"
)

// wire is the running program's mandates services, watched by our description and by the public one.
type wire struct {
	program *Program
	world   *simulator.World
	base    string
	client  http.Client
	plain   http.Client // unwatched, for the links of before 0.9.1, which are described nowhere
	checker *openapitest.Checker
	public  *openapitest.Checker
	ids     int
}

func newWire(t testing.TB, change func(*Settings)) *wire {
	t.Helper()
	program, world := running(t, simulator.Options{}, change)
	w := &wire{program: program, world: world, base: "http://" + program.Address("xroad"),
		checker: openapitest.NewAt(t, paasukePath, openapi.Paasuke()), public: openapitest.PublicPaasuke(t, paasukePath+"/v1")}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	w.plain = http.Client{Transport: transport}
	w.client = http.Client{Transport: w.checker.Transport(w.public.Transport(transport))}
	return w
}

// call is one request of Pääsuke's.
type call struct {
	method, path, body string
	user, party        string // "": the field is absent
	fields             []string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *wire) ask(t testing.TB, c call) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, w.base+paasukePath+c.path, strings.NewReader(c.body))
	require.NoError(t, err)
	w.ids++
	r.Header = http.Header{"X-Road-Client": {paasukeClient}, "X-Road-Id": {fmt.Sprintf("test-%d", w.ids)}}
	if c.user != "" {
		r.Header.Set("X-Road-UserId", c.user)
	}
	if c.party != "" {
		r.Header.Set("X-Road-Represented-Party", c.party)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(c.fields); i += 2 {
		r.Header.Set(c.fields[i], c.fields[i+1])
	}
	client := &w.client
	if strings.Contains(c.path, "/nss/") {
		client = &w.plain
	}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for name := range response.Header {
		require.False(t, strings.HasPrefix(name, "X-Road-"), name)
	}
	require.NotContains(t, string(body), "null")
	return answer{response.StatusCode, response.Header, string(body)}
}

// shown is an answer in one word: its status, and of an error the problems' types and fields.
func (a answer) shown(t testing.TB) string {
	t.Helper()
	if a.status < 400 {
		return fmt.Sprint(a.status)
	}
	var list []rest.ListedProblem
	require.NoError(t, json.Unmarshal([]byte(a.body), &list), a.body)
	words := []string{fmt.Sprint(a.status)}
	for _, p := range list {
		require.Equal(t, a.status, p.Status)
		require.NotEmpty(t, p.Translation.ET)
		require.NotEmpty(t, p.Translation.EN)
		require.NotEmpty(t, p.Translation.RU)
		_, said, _ := strings.Cut(p.Title, ": ")
		field, _, _ := strings.Cut(said, " ")
		words = append(words, strings.TrimSpace(strings.TrimPrefix(p.Type, "urn:problem-type:ee.ametlikudteadaanded:")+" "+field))
	}
	return strings.Join(words, ", ")
}

// list asks for a list and returns it, the mandates' count with it.
func (w *wire) list(t testing.TB, path string, fields ...string) ([]simulator.Triplet, int) {
	t.Helper()
	a := w.ask(t, call{method: "GET", path: path, fields: fields})
	require.Equal(t, 200, a.status, a.body)
	var list []simulator.Triplet
	require.NoError(t, json.Unmarshal([]byte(a.body), &list))
	n := 0
	for _, triplet := range list {
		n += len(triplet.Mandates)
	}
	return list, n
}

func givenBy(representee string) string {
	return "/v1/representees/" + representee + "/delegates/mandates"
}
func heldBy(delegate string) string { return "/v1/delegates/" + delegate + "/representees/mandates" }

// link is where the delegate's mandate n of the representee is ended.
func (w *wire) link(t testing.TB, representee, delegate string, n int) string {
	t.Helper()
	list, _ := w.list(t, givenBy(representee)+"?delegate="+delegate)
	for _, triplet := range list {
		if n < len(triplet.Mandates) {
			return triplet.Mandates[n].Links.Delete
		}
		n -= len(triplet.Mandates)
	}
	t.Fatalf("%s has no mandate %d of %s", delegate, n, representee)
	return ""
}

// addBody is addMandate's, with an authorization of the board.
func addBody(representee, delegate, role, period string) string {
	return fmt.Sprintf(`{"representee":{"type":"LEGAL_PERSON","legalName":"Näidis OÜ","identifier":%q},"delegate":{"type":"NATURAL_PERSON","firstName":"Jüri","surname":"Juurikas","identifier":%q},`+
		`"mandate":{"role":%q,"canSubDelegate":%t,"validityPeriod":{%s}},"authorizations":[{"userIdentifier":%q,"hasRole":"BR_REPRIGHT:SOLEREP"}]}`,
		representee, delegate, role, role == "AT:ESINDAJA", period, board)
}

// add is the board giving a mandate.
func add(representee, delegate, role, period string) call {
	return call{method: "POST", path: "/v1/representees/" + representee + "/delegates/" + delegate + "/mandates", body: addBody(representee, delegate, role, period), user: board, party: representee}
}

// passedOn is a person passing on what he has.
func passedOn(link, from, to, period string) call {
	return call{method: "POST", path: link + "/subdelegates", user: from,
		body: fmt.Sprintf(`{"subDelegate":{"type":"NATURAL_PERSON","firstName":"Anu","surname":"Näidis","identifier":%q},"validityPeriod":{%s}}`, to, period)}
}

// end is a person ending a mandate; for a company the register's right goes along.
func end(link, action, user, party string) call {
	return call{method: "PUT", path: link, user: user, party: party,
		body: fmt.Sprintf(`{"action":%q,"authorizations":[{"userIdentifier":%q,"hasRole":"BR_REPRIGHT:SOLEREP"}]}`, action, board)}
}

func (w *wire) must(t testing.TB, want string, c call) answer {
	t.Helper()
	a := w.ask(t, c)
	require.Equal(t, want, a.shown(t), a.body)
	return a
}

// today is the Estonian day.
func today() string { return string(mandate.DateOf(time.Now())) }

var instanceForm = regexp.MustCompile(`urn:uuid:[0-9a-f-]{36}`)

// Each operation, as it is on the wire: testdata/paasuke has the exchanges, one a file, read in their order.
func TestPaasukeExchanges(t *testing.T) {
	w := newWire(t, func(s *Settings) { s.Paasuke.Problems = "https://ametlikudteadaanded.example.ee/probleemid" })
	const company = "EE10391131"
	future := `"from":"2098-01-01","through":"2098-12-31"`
	for i, step := range []struct {
		name string
		call
	}{
		{"byRepresentee-nobody", call{method: "GET", path: givenBy(company), user: board, party: company}},
		{"add", add(company, juri, "AT:ESINDAJA", `"from":null,"through":"2099-12-31"`)},
		{"add-future", add(company, juri, "AT:AVALDAJA", future)},
		{"byRepresentee", call{method: "GET", path: givenBy(company), user: board, party: company}},
		{"byDelegate", call{method: "GET", path: heldBy(juri), user: juri}},
		{"byDelegate-background", call{method: "GET", path: heldBy(juri)}},
		{"add-overlap", add(company, juri, "AT:AVALDAJA", `"from":"2098-12-31"`)},
		{"passOn", passedOn("/v1/representees/1/delegates/1/mandates/1", juri, anu, `"through":"2099-06-30"`)},
		{"byRepresentee-subDelegatedBy", call{method: "GET", path: givenBy(company) + "?subDelegatedBy=" + juri + "&ns=AT&ns=OTHER", user: board, party: company}},
		{"byRepresentee-otherNamespace", call{method: "GET", path: givenBy(company) + "?ns=EMTA,PRIA", user: board, party: company}},
		{"byRepresentee-oldLink", call{method: "GET", path: strings.Replace(givenBy(company), "/v1/", "/v1/nss/AT/", 1), user: board, party: company}},
		{"byRepresentee-EU", call{method: "GET", path: givenBy(company), user: "PT12345678", party: company}},
		{"end-action", end("/v1/representees/1/delegates/1/mandates/1", "EXTEND", board, company)},
		{"end-withdraw", end("/v1/representees/1/delegates/1/mandates/1", "DELETE_WITHDRAW", board, company)},
		{"end-again", end("/v1/representees/1/delegates/1/mandates/1", "DELETE_WITHDRAW", board, company)},
		{"end-waive", end("/v1/nss/AT/representees/1/delegates/1/mandates/2", "DELETE_WAIVE", juri, "")},
		{"add-malformed", call{method: "POST", path: "/v1/representees/" + company + "/delegates/" + juri + "/mandates", user: board, party: company,
			body: `{"representee":{"type":"LEGAL_PERSON","identifier":"EE1"},"delegate":null,"mandate":{"role":"AT:ESINDAJA","validityPeriod":{"from":"2026-02-30"}}}`}},
		{"add-types", call{method: "POST", path: "/v1/representees/" + company + "/delegates/" + juri + "/mandates", user: board, party: company, body: `{"representee":[],"mandate":{"role":7}}`}},
		{"roles", call{method: "GET", path: "/v1/roles"}},
	} {
		a := w.ask(t, step.call)
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s\nX-Road-UserId: %s\nX-Road-Represented-Party: %s\n\n%s\n\n----\n%d %s\n\n", step.method, step.path, step.user, step.party, indented(step.body), a.status, a.header.Get("Content-Type"))
		b.WriteString(strings.ReplaceAll(instanceForm.ReplaceAllString(indented(a.body), "urn:uuid:00000000-0000-4000-8000-000000000000"), today(), "TODAY"))
		file := filepath.Join("testdata", "paasuke", fmt.Sprintf("%02d-%s.txt", i+1, step.name))
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
			continue
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), b.String(), file)
	}
	require.Empty(t, w.checker.Unseen())
	require.Empty(t, w.public.Unseen())

	since := w.ask(t, call{method: "GET", path: "/v1/roles"}).header.Get("Last-Modified")
	at, err := http.ParseTime(since)
	require.NoError(t, err)
	for _, asked := range []string{since, at.Format(time.RFC3339), at.In(time.FixedZone("", 7200)).Format(time.RFC3339)} {
		a := w.ask(t, call{method: "GET", path: "/v1/roles", fields: []string{"If-Modified-Since", asked}})
		require.Equal(t, 304, a.status, asked)
		require.Empty(t, a.header.Values("Content-Length"))
		require.Empty(t, a.body)
	}
	require.Equal(t, 200, w.ask(t, call{method: "GET", path: "/v1/roles", fields: []string{"If-Modified-Since", at.Add(-time.Second).Format(http.TimeFormat)}}).status)
}

func indented(body string) string {
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	var raw = json.RawMessage(body)
	text, err := json.MarshalIndent(raw, "", "  ")
	if err != nil {
		return body
	}
	return string(text)
}

// The roles that the command prints are those that are answered.
func TestMandateRoles(t *testing.T) {
	w := newWire(t, nil)
	settings, err := w.program.settings.mandateSettings()
	require.NoError(t, err)
	printed, err := json.Marshal(settings.RoleDefinitions())
	require.NoError(t, err)
	require.JSONEq(t, string(printed), w.ask(t, call{method: "GET", path: "/v1/roles"}).body)
	require.JSONEq(t, `[]`, w.ask(t, call{method: "GET", path: "/v1/nss/EMTA/roles"}).body)
}

// More than 100 mandates of a pair come in further triplets of the pair, in the order of their keys (AT-PAASUKE-009).
func TestPaasukeManyMandates(t *testing.T) {
	w := newWire(t, nil)
	const company = "EE11065244"
	for i := range 130 {
		day := time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i).Format(time.DateOnly)
		w.must(t, "201", add(company, juri, "AT:AVALDAJA", fmt.Sprintf(`"from":%q,"through":%q`, day, day)))
	}
	w.must(t, "201", add(company, anu, "AT:AVALDAJA", `"through":"2099-12-31"`))
	for _, path := range []string{givenBy(company), heldBy(juri)} {
		list, _ := w.list(t, path)
		require.Len(t, list[0].Mandates, 100)
		require.Len(t, list[1].Mandates, 30)
		require.Equal(t, list[0].Representee, list[1].Representee)
		require.Equal(t, list[0].Delegate, list[1].Delegate)
		var days []string
		for _, triplet := range list[:2] {
			for _, m := range triplet.Mandates {
				days = append(days, m.Period.From)
			}
		}
		require.IsIncreasing(t, days)
	}
	list, n := w.list(t, givenBy(company))
	require.Len(t, list, 3)
	require.Equal(t, 131, n)
}

// Without a list of clients nobody changes anything; the lists are still answered (design §8).
func TestPaasukeWithoutList(t *testing.T) {
	w := newWire(t, func(s *Settings) { s.Paasuke.AllowedClients = nil })
	w.must(t, "403, forbidden The", add("EE10391131", juri, "AT:ESINDAJA", ""))
	w.must(t, "403, forbidden The", end("/v1/representees/1/delegates/1/mandates/1", "DELETE_WAIVE", juri, ""))
	w.must(t, "403, forbidden The", passedOn("/v1/representees/1/delegates/1/mandates/1", juri, anu, ""))
	_, n := w.list(t, givenBy("EE10391131"))
	require.Zero(t, n)

	listed := newWire(t, func(s *Settings) { s.Paasuke.AllowedClients = []string{"ee-dev/GOV/70006317/other"} })
	listed.must(t, "403, forbidden This", call{method: "GET", path: givenBy("EE10391131")})
}

// The description that a security server reads, without any X-Road header.
func TestPaasukeDescriptionIsServed(t *testing.T) {
	program, _ := running(t, simulator.Options{}, nil)
	for path, want := range map[string][]byte{"/paasuke/openapi.yaml": openapi.Paasuke(), "/paasuke/openapi.json": openapi.PaasukeJSON()} {
		response, err := http.Get("http://" + program.Address("xroad") + path)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, 200, response.StatusCode)
		require.Equal(t, string(want), string(body))
	}
}

// Whoever writes fields of X-Road's twice, or may not do what he asks, stands in the security log; and no log line names a person, whose
// codes are in paths, fields and bodies (NA-94).
func TestPaasukeLogs(t *testing.T) {
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	var log lockedBuffer
	program, err := Start(t.Context(), demoSettings(world, t.TempDir()), newLogger(&log, slog.LevelDebug), Watch{})
	require.NoError(t, err)
	w := &wire{program: program, base: "http://" + program.Address("xroad"), checker: openapitest.NewAt(t, paasukePath, openapi.Paasuke())}
	const company = "EE10391131"
	w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
	w.must(t, "403, represented-party X-Road-Represented-Party", add(company, anu, "AT:ESINDAJA", "").by(tiit, ""))
	w.must(t, "404, not-found There", call{method: "GET", path: "/v1/persons/" + juri})
	w.must(t, "400, format delegate", call{method: "GET", path: givenBy(company) + "?delegate=" + strings.ToLower(juri)})
	require.Equal(t, "400, duplicate X-Road-Client", attackWithBytes(t, program.Address("xroad"), get("/v1/roles", "+X-Road-Client: ee-dev/GOV/70006317/other")))
	require.Eventually(t, func() bool { // also a row of the security log, with where it came from
		rows, err := program.store.SecurityEvents(t.Context(), 50)
		return err == nil && slices.ContainsFunc(rows, func(e security.Event) bool {
			return e.Kind == security.HeaderForged && e.Address == "127.0.0.1" && e.Detail == "field: X-Road-Client" && e.RequestID != ""
		})
	}, patience, 10*time.Millisecond)
	require.NoError(t, program.Stop())

	lines := log.String()
	for _, part := range []string{`"msg":"header field sent twice"`, `"msg":"access refused"`, `"route":"(no operation)"`, "addMandate"} {
		require.Contains(t, lines, part)
	}
	for _, code := range []string{board, juri, anu, tiit} {
		require.NotContains(t, strings.ToUpper(lines), strings.TrimPrefix(code, "EE"))
	}
}

// by is the call by somebody else.
func (c call) by(user, party string) call {
	c.user, c.party = user, party
	return c
}

// A failure of ours is 503 with a list of problems: 500 is the security server's (X-Road §6.5).
func TestPaasukeFailure(t *testing.T) {
	w := newWire(t, nil)
	require.NoError(t, w.program.store.Close())
	a := w.ask(t, call{method: "GET", path: givenBy("EE10391131")})
	require.Equal(t, 503, a.status)
	require.Contains(t, a.shown(t), "503, ")
	require.NotContains(t, a.body, "sql")
	a = w.ask(t, add("EE10391131", juri, "AT:ESINDAJA", ""))
	require.Equal(t, 503, a.status)
}
