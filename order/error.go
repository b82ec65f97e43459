package order

import "fmt"

// Code is a stable name of what went wrong, for the core (design §8).
type Code string

const (
	Invalid        Code = "invalid"         // the request breaks a rule; Fields say which
	NotFound       Code = "not-found"       // no such order
	AlreadyPaid    Code = "already-paid"    // nothing was sent
	NotCancellable Code = "not-cancellable" // only a created order can be cancelled
	Mismatched     Code = "amount-mismatch" // another amount than asked, which nobody accepted
	NotCompleted   Code = "not-completed"   // there is no completion to confirm
	NotMismatched  Code = "no-mismatch"     // there is no amount to accept
	Refused        Code = "emta-refused"    // EMTA, or a security server for it, said no; nothing was created
	NoPaymentLink  Code = "no-payment-link" // the order exists, without a link to send the payer to
	OutcomeUnknown Code = "outcome-unknown" // it may have happened
	InProgress     Code = "in-progress"     // another attempt is under way
	NotConfigured  Code = "not-configured"  // the payment module is not set up
	Unavailable    Code = "unavailable"     // no connection; nothing was sent
)

// Error is why the module did not do what it was asked. Its text is for the log; Order and Refusal are for the core.
type Error struct {
	Code    Code
	Fields  []FieldError // for Invalid
	Order   *Order       // the last known order, where there is one
	Refusal *Refusal     // what EMTA or a security server said, where it did
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Code, e.Err)
	}
	return string(e.Code)
}

func (e *Error) Unwrap() error { return e.Err }
