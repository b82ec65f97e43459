package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/shopspring/decimal"
)

// Place is where a Mischief happens.
type Place string

// The places. What is done at EMTA reaches the adapter as its security server
// reports it (a cut connection as ServiceFailed.IOError); what is done at the
// security server reaches it as it is.
const (
	AtSecurityServer Place = "security server"
	AtEMTA           Place = "EMTA"
)

// Mischief is what one call does wrong; the zero value does nothing wrong. Several
// members may be set together. Unless said otherwise the operation is carried
// out first and only the answer is wrong. A fault has no X-Road header that
// could be spoilt.
type Mischief struct {
	// Place chooses where members that both places know happen; empty: EMTA if a
	// member that only EMTA knows is set, else the security server.
	Place Place

	// At either place.
	DelayBefore      time.Duration // before acting; the operation is carried out even if the caller has left
	DelayAfter       time.Duration // after acting, before answering
	CutBefore        bool          // the connection is closed, nothing done
	CutAfter         bool          // done, then the connection is closed without an answer
	Garbage          bool          // the answer is bytes that are no XML, as text/xml
	HTML             int           // the answer is an HTML page with this status
	Truncate         bool          // the answer is the first half of the message
	EmptyBody204     bool          // the answer is HTTP 204 without a body
	WrongContentType bool          // the right message as application/soap+xml
	WrongID          bool          // the answer's header has another id
	MissingUserID    bool          // the answer's header has no userId

	// Of Fault, ProviderFault and Refuse, which come instead of acting.
	FaultText string // faultstring of Fault or ProviderFault
	Acted     bool   // the operation is carried out all the same

	// At the security server only.
	Fault     string   // its own fault: a code in classic spelling
	Spelling  Spelling // of Fault; empty: the security server's
	WrongHash bool     // requestHash is another message's
	NoHash    bool     // requestHash is missing

	// At EMTA only.
	ProviderFault  string           // EMTA's own fault: a faultcode as it is to be sent
	Refuse         int              // EMTA's refusal by number (400, 401, 403, 404, 409, 204), in its current form
	AnotherOrder   bool             // the data of another order, invented if there is none
	WrongAmount    *decimal.Decimal // another amount
	WrongReference string           // another reference number
	WrongStamp     string           // another merchant's stamp
	UnknownState   string           // a state of no contract
	NoLink         bool             // no Links
	NoExpires      bool             // no Expires
	HideFromList   string           // cpgOrderList leaves the orders of this stamp out, of Total too
	Duplicate      bool             // acts twice: cpgOrderInit makes two orders and answers with the second
}

func (m Mischief) onlyServer() bool {
	return m.Fault != "" || m.Spelling != "" || m.WrongHash || m.NoHash
}

func (m Mischief) onlyEMTA() bool {
	return m.ProviderFault != "" || m.Refuse != 0 || m.AnotherOrder || m.WrongAmount != nil || m.WrongReference != "" ||
		m.WrongStamp != "" || m.UnknownState != "" || m.NoLink || m.NoExpires || m.HideFromList != "" || m.Duplicate
}

// where is the place that m happens at, or why there is none.
func (m Mischief) where() (Place, error) {
	if m.onlyServer() && m.onlyEMTA() {
		return "", errors.New("mischief asks for what only the security server and what only EMTA can do")
	}
	if m.Refuse != 0 {
		if _, ok := refusals[m.Refuse]; !ok {
			return "", fmt.Errorf("mischief asks for refusal %d, which EMTA does not know", m.Refuse)
		}
	}
	place := m.Place
	switch {
	case place == "" && m.onlyEMTA():
		place = AtEMTA
	case place == "":
		place = AtSecurityServer
	case place != AtEMTA && place != AtSecurityServer:
		return "", fmt.Errorf("mischief names an unknown place %q", place)
	}
	if place == AtEMTA && m.onlyServer() || place == AtSecurityServer && m.onlyEMTA() {
		return "", fmt.Errorf("mischief asks for what cannot be done at the %s", place)
	}
	return place, nil
}

// acts reports whether the operation is carried out.
func (m Mischief) acts() bool {
	if m.CutBefore {
		return false
	}
	return m.Acted || m.Fault == "" && m.ProviderFault == "" && m.Refuse == 0
}

// spoil turns a right answer into what m asks of its bytes.
func (m Mischief) spoil(r reply) reply {
	switch {
	case m.Garbage:
		return xmlReply(http.StatusOK, []byte("\x00\xff<<&&& not XML"))
	case m.HTML != 0:
		return reply{m.HTML, "text/html; charset=utf-8", []byte("<html><body><h1>Something went wrong</h1></body></html>")}
	case m.EmptyBody204:
		return reply{status: http.StatusNoContent}
	case m.Truncate:
		r.body = r.body[:len(r.body)/2]
	}
	if m.WrongContentType {
		r.contentType = "application/soap+xml; charset=utf-8"
	}
	return r
}

// spoilHeader changes the X-Road fields of the message in r as m asks; r is left
// as it is when m asks for nothing of the kind.
func (m Mischief) spoilHeader(r reply) reply {
	if !m.WrongID && !m.MissingUserID && !m.WrongHash && !m.NoHash {
		return r
	}
	doc, err := parseXML(r.body)
	if err != nil || doc.Root() == nil {
		return r
	}
	header := child(doc.Root(), namespaceEnvelope, "Header")
	if header == nil {
		return r
	}
	for _, el := range header.ChildElements() {
		name, _ := headerField(el)
		switch {
		case name == "id" && m.WrongID:
			el.SetText("00000000-0000-4000-8000-000000000000")
		case name == "requestHash" && m.WrongHash:
			el.SetText(hashOf([]byte("another message")))
		case name == "userId" && m.MissingUserID, name == "requestHash" && m.NoHash:
			header.RemoveChild(el)
		}
	}
	r.body = bytesOf(doc)
	return r
}

// mischiefQueue holds what the next calls of each operation do.
type mischiefQueue struct {
	mu   sync.Mutex
	next map[string][]Mischief
}

func (q *mischiefQueue) push(operation string, ms ...Mischief) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		q.next = map[string][]Mischief{}
	}
	q.next[operation] = append(q.next[operation], ms...)
}

func (q *mischiefQueue) pop(operation string) Mischief {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.next[operation]
	if len(waiting) == 0 {
		return Mischief{}
	}
	q.next[operation] = waiting[1:]
	return waiting[0]
}

func (q *mischiefQueue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next = nil
}

// pause waits for d, or until stopped is closed. It does not end when the caller
// leaves: the other side of a timeout works on.
func pause(d time.Duration, stopped <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stopped:
	}
}
