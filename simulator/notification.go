package simulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// NotifyMode is when EMTA tells the merchant of a change.
type NotifyMode string

// The modes; the zero value is NotifyAlways.
const (
	NotifyAlways NotifyMode = "always" // each change, until it is accepted
	NotifyNever  NotifyMode = "never"
	NotifyRepeat NotifyMode = "repeat" // as always, and then again until it was accepted NotifyOptions.Times times
	NotifyManual NotifyMode = "manual" // kept for Deliver
)

// NotifyOptions say whom EMTA notifies, and when.
type NotifyOptions struct {
	Mode      NotifyMode
	Times     int             // of NotifyRepeat; 0 means 3
	Backoff   []time.Duration // before each repetition, the last for all further; nil: 1, 2, 4, 8, 15 s
	Attempts  int             // a notification is given up after so many; 0 means 20
	Timeout   time.Duration   // of one attempt; 0 means 30 s
	URL       string          // of EMTA's security server
	Transport http.RoundTripper
	Namespace string             // of the merchant's WSDL; empty: http://tkt.x-road.eu
	Client    xroadhdr.ClientID  // EMTA
	Service   xroadhdr.ServiceID // the merchant's
	UserID    string             // header userId; empty: EE60001019906, the public test code
}

func (o NotifyOptions) withDefaults() NotifyOptions {
	if o.Times == 0 {
		o.Times = 3
	}
	if o.Backoff == nil {
		o.Backoff = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}
	}
	if o.Attempts == 0 {
		o.Attempts = 20
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Namespace == "" {
		o.Namespace = "http://tkt.x-road.eu"
	}
	if o.UserID == "" {
		o.UserID = "EE60001019906"
	}
	return o
}

// Notification is one change that the merchant is to hear of. It carries the
// order's id only; State is what it was about, for reading.
type Notification struct {
	OrderID  string
	Stamp    string
	State    OrderState
	Due      time.Time
	Attempts int // made so far
	Accepted int // of them answered without a fault
}

// changed puts o's change in the queue, as the mode has it.
func (e *EMTA) changed(o *Order) {
	if !o.Notify || e.o.Notifications.Mode == NotifyNever {
		return
	}
	e.waiting = append(e.waiting, &Notification{OrderID: o.ID, Stamp: o.Stamp, State: o.State, Due: e.o.Clock()})
	e.signal()
}

// signal wakes Run.
func (e *EMTA) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// SetNotifyMode changes the mode from the next change on. What waits stays: it
// is delivered unless the new mode is NotifyNever or NotifyManual.
func (e *EMTA) SetNotifyMode(mode NotifyMode) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o.Notifications.Mode = mode
	e.signal()
}

// Pending returns the notifications that wait, the oldest first. Deliver and
// Drop take positions of this list.
func (e *EMTA) Pending() []Notification {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
	all := make([]Notification, len(e.waiting))
	for i, n := range e.waiting {
		all[i] = *n
	}
	return all
}

// Deliver sends the waiting notification i now and leaves it waiting, so that
// it can be sent again; any order will do. Drop takes it out.
func (e *EMTA) Deliver(ctx context.Context, i int) (NotifyAnswer, error) {
	e.mu.Lock()
	if i < 0 || i >= len(e.waiting) {
		e.mu.Unlock()
		return NotifyAnswer{}, fmt.Errorf("there is no waiting notification %d", i)
	}
	n := e.waiting[i]
	id := n.OrderID
	e.mu.Unlock()
	answer, err := e.Notify(ctx, id)
	e.mu.Lock()
	defer e.mu.Unlock()
	n.Attempts++
	if err == nil && answer.OK() {
		n.Accepted++
	}
	return answer, err
}

// Drop takes the waiting notification i out of the list, unsent or not.
func (e *EMTA) Drop(i int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i < 0 || i >= len(e.waiting) {
		return fmt.Errorf("there is no waiting notification %d", i)
	}
	e.waiting = slices.Delete(e.waiting, i, i+1)
	return nil
}

// sweepInterval is how often Run looks for expired orders and due repetitions;
// short beside any expiry, long beside the work.
const sweepInterval = 100 * time.Millisecond

// Run expires orders and delivers notifications until ctx ends, one at a time.
func (e *EMTA) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		e.Sweep()
		for e.deliverDue(ctx) {
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-e.wake:
		}
	}
}

// deliverDue sends one notification that is due, if there is one.
func (e *EMTA) deliverDue(ctx context.Context) bool {
	n := e.due()
	if n == nil || ctx.Err() != nil {
		return false
	}
	answer, err := e.Notify(ctx, n.OrderID)
	e.mu.Lock()
	defer e.mu.Unlock()
	n.Attempts++
	if err == nil && answer.OK() {
		n.Accepted++
	}
	o := e.o.Notifications
	wanted := 1
	if o.Mode == NotifyRepeat {
		wanted = o.Times
	}
	if n.Accepted >= wanted || n.Attempts >= o.Attempts {
		e.waiting = slices.DeleteFunc(e.waiting, func(w *Notification) bool { return w == n })
		return true
	}
	n.Due = e.o.Clock().Add(o.Backoff[min(n.Attempts, len(o.Backoff))-1])
	return true
}

func (e *EMTA) due() *Notification {
	e.mu.Lock()
	defer e.mu.Unlock()
	if mode := e.o.Notifications.Mode; mode == NotifyManual || mode == NotifyNever {
		return nil
	}
	now := e.o.Clock()
	for _, n := range e.waiting {
		if !n.Due.After(now) {
			return n
		}
	}
	return nil
}

// NotifyAnswer is what came back on a notification.
type NotifyAnswer struct {
	FaultCode   string // empty: none
	FaultString string
	Raw         []byte // the whole answer
}

// OK reports whether the merchant accepted the notification.
func (a NotifyAnswer) OK() bool { return a.FaultCode == "" }

var errNoAnswer = errors.New("no answer that fits the notification")

// Notify sends one notification of id now, whatever the mode; id may be unknown.
// A fault is an answer; the error tells of none, or of one that is neither a
// fault nor cpgOrderNotifyResponse.
func (e *EMTA) Notify(ctx context.Context, id string) (NotifyAnswer, error) {
	e.mu.Lock()
	o := e.o.Notifications
	message := notifyRequest(o, e.o.NewID(), id)
	e.mu.Unlock()
	answer, err := sendNotification(ctx, o, message)
	e.mu.Lock()
	defer e.mu.Unlock()
	call := Call{Operation: OperationNotify, OrderID: id, Time: e.o.Clock(), Acted: err == nil, Refusal: answer.FaultCode}
	if order := e.find(id); order != nil {
		call.Stamp = order.Stamp
	}
	if err != nil {
		call.Refusal = err.Error()
	}
	e.calls = append(e.calls, call)
	return answer, err
}
