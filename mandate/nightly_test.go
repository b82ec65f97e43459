package mandate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
)

// AT-PAASUKE-006: what waits begins, what passed its last day ends, with what was passed on from it; twice changes nothing, and a
// missed night is made up.
func TestNightly(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		waiting := w.add(t, juri, func(a *mandate.Ask) { a.Period.From = "2026-03-03" })
		later := w.add(t, kati, func(a *mandate.Ask) { a.Period.From = "2026-03-10" })
		ending := w.add(t, mats, func(a *mandate.Ask) { a.Period.Through = "2026-03-02" })
		sub, err := w.pass(t, ending, "EE39001010001", mandate.Period{Through: "2026-03-02"})
		require.NoError(t, err)
		missed := w.add(t, "EE39001010002", func(a *mandate.Ask) { a.Period = mandate.Period{From: "2026-03-03", Through: "2026-03-04"} })
		elsewhere := w.add(t, juri, func(a *mandate.Ask) { a.Representee, a.Period.From = legal(other), "2026-03-03" })
		night := func() []string {
			before := len(w.events(t))
			require.NoError(t, w.m.Nightly(t.Context()))
			return w.events(t)[before:]
		}
		require.Empty(t, night(), "not yet")
		w.at(t, "2026-03-03 00:00:05")
		want := []string{}
		for _, happened := range []struct {
			kind string
			id   int64
		}{{"activated", waiting.ID}, {"ended", ending.ID}, {"ended", sub.ID}, {"activated", missed.ID}, {"activated", elsewhere.ID}} {
			want = append(want, fmt.Sprint(happened.kind, " ", happened.id))
		}
		require.Equal(t, want, night())
		require.Empty(t, night(), "twice")
		for id, state := range map[int64]mandate.State{waiting.ID: mandate.Active, later.ID: mandate.Waiting, ending.ID: mandate.Ended, sub.ID: mandate.Ended, missed.ID: mandate.Active} {
			got, err := w.Mandate(t.Context(), id, "2026-03-03")
			require.NoError(t, err)
			require.Equal(t, state, got.State("2026-03-03"))
			require.Equal(t, state == mandate.Active, got.On)
			require.Equal(t, state, got.Known)
		}
		got, err := w.Mandate(t.Context(), ending.ID, "2026-03-03")
		require.NoError(t, err)
		require.Equal(t, mandate.Ending{At: w.now.UTC(), How: mandate.Expired}, got.Ended)
		require.Equal(t, mandate.Date("2026-03-02"), got.Period.Through)
		audits, err := w.MandateAudits(t.Context(), waiting.ID)
		require.NoError(t, err)
		require.Equal(t, mandate.Audit{At: w.now.UTC(), MandateID: waiting.ID, Action: "activate"}, audits[1])

		w.at(t, "2026-03-20 12:00:00") // weeks later
		require.Equal(t, []string{fmt.Sprint("activated ", later.ID), fmt.Sprint("ended ", missed.ID)}, night())
	})
}

// A mandate that was ended, or that the company switched off, never comes back by night; what the core does by itself is written
// down (Pääsuke §7).
func TestNightlyAndTheCore(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		set := func(id int64, what string) {
			w.core(t, fmt.Sprintf(`UPDATE atis.andmeandjad_kasutajad SET %s WHERE id = %d`, what, id))
		}
		off := w.add(t, juri, nil)
		sub, err := w.pass(t, off, kati, mandate.Period{})
		require.NoError(t, err)
		withdrawn := w.add(t, mats, func(a *mandate.Ask) { a.Period.From = "2026-03-03" })
		_, err = w.withdraw(t, withdrawn)
		require.NoError(t, err)
		row := func(letter, from string) int64 {
			w.core(t, fmt.Sprintf(`INSERT INTO atis.andmeandjad_kasutajad (andmeandjad_id, kasutajad_id, role, staatus_kl, esindusoiguse_kehtivus_alates) VALUES (%d, %d, 'AVALDAJA', '%s', %s)`,
				off.Representee.ID, off.Delegate.ID, letter, from))
			found, err := w.Mandates(t.Context(), mandate.Filter{History: true, Today: "2026-03-02"})
			require.NoError(t, err)
			return found[len(found)-1].ID
		}
		waiting, switchedOff, unseen := row("M", "'2026-03-03'"), row("A", "'2026-03-02'"), int64(0)
		require.NoError(t, w.m.Adopt(t.Context()))
		set(switchedOff, `staatus_kl = 'M'`)
		set(off.ID, `staatus_kl = 'M'`)
		require.Equal(t, []int64{waiting}, w.listed(t), "at once, with what was passed on")
		unseen = row("M", "'2026-03-03'")
		w.at(t, "2026-03-03 00:00:05")
		before := len(w.events(t))
		require.NoError(t, w.m.Nightly(t.Context()))
		require.Equal(t, []string{fmt.Sprint("ended ", off.ID), fmt.Sprint("ended ", sub.ID), fmt.Sprint("activated ", waiting)}, w.events(t)[before:])
		got, err := w.Mandate(t.Context(), off.ID, "2026-03-03")
		require.NoError(t, err)
		require.Equal(t, mandate.SwitchedOff, got.Ended.How)
		got, err = w.Mandate(t.Context(), sub.ID, "2026-03-03")
		require.NoError(t, err)
		require.Equal(t, mandate.WithParent, got.Ended.How)
		require.False(t, got.On, "the core would let her act")

		for range 3 {
			w.now = w.now.Add(24 * time.Hour)
			require.NoError(t, w.m.Nightly(t.Context()))
			require.Equal(t, []int64{waiting}, w.listed(t))
		}
		require.Equal(t, mandate.Ended, w.state(t, unseen), "nobody saw it wait")

		set(off.ID, `staatus_kl = 'A'`)
		require.Equal(t, []int64{off.ID, waiting}, w.listed(t), "the core switched it on again, itself")
		set(sub.ID, `staatus_kl = 'A', esindusoiguse_kehtivus_kuni = NULL`)
		before = len(w.events(t))
		require.NoError(t, w.m.Nightly(t.Context()))
		require.Equal(t, []string{fmt.Sprint("activated ", off.ID), fmt.Sprint("activated ", sub.ID)}, w.events(t)[before:])
		_, err = w.withdraw(t, off)
		require.NoError(t, err)
		set(sub.ID, `staatus_kl = 'A', esindusoiguse_kehtivus_kuni = NULL`)
		require.Equal(t, []int64{waiting}, w.listed(t), "never active below what has ended")
		require.NoError(t, w.m.Nightly(t.Context()))
		got, err = w.Mandate(t.Context(), sub.ID, mandate.DateOf(w.now))
		require.NoError(t, err)
		require.False(t, got.On)
	})
}

// halting is a store in which changes of one representee fail.
type halting struct {
	mandate.Store
	representeeID int64
}

var errHalted = errors.New("halted")

func (h halting) ChangeMandates(ctx context.Context, s mandate.Scope, decide func(mandate.View) (mandate.Change, error), tell mandate.Tell) ([]mandate.Mandate, error) {
	if s.RepresenteeID == h.representeeID {
		return nil, errHalted
	}
	return h.Store.ChangeMandates(ctx, s, decide, tell)
}

// One representee whose mandates cannot be written keeps nobody else from theirs, and the night is not done.
func TestNightlyGoesOn(t *testing.T) {
	w := inSQLite(t, t.TempDir())
	a := w.add(t, juri, func(a *mandate.Ask) { a.Period.From = "2026-03-03" })
	b := w.add(t, juri, func(a *mandate.Ask) { a.Representee, a.Period.From = legal(other), "2026-03-03" })
	w.at(t, "2026-03-03 00:00:05")
	w.module(t, halting{w.all, a.Representee.ID})
	require.ErrorIs(t, w.m.Nightly(t.Context()), errHalted)
	require.Equal(t, mandate.Active, w.state(t, b.ID))
	require.Equal(t, mandate.Waiting, w.state(t, a.ID))
	w.module(t, w.all)
	require.NoError(t, w.m.Nightly(t.Context()))
	require.Equal(t, mandate.Active, w.state(t, a.ID))
}
