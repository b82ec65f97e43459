package order

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/soap"
)

func goldenJSON(t *testing.T, name string, v any) {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	golden(t, name, string(raw)+"\n")
}

// fullOrder has every member that the core sees.
func fullOrder() Order {
	o := orderIn(Completed)
	o.Amount, o.Mismatch, o.DuplicateOf, o.ClaimForwarded = euros("29.5"), true, 11, true
	o.RevertedAt, o.Fault = noon.Add(-2*time.Minute), "NotFound: no such order"
	o.Created = o.Created.Add(123456 * time.Microsecond)
	o.AcceptedBy, o.NotFoundAt, o.Lists = "operator", noon, 2
	return o
}

func TestOrderJSONGolden(t *testing.T) {
	goldenJSON(t, "order.json", coreOrderOf(fullOrder()))
	goldenJSON(t, "order-creating.json", coreOrderOf(orderIn(Creating)))
}

func TestEventJSONGolden(t *testing.T) {
	o := fullOrder()
	o.OfferAttempt, o.AfterCancel = 3, true
	goldenJSON(t, "event-completed.json", eventData(o, happening{kind: EventCompleted}))
	goldenJSON(t, "event-suspicious.json", eventData(orderIn(Created), happening{kind: EventSuspicious, reason: wrongAmount}))
	goldenJSON(t, "event-reverted.json", eventData(orderIn(Pending), happening{kind: EventReverted}))
	goldenJSON(t, "event-strange.json", strangeData{EMTAOrderID: "emta-99", Reason: foreignStamp})
}

// codes are all constants of type Code, read from the source so that none is forgotten.
func codes(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	require.NoError(t, err)
	var all []Code
	for _, d := range file.Decls {
		block, ok := d.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		for _, spec := range block.Specs {
			value := spec.(*ast.ValueSpec)
			require.Equal(t, "Code", value.Type.(*ast.Ident).Name)
			s, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			all = append(all, Code(s))
		}
	}
	require.NotEmpty(t, all)
	return all
}

// Design §8: every code has its status, and the payer is told something where EMTA was in the way.
func TestProblems(t *testing.T) {
	want := map[Code]int{"invalid": 422, "not-found": 404, "already-paid": 409, "not-cancellable": 409, "amount-mismatch": 409, "not-completed": 409, "no-mismatch": 409,
		"emta-refused": 502, "no-payment-link": 502, "outcome-unknown": 504, "in-progress": 504, "not-configured": 503, "unavailable": 503}
	tells := map[Code]bool{"emta-refused": true, "outcome-unknown": true, "no-payment-link": true, "in-progress": true, "unavailable": true, "not-configured": true}
	all := codes(t)
	require.Len(t, all, len(want))
	for _, code := range all {
		var p *rest.Problem
		require.ErrorAs(t, problem(&Error{Code: code, Err: errors.New("cause")}), &p, code)
		require.Equal(t, string(code), p.Code)
		require.Equal(t, want[code], p.Status, code)
		require.NotEmpty(t, p.Title, code)
		require.Empty(t, p.Detail)
		require.ErrorContains(t, p, "cause")
		if !tells[code] {
			require.Nil(t, p.PayerText, code)
			continue
		}
		require.Equal(t, map[string]string{
			"et": "Süsteemis esines viga, proovige uuesti. Kui probleem jätkub, valige muu makseviis või pöörduge klienditoe poole.",
			"en": "There was a system error, please try again. If the problem persists, please use a different payment method or contact customer support.",
		}, p.PayerText, code)
	}
}

func TestProblemMembers(t *testing.T) {
	var p *rest.Problem
	o := orderIn(Created)

	require.ErrorAs(t, problem(fmt.Errorf("wrapped: %w", &Error{Code: Invalid, Fields: []FieldError{{"amount", "positive", "must be more"}}})), &p)
	require.Equal(t, []rest.Field{{Path: "amount", Rule: "positive", Message: "must be more"}}, p.Fields)
	require.Nil(t, p.Order)
	require.Nil(t, p.Fault)

	refusal := &Refusal{Number: 409, Name: "CancellingNotAllowed", Code: "Server", Text: "no", Own: true, Err: &soap.CallError{}}
	require.ErrorAs(t, problem(&Error{Code: NotCancellable, Order: &o, Refusal: refusal}), &p)
	require.Equal(t, coreOrderOf(o), p.Order)
	require.Equal(t, coreFault{Code: "Server", Text: "no", Name: "CancellingNotAllowed", Status: 409}, p.Fault)

	o.Fault = "Server: noMethods"
	require.ErrorAs(t, problem(&Error{Code: Refused, Order: &o}), &p)
	require.Equal(t, coreFault{Text: "Server: noMethods"}, p.Fault, "of an attempt that another start made")

	other := errors.New("the database is gone")
	require.Equal(t, other, problem(other), "what is no Error is the endpoint's to answer")
}

// What the partner says is bounded before it is passed on.
func TestProblemOfALongFault(t *testing.T) {
	long := make([]rune, 10_000)
	for i := range long {
		long[i] = 'õ'
	}
	var p *rest.Problem
	require.ErrorAs(t, problem(&Error{Code: Refused, Refusal: &Refusal{Text: string(long), Err: &soap.CallError{}}}), &p)
	require.Len(t, []rune(p.Fault.(coreFault).Text), 2001)
}

func TestStateCodes(t *testing.T) {
	for state, code := range map[State]string{Creating: "U", Created: "L", Pending: "P", Completed: "T", Cancelled: "X"} {
		require.Equal(t, code, state.Code())
		back, ok := StateOfCode(code)
		require.True(t, ok)
		require.Equal(t, state, back)
	}
	for _, code := range []string{"", "u", "LP", "created"} {
		_, ok := StateOfCode(code)
		require.False(t, ok, code)
	}
	for _, word := range []string{"created", "pending", "completed", "cancelled"} {
		state, ok := stateOf(word)
		require.True(t, ok)
		require.Equal(t, word, string(state))
	}
	for _, word := range []string{"", "creating", "Created", "canceled", "refused", "expired", "created "} {
		_, ok := stateOf(word)
		require.False(t, ok, "%q is no state of EMTA's", word)
	}
}
