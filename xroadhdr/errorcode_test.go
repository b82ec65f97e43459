package xroadhdr_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// errorCodes is §5.4 row by row, in classic spelling. before: nothing can have happened at the provider.
var errorCodes = []struct {
	code, text string
	group      xroadhdr.Group
	kind       xroadhdr.FailureKind
	before     bool
}{
	{"Client.InvalidHttpMethod", "", "A", "ours", true},
	{"Client.InvalidSoapAction", "", "A", "ours", true},
	{"Client.InvalidContentType", "", "A", "ours", true},
	{"Client.MimeParsingFailed", "", "A", "ours", true},
	{"Client.MissingSoap", "", "A", "ours", true},
	{"Client.InvalidSoap", "", "A", "ours", true},
	{"Client.InvalidXml", "", "A", "ours", true},
	{"Client.MissingHeader", "", "A", "ours", true},
	{"Client.MissingBody", "", "A", "ours", true},
	{"Client.InvalidBody", "", "A", "ours", true},
	{"Client.MissingHeaderField", "", "A", "ours", true},
	{"Client.DuplicateHeaderField", "", "A", "ours", true},
	{"Client.InvalidProtocolVersion", "", "A", "ours", true},
	{"Client.InconsistentHeaders", "", "A", "ours", true},
	{"Client.InternalError", "", "A", "ours", true},
	{"Client.InvalidRequest", "", "A", "ours", true},
	{"Client.BadRequest", "", "A", "ours", true},
	{"Client.SomethingNew", "", "A", "ours", false},
	{"Client.ServiceFailed.InvalidSoap", "", "A", "ours", false},
	{"Server.ClientProxy.InternalError", "Invalid Client Id: EE/GOV", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "Invalid Service Id", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "Invalid security server Id", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "Invalid request URI", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "Invalid percent encoding", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "Invalid protocol version", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "'memberCode' must not be blank", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "No enum constant x.y.Verb.LINK", "A", "ours", true},
	{"Server.ClientProxy.InternalError", "Reading SOAP from request timed out", "C", "network", false},
	{"Server.ClientProxy.InternalError", "Invalid answer of the other server for Id 5", "C", "network", false},
	{"Server.ClientProxy.InternalError", "'quoted", "C", "network", false},
	{"Server.ClientProxy.InternalError", "", "C", "network", false},
	{"Server.ServerProxy.InternalError", "Invalid Client Id", "C", "network", false},
	{"Server.ClientProxy.InvalidClientIdentifier", "", "A", "ours", true},
	{"Server.ClientProxy.UnknownMember", "Client 'SUBSYSTEM:EE/GOV/1/a' not found", "A", "ours", true},
	{"Server.ClientProxy.UnknownMember", "Could not find addresses for service provider", "A", "ours", true},
	{"Server.ServerProxy.UnknownMember", "", "C", "network", false},
	{"Server.ClientProxy.SslAuthenticationFailed", "Client (SUBSYSTEM:EE/GOV/1/a) specifies HTTPS", "A", "ours", true},
	{"Server.ClientProxy.SslAuthenticationFailed", "Security server has no valid authentication certificate", "C", "network", false},
	{"Server.ClientProxy.SslAuthenticationFailed", "TLS handshake failed", "C", "network", false},
	{"Server.ServerProxy.SslAuthenticationFailed", "Client (x)", "C", "network", false},
	{"Server.ClientProxy.InvalidSecurityServer", "", "A", "ours", true},
	{"Server.ServerProxy.InvalidSecurityServer", "", "A", "ours", true},
	{"Server.ServerProxy.UnknownService", "", "A", "ours", true},
	{"Server.ServerProxy.ServiceType", "", "A", "ours", true},
	{"Server.ServerProxy.InvalidRequest", "", "A", "ours", true},
	{"Server.ServerProxy.AccessDenied", "", "B", "ours", true},
	{"Server.ServerProxy.ServiceDisabled", "", "B", "ours", true},
	{"Server.ClientProxy.AccessDenied", "", "C", "network", false},
	{"Server.ClientProxy.NetworkError", "", "C", "network", true},
	{"Server.ClientProxy.UnknownHost", "", "C", "network", true},
	{"Server.ClientProxy.IOError", "", "C", "network", false},
	{"Server.ClientProxy.HttpError", "", "C", "network", false},
	{"Server.ClientProxy.ServiceFailed.IOError", "", "C", "network", false},
	{"Server.ClientProxy.ServiceFailed.InvalidContentType", "", "C", "network", false},
	{"Server.ClientProxy.ServiceFailed.InvalidMessage", "", "C", "network", false},
	{"Server.ClientProxy.ServiceFailed.InvalidSoap", "", "C", "network", false},
	{"Server.ClientProxy.ServiceFailed.MissingBody", "", "C", "network", false},
	{"Server.ClientProxy.MaintenanceMode", "", "C", "network", false},
	{"Server.ClientProxy.OutdatedGlobalConf", "", "C", "network", false},
	{"Server.ServerProxy.OutdatedGlobalConf", "", "C", "network", false},
	{"Server.ServerProxy.MalformedGlobalConf", "", "C", "network", false},
	{"Server.ServerProxy.CannotCreateSignature.Signer.NetworkError", "", "C", "network", false},
	{"Server.ServerProxy.CannotCreateSignature.Signer.AccessDenied", "", "C", "network", false},
	{"Server.ClientProxy.SignatureVerification.InvalidClientIdentifier", "", "C", "network", false},
	{"Server.ServerProxy.LoggingFailed.InternalError", "", "C", "network", false},
	{"Server.ClientProxy.TimestampingFailed.TimestamperFailed", "", "C", "network", false},
	{"Server.ServerProxy.DatabaseError", "", "C", "network", false},
	{"Server.ClientProxy.HSMNonOperational", "", "C", "network", false},
	{"Server.ServerProxy.ServiceMissingUrl", "", "C", "network", false},
	{"Server.ServerProxy.ServiceMalformedUrl", "", "C", "network", false},
	{"Server.ServerProxy.ClientProxyVersionNotSupported", "", "C", "network", false},
	{"Server.ServerProxy.ServiceFailed.NetworkError", "", "C", "network", true},
	{"Server.ServerProxy.ServiceFailed.UnknownHost", "", "C", "network", true},
	{"Server.ServerProxy.NetworkError", "", "C", "network", true},
	{"Server.ServerProxy.ServiceFailed.IOError", "", "C", "timeout", false},
	{"Server.ServerProxy.IOError", "", "C", "timeout", false},
	{"Server.ServerProxy.ServiceFailed.HttpError", "", "C", "network", false},
	{"Server.ServerProxy.ServiceFailed.SslAuthenticationFailed", "", "C", "network", false},
	{"Server.ServerProxy.SomethingNew", "", "C", "network", false},
	{"Server.ClientProxy.SomethingNew", "", "C", "network", false},
	{"Server.ServerProxy.ServiceFailed.InvalidContentType", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.InvalidSoap", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.InvalidMessage", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.MissingHeader", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.MissingHeaderField", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.DuplicateHeaderField", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.InvalidXml", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.InvalidProtocolVersion", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.MissingBody", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.InvalidBody", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.InconsistentHeaders", "", "D", "theirs", false},
	{"Server.ServerProxy.ServiceFailed.MimeParsingFailed", "", "D", "theirs", false},
	{"Server.ClientProxy.ServiceFailed.InconsistentResponse", "", "D", "theirs", false},
	{"Server.ClientProxy.InconsistentResponse", "", "D", "theirs", false},
}

func TestErrorCodeGroups(t *testing.T) {
	for _, row := range errorCodes {
		for _, code := range []string{row.code, snake(row.code), " " + row.code + "\n"} {
			c := xroadhdr.ParseErrorCode(code)
			require.Equal(t, row.group, c.Group(row.text), "%q %q", code, row.text)
			require.Equal(t, row.kind, c.Kind(row.text), "%q %q", code, row.text)
			require.Equal(t, row.before, c.BeforeProvider(row.text), "%q %q", code, row.text)
			require.True(t, c.Is(row.code), code)
		}
	}
}

// snake respells a classic code as security servers from 7.8 do, "Server.ClientProxy" being one word each.
func snake(code string) string {
	words := strings.NewReplacer("ClientProxy.", "Clientproxy.", "ServerProxy.", "Serverproxy.", "HSM", "Hsm", "IOE", "IoE").Replace(code)
	var b strings.Builder
	for i, r := range words {
		if unicode.IsUpper(r) && i > 0 && words[i-1] != '.' {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestErrorCodeOfProvider(t *testing.T) {
	for _, code := range []string{"", " ", "Client", "Server", "soap:Client", "SOAP-ENV:Server", "soap:Server.ServerProxy.AccessDenied", "Server.Busy", "Server.ClientProxy", "Clients.InvalidSoap", "order not found", "401"} {
		c := xroadhdr.ParseErrorCode(code)
		require.Equal(t, xroadhdr.ErrorCode{Raw: code}, c, code)
		require.Equal(t, xroadhdr.GroupProvider, c.Group(""), code)
		require.Equal(t, xroadhdr.Theirs, c.Kind(""), code)
		require.False(t, c.BeforeProvider(""), code)
		require.False(t, c.Is(code), code)
		require.Equal(t, "provider", c.String(), code)
	}
}

// The pairs of §5.3 and rows 70 and 72 that tidying alone does not make equal.
func TestErrorCodeSpellings(t *testing.T) {
	for _, row := range []struct{ snake, classic string }{
		{"server.serverproxy.access_denied", "Server.ServerProxy.AccessDenied"},
		{"server.clientproxy.global_conf_outdated", "Server.ClientProxy.OutdatedGlobalConf"},
		{"server.clientproxy.unknown_host", "Server.ClientProxy.NetworkError"},
		{"server.serverproxy.service_failed.unknown_host", "Server.ServerProxy.ServiceFailed.NetworkError"},
		{"server.serverproxy.service_failed.http_error", "Server.ServerProxy.ServiceFailed.HttpError"},
		{"client.invalid_soap", "Client.InvalidSoap"},
	} {
		c := xroadhdr.ParseErrorCode(row.snake)
		require.True(t, c.Is(row.classic), row.snake)
		require.Equal(t, xroadhdr.ParseErrorCode(row.classic).String(), c.String())
	}
	c := xroadhdr.ParseErrorCode("Server.ServerProxy.ServiceFailed.HttpError")
	for _, other := range []string{"Server.ServerProxy.HttpError", "Server.ClientProxy.ServiceFailed.HttpError", "Server.ServerProxy.ServiceFailed.IOError", "soap:Server"} {
		require.False(t, c.Is(other), other)
	}
}
