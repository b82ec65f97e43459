package event_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/store"
)

type feedPage struct {
	Items []struct {
		ID, Type, Subject string
	} `json:"items"`
	Next   string       `json:"next"`
	Code   string       `json:"code"`
	Fields []rest.Field `json:"fields"`
}

func (p feedPage) ids() []string {
	ids := []string{}
	for _, e := range p.Items {
		ids = append(ids, e.ID)
	}
	return ids
}

func endpoint(h *house) http.Handler {
	return rest.NewEndpoint(rest.EndpointOptions{NewID: func() string { return "req-1" }}, event.NewFeed(h.Store, event.FeedOptions{})...)
}

func get(ctx context.Context, h *house, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	endpoint(h).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/events?"+query, nil).WithContext(ctx))
	return w
}

func read(t testing.TB, h *house, query string) feedPage {
	t.Helper()
	w := get(t.Context(), h, query)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var p feedPage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.NotNil(t, p.Items)
	require.NotEmpty(t, p.Next)
	return p
}

func TestFeedIsReadPageByPage(t *testing.T) {
	h := newHouse(t)
	empty := read(t, h, "")
	require.Empty(t, empty.Items)

	first := h.start(1, "order.created", "order.pending")
	h.start(2, "order.created")

	require.Equal(t, []string{"e1", "e2", "e3"}, read(t, h, "").ids())
	require.Equal(t, []string{"e1", "e2", "e3"}, read(t, h, "after="+empty.Next).ids())
	page := read(t, h, "limit=2")
	require.Equal(t, []string{"e1", "e2"}, page.ids())
	rest := read(t, h, "limit=2&after="+page.Next)
	require.Equal(t, []string{"e3"}, rest.ids())
	end := read(t, h, "after="+rest.Next)
	require.Empty(t, end.Items)
	require.Equal(t, rest.Next, end.Next, "an empty page says where to go on")

	h.append(first, "order.completed")
	require.Equal(t, []string{"e4"}, read(t, h, "after="+end.Next).ids())
}

func TestFeedWritesCloudEvents(t *testing.T) {
	h := newHouse(t)
	h.start(1, "order.completed")
	w := get(t.Context(), h, "")
	require.Equal(t, golden(t, "feed.json"), w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))

	routes := event.NewFeed(h.Store, event.FeedOptions{Source: "https://ametlikudteadaanded.ee/adapter"})
	require.Equal(t, "events", routes[0].Scope)
	w = httptest.NewRecorder()
	rest.NewEndpoint(rest.EndpointOptions{}, routes...).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/events", nil))
	require.Contains(t, w.Body.String(), `"source":"https://ametlikudteadaanded.ee/adapter"`)
}

func TestFeedRefuses(t *testing.T) {
	h := newHouse(t)
	h.start(1, "order.created")
	for _, test := range []struct{ query, path, rule string }{
		{"after=1", "after", "format"},
		{"after=MTI%3D", "after", "format"},                     // padded
		{"after=LTE", "after", "format"},                        // -1
		{"after=KzE", "after", "format"},                        // +1
		{"after=MDE", "after", "format"},                        // 01
		{"after=OTIyMzM3MjAzNjg1NDc3NTgwOA", "after", "format"}, // 2^63
		{"after=Mg", "after", "unknown"},                        // 2, of 1
		{"limit=0", "limit", "range"},
		{"limit=1001", "limit", "range"},
		{"limit=x", "limit", "range"},
		{"wait=30", "wait", "range"},
		{"wait=-1s", "wait", "range"},
		{"wait=61s", "wait", "range"},
		{"wiat=30s", "wiat", "unknown"},
		{"limit=1&limit=2", "limit", "duplicate"},
	} {
		w := get(t.Context(), h, test.query)
		var p feedPage
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), test.query)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, test.query)
		require.Equal(t, "invalid", p.Code, test.query)
		require.Len(t, p.Fields, 1, test.query)
		require.Equal(t, []string{test.path, test.rule}, []string{p.Fields[0].Path, p.Fields[0].Rule}, test.query)
	}

	w := get(t.Context(), h, url.Values{"after": {"!"}, "limit": {"0"}, "wait": {"x"}}.Encode())
	var p feedPage
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Len(t, p.Fields, 3, "all that is wrong is said at once")
}

// watched tells when the feed has been read; it is the store in all else.
type watched struct {
	store.Store
	read chan struct{}
}

func (w *watched) Events(ctx context.Context, after int64, limit int) ([]event.Event, error) {
	events, err := w.Store.Events(ctx, after, limit)
	select {
	case w.read <- struct{}{}:
	default:
	}
	return events, err
}

// waiting starts a request that waits for a minute, and returns once it has found the feed empty.
func waiting(ctx context.Context, t *testing.T, h *house) <-chan *httptest.ResponseRecorder {
	t.Helper()
	w := &watched{Store: h.Store, read: make(chan struct{}, 1)}
	h.Store = w
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- get(ctx, h, "wait=60s") }()
	<-w.read
	return answer
}

// within is the answer, which must be there long before the minute is over.
func within(t *testing.T, answer <-chan *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	select {
	case w := <-answer:
		return w
	case <-time.After(20 * time.Second):
		t.Fatal("the feed does not answer")
		return nil
	}
}

func TestFeedWaitsForNews(t *testing.T) {
	h := newHouse(t)
	answer := waiting(t.Context(), t, h)
	h.start(1, "order.created")
	require.Contains(t, within(t, answer).Body.String(), `"id":"e1"`)
}

func TestFeedAnswersWhenTheWaitIsOver(t *testing.T) {
	h := newHouse(t)
	page := read(t, h, "wait=1ms")
	require.Empty(t, page.Items)
	page = read(t, h, "wait=250ms")
	require.Empty(t, page.Items)
}

func TestFeedAnswersWhenTheServerStops(t *testing.T) {
	h := newHouse(t)
	ctx, stop := context.WithCancel(t.Context())
	answer := waiting(ctx, t, h)
	stop()
	// 503 where it had not yet looked for the feed's end.
	require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, within(t, answer).Code)
}

func TestFeedOfABrokenStore(t *testing.T) {
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Equal(t, http.StatusInternalServerError, get(t.Context(), &house{Store: s}, "").Code)
}
