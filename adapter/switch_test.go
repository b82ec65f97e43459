package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store/postgrestest"
)

// replicas start n programs on one database, each with a name of its own in the exchange log.
func replicas(t testing.TB, n int, change func(*Settings)) []*Program {
	t.Helper()
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, world.Close()) })
	s := demoSettings(world, t.TempDir())
	s.Core.Webhook = Webhook{}
	change(&s)
	var programs []*Program
	for i := range n {
		s.Log.Replica = fmt.Sprintf("r%d", i+1)
		require.NoError(t, s.check())
		p, err := Start(t.Context(), s, slog.New(slog.DiscardHandler), Watch{})
		require.NoError(t, err)
		t.Cleanup(func() { _ = p.Stop() })
		programs = append(programs, p)
	}
	return programs
}

// loadExchange is one exchange of the load.
type loadExchange struct {
	id         string
	begun, end time.Time
	status     int
}

// notifyAlong sends notifications to a program, one after another, until ctx ends.
func notifyAlong(ctx context.Context, p *Program, name string, template []byte) (list []loadExchange) {
	for n := 0; ctx.Err() == nil; n++ {
		x := loadExchange{id: fmt.Sprintf("%s-%d", name, n), begun: time.Now()}
		body := bytes.Replace(template, []byte(sampleMessageID), []byte("<xro:id>"+x.id+"</xro:id>"), 1)
		response, err := http.Post("http://"+p.Address("xroad")+emtaPath, "text/xml; charset=UTF-8", bytes.NewReader(body))
		if err != nil {
			return append(list, x)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		x.end, x.status = time.Now(), response.StatusCode
		list = append(list, x)
	}
	return list
}

// Switching a system off and on under load, on three replicas, loses nothing that was to be logged, and is in force everywhere
// within two seconds.
func TestSwitchUnderLoadOnThreeReplicas(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	template, err := os.ReadFile("testdata/cpgOrderNotifyRequest.xml")
	require.NoError(t, err)
	require.Contains(t, string(template), sampleMessageID)
	database := postgrestest.Open(t)
	programs := replicas(t, 3, func(s *Settings) {
		s.Store, s.XRoad.Client = database, "ee-dev/COM/11043739/tkt"
		s.Log.Systems = map[string]LogSystem{systemEMTA: {Sinks: []string{"tables"}}}
	})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	lists := make([][]loadExchange, 2*len(programs))
	for i := range lists {
		all.Go(func() { lists[i] = notifyAlong(ctx, programs[i%len(programs)], fmt.Sprintf("load-%d", i), template) })
	}
	// phases are when it was surely on, and surely off, everywhere.
	type phase struct {
		on         bool
		begun, end time.Time
	}
	phases := []phase{{on: true, begun: time.Now()}}
	for _, sinks := range []string{"off", "tables", "off", "tables"} {
		time.Sleep(500 * time.Millisecond) // of load in this state
		phases[len(phases)-1].end = time.Now()
		command := logSwitch{System: systemEMTA, Sinks: sinks}
		require.NoError(t, command.change(t.Context(), programs[0].settings, programs[0].store, "cli:test", io.Discard))
		changed := time.Now()
		for _, p := range programs {
			require.Eventually(t, func() bool { return p.exchanges.Settings()[systemEMTA].Off() == (sinks == "off") }, 30*time.Second, 5*time.Millisecond)
		}
		took := time.Since(changed)
		t.Logf("%s: in force on all replicas after %v", sinks, took)
		require.Less(t, took, 2*time.Second)
		phases = append(phases, phase{on: sinks != "off", begun: time.Now()})
	}
	time.Sleep(500 * time.Millisecond)
	phases[len(phases)-1].end = time.Now()
	stop()
	all.Wait()
	for _, p := range programs {
		require.NoError(t, p.exchanges.Close(t.Context()))
	}

	logged, notes := loggedExchanges(t, programs[0])
	checked := map[bool]int{}
	for _, list := range lists {
		for _, x := range list {
			if x.end.IsZero() {
				continue // the end of the load broke it off
			}
			require.Equal(t, http.StatusInternalServerError, x.status, "the order is not known")
			for _, p := range phases {
				if x.begun.After(p.begun) && x.end.Before(p.end) {
					want := 0
					if p.on {
						want = 2
					}
					require.Equal(t, want, logged[x.id], "%s, of a phase that was on: %v", x.id, p.on)
					checked[p.on]++
				}
			}
		}
	}
	t.Logf("%d exchanges were to be logged and are, %d were not and are not", checked[true], checked[false])
	require.NotZero(t, checked[true])
	require.NotZero(t, checked[false])
	require.Contains(t, notes, "logging switched from [tables], body full, required to off")
	report, err := exchangelog.Verify(t.Context(), programs[0].store, exchangelog.VerifyOptions{})
	require.NoError(t, err)
	require.Len(t, report.Streams, 6)
	for _, s := range report.Streams {
		require.Empty(t, s.Findings, s.Stream.String())
	}
	events, err := programs[0].store.SecurityEvents(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, events, 4)
	require.Equal(t, security.SettingsChanged, events[0].Kind)
	require.Equal(t, "cli:test", events[0].Actor)
}

// sampleMessageID is where the sample request has its X-Road id.
const sampleMessageID = "<xro:id>1</xro:id>"

// loggedExchanges counts the records in the tables by X-Road id, and returns the notes about the log itself.
func loggedExchanges(t testing.TB, p *Program) (records map[string]int, notes []string) {
	t.Helper()
	records = map[string]int{}
	var after exchangelog.TablePlace
	for {
		rows, err := p.store.Exchanges(t.Context(), exchangelog.TableQuery{System: systemEMTA, After: after, Limit: 500})
		require.NoError(t, err)
		for _, row := range rows {
			r, err := exchangelog.ParseRecord(row.Line)
			require.NoError(t, err)
			if r.XRoadID == "" {
				notes = append(notes, r.Body)
			}
			records[r.XRoadID]++
			after = row.Place
		}
		if len(rows) < 500 {
			return records, notes
		}
	}
}

func TestLogSwitchCommand(t *testing.T) {
	p, _ := watched(t, func(s *Settings) { s.Log.Systems = map[string]LogSystem{systemEMTA: {Mode: "best-effort"}} })
	change := func(c logSwitch) (string, error) {
		var out bytes.Buffer
		err := c.change(t.Context(), p.settings, p.store, "cli:operator", &out)
		return out.String(), err
	}
	out, err := change(logSwitch{System: "emta", Sinks: "both", Body: "masked"})
	require.NoError(t, err)
	require.Contains(t, out, "version 1: emta goes to files and tables, body masked, best-effort")
	out, err = change(logSwitch{System: "emta", Sinks: "off"})
	require.NoError(t, err)
	require.Contains(t, out, "emta goes to nothing (off)")
	out, err = change(logSwitch{System: "emta", Sinks: "file", Body: "file"})
	require.NoError(t, err)
	require.Contains(t, out, "version 3: emta goes to files, body full, best-effort")
	for want, c := range map[string]logSwitch{
		"is no system here":        {System: "emat", Sinks: "off"},
		"one of files, tables":     {System: "emta", Sinks: "files,disk"},
		"there twice":              {System: "emta", Sinks: "files,files"},
		"one of full, masked":      {System: "emta", Body: "all"},
		"one of required, best":    {System: "emta", Mode: "must"},
		"say what to change":       {System: "emta"},
		"one of files, tables, st": {System: "emta", Sinks: "files,"},
	} {
		_, err := change(c)
		require.ErrorContains(t, err, want)
	}
	history, err := p.store.SettingsHistory(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, history, 3)
	require.Equal(t, "cli:operator", history[0].By)
	require.True(t, strings.HasPrefix(operatorName(), "cli:"))
}

// A required sink that cannot be written stops the start, and the error names its place.
func TestRequiredSinkStopsTheStart(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	world, err := simulator.Start(t.Context(), simulator.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, world.Close()) }()
	s := demoSettings(world, t.TempDir())
	s.Log.Dir = blocked
	_, err = Start(t.Context(), s, slog.New(slog.DiscardHandler), Watch{})
	require.ErrorContains(t, err, blocked)
}
