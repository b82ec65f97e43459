package order

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"ametlikudteadaanded.ee/adapter/rest"
)

// Routes is the orders' part of the internal API (design §8, openapi/core.yaml).
func (m *Module) Routes() []rest.Route {
	const scope = "orders"
	return []rest.Route{
		{Method: "POST", Path: "/api/v1/orders", Scope: scope, Serve: m.postOrder},
		{Method: "GET", Path: "/api/v1/orders", Scope: scope, Serve: m.getOrders},
		{Method: "GET", Path: "/api/v1/orders/{id}", Scope: scope, Serve: m.getOrder},
		{Method: "GET", Path: "/api/v1/orders/{id}/log", Scope: scope, Serve: m.getLog},
		{Method: "POST", Path: "/api/v1/orders/{id}/refresh", Scope: scope, Serve: m.postRefresh},
		{Method: "POST", Path: "/api/v1/orders/{id}/cancel", Scope: scope, Serve: m.postCancel},
		{Method: "POST", Path: "/api/v1/orders/{id}/claim", Scope: scope, Serve: m.postClaim},
		{Method: "POST", Path: "/api/v1/orders/{id}/accept", Scope: scope, Serve: m.postAccept},
		{Method: "GET", Path: "/api/v1/parked-notifications", Scope: scope, Serve: m.getParked},
		{Method: "POST", Path: "/api/v1/parked-notifications/{id}/retry", Scope: scope, Serve: m.postRetry},
	}
}

// coreOrder is an order as the core sees it. Members that are not known are absent.
type coreOrder struct {
	ID              int64  `json:"id"`
	EMTAOrderID     string `json:"emtaOrderId,omitempty"`
	AnnouncementID  int64  `json:"announcementId"`
	State           State  `json:"state"`
	Amount          string `json:"amount"`
	AskedAmount     string `json:"askedAmount"`
	Currency        string `json:"currency"`
	AmountMismatch  bool   `json:"amountMismatch"`
	ReferenceNumber string `json:"referenceNumber"`
	DuplicateOf     int64  `json:"duplicateOf,omitempty"`
	PaymentURL      string `json:"paymentUrl,omitempty"`
	Created         string `json:"created,omitempty"`
	Expires         string `json:"expires,omitempty"`
	Finished        string `json:"finished,omitempty"`
	Reverted        string `json:"reverted,omitempty"`
	CompletionID    string `json:"completionId,omitempty"`
	ClaimForwarded  bool   `json:"claimForwarded"`
	Fault           string `json:"fault,omitempty"`
}

func coreOrderOf(o Order) coreOrder {
	return coreOrder{
		ID: o.ID, EMTAOrderID: o.EMTAOrderID, AnnouncementID: o.AnnouncementID, State: o.State,
		Amount: money(o.Amount), AskedAmount: money(o.AskedAmount), Currency: o.Currency, AmountMismatch: o.Mismatch,
		ReferenceNumber: o.ReferenceNumber, DuplicateOf: o.DuplicateOf, PaymentURL: o.PaymentURL,
		Created: moment(o.Created), Expires: moment(o.Expires), Finished: moment(o.Finished), Reverted: moment(o.RevertedAt),
		CompletionID: o.CompletionID, ClaimForwarded: o.ClaimForwarded, Fault: o.Fault,
	}
}

func money(d decimal.Decimal) string { return d.StringFixed(2) }

// moment is the time in UTC as RFC 3339, "" for one that is not known.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// coreEvent is an event's data: the order as it then was, and what the event adds.
type coreEvent struct {
	coreOrder
	Attempt     int    `json:"attempt,omitempty"`     // of order.completed: 1 is new, more is a repeat
	AfterCancel bool   `json:"afterCancel,omitempty"` // of order.completed: it had been cancelled
	Reason      string `json:"reason,omitempty"`      // of order.suspicious
}

func eventData(o Order, h happening) coreEvent {
	e := coreEvent{coreOrder: coreOrderOf(o), Reason: h.reason}
	if h.kind == EventCompleted {
		e.Attempt, e.AfterCancel = o.OfferAttempt, o.AfterCancel
	}
	return e
}

// strangeData is the data of order.suspicious for an order of EMTA's that is none of ours.
type strangeData struct {
	EMTAOrderID string `json:"emtaOrderId"`
	Reason      string `json:"reason"`
}

type coreAsk struct {
	AnnouncementID  int64     `json:"announcementId"`
	Amount          string    `json:"amount"`
	Currency        string    `json:"currency"`
	ReferenceNumber string    `json:"referenceNumber"`
	Payer           corePayer `json:"payer"`
	Language        string    `json:"language"`
	RedirectURL     string    `json:"redirectUrl"`
}

type corePayer struct {
	Code    string `json:"code"`
	Country string `json:"country"`
	Email   string `json:"email"`
}

func (m *Module) postOrder(r *http.Request) (rest.Answer, error) {
	var body coreAsk
	if err := rest.Decode(r, &body); err != nil {
		return rest.Answer{}, err
	}
	o, reused, err := m.Start(r.Context(), Ask{
		AnnouncementID: body.AnnouncementID, Amount: body.Amount, Currency: body.Currency, ReferenceNumber: body.ReferenceNumber,
		Payer: Payer(body.Payer), Language: body.Language, RedirectURL: body.RedirectURL,
	})
	if err != nil {
		return rest.Answer{}, problem(err)
	}
	status := http.StatusCreated
	if reused {
		status = http.StatusOK
	}
	location := http.Header{"Location": {"/api/v1/orders/" + strconv.FormatInt(o.ID, 10)}}
	return rest.Answer{Status: status, Body: coreOrderOf(o), Header: location}, nil
}

// Bounds of a page of orders.
const (
	defaultPage = 50
	maxPage     = 200 // an order is about 600 bytes
)

type coreOrders struct {
	Items []coreOrder `json:"items"`
	Next  string      `json:"next,omitempty"`
}

func (m *Module) getOrders(r *http.Request) (rest.Answer, error) {
	values, err := rest.Query(r, "announcementId", "emtaOrderId", "state", "after", "limit")
	if err != nil {
		return rest.Answer{}, err
	}
	q := query{values: values}
	f := Filter{
		AnnouncementID: q.integer("announcementId", 0, 1, 1<<62),
		EMTAOrderID:    q.values.Get("emtaOrderId"),
		State:          State(q.values.Get("state")),
		After:          q.integer("after", 0, 0, 1<<62),
		Limit:          int(q.integer("limit", defaultPage, 1, maxPage)),
	}
	if f.State != "" && f.State.Code() == "" {
		q.wrong("state", "enum", "must be one of creating, created, pending, completed, cancelled")
	}
	if len(q.errs) > 0 {
		return rest.Answer{}, rest.Invalid(q.errs...)
	}
	limit := f.Limit
	f.Limit++ // one more shows whether there is a next page
	orders, err := m.store.Orders(r.Context(), f)
	if err != nil {
		return rest.Answer{}, err
	}
	list := coreOrders{Items: []coreOrder{}}
	for i, o := range orders {
		if i == limit {
			list.Next = strconv.FormatInt(orders[i-1].ID, 10)
			break
		}
		list.Items = append(list.Items, coreOrderOf(o))
	}
	return rest.Answer{Body: list}, nil
}

func (m *Module) getOrder(r *http.Request) (rest.Answer, error) {
	return m.answerOrder(r, func(id int64) (Order, error) {
		o, err := m.store.Order(r.Context(), id)
		return o, m.translated(err)
	})
}

func (m *Module) postRefresh(r *http.Request) (rest.Answer, error) {
	return m.answerOrder(r, func(id int64) (Order, error) { return m.Refresh(r.Context(), id, rest.ActingUser(r)) })
}

func (m *Module) postCancel(r *http.Request) (rest.Answer, error) {
	return m.answerOrder(r, func(id int64) (Order, error) { return m.Cancel(r.Context(), id, rest.ActingUser(r)) })
}

func (m *Module) postClaim(r *http.Request) (rest.Answer, error) {
	var body struct {
		CompletionID string `json:"completionId"`
	}
	if err := rest.DecodeOptional(r, &body); err != nil {
		return rest.Answer{}, err
	}
	return m.answerOrder(r, func(id int64) (Order, error) {
		return m.Claim(r.Context(), id, body.CompletionID, rest.ActingUser(r))
	})
}

func (m *Module) postAccept(r *http.Request) (rest.Answer, error) {
	var body struct {
		Reason string `json:"reason"`
	}
	if err := rest.Decode(r, &body); err != nil {
		return rest.Answer{}, err
	}
	return m.answerOrder(r, func(id int64) (Order, error) { return m.Accept(r.Context(), id, body.Reason, rest.ActingUser(r)) })
}

type coreLog struct {
	Items []coreLogEntry `json:"items"`
}

type coreLogEntry struct {
	Time    string `json:"time"`
	Action  string `json:"action"`
	Message string `json:"message"`
}

func (m *Module) getLog(r *http.Request) (rest.Answer, error) {
	id, err := pathID(r)
	if err != nil {
		return rest.Answer{}, err
	}
	if _, err := m.store.Order(r.Context(), id); err != nil {
		return rest.Answer{}, problem(m.translated(err))
	}
	entries, err := m.store.LogOf(r.Context(), id)
	if err != nil {
		return rest.Answer{}, err
	}
	list := coreLog{Items: []coreLogEntry{}}
	for _, e := range entries {
		list.Items = append(list.Items, coreLogEntry{Time: moment(e.At), Action: e.Action, Message: e.Message})
	}
	return rest.Answer{Body: list}, nil
}

// answerOrder answers with the order that work gives for the path's id.
func (m *Module) answerOrder(r *http.Request, work func(id int64) (Order, error)) (rest.Answer, error) {
	id, err := pathID(r)
	if err != nil {
		return rest.Answer{}, err
	}
	o, err := work(id)
	if err != nil {
		return rest.Answer{}, problem(err)
	}
	return rest.Answer{Body: coreOrderOf(o)}, nil
}

// pathID is the order's key in the path. What cannot be a key is an order that does not exist.
func pathID(r *http.Request) (int64, error) {
	id, ok := keyOf(r.PathValue("id"))
	if !ok {
		return 0, problem(&Error{Code: NotFound})
	}
	return id, nil
}

// payerText is what a payer may be told when a payment could not be started (EMTA §4).
var payerText = map[string]string{
	"et": "Süsteemis esines viga, proovige uuesti. Kui probleem jätkub, valige muu makseviis või pöörduge klienditoe poole.",
	"en": "There was a system error, please try again. If the problem persists, please use a different payment method or contact customer support.",
}

// problems say how each Code is answered.
var problems = map[Code]struct {
	status int
	title  string
	payer  bool // with a text for the payer
}{
	Invalid:        {422, "The request breaks a rule.", false},
	NotFound:       {404, "There is nothing with this id.", false},
	AlreadyPaid:    {409, "The announcement is paid for.", false},
	NotCancellable: {409, "Only a created order can be cancelled.", false},
	Mismatched:     {409, "The amount is not the one that was asked for, and nobody has accepted it.", false},
	NotCompleted:   {409, "The order has no such completion.", false},
	NotMismatched:  {409, "The amount is the one that was asked for, or was accepted.", false},
	Refused:        {502, "EMTA's payment module refused.", true},
	NoPaymentLink:  {502, "EMTA's payment module gave no payment link.", true},
	OutcomeUnknown: {504, "The outcome is not known yet.", true},
	InProgress:     {504, "Another attempt is under way.", true},
	NotConfigured:  {503, "The payment module is not configured.", true},
	Unavailable:    {503, "The payment module cannot be reached.", true},
}

// coreFault is what EMTA or a security server said.
type coreFault struct {
	Code   string `json:"code,omitempty"`
	Text   string `json:"text,omitempty"`
	Name   string `json:"name,omitempty"`
	Status int    `json:"status,omitempty"`
}

// problem is how the core is told of err. What is no *Error is the endpoint's to answer.
func problem(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	known := problems[e.Code]
	p := &rest.Problem{Status: known.status, Code: string(e.Code), Title: known.title, Err: e.Err}
	for _, f := range e.Fields {
		p.Fields = append(p.Fields, rest.Field{Path: f.Path, Rule: f.Rule, Message: f.Message})
	}
	if known.payer {
		p.PayerText = payerText
	}
	if e.Order != nil {
		p.Order = coreOrderOf(*e.Order)
	}
	if r := e.Refusal; r != nil {
		p.Fault = coreFault{Code: r.Code, Text: clipped(r.Text), Name: r.Name, Status: r.Number}
	} else if e.Order != nil && e.Order.Fault != "" {
		p.Fault = coreFault{Text: e.Order.Fault}
	}
	return p
}
