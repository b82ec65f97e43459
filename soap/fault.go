package soap

import (
	"errors"
	"strings"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Fault is a SOAP 1.1 fault (§3.5), sent or received. As an error returned by an
// Operation it is sent as it stands; Code "Client" or "Server" is written with
// the envelope's prefix. Without Reason and Detail it is written without a detail element.
type Fault struct {
	Code   string             // local name when in the SOAP namespace ("Client", "Server"), else as it came
	String string             // faultstring
	Actor  string             // faultactor; "" is not written
	Detail *etree.Element     // raw detail element, nil when absent
	XRoad  xroadhdr.ErrorCode // parsed code of a received fault; Origin "" for a provider's own

	Reason    string // our stable name of what was wrong in a request, e.g. "MissingHeader"; detail/reason, unless Detail is set
	Field     string // element path or HTTP field that was wrong; detail/field beside the reason, "" is not written
	RequestID string // ours, of the exchange; detail/requestId beside the reason. Handler sets it

	Err error // cause, logged and never sent
}

// ClientFault is a fault that says what the caller must mend.
func ClientFault(reason, text string) *Fault {
	return &Fault{Code: "Client", String: text, Reason: reason}
}

// ServerFault is our own failure; text must hold no internals. It has no Reason and so is sent without detail.
func ServerFault(text string, cause error) *Fault {
	return &Fault{Code: "Server", String: text, Err: cause}
}

// Error is the code and the text, which may be the other side's: do not show it further.
func (f *Fault) Error() string { return "soap fault " + f.Code + ": " + f.String }

// Unwrap returns the cause, nil when there is none.
func (f *Fault) Unwrap() error { return f.Err }

// requestFault is the fault for a request that broke a rule.
func requestFault(err error) *Fault {
	f := ClientFault(ReasonInvalidSOAP, "the message could not be read")
	f.Err = err
	if field := (*xroadhdr.FieldError)(nil); errors.As(err, &field) {
		f.Reason, f.Field, f.String = field.Code, field.Field, field.Error()
	}
	return f
}

// readFault reads a Fault element. Its children are unqualified (§3.5); those of the
// SOAP namespace are understood too, since some toolkits write them.
func readFault(el *etree.Element) *Fault {
	f := &Fault{}
	for child := range el.ChildElementsSeq() {
		if space := child.NamespaceURI(); space != "" && space != NamespaceEnvelope {
			continue
		}
		switch child.Tag {
		case "faultcode":
			code := strings.TrimSpace(child.Text())
			f.XRoad = xroadhdr.ParseErrorCode(code)
			f.Code = localCode(child, code)
		case "faultstring":
			f.String = child.Text()
		case "faultactor":
			f.Actor = child.Text()
		case "detail":
			f.Detail = child
		}
	}
	return f
}

// localCode strips a prefix that is bound to the SOAP namespace at el.
func localCode(el *etree.Element, code string) string {
	prefix, local, ok := strings.Cut(code, ":")
	if !ok {
		return code
	}
	for e := el; e != nil; e = e.Parent() {
		for _, a := range e.Attr {
			if a.Space != "xmlns" || a.Key != prefix {
				continue
			}
			if a.Value == NamespaceEnvelope {
				return local
			}
			return code
		}
	}
	return code
}

// isStandardCode reports whether code is one of the SOAP 1.1 codes, which are written with the envelope's prefix.
func isStandardCode(code string) bool {
	switch code {
	case "Client", "Server", "MustUnderstand", "VersionMismatch":
		return true
	}
	return false
}

// blamesXRoad reports whether a reader would take code for a security server's (§4.4).
func blamesXRoad(code string) bool {
	code = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(code)), "_", "")
	for _, origin := range []string{"client.", "server.clientproxy", "server.serverproxy"} {
		if strings.HasPrefix(code, origin) {
			return true
		}
	}
	return false
}
