package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"maps"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// live is what may change while the program runs, always whole. It is safe for concurrent use.
type live struct{ current atomic.Pointer[liveSettings] }

// liveSettings are the settings marked live, read and ready for use.
type liveSettings struct {
	settings     Settings
	notify       func(xroadhdr.ClientID) bool // who may notify; nil: everybody
	mandates     func(xroadhdr.ClientID) bool // who may use the mandates services; nil: there is no list
	tokens       *rest.Tokens
	certificates map[string]rest.Caller // callers of the internal API by their certificate's fingerprint
	identities   map[string]*identity   // by key: listen.tls.xroad, xroad.tls
}

// live reads everything that s names. Nothing is in force yet.
func (s Settings) live(now func() time.Time) (*liveSettings, error) {
	l := &liveSettings{settings: s, identities: map[string]*identity{}, certificates: map[string]rest.Caller{}}
	var err error
	if l.notify, err = s.allowedToNotify(); err != nil {
		return nil, err
	}
	if l.mandates, err = s.allowedMandates(); err != nil {
		return nil, err
	}
	if l.tokens, err = s.coreTokens(now); err != nil {
		return nil, err
	}
	for _, c := range s.Core.Certificates {
		l.certificates[normalFingerprint(c.SHA256)] = rest.Caller{Name: c.Name, Scopes: c.Scopes}
	}
	for key, t := range s.tls() {
		if l.identities[key], err = t.load(key); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// tls are the TLS settings by their keys.
func (s *Settings) tls() map[string]*TLS {
	return map[string]*TLS{"listen.tls.xroad": &s.Listen.TLS.XRoad, "listen.tls.core": &s.Listen.TLS.Core, "listen.tls.ops": &s.Listen.TLS.Ops,
		"xroad.tls": &s.XRoad.TLS, "core.webhook.tls": &s.Core.Webhook.TLS}
}

// mayNotify reports whether an X-Road client may call the notify service.
func (l *live) mayNotify(id xroadhdr.ClientID) bool {
	allowed := l.current.Load().notify
	return allowed == nil || allowed(id)
}

// mayUseMandates reports whether an X-Road client is on the list for the mandates services.
func (l *live) mayUseMandates(id xroadhdr.ClientID) bool {
	allowed := l.current.Load().mandates
	return allowed != nil && allowed(id)
}

// identity is the last of a TLS setting.
func (l *live) identity(key string) *identity { return l.current.Load().identities[key] }

// listener is the TLS of a listener: each connection gets what holds when it is made.
func (l *live) listener(key string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return l.identity(key).serverConfig(), nil
	}}
}

// taking is s with the live values of next. A listener cannot begin or cease to speak TLS while the program runs: its TLS
// then stays as it is.
func (s Settings) taking(next Settings) Settings {
	for key, t := range next.tls() {
		if was := s.tls()[key]; strings.HasPrefix(key, "listen.") && (t.Cert == "") != (was.Cert == "") {
			*t = *was
		}
	}
	systems := s.Log.Systems
	from := keysOf(&next)
	for i, k := range keysOf(&s) {
		if k.has("live") {
			k.value.Set(from[i].value)
		}
	}
	s.Log.Systems = keepingMonths(next.Log.Systems, systems)
	return s
}

// keepingMonths is next with the months that was keeps: retention is planned at the start.
func keepingMonths(next, was map[string]LogSystem) map[string]LogSystem {
	kept := maps.Clone(next)
	for name, system := range was {
		if changed := next[name]; changed.KeepMonths != system.KeepMonths {
			changed.KeepMonths = system.KeepMonths
			if kept == nil {
				kept = map[string]LogSystem{}
			}
			kept[name] = changed
		}
	}
	for name, system := range kept {
		if _, known := was[name]; !known {
			system.KeepMonths = 0
			kept[name] = system
		}
	}
	return kept
}

// differing are the keys whose values differ, in the struct's order.
func differing(a, b Settings) []string {
	var keys []string
	was := keysOf(&a)
	for i, k := range keysOf(&b) {
		if !reflect.DeepEqual(was[i].value.Interface(), k.value.Interface()) {
			keys = append(keys, k.path)
		}
	}
	return keys
}

// fingerprint is the SHA-256 of a certificate, in lower-case hexadecimal.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// normalFingerprint takes openssl's AA:BB form too.
func normalFingerprint(text string) string {
	var plain []byte
	for _, c := range []byte(text) {
		if c != ':' && c != ' ' {
			plain = append(plain, c|0x20) // digits stay as they are
		}
	}
	return string(plain)
}
