package mandate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
)

func TestIdentifier(t *testing.T) {
	long := "DE" + strings.Repeat("1", 254)
	for _, good := range []string{"EE10391131", "EE60001019906", "EE1", "PT12345678", "ITPTIT0123ZN4LFU", "CY0123456789",
		"DE1D23DD4AF5A6DAE78901E2CE3EF45D6D7890BBA1234FA56ADD789012E34567E8", long, "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
		"mailto:a@example.ee", "tel:+3725123456", "EE:x"} {
		i, err := mandate.ParseIdentifier(good)
		require.NoError(t, err, good)
		require.Equal(t, good, string(i))
	}
	for _, bad := range []string{"", "EE", "ee10391131", "Ee10391131", "10391131", "E10391131", "EE1039 1131", "EE10391131\n", "EE'1", `EE"1`, "EE/1", `EE\1`, "EE?1", "EE#1",
		"EE<1", "EE>1", "EE1\x00", "EEõ", long + "1", ":x", "1a:x", "a b:c", "urn:", "http://a b", "x:\x7f", "x:ä", "../EE1"} {
		_, err := mandate.ParseIdentifier(bad)
		require.Error(t, err, "%q", bad)
		if len(bad) > 3 {
			require.NotContains(t, err.Error(), bad)
		}
	}
	for id, kind := range map[mandate.Identifier]string{"EE10391131": "legal", "EE60001019906": "natural", "EE1039113": "", "EE103911311": "", "EE6000101990": "",
		"EE1039113a": "", "PT12345678": "", "mailto:x": "", "": "", "EE10391131\n": ""} {
		require.Equal(t, kind == "legal", id.Legal(), id)
		require.Equal(t, kind == "natural", id.Natural(), id)
		require.Equal(t, kind != "", id.Code() != "", id)
	}
}

func TestDate(t *testing.T) {
	for _, good := range []string{"2026-03-02", "2028-02-29", "0001-01-01", "9999-12-31"} {
		d, err := mandate.ParseDate(good)
		require.NoError(t, err, good)
		require.Equal(t, good, string(d))
	}
	for _, bad := range []string{"", "2026-02-30", "2026-02-29", "2026-13-01", "2026-00-01", "2026-1-1", "26-01-01", "0000-01-01", "10000-01-01", "2026-03-02T00:00:00Z", "2026-03-02 ", "02.03.2026", "٢٠٢٦-٠٣-٠٢"} {
		_, err := mandate.ParseDate(bad)
		require.Error(t, err, "%q", bad)
	}
	// Days are Estonia's, whatever the offset (2026-03-29 and 2026-10-25 are the days of the changes).
	for clock, want := range map[string]mandate.Date{
		"2026-03-01T21:59:59Z": "2026-03-01", "2026-03-01T22:00:00Z": "2026-03-02",
		"2026-03-28T21:59:59Z": "2026-03-28", "2026-03-28T22:00:00Z": "2026-03-29", "2026-03-29T20:59:59Z": "2026-03-29", "2026-03-29T21:00:00Z": "2026-03-30",
		"2026-10-24T20:59:59Z": "2026-10-24", "2026-10-24T21:00:00Z": "2026-10-25", "2026-10-25T21:59:59Z": "2026-10-25", "2026-10-25T22:00:00Z": "2026-10-26",
	} {
		at, err := time.Parse(time.RFC3339, clock)
		require.NoError(t, err)
		require.Equal(t, want, mandate.DateOf(at), clock)
	}
	require.Equal(t, mandate.Date("2026-03-01"), mandate.Date("2026-02-28").Plus(1))
	require.Equal(t, mandate.Date("2026-02-22"), mandate.Date("2026-03-02").Plus(-8))
	require.Equal(t, mandate.Date(""), mandate.Date("").Plus(3))
}

// The state of a row on a day, ours there or not (Pääsuke §7).
func TestState(t *testing.T) {
	const today = "2026-03-02"
	for _, row := range []struct {
		name  string
		m     mandate.Mandate
		state mandate.State
		valid bool
	}{
		{"active", mandate.Mandate{On: true, Known: mandate.Active}, mandate.Active, true},
		{"last day", mandate.Mandate{On: true, Known: mandate.Active, Period: mandate.Period{Through: today}}, mandate.Active, true},
		{"past, before the night's work", mandate.Mandate{On: true, Known: mandate.Active, Period: mandate.Period{Through: "2026-03-01"}}, mandate.Ended, false},
		{"waiting", mandate.Mandate{Known: mandate.Waiting, Period: mandate.Period{From: "2026-03-03"}}, mandate.Waiting, false},
		{"first day, before the night's work", mandate.Mandate{Known: mandate.Waiting, Period: mandate.Period{From: today}}, mandate.Waiting, true},
		{"waiting, never to begin", mandate.Mandate{Known: mandate.Waiting, Period: mandate.Period{From: "2026-02-01", Through: "2026-03-01"}}, mandate.Ended, false},
		{"switched off by the core", mandate.Mandate{Known: mandate.Active}, mandate.Ended, false},
		{"switched on by the core", mandate.Mandate{On: true, Known: mandate.Ended}, mandate.Active, true},
		{"ended, first day to come", mandate.Mandate{Known: mandate.Ended, Period: mandate.Period{From: "2026-03-03"}}, mandate.Ended, false},
		{"the core's, on", mandate.Mandate{On: true}, mandate.Active, true},
		{"the core's, on, first day to come", mandate.Mandate{On: true, Period: mandate.Period{From: "2026-03-03"}}, mandate.Active, false},
		{"the core's, off", mandate.Mandate{}, mandate.Ended, false},
		{"the core's, off, first day to come", mandate.Mandate{Period: mandate.Period{From: "2026-03-03"}}, mandate.Waiting, false},
		{"the core's, off, first day today", mandate.Mandate{Period: mandate.Period{From: today}}, mandate.Ended, false},
		{"passed on from what has ended", mandate.Mandate{On: true, Known: mandate.Active, Orphaned: true}, mandate.Ended, false},
	} {
		require.Equal(t, row.state, row.m.State(today), row.name)
		require.Equal(t, row.valid, row.m.ValidOn(today), row.name)
	}
}

// AT-PAASUKE-002, AT-PAASUKE-012: who may add, by the header, the authorizations and AT's own tables.
func TestWhoMayAdd(t *testing.T) {
	w := inSQLite(t, t.TempDir())
	w.add(t, kati, nil)                                                                      // manages the firm
	w.add(t, mats, func(a *mandate.Ask) { a.Role, a.CanSubDelegate = "AT:AVALDAJA", false }) // does not
	w.add(t, "EE39001010001", func(a *mandate.Ask) { a.Period.From = "2026-03-03" })         // will, tomorrow
	ended := w.add(t, "EE39001010002", nil)                                                  // did
	_, err := w.withdraw(t, ended)
	require.NoError(t, err)
	w.add(t, "EE39001010003", func(a *mandate.Ask) { a.Representee = legal(other) }) // manages another

	grant := func(user mandate.Identifier, role string) []mandate.Authorization {
		return []mandate.Authorization{{User: user, Role: role}}
	}
	for i, row := range []struct {
		name           string
		user, party    mandate.Identifier
		authorizations []mandate.Authorization
		want           string
	}{
		{"a board member", mari, firm, grant(mari, "BR_REPRIGHT:SOLEREP"), ""},
		{"of two who must act together", mari, firm, append(grant(juri, "BR_REPRIGHT:GROUPREP"), grant(mari, "BR_REPRIGHT:GROUPREP")...), ""},
		{"JUHL", mari, firm, grant(mari, "BR_REPRIGHT:JUHL"), ""},
		{"JUHL_SOLEREP", mari, firm, grant(mari, "BR_REPRIGHT:JUHL_SOLEREP"), ""},
		{"a manager at AT, who claims nothing", kati, firm, nil, ""},
		{"a manager at AT, who says so", kati, firm, grant(kati, "AT:ESINDAJA"), ""},
		{"a background process", "", "", nil, "forbidden: user no-user"},
		{"a background process with a party", "", firm, grant("", "BR_REPRIGHT:SOLEREP"), "forbidden: user no-user"},
		{"nobody's authorization", mari, firm, nil, "forbidden: authorizations no-authorization"},
		{"another's authorization", mari, firm, grant(juri, "BR_REPRIGHT:SOLEREP"), "forbidden: authorizations no-authorization"},
		{"a role not in the list", mari, firm, grant(mari, "BR_REPRIGHT:OTHER"), "forbidden: authorizations no-authorization"},
		{"a role that begins as one of the list", mari, firm, grant(mari, "BR_REPRIGHT:SOLEREP2"), "forbidden: authorizations no-authorization"},
		{"a role without its namespace", mari, firm, grant(mari, "SOLEREP"), "forbidden: authorizations no-authorization"},
		{"another's namespace", mari, firm, grant(mari, "XX:SOLEREP"), "forbidden: authorizations no-authorization"},
		{"a role of AT's that is claimed and not held", mari, firm, grant(mari, "AT:ESINDAJA"), "forbidden: authorizations no-authorization"},
		{"a publisher", mats, firm, grant(mats, "AT:AVALDAJA"), "forbidden: authorizations no-authorization"},
		{"a publisher who claims to manage", mats, firm, grant(mats, "AT:ESINDAJA"), "forbidden: authorizations no-authorization"},
		{"who will manage tomorrow", "EE39001010001", firm, grant("EE39001010001", "AT:ESINDAJA"), "forbidden: authorizations no-authorization"},
		{"an ex-manager", "EE39001010002", firm, grant("EE39001010002", "AT:ESINDAJA"), "forbidden: authorizations no-authorization"},
		{"rights of company A on company B", mari, other, grant(mari, "BR_REPRIGHT:SOLEREP"), "forbidden: party represented-party"},
		{"a manager of B", "EE39001010003", firm, grant("EE39001010003", "AT:ESINDAJA"), "forbidden: authorizations no-authorization"},
		{"a manager of B for B", "EE39001010003", other, nil, "forbidden: party represented-party"},
		{"for himself", mari, mari, grant(mari, "BR_REPRIGHT:SOLEREP"), "forbidden: party represented-party"},
		{"without a party", mari, "", grant(mari, "BR_REPRIGHT:SOLEREP"), "forbidden: party represented-party"},
		{"a person of the EU", "PT12345678", firm, grant("PT12345678", "BR_REPRIGHT:SOLEREP"), "forbidden: user foreign-user"},
		{"a company as user", firm, firm, grant(firm, "BR_REPRIGHT:SOLEREP"), "forbidden: user foreign-user"},
	} {
		ask := asking(mandate.Estonian(fmt.Sprintf("3910101%04d", i)), nil)
		ask.Authorizations = row.authorizations
		a, r := w.fresh(mandate.Actor{User: row.user, RepresentedParty: row.party})
		m, err := w.m.Add(t.Context(), a, r, ask)
		require.Equal(t, row.want, broken(err), row.name)
		require.Equal(t, row.want == "", m.ID != 0, row.name)
	}

	// A natural person gives mandates for himself, with the header or without.
	for i, party := range []mandate.Identifier{"", juri} {
		a, r := w.fresh(mandate.Actor{User: juri, RepresentedParty: party})
		ask := asking(mandate.Estonian(fmt.Sprintf("3920101%04d", i)), func(a *mandate.Ask) { a.Representee = natural(juri) })
		m, err := w.m.Add(t.Context(), a, r, ask)
		require.NoError(t, err)
		require.Equal(t, mandate.Person{Kind: mandate.NaturalPerson, Identifier: juri, FirstName: "Eesnimi", Surname: "Perenimi"}, m.Representee.Person())
	}
}

// AT-PAASUKE-005, AT-PAASUKE-012: what may be added. Nothing of a refused request is left.
func TestAddRules(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		held := w.add(t, juri, func(a *mandate.Ask) { a.Period = mandate.Period{From: "2026-03-10", Through: "2026-03-20"} })
		before := w.events(t)
		actor, authorizations := board(firm)
		for _, row := range []struct {
			name string
			with func(*mandate.Ask)
			want string
		}{
			{"a role not ours", func(a *mandate.Ask) { a.Role = "AT:HALDUR" }, "invalid: role unknown-role"},
			{"another namespace", func(a *mandate.Ask) { a.Role = "EMTA:ESINDAJA" }, "invalid: role unknown-role"},
			{"no namespace", func(a *mandate.Ask) { a.Role = "ESINDAJA" }, "invalid: role unknown-role"},
			{"SQL in the role", func(a *mandate.Ask) { a.Role = "AT:'; DROP TABLE atis.kasutajad; --" }, "invalid: role unknown-role"},
			{"passing on what may not be", func(a *mandate.Ask) { a.Role = "AT:AVALDAJA" }, "invalid: canSubDelegate not-sub-delegable"},
			{"through before from", func(a *mandate.Ask) { a.Period = mandate.Period{From: "2026-04-02", Through: "2026-04-01"} }, "invalid: through through-before-from"},
			{"through in the past", func(a *mandate.Ask) { a.Period = mandate.Period{Through: "2026-03-01"} }, "invalid: through through-in-past"},
			{"both in the past", func(a *mandate.Ask) { a.Period = mandate.Period{From: "2026-01-01", Through: "2026-02-01"} }, "invalid: through through-in-past"},
			{"a company as delegate", func(a *mandate.Ask) { a.Delegate = legal(other) }, "invalid: delegate natural-person"},
			{"a person who is called a company", func(a *mandate.Ask) { a.Delegate = legal(kati) }, "invalid: delegate natural-person"},
			{"a foreign delegate", func(a *mandate.Ask) { a.Delegate = natural("PT12345678") }, "invalid: delegate estonian"},
			{"a URI as delegate", func(a *mandate.Ask) { a.Delegate = natural("mailto:x@example.ee") }, "invalid: delegate estonian"},
			{"a delegate without a name", func(a *mandate.Ask) { a.Delegate = mandate.Person{Kind: mandate.NaturalPerson, Identifier: kati} }, "invalid: delegate required"},
			{"a name with a control character", func(a *mandate.Ask) { a.Delegate.Surname = "x\x00y" }, "invalid: delegate format"},
			{"a name that is too long", func(a *mandate.Ask) { a.Delegate.Surname = strings.Repeat("õ", 201) }, "invalid: delegate too-long"},
			{"a document that is no UUID", func(a *mandate.Ask) { a.Document.UUID = "x" }, "invalid: document format"},
			{"too many authorizations", func(a *mandate.Ask) {
				a.Authorizations = append(make([]mandate.Authorization, 100), a.Authorizations...)
			}, "invalid: authorizations too-many"},
			{"the same role in the same days", func(a *mandate.Ask) { a.Delegate = natural(juri) }, "invalid: role overlap"},
			{"one day of it", func(a *mandate.Ask) { a.Delegate, a.Period = natural(juri), mandate.Period{From: "2026-03-20"} }, "invalid: role overlap"},
			{"several rules", func(a *mandate.Ask) { a.Role, a.Period.Through = "x", "2026-03-01" }, "invalid: role unknown-role, through through-in-past"},
		} {
			ask := asking(kati, nil)
			ask.Authorizations = authorizations
			row.with(&ask)
			a, r := w.fresh(actor)
			_, err := w.m.Add(t.Context(), a, r, ask)
			require.Equal(t, row.want, broken(err), row.name)
		}
		require.Equal(t, []int64{held.ID}, w.listed(t))
		require.Equal(t, before, w.events(t))
		mandates, err := w.m.ByDelegate(t.Context(), mandate.Actor{}, kati, mandate.Query{})
		require.NoError(t, err)
		require.Empty(t, mandates)

		// Self-delegation and a representee that AT cannot know.
		a, r := w.fresh(mandate.Actor{User: juri})
		_, err = w.m.Add(t.Context(), a, r, asking(juri, func(a *mandate.Ask) { a.Representee = natural(juri) }))
		require.Equal(t, "invalid: delegate self", broken(err))
		a, r = w.fresh(mandate.Actor{User: mari, RepresentedParty: "LV40003000000"})
		_, err = w.m.Add(t.Context(), a, r, asking(kati, func(a *mandate.Ask) {
			a.Representee, a.Authorizations = legal("LV40003000000"), authorizations
		}))
		require.Equal(t, "invalid: representee estonian", broken(err))

		// What may: another role in the same days, the same before and after, and again once it has ended.
		publisher := w.add(t, juri, func(a *mandate.Ask) { a.Role, a.CanSubDelegate = "AT:AVALDAJA", false })
		require.Equal(t, mandate.Active, publisher.State("2026-03-02"))
		w.add(t, juri, func(a *mandate.Ask) { a.Period = mandate.Period{Through: "2026-03-09"} })
		w.add(t, juri, func(a *mandate.Ask) { a.Period = mandate.Period{From: "2026-03-21"} })
		_, err = w.withdraw(t, held)
		require.NoError(t, err)
		w.add(t, juri, func(a *mandate.Ask) { a.Period = held.Period })

		// A first day in the past counts as today; what was asked is kept. Known people keep their names.
		past := w.add(t, kati, func(a *mandate.Ask) {
			a.Period.From, a.Representee.LegalName, a.Document = "2026-02-20", "Uus nimi OÜ", mandate.Document{UUID: "5b72e01c-fa7f-479c-b014-cc19efe5b732", SingleDelegate: true}
		})
		got, err := w.Mandate(t.Context(), past.ID, "2026-03-02")
		require.NoError(t, err)
		require.Equal(t, mandate.Period{From: "2026-03-02"}, got.Period)
		require.Equal(t, mandate.Date("2026-02-20"), got.AskedFrom)
		require.Equal(t, "Väikefirma OÜ", got.Representee.Name)
		require.Equal(t, string(mari), got.AddedBy)
		require.Equal(t, firm, got.AddedFor)
		require.Equal(t, authorizations, got.Authorizations)
		audits, err := w.MandateAudits(t.Context(), past.ID)
		require.NoError(t, err)
		require.Len(t, audits, 1)
		require.Equal(t, mandate.Audit{At: w.now, MandateID: past.ID, Action: "add", Actor: string(mari), OnBehalf: firm, Client: "ee-dev/GOV/70006317/paasuke",
			RequestID: fmt.Sprint(w.calls), Authorizations: authorizations, Document: got.Document}, audits[0])
	})
}

// AT-PAASUKE-012, sub-delegation.
func TestPassOnRules(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		original := w.add(t, juri, func(a *mandate.Ask) { a.Period.Through = "2026-06-30" })
		open := w.add(t, kati, nil)
		own := w.add(t, "EE39001010001", func(a *mandate.Ask) { a.CanSubDelegate = false })
		future := w.add(t, "EE39001010002", func(a *mandate.Ask) { a.Period.From = "2026-04-01" })
		until := mandate.Period{Through: "2026-06-30"}
		for _, row := range []struct {
			name string
			from mandate.Mandate
			to   mandate.Identifier
			p    mandate.Period
			want string
		}{
			{"open from one that is not", original, mats, mandate.Period{}, "invalid: through outside-parent"},
			{"longer", original, mats, mandate.Period{Through: "2026-07-01"}, "invalid: through outside-parent"},
			{"beginning after it", original, mats, mandate.Period{From: "2026-07-01", Through: "2026-07-02"}, "invalid: from outside-parent"},
			{"ending in the past", original, mats, mandate.Period{Through: "2026-03-01"}, "invalid: through through-in-past"},
			{"to its delegate", original, juri, until, "invalid: delegate self"},
			{"to a company", original, other, until, "invalid: delegate natural-person"},
			{"to somebody foreign", original, "PT1", until, "invalid: delegate estonian"},
			{"to one who holds it already", original, kati, until, "invalid: delegate overlap"},
			{"of what may not be passed on", own, mats, mandate.Period{}, "invalid: mandate not-sub-delegable"},
			{"of what has not begun", future, mats, mandate.Period{From: "2026-04-01"}, "invalid: mandate not-valid"},
		} {
			_, err := w.pass(t, row.from, row.to, row.p)
			require.Equal(t, row.want, broken(err), row.name)
		}
		for name, p := range map[string]mandate.Place{
			"unknown":           {RepresenteeID: original.Representee.ID, DelegateID: original.Delegate.ID, MandateID: 999},
			"wrong representee": {RepresenteeID: original.Representee.ID + 1, DelegateID: original.Delegate.ID, MandateID: original.ID},
			"wrong delegate":    {RepresenteeID: original.Representee.ID, DelegateID: open.Delegate.ID, MandateID: original.ID},
			"none":              {},
		} {
			a, r := w.fresh(mandate.Actor{User: juri})
			_, err := w.m.PassOn(t.Context(), a, r, mandate.PassOnAsk{Place: p, SubDelegate: natural(mats), Period: until})
			require.Equal(t, "invalid: mandate unknown-mandate", broken(err), name)
		}
		// Only its delegate has a say.
		for name, a := range map[string]mandate.Actor{"the representee": {User: mari, RepresentedParty: firm}, "another delegate": {User: kati}, "nobody": {}} {
			_, authorizations := board(firm)
			a, r := w.fresh(a)
			_, err := w.m.PassOn(t.Context(), a, r, mandate.PassOnAsk{Place: place(original), SubDelegate: natural(mats), Period: until, Authorizations: authorizations})
			require.Contains(t, broken(err), "forbidden: ", name)
		}

		sub, err := w.pass(t, original, mats, mandate.Period{From: "2026-01-01", Through: "2026-06-30"})
		require.NoError(t, err)
		got, err := w.Mandate(t.Context(), sub.ID, "2026-03-02")
		require.NoError(t, err)
		require.Equal(t, mandate.Period{From: "2026-03-02", Through: "2026-06-30"}, got.Period)
		require.Equal(t, original.ID, got.Parent)
		require.Equal(t, juri, got.SubDelegator.Identifier)
		require.Equal(t, original.Role, got.Role)
		require.False(t, got.SubDelegable)
		_, err = w.pass(t, sub, "EE39001010009", until)
		require.Equal(t, "invalid: mandate not-sub-delegable", broken(err), "no further")
		_, err = w.pass(t, open, "EE39001010008", mandate.Period{})
		require.NoError(t, err, "open from one that is open")
	})
}

// A role that may no longer be passed on is not, whatever was given before: neither the link is there nor is the request done.
func TestRoleNoLongerPassedOn(t *testing.T) {
	w := inSQLite(t, t.TempDir())
	m := w.add(t, juri, nil)
	require.True(t, w.m.MayPassOn(m))
	settings := w.m.Settings()
	settings.Roles = slices.Clone(settings.Roles)
	settings.Roles[0].SubDelegable = mandate.SubDelegableNo
	w.settings = settings
	w.module(t, w.all)
	require.False(t, w.m.MayPassOn(m))
	require.True(t, m.SubDelegable)
	_, err := w.pass(t, m, kati, mandate.Period{})
	require.Equal(t, "invalid: mandate not-sub-delegable", broken(err))
}

// AT-PAASUKE-001, AT-PAASUKE-003, AT-PAASUKE-009, AT-PAASUKE-010: what is listed, when, and to whom.
func TestLists(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		w.at(t, "2026-03-28 12:00:00") // the day before the clocks change
		now := w.add(t, juri, func(a *mandate.Ask) { a.Period.Through = "2026-03-29" })
		future := w.add(t, juri, func(a *mandate.Ask) { a.Period.From = "2026-03-30" })
		ended := w.add(t, kati, nil)
		_, err := w.withdraw(t, ended)
		require.NoError(t, err)
		sub, err := w.pass(t, now, mats, mandate.Period{Through: "2026-03-29"})
		require.NoError(t, err)
		elsewhere := w.add(t, juri, func(a *mandate.Ask) { a.Representee = legal(other) })
		w.core(t, fmt.Sprintf(`INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl) VALUES (%d, %d, 'MUU', 'A')`, now.Representee.ID, now.Delegate.ID))

		by := func(representee mandate.Identifier, a mandate.Actor, q mandate.Query) []int64 {
			list, err := w.m.ByRepresentee(t.Context(), a, representee, q)
			require.NoError(t, err)
			return keys(list)
		}
		of := func(delegate mandate.Identifier, a mandate.Actor, q mandate.Query) []int64 {
			list, err := w.m.ByDelegate(t.Context(), a, delegate, q)
			require.NoError(t, err)
			return keys(list)
		}
		nobody := mandate.Actor{}
		require.Equal(t, []int64{sub.ID, now.ID, future.ID}, by(firm, nobody, mandate.Query{}), "by delegate, then key; not yet begun, too")
		require.Equal(t, []int64{now.ID, future.ID, elsewhere.ID}, of(juri, nobody, mandate.Query{}))
		require.Equal(t, []int64{now.ID, future.ID}, by(firm, nobody, mandate.Query{Delegate: juri}))
		require.Empty(t, by(firm, nobody, mandate.Query{Delegate: "PT12345678"}))
		require.Equal(t, []int64{sub.ID}, by(firm, nobody, mandate.Query{SubDelegatedBy: juri}))
		require.Empty(t, by(firm, nobody, mandate.Query{SubDelegatedBy: kati}))
		require.Equal(t, []int64{sub.ID}, of(mats, nobody, mandate.Query{SubDelegatedBy: juri}))
		require.Len(t, by(firm, nobody, mandate.Query{Namespaces: []string{"EMTA", "AT"}}), 3)
		require.Empty(t, by(firm, nobody, mandate.Query{Namespaces: []string{"EMTA"}}))
		require.Empty(t, by(firm, nobody, mandate.Query{Namespaces: []string{}}))
		require.Empty(t, of(juri, nobody, mandate.Query{Namespaces: []string{"at"}}))

		// Unknown, foreign and odd people have none; nobody is told of an error (AT-PAASUKE-008).
		for _, id := range []mandate.Identifier{"EE12345678", "EE1", "EE103911311", "PT12345678", "ITPTIT0123ZN4LFU", "CY0123456789",
			"DE1D23DD4AF5A6DAE78901E2CE3EF45D6D7890BBA1234FA56ADD789012E34567E8", "urn:uuid:123e4567-e89b-12d3-a456-426614174000"} {
			require.Empty(t, by(id, nobody, mandate.Query{}), id)
			require.Empty(t, of(id, nobody, mandate.Query{}), id)
			if id.Code() == "" {
				require.Empty(t, by(firm, mandate.Actor{User: id}, mandate.Query{}), id)
				require.Empty(t, by(firm, mandate.Actor{User: mari, RepresentedParty: id}, mandate.Query{}), id)
				require.Empty(t, of(juri, mandate.Actor{User: juri, RepresentedParty: id}, mandate.Query{}), id)
			}
		}
		require.Len(t, by(firm, mandate.Actor{User: mari, RepresentedParty: firm}, mandate.Query{}), 3)

		// Only by delegate, and only what may be passed on now.
		require.True(t, w.m.MayPassOn(now))
		require.False(t, w.m.MayPassOn(future))
		require.False(t, w.m.MayPassOn(sub))

		w.at(t, "2026-03-29 23:59:59") // the last day, an hour shorter
		require.Equal(t, []int64{sub.ID, now.ID, future.ID}, by(firm, nobody, mandate.Query{}))
		w.at(t, "2026-03-30 00:00:00")
		require.Equal(t, []int64{future.ID}, by(firm, nobody, mandate.Query{}), "before the night's work too")
	})
}

// More than 100 mandates of a pair are in further triplets, in a stable sequence.
func TestManyOfAPair(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		first := w.add(t, juri, func(a *mandate.Ask) { a.Period.Through = "2026-03-02" })
		want := []int64{first.ID}
		for i := range 230 {
			day := mandate.Date("2026-03-03").Plus(i)
			w.core(t, fmt.Sprintf(`INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, esindusoiguse_kehtivus_alates, esindusoiguse_kehtivus_kuni)
				VALUES (%d, %d, 'ESINDAJA', 'M', '%s', '%s')`, first.Representee.ID, first.Delegate.ID, day, day))
			want = append(want, first.ID+int64(i)+1)
		}
		w.add(t, kati, nil)
		list, err := w.m.ByRepresentee(t.Context(), mandate.Actor{}, firm, mandate.Query{Delegate: juri})
		require.NoError(t, err)
		require.Len(t, list, 3)
		require.Equal(t, want, keys(list))
		for i, n := range []int{100, 100, 31} {
			require.Len(t, list[i].Mandates, n)
			require.Equal(t, list[0].Delegate, list[i].Delegate)
		}
		again, err := w.m.ByDelegate(t.Context(), mandate.Actor{}, juri, mandate.Query{})
		require.NoError(t, err)
		require.Equal(t, list, again)
	})
}

// An ex-manager may not list (Pääsuke §4).
func TestFormerManager(t *testing.T) {
	list := func(w *world, user, party mandate.Identifier) string {
		_, err := w.m.ByRepresentee(t.Context(), mandate.Actor{User: user, RepresentedParty: party}, firm, mandate.Query{})
		return broken(err)
	}
	const refused = "forbidden: user former-manager"
	worlds(t, func(t *testing.T, w *world) {
		m := w.add(t, juri, nil)
		require.Empty(t, list(w, juri, firm))
		_, err := w.withdraw(t, m)
		require.NoError(t, err)
		require.Equal(t, refused, list(w, juri, firm))
		require.Empty(t, list(w, juri, ""), "for himself he may ask")
		require.Empty(t, list(w, mari, firm))
		w.at(t, "2026-03-10 23:00:00")
		require.Equal(t, refused, list(w, juri, firm), "eight days later")
		w.at(t, "2026-03-11 00:00:00")
		require.Empty(t, list(w, juri, firm))

		w.add(t, juri, func(a *mandate.Ask) { a.Period.Through = "2026-03-11" })
		w.at(t, "2026-03-12 00:00:01")
		require.Equal(t, refused, list(w, juri, firm), "its last day was yesterday, the night's work is not done")
		again := w.add(t, juri, nil)
		require.Empty(t, list(w, juri, firm), "he manages anew")
		w.core(t, fmt.Sprintf(`UPDATE atis.andmeandjad_kasutajad SET staatus_kl = 'M' WHERE id = %d`, again.ID))
		require.Equal(t, refused, list(w, juri, firm), "the core switched it off")

		// Ended long ago, given back by the core, changed on its screens, and switched off today.
		w.at(t, "2026-03-13 12:00:00")
		_, err = w.m.CoreEnd(t.Context(), string(mari), w.add(t, tiit, nil).ID)
		require.NoError(t, err)
		w.at(t, "2026-04-13 12:00:00")
		require.Empty(t, list(w, tiit, firm))
		found, err := w.Mandates(t.Context(), mandate.Filter{Delegate: tiit, History: true, Today: "2026-04-13"})
		require.NoError(t, err)
		back := fmt.Sprint(found[0].ID)
		w.core(t, `UPDATE atis.andmeandjad_kasutajad SET staatus_kl = 'A', esindusoiguse_kehtivus_kuni = NULL WHERE id = `+back)
		changed, err := w.m.CoreChange(t.Context(), string(mari), found[0].ID, "2026-12-31")
		require.NoError(t, err)
		require.Zero(t, changed.Ended)
		w.core(t, `UPDATE atis.andmeandjad_kasutajad SET staatus_kl = 'M' WHERE id = `+back)
		require.Equal(t, refused, list(w, tiit, firm), "the core switched off what it had switched on")

		publisher := w.add(t, kati, func(a *mandate.Ask) { a.Role, a.CanSubDelegate = "AT:AVALDAJA", false })
		waited := w.add(t, mats, func(a *mandate.Ask) { a.Period.From = "2026-05-01" })
		for _, m := range []mandate.Mandate{publisher, waited} {
			_, err := w.withdraw(t, m)
			require.NoError(t, err)
			require.Empty(t, list(w, m.Delegate.Identifier, firm), "never managed")
		}
	})
}

// AT-PAASUKE-002, AT-PAASUKE-003, AT-PAASUKE-011: who may end what.
func TestWhoMayEnd(t *testing.T) {
	w := inSQLite(t, t.TempDir())
	top := w.add(t, juri, nil)
	sub, err := w.pass(t, top, kati, mandate.Period{})
	require.NoError(t, err)
	manager := w.add(t, mats, nil)
	_, authorized := board(firm)
	for _, row := range []struct {
		name        string
		m           mandate.Mandate
		how         mandate.How
		user, party mandate.Identifier
		want        string
	}{
		{"waive by somebody else", sub, mandate.Waived, mats, "", "forbidden: party represented-party"},
		{"waive by the representee", sub, mandate.Waived, mari, firm, "forbidden: party represented-party"},
		{"waive by who passed it on", sub, mandate.Waived, juri, "", "forbidden: party represented-party"},
		{"withdraw by its delegate above it", sub, mandate.Withdrawn, juri, "", ""},
		{"again", sub, mandate.Withdrawn, juri, "", "ended"},
		{"withdraw by a delegate below", top, mandate.Withdrawn, kati, "", "forbidden: party represented-party"},
		{"withdraw by another company", top, mandate.Withdrawn, mari, other, "forbidden: party represented-party"},
		{"withdraw by a person of the EU", top, mandate.Withdrawn, "PT12345678", firm, "forbidden: user foreign-user"},
		{"withdraw by nobody", top, mandate.Withdrawn, "", "", "forbidden: user no-user"},
		{"withdraw by a manager", top, mandate.Withdrawn, mats, firm, ""},
		{"waive", manager, mandate.Waived, mats, mats, ""},
	} {
		a, r := w.fresh(mandate.Actor{User: row.user, RepresentedParty: row.party})
		_, err := w.m.End(t.Context(), a, r, mandate.EndAsk{Place: place(row.m), How: row.how, Authorizations: authorized})
		require.Equal(t, row.want, broken(err), row.name)
	}
	for _, m := range []mandate.Mandate{top, sub, manager} {
		got, err := w.Mandate(t.Context(), m.ID, "2026-03-02")
		require.NoError(t, err)
		require.Equal(t, mandate.Ended, got.State("2026-03-02"))
		require.Equal(t, mandate.Date("2026-03-02"), got.Period.Through)
	}
	a, r := w.fresh(mandate.Actor{User: mats})
	wrong := place(manager)
	wrong.DelegateID = top.Delegate.ID
	_, err = w.m.End(t.Context(), a, r, mandate.EndAsk{Place: wrong, How: mandate.Waived})
	require.Equal(t, "not-found", broken(err), "under the wrong parent")
}

// Whoever acts for a delegate, by an authorization or as his manager, waives and passes on for him; and whoever acts for one above in the
// chain, however far, withdraws (Pääsuke §5, "who may").
func TestWhoMayActForADelegate(t *testing.T) {
	w := inSQLite(t, t.TempDir())
	a, r := w.fresh(mandate.Actor{User: juri})
	ofJuri, err := w.m.Add(t.Context(), a, r, asking(kati, func(a *mandate.Ask) { a.Representee = natural(juri) })) // Kati manages for Jüri himself
	require.NoError(t, err)
	top := w.add(t, juri, nil)
	pass := func(user, party, to mandate.Identifier, authorizations ...mandate.Authorization) (mandate.Mandate, error) {
		a, r := w.fresh(mandate.Actor{User: user, RepresentedParty: party})
		return w.m.PassOn(t.Context(), a, r, mandate.PassOnAsk{Place: place(top), SubDelegate: natural(to), Authorizations: authorizations})
	}
	end := func(m mandate.Mandate, how mandate.How, user, party mandate.Identifier, authorizations ...mandate.Authorization) string {
		a, r := w.fresh(mandate.Actor{User: user, RepresentedParty: party})
		_, err := w.m.End(t.Context(), a, r, mandate.EndAsk{Place: place(m), How: how, Authorizations: authorizations})
		return broken(err)
	}
	byRegister := mandate.Authorization{User: mari, Role: "NAT_REPRIGHT:SOLEREP"}
	_, err = pass(mari, juri, tiit)
	require.Equal(t, "forbidden: authorizations no-authorization", broken(err))
	_, err = pass(kati, firm, tiit)
	require.Equal(t, "forbidden: party represented-party", broken(err), "she manages for him, not for the firm")
	sub, err := pass(mari, juri, mats, byRegister)
	require.NoError(t, err)
	require.Equal(t, juri, sub.AddedFor)
	require.Equal(t, string(mari), sub.AddedBy)
	other, err := pass(kati, juri, tiit)
	require.NoError(t, err)

	require.Equal(t, "forbidden: party represented-party", end(sub, mandate.Withdrawn, mats, ""), "its own delegate waives")
	require.Equal(t, "forbidden: party represented-party", end(other, mandate.Withdrawn, mats, ""), "not above it")
	require.Equal(t, "forbidden: authorizations no-authorization", end(other, mandate.Waived, kati, tiit, mandate.Authorization{User: kati, Role: "AT:ESINDAJA"}), "his manager, not the other's")
	require.Empty(t, end(other, mandate.Withdrawn, kati, juri), "for him who passed it on")
	deep := w.add(t, "EE39001010001", nil)
	w.core(t, fmt.Sprintf(`UPDATE atis.adapter_mandate SET parent_id = %d WHERE mandate_id = %d`, sub.ID, deep.ID))
	require.Equal(t, "forbidden: party represented-party", end(deep, mandate.Withdrawn, tiit, ""))
	require.Empty(t, end(deep, mandate.Withdrawn, juri, juri), "two above")
	require.Empty(t, end(top, mandate.Waived, kati, juri))
	require.Equal(t, mandate.Ended, w.state(t, sub.ID))
	require.Equal(t, mandate.Active, w.state(t, ofJuri.ID))

	// She who manages no longer acts for nobody.
	last := w.add(t, juri, nil)
	a, r = w.fresh(mandate.Actor{User: juri})
	_, err = w.m.End(t.Context(), a, r, mandate.EndAsk{Place: place(ofJuri), How: mandate.Withdrawn})
	require.NoError(t, err)
	require.Equal(t, "forbidden: authorizations no-authorization", end(last, mandate.Waived, kati, juri, mandate.Authorization{User: kati, Role: "AT:ESINDAJA"}))
}

// A background process and a person of the EU may change nothing, and are told that before anything of what is there (Pääsuke §§2, 5).
func TestWhoAsksComesFirst(t *testing.T) {
	w := inSQLite(t, t.TempDir())
	ended := w.add(t, juri, nil)
	_, err := w.withdraw(t, ended)
	require.NoError(t, err)
	unknown := mandate.Place{RepresenteeID: 998, DelegateID: 999, MandateID: 1000}
	for user, want := range map[mandate.Identifier]string{"": "forbidden: user no-user", "PT12345678": "forbidden: user foreign-user", firm: "forbidden: user foreign-user"} {
		for _, p := range []mandate.Place{unknown, place(ended)} {
			a, r := w.fresh(mandate.Actor{User: user, RepresentedParty: firm})
			_, err := w.m.End(t.Context(), a, r, mandate.EndAsk{Place: p, How: mandate.Withdrawn})
			require.Equal(t, want, broken(err), user)
			_, err = w.m.PassOn(t.Context(), a, r, mandate.PassOnAsk{Place: p, SubDelegate: natural(kati)})
			require.Equal(t, want, broken(err), user)
		}
	}
}

// A role of the core's that Pääsuke is never shown is not there for it: nobody ends it by a guessed link.
func TestRoleOfTheCoreAlone(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		m := w.add(t, juri, nil)
		w.core(t, fmt.Sprintf(`UPDATE atis.andmeandjad_kasutajad SET role = 'HALDUR' WHERE id = %d`, m.ID))
		_, err := w.withdraw(t, m)
		require.Equal(t, "not-found", broken(err))
		_, err = w.pass(t, m, kati, mandate.Period{})
		require.Equal(t, "invalid: mandate unknown-mandate", broken(err))
		require.Equal(t, mandate.Active, w.state(t, m.ID))
	})
}

// AT-PAASUKE-011: all that was passed on, at any depth, ends in the same transaction and is told of, with the days on which each was
// really valid.
func TestCascade(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		top := w.add(t, juri, nil)
		sub, err := w.pass(t, top, kati, mandate.Period{Through: "2026-12-31"})
		require.NoError(t, err)
		future, err := w.pass(t, top, mats, mandate.Period{From: "2026-05-01"})
		require.NoError(t, err)
		// Our rules allow one level; what stands deeper in the tables ends too.
		deep := w.add(t, "EE39001010001", nil)
		w.core(t, fmt.Sprintf(`UPDATE atis.adapter_mandate SET parent_id = %d WHERE mandate_id = %d`, sub.ID, deep.ID))
		beside := w.add(t, "EE39001010002", nil)
		w.at(t, "2026-03-10 12:00:00")
		deleted, err := w.withdraw(t, top)
		require.NoError(t, err)
		period := mandate.Period{From: "2026-03-02", Through: "2026-03-10"}
		require.Equal(t, []mandate.Deleted{
			{SubDelegate: natural(kati), Period: period, Began: true},
			{SubDelegate: natural(mats)},
			{SubDelegate: natural("EE39001010001"), Period: period, Began: true},
		}, deleted)
		require.Equal(t, []int64{beside.ID}, w.listed(t))
		for m, how := range map[int64]mandate.How{top.ID: mandate.Withdrawn, sub.ID: mandate.WithParent, future.ID: mandate.WithParent, deep.ID: mandate.WithParent} {
			got, err := w.Mandate(t.Context(), m, "2026-03-10")
			require.NoError(t, err)
			require.Equal(t, mandate.Ending{At: w.now.UTC(), How: how, By: string(mari)}, got.Ended)
			require.False(t, got.On)
			audits, err := w.MandateAudits(t.Context(), m)
			require.NoError(t, err)
			require.Equal(t, "end", audits[len(audits)-1].Action)
		}
		events := w.events(t)
		require.Equal(t, []string{fmt.Sprint("ended ", top.ID), fmt.Sprint("ended ", sub.ID), fmt.Sprint("ended ", future.ID), fmt.Sprint("ended ", deep.ID)}, events[len(events)-4:])
	})
}

// A cascade that fails half-way changes nothing.
func TestCascadeFailsHalfway(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		top := w.add(t, juri, nil)
		var last mandate.Mandate
		for i := range 5 {
			var err error
			last, err = w.pass(t, top, mandate.Estonian(fmt.Sprintf("3900101%04d", i)), mandate.Period{})
			require.NoError(t, err)
		}
		before, events := w.listed(t), w.events(t)
		breaks := fmt.Sprintf(`CREATE TRIGGER breaks BEFORE UPDATE ON andmeandjad_kasutajad WHEN new.id = %d BEGIN SELECT RAISE(ABORT, 'injected'); END`, last.ID)
		mends := `DROP TRIGGER breaks`
		if strings.HasSuffix(t.Name(), "postgres") {
			breaks = fmt.Sprintf(`CREATE FUNCTION atis.breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$;
				CREATE TRIGGER breaks BEFORE UPDATE ON atis.andmeandjad_kasutajad FOR EACH ROW WHEN (new.id = %d) EXECUTE FUNCTION atis.breaks()`, last.ID)
			mends = `DROP TRIGGER breaks ON atis.andmeandjad_kasutajad`
		}
		w.core(t, breaks)
		_, err := w.withdraw(t, top)
		require.ErrorContains(t, err, "injected")
		require.Equal(t, before, w.listed(t))
		require.Equal(t, events, w.events(t))
		audits, err := w.MandateAudits(t.Context(), top.ID)
		require.NoError(t, err)
		require.Len(t, audits, 1, "only of its adding")
		w.core(t, mends)
		deleted, err := w.withdraw(t, top)
		require.NoError(t, err)
		require.Len(t, deleted, 5)
		require.Empty(t, w.listed(t))
	})
}

// A repeated request is answered as the first was and does nothing; another one with its id is refused (Pääsuke §5).
func TestRepeat(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		actor, authorizations := board(firm)
		ask := asking(juri, func(a *mandate.Ask) { a.Authorizations = authorizations })
		a, r := w.fresh(actor)
		m, err := w.m.Add(t.Context(), a, r, ask)
		require.NoError(t, err)
		again, err := w.m.Add(t.Context(), a, r, ask)
		require.NoError(t, err)
		require.Zero(t, again.ID)
		require.Equal(t, []int64{m.ID}, w.listed(t))
		for _, changed := range []mandate.Request{{Method: r.Method, Path: r.Path, Digest: "another"}, {Method: r.Method, Path: "/v2", Digest: r.Digest}, {Method: "PUT", Path: r.Path, Digest: r.Digest}} {
			_, err = w.m.Add(t.Context(), a, changed, ask)
			require.Equal(t, "reused", broken(err))
		}
		elsewhere := a
		elsewhere.Client = "ee-dev/GOV/70006317/other"
		_, err = w.m.Add(t.Context(), elsewhere, r, ask)
		require.Equal(t, "invalid: role overlap", broken(err), "another client's id is its own")

		_, err = w.pass(t, m, kati, mandate.Period{})
		require.NoError(t, err)
		a, r = w.fresh(actor)
		end := mandate.EndAsk{Place: place(m), How: mandate.Withdrawn, Authorizations: authorizations}
		deleted, err := w.m.End(t.Context(), a, r, end)
		require.NoError(t, err)
		require.Len(t, deleted, 1)
		events := w.events(t)
		w.now = w.now.Add(7*24*time.Hour - time.Second)
		same, err := w.m.End(t.Context(), a, r, end)
		require.NoError(t, err)
		require.Equal(t, deleted, same)
		require.Equal(t, events, w.events(t))
		w.now = w.now.Add(2 * time.Second)
		_, err = w.m.End(t.Context(), a, r, end)
		require.Equal(t, "ended", broken(err), "forgotten after seven days")

		// Nothing is added anew by a repeat, whatever has become of what the first one added.
		a, r = w.fresh(actor)
		gone, err := w.m.Add(t.Context(), a, r, ask)
		require.NoError(t, err)
		_, err = w.withdraw(t, gone)
		require.NoError(t, err)
		events = w.events(t)
		_, err = w.m.Add(t.Context(), a, r, ask)
		require.NoError(t, err)
		require.Empty(t, w.listed(t))
		require.Equal(t, events, w.events(t))

		// What was refused left nothing, and may be right the next time.
		a, r = w.fresh(actor)
		ask.Authorizations = nil
		_, err = w.m.Add(t.Context(), a, r, ask)
		require.Equal(t, "forbidden: authorizations no-authorization", broken(err))
		ask.Authorizations = authorizations
		_, err = w.m.Add(t.Context(), a, r, ask)
		require.NoError(t, err)
	})
}

// AT-PAASUKE-004, AT-PAASUKE-007: the core's own screens.
func TestCoreChanges(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		m, err := w.m.CoreAdd(t.Context(), string(mari), asking(juri, func(a *mandate.Ask) { a.Period = mandate.Period{From: "2026-01-01", Through: "2026-06-30"} }))
		require.NoError(t, err)
		require.Equal(t, mandate.Period{From: "2026-03-02", Through: "2026-06-30"}, m.Period)
		early, err := w.pass(t, m, kati, mandate.Period{Through: "2026-03-31"})
		require.NoError(t, err)
		late, err := w.pass(t, m, mats, mandate.Period{From: "2026-06-01", Through: "2026-06-30"})
		require.NoError(t, err)
		next := w.add(t, juri, func(a *mandate.Ask) { a.Period.From = "2026-08-01" })
		for _, row := range []struct {
			name, by string
			id       int64
			through  mandate.Date
			want     string
		}{
			{"one's own", string(juri), m.ID, "2026-07-01", "forbidden: user own"},
			{"in the past", string(mari), m.ID, "2026-03-01", "invalid: through through-in-past"},
			{"before its first day", string(mari), next.ID, "2026-07-31", "invalid: through through-before-from"},
			{"into the next", string(mari), m.ID, "2026-08-01", "invalid: through overlap"},
			{"open into the next", string(mari), m.ID, "", "invalid: through overlap"},
			{"beyond what it was passed on from", string(mari), early.ID, "2026-07-01", "invalid: through outside-parent"},
			{"open, of what is not", string(mari), early.ID, "", "invalid: through outside-parent"},
			{"unknown", string(mari), 999, "", "not-found"},
		} {
			_, err := w.m.CoreChange(t.Context(), row.by, row.id, row.through)
			require.Equal(t, row.want, broken(err), row.name)
		}
		events := len(w.events(t))
		_, err = w.m.CoreChange(t.Context(), string(mari), m.ID, m.Period.Through)
		require.NoError(t, err, "the same again")
		require.Len(t, w.events(t), events)

		changed, err := w.m.CoreChange(t.Context(), string(mari), m.ID, "2026-03-15")
		require.NoError(t, err)
		require.Equal(t, mandate.Period{From: "2026-03-02", Through: "2026-03-15"}, changed.Period)
		require.Equal(t, []string{fmt.Sprint("changed ", m.ID), fmt.Sprint("changed ", early.ID), fmt.Sprint("ended ", late.ID)}, w.events(t)[events:])
		got, err := w.Mandate(t.Context(), early.ID, "2026-03-02")
		require.NoError(t, err)
		require.Equal(t, mandate.Date("2026-03-15"), got.Period.Through, "cut to it")
		_, err = w.m.CoreChange(t.Context(), string(mari), late.ID, "2026-03-10")
		require.Equal(t, "ended", broken(err))
		reopened, err := w.m.CoreChange(t.Context(), string(mari), next.ID, "2026-09-01")
		require.NoError(t, err)
		reopened, err = w.m.CoreChange(t.Context(), string(mari), reopened.ID, "")
		require.NoError(t, err)
		require.Equal(t, mandate.Period{From: "2026-08-01"}, reopened.Period)
		require.Equal(t, mandate.Waiting, reopened.State("2026-03-02"))

		ended, err := w.m.CoreEnd(t.Context(), string(mari), m.ID)
		require.NoError(t, err)
		require.Equal(t, mandate.ByCore, ended.Ended.How)
		require.Equal(t, mandate.Ended, w.state(t, early.ID))
		_, err = w.m.CoreEnd(t.Context(), string(mari), m.ID)
		require.Equal(t, "ended", broken(err))
		_, err = w.m.CoreEnd(t.Context(), string(mari), 999)
		require.Equal(t, "not-found", broken(err))
	})
}
