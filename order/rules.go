package order

import (
	"fmt"
	"time"
)

// Types of the events that the core hears of an order (design §8).
const (
	EventCreated    = "order.created"
	EventPending    = "order.pending"
	EventCompleted  = "order.completed"
	EventCancelled  = "order.cancelled"
	EventReverted   = "order.reverted"
	EventSuspicious = "order.suspicious"
)

// happening is an event before it has an id and its data.
type happening struct {
	kind   string
	reason string // of a suspicion
}

// outcome is what a rule makes of an order.
type outcome struct {
	order  Order
	events []happening
	log    []string // claim log rows (action noue)
}

// decision is what rules need besides rows and answers: the time, a fresh id for a
// completion, a random number in [0, 1), and the settings.
type decision struct {
	now          time.Time
	completionID string
	random       float64
	settings     Settings
}

// applied is what becomes of v's order when EMTA says a of it, a being ours and its state known (EMTA §3).
func (d decision) applied(v View, a answer, state State) outcome {
	out := outcome{order: v.Order}
	o := &out.order
	before := v.Order

	o.EMTAOrderID = a.id
	o.Created = firstKnown(a.created, o.Created)
	o.Expires = firstKnown(a.expires, o.Expires)
	if o.Expires.IsZero() {
		o.Expires = firstKnown(o.Created, d.now).Add(d.settings.DefaultExpiry)
	}
	o.Finished = a.finished
	if a.paymentURL != "" {
		o.PaymentURL = a.paymentURL
	}
	o.Live, o.Lists, o.NotFoundAt, o.Fault = false, 0, time.Time{}, ""
	o.State = state

	currency := a.currencyOr(o.AskedCurrency)
	if !a.amount.Equal(o.Amount) || currency != o.Currency {
		o.AcceptedBy = "" // whoever accepted an amount accepted another one
	}
	o.Amount, o.Currency = a.amount, currency
	o.Mismatch = !a.asAsked(*o) && o.AcceptedBy == ""

	if o.Mismatch && !before.Mismatch {
		out.events = append(out.events, happening{kind: EventSuspicious, reason: wrongAmount})
	}
	if before.State == Cancelled && state != Cancelled {
		o.AfterCancel = true
	}
	if before.State == Completed && state != Completed {
		out.revert(d)
	}
	o.Attempts++
	if state != before.State {
		o.Attempts = 0
		out.entered(before.State)
	}
	out.offer(d, v)
	o.NextCheck = d.settings.nextCheck(*o, d.now, d.random)
	return out
}

// revert takes a completion back (EMTA §3): the core has published meanwhile and must hear of it.
func (out *outcome) revert(d decision) {
	o := &out.order
	o.RevertedAt = d.now
	o.ClaimForwarded, o.CompletionID, o.OfferAttempt, o.NextOffer, o.DuplicateOf = false, "", 0, time.Time{}, 0
	o.AfterCancel = false // what comes is another completion
	out.events = append(out.events, happening{kind: EventReverted})
}

// entered tells of the state that the order came to. That a completed order is open again is told by its reversal alone.
func (out *outcome) entered(from State) {
	switch out.order.State {
	case Created:
		if from != Completed {
			out.events = append(out.events, happening{kind: EventCreated})
		}
	case Pending:
		if from != Completed {
			out.events = append(out.events, happening{kind: EventPending})
		}
	case Cancelled:
		out.events = append(out.events, happening{kind: EventCancelled})
	case Completed:
		// offer tells, unless the amount holds it back
	}
}

// offer gives the completion to the core if it is due one: a completion that is new, or one that was held
// back by its amount and no longer is (EMTA §3, AT-CC-006). v is the order as it was before.
func (out *outcome) offer(d decision, v View) {
	o := &out.order
	switch {
	case o.State != Completed || o.ClaimForwarded:
		return
	case o.Mismatch:
		o.NextOffer = time.Time{}
		return
	case o.CompletionID != "" && !o.NextOffer.IsZero():
		return // offered already, and again in its time
	}
	if o.CompletionID == "" {
		o.CompletionID = d.completionID
		o.OfferAttempt = 0
		o.DuplicateOf = completedBefore(o.ID, v.Others)
	}
	out.offerAgain(d)
}

// offerAgain appends the completion for the core's hearing, and sets the next time.
func (out *outcome) offerAgain(d decision) {
	o := &out.order
	o.OfferAttempt++
	o.NextOffer = d.now.Add(d.settings.offerDelay(o.OfferAttempt))
	out.events = append(out.events, happening{kind: EventCompleted})
	out.log = append(out.log, fmt.Sprintf("Nõue pakutud, katse %d", o.OfferAttempt))
}

// completedBefore is the key of another completed order of the announcement, 0 if there is none: somebody paid twice.
// One that was told of as the duplicate of this order, id, came after it, though this one was held until now: of two
// payments one is the duplicate, never each of the other.
func completedBefore(id int64, others []Order) int64 {
	var first int64
	for _, o := range others {
		if o.State == Completed && o.DuplicateOf != id && (first == 0 || o.ID < first) {
			first = o.ID
		}
	}
	return first
}

// cancelled is what becomes of an order that EMTA cancelled at our wish. EMTA may have moved it meanwhile: only
// what is still Created, or Creating, is written as cancelled.
func (d decision) cancelled(v View, fault string) outcome {
	out := outcome{order: v.Order}
	o := &out.order
	if o.State != Created && o.State != Creating {
		return out
	}
	o.State, o.Live, o.Attempts, o.Fault = Cancelled, false, 0, fault
	o.NextCheck = d.settings.nextCheck(*o, d.now, d.random)
	if v.Open != nil {
		o.NextCheck = d.now // EMTA notified while it was asked to cancel, perhaps that the payer was faster
	}
	out.events = append(out.events, happening{kind: EventCancelled})
	return out
}

// checked is what becomes of an order that EMTA was asked about without an answer that can be applied.
// unknown says that EMTA itself does not know the order (EMTA §7).
func (d decision) checked(v View, unknown bool, fault string) outcome {
	out := outcome{order: v.Order}
	o := &out.order
	o.Attempts++
	switch {
	case !unknown:
	case o.NotFoundAt.IsZero():
		o.NotFoundAt = d.now
	case o.isOpenUnknown():
		if d.now.After(d.settings.endOf(*o).Add(notFoundGrace)) {
			gone := d.cancelledUnknown(v, fault)
			gone.events = append(gone.events, happening{kind: EventSuspicious, reason: notFound})
			return gone
		}
	}
	o.NextCheck = d.settings.nextCheck(*o, d.now, d.random)
	return out
}

// cancelledUnknown closes an order that EMTA says it does not know.
func (d decision) cancelledUnknown(v View, fault string) outcome {
	out := outcome{order: v.Order}
	o := &out.order
	o.State, o.Live, o.Attempts, o.Fault = Cancelled, false, 0, fault
	o.NextCheck = d.settings.nextCheck(*o, d.now, d.random)
	out.events = append(out.events, happening{kind: EventCancelled})
	return out
}

// listed is what becomes of an order in Creating that a list of EMTA's did not show. complete says that
// the whole list was read. It is given up only after three complete lists and a day (EMTA §7).
func (d decision) listed(v View, complete bool) outcome {
	out := outcome{order: v.Order}
	o := &out.order
	if o.State != Creating {
		return out
	}
	o.Attempts++
	if complete {
		o.Lists++
	}
	if o.Lists >= 3 && d.now.After(o.InitDeadline.Add(24*time.Hour)) {
		return d.cancelled(v, "not found at MM")
	}
	o.NextCheck = d.settings.nextCheck(*o, d.now, d.random)
	return out
}

// settled marks the open notification that the order's check began from, seen, and lets one that came or was renewed
// since be due at once (EMTA §6, the trap). failure is why EMTA gave no answer that counts, "" if it did; a
// foreign answer settles the notification too and is kept with it.
func (d decision) settled(v View, seen *Notification, o *Order, failure, foreignAnswer string) []Notification {
	if v.Open == nil {
		return nil
	}
	n := *v.Open
	if seen == nil || n.ID != seen.ID || !n.NotifiedAt.Equal(seen.NotifiedAt) {
		o.NextCheck = d.now
		if seen == nil || n.ID != seen.ID {
			return nil
		}
		n.Attempts++
		n.Failure = failure
		return []Notification{n}
	}
	n.Attempts++
	n.Failure, n.Answer = failure, foreignAnswer
	n.Processed = failure == ""
	n.NextCheck = time.Time{}
	switch {
	case n.Processed:
		n.ParkedAt = time.Time{}
	case n.Attempts >= parkedAttempts:
		n.ParkedAt = firstKnown(n.ParkedAt, d.now)
	default:
		retry := d.now.Add(d.settings.retryDelay(n.Attempts))
		if o.NextCheck.IsZero() || retry.Before(o.NextCheck) {
			o.NextCheck = retry
		}
	}
	return []Notification{n}
}

// parkedAttempts is how often EMTA is asked because of one notification before the row is parked: it stays open and
// is shown, the order's own schedule goes on, and a person may have it tried once more (design §4). With the hourly retries it
// is about four days.
const parkedAttempts = 100

// retried is what a person's wish to try a parked notification again changes. It fails once more, or is processed.
func (d decision) retried(k Known) Change {
	n := *k.Open
	n.ParkedAt = time.Time{}
	if k.Order == nil {
		n.NextCheck = d.now
	}
	return Change{Notifications: []Notification{n}, Orders: d.dueNow(k.Order)}
}

// notified is what a cpgOrderNotify changes (EMTA §6). It returns the zero Change for an id that need not be kept.
func (d decision) notified(k Known, emtaOrderID string) Change {
	switch {
	case k.Order == nil && (k.Creating == 0 || k.Open == nil && k.OpenUnknown >= maxOpenUnknown):
		return Change{} // nobody's: only the exchange log keeps it
	case k.Open == nil:
		n := Notification{EMTAOrderID: emtaOrderID, NotifiedAt: d.now}
		if k.Order == nil {
			n.NextCheck = d.now
		}
		return Change{Notifications: []Notification{n}, Orders: d.dueNow(k.Order)}
	}
	n := *k.Open
	n.ParkedAt = time.Time{} // EMTA itself has it tried again
	n.NotifiedAt = later(d.now, n.NotifiedAt.Add(time.Microsecond))
	if k.Order == nil {
		n.NextCheck = d.now
	} else {
		n.NextCheck = time.Time{} // the order's own check covers it
	}
	return Change{Notifications: []Notification{n}, Orders: d.dueNow(k.Order)}
}

// maxOpenUnknown bounds the notifications kept of ids that no order has, which anybody at EMTA could make up.
const maxOpenUnknown = 1000

// dueNow makes the order due at once; a nil order is none. One that is due already keeps its place among those that wait.
func (d decision) dueNow(o *Order) []Order {
	if o == nil || !o.NextCheck.IsZero() && !o.NextCheck.After(d.now) {
		return nil
	}
	due := *o
	due.NextCheck = d.now
	return []Order{due}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
