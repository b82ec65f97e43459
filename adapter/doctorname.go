package main

import (
	"cmp"
	"context"
	"net"
	"net/url"
	"strings"
)

// target is a server that a setting names.
type target struct {
	key  string
	url  *url.URL
	said string // the URL without its user and query
}

// address is host:port, with the scheme's port where none is given.
func (t target) address() string {
	port := "80"
	if t.url.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(t.url.Hostname(), cmp.Or(t.url.Port(), port))
}

// target reads the URL of a setting; false where it is empty or has no host.
func (d *doctor) target(key, text string) (target, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return target{}, false
	}
	return target{key, u, u.Scheme + "://" + u.Host}, true
}

// names finds the addresses of all servers.
func (d *doctor) names(ctx context.Context, found *diagnosis) {
	s := d.settings
	for _, named := range []struct{ key, url string }{{"xroad.securityServer", s.XRoad.SecurityServer}, {"xroad.address", s.XRoad.Address},
		{"core.webhook.url", s.Core.Webhook.URL}, {"trace.endpoint", s.Trace.Endpoint}} {
		if named.url == "" {
			continue
		}
		check := "name " + named.key
		t, ok := d.target(named.key, named.url)
		if !ok {
			found.fail(check, "write it as http://HOST:PORT or https://HOST:PORT", "is not a URL with a host")
			continue
		}
		host := t.url.Hostname()
		if net.ParseIP(host) != nil {
			found.ok(check, "%s is an address", host)
			continue
		}
		addresses, err := d.resolve(ctx, host)
		if err != nil {
			found.fail(check, "write the host in "+named.key+" as DNS has it, or have it put into DNS or this machine's hosts file", "%s has no address: %v", host, err)
			continue
		}
		found.ok(check, "%s is %s", host, strings.Join(addresses, ", "))
	}
}
