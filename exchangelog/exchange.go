package exchangelog

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"ametlikudteadaanded.ee/adapter/mask"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// The protocols of an exchange.
const (
	SOAP = "soap"
	REST = "rest"
)

// exchange is one exchange that is logged.
type exchange struct {
	log      *Log
	route    *route
	base     Record // what both records have
	known    *xroadhdr.Exchange
	begun    time.Time
	request  *capture
	response *capture
}

func (l *Log) begin(r *route, direction Direction, system, protocol string, request *http.Request, known *xroadhdr.Exchange) *exchange {
	x := &exchange{log: l, route: r, known: known, begun: l.options.Now(),
		request: newCapture(l.limits.Body), response: newCapture(l.limits.Body)}
	path := request.RequestURI
	if path == "" {
		path = request.URL.RequestURI()
	}
	x.base = Record{System: system, Direction: direction, Protocol: protocol, Replica: l.options.Replica, Method: request.Method, Path: path}
	return x
}

// put gives a record to every sink. Without a wait nobody asks for the receipt.
func (x *exchange) put(part Part, body *capture, contentType string, change func(*Record)) *receipt {
	r := x.base
	r.Part, r.RequestID, r.XRoadID, r.Issue = part, x.known.RequestID, x.known.XRoadID, x.known.Issue
	if x.known.Client != (xroadhdr.ClientID{}) {
		r.Client = x.known.Client.String()
	}
	if x.known.Service != (xroadhdr.ServiceID{}) {
		r.Service = x.known.Service.String()
	}
	r.Time, r.Size, r.Status, r.Duration, r.Digest = x.begun, body.size, -1, -1, body.digest()
	change(&r)
	receipt := &receipt{err: x.fill(&r, body, contentType)}
	d := newDraft(&r)
	for _, p := range x.route.writers {
		receipt.put(p.of(part), d)
	}
	return receipt
}

// fill gives the record what may be kept of the body, and takes out of its other values what may not. With an error it is
// without content: nothing is kept in clear because it could not be encrypted.
func (x *exchange) fill(r *Record, body *capture, contentType string) error {
	mode, keys := x.route.settings.Body, x.log.options.Keys
	switch mode {
	case Full:
		r.Body = bodyText(body.kept)
	case Masked:
		r.Body = bodyText(x.log.options.Masker.Body(contentType, body.kept))
	}
	if mode == Full && keys == nil {
		return nil
	}
	path := r.Path
	r.Path, r.XRoadID = mask.Text(path), mask.Text(r.XRoadID)
	if keys == nil {
		return nil
	}
	if mode != Full {
		path = r.Path
	}
	err := keys.seal(r, path)
	if err != nil {
		r.Body, r.Digest, r.KeyID = "", "", ""
	}
	return err
}

// wait returns when the record is durable. That it is not is an error for a Required system only.
func (x *exchange) wait(ctx context.Context, r *receipt) error {
	err := r.wait(ctx, x.log.limits.Wait)
	if err != nil && x.route.settings.Mode == Required {
		return err
	}
	return nil
}

// newID is a request id where the caller makes none.
func newID() string { return uuid.NewString() }
