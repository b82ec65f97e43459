package mandate

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
)

// sent is a request with a body, as rest has it.
func sent(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

const (
	company = Identifier("EE10391131")
	juri    = Identifier("EE38302250123")
)

// whole is a body of addMandate with everything in it.
const whole = `{"representee":{"type":"LEGAL_PERSON","legalName":"Näidis OÜ","identifier":"EE10391131"},
"delegate":{"type":"NATURAL_PERSON","firstName":"Jüri","surname":"Juurikas","identifier":"EE38302250123"},
"mandate":{"role":"AT:ESINDAJA","canSubDelegate":true,"validityPeriod":{"from":"2028-01-01","through":"2030-12-31"}},
"authorizations":[{"userIdentifier":"EE49028099999","hasRole":"BR_REPRIGHT:SOLEREP"}],
"document":{"uuid":"5B72E01C-fa7f-479c-b014-cc19efe5b732","singleDelegate":true}}`

// readAdd reads addMandate as serve does.
func readAdd(body string) (Ask, error) {
	var w addWire
	if err := rest.DecodeOpen(sent(body), &w); err != nil {
		return Ask{}, err
	}
	return w.ask(company, juri)
}

// with is whole with parts of it replaced.
func with(t testing.TB, pairs ...string) string {
	t.Helper()
	for _, old := range pairs {
		if strings.HasPrefix(old, "=") {
			continue
		}
		require.Contains(t, whole, old)
	}
	for i, p := range pairs {
		pairs[i] = strings.TrimPrefix(p, "=")
	}
	return strings.NewReplacer(pairs...).Replace(whole)
}

func TestAddRead(t *testing.T) {
	full := Ask{
		Representee: Person{Kind: LegalPerson, Identifier: company, LegalName: "Näidis OÜ"},
		Delegate:    Person{Kind: NaturalPerson, Identifier: juri, FirstName: "Jüri", Surname: "Juurikas"},
		Role:        "AT:ESINDAJA", CanSubDelegate: true, Period: Period{From: "2028-01-01", Through: "2030-12-31"},
		Authorizations: []Authorization{{"EE49028099999", "BR_REPRIGHT:SOLEREP"}},
		Document:       Document{UUID: "5b72e01c-fa7f-479c-b014-cc19efe5b732", SingleDelegate: true},
	}
	for _, test := range []struct {
		name, body string
		change     func(a *Ask)
	}{
		{"everything", whole, func(*Ask) {}},
		{"nulls are absent", with(t, `"from":"2028-01-01","through":"2030-12-31"`, `="from":null,"through":null`, `"canSubDelegate":true`, `="canSubDelegate":null`, `{"uuid":"5B72E01C-fa7f-479c-b014-cc19efe5b732","singleDelegate":true}`, "=null"),
			func(a *Ask) { a.Period, a.CanSubDelegate, a.Document = Period{}, false, Document{} }},
		{"no period", with(t, `,"validityPeriod":{"from":"2028-01-01","through":"2030-12-31"}`, "="), func(a *Ask) { a.Period = Period{} }},
		{"hasRoles is hasRole", with(t, `"hasRole":`, `="hasRoles":`), func(*Ask) {}},
		{"hasRoles as a list", with(t, `"hasRole":"BR_REPRIGHT:SOLEREP"`, `="hasRoles":["a","b"],"hasRole":null`),
			func(a *Ask) { a.Authorizations = []Authorization{{"EE49028099999", "a"}, {"EE49028099999", "b"}} }},
		{"hasRoles null", with(t, `"hasRole":`, `="hasRoles":null,"hasRole":`), func(*Ask) {}},
		{"members added later", with(t, `"mandate":{`, `="mandate":{"colour":{"red":[1,null]},`), func(*Ask) {}},
		{"leap day", with(t, "2028-01-01", "=2028-02-29"), func(a *Ask) { a.Period.From = "2028-02-29" }},
	} {
		want := full
		test.change(&want)
		got, err := readAdd(test.body)
		require.NoError(t, err, test.name)
		require.Equal(t, want, got, test.name)
	}
}

func TestAddRefused(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"empty object", `{}`, "representee required, delegate required, mandate required"},
		{"null persons", with(t, `{"type":"LEGAL_PERSON","legalName":"Näidis OÜ","identifier":"EE10391131"}`, "=null"), "representee required"},
		{"person without type", with(t, `"type":"LEGAL_PERSON",`, "="), "representee.type required"},
		{"person of no kind", with(t, "LEGAL_PERSON", "=ROBOT"), "representee.type one-of"},
		{"person without identifier", with(t, `,"identifier":"EE10391131"`, "="), "representee.identifier required"},
		{"malformed identifier", with(t, "EE10391131", "=ee1"), "representee.identifier format"},
		{"another person than the path's", with(t, `"EE38302250123"`, `="EE38302250124"`), "delegate.identifier same-as-path"},
		{"no role", with(t, `"role":"AT:ESINDAJA",`, "="), "mandate.role required"},
		{"30 February", with(t, "2028-01-01", "=2026-02-30"), "mandate.validityPeriod.from date"},
		{"29 February of no leap year", with(t, "2030-12-31", "=2030-02-29"), "mandate.validityPeriod.through date"},
		{"date with time", with(t, "2028-01-01", "=2028-01-01T00:00:00Z"), "mandate.validityPeriod.from date"},
		{"year 0", with(t, "2028-01-01", "=0000-01-01"), "mandate.validityPeriod.from date"},
		{"empty date", with(t, "2028-01-01", "="), "mandate.validityPeriod.from date"},
		{"date with blanks", with(t, "2028-01-01", "= 2028-01-01"), "mandate.validityPeriod.from date"},
		{"Arabic digits", with(t, "2028-01-01", "=٢٠٢٨-٠١-٠١"), "mandate.validityPeriod.from date"},
		{"both dates", with(t, "2028-01-01", "=x", "2030-12-31", "=y"), "mandate.validityPeriod.from date, mandate.validityPeriod.through date"},
		{"authorization of nobody", with(t, "EE49028099999", "=49028099999"), "authorizations[0].userIdentifier format"},
		{"document without form", with(t, "5B72E01C-fa7f-479c-b014-cc19efe5b732", "=1"), "document.uuid format"},
		{"wrong types", with(t, `"canSubDelegate":true`, `="canSubDelegate":"true"`), "mandate.canSubDelegate type"},
		{"hasRole a number", with(t, `"BR_REPRIGHT:SOLEREP"`, "=7"), "authorizations[0].hasRole type"},
		{"hasRoles of numbers", with(t, `"hasRole":"BR_REPRIGHT:SOLEREP"`, `="hasRoles":[7]`), "authorizations[0].hasRoles format"},
	} {
		_, err := readAdd(test.body)
		var problem *rest.Problem
		require.ErrorAs(t, err, &problem, test.name)
		require.Equal(t, "malformed (400) "+test.want, problem.Error(), test.name)
	}
}

func TestEndRead(t *testing.T) {
	read := func(body string) (EndAsk, error) {
		var w endWire
		if err := rest.DecodeOpen(sent(body), &w); err != nil {
			return EndAsk{}, err
		}
		return w.ask(Place{1, 2, 3})
	}
	for action, how := range map[string]How{"DELETE_WITHDRAW": Withdrawn, "DELETE_WAIVE": Waived} {
		ask, err := read(`{"action":"` + action + `"}`)
		require.NoError(t, err)
		require.Equal(t, EndAsk{Place: Place{1, 2, 3}, How: how}, ask)
	}
	for _, body := range []string{`{"action":""}`, `{"action":"EDIT"}`, `{"action":"delete_waive"}`} {
		_, err := read(body)
		require.ErrorIs(t, err, errAction, body)
	}
	for _, body := range []string{`{}`, `{"action":null}`} {
		_, err := read(body)
		require.EqualError(t, err, "malformed (400) action required", body)
	}
}

// A key is read in the one way in which our links write it.
func TestKey(t *testing.T) {
	require.Equal(t, int64(12), key("12"))
	for _, s := range []string{"", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "0x1", "1e1", "٣", "9223372036854775808", "1/2", "../1", "1;DROP TABLE", "1%2F2"} {
		require.Zero(t, key(s), s)
	}
}

func TestNamespaces(t *testing.T) {
	for _, test := range []struct {
		asked []string
		path  string
		want  []string
	}{
		{nil, "", nil}, {[]string{""}, "", nil}, {[]string{"AT"}, "", []string{"AT"}}, {[]string{"A,AT", "B"}, "", []string{"A", "AT", "B"}},
		{nil, "AT", []string{"AT"}}, {[]string{"A", "AT"}, "AT", []string{"AT"}}, {[]string{"A"}, "AT", []string{}},
	} {
		require.Equal(t, test.want, namespaces(test.asked, test.path), "%v %s", test.asked, test.path)
	}
}

// Nothing is null on the wire: what is not known is absent.
func TestTripletsWithoutNulls(t *testing.T) {
	s, err := Settings{}.WithDefaults()
	require.NoError(t, err)
	bare := Triplet{Representee: Representee{ID: 1, Identifier: company}, Delegate: Delegate{ID: 2, Identifier: juri}, Mandates: []Mandate{{ID: 3, Role: "AVALDAJA"}}}
	bare.Mandates[0].Representee, bare.Mandates[0].Delegate = bare.Representee, bare.Delegate
	for want, list := range map[string][]Triplet{
		`[]`: nil,
		`[{"representee":{"type":"LEGAL_PERSON","identifier":"EE10391131"},"delegate":{"type":"NATURAL_PERSON","identifier":"EE38302250123"},"mandates":[{"role":"AT:AVALDAJA","subDelegable":false,` +
			`"links":{"delete":"/v1/representees/1/delegates/2/mandates/3","origin":"https://ametlikudteadaanded.ee/"}}]}]`: {bare},
	} {
		got, err := json.Marshal(s.wireTriplets(list, func(Mandate) bool { return false }))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	got, err := json.Marshal(wireDeleted(nil))
	require.NoError(t, err)
	require.Equal(t, `{}`, string(got))
	s.EmitNamespace = true
	require.Equal(t, "AT", s.wireMandate(bare.Mandates[0], false).Namespace)
}

// FuzzRead holds that whatever body comes, it is refused with a problem or read into what is well formed.
func FuzzRead(f *testing.F) {
	f.Add(whole)
	f.Add(`{"action":"DELETE_WAIVE","authorizations":null}`)
	f.Add(`{"subDelegate":{"type":"NATURAL_PERSON","identifier":"EE38302250123"},"validityPeriod":{"through":"2026-02-30"}}`)
	f.Add(`{"authorizations":[{"userIdentifier":"EE1","hasRoles":["a",null]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		check := func(err error) bool {
			var problem *rest.Problem
			if err != nil {
				require.True(t, errors.As(err, &problem) || errors.Is(err, errAction), "%v", err)
			}
			return err == nil
		}
		grounds := func(authorizations []Authorization, document Document) {
			for _, a := range authorizations {
				if _, err := ParseIdentifier(string(a.User)); a.User != "" {
					require.NoError(t, err)
				}
			}
			require.True(t, document.UUID == "" || uuidForm.MatchString(document.UUID))
		}
		if ask, err := readAdd(body); check(err) {
			require.Equal(t, company, ask.Representee.Identifier)
			require.Equal(t, juri, ask.Delegate.Identifier)
			grounds(ask.Authorizations, ask.Document)
		}
		var p passOnWire
		if rest.DecodeOpen(sent(body), &p) == nil {
			if ask, err := p.ask(Place{1, 2, 3}); check(err) {
				_, err := ParseIdentifier(string(ask.SubDelegate.Identifier))
				require.NoError(t, err)
				grounds(ask.Authorizations, ask.Document)
			}
		}
		var e endWire
		if rest.DecodeOpen(sent(body), &e) == nil {
			_, err := e.ask(Place{1, 2, 3})
			check(err)
		}
	})
}
