package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// StartPayment is what the core asks: a card payment for an announcement. Codes
// carry their country (EE…), as the internal API wants it.
type StartPayment struct {
	AnnouncementID  int64
	Amount          string // "30.00"
	Currency        string // EUR
	ReferenceNumber string
	PayerCode       string // may be empty
	PayerCountry    string // may be empty
	PayerEmail      string // may be empty
	Language        string // et or en
	RedirectURL     string
}

// CoreOrder is an order as the internal API tells of it. Times are zero where absent.
type CoreOrder struct {
	ID, EMTAOrderID, AnnouncementID string
	State                           string
	Amount, AskedAmount, Currency   string
	AmountMismatch                  bool
	DuplicateOf                     string
	PaymentURL                      string
	Created, Expires, Finished      time.Time
	ClaimForwarded                  bool
}

// Problem is the internal API's refusal.
type Problem struct {
	Status      int
	Code        string
	Title       string
	Detail      string
	Fields      []ProblemField
	PayerTextET string
	PayerTextEN string
	Order       *CoreOrder // the last known order, where the API gives it
}

// ProblemField is one field of a 422.
type ProblemField struct{ Path, Rule, Message string }

func (p *Problem) Error() string {
	return fmt.Sprintf("internal API: %d %s: %s", p.Status, p.Code, p.Detail)
}

type startWire struct {
	AnnouncementID  int64      `json:"announcementId"`
	Amount          string     `json:"amount"`
	Currency        string     `json:"currency"`
	ReferenceNumber string     `json:"referenceNumber"`
	Payer           *payerWire `json:"payer,omitempty"`
	Language        string     `json:"language"`
	RedirectURL     string     `json:"redirectUrl"`
}

type payerWire struct {
	Code    string `json:"code,omitempty"`
	Country string `json:"country,omitempty"`
	Email   string `json:"email,omitempty"`
}

func (s StartPayment) encode() startWire {
	w := startWire{AnnouncementID: s.AnnouncementID, Amount: s.Amount, Currency: s.Currency,
		ReferenceNumber: s.ReferenceNumber, Language: s.Language, RedirectURL: s.RedirectURL}
	if payer := (payerWire{s.PayerCode, s.PayerCountry, s.PayerEmail}); payer != (payerWire{}) {
		w.Payer = &payer
	}
	return w
}

// textual is an id that comes as a JSON string or number; null is "".
type textual string

func (t *textual) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if string(b) == "null" {
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return errors.New("an id must be a string or a number")
	}
	*t = textual(n.String())
	return nil
}

type orderWire struct {
	ID             textual    `json:"id"`
	EMTAOrderID    string     `json:"emtaOrderId"`
	AnnouncementID textual    `json:"announcementId"`
	State          string     `json:"state"`
	Amount         string     `json:"amount"`
	AskedAmount    string     `json:"askedAmount"`
	Currency       string     `json:"currency"`
	AmountMismatch bool       `json:"amountMismatch"`
	DuplicateOf    textual    `json:"duplicateOf"`
	PaymentURL     string     `json:"paymentUrl"`
	Created        *time.Time `json:"created"`
	Expires        *time.Time `json:"expires"`
	Finished       *time.Time `json:"finished"`
	ClaimForwarded bool       `json:"claimForwarded"`
}

func (w orderWire) decode() CoreOrder {
	o := CoreOrder{ID: string(w.ID), EMTAOrderID: w.EMTAOrderID, AnnouncementID: string(w.AnnouncementID), State: w.State,
		Amount: w.Amount, AskedAmount: w.AskedAmount, Currency: w.Currency, AmountMismatch: w.AmountMismatch,
		DuplicateOf: string(w.DuplicateOf), PaymentURL: w.PaymentURL, ClaimForwarded: w.ClaimForwarded}
	for _, t := range []struct {
		from *time.Time
		to   *time.Time
	}{{w.Created, &o.Created}, {w.Expires, &o.Expires}, {w.Finished, &o.Finished}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	return o
}

type problemWire struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Fields []struct {
		Path    string `json:"path"`
		Rule    string `json:"rule"`
		Message string `json:"message"`
	} `json:"fields"`
	PayerText struct {
		ET string `json:"et"`
		EN string `json:"en"`
	} `json:"payerText"`
	Order *orderWire `json:"order"`
}

// decodeProblem reads a refusal; one that is no problem document keeps its status only.
func decodeProblem(status int, body []byte) *Problem {
	var w problemWire
	if err := json.Unmarshal(body, &w); err != nil {
		return &Problem{Status: status, Detail: "the answer is no problem document"}
	}
	p := &Problem{Status: status, Code: w.Code, Title: w.Title, Detail: w.Detail, PayerTextET: w.PayerText.ET, PayerTextEN: w.PayerText.EN}
	for _, f := range w.Fields {
		p.Fields = append(p.Fields, ProblemField(f))
	}
	if w.Order != nil {
		o := w.Order.decode()
		p.Order = &o
	}
	return p
}
