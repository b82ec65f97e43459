package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/schedule"
)

// MandateStore is what a store of mandates under test fulfils.
type MandateStore interface {
	mandate.Store
	event.Store
	schedule.Store
}

// Core runs a statement as the core would, by itself: tables are named with their schema, atis.
type Core func(tb testing.TB, statement string)

// RunMandates holds a store of mandates to the contract. open returns an empty store that is migrated; it closes it with tb's
// Cleanup.
func RunMandates(t *testing.T, open func(tb testing.TB) (MandateStore, Core)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s MandateStore, core Core)
	}{
		{"a mandate is kept whole", testMandateWhole},
		{"people are made once and never renamed", testMandatePeople},
		{"rows of the core's without ours", testCoreRows},
		{"pages", testMandatePages},
		{"a change is whole or not at all", testMandateWholeOrNot},
		{"what is not shown is not written", testMandateNotShown},
		{"a chain is followed to its top", testChain},
		{"a repeated request is known", testRepeat},
		{"a request that comes twice at once", testRepeatAtOnce},
		{"waiting rows are adopted once", testAdopt},
		{"the night's work is found", testUnsettled},
		{"changes of one representee never run at once", testOneRepresentee},
		{"a new delegate of several representees at once", testOneDelegate},
		{"everything at once", testMandatesTogether},
		{"schedules", testSchedule},
		{"a schedule is taken once", testScheduleAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, core := open(t)
			test.run(t, s, core)
		})
	}
}

const (
	company   mandate.Identifier = "EE10391131"
	otherFirm mandate.Identifier = "EE11065244"
	mari      mandate.Identifier = "EE60001019906"
	juri      mandate.Identifier = "EE50001029996"
	today     mandate.Date       = "2026-03-02"
)

// told is an event of a happening, with the mandate's id as its data.
func told(kind string, m mandate.Mandate) (event.Event, error) {
	return event.Event{ID: fmt.Sprintf("%s-%d-%d", kind, m.ID, time.Now().UnixNano()), Type: kind, Subject: fmt.Sprintf("mandate/%d", m.ID), Time: noon(),
		Data: json.RawMessage(fmt.Sprintf(`{"id":%d}`, m.ID))}, nil
}

// person is a delegate with a name.
func person(id mandate.Identifier) mandate.Delegate {
	return mandate.Delegate{Identifier: id, FirstName: "Jüri", Surname: "Juurikas"}
}

// insertion is a change that inserts m; whoever is unknown is made.
func insertion(v mandate.View, m mandate.Mandate, representee, delegate mandate.Identifier) mandate.Change {
	c := mandate.Change{New: &m, Happened: []mandate.Happening{{Kind: mandate.EventAdded}}}
	if v.Representee == nil {
		c.Representee = &mandate.Representee{Identifier: representee, Name: "Väikefirma OÜ"}
	}
	if v.Delegate == nil {
		d := person(delegate)
		c.Delegate = &d
	}
	return c
}

// add inserts an active mandate.
func add(t testing.TB, s MandateStore, representee, delegate mandate.Identifier, with func(m *mandate.Mandate)) mandate.Mandate {
	t.Helper()
	m := mandate.Mandate{Role: "ESINDAJA", Period: mandate.Period{From: today}, On: true, Known: mandate.Active}
	if with != nil {
		with(&m)
	}
	written, err := s.ChangeMandates(t.Context(), mandate.Scope{Representee: representee, Delegate: delegate, Today: today}, func(v mandate.View) (mandate.Change, error) {
		return insertion(v, m, representee, delegate), nil
	}, told)
	require.NoError(t, err)
	require.Len(t, written, 1)
	return written[0]
}

// end is a change that ends mandates.
func end(mandates ...mandate.Mandate) mandate.Change {
	var c mandate.Change
	for _, m := range mandates {
		m.On, m.Known, m.Period.Through = false, mandate.Ended, today
		m.Ended = mandate.Ending{At: noon(), How: mandate.Withdrawn, By: string(mari)}
		c.Mandates = append(c.Mandates, m)
		c.Happened = append(c.Happened, mandate.Happening{MandateID: m.ID, Kind: mandate.EventEnded})
	}
	return c
}

func requireMandate(t testing.TB, s MandateStore, want mandate.Mandate) {
	t.Helper()
	got, err := s.Mandate(t.Context(), want.ID, today)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func list(t testing.TB, s MandateStore, f mandate.Filter) []int64 {
	t.Helper()
	f.Today = today
	found, err := s.Mandates(t.Context(), f)
	require.NoError(t, err)
	ids := []int64{}
	for _, m := range found {
		ids = append(ids, m.ID)
	}
	return ids
}

func testMandateWhole(t *testing.T, s MandateStore, _ Core) {
	full := mandate.Mandate{
		Role: "ESINDAJA", Period: mandate.Period{From: "2026-03-29", Through: "2026-10-25"}, Known: mandate.Waiting, SubDelegable: true,
		AddedAt: noon().Add(time.Microsecond), AddedBy: string(mari), AddedFor: company, AskedFrom: "2026-02-28",
		Authorizations: []mandate.Authorization{{User: mari, Role: "BR_REPRIGHT:SOLEREP"}, {User: juri, Role: "nul \x00 \" <ö>"}},
		Document:       mandate.Document{UUID: "5b72e01c-fa7f-479c-b014-cc19efe5b732", SingleDelegate: true},
	}
	var written mandate.Mandate
	audit := mandate.Audit{At: noon(), Action: "add", Actor: string(mari), OnBehalf: company, Client: "ee-dev/GOV/70006317/paasuke", RequestID: "r-1",
		Authorizations: full.Authorizations, Document: full.Document, Detail: "x"}
	got, err := s.ChangeMandates(t.Context(), mandate.Scope{Representee: company, Delegate: juri, User: mari, Party: company, Today: today}, func(v mandate.View) (mandate.Change, error) {
		require.Equal(t, mandate.View{}, v, "nothing is known")
		c := insertion(v, full, company, juri)
		c.Audits = []mandate.Audit{audit}
		return c, nil
	}, told)
	require.NoError(t, err)
	require.Len(t, got, 1)
	written = got[0]
	require.NotZero(t, written.ID)
	want := full
	want.ID = written.ID
	want.Representee = mandate.Representee{ID: written.Representee.ID, Identifier: company, Name: "Väikefirma OÜ"}
	want.Delegate = mandate.Delegate{ID: written.Delegate.ID, Identifier: juri, FirstName: "Jüri", Surname: "Juurikas"}
	require.Equal(t, want, written)
	requireMandate(t, s, want)

	audit.MandateID = want.ID
	audits, err := s.MandateAudits(t.Context(), want.ID)
	require.NoError(t, err)
	require.Equal(t, []mandate.Audit{audit}, audits)
	events, err := s.Events(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.Equal(t, mandate.EventAdded, events[0].Type)
	require.Equal(t, fmt.Sprintf("mandate/%d", want.ID), events[0].Subject)
	require.JSONEq(t, fmt.Sprintf(`{"id":%d}`, want.ID), string(events[0].Data))

	// Every field of it that may change does.
	var before mandate.View
	_, err = s.ChangeMandates(t.Context(), mandate.Scope{MandateID: want.ID, Today: today}, func(v mandate.View) (mandate.Change, error) {
		before = v
		want.On, want.Known, want.Period.Through = true, mandate.Active, "2027-01-01"
		want.Ended = mandate.Ending{At: noon(), How: mandate.Waived, By: "x"}
		return mandate.Change{Mandates: []mandate.Mandate{want}}, nil
	}, told)
	require.NoError(t, err)
	require.Equal(t, []mandate.Mandate{written}, before.Mandates)
	require.Equal(t, &written, before.Mandate)
	require.Equal(t, &written.Representee, before.Representee)
	require.Nil(t, before.Delegate)
	requireMandate(t, s, want)

	_, err = s.Mandate(t.Context(), want.ID+1, today)
	require.ErrorIs(t, err, mandate.ErrNotFound)
}

func testMandatePeople(t *testing.T, s MandateStore, core Core) {
	core(t, `INSERT INTO atis.kasutajad (isikukood, eesnimi, perenimi) VALUES ('50001029996', 'Jüri', 'Vana')`)
	a, b := add(t, s, company, juri, nil), add(t, s, otherFirm, juri, nil)
	c := add(t, s, company, mari, nil)
	require.Equal(t, "Vana", a.Delegate.Surname)
	require.Equal(t, a.Delegate, b.Delegate)
	require.Equal(t, a.Representee, c.Representee)
	require.NotEqual(t, a.Representee.ID, b.Representee.ID)

	require.Equal(t, []int64{a.ID, c.ID}, list(t, s, mandate.Filter{Representee: company}))
	require.Equal(t, []int64{a.ID, b.ID}, list(t, s, mandate.Filter{Delegate: juri}))
	require.Equal(t, []int64{a.ID}, list(t, s, mandate.Filter{Representee: company, Delegate: juri}))
	require.Equal(t, []int64{a.ID, b.ID, c.ID}, list(t, s, mandate.Filter{}))
	for _, stranger := range []mandate.Identifier{"EE12345678", "PT12345678", "10391131", "mailto:x@example.ee", "EE1039113' OR '1'='1"} {
		require.Empty(t, list(t, s, mandate.Filter{Representee: stranger}), stranger)
		require.Empty(t, list(t, s, mandate.Filter{Delegate: stranger}), stranger)
	}
	_, err := s.ChangeMandates(t.Context(), mandate.Scope{MandateID: c.ID, Delegate: juri, User: juri, Party: company, Today: today}, func(v mandate.View) (mandate.Change, error) {
		require.Equal(t, []mandate.Mandate{a}, v.Held)
		require.Equal(t, &a.Delegate, v.Delegate)
		require.Equal(t, []mandate.Mandate{a, c}, v.Mandates)
		return mandate.Change{}, nil
	}, told)
	require.NoError(t, err)
}

func testCoreRows(t *testing.T, s MandateStore, core Core) {
	m := add(t, s, company, juri, nil)
	insert := func(code, letter, from, through string) {
		core(t, fmt.Sprintf(`INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, esindusoiguse_kehtivus_alates, esindusoiguse_kehtivus_kuni)
			VALUES (%d, %d, '%s', '%s', %s, %s)`, m.Representee.ID, m.Delegate.ID, code, letter, from, through))
	}
	insert("R1", "A", "NULL", "NULL")
	insert("R2", "A", "'2026-01-01'", "'2026-03-01'")
	insert("R3", "M", "'2026-03-03'", "NULL")
	insert("R4", "M", "'2026-03-02'", "NULL")
	insert("R5", "M", "NULL", "'2027-01-01'")
	found, err := s.Mandates(t.Context(), mandate.Filter{Representee: company, History: true, Today: today})
	require.NoError(t, err)
	states := map[mandate.Role]mandate.State{}
	for _, f := range found {
		states[f.Role] = f.State(today)
		if f.ID != m.ID {
			require.Empty(t, f.Known)
			require.False(t, f.SubDelegable)
			require.Nil(t, f.Authorizations)
		}
	}
	require.Equal(t, map[mandate.Role]mandate.State{"ESINDAJA": mandate.Active, "R1": mandate.Active, "R2": mandate.Ended, "R3": mandate.Waiting, "R4": mandate.Ended, "R5": mandate.Ended}, states)
	require.Len(t, list(t, s, mandate.Filter{Representee: company}), 4, "all that has not ended is among them")

	// What the core switches off is shown at once, and is still in the view, so that it can be written down.
	core(t, fmt.Sprintf(`UPDATE atis.andmeandjad_kasutajad SET staatus_kl = 'M' WHERE id = %d`, m.ID))
	got, err := s.Mandate(t.Context(), m.ID, today)
	require.NoError(t, err)
	require.False(t, got.On)
	require.Equal(t, mandate.Active, got.Known)
	require.Equal(t, mandate.Ended, got.State(today))
	_, err = s.ChangeMandates(t.Context(), mandate.Scope{RepresenteeID: m.Representee.ID, Today: today}, func(v mandate.View) (mandate.Change, error) {
		require.Contains(t, v.Mandates, got)
		require.Len(t, v.Mandates, 4)
		return mandate.Change{}, nil
	}, told)
	require.NoError(t, err)
	_, err = s.ChangeMandates(t.Context(), mandate.Scope{RepresenteeID: m.Representee.ID + 1, Today: today}, func(mandate.View) (mandate.Change, error) {
		t.Error("decided about nobody")
		return mandate.Change{}, nil
	}, told)
	require.ErrorIs(t, err, mandate.ErrNotFound)
	_, err = s.ChangeMandates(t.Context(), mandate.Scope{MandateID: 1 << 40, Today: today}, func(v mandate.View) (mandate.Change, error) {
		require.Nil(t, v.Mandate)
		return mandate.Change{}, nil
	}, told)
	require.NoError(t, err)
}

func testMandatePages(t *testing.T, s MandateStore, _ Core) {
	ids := []int64{}
	for i := range 5 {
		ids = append(ids, add(t, s, company, mandate.Estonian(fmt.Sprintf("5000102999%d", i)), nil).ID)
	}
	require.Equal(t, ids[:2], list(t, s, mandate.Filter{Representee: company, Limit: 2}))
	require.Equal(t, ids[2:4], list(t, s, mandate.Filter{Representee: company, After: ids[1], Limit: 2}))
	require.Equal(t, ids, list(t, s, mandate.Filter{Limit: 10}))
	require.Empty(t, list(t, s, mandate.Filter{After: ids[4]}))
}

func testMandateWholeOrNot(t *testing.T, s MandateStore, _ Core) {
	m := add(t, s, company, juri, nil)
	refused := errors.New("refused")
	kept := func() any {
		all, err := s.Mandates(t.Context(), mandate.Filter{History: true, Today: today})
		require.NoError(t, err)
		events, err := s.Events(t.Context(), 0, 100)
		require.NoError(t, err)
		audits, err := s.MandateAudits(t.Context(), m.ID)
		require.NoError(t, err)
		return []any{all, events, audits}
	}
	before := kept()
	whole := func(v mandate.View) mandate.Change {
		c := insertion(v, mandate.Mandate{Role: "AVALDAJA", Known: mandate.Active, On: true}, company, mari)
		c.Mandates = end(m).Mandates
		c.Happened = append(c.Happened, mandate.Happening{MandateID: m.ID, Kind: mandate.EventEnded})
		c.Audits = []mandate.Audit{{At: noon(), MandateID: m.ID, Action: "end"}}
		c.Answered = &mandate.Answered{Client: "c", ID: "r", At: noon(), Outcome: []byte("{}")}
		return c
	}
	scope := mandate.Scope{Client: "c", RequestID: "r", Representee: company, Delegate: mari, Today: today}
	fails := map[string]func() error{
		"decide": func() error {
			_, err := s.ChangeMandates(t.Context(), scope, func(v mandate.View) (mandate.Change, error) { return whole(v), refused }, told)
			return err
		},
		"the last event": func() error {
			n := 0
			_, err := s.ChangeMandates(t.Context(), scope, func(v mandate.View) (mandate.Change, error) { return whole(v), nil }, func(kind string, m mandate.Mandate) (event.Event, error) {
				if n++; n == 2 {
					return event.Event{}, refused
				}
				return told(kind, m)
			})
			return err
		},
		"the database": func() error {
			_, err := s.ChangeMandates(t.Context(), scope, func(v mandate.View) (mandate.Change, error) {
				c := whole(v)
				c.Happened = append(c.Happened, c.Happened[0])
				return c, nil
			}, func(kind string, m mandate.Mandate) (event.Event, error) {
				e, err := told(kind, m)
				e.ID = "the same twice"
				return e, err
			})
			require.Error(t, err)
			return refused
		},
	}
	for name, fail := range fails {
		require.ErrorIs(t, fail(), refused, name)
		require.Equal(t, before, kept(), name)
	}
	written, err := s.ChangeMandates(t.Context(), scope, func(v mandate.View) (mandate.Change, error) {
		require.Nil(t, v.Repeat)
		require.Nil(t, v.Delegate)
		return whole(v), nil
	}, told)
	require.NoError(t, err)
	require.Len(t, written, 2)
	require.Equal(t, mari, written[0].Delegate.Identifier)
	require.Equal(t, m.ID, written[1].ID)
	requireMandate(t, s, written[0])
	requireMandate(t, s, written[1])
}

func testMandateNotShown(t *testing.T, s MandateStore, _ Core) {
	m, foreign := add(t, s, company, juri, nil), add(t, s, otherFirm, juri, nil)
	for name, c := range map[string]mandate.Change{
		"another's":             end(foreign),
		"an unknown one":        end(mandate.Mandate{ID: 1 << 40}),
		"no state":              {Mandates: []mandate.Mandate{{ID: m.ID}}},
		"an event of another":   {Happened: []mandate.Happening{{MandateID: foreign.ID, Kind: mandate.EventEnded}}},
		"an event of a new one": {Happened: []mandate.Happening{{Kind: mandate.EventAdded}}},
		"nobody's":              {New: &mandate.Mandate{Role: "ESINDAJA", Known: mandate.Active}},
	} {
		_, err := s.ChangeMandates(t.Context(), mandate.Scope{MandateID: m.ID, Today: today}, func(mandate.View) (mandate.Change, error) { return c, nil }, told)
		require.Error(t, err, name)
	}
	requireMandate(t, s, m)
	requireMandate(t, s, foreign)
}

func testChain(t *testing.T, s MandateStore, core Core) {
	var all []mandate.Mandate
	for i := range 4 {
		all = append(all, add(t, s, company, mandate.Estonian(fmt.Sprintf("5000102999%d", i)), func(m *mandate.Mandate) {
			if i > 0 {
				m.Parent = all[i-1].ID
			}
		}))
	}
	orphans := func() []bool {
		var got []bool
		for _, m := range all {
			read, err := s.Mandate(t.Context(), m.ID, today)
			require.NoError(t, err)
			got = append(got, read.Orphaned)
		}
		return got
	}
	read, err := s.Mandate(t.Context(), all[2].ID, today)
	require.NoError(t, err)
	require.Equal(t, &all[1].Delegate, read.SubDelegator)
	set := func(id int64, what string) {
		core(t, fmt.Sprintf(`UPDATE atis.andmeandjad_kasutajad SET %s WHERE id = %d`, what, id))
	}
	require.Equal(t, []bool{false, false, false, false}, orphans())
	set(all[0].ID, `staatus_kl = 'M'`)
	require.Equal(t, []bool{false, true, true, true}, orphans())
	set(all[0].ID, `staatus_kl = 'A', esindusoiguse_kehtivus_kuni = '2026-03-01'`)
	require.Equal(t, []bool{false, true, true, true}, orphans(), "its last day was yesterday")
	set(all[0].ID, `esindusoiguse_kehtivus_kuni = '2026-03-02'`)
	require.Equal(t, []bool{false, false, false, false}, orphans(), "its last day is today")
	set(all[2].ID, `staatus_kl = 'M'`)
	require.Equal(t, []bool{false, false, false, true}, orphans())
	core(t, fmt.Sprintf(`DELETE FROM atis.andmeandjad_kasutajad WHERE id = %d`, all[0].ID))
	all = all[1:]
	require.Equal(t, []bool{true, true, true}, orphans(), "the core took it away")
	core(t, fmt.Sprintf(`UPDATE atis.adapter_mandate SET parent_id = %d WHERE mandate_id = %d`, all[2].ID, all[0].ID))
	require.Equal(t, []bool{true, true, true}, orphans(), "a circle ends")
}

func testRepeat(t *testing.T, s MandateStore, _ Core) {
	m := add(t, s, company, juri, nil)
	answered := mandate.Answered{Client: "c", ID: "r", Request: mandate.Request{Method: "POST", Path: "/v1/x", Digest: "d"}, At: noon(), Outcome: []byte(`{"Deleted":[]}`)}
	ask := func(client, id string, since time.Time, keep *mandate.Answered) (seen *mandate.Answered) {
		_, err := s.ChangeMandates(t.Context(), mandate.Scope{Client: client, RequestID: id, Since: since, MandateID: m.ID, Today: today}, func(v mandate.View) (mandate.Change, error) {
			seen = v.Repeat
			return mandate.Change{Answered: keep}, nil
		}, told)
		require.NoError(t, err)
		return seen
	}
	require.Nil(t, ask("c", "r", noon(), &answered))
	require.Equal(t, &answered, ask("c", "r", noon(), nil))
	require.Nil(t, ask("d", "r", noon(), nil))
	require.Nil(t, ask("c", "q", noon(), nil))
	later := answered
	later.At, later.Request.Digest = noon().Add(time.Hour), "e"
	require.Nil(t, ask("c", "r", noon().Add(time.Microsecond), &later), "too old")
	require.Equal(t, &later, ask("c", "r", noon(), nil))
	n, err := s.ForgetRequests(t.Context(), later.At)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = s.ForgetRequests(t.Context(), later.At.Add(time.Microsecond))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Nil(t, ask("c", "r", noon(), nil))
}

func testRepeatAtOnce(t *testing.T, s MandateStore, _ Core) {
	const callers = 8
	at(callers, func(i int) {
		delegate := mandate.Estonian(fmt.Sprintf("5000102999%d", i))
		_, err := s.ChangeMandates(t.Context(), mandate.Scope{Client: "c", RequestID: "r", Since: noon(), Representee: company, Delegate: delegate, Today: today}, func(v mandate.View) (mandate.Change, error) {
			if v.Repeat != nil {
				return mandate.Change{}, nil
			}
			c := insertion(v, mandate.Mandate{Role: "ESINDAJA", On: true, Known: mandate.Active}, company, delegate)
			c.Answered = &mandate.Answered{Client: "c", ID: "r", At: noon(), Outcome: []byte("{}")}
			return c, nil
		}, told)
		if err != nil {
			t.Error(err)
		}
	})
	require.Len(t, list(t, s, mandate.Filter{}), 1)
}

func testAdopt(t *testing.T, s MandateStore, core Core) {
	m := add(t, s, company, juri, nil)
	for _, from := range []string{"2026-03-02", "2026-03-03", "2026-03-04"} {
		for _, letter := range []string{"A", "M"} {
			core(t, fmt.Sprintf(`INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, esindusoiguse_kehtivus_alates)
				VALUES (%d, %d, 'ESINDAJA', '%s', '%s')`, m.Representee.ID, m.Delegate.ID, letter, from))
		}
	}
	n, err := s.AdoptMandates(t.Context(), today, noon())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = s.AdoptMandates(t.Context(), today, noon())
	require.NoError(t, err)
	require.Zero(t, n)
	found, err := s.Mandates(t.Context(), mandate.Filter{History: true, Today: "2026-03-05"})
	require.NoError(t, err)
	waiting := 0
	for _, f := range found {
		if f.State("2026-03-05") == mandate.Waiting {
			waiting++
			require.Equal(t, mandate.Waiting, f.Known)
		}
	}
	require.Equal(t, 2, waiting, "also once their first day has come")
}

func testUnsettled(t *testing.T, s MandateStore, core Core) {
	firm := func(n int) mandate.Identifier { return mandate.Estonian(fmt.Sprintf("1000000%d", n)) }
	unsettled := func(day mandate.Date) []int64 {
		ids, next, err := s.Unsettled(t.Context(), day, 0)
		require.NoError(t, err)
		require.Zero(t, next, "few mandates are one part")
		return ids
	}
	settled := add(t, s, firm(0), juri, nil)
	through := add(t, s, firm(1), juri, func(m *mandate.Mandate) { m.Period.Through = today })
	waiting := add(t, s, firm(2), juri, func(m *mandate.Mandate) { m.On, m.Known, m.Period.From = false, mandate.Waiting, "2026-03-03" })
	off := add(t, s, firm(3), juri, nil)
	child := add(t, s, firm(4), juri, func(m *mandate.Mandate) { m.Parent = 1 << 40 })
	parent := add(t, s, firm(5), juri, func(m *mandate.Mandate) { m.Period.Through = today })
	add(t, s, firm(5), mari, func(m *mandate.Mandate) { m.Parent = parent.ID })
	require.Equal(t, []int64{child.Representee.ID}, unsettled(today))
	core(t, fmt.Sprintf(`UPDATE atis.andmeandjad_kasutajad SET staatus_kl = 'M' WHERE id = %d`, off.ID))
	core(t, fmt.Sprintf(`INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl) VALUES (%d, %d, 'AVALDAJA', 'M'), (%d, %d, 'AVALDAJA', 'A')`,
		settled.Representee.ID, settled.Delegate.ID, waiting.Representee.ID, settled.Delegate.ID))
	require.Equal(t, []int64{waiting.Representee.ID, off.Representee.ID, child.Representee.ID}, unsettled(today))
	require.Equal(t, []int64{through.Representee.ID, waiting.Representee.ID, off.Representee.ID, child.Representee.ID, parent.Representee.ID}, unsettled("2026-03-03"))
}

// testOneRepresentee has many add the same where one may be: each sees what those before it wrote.
func testOneRepresentee(t *testing.T, s MandateStore, core Core) {
	const callers, each = 6, 5
	at(callers, func(i int) {
		for range each {
			_, err := s.ChangeMandates(t.Context(), mandate.Scope{Representee: company, Delegate: juri, Today: today}, func(v mandate.View) (mandate.Change, error) {
				for _, m := range v.Mandates {
					if m.On {
						return end(m), nil
					}
				}
				return insertion(v, mandate.Mandate{Role: "ESINDAJA", On: true, Known: mandate.Active}, company, juri), nil
			}, told)
			if err != nil {
				t.Error(err)
			}
			if i == 0 {
				core(t, `UPDATE atis.kasutajad SET perenimi = 'Uus'`)
			}
		}
	})
	found, err := s.Mandates(t.Context(), mandate.Filter{History: true, Today: today})
	require.NoError(t, err)
	require.Len(t, found, callers*each/2)
	for _, m := range found {
		require.False(t, m.On)
	}
	events, err := s.Events(t.Context(), 0, 1000)
	require.NoError(t, err)
	require.Len(t, events, callers*each)
	for i, e := range events {
		require.Equal(t, []string{mandate.EventAdded, mandate.EventEnded}[i%2], e.Type)
	}
}

func testOneDelegate(t *testing.T, s MandateStore, _ Core) {
	const callers = 8
	at(callers, func(i int) {
		firm := mandate.Estonian(fmt.Sprintf("1000000%d", i))
		_, err := s.ChangeMandates(t.Context(), mandate.Scope{Representee: firm, Delegate: juri, Today: today}, func(v mandate.View) (mandate.Change, error) {
			return insertion(v, mandate.Mandate{Role: "ESINDAJA", On: true, Known: mandate.Active}, firm, juri), nil
		}, told)
		if err != nil {
			t.Error(err)
		}
	})
	found, err := s.Mandates(t.Context(), mandate.Filter{Delegate: juri, Today: today})
	require.NoError(t, err)
	require.Len(t, found, callers)
	for _, m := range found {
		require.Equal(t, found[0].Delegate, m.Delegate)
	}
}

// testMandatesTogether has each method meet each other, the core among them; nobody waits for ever and nothing is lost.
func testMandatesTogether(t *testing.T, s MandateStore, core Core) {
	const callers, each = 8, 6
	firms := []mandate.Identifier{company, otherFirm}
	var mu sync.Mutex
	added := 0
	at(callers, func(i int) {
		for n := range each {
			firm, user := firms[(i+n)%2], mandate.Estonian(fmt.Sprintf("5000102999%d", i))
			var err error
			switch (i + n) % 4 {
			case 0, 1:
				_, err = s.ChangeMandates(t.Context(), mandate.Scope{Client: "c", RequestID: fmt.Sprint(i, n), Representee: firm, Delegate: user, User: user, Party: firms[(i+n+1)%2], Today: today},
					func(v mandate.View) (mandate.Change, error) {
						c := insertion(v, mandate.Mandate{Role: "ESINDAJA", On: true, Known: mandate.Active}, firm, user)
						c.Answered = &mandate.Answered{Client: "c", ID: fmt.Sprint(i, n), At: noon(), Outcome: []byte("{}")}
						return c, nil
					}, told)
				mu.Lock()
				added++
				mu.Unlock()
			case 2:
				_, err = s.ChangeMandates(t.Context(), mandate.Scope{Representee: firm, Today: today}, func(v mandate.View) (mandate.Change, error) {
					return end(v.Mandates...), nil
				}, told)
			case 3:
				core(t, `UPDATE atis.andmeandjad_kasutajad SET staatus_kl = 'M' WHERE id = (SELECT max(id) FROM atis.andmeandjad_kasutajad)`)
				if _, err = s.AdoptMandates(context.WithoutCancel(t.Context()), today, noon()); err == nil {
					_, _, err = s.Unsettled(t.Context(), today, 0)
				}
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	require.Len(t, list(t, s, mandate.Filter{History: true}), added)
}

func testSchedule(t *testing.T, s MandateStore, _ Core) {
	ctx, now := t.Context(), noon()
	last, err := s.LastSuccess(ctx, "night")
	require.NoError(t, err)
	require.Empty(t, last)
	require.Error(t, s.TakeSchedule(ctx, "night", "2026-03-02", "", now, now))
	require.NoError(t, s.TakeSchedule(ctx, "night", "2026-03-02", "a", now, now.Add(time.Minute)))
	require.NoError(t, s.TakeSchedule(ctx, "other", "2026-03-02", "b", now, now.Add(time.Minute)))
	require.ErrorIs(t, s.TakeSchedule(ctx, "night", "2026-03-02", "b", now, now.Add(time.Minute)), schedule.ErrHeld)
	require.NoError(t, s.RenewSchedule(ctx, "night", "a", now.Add(2*time.Minute)))
	require.ErrorIs(t, s.RenewSchedule(ctx, "night", "b", now.Add(time.Hour)), schedule.ErrLeaseLost)
	require.ErrorIs(t, s.TakeSchedule(ctx, "night", "2026-03-02", "b", now.Add(time.Minute), now.Add(time.Hour)), schedule.ErrHeld)
	require.NoError(t, s.TakeSchedule(ctx, "night", "2026-03-02", "b", now.Add(2*time.Minute), now.Add(time.Hour)), "it ran out")
	require.ErrorIs(t, s.EndSchedule(ctx, "night", "a", "2026-03-02", true), schedule.ErrLeaseLost)
	require.NoError(t, s.EndSchedule(ctx, "night", "b", "2026-03-02", false))
	last, err = s.LastSuccess(ctx, "night")
	require.NoError(t, err)
	require.Empty(t, last, "it failed")
	require.NoError(t, s.TakeSchedule(ctx, "night", "2026-03-02", "c", now, now.Add(time.Minute)))
	require.NoError(t, s.EndSchedule(ctx, "night", "c", "2026-03-02", true))
	last, err = s.LastSuccess(ctx, "night")
	require.NoError(t, err)
	require.Equal(t, "2026-03-02", last)
	for _, day := range []string{"2026-03-02", "2026-03-01"} {
		require.ErrorIs(t, s.TakeSchedule(ctx, "night", day, "d", now, now.Add(time.Minute)), schedule.ErrDone)
	}
	require.NoError(t, s.TakeSchedule(ctx, "night", "2026-03-03", "d", now, now.Add(time.Minute)))
}

func testScheduleAtOnce(t *testing.T, s MandateStore, _ Core) {
	var mu sync.Mutex
	taken := 0
	at(8, func(i int) {
		err := s.TakeSchedule(t.Context(), "night", "2026-03-02", fmt.Sprint(i), noon(), noon().Add(time.Minute))
		switch {
		case err == nil:
			mu.Lock()
			taken++
			mu.Unlock()
		case !errors.Is(err, schedule.ErrHeld):
			t.Error(err)
		}
	})
	require.Equal(t, 1, taken)
}
