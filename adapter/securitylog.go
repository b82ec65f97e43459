package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/security"
	"ametlikudteadaanded.ee/adapter/soap"
)

// persons gives a person a name for logs that says nothing of who it is: a keyed hash, the same for the same person as long as
// the key is the same (NA-98; NA-94 forbids the code itself).
type persons struct{ key []byte }

// newPersons uses the setting's key, or without one a key that lasts as long as the process.
func newPersons(key string) persons {
	if key != "" {
		return persons{[]byte(key)}
	}
	made := make([]byte, sha256.Size)
	rand.Read(made) // never fails
	return persons{made}
}

// hash is empty for nobody. 32 digits are told from a personal code by masking, and are more than enough.
func (p persons) hash(person string) string {
	if person == "" {
		return ""
	}
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(person))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// newSecurityLog is the program's security log; its rows are written by its Run.
func (p *Program) newSecurityLog() *security.Log {
	lost := prometheus.NewCounter(prometheus.CounterOpts{Name: "adapter_security_events_lost_total",
		Help: "Security events that are in the log's lines but not in the table, since the database was away for long."})
	p.registry.MustRegister(lost)
	return security.New(security.Options{
		Store: p.store, Lines: p.log.With("component", securityComponent, "log", "security"), Person: p.persons.hash,
		Replica: replicaName(), Now: p.now, Lost: lost.Inc,
	})
}

// replicaName tells replicas apart in logs.
func replicaName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// proxies are the networks whose forwarding header is believed.
func (s Settings) proxies() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range s.Core.Proxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, &settingError{"core.proxies", "must be networks such as 10.0.0.0/8"}
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// reportRefusal writes the security event that the answer is, if it is one.
func reportRefusal(ctx context.Context, log *security.Log, in inbound) {
	e := security.Event{Caller: in.Caller, Detail: in.Method + " " + orDash(in.Route)}
	var fault *soap.Fault
	switch {
	case in.Status == http.StatusTooManyRequests:
		e.Kind = security.AttemptsLimited
	case errors.Is(in.Err, rest.ErrTokenExpired):
		e.Kind = security.TokenExpired
	case in.Status == http.StatusUnauthorized:
		e.Kind = security.TokenRefused
	case in.Status == http.StatusForbidden && (in.System == "core" || in.System == "ops"), // an X-Road provider tells by itself
		errors.As(in.Err, &fault) && fault.Reason == soap.ReasonAccessDenied:
		e.Kind = security.AccessRefused
	default:
		return
	}
	if in.Service.ServiceCode != "" {
		e.Caller, e.Detail = in.Client.String(), in.Service.String()
	}
	log.Report(ctx, e)
}

// sessionSilence ends a token's session. Tokens have none of their own; this is how long a person's lasts elsewhere.
const sessionSilence = 30 * time.Minute

// sessions tells when a token begins to be used and when it is used no more. Safe for concurrent use.
type sessions struct {
	now      func() time.Time
	security *security.Log

	mu   sync.Mutex
	last map[string]time.Time // by the token's name
}

func newSessions(now func() time.Time, log *security.Log) *sessions {
	return &sessions{now: now, security: log, last: map[string]time.Time{}}
}

// authenticate wraps an Authenticate of rest.
func (s *sessions) authenticate(next func(*http.Request) (rest.Caller, error)) func(*http.Request) (rest.Caller, error) {
	return func(r *http.Request) (rest.Caller, error) {
		caller, err := next(r)
		if err != nil {
			return caller, err
		}
		if seen := observedFrom(r.Context()); seen != nil {
			seen.caller = caller.Name
		}
		s.mu.Lock()
		_, running := s.last[caller.Name]
		s.last[caller.Name] = s.now()
		s.mu.Unlock()
		if !running {
			s.security.Report(r.Context(), security.Event{Kind: security.SessionStarted, Caller: caller.Name})
		}
		return caller, nil
	}
}

// run ends sessions that are silent, until ctx ends.
func (s *sessions) run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sweep(ctx)
		}
	}
}

func (s *sessions) sweep(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, last := range s.last {
		if s.now().Sub(last) >= sessionSilence {
			delete(s.last, name)
			s.security.Report(ctx, security.Event{Kind: security.SessionEnded, Caller: name})
		}
	}
}
