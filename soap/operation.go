package soap

import (
	"context"
	"encoding/xml"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Request is a call of one of our operations, all checks of the envelope and header passed.
type Request struct {
	XRoad xroadhdr.Header
	Body  *etree.Element // the wrapper, verified against Operation.Request; read-only
}

// Operation is one service that we provide.
type Operation struct {
	ServiceCode    string
	ServiceVersion string   // "": the service without a version, which is another than one with (§2.2)
	Request        xml.Name // declared wrapper of the request; not always the service code (§3.1)
	Response       xml.Name // declared wrapper of the answer
	// Serve answers: it appends the answer's content to response, the empty wrapper. Unqualified children
	// are right whatever the envelope's default namespace is; for qualified ones response.Space is the prefix.
	// A *Fault returned is sent as it stands; any other error becomes a Server fault without its text. It may be called
	// by several goroutines at once, and must stop when ctx ends: the security server has given up then (§4.5).
	Serve func(ctx context.Context, req *Request, response *etree.Element) error
}
