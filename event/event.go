package event

import (
	"encoding/json"
	"time"
)

// Event is something that the core must hear: a CloudEvent 1.0 (design §8). Events are
// never changed once appended.
type Event struct {
	Seq     int64           // position in the feed, given by the store; ascending in commit order
	ID      string          // unique for ever, a UUID
	Type    string          // e.g. "order.completed"
	Subject string          // whom it is about, e.g. "order/12"; events of one subject are heard in order
	Time    time.Time       // when it happened, UTC
	Data    json.RawMessage // the order or mandate as the internal API shows it
	// TraceParent is the W3C trace context that the event happened in, "" outside a trace. It is the CloudEvents
	// extension traceparent, and the header of that name of the webhook's request.
	TraceParent string
}
