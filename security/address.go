package security

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

type addressKey struct{}

// WithAddress returns a context that carries where its request came from.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// AddressFrom returns where the request of ctx came from, "" if that is not known.
func AddressFrom(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}

// maxForwarded is how many hops of a forwarding header are read, from our end; nobody has more proxies in a row.
const maxForwarded = 16

// CallerAddress is the address of who sent r, without a port: the connection's, or, where that is one of our proxies, what
// the proxy wrote last into X-Forwarded-For, and so on while that is a proxy too. A caller that is no proxy can
// write what it likes into the header; it is not read.
func CallerAddress(r *http.Request, proxies []netip.Prefix) string {
	address, ok := hostAddress(r.RemoteAddr)
	if !ok {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for range maxForwarded {
		if len(hops) == 0 || !within(address, proxies) {
			break
		}
		hop, ok := hostAddress(strings.TrimSpace(hops[len(hops)-1]))
		if !ok {
			break
		}
		address, hops = hop, hops[:len(hops)-1]
	}
	return address.String()
}

// hostAddress reads an address with or without a port.
func hostAddress(text string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address.Unmap().WithZone(""), err == nil
}

func within(address netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(address) {
			return true
		}
	}
	return false
}
