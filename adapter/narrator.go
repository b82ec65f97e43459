package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/beevik/etree"

	"ametlikudteadaanded.ee/adapter/soap"
)

// narrator tells what passes, a line each, in words. It works as well in a log file as in a terminal.
type narrator struct {
	mu  sync.Mutex
	out io.Writer
	now func() time.Time
}

// line prints one exchange: when, who to whom, and what.
func (n *narrator) line(who, what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, "   %s  %-19s %s\n", n.now().Format("15:04:05.0"), who, what)
}

// text prints words without a time.
func (n *narrator) text(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, format+"\n", args...)
}

// inbound tells of a request that the adapter answered.
func (n *narrator) inbound(in inbound) {
	if in.System == systemPaasuke {
		what := in.Service.ServiceCode
		if what == "" {
			return // somebody reads the description
		}
		outcome := fmt.Sprintf("%d", in.Status)
		if in.Fault != "" {
			outcome += " " + in.Fault
		}
		n.line("Pääsuke → adapter", what+": "+outcome)
		return
	}
	if in.System != systemCore {
		outcome := "stored, answered"
		if in.Fault != "" {
			outcome = "answered with the fault that the order is not known"
		}
		n.line("EMTA → adapter", in.Service.ServiceCode+": "+outcome)
		return
	}
	if strings.HasPrefix(in.Path, "/api/v1/events") {
		return
	}
	outcome := fmt.Sprintf("%d", in.Status)
	if in.Fault != "" {
		outcome += " " + in.Fault
	}
	n.line("core → adapter", fmt.Sprintf("%s %s: %s", in.Method, strings.TrimPrefix(in.Path, "/api/v1"), outcome))
}

// outbound wraps the transport to the security server and tells of each call.
func (n *narrator) outbound(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		request, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(request))
		response, err := next.RoundTrip(r)
		operation := described(request)
		if err != nil {
			n.line("adapter → EMTA", operation+": no answer, so the outcome is not known")
			return nil, err
		}
		answer, err := io.ReadAll(response.Body)
		response.Body = readCloser{bytes.NewReader(answer), response.Body} // closed by who called: the exchange log waits for that
		if err != nil {
			n.line("adapter → EMTA", operation+": the answer broke off")
			return response, nil
		}
		n.line("adapter → EMTA", operation+": "+described(answer))
		return response, nil
	})
}

// webhook wraps the transport to the core's webhook and tells of each event.
func (n *narrator) webhook(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var e struct{ Type, Subject string }
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, err
		}
		n.line("adapter → core", "event "+e.Type+" of "+strings.Replace(e.Subject, "/", " ", 1))
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// described puts a message in words.
func described(raw []byte) string {
	m, err := soap.ParseAnswer(raw, soap.Limits{})
	if err != nil {
		return "something that cannot be read"
	}
	if m.Fault != nil {
		return "fault " + m.Fault.Code + ", " + m.Fault.String
	}
	name := strings.TrimSuffix(m.Body.Tag, "Request")
	switch {
	case strings.HasSuffix(name, "ListResponse"):
		return fmt.Sprintf("a list of %d orders", len(m.Body.FindElements(".//Order")))
	case strings.HasSuffix(name, "CancelResponse"):
		return "cancelled"
	case strings.HasSuffix(name, "Response"):
		return fmt.Sprintf("order %s… is %s, %s EUR", short(text(m.Body, ".//Order/Id")), text(m.Body, ".//Order/State"), text(m.Body, ".//Order/Amount"))
	case name == "cpgOrderInit":
		return fmt.Sprintf("%s, stamp %s, %s EUR", name, text(m.Body, ".//Stamp"), text(m.Body, ".//Amount"))
	case name == "cpgOrderList":
		return name
	}
	return name + " " + short(text(m.Body, ".//Id")) + "…"
}

func text(el *etree.Element, path string) string {
	if found := el.FindElement(path); found != nil {
		return found.Text()
	}
	return "?"
}

func short(id string) string { return id[:min(8, len(id))] }
