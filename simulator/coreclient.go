package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// StartPayment asks for a card payment. reused tells 200, an order that exists,
// from 201. The error is a *Problem where the adapter refused.
func (c *Core) StartPayment(ctx context.Context, s StartPayment) (order CoreOrder, reused bool, err error) {
	var w orderWire
	status, err := c.call(ctx, http.MethodPost, "/orders", s.encode(), &w)
	return w.decode(), status == http.StatusOK, err
}

// Order reads one order.
func (c *Core) Order(ctx context.Context, id string) (CoreOrder, error) {
	return c.orderCall(ctx, http.MethodGet, id, "", nil)
}

// Refresh has the adapter ask EMTA now.
func (c *Core) Refresh(ctx context.Context, id string) (CoreOrder, error) {
	return c.orderCall(ctx, http.MethodPost, id, "/refresh", nil)
}

// Cancel has the adapter cancel the order at EMTA.
func (c *Core) Cancel(ctx context.Context, id string) (CoreOrder, error) {
	return c.orderCall(ctx, http.MethodPost, id, "/cancel", nil)
}

// Claim confirms that the claim of a completed order is bound.
func (c *Core) Claim(ctx context.Context, id string) (CoreOrder, error) {
	return c.orderCall(ctx, http.MethodPost, id, "/claim", nil)
}

type acceptWire struct {
	Reason string `json:"reason"`
}

// Accept is an operator accepting that another amount was paid.
func (c *Core) Accept(ctx context.Context, id, reason string) (CoreOrder, error) {
	return c.orderCall(ctx, http.MethodPost, id, "/accept", acceptWire{reason})
}

func (c *Core) orderCall(ctx context.Context, method, id, action string, body any) (CoreOrder, error) {
	var w orderWire
	_, err := c.call(ctx, method, "/orders/"+url.PathEscape(id)+action, body, &w)
	return w.decode(), err
}

type eventsWire struct {
	Items []json.RawMessage `json:"items"`
	Next  textual           `json:"next"`
}

// Events reads the feed after a cursor, "" for its beginning, waiting for news
// at most wait. next is where to go on. limit 0 leaves it to the adapter.
func (c *Core) Events(ctx context.Context, after string, limit int, wait time.Duration) (events []Event, next string, err error) {
	query := url.Values{}
	if after != "" {
		query.Set("after", after)
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	if wait > 0 {
		query.Set("wait", wait.String())
	}
	var w eventsWire
	if _, err := c.call(ctx, http.MethodGet, "/events?"+query.Encode(), nil, &w); err != nil {
		return nil, after, err
	}
	for _, item := range w.Items {
		event, err := decodeEvent(item)
		if err != nil {
			return nil, after, err
		}
		events = append(events, event)
	}
	return events, string(w.Next), nil
}

// followWait is how long Follow's long poll waits, design §8's example.
const followWait = 30 * time.Second

// Follow reads the feed from its beginning and claims each completion once,
// handing every event to seen, until ctx ends. A refused claim is no error; one
// that got no answer ends Follow, as does a feed that cannot be read.
func (c *Core) Follow(ctx context.Context, seen func(Event)) error {
	after := ""
	for {
		events, next, err := c.Events(ctx, after, 0, followWait)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, event := range events {
			if err := c.claimOnce(ctx, event); err != nil {
				return err
			}
			seen(event)
		}
		after = next
	}
}

func (c *Core) claimOnce(ctx context.Context, event Event) error {
	if event.Type != "order.completed" {
		return nil
	}
	c.mu.Lock()
	done := c.claimed[event.CompletionID]
	c.mu.Unlock()
	if done {
		return nil
	}
	_, err := c.Claim(ctx, event.Order.ID)
	var refused *Problem
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	c.mu.Lock()
	c.claimed[event.CompletionID] = err == nil
	c.mu.Unlock()
	return nil
}

func (c *Core) call(ctx context.Context, method, path string, body, into any) (int, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return 0, err
	}
	answer, err := c.o.Transport.RoundTrip(req)
	if err != nil {
		return 0, fmt.Errorf("calling the internal API: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // read to the end or given up
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxMessageBytes))
	if err != nil {
		return 0, fmt.Errorf("reading the internal API's answer: %w", err)
	}
	if answer.StatusCode >= 300 {
		return answer.StatusCode, decodeProblem(answer.StatusCode, raw)
	}
	if len(raw) == 0 {
		return answer.StatusCode, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return answer.StatusCode, fmt.Errorf("reading the internal API's answer: %w", err)
	}
	return answer.StatusCode, nil
}

func (c *Core) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	c.mu.Lock()
	api, token := c.api, c.token
	c.mu.Unlock()
	if api == "" {
		return nil, errors.New("calling the internal API: no adapter is attached")
	}
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("calling the internal API: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, api+"/api/v1"+path, content)
	if err != nil {
		return nil, fmt.Errorf("calling the internal API: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" { // else the transport's certificate says who calls
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("X-Acting-User", c.o.ActingUser)
	return req, nil
}
