package order

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// fixedReply answers every request with one HTTP answer.
type fixedReply struct {
	status            int
	contentType, body string
}

func (f fixedReply) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: f.status, Header: http.Header{"Content-Type": {f.contentType}}, Body: io.NopCloser(strings.NewReader(f.body)), Request: r}, nil
}

// sent is what a call of EMTA comes to when the security server answers so: read as every answer is.
func sent(t testing.TB, f fixedReply) error {
	t.Helper()
	sender, err := soap.NewSender(soap.SenderOptions{URL: "http://security-server.example/", Transport: f})
	require.NoError(t, err)
	emta := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"}
	client := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}
	_, err = sender.Send(context.Background(), soap.Call{
		Header:   xroadhdr.Header{Client: client, Service: emta.Service("cpgOrderCancel", "v1"), ProtocolVersion: xroadhdr.ProtocolVersion},
		Body:     idWrapper("cpgOrderCancelRequest", "emta-12"),
		Response: xml.Name{Space: namespaceCPG, Local: "cpgOrderCancelResponse"},
	})
	return err
}

// faulted is a fault with HTTP status 200, as a security server passes every fault on.
func faulted(t testing.TB, code, text, detail string) error {
	t.Helper()
	return sent(t, faultReply(200, code, text, detail))
}

func faultReply(status int, code, text, detail string) fixedReply {
	return fixedReply{status, "text/xml; charset=UTF-8", `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>` + code +
		`</faultcode><faultstring>` + text + `</faultstring>` + detail + `</s:Fault></s:Body></s:Envelope>`}
}

// snakeCase respells a classic code as security servers from 7.8 do (X-Road §5.3).
func snakeCase(code string) string {
	var b strings.Builder
	for i, r := range strings.NewReplacer("ClientProxy", "clientproxy", "ServerProxy", "serverproxy", "IOError", "IoError", "OutdatedGlobalConf", "GlobalConfOutdated").Replace(code) {
		if r >= 'A' && r <= 'Z' {
			if i > 0 && b.String()[b.Len()-1] != '.' {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// EMTA §4, end: every form in which EMTA can refuse, as one typed error. own says that EMTA itself spoke.
func TestRefusalForms(t *testing.T) {
	names := []struct {
		operation          string
		estonian, english  string
		number             int
		listed             map[string]int
		numbers            []int
		nameInsteadOfError bool
	}{
		{"init", "MakseviisiPuuduvadVõiPiiratud", "noMethods", 400, initNames, initNumbers, true},
		{"init", "Autentimata", "Unauthorized", 401, initNames, initNumbers, true},
		{"init", "Keelatud", "Forbidden", 403, initNames, initNumbers, true},
		{"cancel", "Autentimata", "Unauthorized", 401, cancelNames, cancelNumbers, true},
		{"cancel", "Keelatud", "Forbidden", 403, cancelNames, cancelNumbers, true},
		{"cancel", "TelimuseIdPuudub", "NotFound", 404, cancelNames, cancelNumbers, true},
		{"cancel", "TyhistamineKeelatud", "CancellingNotAllowed", 409, cancelNames, cancelNumbers, true},
		{"init", "Viga", "Error", 0, initNames, initNumbers, false},
		{"cancel", "Viga", "Error", 0, cancelNames, cancelNumbers, false},
	}
	for _, n := range names {
		for _, word := range []string{n.estonian, n.english} {
			for form, err := range map[string]error{
				"code":                    faulted(t, word, "", ""),
				"code in the envelope's":  faulted(t, "s:Server."+word, "no", ""),
				"qualified code":          faulted(t, "cpg:"+word, "no", ""),
				"text":                    faulted(t, "s:Server", word, ""),
				"text with blanks":        faulted(t, "s:Server", "\n  "+word+"\n", ""),
				"detail":                  faulted(t, "s:Server", "no", "<detail><error><name>"+word+"</name><message>m</message></error></detail>"),
				"detail's own text":       faulted(t, "s:Server", "no", "<detail>"+word+"</detail>"),
				"element in detail":       faulted(t, "s:Server", "no", `<detail><c:`+word+` xmlns:c="urn:x"/></detail>`),
				"with HTTP 500":           sent(t, faultReply(500, "s:Server", word, "")),
				"with its status as well": sent(t, faultReply(max(n.number, 400), "s:Server", word, "")),
			} {
				if !n.nameInsteadOfError && form == "code in the envelope's" {
					continue // the default's words are ordinary ones
				}
				t.Run(n.operation+" "+word+" as "+form, func(t *testing.T) {
					r := refusalOf(err, n.listed, n.numbers)
					require.NotNil(t, r)
					require.True(t, r.Own)
					require.Equal(t, n.english, r.Name)
					if n.number != 0 {
						require.Equal(t, n.number, r.Number)
					}
				})
			}
		}
		if n.number == 0 {
			continue
		}
		for form, err := range map[string]error{
			"code":              faulted(t, fmt.Sprint(n.number), "no", ""),
			"dotted code":       faulted(t, fmt.Sprintf("s:Server.%d", n.number), "no", ""),
			"qualified code":    faulted(t, fmt.Sprintf("cpg:%d", n.number), "no", ""),
			"text":              faulted(t, "s:Server", fmt.Sprint(n.number), ""),
			"head of the text":  faulted(t, "s:Server", fmt.Sprintf("%d: no", n.number), ""),
			"named in the text": faulted(t, "s:Server", fmt.Sprintf("Request failed with status %d.", n.number), ""),
			"error in the text": faulted(t, "s:Server", fmt.Sprintf("error=%d", n.number), ""),
			"viga in the text":  faulted(t, "s:Server", fmt.Sprintf("Viga %d, ei saa", n.number), ""),
			"detail's code":     faulted(t, "s:Server", "no", fmt.Sprintf("<detail><error><code>%d</code></error></detail>", n.number)),
			"detail's status":   faulted(t, "s:Server", "no", fmt.Sprintf("<detail><httpStatus> %d </httpStatus></detail>", n.number)),
			"detail's own text": faulted(t, "s:Server", "no", fmt.Sprintf("<detail>%d</detail>", n.number)),
			"beside a default":  faulted(t, "s:Server", "Viga", fmt.Sprintf("<detail><code>%d</code></detail>", n.number)),
			"behind a default":  faulted(t, fmt.Sprint(n.number), "Error", ""),
		} {
			t.Run(fmt.Sprintf("%s %d as %s", n.operation, n.number, form), func(t *testing.T) {
				r := refusalOf(err, n.listed, n.numbers)
				require.NotNil(t, r)
				require.True(t, r.Own)
				require.Equal(t, n.number, r.Number)
			})
		}
		for _, code := range []string{httpError, snakeCase(httpError)} {
			t.Run(fmt.Sprintf("%s %d as %s", n.operation, n.number, code), func(t *testing.T) {
				r := refusalOf(faulted(t, code, fmt.Sprintf("Server responded with error %d: %s", n.number, http.StatusText(n.number)), ""), n.listed, n.numbers)
				require.NotNil(t, r)
				require.False(t, r.Own, "a security server tells of it")
				require.Equal(t, n.number, r.Number)
				require.Equal(t, code, r.Code)
			})
		}
		t.Run(fmt.Sprintf("%s %d as HTTP status", n.operation, n.number), func(t *testing.T) {
			r := refusalOf(sent(t, fixedReply{n.number, "text/plain", "no"}), n.listed, n.numbers)
			require.NotNil(t, r)
			require.False(t, r.Own)
			require.Equal(t, n.number, r.Number)
		})
		if n.number == http.StatusNotFound {
			continue // as a status it may be a wrong address, even with a fault beside it
		}
		t.Run(fmt.Sprintf("%s %d as HTTP status beside a fault that does not say", n.operation, n.number), func(t *testing.T) {
			r := refusalOf(sent(t, faultReply(n.number, "s:Server", "no", "")), n.listed, n.numbers)
			require.NotNil(t, r)
			require.Equal(t, n.number, r.Number)
		})
	}
}

// What only looks like one of EMTA's errors: neither a name nor a number is read from it.
func TestRefusalWithoutNameOrNumber(t *testing.T) {
	for _, row := range []struct{ code, text, detail string }{
		{"s:Server", "Error while reading the order", ""},
		{"s:Server", "An Error", ""},
		{"s:Server", "Database: Error", ""},
		{"s:Server", "Esines Viga süsteemis", ""},
		{"s:Server", "Errors", ""},
		{"s:Server", "ERROR", ""},
		{"s:Server", "NotFoundException", ""},
		{"s:Server", "Unauthorizedly", ""},
		{"s:Server", "Order not found with id: 409", ""},
		{"s:Server", "Order 409 is busy", ""},
		{"s:Server", "Order 204-55aa cannot be read", ""},
		{"s:Server", "204-8738-4495", ""},
		{"s:Server", "404.20", ""},
		{"s:Server", "4091", ""},
		{"s:Server", "14090", ""},
		{"s:Server", "no", "<detail><orderId>204-8738-4495</orderId></detail>"},
		{"s:Server", "no", "<detail><orderId>409</orderId></detail>"},
		{"s:Server", "no", "<detail><Stamp>400</Stamp></detail>"},
		{"s:Server", "no", "<detail><Order><Amount>400.00</Amount></Order></detail>"},
		{"s:Server", "no", "<detail><Order><Amount>400</Amount></Order></detail>"},
		{"s:Server", "no", "<detail><Order><Amount>401,50</Amount></Order></detail>"},
		{"s:Server", "no", "<detail><line>403</line></detail>"},
		{"s:Server", "no", "<detail><Error><message>timeout of the database</message></Error></detail>"},
		{"s:Server", "no", "<detail><Viga>andmebaas</Viga></detail>"},
		{"s:Server", "no", "<detail><message>row 409</message></detail>"},
		{"s:Server", "Server responded with error 500: 409", ""},
		{"s:Server", "status 4090", ""},
		{"s:Server.1409", "no", ""},
		{"s:Server", "no", ""},
		{"s:Server", "", ""},
	} {
		err := faulted(t, row.code, row.text, row.detail)
		for operation, r := range map[string]*Refusal{"init": refusalOf(err, initNames, initNumbers), "cancel": refusalOf(err, cancelNames, cancelNumbers)} {
			require.NotNil(t, r, "%s %+v", operation, row)
			require.True(t, r.Own)
			require.Empty(t, r.Name, "%s %+v", operation, row)
			require.Zero(t, r.Number, "%s %+v", operation, row)
		}
		require.False(t, provesNothingCreated(err), "%+v", row)
		require.Equal(t, cancelFailed, cancelOutcomeOf(err), "%+v", row)
		require.False(t, unknownToEMTA(err), "%+v", row)
	}
}

// A name or number of one operation is none of another's: nothing follows from it.
func TestRefusalOfAnotherOperation(t *testing.T) {
	for _, word := range []string{"TelimuseIdPuudub", "NotFound", "TyhistamineKeelatud", "CancellingNotAllowed", "404", "409", "204"} {
		require.False(t, provesNothingCreated(faulted(t, "s:Server", word, "")), word)
	}
	require.Equal(t, cancelFailed, cancelOutcomeOf(faulted(t, "s:Server", "noMethods", "")))
}

// EMTA §4, 4: what proves that a cpgOrderInit made no order. X-Road's codes come in both spellings.
func TestProvesNothingCreated(t *testing.T) {
	for _, row := range []struct {
		code, text string
		want       bool
	}{
		// A: our bug or configuration
		{"Client.InvalidSoap", "", true},
		{"Client.MissingHeaderField", "", true},
		{"Client.DuplicateHeaderField", "", true},
		{"Client.InvalidProtocolVersion", "", true},
		{"Client.InconsistentHeaders", "", true},
		{"Client.InternalError", "", true},
		{"Server.ClientProxy.UnknownMember", "Client 'SUBSYSTEM:ee-dev/GOV/70000310/at' not found", true},
		{"Server.ClientProxy.UnknownMember", "Could not find addresses for service provider", true},
		{"Server.ClientProxy.SslAuthenticationFailed", "Client (SUBSYSTEM:ee-dev/GOV/70000310/at) specifies HTTPS but did not supply a certificate", true},
		{"Server.ClientProxy.InvalidSecurityServer", "", true},
		{"Server.ServerProxy.InvalidSecurityServer", "", true},
		{"Server.ServerProxy.UnknownService", "", true},
		{"Server.ServerProxy.ServiceType", "", true},
		{"Server.ServerProxy.InvalidRequest", "", true},
		// B: access denied
		{"Server.ServerProxy.AccessDenied", "", true},
		{"Server.ServerProxy.ServiceDisabled", "", true},
		// no connection was made
		{"Server.ClientProxy.NetworkError", "", true},
		{"Server.ClientProxy.UnknownHost", "", true},
		{"Server.ServerProxy.ServiceFailed.NetworkError", "", true},
		{"Server.ServerProxy.ServiceFailed.UnknownHost", "", true},
		// an HttpError of the Init list
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 400: Bad Request", true},
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 401: Unauthorized", true},
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 403: Forbidden", true},
		// C: infrastructure
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 404: Not Found", false},
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 500: Internal Server Error", false},
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 502: Bad Gateway", false},
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 204: No Content", false},
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 409: Conflict", false},
		{"Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 500: code 400", false},
		{"Server.ServerProxy.ServiceFailed.HttpError", "", false},
		{"Server.ServerProxy.ServiceFailed.IOError", "", false},
		{"Server.ServerProxy.ServiceFailed.IOError", "Server responded with error 400", false},
		{"Server.ServerProxy.ServiceFailed.SslAuthenticationFailed", "", false},
		{"Server.ClientProxy.IOError", "", false},
		{"Server.ClientProxy.HttpError", "Server responded with error 400", false},
		{"Server.ClientProxy.ServiceFailed.IOError", "", false},
		{"Server.ClientProxy.ServiceFailed.InvalidSoap", "", false},
		{"Server.ClientProxy.MaintenanceMode", "", false},
		{"Server.ClientProxy.OutdatedGlobalConf", "", false},
		{"Server.ServerProxy.OutdatedGlobalConf", "", false},
		{"Server.ClientProxy.SslAuthenticationFailed", "Security server has no valid authentication certificate", false},
		{"Server.ServerProxy.CannotCreateSignature.Signer.NetworkError", "", false},
		{"Server.ServerProxy.LoggingFailed.InternalError", "", false},
		{"Server.ServerProxy.DatabaseError", "", false},
		{"Server.ServerProxy.InternalError", "", false},
		{"Server.ClientProxy.InternalError", "", false},
		{"Server.ServerProxy.UnknownMember", "", false},
		{"Server.ServerProxy.ServiceMissingUrl", "", false},
		// D: the provider's answer is malformed, so there was one
		{"Server.ServerProxy.ServiceFailed.InvalidContentType", "", false},
		{"Server.ServerProxy.ServiceFailed.InvalidSoap", "", false},
		{"Server.ServerProxy.ServiceFailed.MissingHeader", "", false},
		{"Server.ServerProxy.ServiceFailed.MissingHeaderField", "", false},
		{"Server.ServerProxy.ServiceFailed.InconsistentHeaders", "", false},
		{"Server.ServerProxy.ServiceFailed.MissingBody", "", false},
		{"Server.ClientProxy.InconsistentResponse", "", false},
		{"Server.ClientProxy.ServiceFailed.InconsistentResponse", "", false},
		// codes that nobody lists
		{"Server.ServerProxy.SomethingNew", "", false},
		{"Server.ClientProxy.SomethingNew", "", false},
		{"Client.SomethingNew", "", false},
	} {
		for _, code := range []string{row.code, snakeCase(row.code)} {
			require.Equal(t, row.want, provesNothingCreated(faulted(t, code, row.text, "")), "%s %q", code, row.text)
		}
	}
	// E: EMTA's own
	for _, row := range []struct {
		code, text, detail string
		want               bool
	}{
		{"s:Server", "noMethods", "", true},
		{"s:Client", "MakseviisiPuuduvadVõiPiiratud", "", true},
		{"s:Server", "Unauthorized: who are you", "", true},
		{"s:Server", "Forbidden", "", true},
		{"s:Server", "Error", "", true},
		{"Viga", "midagi", "", true},
		{"s:Server", "no", "<detail><code>400</code></detail>", true},
		{"s:Server", "401", "", true},
		{"s:Server", "500", "", false},
		{"s:Server", "Internal error", "", false},
		{"s:Client", "Invalid request", "", false},
		{"s:Server", "no", "", false},
		{"Client", "no", "", false},
	} {
		require.Equal(t, row.want, provesNothingCreated(faulted(t, row.code, row.text, row.detail)), "%+v", row)
	}
}

// Failures without a fault.
func TestProvesNothingCreatedByFailure(t *testing.T) {
	for _, row := range []struct {
		failure soap.Failure
		status  int
		want    bool
	}{
		{soap.FailedRequest, 0, true},
		{soap.FailedConnection, 0, true},
		{soap.FailedBroken, 0, false},
		{soap.FailedTimeout, 0, false},
		{soap.FailedAnswer, 200, false},
		{soap.FailedAnswer, 400, false},
		{soap.FailedMismatch, 200, false},
		{soap.FailedHTTP, 400, true},
		{soap.FailedHTTP, 401, true},
		{soap.FailedHTTP, 403, true},
		{soap.FailedHTTP, 200, false},
		{soap.FailedHTTP, 204, false},
		{soap.FailedHTTP, 404, false},
		{soap.FailedHTTP, 500, false},
		{soap.FailedHTTP, 502, false},
		{soap.FailedHTTP, 503, false},
	} {
		err := &soap.CallError{Failure: row.failure, HTTPStatus: row.status, Err: errors.New("cause")}
		require.Equal(t, row.want, provesNothingCreated(fmt.Errorf("wrapped: %w", err)), "%s %d", row.failure, row.status)
	}
	require.False(t, provesNothingCreated(errors.New("anything else")))
	require.False(t, provesNothingCreated(errUnreadable))
	require.False(t, provesNothingCreated(nil))
}

// EMTA §4, 1 and end: what an answer to cpgOrderCancel means.
func TestCancelOutcome(t *testing.T) {
	status := func(n int, body string) error { return sent(t, fixedReply{n, "text/plain", body}) }
	responded := func(code string, n int) error {
		return faulted(t, code, fmt.Sprintf("Server responded with error %d: %s", n, http.StatusText(n)), "")
	}
	for _, row := range []struct {
		name string
		err  error
		want cancelOutcome
	}{
		{"empty answer", nil, cancelDone},
		{"204", status(204, ""), cancelDone},
		{"204 with a body", status(204, "x"), cancelFailed},
		{"204 by the security server", responded(httpError, 204), cancelDone},
		{"204 by a new security server", responded(snakeCase(httpError), 204), cancelDone},
		{"204 in EMTA's fault", faulted(t, "s:Server", "204", ""), cancelDone},
		{"204 in EMTA's detail", faulted(t, "s:Server", "no", "<detail><code>204</code></detail>"), cancelDone},
		{"204 by another code", responded("Server.ServerProxy.ServiceFailed.IOError", 204), cancelFailed},
		{"204 by our own security server", responded("Server.ClientProxy.HttpError", 204), cancelFailed},
		{"204 in an id", faulted(t, "s:Server", "no", "<detail><id>204</id></detail>"), cancelFailed},
		{"409", status(409, "x"), cancelNotAllowed},
		{"409 by the security server", responded(httpError, 409), cancelNotAllowed},
		{"409 by a new security server", responded(snakeCase(httpError), 409), cancelNotAllowed},
		{"409 in EMTA's fault", faulted(t, "409", "no", ""), cancelNotAllowed},
		{"TyhistamineKeelatud", faulted(t, "TyhistamineKeelatud", "no", ""), cancelNotAllowed},
		{"CancellingNotAllowed", faulted(t, "s:Server", "CancellingNotAllowed", ""), cancelNotAllowed},
		{"404 is never a success", status(404, ""), cancelFailed},
		{"404 by the security server neither", responded(httpError, 404), cancelFailed},
		{"404 by a new security server neither", responded(snakeCase(httpError), 404), cancelFailed},
		{"404 beside a fault that does not say neither", sent(t, faultReply(404, "s:Server", "no", "")), cancelFailed},
		{"TelimuseIdPuudub", faulted(t, "s:Server", "TelimuseIdPuudub", ""), cancelUnknownID},
		{"NotFound", faulted(t, "s:Server", "no", "<detail><NotFound/></detail>"), cancelUnknownID},
		{"404 in EMTA's fault", faulted(t, "s:Server", "404", ""), cancelUnknownID},
		{"400", status(400, ""), cancelFailed},
		{"401", faulted(t, "s:Server", "Unauthorized", ""), cancelFailed},
		{"403", responded(httpError, 403), cancelFailed},
		{"default", faulted(t, "s:Server", "Viga", ""), cancelFailed},
		{"500", status(500, ""), cancelFailed},
		{"200 of something in between", status(200, "<html>204</html>"), cancelFailed},
		{"access denied", faulted(t, "Server.ServerProxy.AccessDenied", "", ""), cancelFailed},
		{"timeout", &soap.CallError{Failure: soap.FailedTimeout, Err: context.DeadlineExceeded}, cancelFailed},
		{"lost connection", &soap.CallError{Failure: soap.FailedBroken, Err: io.EOF}, cancelFailed},
		{"no connection", &soap.CallError{Failure: soap.FailedConnection, Err: io.EOF}, cancelFailed},
		{"mismatch", &soap.CallError{Failure: soap.FailedMismatch, Err: io.EOF}, cancelFailed},
	} {
		require.Equal(t, row.want, cancelOutcomeOf(row.err), "%s: %v", row.name, row.err)
		require.Equal(t, row.want == cancelUnknownID, unknownToEMTA(row.err), row.name)
	}
}

// What is kept of a failure says what happened, without our internals (AT-CC-008).
func TestFaultText(t *testing.T) {
	for _, row := range []struct {
		err  error
		want string
	}{
		{faulted(t, "s:Server", "no such order", ""), "Server: no such order"},
		{faulted(t, "Server.ServerProxy.AccessDenied", "denied", ""), "Server.ServerProxy.AccessDenied: denied"},
		{&soap.CallError{Failure: soap.FailedTimeout, Err: context.DeadlineExceeded}, "timeout"},
		{fmt.Errorf("call: %w", &soap.CallError{Failure: soap.FailedTimeout}), "timeout"},
		{&soap.CallError{Failure: soap.FailedConnection, Err: errors.New("dial tcp 10.0.0.7:8080")}, "connection: connection"},
		{&soap.CallError{Failure: soap.FailedBroken, Err: io.EOF}, "connection: broken"},
		{errUnreadable, errUnreadable.Error()},
	} {
		require.Equal(t, row.want, faultText(row.err))
	}
}
