package event

import (
	"encoding/json"
	"fmt"
	"time"
)

// defaultSource is the CloudEvents source where no other is set.
const defaultSource = "/adapter"

// cloudEvent is an event on the wire (CloudEvents 1.0 §3, JSON format §3.1).
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"` // Distributed Tracing extension
	Data            json.RawMessage `json:"data,omitempty"`
}

func cloudEventOf(e Event, source string) cloudEvent {
	c := cloudEvent{SpecVersion: "1.0", ID: e.ID, Source: source, Type: e.Type, Subject: e.Subject,
		Time: e.Time.UTC().Format(time.RFC3339Nano), Data: e.Data, TraceParent: e.TraceParent}
	if len(e.Data) > 0 {
		c.DataContentType = "application/json"
	}
	return c
}

// encode writes the event as the webhook's body.
func encode(e Event, source string) ([]byte, error) {
	body, err := json.Marshal(cloudEventOf(e, source))
	if err != nil {
		return nil, fmt.Errorf("writing event %s: %w", e.ID, err)
	}
	return body, nil
}
