package simulator_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

func TestRefusesBadMessages(t *testing.T) {
	base := initRequest(t, "1")
	change := func(pairs ...string) string {
		out := base
		for i := 0; i < len(pairs); i += 2 {
			next := strings.Replace(out, pairs[i], pairs[i+1], 1)
			require.NotEqual(t, out, next, "%q is not in the sample", pairs[i])
			out = next
		}
		return out
	}
	between := func(from, to string) string {
		i := strings.Index(base, from)
		return base[i : i+strings.Index(base[i:], to)+len(to)]
	}
	header := between("<soapenv:Header>", "</soapenv:Header>")
	body := between("<soapenv:Body>", "</soapenv:Body>")
	client := between("<xro:client", "</xro:client>")
	order := between("<cpg:cpgOrderInitRequest>", "</cpg:cpgOrderInitRequest>")
	doctype := strings.Replace(base, `<?xml version="1.0"?>`, `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "e">]>`, 1)

	for _, tt := range []struct{ name, message, code, snake string }{
		{"empty", "", "Client.InvalidSoap", "client.invalid_soap"},
		{"truncated", base[:len(base)/2], "Client.InvalidSoap", "client.invalid_soap"},
		{"undeclared prefix", change(` xmlns:cpg="http://cpg-v6.x-road.eu"`, ""), "Client.InvalidSoap", "client.invalid_soap"},
		{"attribute twice", change(`iden:objectType="SERVICE"`, `iden:objectType="SERVICE" iden:objectType="SERVICE"`), "Client.InvalidSoap", "client.invalid_soap"},
		{"two roots", base + "<a/>", "Client.InvalidSoap", "client.invalid_soap"},
		{"text after the root", base + "a", "Client.InvalidSoap", "client.invalid_soap"},
		{"doctype", doctype, "Client.InvalidSoap", "client.invalid_soap"},
		{"SOAP 1.2", change("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), "Client.InvalidSoap", "client.invalid_soap"},
		{"nested too deep", strings.Repeat("<a>", 500) + strings.Repeat("</a>", 500), "Client.InvalidSoap", "client.invalid_soap"},
		{"objectType missing", change(` iden:objectType="SERVICE"`, ""), "Client.InvalidXml", "client.invalid_xml"},
		{"objectType unqualified", change(`iden:objectType="SERVICE"`, `objectType="SERVICE"`), "Client.InvalidXml", "client.invalid_xml"},
		{"objectType of another kind", change(`iden:objectType="SUBSYSTEM"`, `iden:objectType="SERVER"`), "Client.InvalidXml", "client.invalid_xml"},
		{"two clients", change(client, client+client), "Client.DuplicateHeaderField", "client.duplicate_header_field"},
		{"two member codes", change("<iden:memberCode>12345678</iden:memberCode>", "<iden:memberCode>1</iden:memberCode><iden:memberCode>2</iden:memberCode>"), "Client.DuplicateHeaderField", "client.duplicate_header_field"},
		{"protocol 3.5", change(">4.0<", ">3.5<"), "Client.InvalidProtocolVersion", "client.invalid_protocol_version"},
		{"protocol with a blank", change(">4.0<", "> 4.0<"), "Client.InvalidProtocolVersion", "client.invalid_protocol_version"},
		{"blank member code", change("12345678", "  "), "Client.InternalError", "client.internal_error"},
		{"missing member code", change("<iden:memberCode>12345678</iden:memberCode>", ""), "Client.InternalError", "client.internal_error"},
		{"parts in the wrong namespace", change("<iden:memberCode>12345678</iden:memberCode>", "<xro:memberCode>12345678</xro:memberCode>"), "Client.InternalError", "client.internal_error"},
		{"empty Body", change(order, "text"), "Client.InvalidBody", "client.invalid_body"},
		{"two in the Body", change(order, order+"<a/>"), "Client.InvalidBody", "client.invalid_body"},
		{"no Header", change(header, ""), "Client.MissingHeader", "client.missing_header"},
		{"no protocolVersion", change("<xro:protocolVersion>4.0</xro:protocolVersion>", "", client, ""), "Client.MissingHeaderField", "client.missing_header_field"},
		{"no id", change("<xro:id>?</xro:id>", ""), "Client.MissingHeaderField", "client.missing_header_field"},
		{"fields of version 5", change("http://x-road.eu/xsd/xroad.xsd", "http://x-road.eu/xsd/x-road.xsd"), "Client.MissingHeaderField", "client.missing_header_field"},
		{"no Body", change(body, ""), "Client.MissingBody", "client.missing_body"},
		{"wrapper of another service", change(">cpgOrderInit<", ">cpgOrderGet<"), "Client.InconsistentHeaders", "client.inconsistent_headers"},
		{"wrapper in another case", change(">cpgOrderInit<", ">CpgOrderInit<"), "Client.InconsistentHeaders", "client.inconsistent_headers"},
		{"a fault", change(order, "<soapenv:Fault><faultcode>soapenv:MyFault</faultcode><faultstring>x</faultstring></soapenv:Fault>"), "Client.soapenv:MyFault", "client.soapenv:myfault"},
		{"EMTA's own cancel sample has no id", golden(t, "cpgOrderCancelRequest.xml"), "Client.MissingHeaderField", "client.missing_header_field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{})
			doc := b.call(t, tt.message)
			require.Equal(t, tt.code, at(doc, "Fault/faultcode"), at(doc, "Fault/faultstring"))
			require.NotNil(t, doc.FindElement("//Fault/faultactor"))
			require.Empty(t, at(doc, "Fault/faultactor"))
			require.Equal(t, "00000000-0000-4000-8000-000000000001", at(doc, "Fault/detail/faultDetail"))
			require.Nil(t, doc.FindElement("//Header"))
			b.server.SetSpelling(simulator.SnakeCase)
			require.Equal(t, tt.snake, at(b.call(t, tt.message), "Fault/faultcode"))
			require.Empty(t, b.emta.Calls(), "nothing may reach EMTA")
		})
	}
}

func TestMissingFieldsAreNamedInOrder(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	message := strings.NewReplacer("<xro:id>?</xro:id>", "", "<xro:protocolVersion>4.0</xro:protocolVersion>", "").Replace(initRequest(t, "1"))
	require.Contains(t, at(b.call(t, message), "Fault/faultstring"), "protocolVersion")
}

func TestRefusesBadHTTP(t *testing.T) {
	soapPart := "--b\r\nContent-Type: text/xml; charset=UTF-8\r\n\r\n" + initRequest(t, "1") + "\r\n--b--\r\n"
	for _, tt := range []struct{ name, method, contentType, action, body, code string }{
		{"GET", "GET", "text/xml", "", "", "Client.InvalidHttpMethod"},
		{"SOAPAction without quotes", "POST", "text/xml", "urn:x", initRequest(t, "1"), "Client.InvalidSoapAction"},
		{"no content type", "POST", "", "", initRequest(t, "1"), "Client.InvalidRequest"},
		{"SOAP 1.2's content type", "POST", "application/soap+xml", "", initRequest(t, "1"), "Client.InvalidContentType"},
		{"unreadable content type", "POST", "/;", "", initRequest(t, "1"), "Client.InvalidContentType"},
		{"no boundary in the body", "POST", "multipart/related; boundary=b", "", "nothing", "Client.MissingSoap"},
		{"no parts", "POST", "multipart/related; boundary=b", "", "--b--\r\n", "Client.MissingSoap"},
		{"broken multipart", "POST", "multipart/related; boundary=b", "", "--b\r\nContent-Type text/xml\r\n\r\n", "Client.MimeParsingFailed"},
		{"part without type", "POST", "multipart/related; boundary=b", "", "--b\r\n\r\n<a/>\r\n--b--\r\n", "Client.InvalidContentType"},
		{"multipart is fine", "POST", "multipart/related; boundary=b", "", soapPart, ""},
		{"quoted action, odd case of type", "POST", `Text/XML;charset="utf-8"`, `"urn:x"`, initRequest(t, "1"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{})
			req := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			req.Header.Set("Content-Type", tt.contentType)
			if tt.contentType == "" {
				req.Header.Del("Content-Type")
			}
			if tt.action != "" {
				req.Header.Set("SOAPAction", tt.action)
			}
			status, _, body, err := send(b.server, req)
			require.NoError(t, err)
			require.Equal(t, 200, status)
			if tt.contentType == "multipart/related; boundary=b" && tt.code == "" {
				// Forwarded whole; EMTA cannot read attachments, which is EMTA's fault and not the security server's.
				require.Equal(t, "SOAP-ENV:Client", at(parse(t, body), "Fault/faultcode"))
				return
			}
			require.Equal(t, tt.code, at(parse(t, body), "Fault/faultcode"))
		})
	}
}

func TestRefusesWithoutRights(t *testing.T) {
	message := initRequest(t, "1")
	for _, tt := range []struct {
		name, old, new string
		change         func(b *bench)
		code, snake    string
	}{
		{"unknown client", "12345678", "87654321", nil, "Server.ClientProxy.UnknownMember", "server.clientproxy.unknown_member"},
		{"unknown provider", "70000349", "70000000", nil, "Server.ClientProxy.UnknownMember", "server.clientproxy.unknown_member"},
		{"unknown version", ">v1<", ">v2<", nil, "Server.ServerProxy.UnknownService", "server.serverproxy.unknown_service"},
		{"no right", "", "", func(b *bench) { b.server.Deny(shop, gateway, "cpgOrderInit") }, "Server.ServerProxy.AccessDenied", "server.serverproxy.access_denied"},
		{"disabled", "", "", func(b *bench) {
			b.server.Offer(simulator.Service{ID: service(gateway, "cpgOrderInit"), Disabled: "back at noon"})
		}, "Server.ServerProxy.ServiceDisabled", "server.serverproxy.service_disabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{})
			if tt.change != nil {
				tt.change(b)
			}
			request := strings.Replace(message, tt.old, tt.new, 1)
			require.Equal(t, tt.code, at(b.call(t, request), "Fault/faultcode"))
			b.server.SetSpelling(simulator.SnakeCase)
			require.Equal(t, tt.snake, at(b.call(t, request), "Fault/faultcode"))
			require.Empty(t, b.emta.Orders())
		})
	}
}

// provider answers every request with the same bytes.
func provider(status int, contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		if contentType == "" {
			w.Header()["Content-Type"] = nil
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

func TestChecksTheProvidersAnswer(t *testing.T) {
	right := strings.Replace(golden(t, "cpgOrderInitResponse.xml"), `iden:objectType="?"`, `iden:objectType="SUBSYSTEM"`, 1)
	with := func(old, new string) string {
		out := strings.Replace(right, old, new, 1)
		require.NotEqual(t, right, out)
		return out
	}
	const sf = "Server.ServerProxy.ServiceFailed."
	inconsistent := "Server.ClientProxy.ServiceFailed.InconsistentResponse"
	for _, tt := range []struct {
		name        string
		status      int
		contentType string
		body        string
		code        string
	}{
		{"right", 200, "text/xml", right, ""},
		{"right with 500", 500, "text/xml", right, ""},
		{"204", 204, "text/xml", "", sf + "HttpError"},
		{"404", 404, "text/xml", right, sf + "HttpError"},
		{"502", 502, "text/html", "<html/>", sf + "HttpError"},
		{"HTML with 500", 500, "text/html", "<html/>", sf + "InvalidContentType"},
		{"no content type", 200, "", right, sf + "InvalidContentType"},
		{"SOAP 1.2", 200, "application/soap+xml", right, sf + "InvalidContentType"},
		{"empty", 500, "text/xml", "", sf + "InvalidSoap"},
		{"sample's objectType ?", 200, "text/xml", golden(t, "cpgOrderInitResponse.xml"), sf + "InvalidXml"},
		{"sample without id", 200, "text/xml", golden(t, "cpgOrderCancelResponse.xml"), sf + "MissingHeaderField"},
		{"a request as answer", 200, "text/xml", initRequest(t, "1"), sf + "InvalidMessage"},
		{"another wrapper", 200, "text/xml", strings.ReplaceAll(right, "cpgOrderInitResponse", "orderResponse"), sf + "InconsistentHeaders"},
		{"another id", 200, "text/xml", with("<xro:id>?</xro:id>", "<xro:id>2</xro:id>"), inconsistent},
		{"no userId", 200, "text/xml", with("<xro:userId>EE60001019906</xro:userId>", ""), inconsistent},
		{"empty issue", 200, "text/xml", with("<xro:issue>TKTPUB</xro:issue>", "<xro:issue/>"), inconsistent},
		{"another client", 200, "text/xml", with("12345678", "12345679"), inconsistent},
		{"another version", 200, "text/xml", with(">v1<", ">v2<"), inconsistent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{})
			b.server.Offer(simulator.Service{ID: service(gateway, "cpgOrderInit"), URL: "http://x.example",
				Transport: simulator.InProcess(provider(tt.status, tt.contentType, []byte(tt.body)))})
			doc := b.call(t, initRequest(t, "1"))
			require.Equal(t, tt.code, at(doc, "Fault/faultcode"), at(doc, "Fault/faultstring"))
			if tt.name == "404" {
				require.Equal(t, "Server responded with error 404: Not Found", at(doc, "Fault/faultstring"))
			}
		})
	}
}

func TestProviderFaultPassesByteForByte(t *testing.T) {
	fault := []byte("<?xml version='1.0'?><!-- own --><soap:Envelope  xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><soap:Fault><faultcode>soap:Server</faultcode><faultstring>x</faultstring></soap:Fault></soap:Body></soap:Envelope>\n")
	b := newBench(t, simulator.EMTAOptions{})
	b.server.Offer(simulator.Service{ID: service(gateway, "cpgOrderInit"), URL: "http://x.example",
		Transport: simulator.InProcess(provider(500, "text/xml", fault))})
	status, _, body, err := post(b.server, initRequest(t, "1"))
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Equal(t, string(fault), string(body))
}

func TestRequestHashFollowsID(t *testing.T) {
	answer := strings.NewReplacer(`iden:objectType="?"`, `iden:objectType="SUBSYSTEM"`,
		"<xro:id>?</xro:id>", `<own:id xmlns:own="http://x-road.eu/xsd/xroad.xsd">?</own:id>`,
		"<xro:issue>", "<?drop me?><!-- stays --><xro:requestHash algorithmId='x'>theirs</xro:requestHash><xro:issue>").Replace(golden(t, "cpgOrderInitResponse.xml"))
	b := newBench(t, simulator.EMTAOptions{})
	b.server.Offer(simulator.Service{ID: service(gateway, "cpgOrderInit"), URL: "http://x.example",
		Transport: simulator.InProcess(provider(200, "text/xml", []byte(answer)))})
	request := "\ufeff" + initRequest(t, "1")
	_, _, body, err := post(b.server, request)
	require.NoError(t, err)
	sum := sha512.Sum512([]byte(request))
	require.Contains(t, string(body), `<own:id xmlns:own="http://x-road.eu/xsd/xroad.xsd">?</own:id><own:requestHash `)
	doc := parse(t, body)
	require.Len(t, doc.FindElements("//requestHash"), 1)
	require.Equal(t, base64.StdEncoding.EncodeToString(sum[:]), at(doc, "requestHash"))
	require.Equal(t, "http://www.w3.org/2001/04/xmlenc#sha512", doc.FindElement("//requestHash").SelectAttrValue("algorithmId", ""))
	require.True(t, bytes.HasPrefix(body, []byte(`<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope`)), "%s", body)
	require.NotContains(t, string(body), "drop me")
	require.Contains(t, string(body), "<!-- stays -->")
}

func TestForwardsAsASecurityServerDoes(t *testing.T) {
	var got *http.Request
	var gotBody []byte
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		gotBody, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer backend.Close()
	b := newBench(t, simulator.EMTAOptions{})
	b.server.Offer(simulator.Service{ID: service(gateway, "cpgOrderInit"), URL: backend.URL + "/path"})
	b.call(t, initRequest(t, "1"))
	require.Equal(t, initRequest(t, "1"), string(gotBody))
	require.Equal(t, "/path", got.URL.Path)
	require.Equal(t, []string{"chunked"}, got.TransferEncoding)
	require.Equal(t, int64(-1), got.ContentLength)
	require.Equal(t, "text/xml; charset=UTF-8", got.Header.Get("Content-Type"))
	require.Equal(t, []string{""}, got.Header["Accept-Encoding"])
	require.Equal(t, []string{`""`}, got.Header["Soapaction"])
}

// failing is a backend that cannot be talked to.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestUnreachableProviders(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := closed.Addr().String()
	require.NoError(t, closed.Close())
	stuck := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for _, tt := range []struct {
		name        string
		service     simulator.Service
		code, snake string
	}{
		{"refused", simulator.Service{URL: "http://" + address}, "NetworkError", "network_error"},
		{"no such host", simulator.Service{URL: "http://x.example", Transport: failing{&net.OpError{Op: "dial", Err: &net.DNSError{}}}}, "NetworkError", "unknown_host"},
		{"times out", simulator.Service{URL: "http://x.example", Timeout: time.Millisecond, Transport: simulator.InProcess(stuck)}, "IOError", "io_error"},
		{"breaks off", simulator.Service{URL: "http://x.example", Transport: failing{errors.New("connection reset")}}, "IOError", "io_error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{})
			tt.service.ID = service(gateway, "cpgOrderInit")
			b.server.Offer(tt.service)
			require.Equal(t, "Server.ServerProxy.ServiceFailed."+tt.code, at(b.call(t, initRequest(t, "1")), "Fault/faultcode"))
			b.server.SetSpelling(simulator.SnakeCase)
			require.Equal(t, "server.serverproxy.service_failed."+tt.snake, at(b.call(t, initRequest(t, "1")), "Fault/faultcode"))
		})
	}
}

func TestActsThoughTheClientHasLeft(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	arrived := make(chan struct{})
	left := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-left
		b.emta.ServeHTTP(w, r)
	})
	b.server.Offer(simulator.Service{ID: service(gateway, "cpgOrderInit"), URL: "http://x.example", Transport: simulator.InProcess(slow)})
	finished := make(chan struct{})
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(finished)
		b.server.ServeHTTP(w, r)
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-arrived
		cancel()
	}()
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(initRequest(t, "1")))
	req.Header.Set("Content-Type", "text/xml")
	_, _, _, err := send(watched, req)
	require.ErrorIs(t, err, context.Canceled)
	close(left)
	<-finished
	require.Len(t, b.emta.ByStamp("1"), 1)
}
