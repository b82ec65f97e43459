package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ametlikudteadaanded.ee/adapter/exchangelog"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
)

// Limits of reading exchanges.
const (
	exchangesPage     = 50
	maxExchangesPage  = 100                 // each is read with its body
	maxExchangesSpan  = 31 * 24 * time.Hour // what is searched by content is read whole
	exchangesScan     = 5000                // records of a table that one request reads through; the next page goes on from there
	exchangesTime     = 20 * time.Second    // within writeTimeout
	recordsOfExchange = 20                  // an exchange has two; a broken clock of ids is not to fill the memory
	maxXRoadID        = 1024                // as the provider takes it
)

// exchangeReader answers the core's questions about exchanges (NA-95, design §8). A system is read from the tables if it goes
// there now, else from its files and archives.
type exchangeReader struct {
	p         *Program
	searching chan struct{} // of files and bodies, one at a time: it reads much
}

func (p *Program) exchangeRoutes() []rest.Route {
	x := &exchangeReader{p, make(chan struct{}, 1)}
	return []rest.Route{
		{Method: http.MethodGet, Path: "/api/v1/exchanges", Scope: "exchanges", Serve: x.list},
		{Method: http.MethodGet, Path: "/api/v1/exchanges/{requestId}", Scope: "exchanges", Serve: x.one},
	}
}

// coreRecord is a record as the API shows it: the members of its line, absent where they are not known.
type coreRecord struct {
	Time       string `json:"time"`
	System     string `json:"system"`
	Direction  string `json:"direction"`
	Part       string `json:"part"`
	RequestID  string `json:"requestId,omitempty"`
	XRoadID    string `json:"xroadId,omitempty"`
	Client     string `json:"client,omitempty"`
	Service    string `json:"service,omitempty"`
	Issue      string `json:"issue,omitempty"`
	Protocol   string `json:"protocol"`
	Method     string `json:"method,omitempty"`
	Path       string `json:"path,omitempty"`
	Status     int    `json:"status,omitempty"`
	Fault      string `json:"fault,omitempty"`
	DurationMS *int64 `json:"durationMs,omitempty"`
	Size       *int64 `json:"size,omitempty"`
	Replica    string `json:"replica"`
	Seq        int64  `json:"seq"`
	KeyID      string `json:"keyId,omitempty"`
	BodySHA256 string `json:"bodySha256,omitempty"`
	Body       string `json:"body,omitempty"`
	Hash       string `json:"hash"`
}

func coreRecordOf(r *exchangelog.Record) coreRecord {
	c := coreRecord{
		Time: r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), System: r.System, Direction: string(r.Direction), Part: string(r.Part), RequestID: r.RequestID,
		XRoadID: r.XRoadID, Client: r.Client, Service: r.Service, Issue: r.Issue, Protocol: r.Protocol, Method: r.Method, Path: r.Path,
		Status: max(r.Status, 0), Fault: r.Fault, Replica: r.Replica, Seq: r.Seq, KeyID: r.KeyID, BodySHA256: r.Digest, Hash: r.Hash,
	}
	if r.Duration >= 0 {
		ms := r.Duration.Milliseconds()
		c.DurationMS = &ms
	}
	if r.Size >= 0 {
		c.Size = &r.Size
	}
	return c
}

type coreExchanges struct {
	Items []coreRecord `json:"items"`
	Next  string       `json:"next,omitempty"`
}

// exchangesQuery is what is asked for.
type exchangesQuery struct {
	values  url.Values
	systems []string
	xroadID string
	order   int64
	texts   []string // one of them stands in the body; nil: any body
	from    time.Time
	to      time.Time
	after   exchangelog.TablePlace
	limit   int
	wrong   []rest.Field
}

func (q *exchangesQuery) refuse(path, rule, message string) {
	q.wrong = append(q.wrong, rest.Field{Path: path, Rule: rule, Message: message})
}

// read returns the parameters of r, of which only names may be there. The error is a *rest.Problem.
func (x *exchangeReader) read(r *http.Request, names ...string) (exchangesQuery, error) {
	values, err := rest.Query(r, names...)
	q := exchangesQuery{values: values, systems: logNames(""), xroadID: values.Get("xroadId"), limit: exchangesPage}
	if err != nil {
		return q, err
	}
	if r.Header.Get("X-Acting-User") == "" {
		q.refuse("X-Acting-User", "required", "must name the person who reads exchanges")
	}
	if values.Has("system") {
		if !slices.Contains(q.systems, values.Get("system")) {
			q.refuse("system", "enum", "must be one of "+strings.Join(q.systems, ", "))
		}
		q.systems = []string{values.Get("system")}
	}
	if len(q.xroadID) > maxXRoadID {
		q.refuse("xroadId", "max-length", "must be at most 1024 bytes")
	}
	if strings.ContainsFunc(q.xroadID, unicode.IsControl) { // which no database takes, and no record has
		q.refuse("xroadId", "format", "must be without control characters")
	}
	q.order = q.integer("order", 0, 1<<53)
	q.limit = int(q.integer("limit", exchangesPage, maxExchangesPage))
	q.from, q.to = q.moment("from"), q.moment("to")
	if q.after, err = exchangelog.ParseTablePlace(values.Get("after")); err != nil || values.Get("after") != "" && !keepable(q.after.Time) {
		q.refuse("after", "format", "must be the next of the page before")
	}
	if len(q.wrong) > 0 {
		return q, rest.Invalid(q.wrong...)
	}
	return q, nil
}

// integer is a parameter from 1 to most, or missing where it is not given.
func (q *exchangesQuery) integer(name string, missing, most int64) int64 {
	if !q.values.Has(name) {
		return missing
	}
	n, err := strconv.ParseInt(q.values.Get(name), 10, 64)
	if err != nil || n < 1 || n > most {
		q.refuse(name, "range", fmt.Sprintf("must be a whole number from 1 to %d", most))
	}
	return n
}

// keepable is a time that a record may have, and that databases take.
func keepable(t time.Time) bool { return 2000 <= t.Year() && t.Year() < 3000 }

func (q *exchangesQuery) moment(name string) time.Time {
	if !q.values.Has(name) {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, q.values.Get(name))
	if err != nil || !keepable(t) {
		q.refuse(name, "format", "must be a time such as 2026-10-31T14:05:00Z")
	}
	return t
}

// bound gives what is searched by reading it whole its beginning and end: a day, or 31 from where it is known to begin. Pages of one
// search have one end, since the cursor is where the page before ended.
func (q *exchangesQuery) bound(begin, now time.Time) error {
	switch {
	case !q.from.IsZero():
	case !begin.IsZero():
		q.from = begin
	case !q.to.IsZero():
		q.from = q.to.Add(-24 * time.Hour)
	case !q.after.Time.IsZero():
		q.from = q.after.Time
	default:
		q.from = now.Add(-24 * time.Hour)
	}
	if q.to.IsZero() {
		q.to = q.from.Add(maxExchangesSpan)
	}
	switch {
	case !q.from.Before(q.to):
		return rest.Invalid(rest.Field{Path: "to", Rule: "range", Message: "must be after from"})
	case q.to.Sub(q.from) > maxExchangesSpan:
		return rest.Invalid(rest.Field{Path: "from", Rule: "range", Message: "must be at most 31 days before to, where files or an order are searched"})
	}
	return nil
}

// list answers GET /api/v1/exchanges.
func (x *exchangeReader) list(r *http.Request) (rest.Answer, error) {
	q, err := x.read(r, "system", "xroadId", "order", "from", "to", "after", "limit")
	if err != nil {
		return rest.Answer{}, err
	}
	if err := x.tell(r, q.values.Encode()); err != nil {
		return rest.Answer{}, err
	}
	var begin time.Time
	if q.order > 0 {
		if begin, err = x.ofOrder(r.Context(), &q); err != nil {
			return rest.Answer{}, err
		}
	}
	inTables, inFiles := x.places(q.systems)
	if len(inFiles) > 0 || len(q.texts) > 0 {
		if err := q.bound(begin, x.p.now()); err != nil {
			return rest.Answer{}, err
		}
		leave, err := x.enter(r.Context())
		if err != nil {
			return rest.Answer{}, err
		}
		defer leave()
	}
	ctx, cancel := context.WithTimeout(r.Context(), exchangesTime)
	defer cancel()
	found, stopped, err := x.inTables(ctx, q, inTables)
	if err != nil {
		return rest.Answer{}, tooMuch(ctx, err)
	}
	more, err := x.inFiles(ctx, exchangelog.Query{Systems: inFiles, ID: q.xroadID, Texts: q.texts, From: q.from, To: q.to, After: q.after, Limit: q.limit + 1})
	if err != nil {
		return rest.Answer{}, tooMuch(ctx, err)
	}
	if q.xroadID != "" { // a request id is looked for elsewhere
		more = slices.DeleteFunc(more, func(f foundRecord) bool { return f.record.XRoadID != q.xroadID })
	}
	return rest.Answer{Body: pageOf(append(found, more...), stopped, q.limit)}, nil
}

// foundRecord is a record and where it stands among others.
type foundRecord struct {
	place  exchangelog.TablePlace
	record *exchangelog.Record
}

// pageOf is the first limit records of what each system gave in its own order, by which its cursor goes on. stopped is where the
// search of a table was broken off, the zero value where it was not.
func pageOf(found []foundRecord, stopped exchangelog.TablePlace, limit int) coreExchanges {
	slices.SortStableFunc(found, func(a, b foundRecord) int {
		return cmp.Or(a.place.Time.Compare(b.place.Time), cmp.Compare(a.place.Stream.System, b.place.Stream.System))
	})
	page := coreExchanges{Items: []coreRecord{}}
	for i, f := range found {
		if i == limit {
			page.Next = found[i-1].place.Cursor()
			return page
		}
		page.Items = append(page.Items, coreRecordOf(f.record))
	}
	if !stopped.Time.IsZero() {
		page.Next = stopped.Cursor()
	}
	return page
}

// one answers GET /api/v1/exchanges/{requestId}.
func (x *exchangeReader) one(r *http.Request) (rest.Answer, error) {
	q, err := x.read(r, "from", "to")
	if err != nil {
		return rest.Answer{}, err
	}
	id := r.PathValue("requestId")
	if !requestID.MatchString(id) {
		return rest.Answer{}, rest.Invalid(rest.Field{Path: "requestId", Rule: "format", Message: "must be a request id: letters, digits and hyphens, at most 64"})
	}
	if err := x.tell(r, strings.TrimSpace(id+" with bodies "+q.values.Encode())); err != nil {
		return rest.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), exchangesTime)
	defer cancel()
	rows, err := x.p.store.Exchanges(ctx, exchangelog.TableQuery{RequestID: id, From: q.from, To: q.to, Limit: recordsOfExchange})
	if err != nil {
		return rest.Answer{}, orComeAgain(err)
	}
	found, err := recordsOf(rows)
	if err != nil {
		return rest.Answer{}, err
	}
	if len(found) == 0 {
		begin, now := time.Time{}, x.p.now()
		if q.to.IsZero() && q.from.IsZero() {
			begin, q.to = now.Add(time.Minute-maxExchangesSpan), now.Add(time.Minute)
		}
		if err := q.bound(begin, now); err != nil {
			return rest.Answer{}, err
		}
		leave, err := x.enter(ctx)
		if err != nil {
			return rest.Answer{}, err
		}
		defer leave()
		found, err = x.inFiles(ctx, exchangelog.Query{Systems: q.systems, ID: id, From: q.from, To: q.to, Limit: recordsOfExchange})
		if err != nil {
			return rest.Answer{}, tooMuch(ctx, err)
		}
		found = slices.DeleteFunc(found, func(f foundRecord) bool { return f.record.RequestID != id })
	}
	if len(found) == 0 {
		return rest.Answer{}, &rest.Problem{Status: http.StatusNotFound, Code: "not-found", Title: "No such exchange",
			Detail: "It is not in the tables, nor in the files of the days from from to to, the last 31 without them."}
	}
	open, err := x.p.settings.opener()
	if err != nil {
		return rest.Answer{}, err
	}
	page := pageOf(found, exchangelog.TablePlace{}, len(found))
	for i, f := range found { // pageOf has sorted them
		opened := open(f.record)
		page.Items[i].Path, page.Items[i].BodySHA256, page.Items[i].Body = opened.Path, opened.Digest, opened.Body
	}
	return rest.Answer{Body: page}, nil
}

// requestID is what ours look like, and those of callers' own making in tests.
var requestID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// tell writes who looks at what into the security log, before anything is looked at: without the row nothing is shown.
func (x *exchangeReader) tell(r *http.Request, what string) error {
	err := x.p.security.Record(r.Context(), security.Event{Kind: security.ExchangesRead, Caller: rest.CallerFrom(r.Context()).Name,
		Actor: rest.ActingUser(r), Detail: cmp.Or(what, "all")})
	return orComeAgain(err)
}

// ofOrder gives the query what stands in the bodies of the order's messages: EMTA's id of it, or our stamp. It returns since when
// there can be any.
func (x *exchangeReader) ofOrder(ctx context.Context, q *exchangesQuery) (time.Time, error) {
	o, err := x.p.store.Order(ctx, q.order)
	if errors.Is(err, order.ErrNotFound) {
		return time.Time{}, rest.Invalid(rest.Field{Path: "order", Rule: "unknown", Message: "there is no such order"})
	}
	if err != nil {
		return time.Time{}, orComeAgain(err)
	}
	if !slices.Contains(q.systems, systemEMTA) {
		return time.Time{}, rest.Invalid(rest.Field{Path: "system", Rule: "enum", Message: "must be emta, with order"})
	}
	q.systems = []string{systemEMTA}
	q.texts = []string{fmt.Sprintf("Stamp>%d<", o.ID)}
	if o.EMTAOrderID != "" {
		q.texts = append(q.texts, ">"+o.EMTAOrderID+"<")
	}
	begin := o.Started
	if begin.IsZero() { // of a row that was there before the adapter
		begin = o.Created
	}
	return begin.Add(-time.Minute), nil // the clocks of replicas differ a little
}

// places tells which of the systems are read from tables, and which from files.
func (x *exchangeReader) places(systems []string) (tables, files []string) {
	set := x.p.exchanges.Settings()
	for _, name := range systems {
		if slices.Contains(set[name].Sinks, placeTables) {
			tables = append(tables, name)
		} else {
			files = append(files, name)
		}
	}
	return tables, files
}

// enter waits until nobody else searches, and returns what ends that.
func (x *exchangeReader) enter(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangesTime/4)
	defer cancel()
	select {
	case x.searching <- struct{}{}:
		return func() { <-x.searching }, nil
	case <-ctx.Done():
		return nil, comeAgain("Others are searching the exchange log.", ctx.Err())
	}
}

// tooMuch tells of a search that took too long.
func tooMuch(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return comeAgain("The search took too long: bring from and to closer together, or name a system.", err)
	}
	return orComeAgain(err)
}

// inTables finds a page and one more in the tables. stopped is where it ended before it had either that or everything.
func (x *exchangeReader) inTables(ctx context.Context, q exchangesQuery, systems []string) (found []foundRecord, stopped exchangelog.TablePlace, err error) {
	open, err := x.p.settings.opener()
	if err != nil {
		return nil, stopped, err
	}
	for _, system := range systems {
		ask := exchangelog.TableQuery{System: system, XRoadID: q.xroadID, From: q.from, To: q.to, After: q.after, Limit: q.limit + 1}
		if q.texts != nil {
			ask.Limit = maxExchangesPage // few of them are the order's
		}
		for kept, read := 0, 0; kept <= q.limit; {
			rows, err := x.p.store.Exchanges(ctx, ask)
			if err != nil {
				return nil, stopped, err
			}
			list, err := recordsOf(rows)
			if err != nil {
				return nil, stopped, err
			}
			for _, f := range list {
				if q.texts == nil || holdsAny(open(f.record), q.texts) {
					found = append(found, f)
					kept++
				}
			}
			if read += len(rows); len(rows) < ask.Limit || kept > q.limit {
				break
			}
			ask.After = rows[len(rows)-1].Place
			if read >= exchangesScan { // only where bodies are looked into, which is one system's
				return found, ask.After, nil
			}
		}
	}
	return found, stopped, nil
}

func holdsAny(r *exchangelog.Record, texts []string) bool {
	body, err := r.Plain()
	return err == nil && slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(body, []byte(text)) })
}

func recordsOf(rows []exchangelog.TableRow) ([]foundRecord, error) {
	var list []foundRecord
	for _, row := range rows {
		record, err := exchangelog.ParseRecord(row.Line)
		if err != nil {
			return nil, fmt.Errorf("record %d of %s, which adapter log verify tells more of: %w", row.Place.Seq, row.Place.Stream, err)
		}
		list = append(list, foundRecord{row.Place, record})
	}
	return list, nil
}

// inFiles finds records in files and archives.
func (x *exchangeReader) inFiles(ctx context.Context, q exchangelog.Query) ([]foundRecord, error) {
	if len(q.Systems) == 0 {
		return nil, nil
	}
	s := x.p.settings
	trusted, err := s.trusted(nil)
	if err != nil {
		return nil, err
	}
	open, err := s.opener()
	if err != nil {
		return nil, err
	}
	find := func() ([]exchangelog.Found, error) {
		found, _, err := exchangelog.Find(ctx, s.logPlaces(nil, trusted), q, func(r *exchangelog.Record) ([]byte, error) { return open(r).Plain() })
		return found, err
	}
	exchanges, err := find()
	if err != nil && ctx.Err() == nil {
		exchanges, err = find() // a file may have been closed, or its last line been written, just then
	}
	var found []foundRecord
	for _, exchange := range exchanges {
		for _, f := range exchange.Records {
			found = append(found, foundRecord{f.Record.Place(), f.Record})
		}
	}
	slices.SortFunc(found, func(a, b foundRecord) int { return a.place.Compare(b.place) })
	return found, err
}
