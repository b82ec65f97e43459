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
	// Attachments in their order, where the operation takes them. They can be read until Serve returns, or, if they
	// are attached to the answer, until that is sent.
	Attachments []*Attachment

	answered []*Attachment
}

// Attach adds a to the answer, which then is multipart/related (§3.3), MTOM where the response holds an Include. a is
// opened when Serve has returned, sent as it is read, and closed then or when ctx ends, perhaps while it is read. A fault takes no attachments along. If the content cannot be read to its end
// the connection is cut: part of the answer is on its way by then.
func (r *Request) Attach(a *Attachment) { r.answered = append(r.answered, a) }

// Operation is one service that we provide.
type Operation struct {
	ServiceCode    string
	ServiceVersion string   // "": the service without a version, which is another than one with (§2.2)
	Request        xml.Name // declared wrapper of the request; not always the service code (§3.1)
	Response       xml.Name // declared wrapper of the answer
	// Attachments says that requests may come with attachments; then Serve is called when all have come. Without it multipart/related
	// is refused. Answers may have attachments either way.
	Attachments bool
	// Serve answers: it appends the answer's content to response, the empty wrapper. Unqualified children
	// are right whatever the envelope's default namespace is; for qualified ones response.Space is the prefix.
	// A *Fault returned is sent as it stands; any other error becomes a Server fault without its text. It may be called
	// by several goroutines at once, and must stop when ctx ends: the security server has given up then (§4.5).
	Serve func(ctx context.Context, req *Request, response *etree.Element) error
}
