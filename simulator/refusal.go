package simulator

import (
	"fmt"
	"net/http"
	"strconv"
)

// RefusalForm is where EMTA puts what it refuses with (EMTA sheet §4, end).
type RefusalForm string

// The forms; the zero value is InFaultCode.
const (
	InFaultCode   RefusalForm = "faultcode"
	InFaultString RefusalForm = "faultstring"
	InDetail      RefusalForm = "detail"
	AsHTTPStatus  RefusalForm = "status" // no SOAP at all: the security server makes HttpError of it
)

// RefusalWord is what EMTA calls it.
type RefusalWord string

// The words; the zero value is EnglishName.
const (
	EnglishName  RefusalWord = "english"
	EstonianName RefusalWord = "estonian"
	Number       RefusalWord = "number"
)

// Refusals is how EMTA refuses at present.
type Refusals struct {
	Form RefusalForm
	Word RefusalWord
	// Cancelled is the form of 204, an order that is cancelled already; empty:
	// AsHTTPStatus, as the text has it.
	Cancelled RefusalForm
	// UnknownIs204 makes cpgOrderCancel answer an unknown id with 204 instead of 404; the text has both.
	UnknownIs204 bool
}

// refusal is one row of the text's tables of general errors.
type refusal struct {
	estonian, english, text string
}

// refusals by number. 400 without methods and 400 by default are one number; see
// noMethods. Names are the contract's; texts are ours.
var refusals = map[int]refusal{
	204: {"Tellimus", "Order", "No such order, or it is cancelled already."},
	400: {"Viga", "Error", "The request is not right."},
	401: {"Autentimata", "Unauthorized", "Who are you?"},
	403: {"Keelatud", "Forbidden", "The order is another merchant's."},
	404: {"TelimuseIdPuudub", "NotFound", "There is no order with this id."},
	409: {"TyhistamineKeelatud", "CancellingNotAllowed", "The payer is paying already."},
}

var noMethods = refusal{"MakseviisiPuuduvadVõiPiiratud", "noMethods", "No payment method is left for this merchant."}

// refusedCall is a call that EMTA refuses.
type refusedCall struct {
	number int
	refusal
}

func (r *refusedCall) Error() string { return fmt.Sprintf("%d %s", r.number, r.english) }

func refuse(number int) *refusedCall { return &refusedCall{number, refusals[number]} }

// broken is 400 with the rule that a field broke.
func broken(field, rule string) *refusedCall {
	r := refuse(http.StatusBadRequest)
	r.text = field + ": " + rule
	return r
}

// SetRefusals changes how EMTA refuses from the next call on.
func (e *EMTA) SetRefusals(r Refusals) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o.Refusals = r
}

// reply writes r as the settings want it. A SOAP fault goes out with HTTP 500.
func (s Refusals) reply(r *refusedCall) reply {
	form, word := s.Form, r.english
	switch s.Word {
	case EstonianName:
		word = r.estonian
	case Number:
		word = strconv.Itoa(r.number)
	}
	if r.number == http.StatusNoContent {
		if form = s.Cancelled; form == "" {
			form = AsHTTPStatus
		}
	}
	switch form {
	case AsHTTPStatus:
		return reply{status: r.number, contentType: "text/plain", body: []byte(r.text)}
	case InFaultString:
		doc, _ := newFault("SOAP-ENV:Server", word+": "+r.text)
		return xmlReply(http.StatusInternalServerError, bytesOf(doc))
	case InDetail:
		doc, fault := newFault("SOAP-ENV:Server", "Request failed")
		detail := fault.CreateElement("detail").CreateElement("error")
		detail.CreateElement("name").SetText(word)
		detail.CreateElement("message").SetText(r.text)
		return xmlReply(http.StatusInternalServerError, bytesOf(doc))
	}
	doc, _ := newFault(word, r.text)
	return xmlReply(http.StatusInternalServerError, bytesOf(doc))
}
