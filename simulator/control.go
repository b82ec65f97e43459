package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// controlMoves are the payer's and EMTA's moves by their names in addresses.
func (w *World) controlMoves() map[string]func(id string) error {
	return map[string]func(id string) error{
		"choose": w.EMTA.ChooseMethod, "pay": w.EMTA.Pay, "refuse": w.EMTA.Refuse, "cancel": w.EMTA.CancelByPayer,
		"annul":        func(id string) error { return w.EMTA.Annul(id, false) },
		"annul-partly": func(id string) error { return w.EMTA.Annul(id, true) },
		"pay-late":     w.EMTA.PayCancelled,
		"notify": func(id string) error {
			w.EMTA.mu.Lock()
			defer w.EMTA.mu.Unlock()
			o := w.EMTA.find(id)
			if o == nil {
				return fmt.Errorf("order %q: %w", id, ErrNotFound)
			}
			w.EMTA.changed(o)
			return nil
		},
	}
}

// movesIn are the buttons of an order in each state.
var movesIn = map[OrderState][]string{
	OrderCreated:   {"choose", "pay", "cancel", "notify"},
	OrderPending:   {"pay", "refuse", "cancel", "notify"},
	OrderCompleted: {"annul", "annul-partly", "notify"},
	OrderCancelled: {"pay-late", "notify"},
}

const mischiefExample = `{"Fault": "Server.ServerProxy.ServiceFailed.IOError", "Acted": true}`

// controlHandler serves the control page and its JSON twin. Pages of other sites cannot use it.
func (w *World) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.showControl)
	mux.HandleFunc("GET /orders", func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, ordersWire(w.EMTA.Orders())) })
	mux.HandleFunc("GET /calls", func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, callsWire(w.EMTA.Calls())) })
	mux.HandleFunc("POST /orders/{id}/{move}", w.controlMove)
	mux.HandleFunc("POST /mischief", w.controlMischief)
	return http.NewCrossOriginProtection().Handler(mux)
}

type controlPage struct {
	SecurityServer, Webhook, Example string
	Adapter                          AdapterAddresses
	Orders                           []Order
	Moves                            map[OrderState][]string
	Operations                       []string
	Calls                            []Call
}

// shownCalls is how many of the latest calls the control page lists.
const shownCalls = 50

func (w *World) showControl(rw http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	addresses := w.addresses
	w.mu.Unlock()
	calls, orders := w.EMTA.Calls(), w.EMTA.Orders()
	slices.Reverse(calls)
	slices.Reverse(orders)
	show(rw, "control.html", controlPage{SecurityServer: w.SecurityServerURL(), Webhook: w.WebhookURL(), Example: mischiefExample,
		Adapter: addresses, Orders: orders, Moves: movesIn, Calls: calls[:min(shownCalls, len(calls))],
		Operations: []string{OperationInit, OperationGet, OperationList, OperationCancel, OperationNotify}})
}

func (w *World) controlMove(rw http.ResponseWriter, r *http.Request) {
	move, ok := w.controlMoves()[r.PathValue("move")]
	if !ok {
		http.NotFound(rw, r)
		return
	}
	if err := move(r.PathValue("id")); err != nil {
		refuseMove(rw, err)
		return
	}
	http.Redirect(rw, r, "/", http.StatusSeeOther)
}

// mischiefWire is a Mischief with its operation; durations are written as 90s.
type mischiefWire struct {
	Operation               string
	DelayBefore, DelayAfter string
	Mischief
}

func decodeMischief(r io.Reader) (operation string, m Mischief, err error) {
	var w mischiefWire
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return "", Mischief{}, fmt.Errorf("mischief: %w", err)
	}
	m = w.Mischief
	for _, d := range []struct {
		field, written string
		to             *time.Duration
	}{{"DelayBefore", w.DelayBefore, &m.DelayBefore}, {"DelayAfter", w.DelayAfter, &m.DelayAfter}} {
		if d.written == "" {
			continue
		}
		if *d.to, err = time.ParseDuration(d.written); err != nil {
			return "", Mischief{}, fmt.Errorf("mischief: %s must be a duration like 90s", d.field)
		}
	}
	return w.Operation, m, nil
}

func (w *World) controlMischief(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, maxMessageBytes)
	form := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	source := io.Reader(r.Body)
	if form {
		source = strings.NewReader(r.PostFormValue("mischief"))
	}
	operation, m, err := decodeMischief(source)
	if form && err == nil {
		operation = r.PostFormValue("operation")
	}
	if err == nil && !slices.Contains([]string{OperationInit, OperationGet, OperationList, OperationCancel, OperationNotify}, operation) {
		err = fmt.Errorf("mischief: Operation %q is none of ours", operation)
	}
	if err == nil {
		err = w.Misbehave(operation, m)
	}
	switch {
	case err != nil:
		http.Error(rw, err.Error(), http.StatusBadRequest)
	case form:
		http.Redirect(rw, r, "/", http.StatusSeeOther)
	default:
		rw.WriteHeader(http.StatusNoContent)
	}
}

type controlOrderWire struct {
	ID           string     `json:"id"`
	Stamp        string     `json:"stamp"`
	State        OrderState `json:"state"`
	CancelReason string     `json:"cancelReason,omitempty"`
	Amount       string     `json:"amount"`
	Currency     string     `json:"currency"`
	PayURL       string     `json:"payUrl"`
	Created      time.Time  `json:"created"`
	Expires      time.Time  `json:"expires"`
}

func ordersWire(orders []Order) []controlOrderWire {
	all := make([]controlOrderWire, len(orders))
	for i, o := range orders {
		all[i] = controlOrderWire{o.ID, o.Stamp, o.State, o.CancelReason, o.Amount.StringFixed(2), o.Currency, o.PayURL, o.Created, o.Expires}
	}
	return all
}

type callWire struct {
	Operation string    `json:"operation"`
	OrderID   string    `json:"orderId,omitempty"`
	Stamp     string    `json:"stamp,omitempty"`
	Time      time.Time `json:"time"`
	Acted     bool      `json:"acted"`
	Refusal   string    `json:"refusal,omitempty"`
}

func callsWire(calls []Call) []callWire {
	all := make([]callWire, len(calls))
	for i, c := range calls {
		all[i] = callWire(c)
	}
	return all
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(http.ErrAbortHandler) // the reader left in the middle
	}
}
