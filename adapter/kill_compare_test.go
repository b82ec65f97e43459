//go:build unix

package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
)

// comparison holds what the adapter has kept against what the simulators know.
type comparison struct {
	t      *traffic
	rows   map[string]order.Order // by stamp
	made   []simulator.Order      // EMTA's
	events []event.Event
	wrong  []string

	open       []order.Notification // of EMTA's orders, not processed
	figures    order.Figures
	suspicions []order.Suspicion
	backlog    int // events that the webhook has not brought
	pending    []simulator.Notification
	refused    []error         // webhooks, by the core
	kept       map[string]bool // by stamp: EMTA was asked to cancel it and did not, so that a start may leave it to expire
	received   []simulator.Delivery
}

// compare returns all that does not agree. Everything agrees some time after the last kill.
func (t *traffic) compare(ctx context.Context, s store.Store) ([]string, error) {
	c, err := t.gather(ctx, s)
	if err != nil {
		return nil, err
	}
	return c.judge(), nil
}

// gather reads what is compared.
func (t *traffic) gather(ctx context.Context, s store.Store) (*comparison, error) {
	c := &comparison{t: t, rows: map[string]order.Order{}, kept: map[string]bool{}, made: t.world.EMTA.Orders(), pending: t.world.EMTA.Pending(),
		refused: t.world.Core.Refused(), received: t.world.Core.Received()}
	if err := c.read(ctx, s); err != nil {
		return nil, err
	}
	var err error
	if c.figures, err = s.Figures(ctx, time.Now()); err != nil {
		return nil, err
	}
	if c.suspicions, err = s.Suspicions(ctx, ""); err != nil {
		return nil, err
	}
	if c.backlog, _, err = s.Backlog(ctx); err != nil {
		return nil, err
	}
	if err := c.readCancels(ctx, s); err != nil {
		return nil, err
	}
	for _, o := range c.made {
		n, err := s.OpenNotification(ctx, o.ID)
		if err == nil {
			c.open = append(c.open, n)
		} else if !errors.Is(err, order.ErrNotFound) {
			return nil, err
		}
	}
	return c, nil
}

// judge says what does not agree.
func (c *comparison) judge() []string {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	for _, n := range c.open {
		c.expect(false, "EMTA's order %s: a notification of %s is not processed: %s", n.EMTAOrderID, n.NotifiedAt, n.Failure)
	}
	c.expect(c.figures.UnclaimedOrders == 0, "%d completions are not claimed", c.figures.UnclaimedOrders)
	c.expect(c.figures.Mismatches == 0, "%d amounts differ", c.figures.Mismatches)
	c.expect(len(c.suspicions) == 0, "%d answers were taken for somebody else's", len(c.suspicions))
	c.expect(c.backlog == 0, "%d events are not delivered by the webhook", c.backlog)
	c.expect(len(c.pending) == 0, "EMTA has %d unacknowledged notifications", len(c.pending))
	c.expect(len(c.refused) == 0, "the core refused webhooks: %v", c.refused)
	c.orders()
	c.answers()
	c.told()
	c.heard()
	return append(c.wrong, c.t.wrong...)
}

func (c *comparison) expect(right bool, format string, args ...any) {
	if !right {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

func (c *comparison) read(ctx context.Context, s store.Store) error {
	const page = 1000
	for after := int64(0); ; {
		rows, err := s.Orders(ctx, order.Filter{After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, o := range rows {
			c.rows[strconv.FormatInt(o.ID, 10)] = o
			after = o.ID
		}
		if len(rows) < page {
			break
		}
	}
	for after := int64(0); ; {
		events, err := s.Events(ctx, after, page)
		if err != nil {
			return err
		}
		c.events = append(c.events, events...)
		if len(events) < page {
			return nil
		}
		after = events[page-1].Seq
	}
}

// readCancels looks for cancels that failed, in the logs of orders that are not the only one of their announcement.
func (c *comparison) readCancels(ctx context.Context, s store.Store) error {
	orders := map[int64]int{}
	for _, row := range c.rows {
		orders[row.AnnouncementID]++
	}
	for stamp, row := range c.rows {
		if orders[row.AnnouncementID] == 1 {
			continue
		}
		entries, err := s.LogOf(ctx, row.ID)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Action == order.LogCancel && e.Message != "Tellimus tühistatud" {
				c.kept[stamp] = true
			}
		}
	}
	return nil
}

// orders compares each order of EMTA's with our row, and each row with EMTA.
func (c *comparison) orders() {
	made := map[string]int{}
	of := map[int64][]simulator.Order{} // by announcement, oldest first
	for _, o := range c.made {
		made[o.Stamp]++
		row, ok := c.rows[o.Stamp]
		c.expect(ok, "EMTA's order %s, stamp %s, has no row: it is lost", o.ID, o.Stamp)
		if !ok {
			continue
		}
		c.expect(row.EMTAOrderID == o.ID, "order %d has id %q, EMTA's is %s", row.ID, row.EMTAOrderID, o.ID)
		c.expect(string(row.State) == string(o.State), "order %d is %s, at EMTA %s", row.ID, row.State, o.State)
		c.expect(row.Amount.Equal(o.Amount) && row.Currency == o.Currency, "order %d is of %s, at EMTA of %s", row.ID, row.Amount, o.Amount)
		for _, before := range of[row.AnnouncementID] {
			left := c.leftCreated(before)
			c.expect(!left.IsZero() && !left.After(o.Created) || c.kept[before.Stamp], "announcement %d has orders %s and %s at EMTA: it is doubled",
				row.AnnouncementID, before.Stamp, o.Stamp)
		}
		of[row.AnnouncementID] = append(of[row.AnnouncementID], o)
	}
	live := map[int64]int{}
	for stamp, row := range c.rows {
		c.expect(made[stamp] <= 1, "EMTA has %d orders of stamp %s: it is doubled", made[stamp], stamp)
		if row.Live {
			live[row.AnnouncementID]++
		}
		if row.EMTAOrderID == "" {
			c.expect(row.State == order.Creating || row.State == order.Cancelled, "order %s is %s without an id", stamp, row.State)
			continue
		}
		c.expect(made[stamp] == 1, "order %s has id %s, which EMTA does not have", stamp, row.EMTAOrderID)
		c.expect(!row.Live, "order %s has an id and counts as under way", stamp)
		c.expect(row.State != order.Completed || row.ClaimForwarded, "order %s is completed and not claimed", stamp)
	}
	for announcement, n := range live {
		c.expect(n == 1, "announcement %d has %d attempts under way", announcement, n)
	}
}

// leftCreated is when an order of EMTA's ceased to be one that a payer can be sent to, zero if it has not.
func (c *comparison) leftCreated(o simulator.Order) time.Time {
	if at, ok := c.t.cancelled[o.ID]; ok {
		return at
	}
	if len(o.Payments) > 0 {
		return o.Payments[0].Created
	}
	return o.Finished
}

// answers compares what the core was told with what is kept: no row that was spoken of is lost or another's.
func (c *comparison) answers() {
	for id, told := range c.t.answered {
		row, ok := c.rows[id]
		c.expect(ok, "the core was told of order %s, which is lost", id)
		if !ok {
			continue
		}
		c.expect(strconv.FormatInt(row.AnnouncementID, 10) == told.AnnouncementID, "order %s was of announcement %s, is of %d", id, told.AnnouncementID, row.AnnouncementID)
		c.expect(told.EMTAOrderID == "" || told.EMTAOrderID == row.EMTAOrderID, "order %s was told with id %s, has %s", id, told.EMTAOrderID, row.EMTAOrderID)
	}
	for id, o := range c.rows {
		if c.t.claimed[o.CompletionID] {
			c.expect(o.ClaimForwarded, "the claim of order %s was confirmed, which is lost", id)
		}
	}
}

// tale is what the events said of one order.
type tale struct {
	last        string // type of the last event
	state       string // by the last event
	open        string // the completion that stands
	attempt     int
	completions int
}

// told follows the feed: each event once, each order's in an order that can be, ending in the order's state.
func (c *comparison) told() {
	ids, completions, tales := map[string]bool{}, map[string]bool{}, map[string]*tale{}
	for _, e := range c.events {
		c.expect(!ids[e.ID], "event %s is in the feed twice", e.ID)
		ids[e.ID] = true
		var data struct {
			ID           int64
			State        string
			CompletionID string
			Attempt      int
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			c.expect(false, "event %s: %v", e.ID, err)
			continue
		}
		stamp := strconv.FormatInt(data.ID, 10)
		c.expect(e.Subject == "order/"+stamp, "event %s of %s is about order %s", e.ID, e.Subject, stamp)
		if tales[stamp] == nil {
			tales[stamp] = &tale{}
		}
		said := tales[stamp]
		if e.Type == order.EventCompleted {
			fresh := said.open == "" && data.Attempt == 1 && !completions[data.CompletionID]
			again := said.open == data.CompletionID && data.Attempt == said.attempt+1
			c.expect(data.CompletionID != "" && (fresh || again), "order %s: attempt %d of completion %s comes after attempt %d of %q",
				stamp, data.Attempt, data.CompletionID, said.attempt, said.open)
			if fresh {
				said.completions++
			}
			completions[data.CompletionID] = true
			said.open, said.attempt = data.CompletionID, data.Attempt
		} else {
			c.expect(e.Type != said.last, "order %s: %s was told twice", stamp, e.Type)
			c.expect((e.Type == order.EventReverted) == (said.open != ""), "order %s: %s comes after %s", stamp, e.Type, said.last)
			said.open, said.attempt = "", 0
		}
		c.expect(e.Type == order.EventReverted || e.Type == "order."+data.State, "order %s: %s says %s", stamp, e.Type, data.State)
		said.last, said.state = e.Type, data.State
	}
	for stamp, row := range c.rows {
		said := tales[stamp]
		if said == nil {
			c.expect(row.State == order.Creating, "order %s is %s, and the core has not been told", stamp, row.State)
			continue
		}
		c.expect(said.state == string(row.State), "order %s is %s, the core was told %s", stamp, row.State, said.state)
		c.expect(said.open == row.CompletionID, "order %s has completion %q, the core was told %q", stamp, row.CompletionID, said.open)
		c.expect(said.completions <= c.t.paid[row.EMTAOrderID], "order %s was paid %d times, the core was told of %d completions",
			stamp, c.t.paid[row.EMTAOrderID], said.completions)
	}
}

// heard compares the feed with what reached the core by reading it and by the webhook.
func (c *comparison) heard() {
	var feed, read []string
	subjects := map[string][]string{}
	for _, e := range c.events {
		feed = append(feed, e.ID)
		subjects[e.Subject] = append(subjects[e.Subject], e.ID)
	}
	for _, e := range c.t.feed {
		read = append(read, e.ID)
	}
	c.expect(slices.Equal(feed, read), "the feed has %d events; those that the core read are %d, or others", len(feed), len(read))
	heard, known := map[string][]string{}, map[string]bool{}
	for _, d := range c.received {
		if d.Accepted && !known[d.Event.ID] { // what was delivered again after a kill counts once
			known[d.Event.ID] = true
			heard[d.Event.Subject] = append(heard[d.Event.Subject], d.Event.ID)
		}
	}
	for subject, ids := range subjects {
		c.expect(slices.Equal(ids, heard[subject]), "%s: the webhook brought %d events of %d, or in another order", subject, len(heard[subject]), len(ids))
	}
	c.expect(len(known) <= len(feed), "the webhook brought events that are not in the feed")
}

// compareNotifications looks into the file itself: no interface shows processed notifications.
func (t *traffic) compareNotifications(ctx context.Context, path string) ([]string, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var sound string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&sound); err != nil {
		return nil, err
	}
	var wrong []string
	if sound != "ok" {
		wrong = append(wrong, "the file is damaged: "+sound)
	}
	rows, err := db.QueryContext(ctx, "SELECT tellimuse_id, max(teavituse_aeg) FROM krediitkaardi_teavitused WHERE toodeldud = 1 GROUP BY tellimuse_id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	kept := map[string]time.Time{}
	for rows.Next() {
		var id, at string
		if err := rows.Scan(&id, &at); err != nil {
			return nil, err
		}
		if kept[id], err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, err
		}
	}
	return append(wrong, t.lost(kept)...), rows.Err()
}

// lost are the acknowledged notifications without a row, not older than the request, that is processed. kept are the
// latest times of processed rows by EMTA's id.
func (t *traffic) lost(kept map[string]time.Time) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var wrong []string
	for _, a := range t.acked {
		if at, ok := kept[a.emtaOrderID]; !ok || at.Before(a.sent.Truncate(time.Microsecond)) {
			wrong = append(wrong, "an acknowledged notification of "+a.emtaOrderID+" is lost or not processed")
		}
	}
	return wrong
}

// few shows the first of many.
func few(wrong []string) string {
	const most = 30
	if len(wrong) > most {
		return strings.Join(wrong[:most], "\n") + fmt.Sprintf("\nand %d more", len(wrong)-most)
	}
	return strings.Join(wrong, "\n")
}
