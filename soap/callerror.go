package soap

import "ametlikudteadaanded.ee/adapter/xroadhdr"

// Failure says at which point a call failed.
type Failure string

const (
	FailedRequest    Failure = "request"         // our request was not valid, or an attachment could not be read: nothing whole was sent
	FailedConnection Failure = "connection"      // no connection was made: nothing was sent
	FailedBroken     Failure = "broken"          // connection broke after sending began: outcome unknown
	FailedTimeout    Failure = "timeout"         // outcome unknown
	FailedHTTP       Failure = "http"            // an answer that is not SOAP, of any status
	FailedAnswer     Failure = "answer"          // unreadable or beyond limits
	FailedMismatch   Failure = "mismatch"        // an answer that does not fit the request
	FailedFault      Failure = "fault"           // the provider's own fault
	FailedXRoad      Failure = "security-server" // a security server's fault
)

// CallError is why a call has no usable answer.
type CallError struct {
	Failure    Failure
	Fault      *Fault // for FailedFault and FailedXRoad
	HTTPStatus int    // 0: no HTTP answer
	EmptyBody  bool   // the HTTP answer had no body
	MessageID  string // of the attempt
	Raw        []byte // answer as it came, at most the limit; for keeping whole what was suspicious. Of multipart/related its SOAP part
	Err        error  // cause; nil for a fault, which an Operation must not pass on by accident
}

// Error tells the failure and its cause. A fault's text is the other side's.
func (e *CallError) Error() string {
	text := "soap call " + e.MessageID + " failed (" + string(e.Failure) + ")"
	switch {
	case e.Err != nil:
		text += ": " + e.Err.Error()
	case e.Fault != nil:
		text += ": " + e.Fault.Error()
	}
	return text
}

// Unwrap returns the cause, nil when there is none.
func (e *CallError) Unwrap() error { return e.Err }

// Kind is whose failure it is. What is not SOAP at all comes from something on the way (§5.2), and so
// counts as the network's.
func (e *CallError) Kind() xroadhdr.FailureKind {
	switch e.Failure {
	case FailedRequest:
		return xroadhdr.Ours
	case FailedTimeout:
		return xroadhdr.Timeout
	case FailedConnection, FailedBroken, FailedHTTP:
		return xroadhdr.Network
	case FailedXRoad:
		if e.Fault != nil {
			return e.Fault.XRoad.Kind(e.Fault.String)
		}
	}
	return xroadhdr.Theirs
}
