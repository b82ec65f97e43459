package order

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// Refusal is an error that EMTA's services or a security server answered with, in whichever of its forms it came:
// an HTTP status, a fault of EMTA's own, or a security server's fault that tells of the status (EMTA §4, end).
type Refusal struct {
	Number int    // 400, 401, 403, 404, 409, 204; 0: none was named
	Name   string // e.g. "CancellingNotAllowed", in English; "" where only a number or nothing was named
	Code   string // faultcode as it came; "" for a plain HTTP status
	Text   string // faultstring as it came
	Own    bool   // EMTA itself said so, not a security server or something in between
	Err    *soap.CallError
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// names are the errors that EMTA's services list, Estonian and English, by operation and number.
var (
	initNames   = map[string]int{"MakseviisiPuuduvadVõiPiiratud": 400, "noMethods": 400, "Autentimata": 401, "Unauthorized": 401, "Keelatud": 403, "Forbidden": 403}
	cancelNames = map[string]int{"Autentimata": 401, "Unauthorized": 401, "Keelatud": 403, "Forbidden": 403,
		"TelimuseIdPuudub": 404, "NotFound": 404, "TyhistamineKeelatud": 409, "CancellingNotAllowed": 409}
	english = map[string]string{"MakseviisiPuuduvadVõiPiiratud": "noMethods", "Autentimata": "Unauthorized", "Keelatud": "Forbidden",
		"TelimuseIdPuudub": "NotFound", "TyhistamineKeelatud": "CancellingNotAllowed", "Viga": "Error"}
)

// Numbers that count only as EMTA lists them for an operation.
var (
	initNumbers   = []int{400, 401, 403}
	cancelNumbers = []int{204, 400, 401, 403, 404, 409}
)

const httpError = "Server.ServerProxy.ServiceFailed.HttpError"

// refusalOf reads a call's error as a refusal of one of the named errors or numbers; nil if it was none that
// anybody answered (a timeout, a lost connection, an answer that is not for us).
func refusalOf(err error, names map[string]int, numbers []int) *Refusal {
	var call *soap.CallError
	if !errors.As(err, &call) {
		return nil
	}
	r := &Refusal{Err: call}
	switch call.Failure {
	case soap.FailedFault:
		r.Own, r.Code, r.Text = true, call.Fault.Code, call.Fault.String
		r.readFault(call.Fault, call.HTTPStatus, names, numbers)
	case soap.FailedXRoad:
		r.Code, r.Text = call.Fault.XRoad.Raw, call.Fault.String
		if call.Fault.XRoad.Is(httpError) {
			r.Number = statusIn(r.Text)
		}
	case soap.FailedHTTP:
		r.Number = call.HTTPStatus
		if call.HTTPStatus == http.StatusNoContent && !call.EmptyBody {
			r.Number = 0
		}
	default:
		return nil
	}
	return r
}

// readFault finds a listed name or number in the fault's code, text or detail, or else in the HTTP status beside it.
func (r *Refusal) readFault(f *soap.Fault, status int, names map[string]int, numbers []int) {
	telling, other, tags := detailTexts(f.Detail)
	texts := slices.Concat([]string{f.Code, f.String}, telling, other)
	for _, text := range slices.Concat(texts, tags) {
		for _, word := range strings.FieldsFunc(text, notNameRune) {
			if number, ok := names[word]; ok {
				r.Name, r.Number = word, number
				if e, ok := english[word]; ok {
					r.Name = e
				}
				return
			}
		}
	}
	code := f.Code[strings.LastIndexAny(f.Code, ".:")+1:]
	for _, text := range append(texts, code) {
		// The default names are ordinary words, so they count only where they stand alone.
		if word := strings.TrimSpace(text); word == "Viga" || word == "Error" {
			r.Name = "Error"
		}
	}
	for _, text := range append([]string{code, f.String}, telling...) {
		if n := statusIn(text); listed(n, numbers) {
			r.Number = n
			return
		}
	}
	for _, text := range other {
		if n := numberOf(namedStatus, text); listed(n, numbers) {
			r.Number = n
			return
		}
	}
	// A 404 may as well be a wrong address.
	if status != http.StatusNotFound && listed(status, numbers) {
		r.Number = status
	}
}

// The ways in which a text tells of a status: alone or at its head, or named as an error, code or status.
// A number elsewhere (an id, an amount) is none.
var (
	headStatus  = regexp.MustCompile(`^\s*([1-5][0-9]{2})(?:$|[\s:;]|[,.-](?:$|\s))`)
	namedStatus = regexp.MustCompile(`(?i)(?:error|status|code|http|viga|kood)[ :=]+([1-5][0-9]{2})(?:$|[^0-9,.]|[,.](?:$|[^0-9]))`)
)

// statusIn is the HTTP status that a text about an error tells of, 0 if none.
func statusIn(text string) int {
	if n := numberOf(headStatus, text); n != 0 {
		return n
	}
	return numberOf(namedStatus, text)
}

// numberOf is the number that form finds in the text, 0 if none.
func numberOf(form *regexp.Regexp, text string) int {
	m := form.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func notNameRune(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 0x7f)
}

func listed(n int, numbers []int) bool { return slices.Contains(numbers, n) }

// provesNothingCreated reports whether a failed cpgOrderInit cannot have made an order (EMTA §4, 4).
func provesNothingCreated(err error) bool {
	var call *soap.CallError
	if !errors.As(err, &call) {
		return false
	}
	if call.Failure == soap.FailedRequest || call.Failure == soap.FailedConnection {
		return true // nothing was sent
	}
	if call.Failure == soap.FailedXRoad && call.Fault.XRoad.BeforeProvider(call.Fault.String) {
		return true
	}
	r := refusalOf(err, initNames, initNumbers)
	return r != nil && (r.Own && r.Name != "" || listed(r.Number, initNumbers))
}

// cancelOutcome is what an answer to cpgOrderCancel means.
type cancelOutcome int

const (
	cancelDone       cancelOutcome = iota // cancelled, or was so before
	cancelNotAllowed                      // the payer has begun to pay
	cancelUnknownID                       // EMTA itself does not know the order
	cancelFailed                          // anything else, a timeout too: the order may live on
)

func cancelOutcomeOf(err error) cancelOutcome {
	if err == nil {
		return cancelDone
	}
	r := refusalOf(err, cancelNames, cancelNumbers)
	switch {
	case r == nil:
		return cancelFailed
	case r.Number == http.StatusNoContent:
		return cancelDone
	case r.Number == http.StatusConflict:
		return cancelNotAllowed
	case r.Number == http.StatusNotFound && r.Own:
		// Read from a status, a 404 may as well be a wrong address at the provider.
		return cancelUnknownID
	}
	return cancelFailed
}

// unknownToEMTA reports whether EMTA itself, by a fault of its own, said that it has no such order.
func unknownToEMTA(err error) bool {
	r := refusalOf(err, cancelNames, cancelNumbers)
	return r != nil && r.Own && r.Number == http.StatusNotFound
}

// faultUnreached is what is kept of an attempt that found no way to the security server: nobody has refused anything.
const faultUnreached = "connection: " + string(soap.FailedConnection)

// faultText is what is kept of a failure, for the log table and the order: codes and the partner's text, or our words.
func faultText(err error) string {
	var call *soap.CallError
	if !errors.As(err, &call) {
		return err.Error()
	}
	switch {
	case call.Fault != nil && call.Fault.XRoad.Origin != "":
		return call.Fault.XRoad.Raw + ": " + call.Fault.String
	case call.Fault != nil:
		return call.Fault.Code + ": " + call.Fault.String
	case call.Failure == soap.FailedTimeout:
		return "timeout"
	case call.Kind() == xroadhdr.Network:
		return "connection: " + string(call.Failure)
	}
	return call.Error()
}
