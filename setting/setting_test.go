package setting_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/setting"
	"ametlikudteadaanded.ee/adapter/store"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// file is what a settings file says.
func file() setting.Settings {
	return setting.Settings{Log: setting.Log{Level: "info", Levels: map[string]string{"soap": "warn"}, Systems: map[string]setting.System{
		"emta":    {Sinks: []string{"files"}, Body: "full", Mode: "required"},
		"paasuke": {Sinks: []string{"files"}, Body: "masked", Mode: "required"},
	}}}
}

// replica is one running program.
type replica struct {
	*setting.Running
	mu      sync.Mutex
	applied []setting.Settings
	changed []int64
	audited []setting.Stored
	refuse  error // of Apply
}

func newReplica(t testing.TB, s setting.Store) *replica {
	t.Helper()
	r := &replica{}
	r.Running = setting.New(setting.Options{
		Store: s, File: file(), Components: func() []string { return []string{"order", "soap"} },
		Apply: func(s setting.Settings, _ string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.applied = append(r.applied, s)
			return r.refuse
		},
		Audit:   func(_ context.Context, s setting.Stored) error { r.audited = append(r.audited, s); return nil },
		Changed: func(s setting.Stored) { r.mu.Lock(); defer r.mu.Unlock(); r.changed = append(r.changed, s.Version) },
		Now:     func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, r.Refresh(t.Context()))
	return r
}

func (r *replica) log() setting.Log { s, _ := r.Current(); return s.Log }

func memory(t testing.TB) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	return s
}

// ask sends a request to the settings' part of the internal API.
func ask(t testing.TB, r *replica, method, body string, fields ...string) (int, map[string]any, http.Header) {
	t.Helper()
	tokens, err := rest.NewTokens(time.Now, rest.Token{Name: "core", SHA256: rest.HashToken("core"), Scopes: []string{"settings"}})
	require.NoError(t, err)
	request := httptest.NewRequest(method, "/api/v1/settings", strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer core")
	request.Header.Set("Content-Type", "application/merge-patch+json")
	request.Header.Set("X-Acting-User", "EE60001019906")
	for i := 0; i < len(fields); i += 2 {
		if request.Header.Set(fields[i], fields[i+1]); fields[i+1] == "" {
			request.Header.Del(fields[i])
		}
	}
	w := httptest.NewRecorder()
	rest.NewEndpoint(rest.EndpointOptions{Authenticate: tokens.Authenticate}, r.Routes()...).ServeHTTP(w, request)
	answer, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	var decoded map[string]any
	require.NoError(t, json.Unmarshal(answer, &decoded), "%s", answer)
	return w.Code, decoded, w.Result().Header
}

func TestChangesReachEveryReplica(t *testing.T) {
	s := memory(t)
	first, second := newReplica(t, s), newReplica(t, s)
	status, answer, header := ask(t, first, "GET", "", "Content-Type", "")
	require.Equal(t, 200, status)
	require.EqualValues(t, 0, answer["version"])
	require.Equal(t, `"0"`, header.Get("ETag"))

	status, answer, header = ask(t, first, "PATCH", `{"log": {"systems": {"emta": {"sinks": [], "mode": "best-effort"}}, "levels": {"order": "debug"}}}`)
	require.Equal(t, 200, status, answer)
	require.EqualValues(t, 1, answer["version"])
	require.Equal(t, `"1"`, header.Get("ETag"))
	require.Equal(t, "EE60001019906", answer["changedBy"])
	want := setting.System{Sinks: []string{}, Body: "full", Mode: "best-effort"}
	require.Equal(t, want, first.log().Systems["emta"], "at once where it was asked")
	require.Equal(t, []string{"files"}, second.log().Systems["emta"].Sinks)

	require.NoError(t, second.Refresh(t.Context()))
	require.Equal(t, want, second.log().Systems["emta"])
	require.Equal(t, map[string]string{"order": "debug", "soap": "warn"}, second.log().Levels)
	require.Equal(t, file().Log.Systems["paasuke"], second.log().Systems["paasuke"])
	require.Equal(t, []int64{1}, second.changed)
	require.Empty(t, second.audited, "only where it was made")
	require.Equal(t, []setting.Step{
		{Path: "log.levels.order", From: "null", To: `"debug"`},
		{Path: "log.systems.emta.mode", From: `"required"`, To: `"best-effort"`},
		{Path: "log.systems.emta.sinks", From: `["files"]`, To: `[]`},
	}, first.audited[0].Steps)

	third := newReplica(t, s)
	require.Equal(t, want, third.log().Systems["emta"], "in force from the start")
	require.Empty(t, third.changed)

	status, answer, _ = ask(t, second, "PATCH", `{"log": {"systems": {"emta": {"sinks": null, "mode": null}}, "levels": null}}`)
	require.Equal(t, 200, status, answer)
	require.Equal(t, map[string]any{}, answer["changes"])
	require.Equal(t, file(), func() setting.Settings { s, _ := second.Current(); return s }(), "the file's values are back")
}

var badPatches = []struct{ body, path, rule string }{
	{`{"log": {"level": "loud"}}`, "log.level", "enum"},
	{`{"log": {"levels": {"order": "TRACE"}}}`, "log.levels.order", "enum"},
	{`{"log": {"levels": {"odrer": "debug"}}}`, "log.levels.odrer", "unknown"},
	{`{"log": {"systems": {"emta": {"sinks": ["files", "disk"]}}}}`, "log.systems.emta.sinks[1]", "enum"},
	{`{"log": {"systems": {"emta": {"sinks": ["files", "files"]}}}}`, "log.systems.emta.sinks[1]", "duplicate"},
	{`{"log": {"systems": {"emta": {"sinks": [null]}}}}`, "log.systems.emta.sinks[0]", "type"},
	{`{"log": {"systems": {"emta": {"sinks": "files"}}}}`, "log.systems.emta.sinks", "type"},
	{`{"log": {"systems": {"emta": {"body": "all"}}}}`, "log.systems.emta.body", "enum"},
	{`{"log": {"systems": {"emta": {"mode": 7}}}}`, "log.systems.emta.mode", "type"},
	{`{"log": {"systems": {"emta": {"dir": "/"}}}}`, "log.systems.emta.dir", "unknown"},
	{`{"log": {"systems": {"emat": {"body": "full"}}}}`, "log.systems.emat", "unknown"},
	{`{"log": {"systems": {"emta": "off"}}}`, "log.systems.emta", "type"},
	{`{"log": {"sealKey": "/etc/passwd"}}`, "log.sealKey", "unknown"},
	{`{"store": "sqlite:x"}`, "store", "unknown"},
	{`{"log": []}`, "log", "type"},
	{`{"log": {"level": "info", "level": "debug"}}`, "log.level", "duplicate"},
	{`null`, "", "type"},
	{`[]`, "", "type"},
}

func TestBadPatchesAreNamedAndChangeNothing(t *testing.T) {
	r := newReplica(t, memory(t))
	for _, test := range badPatches {
		status, answer, _ := ask(t, r, "PATCH", test.body)
		require.Equal(t, 422, status, test.body)
		fields := answer["fields"].([]any)
		require.Len(t, fields, 1, test.body)
		require.Equal(t, test.path, fields[0].(map[string]any)["path"], test.body)
		require.Equal(t, test.rule, fields[0].(map[string]any)["rule"], test.body)
	}
	for _, row := range []struct {
		name, value string
		status      int
	}{
		{"X-Acting-User", "", 422}, {"X-Acting-User", "somebody", 422}, {"If-Match", "1", 422}, {"If-Match", `W/"1"`, 422}, {"If-Match", `"7"`, 412},
		{"Content-Type", "text/plain", 415}, {"Authorization", "Bearer other", 401},
	} {
		status, _, _ := ask(t, r, "PATCH", `{"log": {"level": "debug"}}`, row.name, row.value)
		require.Equal(t, row.status, status, "%v", row)
	}
	settings, stored := r.Current()
	require.Equal(t, file(), settings)
	require.Zero(t, stored)
	require.Len(t, r.applied, 1, "nothing was applied but the file's")
}

func TestChangeFromAnOldVersionIsRefused(t *testing.T) {
	r := newReplica(t, memory(t))
	status, _, _ := ask(t, r, "PATCH", `{"log": {"level": "debug"}}`, "If-Match", `"0"`)
	require.Equal(t, 200, status)
	status, answer, _ := ask(t, r, "PATCH", `{"log": {"level": "error"}}`, "If-Match", `"0"`)
	require.Equal(t, 412, status)
	require.Equal(t, "changed-meanwhile", answer["code"])
	require.Equal(t, "debug", r.log().Level)
	status, answer, _ = ask(t, r, "PATCH", `{"log": {"level": "debug"}}`)
	require.Equal(t, 200, status)
	require.EqualValues(t, 1, answer["version"], "what changes nothing is not kept")
}

// Of changes made at once none is lost.
func TestChangesAtOnceAreAllKept(t *testing.T) {
	s := memory(t)
	patches := []string{`{"log":{"level":"debug"}}`, `{"log":{"levels":{"order":"error"}}}`, `{"log":{"systems":{"emta":{"sinks":["tables"]}}}}`,
		`{"log":{"systems":{"emta":{"body":"digest"}}}}`}
	var all sync.WaitGroup
	for _, patch := range patches {
		r := newReplica(t, s)
		all.Go(func() {
			if _, err := r.Change(context.WithoutCancel(t.Context()), []byte(patch), "EE60001019906", -1); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r := newReplica(t, s)
	_, stored := r.Current()
	require.EqualValues(t, 4, stored.Version)
	require.Equal(t, "debug", r.log().Level)
	require.Equal(t, "error", r.log().Levels["order"])
	require.Equal(t, setting.System{Sinks: []string{"tables"}, Body: "digest", Mode: "required"}, r.log().Systems["emta"])
}

// What a newer version stored neither stops this one nor is lost by a change.
func TestNewerVersionsChangesArePassedOver(t *testing.T) {
	s := memory(t)
	require.NoError(t, s.ChangeSettings(t.Context(), setting.Stored{Version: 1, At: noon, By: "x", Changes: []byte(
		`{"new":1,"log":{"levels":{"banklink":"debug","order":"loud"},"systems":{"banklink":{"sinks":[]},"emta":{"sinks":["cloud"],"body":"masked","colour":7}}}}`)}))
	r := newReplica(t, s)
	require.Equal(t, setting.System{Sinks: []string{"files"}, Body: "masked", Mode: "required"}, r.log().Systems["emta"])
	require.NotContains(t, r.log().Systems, "banklink")
	require.NotContains(t, r.log().Levels, "order")
	status, answer, _ := ask(t, r, "PATCH", `{"log": {"level": "debug"}}`)
	require.Equal(t, 200, status, answer)
	_, stored := r.Current()
	for _, kept := range []string{`"new":1`, `"banklink"`, `"colour":7`, `"cloud"`, `"level":"debug"`} {
		require.Contains(t, string(stored.Changes), kept)
	}
}

// A restored backup has an older version; it is in force, as any other.
func TestRestoredSettingsAreInForce(t *testing.T) {
	disk := &disk{memory(t)}
	r := newReplica(t, disk)
	status, _, _ := ask(t, r, "PATCH", `{"log": {"level": "debug"}}`)
	require.Equal(t, 200, status)
	disk.Store = memory(t)
	require.NoError(t, r.Refresh(t.Context()))
	require.Equal(t, "info", r.log().Level)
}

// disk holds one database after another.
type disk struct{ setting.Store }

// What cannot be put in force is tried again, and again.
func TestApplyIsRepeated(t *testing.T) {
	r := newReplica(t, memory(t))
	r.refuse = errors.New("disk full")
	stored, err := r.Change(t.Context(), []byte(`{"log":{"level":"debug"}}`), "EE60001019906", -1)
	require.NoError(t, err, "the change is made")
	require.EqualValues(t, 1, stored.Version)
	require.ErrorContains(t, r.Refresh(t.Context()), "disk full")
	r.refuse = nil
	require.NoError(t, r.Refresh(t.Context()))
	require.Len(t, r.applied, 4)
	require.NoError(t, r.Refresh(t.Context()))
	require.Len(t, r.applied, 4, "it is in force")
	require.Equal(t, []int64{1}, r.changed, "told once")
}

// While the database is away the settings stay as they are.
func TestSettingsStayWhileTheDatabaseIsAway(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	r := newReplica(t, s)
	_, err = r.Change(t.Context(), []byte(`{"log":{"level":"debug"}}`), "EE60001019906", -1)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Error(t, r.Refresh(t.Context()))
	require.Equal(t, "debug", r.log().Level)
	status, _, _ := ask(t, r, "PATCH", `{"log": {"level": "error"}}`)
	require.Equal(t, 500, status)
	require.Equal(t, "debug", r.log().Level)
}

// Run finds a change within a second and a half, and a hint makes it quicker.
func TestRunFindsChanges(t *testing.T) {
	s := memory(t)
	writer, reader := newReplica(t, s), newReplica(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { reader.Run(ctx) })
	for _, level := range []string{"debug", "error"} {
		_, err := writer.Change(t.Context(), []byte(`{"log":{"level":"`+level+`"}}`), "EE60001019906", -1)
		require.NoError(t, err)
		if level == "error" {
			reader.Wake()
		}
		require.Eventually(t, func() bool { return reader.log().Level == level }, 30*time.Second, 5*time.Millisecond)
	}
	cancel()
	ended.Wait()
	reader.Wake()
	reader.Wake() // nobody listens, and nobody is kept waiting
}
