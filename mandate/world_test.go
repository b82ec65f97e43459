package mandate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mandate"
	"ametlikudteadaanded.ee/adapter/store"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

const (
	firm  mandate.Identifier = "EE10391131"
	other mandate.Identifier = "EE11065244"
	mari  mandate.Identifier = "EE60001019906" // of the firm's board
	juri  mandate.Identifier = "EE50001029996"
	kati  mandate.Identifier = "EE47101010033"
	mats  mandate.Identifier = "EE38302250123"
	tiit  mandate.Identifier = "EE39912310123"
)

// world is a module on a store, at a time that stands still until it is moved.
type world struct {
	mandate.Store
	m        *mandate.Module
	settings mandate.Settings // of the next module
	all      store.Store
	now      time.Time
	core     func(tb tester, statement string) // what the core does by itself, tables named with their schema
	calls    int
}

// tester is a test, or a check of a property.
type tester interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// worlds runs a test on each store.
func worlds(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { run(t, inSQLite(t, t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { run(t, inPostgres(t)) })
}

func inSQLite(tb testing.TB, dir string) *world {
	path := filepath.Join(dir, uuid.NewString()+".db")
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)")
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	return opened(tb, "sqlite:"+path, func(tb tester, statement string) {
		tb.Helper()
		_, err := db.Exec(strings.ReplaceAll(statement, "atis.", ""))
		require.NoError(tb, err, statement)
	})
}

func inPostgres(tb testing.TB) *world {
	address := postgrestest.Open(tb)
	return opened(tb, address, func(tb tester, statement string) {
		tb.Helper()
		conn, err := pgx.Connect(tb.Context(), address)
		require.NoError(tb, err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(tb.Context(), statement)
		require.NoError(tb, err, statement)
	})
}

func opened(tb testing.TB, url string, core func(tester, string)) *world {
	tb.Helper()
	s, err := store.Open(tb.Context(), url)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	_, err = s.Migrate(tb.Context())
	require.NoError(tb, err)
	w := &world{Store: s, all: s, core: core, now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	w.module(tb, s)
	return w
}

// module begins anew on a store, as after a restart.
func (w *world) module(tb tester, s mandate.Store) {
	tb.Helper()
	var err error
	w.m, err = mandate.New(mandate.Options{Store: s, Settings: w.settings, Now: func() time.Time { return w.now }, NewID: uuid.NewString,
		Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	require.NoError(tb, err)
}

// at moves the time, as an Estonian clock has it.
func (w *world) at(t tester, clock string) {
	t.Helper()
	now, err := time.ParseInLocation("2006-01-02 15:04:05", clock, mandate.Zone())
	require.NoError(t, err)
	w.now = now
}

// fresh is a request that was not made before.
func (w *world) fresh(a mandate.Actor) (mandate.Actor, mandate.Request) {
	w.calls++
	a.Client, a.RequestID = "ee-dev/GOV/70006317/paasuke", fmt.Sprint(w.calls)
	return a, mandate.Request{Method: "POST", Path: "/v1", Digest: fmt.Sprint(w.calls)}
}

// board is the firm's board member, acting for it.
func board(representee mandate.Identifier) (mandate.Actor, []mandate.Authorization) {
	return mandate.Actor{User: mari, RepresentedParty: representee}, []mandate.Authorization{{User: mari, Role: "BR_REPRIGHT:SOLEREP"}}
}

func natural(id mandate.Identifier) mandate.Person {
	return mandate.Person{Kind: mandate.NaturalPerson, Identifier: id, FirstName: "Eesnimi", Surname: "Perenimi"}
}

func legal(id mandate.Identifier) mandate.Person {
	return mandate.Person{Kind: mandate.LegalPerson, Identifier: id, LegalName: "Väikefirma OÜ"}
}

// asking is what addMandate usually asks for.
func asking(delegate mandate.Identifier, with func(*mandate.Ask)) mandate.Ask {
	ask := mandate.Ask{Representee: legal(firm), Delegate: natural(delegate), Role: "AT:ESINDAJA", CanSubDelegate: true}
	if with != nil {
		with(&ask)
	}
	return ask
}

// add has the board add a mandate.
func (w *world) add(t tester, delegate mandate.Identifier, with func(*mandate.Ask)) mandate.Mandate {
	t.Helper()
	ask := asking(delegate, with)
	actor, authorizations := board(ask.Representee.Identifier)
	ask.Authorizations = authorizations
	a, r := w.fresh(actor)
	m, err := w.m.Add(t.Context(), a, r, ask)
	require.NoError(t, err)
	require.NotZero(t, m.ID)
	return m
}

func place(m mandate.Mandate) mandate.Place {
	return mandate.Place{RepresenteeID: m.Representee.ID, DelegateID: m.Delegate.ID, MandateID: m.ID}
}

// pass has a mandate's delegate pass it on.
func (w *world) pass(t tester, m mandate.Mandate, to mandate.Identifier, p mandate.Period) (mandate.Mandate, error) {
	t.Helper()
	a, r := w.fresh(mandate.Actor{User: m.Delegate.Identifier})
	return w.m.PassOn(t.Context(), a, r, mandate.PassOnAsk{Place: place(m), SubDelegate: natural(to), Period: p})
}

// withdraw has the board end a mandate.
func (w *world) withdraw(t tester, m mandate.Mandate) ([]mandate.Deleted, error) {
	t.Helper()
	actor, authorizations := board(m.Representee.Identifier)
	a, r := w.fresh(actor)
	return w.m.End(t.Context(), a, r, mandate.EndAsk{Place: place(m), How: mandate.Withdrawn, Authorizations: authorizations})
}

// listed are the keys of what a representee gave, as Pääsuke sees it.
func (w *world) listed(t tester) []int64 {
	t.Helper()
	list, err := w.m.ByRepresentee(t.Context(), mandate.Actor{}, firm, mandate.Query{})
	require.NoError(t, err)
	return keys(list)
}

func keys(list []mandate.Triplet) []int64 {
	ids := []int64{}
	for _, triplet := range list {
		for _, m := range triplet.Mandates {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func (w *world) state(t tester, id int64) mandate.State {
	t.Helper()
	today := mandate.DateOf(w.now)
	m, err := w.Mandate(t.Context(), id, today)
	require.NoError(t, err)
	return m.State(today)
}

// events are the types of all events about mandates, with their subjects.
func (w *world) events(t tester) []string {
	t.Helper()
	list, err := w.all.Events(t.Context(), 0, 10_000)
	require.NoError(t, err)
	kinds := []string{}
	for _, e := range list {
		kinds = append(kinds, strings.TrimPrefix(e.Type, "mandate.")+" "+strings.TrimPrefix(e.Subject, "mandate/"))
	}
	return kinds
}

// broken says which rules an error names, e.g. "role overlap"; "" for none.
func broken(err error) string {
	var refused *mandate.Error
	if !errors.As(err, &refused) {
		if err != nil {
			return "failure: " + err.Error()
		}
		return ""
	}
	parts := []string{}
	for _, b := range refused.Broken {
		parts = append(parts, string(b.Field)+" "+string(b.Rule))
	}
	if len(parts) == 0 {
		return string(refused.Code)
	}
	return string(refused.Code) + ": " + strings.Join(parts, ", ")
}
