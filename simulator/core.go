package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// CoreOptions of Core; Secret is needed for the webhook.
type CoreOptions struct {
	Clock      func() time.Time // nil: time.Now
	Secret     string           // of the webhook, "whsec_" and Base64
	Transport  http.RoundTripper
	ActingUser string // X-Acting-User of our calls; empty: EE60001019906, the public test code
}

// Core stands for the AT core application: an http.Handler that receives the
// adapter's webhook, and a client of its internal API (design §8).
type Core struct {
	o        CoreOptions
	key      []byte
	answers  mischiefQueue
	stopped  chan struct{}
	stop     func()
	mu       sync.Mutex
	api      string
	token    string
	received []Delivery
	refused  []error
	claimed  map[string]bool
	news     chan struct{} // closed and renewed with each delivery
}

var _ http.Handler = (*Core)(nil)

// Delivery is one webhook that arrived with a right signature, accepted or not.
type Delivery struct {
	WebhookID string
	Event     Event
	Time      time.Time
	Accepted  bool // it was answered with 204
}

// NewCore returns a core that is not attached to an adapter yet.
func NewCore(o CoreOptions) (*Core, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.ActingUser == "" {
		o.ActingUser = "EE60001019906"
	}
	var key []byte
	if o.Secret != "" {
		var err error
		if key, err = webhookKey(o.Secret); err != nil {
			return nil, err
		}
	}
	stopped := make(chan struct{})
	return &Core{o: o, key: key, claimed: map[string]bool{}, news: make(chan struct{}), stopped: stopped,
		stop: sync.OnceFunc(func() { close(stopped) })}, nil
}

// Close ends waiting delays.
func (c *Core) Close() { c.stop() }

// Attach names the adapter: the address of its core listener, as
// http://127.0.0.1:8081, and a bearer token.
func (c *Core) Attach(url, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api, c.token = url, token
}

// webhookOperation is the name of the webhook in the queue of what goes wrong.
const webhookOperation = "webhook"

// Misbehave queues what the next webhooks meet, one Mischief each: delays, cuts
// and HTML with a status, 500 for one; the event is recorded as not accepted.
func (c *Core) Misbehave(ms ...Mischief) { c.answers.push(webhookOperation, ms...) }

// ServeHTTP receives a webhook.
func (c *Core) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageBytes))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	if r.Method != http.MethodPost || c.key == nil {
		http.Error(w, "a webhook is a POST to a core with a secret", http.StatusMethodNotAllowed)
		return
	}
	event, status, err := c.read(r.Header, body)
	if err != nil {
		c.mu.Lock()
		c.refused = append(c.refused, err)
		c.mu.Unlock()
		http.Error(w, err.Error(), status)
		return
	}
	m := c.answers.pop(webhookOperation)
	pause(m.DelayBefore, c.stopped)
	if m.CutBefore {
		panic(http.ErrAbortHandler)
	}
	c.record(Delivery{WebhookID: r.Header.Get("webhook-id"), Event: event, Time: c.o.Clock(), Accepted: !m.CutAfter && m.HTML == 0})
	pause(m.DelayAfter, c.stopped)
	if m.CutAfter {
		panic(http.ErrAbortHandler)
	}
	m.spoil(reply{status: http.StatusNoContent}).writeTo(w)
}

func (c *Core) read(header http.Header, body []byte) (Event, int, error) {
	if err := checkSignature(c.key, header, body, c.o.Clock()); err != nil {
		return Event{}, http.StatusUnauthorized, err
	}
	event, err := decodeEvent(body)
	return event, http.StatusBadRequest, err
}

func (c *Core) record(d Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received = append(c.received, d)
	close(c.news)
	c.news = make(chan struct{})
}

// Received returns the webhooks that arrived with a right signature, the oldest first.
func (c *Core) Received() []Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.received)
}

// Refused tells why webhooks were refused: their signature or content.
func (c *Core) Refused() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refused)
}

// Await returns the first accepted event that fits, arrived or still to arrive
// before ctx ends.
func (c *Core) Await(ctx context.Context, fits func(Event) bool) (Event, error) {
	for next := 0; ; {
		c.mu.Lock()
		received, news := c.received, c.news
		c.mu.Unlock()
		for ; next < len(received); next++ {
			if d := received[next]; d.Accepted && fits(d.Event) {
				return d.Event, nil
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("waiting for an event: %w", ctx.Err())
		}
	}
}

// Event is one event of the adapter (CloudEvents 1.0 in JSON, design §8).
type Event struct {
	ID, Source, Type, Subject string
	Time                      time.Time
	CompletionID              string // of order.completed: same for every repetition
	Attempt                   int    // of order.completed: 1, 2, …
	DuplicateOf               string // another order of the announcement that completed before
	AfterCancel               bool   // paid although cancelled
	Order                     CoreOrder
	Data                      json.RawMessage // as it came
}

type eventWire struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Time        time.Time       `json:"time"`
	Data        json.RawMessage `json:"data"`
}

// completionWire is what data has beside the order.
type completionWire struct {
	CompletionID textual `json:"completionId"`
	Attempt      int     `json:"attempt"`
	AfterCancel  bool    `json:"afterCancel"`
}

func decodeEvent(body []byte) (Event, error) {
	var w eventWire
	if err := json.Unmarshal(body, &w); err != nil {
		return Event{}, fmt.Errorf("reading an event: %w", err)
	}
	if w.SpecVersion != "1.0" || w.ID == "" || w.Source == "" || w.Type == "" {
		return Event{}, errors.New("reading an event: specversion must be 1.0, and id, source and type must be there")
	}
	e := Event{ID: w.ID, Source: w.Source, Type: w.Type, Subject: w.Subject, Time: w.Time, Data: w.Data}
	var order orderWire
	var completion completionWire
	if len(w.Data) > 0 {
		if err := errors.Join(json.Unmarshal(w.Data, &order), json.Unmarshal(w.Data, &completion)); err != nil {
			return Event{}, fmt.Errorf("reading an event's data: %w", err)
		}
	}
	e.Order = order.decode()
	e.CompletionID, e.Attempt = string(completion.CompletionID), completion.Attempt
	e.AfterCancel, e.DuplicateOf = completion.AfterCancel, e.Order.DuplicateOf
	return e, nil
}
