package order

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// errUnreadable wraps what is wrong with an answer that fits its request and cannot be read.
var errUnreadable = errors.New("EMTA's answer cannot be read")

// errUnknownState says that EMTA used a word for a state that we do not know (EMTA §3).
var errUnknownState = errors.New("EMTA's answer has an unknown state")

// initCall asks EMTA for the order (cpgOrderInit). It returns the answer as far as it can be read.
func (m *Module) initCall(ctx context.Context, o initOrder) (answer, error) {
	if most := m.settings.maxStamp(); len(o.stamp) > most {
		return answer{}, &soap.CallError{Failure: soap.FailedRequest, Err: fmt.Errorf("the order's key has more than the %d digits that EMTA takes as a stamp", most)}
	}
	response, err := m.call(ctx, "cpgOrderInit", o.wrapper())
	if err != nil {
		return answer{}, err
	}
	return readable(decodeOrderAnswer(response))
}

// getCall asks EMTA for what it knows of an order (cpgOrderGet).
func (m *Module) getCall(ctx context.Context, emtaOrderID string) (answer, error) {
	response, err := m.call(ctx, "cpgOrderGet", idWrapper("cpgOrderGetRequest", emtaOrderID))
	if err != nil {
		return answer{}, err
	}
	return readable(decodeOrderAnswer(response))
}

// cancelCall asks EMTA to cancel an order in Created (cpgOrderCancel).
func (m *Module) cancelCall(ctx context.Context, emtaOrderID string) error {
	_, err := m.call(ctx, "cpgOrderCancel", idWrapper("cpgOrderCancelRequest", emtaOrderID))
	return err
}

// maxPages bounds one reading of EMTA's list, should its total grow as fast as we read.
const maxPages = 100

// listCall reads EMTA's orders of a span of time (cpgOrderList), page by page. complete says that as many different
// entries as EMTA counts were read (EMTA §7).
func (m *Module) listCall(ctx context.Context, from, to time.Time) (answers []answer, complete bool, err error) {
	set := m.settings.List
	seen := map[string]bool{}
	for n := range maxPages {
		q := listQuery{count: set.Count, page: set.FirstPage + n, sort: set.Sort,
			from: from.In(tallinn).Format(set.DateFormat), to: to.In(tallinn).Format(set.DateFormat)}
		response, err := m.call(ctx, "cpgOrderList", q.wrapper())
		if err != nil {
			return answers, false, err
		}
		p, err := decodeList(response)
		if err != nil {
			return answers, false, fmt.Errorf("%w: %w", errUnreadable, err)
		}
		before := len(seen)
		for _, a := range p.answers {
			if !seen[a.id] {
				seen[a.id] = true
				answers = append(answers, a)
			}
		}
		if len(seen) >= p.total {
			return answers, true, nil
		}
		if len(seen) == before {
			return answers, false, nil // a page that brings nothing new: there is no more to get
		}
	}
	return answers, false, nil
}

// call sends one request to EMTA and returns the answer's wrapper. Its time is bounded by the settings. How many are under way at a
// time is bounded for background work, by the leases that it gets (EMTA §7); who waits for an answer, a payer above all, is
// never kept waiting for a place as well.
func (m *Module) call(ctx context.Context, operation string, body *element) (*element, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, m.settings.Timeout)
	defer cancel()
	exchange := &xroadhdr.Exchange{RequestID: m.newID()}
	ctx = xroadhdr.WithExchange(ctx, exchange)

	h := xroadhdr.Header{
		Client:          m.settings.Client,
		Service:         m.settings.Provider.Service(operation, m.settings.Version),
		ProtocolVersion: xroadhdr.ProtocolVersion,
		Issue:           optional(m.settings.Issue),
		UserID:          optional(m.settings.UserID),
	}
	begin := m.now()
	response, err := m.sender.Send(ctx, soap.Call{
		Header:   h,
		Body:     body,
		Response: xml.Name{Space: namespaceCPG, Local: operation + "Response"},
	})
	took := m.now().Sub(begin)
	m.measures.called(operation, err, took)
	if err == nil || caller.Err() == nil { // a call that we broke off ourselves, its lease lost, tells nothing of EMTA
		m.circuit.called(err)
	}
	m.log.Info("called", "system", "emta", "operation", operation, "requestId", exchange.RequestID, "xroadId", exchange.XRoadID,
		"outcome", outcomeOf(err), "fault", exchange.Fault, "ms", took.Milliseconds())
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// optional is nil for an empty setting: the field is not sent.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// readable marks a decoding error as one of EMTA's answer.
func readable(a answer, err error) (answer, error) {
	if err != nil {
		return a, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return a, nil
}
