package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// paasukeRule is one rule as Pääsuke sees it. Each row has a company of its own.
type paasukeRule struct {
	id, name string
	play     func(t testing.TB, w *wire, company string)
}

// wants asks and compares.
func wants(want string, c func(company string) call) func(t testing.TB, w *wire, company string) {
	return func(t testing.TB, w *wire, company string) { t.Helper(); w.must(t, want, c(company)) }
}

// counts compares how many mandates a list has.
func (w *wire) counts(t testing.TB, want int, path string, fields ...string) {
	t.Helper()
	_, n := w.list(t, path, fields...)
	require.Equal(t, want, n, path)
}

// changed is addMandate with part of its body replaced.
func withPart(old, new string) func(company string) call {
	return func(company string) call {
		c := add(company, juri, "AT:ESINDAJA", "")
		c.body = strings.Replace(c.body, old, new, 1)
		return c
	}
}

// as is addMandate by somebody.
func as(user, party string) func(company string) call {
	return func(company string) call {
		c := add(company, juri, "AT:ESINDAJA", "")
		c.user, c.party = user, strings.ReplaceAll(party, "COMPANY", company)
		return c
	}
}

var paasukeRules = []paasukeRule{
	{"AT-PAASUKE-008", "a user of another EU country finds nothing", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		w.counts(t, 1, givenBy(company))
		for _, user := range []string{"PT12345678", "ITPTIT0123ZN4LFU", "CY0123456789", "DE" + strings.Repeat("1D23DD4AF5A6DAE7", 4)} {
			w.counts(t, 0, givenBy(company), "X-Road-UserId", user, "X-Road-Represented-Party", company)
			w.counts(t, 0, givenBy(company), "X-Road-UserId", board, "X-Road-Represented-Party", user)
			w.counts(t, 0, heldBy(user))
			w.counts(t, 0, givenBy(user))
			w.must(t, "403, foreign-user X-Road-UserId", as(user, "COMPANY")(company))
		}
	}},
	{"AT-PAASUKE-008", "well formed and unknown is no error", func(t testing.TB, w *wire, _ string) {
		for _, id := range []string{"EE1", "EE99999999", "EE60001019999", "urn:uuid:8c9b0d4e-6a0f-4f0c-9b1d-2f6d6c1a7e55", "mailto:a%40b.ee", "tel:+3725555555", "LV" + strings.Repeat("x", 254)} {
			w.counts(t, 0, givenBy(id))
			w.counts(t, 0, heldBy(id))
			plain, err := url.PathUnescape(id)
			require.NoError(t, err)
			w.counts(t, 0, givenBy("EE10391131")+"?delegate="+url.QueryEscape(plain)+"&subDelegatedBy="+url.QueryEscape(plain))
		}
	}},
	{"AT-PAASUKE-009", "a background process is answered", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		w.counts(t, 1, givenBy(company), "X-Road-UserId", "", "X-Road-Represented-Party", "")
	}},
	{"AT-PAASUKE-012", "a background process changes nothing", wants("403, no-user X-Road-UserId", as("", ""))},
	{"AT-PAASUKE-009", "what is to come is listed", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", `"from":"2098-01-01"`))
		w.counts(t, 1, givenBy(company))
		w.counts(t, 1, givenBy(company)+"?delegate="+juri)
		w.counts(t, 0, givenBy(company)+"?delegate="+anu)
	}},
	{"AT-PAASUKE-009", "a mandate on its last day is listed, once ended it is not", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", fmt.Sprintf(`"through":%q`, today())))
		w.counts(t, 1, givenBy(company))
		w.must(t, "200", end(w.link(t, company, juri, 0), "DELETE_WAIVE", juri, ""))
		w.counts(t, 0, givenBy(company))
	}},
	{"AT-PAASUKE-009", "ns keeps our roles, or none", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		for query, want := range map[string]int{"?ns=AT": 1, "?ns=A,AT": 1, "?ns=A&ns=AT": 1, "?ns=A": 0, "?ns=at": 0, "?ns=AT:ESINDAJA": 0} {
			w.counts(t, want, givenBy(company)+query)
		}
		w.counts(t, 0, strings.Replace(givenBy(company), "/v1/", "/v1/nss/EMTA/", 1))
		w.counts(t, 0, strings.Replace(givenBy(company), "/v1/", "/v1/nss/AT/", 1)+"?ns=EMTA")
	}},
	{"AT-PAASUKE-010", "the link for passing on is the delegate's alone", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, tiit, "AT:ESINDAJA", ""))
		w.must(t, "201", add(company, tiit, "AT:AVALDAJA", ""))
		links := 0
		list, _ := w.list(t, heldBy(tiit))
		for _, triplet := range list {
			for _, m := range triplet.Mandates {
				if triplet.Representee.Identifier == company && m.Links.AddSubDelegate != "" {
					require.Equal(t, "AT:ESINDAJA", m.Role)
					require.Equal(t, m.Links.Delete+"/subdelegates", m.Links.AddSubDelegate)
					links++
				}
			}
		}
		require.Equal(t, 1, links)
		list, _ = w.list(t, givenBy(company))
		for _, m := range list[0].Mandates {
			require.Empty(t, m.Links.AddSubDelegate)
		}
	}},
	{"AT-PAASUKE-011", "ending twice", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		link := w.link(t, company, juri, 0)
		w.must(t, "200", end(link, "DELETE_WITHDRAW", board, company))
		w.must(t, "404, ended the", end(link, "DELETE_WITHDRAW", board, company))
	}},
	{"AT-PAASUKE-011", "a mandate under another parent is not there", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		w.must(t, "201", add(company, anu, "AT:AVALDAJA", ""))
		a, b := strings.Split(w.link(t, company, juri, 0), "/"), strings.Split(w.link(t, company, anu, 0), "/")
		a[5] = b[5] // the other's delegate
		w.must(t, "404, not-found the", end(strings.Join(a, "/"), "DELETE_WITHDRAW", board, company))
		w.must(t, "422, unknown-mandate mandateId", passedOn(strings.Join(a, "/"), juri, tiit, ""))
		w.counts(t, 2, givenBy(company))
	}},
	{"AT-PAASUKE-011", "waiving by somebody else", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		w.must(t, "403, represented-party X-Road-Represented-Party", end(w.link(t, company, juri, 0), "DELETE_WAIVE", anu, ""))
		w.must(t, "403, represented-party X-Road-Represented-Party", end(w.link(t, company, juri, 0), "DELETE_WAIVE", board, company))
		w.counts(t, 1, givenBy(company))
	}},
	{"AT-PAASUKE-011", "withdrawing for another company", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		w.must(t, "403, represented-party X-Road-Represented-Party", end(w.link(t, company, juri, 0), "DELETE_WITHDRAW", board, "EE70000310"))
	}},
	{"AT-PAASUKE-011", "another action is not supported, none is malformed", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		link := w.link(t, company, juri, 0)
		w.must(t, "501, not-supported action", end(link, "", board, company))
		c := end(link, "", board, company)
		c.body = `{}`
		w.must(t, "400, required action", c)
	}},
	{"AT-PAASUKE-011", "the branch ends with its root, and its periods are told as they were", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		link := w.link(t, company, juri, 0)
		w.must(t, "200", passedOn(link, juri, anu, ""))
		w.must(t, "200", passedOn(link, juri, tiit, `"from":"2098-01-01"`))
		w.counts(t, 3, givenBy(company))
		w.counts(t, 2, givenBy(company)+"?subDelegatedBy="+juri)
		a := w.must(t, "200", end(link, "DELETE_WAIVE", juri, ""))
		require.JSONEq(t, strings.ReplaceAll(`{"deletedSubDelegatedMandates":[
			{"subDelegate":{"type":"NATURAL_PERSON","firstName":"Anu","surname":"Näidis","identifier":"EE49028099999"},"validityPeriod":{"from":"TODAY","through":"TODAY"}},
			{"subDelegate":{"type":"NATURAL_PERSON","firstName":"Anu","surname":"Näidis","identifier":"EE39912310123"}}]}`, "TODAY", today()), sameNames(a.body))
		w.counts(t, 0, givenBy(company))
	}},
	{"AT-PAASUKE-011", "a delegate above may withdraw, and what he passed on ends alone", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", ""))
		w.must(t, "200", passedOn(w.link(t, company, juri, 0), juri, anu, ""))
		w.must(t, "200", end(w.link(t, company, anu, 0), "DELETE_WITHDRAW", juri, ""))
		w.counts(t, 1, givenBy(company))
	}},
	{"AT-PAASUKE-012", "a repeated request adds nothing and is answered as the first", func(t testing.TB, w *wire, company string) {
		c := add(company, juri, "AT:ESINDAJA", "")
		c.fields = []string{"X-Road-Id", "same-" + company}
		w.must(t, "201", c)
		w.must(t, "201", c)
		w.counts(t, 1, givenBy(company))
		c.body += " "
		w.must(t, "422, reused X-Road-Id", c)
		other := add(company, anu, "AT:AVALDAJA", "")
		other.fields = c.fields
		w.must(t, "422, reused X-Road-Id", other)
	}},
	{"AT-PAASUKE-012", "the same role in the same days", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:AVALDAJA", `"from":"2098-01-01","through":"2098-01-31"`))
		w.must(t, "422, overlap mandate.role", add(company, juri, "AT:AVALDAJA", `"from":"2098-01-31"`))
		w.must(t, "201", add(company, juri, "AT:AVALDAJA", `"from":"2098-02-01"`))
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", `"from":"2098-01-01"`))
	}},
	{"AT-PAASUKE-012", "nobody is their own delegate", wants("422, natural-person delegate, self delegate", func(company string) call { return add(company, company, "AT:AVALDAJA", "") })},
	{"AT-PAASUKE-012", "a role of somebody else", wants("422, unknown-role mandate.role", func(c string) call { return add(c, juri, "EMTA:ESINDAJA", "") })},
	{"AT-PAASUKE-012", "a role in another case", wants("422, unknown-role mandate.role", func(c string) call { return add(c, juri, "AT:esindaja", "") })},
	{"AT-PAASUKE-012", "a role that may not be passed on", wants("422, not-sub-delegable mandate.canSubDelegate", func(company string) call {
		c := add(company, juri, "AT:AVALDAJA", "")
		c.body = strings.Replace(c.body, `"canSubDelegate":false`, `"canSubDelegate":true`, 1)
		return c
	})},
	{"AT-PAASUKE-012", "a legal delegate", wants("422, natural-person delegate", func(c string) call { return add(c, "EE70000310", "AT:AVALDAJA", "") })},
	{"AT-PAASUKE-012", "a foreign delegate", wants("422, estonian delegate", func(c string) call { return add(c, "LV32345678901", "AT:AVALDAJA", "") })},
	{"AT-PAASUKE-012", "the last day before the first", wants("422, through-before-from mandate.validityPeriod.through", func(c string) call {
		return add(c, juri, "AT:ESINDAJA", `"from":"2098-02-01","through":"2098-01-31"`)
	})},
	{"AT-PAASUKE-012", "the last day in the past", wants("422, through-in-past mandate.validityPeriod.through", func(c string) call {
		return add(c, juri, "AT:ESINDAJA", `"from":"2020-01-01","through":"2020-12-31"`)
	})},
	{"AT-PAASUKE-005", "a first day in the past is today", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", `"from":"2020-01-01"`))
		list, _ := w.list(t, givenBy(company))
		require.Equal(t, today(), list[0].Mandates[0].Period.From)
	}},
	{"AT-PAASUKE-012", "nothing shows that the user may", wants("403, no-authorization authorizations", withPart(`"userIdentifier":"`+board, `"userIdentifier":"`+anu))},
	{"AT-PAASUKE-012", "a role that gives no right", wants("403, no-authorization authorizations", withPart("BR_REPRIGHT:SOLEREP", "BR_REPRIGHT:SOLEREP2"))},
	{"AT-PAASUKE-012", "a role of ours that is claimed and not held", wants("403, no-authorization authorizations", withPart("BR_REPRIGHT:SOLEREP", "AT:ESINDAJA"))},
	{"AT-PAASUKE-012", "for another company", wants("403, represented-party X-Road-Represented-Party", as(board, "EE70000310"))},
	{"AT-PAASUKE-012", "for nobody", wants("403, represented-party X-Road-Represented-Party", as(board, ""))},
	{"AT-PAASUKE-012", "a class before the represented party is cut off", wants("201", as(board, "COM/COMPANY"))},
	{"AT-PAASUKE-012", "hasRoles counts as hasRole", wants("201", withPart(`"hasRole":"BR_REPRIGHT:SOLEREP"`, `"hasRoles":["X:Y","BR_REPRIGHT:SOLEREP"]`))},
	{"AT-PAASUKE-012", "a manager of ours needs no more, of another company's it is nothing", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, tiit, "AT:ESINDAJA", ""))
		byManager := add(company, juri, "AT:AVALDAJA", "")
		byManager.user = tiit
		w.must(t, "201", byManager)
		other := add("EE70000310", juri, "AT:AVALDAJA", "")
		other.user = tiit
		w.must(t, "403, no-authorization authorizations", other)
	}},
	{"AT-PAASUKE-009", "a former manager sees nothing for a week", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, tiit, "AT:ESINDAJA", ""))
		asManager := call{method: "GET", path: givenBy(company), user: tiit, party: company}
		w.must(t, "200", asManager)
		w.must(t, "200", end(w.link(t, company, tiit, 0), "DELETE_WITHDRAW", board, company))
		w.must(t, "403, former-manager X-Road-UserId", asManager)
		w.must(t, "200", call{method: "GET", path: givenBy(company), user: board, party: company})
	}},
	{"AT-PAASUKE-012", "known persons are not renamed", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:AVALDAJA", ""))
		c := add(company, juri, "AT:ESINDAJA", "")
		c.body = strings.NewReplacer("Näidis OÜ", "Vargad OÜ", "Juurikas", "Varas").Replace(c.body)
		w.must(t, "201", c)
		list, _ := w.list(t, givenBy(company))
		require.Equal(t, "Jüri Juurikas", list[0].Delegate.Name())
		require.Equal(t, "Näidis OÜ", list[0].Representee.Name())
	}},
	{"AT-PAASUKE-012", "passing on stays within the original", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", `"through":"2098-12-31"`))
		link := w.link(t, company, juri, 0)
		w.must(t, "422, outside-parent validityPeriod.through", passedOn(link, juri, anu, ""))
		w.must(t, "422, outside-parent validityPeriod.through", passedOn(link, juri, anu, `"through":"2099-01-01"`))
		w.must(t, "422, outside-parent validityPeriod.from", passedOn(link, juri, anu, `"from":"2099-01-01","through":"2099-01-02"`))
		w.must(t, "422, self subDelegate", passedOn(link, juri, juri, `"through":"2098-12-31"`))
		w.must(t, "403, represented-party X-Road-Represented-Party", passedOn(link, tiit, anu, `"through":"2098-12-31"`))
		w.must(t, "200", passedOn(link, juri, anu, `"through":"2098-12-31"`))
		w.must(t, "422, not-sub-delegable mandateId", passedOn(w.link(t, company, anu, 0), anu, tiit, `"through":"2098-12-31"`))
		w.must(t, "422, unknown-mandate mandateId", passedOn("/v1/representees/999/delegates/999/mandates/999", juri, anu, ""))
	}},
	{"AT-PAASUKE-012", "a mandate that is to come cannot be passed on yet", func(t testing.TB, w *wire, company string) {
		w.must(t, "201", add(company, juri, "AT:ESINDAJA", `"from":"2098-01-01"`))
		w.must(t, "422, not-valid mandateId", passedOn(w.link(t, company, juri, 0), juri, anu, ""))
	}},
	{"AT-PAASUKE-002", "a person who acts for himself needs no authorization", func(t testing.TB, w *wire, _ string) {
		c := add("EE38302250124", juri, "AT:AVALDAJA", "")
		c.user, c.party = "EE38302250124", ""
		c.body = strings.NewReplacer(`"LEGAL_PERSON","legalName":"Näidis OÜ"`, `"NATURAL_PERSON","firstName":"Ants","surname":"Näidis"`, `"EE60001019906"`, `"EE1"`).Replace(c.body)
		w.must(t, "201", c)
	}},
}

// sameNames gives everybody the name that the sub-delegates were first added with: whoever is known keeps theirs.
func sameNames(body string) string {
	return strings.NewReplacer(`"firstName":"Jüri","surname":"Juurikas"`, `"firstName":"Anu","surname":"Näidis"`).Replace(body)
}

func TestPaasukeRules(t *testing.T) {
	w := newWire(t, nil)
	for i, rule := range paasukeRules {
		t.Run(rule.id+" "+rule.name, func(t *testing.T) {
			rule.play(t, w, fmt.Sprintf("EE1%07d", i))
		})
	}
}
