package event

import (
	"net/http"
	"strconv"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
)

// Bounds of a page of the feed.
const (
	defaultLimit = 100
	maxLimit     = 1000             // an event is about 1 KiB
	maxWait      = 60 * time.Second // what proxies commonly let a request take
)

// pollEvery is how often a waiting request looks for news: soon enough for a person who waits, and
// five small reads a second for each core that does.
const pollEvery = 200 * time.Millisecond

// feedScope is what a token must allow.
const feedScope = "events"

// FeedOptions of the feed; the zero value works.
type FeedOptions struct {
	Source string // of the events, a URI reference; "": "/adapter"
}

// NewFeed returns the feed's part of the internal API: GET /api/v1/events (design §8). A request
// waits at most 60 s for news, so the server's write timeout must be longer; it answers at once, with what there is,
// when its context ends.
func NewFeed(store Store, o FeedOptions) []rest.Route {
	if o.Source == "" {
		o.Source = defaultSource
	}
	f := &feed{store: store, source: o.Source}
	return []rest.Route{{Method: http.MethodGet, Path: "/api/v1/events", Scope: feedScope, Serve: f.get}}
}

type feed struct {
	store  Store
	source string
}

// page is a list of the internal API; next is always there.
type page struct {
	Items []cloudEvent `json:"items"`
	Next  string       `json:"next"`
}

func (f *feed) get(r *http.Request) (rest.Answer, error) {
	ask, err := readAsk(r)
	if err != nil {
		return rest.Answer{}, err
	}
	events, err := f.events(r, ask)
	if err != nil {
		return rest.Answer{}, err
	}
	p := page{Items: []cloudEvent{}, Next: cursor(ask.after)}
	for _, e := range events {
		p.Items = append(p.Items, cloudEventOf(e, f.source))
		p.Next = cursor(e.Seq)
	}
	return rest.Answer{Body: p}, nil
}

// ask is what a request wants of the feed.
type ask struct {
	after int64
	limit int
	wait  time.Duration
}

func readAsk(r *http.Request) (ask, error) {
	query, err := rest.Query(r, "after", "limit", "wait")
	if err != nil {
		return ask{}, err
	}
	a := ask{limit: defaultLimit}
	var fields []rest.Field
	after, ok := parseCursor(query.Get("after"))
	if a.after = after; !ok {
		fields = append(fields, rest.Field{Path: "after", Rule: "format", Message: "must be a cursor that the feed gave as next"})
	}
	if limit := query.Get("limit"); limit != "" {
		if a.limit, err = strconv.Atoi(limit); err != nil || a.limit < 1 || a.limit > maxLimit {
			fields = append(fields, rest.Field{Path: "limit", Rule: "range", Message: "must be an integer from 1 to 1000"})
		}
	}
	if wait := query.Get("wait"); wait != "" {
		if a.wait, err = time.ParseDuration(wait); err != nil || a.wait < 0 || a.wait > maxWait {
			fields = append(fields, rest.Field{Path: "wait", Rule: "range", Message: "must be a duration like 30s, from 0s to 60s"})
		}
	}
	if fields != nil {
		return ask{}, rest.Invalid(fields...)
	}
	return a, nil
}

// events reads the feed, and again until there is news or the wait is over.
func (f *feed) events(r *http.Request, a ask) ([]Event, error) {
	ctx := r.Context()
	events, err := f.store.Events(ctx, a.after, a.limit)
	if err != nil || len(events) > 0 {
		return events, err
	}
	if err := f.checkCursor(r, a.after); err != nil {
		return nil, err
	}
	if a.wait == 0 {
		return nil, nil
	}
	over := time.NewTimer(a.wait)
	defer over.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case <-over.C:
			return f.store.Events(ctx, a.after, a.limit)
		case <-tick.C:
		}
		events, err := f.store.Events(ctx, a.after, a.limit)
		if ctx.Err() != nil {
			return nil, nil
		}
		if err != nil || len(events) > 0 {
			return events, err
		}
	}
}

// checkCursor refuses a cursor beyond the feed's end, as after a restore from backup: who waited
// there would silently miss whatever is appended up to it.
func (f *feed) checkCursor(r *http.Request, after int64) error {
	last, err := f.store.LastEvent(r.Context())
	if err != nil {
		return err
	}
	if after > last {
		return rest.Invalid(rest.Field{Path: "after", Rule: "unknown", Message: "lies beyond the end of the feed; was the database restored from a backup?"})
	}
	return nil
}
