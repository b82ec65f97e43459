package mandate_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/mandate"
)

// Whatever is done, by Pääsuke, the core's screens, the core's own hand, and by night, in whatever sequence: what is listed is
// what a simple model says, and nothing is active below what has ended (AT-PAASUKE-006, 009…012).
func TestListsAgreeWithTheModel(t *testing.T) {
	t.Parallel()
	w := inSQLite(t, t.TempDir())
	rapid.Check(t, func(t *rapid.T) {
		newModel(t, w).run(t)
	})
}

// Both stores say the same of the same, byte for byte.
func TestStoresAgree(t *testing.T) {
	t.Parallel()
	checks, most := 0, 12
	if testing.Short() {
		most = 3
	}
	worlds := []*world{inSQLite(t, t.TempDir()), inPostgres(t)}
	rapid.Check(t, func(t *rapid.T) {
		if checks++; checks <= most {
			newModel(t, worlds...).run(t)
		}
	})
	require.Greater(t, checks, most)
}

// fact is a mandate as the model knows it.
type fact struct {
	id           int64
	delegate     mandate.Identifier
	role         string
	from         mandate.Date
	through      mandate.Date
	on           bool
	known        mandate.State // as our row has it; "" none
	parent       int64
	subDelegable bool
}

// model is what should be, beside worlds in which it is done.
type model struct {
	worlds []*world
	today  mandate.Date
	facts  []*fact
}

var people = []mandate.Identifier{juri, kati, mats}

func newModel(t *rapid.T, worlds ...*world) *model {
	m := &model{worlds: worlds, today: "2026-03-26"} // the clocks change within the days of a check
	for _, w := range worlds {
		for _, table := range []string{"adapter_event", "adapter_mandate_audit", "adapter_mandate_request", "adapter_mandate", "andmeandjad_kasutajad"} {
			w.core(t, `DELETE FROM atis.`+table)
		}
	}
	m.move(t, 0)
	// The people are there from the first check on.
	m.each(t, func(w *world) (int64, error) {
		added := w.add(t, juri, nil)
		return added.ID, nil
	}, true, func(id int64) {
		m.facts = append(m.facts, &fact{id: id, delegate: juri, role: "ESINDAJA", from: m.today, on: true, known: mandate.Active, subDelegable: true})
	})
	return m
}

func (m *model) run(t *rapid.T) {
	t.Repeat(map[string]func(*rapid.T){
		"add":       m.add,
		"pass on":   m.passOn,
		"end":       m.end,
		"change":    m.change,
		"switch":    m.flip,
		"core adds": m.coreAdds,
		"night":     m.night,
		"adopt":     m.adopt,
		"day":       func(t *rapid.T) { m.move(t, rapid.IntRange(1, 3).Draw(t, "days")) },
		"":          m.check,
	})
	m.night(t)
	m.check(t)
}

// move goes on by some days, to just after midnight in Estonia.
func (m *model) move(t *rapid.T, days int) {
	m.today = m.today.Plus(days)
	for _, w := range m.worlds {
		w.at(t, string(m.today)+" 00:00:01")
	}
}

// each does something in each world; where it should succeed, it must, everywhere alike, and the model follows.
func (m *model) each(t *rapid.T, do func(w *world) (int64, error), should bool, follow func(id int64)) {
	t.Helper()
	ids := []int64{}
	for _, w := range m.worlds {
		id, err := do(w)
		require.Equal(t, should, err == nil, "today %s: %s", m.today, broken(err))
		ids = append(ids, id)
	}
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	if should {
		follow(ids[0])
	}
}

func (m *model) add(t *rapid.T) {
	to, role, p := rapid.SampledFrom(people).Draw(t, "to"), rapid.SampledFrom([]string{"ESINDAJA", "AVALDAJA"}).Draw(t, "role"), m.period(t)
	can := role == "ESINDAJA" && rapid.Bool().Draw(t, "may pass on")
	core := rapid.Bool().Draw(t, "by the core")
	from := max(p.From, m.today)
	m.each(t, func(w *world) (int64, error) {
		actor, authorizations := board(firm)
		ask := asking(to, func(a *mandate.Ask) {
			a.Role, a.Period, a.CanSubDelegate, a.Authorizations = "AT:"+role, p, can, authorizations
		})
		if core {
			added, err := w.m.CoreAdd(t.Context(), string(mari), ask)
			return added.ID, err
		}
		a, r := w.fresh(actor)
		added, err := w.m.Add(t.Context(), a, r, ask)
		return added.ID, err
	}, (p.Through == "" || p.Through >= from) && !m.holds(to, role, from, p.Through, 0), func(id int64) {
		m.begin(&fact{id: id, delegate: to, role: role, from: from, through: p.Through, subDelegable: can})
	})
}

// period is some days around today; either end may be left open.
func (m *model) period(t *rapid.T) mandate.Period {
	var p mandate.Period
	if from := rapid.IntRange(-3, 4).Draw(t, "from"); from > -3 {
		p.From = m.today.Plus(from)
	}
	if through := rapid.IntRange(-1, 7).Draw(t, "through"); through < 6 {
		p.Through = m.today.Plus(through)
	}
	return p
}

// begin adds a fact that is active if it has begun, and waits if not.
func (m *model) begin(f *fact) {
	f.known, f.on = mandate.Waiting, false
	if f.from <= m.today {
		f.known, f.on = mandate.Active, true
	}
	m.facts = append(m.facts, f)
}

func (m *model) holds(to mandate.Identifier, role string, from, through mandate.Date, except int64) bool {
	return slices.ContainsFunc(m.facts, func(f *fact) bool {
		return f.id != except && f.delegate == to && f.role == role && m.state(f) != mandate.Ended &&
			(through == "" || f.from <= through) && (f.through == "" || from <= f.through)
	})
}

func (m *model) byID(id int64) *fact {
	for _, f := range m.facts {
		if f.id == id {
			return f
		}
	}
	return nil
}

func (m *model) over(f *fact) bool { return f.through != "" && f.through < m.today }

// state is what a mandate amounts to.
func (m *model) state(f *fact) mandate.State {
	for up := m.byID(f.parent); up != nil; up = m.byID(up.parent) {
		if !up.on && up.known != mandate.Waiting || m.over(up) {
			return mandate.Ended
		}
	}
	switch {
	case m.over(f):
		return mandate.Ended
	case f.on:
		return mandate.Active
	case f.known == mandate.Waiting, f.known == "" && f.from > m.today:
		return mandate.Waiting
	}
	return mandate.Ended
}

func (m *model) some(t *rapid.T) *fact { return rapid.SampledFrom(m.facts).Draw(t, "mandate") }

func (m *model) place(t *rapid.T, w *world, f *fact) mandate.Place {
	found, err := w.Mandate(t.Context(), f.id, m.today)
	require.NoError(t, err)
	return place(found)
}

func (m *model) passOn(t *rapid.T) {
	f, to, p := m.some(t), rapid.SampledFrom(people).Draw(t, "to"), m.period(t)
	from := max(p.From, m.today)
	valid := m.state(f) != mandate.Ended && f.from <= m.today && f.subDelegable && to != f.delegate
	within := (p.Through == "" || p.Through >= from) && (f.through == "" || p.Through != "" && p.Through <= f.through && from <= f.through)
	m.each(t, func(w *world) (int64, error) {
		at := m.place(t, w, f)
		a, r := w.fresh(mandate.Actor{User: f.delegate})
		passed, err := w.m.PassOn(t.Context(), a, r, mandate.PassOnAsk{Place: at, SubDelegate: natural(to), Period: p})
		return passed.ID, err
	}, valid && within && !m.holds(to, f.role, from, p.Through, 0), func(id int64) {
		m.begin(&fact{id: id, delegate: to, role: f.role, from: from, through: p.Through, parent: f.id})
	})
}

func (m *model) end(t *rapid.T) {
	f, how := m.some(t), rapid.SampledFrom([]mandate.How{mandate.Waived, mandate.Withdrawn, mandate.ByCore}).Draw(t, "how")
	m.each(t, func(w *world) (int64, error) {
		if how == mandate.ByCore {
			_, err := w.m.CoreEnd(t.Context(), string(mari), f.id)
			return f.id, err
		}
		at := m.place(t, w, f)
		actor, authorizations := board(firm)
		if how == mandate.Waived {
			actor = mandate.Actor{User: f.delegate}
		}
		a, r := w.fresh(actor)
		_, err := w.m.End(t.Context(), a, r, mandate.EndAsk{Place: at, How: how, Authorizations: authorizations})
		return f.id, err
	}, m.state(f) != mandate.Ended, func(int64) {
		for _, below := range m.facts {
			if m.below(below, f) && (below.on || m.state(below) != mandate.Ended) {
				m.stop(below)
			}
		}
		m.stop(f)
	})
	for _, below := range m.facts {
		for _, w := range m.worlds {
			got, err := w.Mandate(t.Context(), below.id, m.today)
			require.NoError(t, err)
			require.Equal(t, below.on, got.On, "in the same transaction: mandate %d", below.id)
		}
	}
}

func (m *model) below(f, top *fact) bool {
	for up := m.byID(f.parent); up != nil; up = m.byID(up.parent) {
		if up == top {
			return true
		}
	}
	return false
}

// stop ends a mandate today.
func (m *model) stop(f *fact) {
	f.on, f.known = false, mandate.Ended
	if f.through == "" || f.through > m.today {
		f.through = m.today
	}
}

func (m *model) change(t *rapid.T) {
	f, through := m.some(t), m.period(t).Through
	top := m.byID(f.parent)
	should := m.state(f) != mandate.Ended && (through == "" || through >= m.today && through >= f.from) &&
		(top == nil || top.through == "" || through != "" && through <= top.through) && !m.holds(f.delegate, f.role, f.from, through, f.id)
	m.each(t, func(w *world) (int64, error) {
		_, err := w.m.CoreChange(t.Context(), string(mari), f.id, through)
		return f.id, err
	}, should, func(int64) {
		if through == f.through {
			return
		}
		f.through, f.known = through, m.state(f)
		for _, below := range m.facts {
			if !m.below(below, f) || m.state(below) == mandate.Ended || through == "" || below.through != "" && below.through <= through {
				continue
			}
			if through < below.from {
				m.stop(below)
				continue
			}
			below.through, below.known = through, m.state(below)
		}
	})
}

// flip is the core's own switch.
func (m *model) flip(t *rapid.T) {
	f := m.some(t)
	f.on = !f.on
	letter := map[bool]string{true: "A", false: "M"}[f.on]
	for _, w := range m.worlds {
		w.core(t, fmt.Sprintf(`UPDATE atis.andmeandjad_kasutajad SET staatus_kl = '%s' WHERE id = %d`, letter, f.id))
	}
}

// coreAdds has the core insert a row by itself, with a first day of yesterday to tomorrow.
func (m *model) coreAdds(t *rapid.T) {
	f := &fact{delegate: juri, role: "AVALDAJA", from: m.today.Plus(rapid.IntRange(-1, 2).Draw(t, "from")), on: rapid.Bool().Draw(t, "on")}
	letter := map[bool]string{true: "A", false: "M"}[f.on]
	m.each(t, func(w *world) (int64, error) {
		of, err := w.Mandate(t.Context(), m.facts[0].id, m.today)
		require.NoError(t, err)
		w.core(t, fmt.Sprintf(`INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, esindusoiguse_kehtivus_alates)
			VALUES (%d, %d, 'AVALDAJA', '%s', '%s')`, of.Representee.ID, of.Delegate.ID, letter, f.from))
		found, err := w.Mandates(t.Context(), mandate.Filter{History: true, Today: m.today})
		require.NoError(t, err)
		return found[len(found)-1].ID, nil
	}, true, func(id int64) {
		f.id = id
		m.facts = append(m.facts, f)
	})
}

func (m *model) adopt(t *rapid.T) {
	m.each(t, func(w *world) (int64, error) { return 0, w.m.Adopt(t.Context()) }, true, func(int64) {
		for _, f := range m.facts {
			if f.known == "" && !f.on && f.from > m.today {
				f.known = mandate.Waiting
			}
		}
	})
}

func (m *model) night(t *rapid.T) {
	m.each(t, func(w *world) (int64, error) { return 0, w.m.Nightly(t.Context()) }, true, func(int64) {
		for _, f := range m.facts { // parents come before what was passed on from them
			switch m.state(f) {
			case mandate.Ended:
				switch {
				case m.over(f), !f.on && f.known == mandate.Active, !f.on && f.known != mandate.Waiting:
					f.on = false
					if f.known != "" || m.over(f) {
						f.known = mandate.Ended
					}
				default:
					m.stop(f)
				}
			case mandate.Active:
				f.known = mandate.Active
			case mandate.Waiting:
				f.known = mandate.Waiting
				if f.from <= m.today {
					f.on, f.known = true, mandate.Active
				}
			}
		}
	})
	for _, w := range m.worlds {
		events := len(w.events(t))
		require.NoError(t, w.m.Nightly(t.Context()))
		require.Len(t, w.events(t), events, "twice")
		all, err := w.Mandates(t.Context(), mandate.Filter{History: true, Today: m.today})
		require.NoError(t, err)
		for _, f := range all {
			require.Equal(t, f.State(m.today) == mandate.Active, f.On, "the core acts by its switch: mandate %d", f.ID)
		}
	}
}

// check compares what is listed with the model, and the worlds with each other.
func (m *model) check(t *rapid.T) {
	want := []*fact{}
	for _, f := range m.facts {
		if m.state(f) != mandate.Ended {
			want = append(want, f)
		}
	}
	slices.SortFunc(want, func(a, b *fact) int { return cmp.Or(cmp.Compare(a.delegate, b.delegate), cmp.Compare(a.id, b.id)) })
	var bytes []string
	for _, w := range m.worlds {
		list, err := w.m.ByRepresentee(t.Context(), mandate.Actor{}, firm, mandate.Query{})
		require.NoError(t, err)
		got := []mandate.Mandate{}
		for _, triplet := range list {
			got = append(got, triplet.Mandates...)
		}
		require.Len(t, got, len(want), "today %s", m.today)
		for i, f := range want {
			require.Equal(t, f.id, got[i].ID)
			require.Equal(t, m.state(f), got[i].State(m.today), "mandate %d", f.id)
			require.Equal(t, mandate.Period{From: f.from, Through: f.through}, got[i].Period)
			require.Equal(t, f.on, got[i].On)
		}
		for _, to := range people {
			of, err := w.m.ByDelegate(t.Context(), mandate.Actor{}, to, mandate.Query{})
			require.NoError(t, err)
			ids := []int64{}
			for _, f := range want {
				if f.delegate == to {
					ids = append(ids, f.id)
				}
			}
			require.Equal(t, ids, keys(of))
		}
		all, err := w.Mandates(t.Context(), mandate.Filter{History: true, Today: m.today})
		require.NoError(t, err)
		states := map[int64]mandate.State{}
		for _, f := range all {
			states[f.ID] = f.State(m.today)
			if f.Parent != 0 && states[f.ID] == mandate.Active {
				require.NotEqual(t, mandate.Ended, states[f.Parent], "mandate %d is active below %d", f.ID, f.Parent)
			}
		}
		text, err := json.Marshal([]any{list, all, w.events(t)})
		require.NoError(t, err)
		bytes = append(bytes, string(text))
	}
	for _, text := range bytes {
		require.Equal(t, bytes[0], text)
	}
}
