package xroadhdr

import (
	"slices"
	"strings"
)

// ErrorCode is a fault code or X-Road-Error value, either spelling
// (CamelCase up to 7.7, snake_case from 7.8; §5.3), parsed to one form.
type ErrorCode struct {
	Origin   string   // "client", "server.clientproxy", "server.serverproxy"; "" for a provider's own code
	Contexts []string // between origin and name, normalised, e.g. ["servicefailed"]; nil when there is none
	Name     string   // last part, normalised: lower case, no "_", irregular names mapped to one (§5.3); "" for a provider's own code
	Raw      string   // as it came
}

// Origins of codes that security servers make.
const (
	originClient      = "client"
	originClientProxy = "server.clientproxy"
	originServerProxy = "server.serverproxy"
)

// ParseErrorCode parses a faultcode or an X-Road-Error value; it accepts anything. A code without a
// dotted X-Road origin is a provider's own: Origin is "" and Group is E. So are "Client" and "Server"
// alone and every QName such as "soap:Client.x": security servers write plain strings (§3.5).
func ParseErrorCode(s string) ErrorCode {
	normal := strings.TrimSpace(strings.ReplaceAll(strings.ToLower(s), "_", ""))
	for _, origin := range []string{originClient, originClientProxy, originServerProxy} {
		rest, ok := strings.CutPrefix(normal, origin+".")
		if !ok {
			continue
		}
		code := ErrorCode{Origin: origin, Name: rest, Raw: s}
		if i := strings.LastIndexByte(rest, '.'); i >= 0 {
			code.Contexts, code.Name = strings.Split(rest[:i], "."), rest[i+1:]
		}
		code.Name = regularName(code.Name)
		return code
	}
	return ErrorCode{Raw: s}
}

// regularName maps the names that the new spelling did not keep to the classic ones. An
// unresolvable host was a NetworkError up to 7.7. DatabaseError stays apart: its predecessor
// InternalError says many other things too, and both are of one group (§5.3).
func regularName(name string) string {
	switch name {
	case "globalconfoutdated":
		return "outdatedglobalconf"
	case "unknownhost":
		return "networkerror"
	}
	return name
}

// Is reports whether c is the code named in classic spelling, e.g.
// c.Is("Server.ServerProxy.ServiceFailed.HttpError"). A provider's own code is none of them.
func (c ErrorCode) Is(classic string) bool {
	other := ParseErrorCode(classic)
	return c.Origin != "" && c.Origin == other.Origin && c.Name == other.Name && slices.Equal(c.Contexts, other.Contexts)
}

// String is the normalised form, one for both spellings, for logs and metrics; of a provider's own code it is
// "provider", since that may be any text.
func (c ErrorCode) String() string {
	if c.Origin == "" {
		return "provider"
	}
	return strings.Join(append(append([]string{c.Origin}, c.Contexts...), c.Name), ".")
}
