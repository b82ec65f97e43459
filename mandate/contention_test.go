package mandate_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
)

// Two users change one mandate 50 times at once, ending it and passing it on: what comes of it is what comes of one of the sequences
// in which they could have done so one after another.
func TestConflictingChanges(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		const rounds, changes = 4, 50
		for round := range rounds {
			top := w.add(t, mandate.Estonian(fmt.Sprintf("3800101%04d", round)), nil)
			results := make([]string, changes)
			passed := make([]mandate.Mandate, changes)
			deleted := make([][]mandate.Deleted, changes)
			type call struct {
				a mandate.Actor
				r mandate.Request
			}
			calls := make([]call, changes)
			for i := range calls {
				actor := mandate.Actor{User: top.Delegate.Identifier}
				if i%10 == 9 {
					actor, _ = board(firm)
				}
				calls[i].a, calls[i].r = w.fresh(actor)
			}
			var wait sync.WaitGroup
			ready := make(chan struct{})
			for i := range changes {
				wait.Go(func() {
					<-ready
					var err error
					if i%10 == 9 { // the representee ends it
						_, authorizations := board(firm)
						deleted[i], err = w.m.End(t.Context(), calls[i].a, calls[i].r, mandate.EndAsk{Place: place(top), How: mandate.Withdrawn, Authorizations: authorizations})
					} else { // the delegate passes it on, several times to the same person
						to := mandate.Estonian(fmt.Sprintf("3810%03d%04d", round, i/2))
						passed[i], err = w.m.PassOn(t.Context(), calls[i].a, calls[i].r, mandate.PassOnAsk{Place: place(top), SubDelegate: natural(to)})
					}
					results[i] = broken(err)
				})
			}
			close(ready)
			wait.Wait()

			ended, added, gone := 0, 0, 0
			holders := map[mandate.Identifier]bool{}
			for i, result := range results {
				if i%10 == 9 {
					require.Contains(t, []string{"", "ended"}, result)
					if result == "" {
						ended++
						gone = len(deleted[i])
					}
					continue
				}
				switch result {
				case "":
					added++
					require.False(t, holders[passed[i].Delegate.Identifier], "one holds it twice")
					holders[passed[i].Delegate.Identifier] = true
				case "invalid: delegate overlap", "invalid: mandate not-valid":
				default:
					t.Errorf("change %d: %s", i, result)
				}
			}
			require.Equal(t, 1, ended, "ended once")
			require.Equal(t, added, gone, "all that was passed on before ended with it, and nothing was after")
			found, err := w.Mandates(t.Context(), mandate.Filter{Representee: firm, History: true, Today: "2026-03-02"})
			require.NoError(t, err)
			for _, m := range found {
				require.Equal(t, mandate.Ended, m.State("2026-03-02"))
				require.False(t, m.On)
			}
		}
		require.Empty(t, w.listed(t))
	})
}

// Two users add the same mandate 50 times at once: it is there once, and its people are too.
func TestSameAddedAtOnce(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		const changes = 50
		actors := make([]mandate.Actor, changes)
		requests := make([]mandate.Request, changes)
		actor, authorizations := board(firm)
		for i := range changes {
			actors[i], requests[i] = w.fresh(actor)
		}
		results := make([]string, changes)
		var wait sync.WaitGroup
		for i := range changes {
			wait.Go(func() {
				_, err := w.m.Add(t.Context(), actors[i], requests[i], asking(juri, func(a *mandate.Ask) { a.Authorizations = authorizations }))
				results[i] = broken(err)
			})
		}
		wait.Wait()
		added := 0
		for _, result := range results {
			if result == "" {
				added++
				continue
			}
			require.Equal(t, "invalid: role overlap", result)
		}
		require.Equal(t, 1, added)
		require.Len(t, w.listed(t), 1)
	})
}

// One request that comes 20 times at once is done once, and each time answered as it was the first time (Pääsuke §5).
func TestSameRequestAtOnce(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		actor, authorizations := board(firm)
		top := w.add(t, juri, nil)
		_, err := w.pass(t, top, kati, mandate.Period{})
		require.NoError(t, err)
		before := len(w.events(t))
		a, r := w.fresh(actor)
		const times = 20
		answers, errs := make([][]mandate.Deleted, times), make([]error, times)
		var wait sync.WaitGroup
		for i := range times {
			wait.Go(func() {
				answers[i], errs[i] = w.m.End(t.Context(), a, r, mandate.EndAsk{Place: place(top), How: mandate.Withdrawn, Authorizations: authorizations})
			})
		}
		wait.Wait()
		for i := range times {
			require.NoError(t, errs[i])
			require.Len(t, answers[i], 1)
			require.Equal(t, answers[0], answers[i])
		}
		require.Equal(t, []string{fmt.Sprint("ended ", top.ID), fmt.Sprint("ended ", top.ID+1)}, w.events(t)[before:])
	})
}
