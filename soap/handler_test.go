package soap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func TestHandlerAnswersEveryGoodFile(t *testing.T) {
	for name, raw := range goodFiles(t) {
		t.Run(name, func(t *testing.T) {
			request, err := soap.ParseRequest(raw, soap.Limits{})
			require.NoError(t, err)

			a := post(t, soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, notify(echo)...), string(raw))
			require.Equal(t, http.StatusOK, a.status, string(a.body))
			require.Equal(t, "text/xml; charset=UTF-8", a.fields.Get("Content-Type"))
			require.Empty(t, a.fields.Get("Content-Encoding"))
			m, err := soap.ParseAnswer(a.body, soap.Limits{})
			require.NoError(t, err, string(a.body))
			require.Equal(t, notifyResponse, xml.Name{Space: m.Body.NamespaceURI(), Local: m.Body.Tag})
			require.Equal(t, request.Body.SelectElement("id").Text(), childText(m.Body, "id"), "unqualified, whatever the default namespace")
			require.Equal(t, comparable(request.XRoad), m.XRoad, "61: equal field by field, no requestHash")
			require.Equal(t, blocks(request.Header), blocks(m.Header), "in the same sequence, foreign ones too")
			golden(t, "testdata/good/"+name+".answer.xml", a.body)

			a = post(t, soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, notify(notFound)...), string(raw))
			f, _, _ := a.fault(t)
			require.Equal(t, "Server", f.Code)
			require.Nil(t, f.Detail, "neither reason nor detail was given")
			m, err = soap.ParseAnswer(a.body, soap.Limits{})
			require.NoError(t, err)
			require.Equal(t, comparable(request.XRoad), m.XRoad)
			golden(t, "testdata/good/"+name+".fault.xml", a.body)
		})
	}
}

// blocks are the header blocks as canonical XML, requestHash left out.
func blocks(header *etree.Element) []string {
	var list []string
	for _, block := range header.ChildElements() {
		if block.Tag != "requestHash" {
			list = append(list, canonical(block))
		}
	}
	return list
}

// The numbers are those of the fact sheet's §§9.2 to 9.4.
func TestHandlerAnswersFaults(t *testing.T) {
	b := base(t)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	contentType := func(value string) func(*http.Request) { return header("Content-Type", value) }
	none := func(*http.Request) {}
	tests := []struct {
		name          string
		message       string
		edit          func(*http.Request)
		reason, field string
	}{
		{"22 empty body", "", none, soap.ReasonInvalidSOAP, "message"},
		{"24 DTD", "<!DOCTYPE a><a/>", none, soap.ReasonInvalidSOAP, "message"},
		{"26 no header", cut(t, b, "<soapenv:Header>", "</soapenv:Header>"), none, soap.ReasonMissingHeader, "Header"},
		{"30 unrelated wrapper", strings.ReplaceAll(b, ":cpgOrderNotifyRequest", ":other"), none, soap.ReasonInconsistentHeaders, "Body"},
		{"31 wrapper in another case", strings.ReplaceAll(b, ":cpgOrderNotifyRequest", ":CpgOrderNotifyRequest"), none, soap.ReasonInconsistentHeaders, "Body"},
		{"32 wrapper without Request", strings.ReplaceAll(b, ":cpgOrderNotifyRequest", ":cpgOrderNotify"), none, soap.ReasonInconsistentHeaders, "Body"},
		{"32 wrapper in another namespace", strings.ReplaceAll(b, notifyNamespace, "http://tkt2.x-road.eu"), none, soap.ReasonInconsistentHeaders, "Body"},
		{"32 wrapper in no namespace", swap(t, swap(t, b, "<tkt:cpg", "<cpg"), "</tkt:cpg", "</cpg"), none, soap.ReasonInconsistentHeaders, "Body"},
		{"35 no id", cut(t, b, "<xrd:id>", "</xrd:id>"), none, xroadhdr.CodeMissingHeaderField, "id"},
		{"45 soap+xml", b, contentType("application/soap+xml"), soap.ReasonInvalidContentType, "Content-Type"},
		{"45 json", b, contentType("application/json"), soap.ReasonInvalidContentType, "Content-Type"},
		{"45 html", b, contentType("text/html"), soap.ReasonInvalidContentType, "Content-Type"},
		{"45 blah", b, contentType("blah"), soap.ReasonInvalidContentType, "Content-Type"},
		{"45 malformed", b, contentType("text/xml; charset"), soap.ReasonInvalidContentType, "Content-Type"},
		{"45 twice", b, func(r *http.Request) { r.Header.Add("Content-Type", "text/xml") }, soap.ReasonInvalidContentType, "Content-Type"},
		{"45 charset", b, contentType("text/xml; charset=ISO-8859-1"), soap.ReasonInvalidContentType, "Content-Type"},
		{"46 none", b, func(r *http.Request) { r.Header.Del("Content-Type") }, soap.ReasonInvalidContentType, "Content-Type"},
		{"attachments", b, contentType(`multipart/related; boundary=b`), soap.ReasonInvalidContentType, "Content-Type"},
		{"MTOM", b, contentType(`application/xop+xml; type="text/xml"`), soap.ReasonInvalidContentType, "Content-Type"},
		{"compressed", b, header("Content-Encoding", "gzip"), soap.ReasonInvalidContentType, "Content-Encoding"},
		{"48 GET", "", func(r *http.Request) { r.Method = http.MethodGet }, soap.ReasonInvalidHTTPMethod, "method"},
		{"48 PUT", b, func(r *http.Request) { r.Method = http.MethodPut }, soap.ReasonInvalidHTTPMethod, "method"},
		{"method before content type", b, func(r *http.Request) { r.Method = http.MethodPut; r.Header.Del("Content-Type") }, soap.ReasonInvalidHTTPMethod, "method"},
		{"content type before envelope", "", contentType("text/html"), soap.ReasonInvalidContentType, "Content-Type"},
		{"64 unknown service", strings.ReplaceAll(b, ">cpgOrderNotify<", ">cpgOrderDelete<"), none, soap.ReasonUnknownService, "service"},
		{"64 unknown version", strings.ReplaceAll(b, ">v1<", ">v2<"), none, soap.ReasonUnknownService, "service"},
		{"64 other member", strings.ReplaceAll(b, ">70000310<", ">70000311<"), none, soap.ReasonUnknownMember, "service"},
		{"64 other subsystem", strings.ReplaceAll(b, ">at<", ">AT<"), none, soap.ReasonUnknownMember, "service"},
		{"64 other instance", b[:strings.Index(b, "<xrd:service")] + swap(t, b[strings.Index(b, "<xrd:service"):], "ee-dev", "EE"), none, soap.ReasonUnknownMember, "service"},
		{"service before wrapper", strings.NewReplacer(">cpgOrderNotify<", ">no<", ":cpgOrderNotifyRequest", ":other").Replace(b), none, soap.ReasonUnknownService, "service"},
		{"not allowed", strings.ReplaceAll(b, ">mkrliides<", ">other<"), none, soap.ReasonAccessDenied, "client"},
		{"too long", b + strings.Repeat(" ", 10_000), none, soap.ReasonTooLarge, "message"},
		{"too long, chunked", b + strings.Repeat(" ", 10_000), func(r *http.Request) { r.ContentLength = -1 }, soap.ReasonTooLarge, "message"},
	}
	provider := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}
	options := soap.HandlerOptions{
		Limits: soap.Limits{Bytes: 8_000}, NewID: fixedID, Provider: provider,
		Allowed: func(c xroadhdr.ClientID) bool { return c.SubsystemCode == "mkrliides" },
	}
	served := 0
	handler := soap.NewHandler(options, notify(func(context.Context, *soap.Request, *etree.Element) error { served++; return nil })...)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, reason, field := post(t, handler, test.message, test.edit).fault(t)
			require.Equal(t, "Client", f.Code)
			require.Equal(t, test.reason, reason, f.String)
			require.Equal(t, test.field, field, f.String)
		})
	}
	require.Zero(t, served, "no operation was reached")
	require.Equal(t, http.StatusOK, post(t, handler, b).status, "the request is right otherwise")
	require.Equal(t, 1, served)
}

func TestHandlerAcceptsWhatHTTPAllows(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = []string{value} }
	}
	tests := []struct {
		name string
		edit func(*http.Request)
	}{
		{"11 no charset", header("Content-Type", "text/xml")},
		{"47 capitals and quotes", header("Content-Type", `Text/XML;charset="utf-8"`)},
		{"47 other parameters", header("Content-Type", `text/xml; action="urn:x"; charset=Utf-8`)},
		{"49 no SOAPAction", func(*http.Request) {}},
		{"49 empty SOAPAction", header("SOAPAction", "")},
		{"49 quoted empty SOAPAction", header("SOAPAction", `""`)},
		{"49 SOAPAction", header("SOAPAction", `"urn:x"`)},
		{"60 chunked", func(r *http.Request) { r.ContentLength = -1 }},
		{"68 no encoding", header("Accept-Encoding", "")},
		{"68 gzip", header("Accept-Encoding", "gzip")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := post(t, soap.NewHandler(soap.HandlerOptions{}, notify(echo)...), base(t), test.edit)
			require.Equal(t, http.StatusOK, a.status, string(a.body))
			require.Empty(t, a.fields.Get("Content-Encoding"))
			require.Contains(t, string(a.body), "cpgOrderNotifyResponse")
		})
	}
}

// A fault repeats the header as far as it could be read, and always the envelope's prefix.
func TestHandlerFaultsEchoWhatWasReadable(t *testing.T) {
	b := base(t)
	tests := []struct {
		file, message string
		header        bool
	}{
		{"unreadable", b[:len(b)-30], false},
		{"not-soap", "<html/>", false},
		{"bad-header", swap(t, b, ">4.0<", ">3.5<"), false},
		{"no-body", cut(t, b, "<soapenv:Body>", "</soapenv:Body>"), true},
		{"unknown-service", swap(t, b, ">v1<", ">v2<"), true},
		{"default-namespace", strings.ReplaceAll(string(goodFiles(t)["default-soap"]), ">v1<", ">v2<"), true},
		{"header-in-default-namespace", strings.ReplaceAll(string(goodFiles(t)["default-header"]), ">v1<", ">v2<"), true},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			a := post(t, soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, notify(echo)...), test.message)
			f, _, _ := a.fault(t)
			require.Equal(t, "Client", f.Code)
			m, err := soap.ParseAnswer(a.body, soap.Limits{})
			require.NoError(t, err)
			require.Equal(t, test.header, m.Header != nil)
			golden(t, "testdata/bad/"+test.file+".fault.xml", a.body)
		})
	}
}

func TestHandlerUnderstandsHeaderBlocks(t *testing.T) {
	block := func(attributes string) string {
		return swap(t, base(t), "</soapenv:Header>", `<w:block xmlns:w="urn:w" `+attributes+`/></soapenv:Header>`)
	}
	tests := []struct {
		name, message string
		ignore        bool
		code          string // "" when it is served
	}{
		{"must", block(`soapenv:mustUnderstand="1"`), false, "MustUnderstand"},
		{"must, true", block(`soapenv:mustUnderstand="true"`), false, "MustUnderstand"},
		{"must, next", block(`soapenv:mustUnderstand="1" soapenv:actor="http://schemas.xmlsoap.org/soap/actor/next"`), false, "MustUnderstand"},
		{"for another", block(`soapenv:mustUnderstand="1" soapenv:actor="urn:other"`), false, ""},
		{"need not", block(`soapenv:mustUnderstand="0"`), false, ""},
		{"of no namespace", block(`mustUnderstand="1"`), false, ""},
		{"ignored", block(`soapenv:mustUnderstand="1"`), true, ""},
		{"of X-Road", swap(t, base(t), "<xrd:issue>", `<xrd:issue soapenv:mustUnderstand="1">`), false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := post(t, soap.NewHandler(soap.HandlerOptions{NewID: fixedID, IgnoreMustUnderstand: test.ignore}, notify(echo)...), test.message)
			if test.code == "" {
				require.Equal(t, http.StatusOK, a.status, string(a.body))
				return
			}
			f, reason, field := a.fault(t)
			require.Equal(t, []string{test.code, soap.ReasonNotUnderstood, "Header/block"}, []string{f.Code, reason, field})
		})
	}
}

func TestHandlerTurnsErrorsIntoFaults(t *testing.T) {
	secret := errors.New("connection to database 10.0.0.1 refused")
	detail := etree.NewElement("detail")
	detail.CreateElement("requestId").SetText("request-1")
	tests := []struct {
		name               string
		serve              func() error
		code, text, reason string
	}{
		{"62 panic", func() error { panic("at 10.0.0.1") }, "Server", "internal error: the request id leads to the cause", "InternalError"},
		{"62 nil pointer", func() error { var m *soap.Message; return errors.New(m.Body.Tag) }, "Server", "internal error: the request id leads to the cause", "InternalError"},
		{"62 error", func() error { return secret }, "Server", "internal error: the request id leads to the cause", "InternalError"},
		{"server fault", func() error { return soap.ServerFault("try later", secret) }, "Server", "try later", ""},
		{"client fault", func() error { return soap.ClientFault("TooOld", "too <old>") }, "Client", "too <old>", "TooOld"},
		{"wrapped fault", func() error { return errors.Join(errors.New("x"), soap.ClientFault("TooOld", "too old")) }, "Client", "too old", "TooOld"},
		{"own code", func() error { return &soap.Fault{Code: "at:Closed", String: "closed", Detail: detail} }, "at:Closed", "closed", ""},
		{"nil fault", func() error { return (*soap.Fault)(nil) }, "Server", "internal error: the request id leads to the cause", "InternalError"},
		{"no code", func() error { return &soap.Fault{String: "x"} }, "Server", "x", ""},
		{"unwritable detail", func() error { return &soap.Fault{Code: "Server", Detail: etree.NewElement("a:detail")} }, "Server", "internal error: the request id leads to the cause", "InternalError"},
		{"67 code of ours", func() error { return &soap.Fault{Code: "Server.ServerProxy.IOError", String: "x"} }, "Server", "x", ""},
		{"67 code of ours, snake", func() error { return &soap.Fault{Code: "server.clientproxy.network_error", String: "x"} }, "Server", "x", ""},
		{"67 code of ours, shouted", func() error { return &soap.Fault{Code: "CLIENT.INVALIDSOAP", String: "x"} }, "Server", "x", ""},
		{"67 passed on", func() error {
			return &soap.Fault{Code: "Client.InvalidSoap", XRoad: xroadhdr.ParseErrorCode("Client.InvalidSoap"), String: "x"}
		}, "Server", "x", ""},
		{"call failed", func() error {
			return &soap.CallError{Failure: soap.FailedFault, Fault: soap.ClientFault("", "theirs")}
		}, "Server", "internal error: the request id leads to the cause", "InternalError"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, notify(func(_ context.Context, _ *soap.Request, response *etree.Element) error {
				response.CreateElement("half").SetText("done")
				return test.serve()
			})...)
			a := post(t, handler, base(t))
			f, reason, _ := a.fault(t)
			require.Equal(t, []string{test.code, test.text, test.reason}, []string{f.Code, f.String, reason})
			require.NotContains(t, string(a.body), "10.0.0.1")
			require.NotContains(t, string(a.body), "half")
			require.NotContains(t, string(a.body), "goroutine")
		})
	}
}

func TestHandlerRefusesAnswersThatAreNotXML(t *testing.T) {
	tests := map[string]func(*etree.Element){
		"unbound prefix": func(el *etree.Element) { el.CreateElement("nix:a") },
		"blank in name":  func(el *etree.Element) { el.CreateElement("a b") },
		"instruction":    func(el *etree.Element) { el.CreateProcInst("a", "b") },
		"markup in name": func(el *etree.Element) { el.CreateElement("a><b") },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, notify(func(_ context.Context, _ *soap.Request, response *etree.Element) error {
				spoil(response)
				return nil
			})...)
			f, reason, _ := post(t, handler, base(t)).fault(t)
			require.Equal(t, []string{"Server", soap.ReasonInternalError}, []string{f.Code, reason})
		})
	}
}

func TestHandlerLogsPanicWithStackAndIDs(t *testing.T) {
	var log bytes.Buffer
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID, Logger: slog.New(slog.NewJSONHandler(&log, nil))},
		notify(func(context.Context, *soap.Request, *etree.Element) error { panic("boom") })...)
	post(t, handler, base(t)).fault(t)
	var line struct{ RequestID, XRoadID, Panic, Stack string }
	require.NoError(t, json.NewDecoder(&log).Decode(&line))
	require.Equal(t, "request-1", line.RequestID)
	require.Equal(t, "5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11", line.XRoadID)
	require.Equal(t, "boom", line.Panic)
	require.Contains(t, line.Stack, "TestHandlerLogsPanicWithStackAndIDs")
}

func TestHandlerLetsAbortPass(t *testing.T) {
	handler := soap.NewHandler(soap.HandlerOptions{}, notify(func(context.Context, *soap.Request, *etree.Element) error { panic(http.ErrAbortHandler) })...)
	server := httptest.NewServer(handler)
	defer server.Close()
	_, err := http.Post(server.URL, "text/xml", strings.NewReader(base(t)))
	require.Error(t, err, "the connection is cut")
}

// 65: the client goes away while the operation works.
func TestHandlerEndsContextOnDisconnect(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan error, 1)
	handler := soap.NewHandler(soap.HandlerOptions{}, notify(func(ctx context.Context, _ *soap.Request, _ *etree.Element) error {
		close(entered)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})...)
	server := httptest.NewServer(handler)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader(base(t)))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "text/xml")
	_, err = server.Client().Do(r)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestHandlerAnswersBrokenBody(t *testing.T) {
	done := make(chan struct{})
	handler := soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, notify(echo)...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<a")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "broke off before its end")
	<-done
}

func TestHandlerClosesConnectionOfTooLongBody(t *testing.T) {
	handler := soap.NewHandler(soap.HandlerOptions{Limits: soap.Limits{Bytes: 10}, NewID: fixedID}, notify(echo)...)
	for _, length := range []int64{-1, 100} {
		r := httptest.NewRequest(http.MethodPost, "/", io.LimitReader(neverEnding{}, 1<<40))
		r.ContentLength = length
		r.Header.Set("Content-Type", "text/xml")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, "close", w.Header().Get("Connection"))
		require.Contains(t, w.Body.String(), soap.ReasonTooLarge)
	}
}

// neverEnding is a body of blanks.
type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestHandlerFillsExchange(t *testing.T) {
	tests := []struct {
		name, message string
		given         string
		want          xroadhdr.Exchange
	}{
		{"served", base(t), "", xroadhdr.Exchange{RequestID: "request-1", XRoadID: "5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11", Issue: "ATPUB", UserID: "EE60001019906",
			Client:  xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000349", SubsystemCode: "mkrliides"},
			Service: xroadhdr.ServiceID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at", ServiceCode: "cpgOrderNotify", ServiceVersion: "v1"}}},
		{"request id given", "", "outer-7", xroadhdr.Exchange{RequestID: "outer-7", Fault: "Client"}},
		{"unreadable", "<a", "", xroadhdr.Exchange{RequestID: "request-1", Fault: "Client"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			exchange := &xroadhdr.Exchange{RequestID: test.given}
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.message))
			r.Header.Set("Content-Type", "text/xml")
			soap.NewHandler(soap.HandlerOptions{NewID: fixedID}, notify(func(ctx context.Context, _ *soap.Request, _ *etree.Element) error {
				require.Equal(t, "request-1", xroadhdr.ExchangeFrom(ctx).RequestID, "the operation may cite it")
				return nil
			})...).ServeHTTP(httptest.NewRecorder(), r.WithContext(xroadhdr.WithExchange(r.Context(), exchange)))
			require.Equal(t, test.want.Fault != "", exchange.Err != nil)
			exchange.Err = nil
			require.Equal(t, test.want, *exchange)
		})
	}
}

func TestNewHandlerPanicsOnMistakes(t *testing.T) {
	op := notify(echo)[0]
	for name, spoil := range map[string]func(*soap.Operation){
		"no code":     func(op *soap.Operation) { op.ServiceCode = "" },
		"no request":  func(op *soap.Operation) { op.Request = xml.Name{} },
		"no response": func(op *soap.Operation) { op.Response = xml.Name{} },
		"no serve":    func(op *soap.Operation) { op.Serve = nil },
	} {
		spoilt := op
		spoil(&spoilt)
		require.Panics(t, func() { soap.NewHandler(soap.HandlerOptions{}, spoilt) }, name)
	}
	require.Panics(t, func() { soap.NewHandler(soap.HandlerOptions{}, op, op) }, "twice")
}
