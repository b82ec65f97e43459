package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
)

// Times of the webhook.
const (
	defaultWebhookTimeout = 15 * time.Second // a receiver answers first and works later
	leaseMargin           = 10 * time.Second // beyond the timeout, for writing down how it went
	idleWait              = time.Second      // between looks at an empty queue; Wake is quicker
	firstRetry            = 5 * time.Second  // doubling
	lastRetry             = time.Hour        // a core that was down a day hears of it within the hour
	jitter                = 0.2              // of a retry, either way, so that replicas and subjects spread
)

// WebhookOptions of a Webhook. URL, Secret, Now, NewID and Random are needed.
type WebhookOptions struct {
	URL       string            // http or https, absolute
	Secret    string            // "whsec_" and 24 to 64 bytes in Base64
	Source    string            // of the events; "": "/adapter"
	Transport http.RoundTripper // nil: a connection pool of its own
	Timeout   time.Duration     // of one delivery; 0: 15 s
	Now       func() time.Time
	NewID     func() string  // fresh random words, for leases
	Random    func() float64 // in [0, 1), for jitter
	Logger    *slog.Logger   // nil: none
	Attempted func(Attempt)  // told of every attempt, for metrics; may be nil
}

// Attempt is one delivery that was tried.
type Attempt struct {
	Type      string        // of the event
	Delivered bool          // it was answered with 2xx
	Failure   string        // "" or a stable word: "status", or a rest.SendError's kind
	Status    int           // of the answer, 0 without one
	Took      time.Duration // by the clock that was handed in

	err error // for the log, where Status is 0
}

// Webhook posts events to the core by the Standard Webhooks convention (design §8): at least once, the
// events of one subject in order, with 2xx as the only delivery. Whatever else comes, 410 too, is tried again, ever
// more rarely. Safe for concurrent use; several replicas may share a store.
type Webhook struct {
	store  Store
	o      WebhookOptions
	key    []byte
	sender *rest.Sender
	wake   chan struct{}
}

// NewWebhook returns a webhook, or says which option is wrong, without repeating it.
func NewWebhook(store Store, o WebhookOptions) (*Webhook, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("webhook url: must be an absolute http or https address")
	}
	key, err := parseSecret(o.Secret)
	if err != nil {
		return nil, err
	}
	if o.Source == "" {
		o.Source = defaultSource
	}
	if o.Timeout == 0 {
		o.Timeout = defaultWebhookTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Attempted == nil {
		o.Attempted = func(Attempt) {}
	}
	sender := rest.NewSender(rest.SenderOptions{Transport: o.Transport, Timeout: o.Timeout, MaxAnswer: 1 << 10}) // only the status counts
	return &Webhook{store: store, o: o, key: key, sender: sender, wake: make(chan struct{}, 1)}, nil
}

// Wake makes Run look for due deliveries at once. It never blocks.
func (w *Webhook) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends, and returns then.
func (w *Webhook) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-timer.C:
		}
		if _, err := w.Deliver(ctx); err != nil && ctx.Err() == nil {
			w.o.Logger.ErrorContext(ctx, "webhook stopped for a moment", "error", err)
		}
		timer.Reset(idleWait)
	}
}

// Deliver is one pass over what is due by the clock at its start, the oldest first; what became due
// by a delivery is part of it. It returns how many events the core accepted. A refused delivery is
// due again later and no error, nor is a lease that another replica took over; an error is the store's.
func (w *Webhook) Deliver(ctx context.Context) (n int, err error) {
	due := w.o.Now()
	for ctx.Err() == nil {
		// One at a time: a lease then has to last for one delivery only.
		token, until := w.o.NewID(), w.o.Now().Add(w.o.Timeout+leaseMargin)
		taken, err := w.store.TakeDeliveries(ctx, due, token, until, 1)
		if err != nil {
			return n, fmt.Errorf("taking a delivery: %w", err)
		}
		if len(taken) == 0 {
			return n, nil
		}
		delivered, err := w.deliver(ctx, taken[0], token)
		if err != nil {
			return n, err
		}
		if delivered {
			n++
		}
	}
	return n, ctx.Err()
}

// deliver tries one delivery under its lease and writes down how it went.
func (w *Webhook) deliver(ctx context.Context, d Delivery, token string) (bool, error) {
	attempt := w.post(ctx, d.Event)
	if !attempt.Delivered && ctx.Err() != nil {
		return false, ctx.Err() // we are stopping: no failure of the core's; the lease runs out
	}
	w.o.Attempted(attempt)
	write := context.WithoutCancel(ctx) // what the core has accepted is not sent again because we stop
	var err error
	if attempt.Delivered {
		err = w.store.Delivered(write, d.Event.Seq, token, w.o.Now())
	} else {
		next := w.o.Now().Add(backoff(d.Attempts, w.o.Random()))
		w.o.Logger.WarnContext(ctx, "webhook delivery failed", "event", d.Event.ID, "type", d.Event.Type, "reason", attempt.reason(),
			"attempt", d.Attempts+1, "next", next, "error", attempt.err)
		err = w.store.DeliveryFailed(write, d.Event.Seq, token, next, attempt.reason())
	}
	if errors.Is(err, ErrLeaseLost) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("writing down delivery of event %s: %w", d.Event.ID, err)
	}
	return attempt.Delivered, nil
}

// post sends the event once.
func (w *Webhook) post(ctx context.Context, e Event) Attempt {
	start := w.o.Now()
	attempt := Attempt{Type: e.Type}
	body, err := encode(e, w.o.Source)
	if err == nil {
		timestamp := strconv.FormatInt(start.Unix(), 10)
		fields := http.Header{
			"Content-Type":      {"application/cloudevents+json"},
			"Webhook-Id":        {e.ID},
			"Webhook-Timestamp": {timestamp},
			"Webhook-Signature": {sign(w.key, e.ID, timestamp, body)},
		}
		if e.TraceParent != "" {
			fields.Set("Traceparent", e.TraceParent)
		}
		attempt.Status, _, err = w.sender.Post(ctx, w.o.URL, fields, body)
	}
	attempt.Took, attempt.err = w.o.Now().Sub(start), err
	var failure *rest.SendError
	switch {
	case attempt.Status >= 200 && attempt.Status < 300: // also where the rest of the answer got lost
		attempt.Delivered = true
	case attempt.Status != 0:
		attempt.Failure = "status"
	case errors.As(err, &failure):
		attempt.Failure = string(failure.Kind)
	default:
		attempt.Failure = "ours"
	}
	return attempt
}

// reason is the failure for the table and the log.
func (a Attempt) reason() string {
	if a.Failure == "status" {
		return fmt.Sprintf("status %d", a.Status)
	}
	return a.Failure
}

// backoff is how long to wait after a failure that attempts came before; random is in [0, 1).
func backoff(attempts int, random float64) time.Duration {
	wait := lastRetry
	if attempts < 10 { // 5 s doubled ten times is more than an hour
		wait = min(firstRetry<<attempts, lastRetry)
	}
	return time.Duration(float64(wait) * (1 - jitter + 2*jitter*random))
}
