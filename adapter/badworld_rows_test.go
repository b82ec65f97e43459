package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"regexp"
	"strings"

	"github.com/shopspring/decimal"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
)

// faultRows are all codes of X-Road §5.4 by group, in both spellings. What a security server of group A or B answers was never
// sent to EMTA; of group C and D EMTA may have acted, and here has.
func faultRows() []badRow {
	const c, cp, sp, sf = "Client.", "Server.ClientProxy.", "Server.ServerProxy.", "Server.ServerProxy.ServiceFailed."
	var rows []badRow
	add := func(group string, row badRow, text string, codes ...string) {
		for _, spelling := range []simulator.Spelling{simulator.CamelCase, simulator.SnakeCase} {
			for i, code := range codes {
				r := row
				r.further = i > 1
				r.name = fmt.Sprintf("%s %s %s %s", group, code, text, spelling)
				r.mischief = simulator.Mischief{Fault: code, FaultText: text, Spelling: spelling, Acted: !row.proven}
				rows = append(rows, r)
			}
		}
	}
	refused := badRow{init: order.Refused, proven: true, cancel: order.Refused}
	doubtful := badRow{init: order.OutcomeUnknown, cancel: order.OutcomeUnknown}
	add("A", refused, "", c+"InvalidHttpMethod", c+"InvalidSoapAction", c+"InvalidContentType", c+"MimeParsingFailed", c+"MissingSoap",
		c+"InvalidSoap", c+"InvalidXml", c+"MissingHeader", c+"MissingBody", c+"InvalidBody", c+"MissingHeaderField",
		c+"DuplicateHeaderField", c+"InvalidProtocolVersion", c+"InconsistentHeaders", c+"InternalError", c+"InvalidRequest",
		cp+"InvalidClientIdentifier", cp+"UnknownMember", cp+"InvalidSecurityServer", sp+"InvalidSecurityServer", sp+"UnknownService",
		sp+"ServiceType", sp+"InvalidRequest")
	add("A", refused, "Client (SUBSYSTEM:ee-dev/GOV/70000310/at) specifies HTTPS", cp+"SslAuthenticationFailed")
	add("A", refused, "'memberCode' must not be blank", cp+"InternalError")
	add("A, unknown", doubtful, "", c+"SomethingNew")
	add("B", refused, "", sp+"AccessDenied", sp+"ServiceDisabled")
	add("C, nothing sent", refused, "", cp+"NetworkError", cp+"UnknownHost", sf+"NetworkError", sf+"UnknownHost")
	add("C", doubtful, "", cp+"IOError", cp+"HttpError", cp+"ServiceFailed.IOError", cp+"ServiceFailed.InvalidContentType", cp+"ServiceFailed.InvalidMessage",
		cp+"ServiceFailed.InvalidSoap", cp+"ServiceFailed.MissingBody", cp+"MaintenanceMode", cp+"OutdatedGlobalConf", sp+"OutdatedGlobalConf",
		sp+"MalformedGlobalConf", cp+"SslAuthenticationFailed", sp+"SslAuthenticationFailed", sp+"CannotCreateSignature.Signer.NetworkError",
		cp+"SignatureVerification.InvalidClientIdentifier", sp+"LoggingFailed.InternalError", cp+"TimestampingFailed.TimestamperFailed",
		sp+"DatabaseError", sp+"InternalError", sp+"UnknownMember", sp+"ServiceMissingUrl", sp+"ServiceMalformedUrl",
		sp+"ClientProxyVersionNotSupported", sf+"IOError", sf+"HttpError", sf+"SslAuthenticationFailed", sp+"SomethingNew")
	add("C", doubtful, "Server responded with error 500: Internal Server Error", sf+"HttpError")
	add("C", doubtful, "Server responded with error 404: Not Found", sf+"HttpError")
	add("C", refused, "Server responded with error 403: Forbidden", sf+"HttpError")
	add("C", doubtful.with(order.NotCancellable), "Server responded with error 409: Conflict", sf+"HttpError")
	add("C", doubtful.with(taken), "Server responded with error 204: No Content", sf+"HttpError")
	add("D", doubtful, "", sf+"InvalidContentType", sf+"InvalidSoap", sf+"InvalidMessage", sf+"MissingHeader", sf+"MissingHeaderField",
		sf+"DuplicateHeaderField", sf+"InvalidXml", sf+"InvalidProtocolVersion", sf+"MissingBody", sf+"InvalidBody", sf+"InconsistentHeaders",
		sf+"MimeParsingFailed", cp+"ServiceFailed.InconsistentResponse", cp+"InconsistentResponse")
	return rows
}

// with is the row with another outcome of Cancel.
func (r badRow) with(cancel order.Code) badRow {
	r.cancel = cancel
	return r
}

// Places of an answer, whatever its prefixes.
const (
	headerID     = `id>[0-9a-f-]{36}<`
	headerEnd    = `</[A-Za-z0-9-]+:Header>`
	envelopeEnd  = `</[A-Za-z0-9-]+:Envelope>\s*$`
	ourCode      = `memberCode>70000310<`
	emtaCode     = `memberCode>70000349<`
	issueText    = `issue>ATPUB<`
	hashElement  = `<[A-Za-z0-9-]+:requestHash[^>]*>[^<]*</[A-Za-z0-9-]+:requestHash>`
	hashValue    = `>[A-Za-z0-9+/]{86}==<`
	wrapperName  = `cpgOrder(Init|Get|Cancel|List)Response`
	cpgNamespace = `http://cpg-v6\.x-road\.eu`
)

// fault is a SOAP fault without a header.
func fault(code, text string) string {
	return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>` + code + `</faultcode><faultstring>` +
		text + `</faultstring></s:Fault></s:Body></s:Envelope>`
}

// gzipped passes the answer on compressed, which nobody asked for.
func gzipped(e *relayed, body []byte) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // into memory
	_ = w.Close()
	e.reply(200, "text/xml; charset=UTF-8", b.Bytes(), "Content-Encoding: gzip")
}

// inLines breaks Base64 as MIME does.
func inLines(value string) string { return value[:40] + "\r\n" + value[40:60] + "\n  " + value[60:] }

// lost is an Init or Cancel of which nobody knows what became, whoever tried it.
func lost(name string, answer badAnswer) badRow {
	return badRow{name: name, answer: answer, init: order.OutcomeUnknown, cancel: order.OutcomeUnknown}
}

// fine is an answer that is used.
func fine(name string, answer badAnswer) badRow {
	return badRow{name: name, answer: answer, init: taken, cancel: taken, get: taken, list: taken}
}

// simulated is lost by what the simulators do.
func simulated(name string, m simulator.Mischief) badRow {
	return badRow{name: name, mischief: m, init: order.OutcomeUnknown, cancel: order.OutcomeUnknown}
}

// strangeAnswer is an answer about an order that is not the one asked for, or cannot be. cpgOrderCancel's tells of none.
func strangeAnswer(name string, m simulator.Mischief) badRow {
	return badRow{name: name, mischief: m, init: order.OutcomeUnknown, cancel: taken}
}

// getting is the row with another outcome of Get.
func (r badRow) getting(get order.Code) badRow {
	r.get = get
	return r
}

// listing is the row with another outcome of List.
func (r badRow) listing(list order.Code) badRow {
	r.list = list
	return r
}

// waiting is the row as one that ends by the program's patience.
func (r badRow) waiting() badRow {
	r.slow = true
	return r
}

// refusedByEMTA is a fault of EMTA's own that names no error of its list: for Init in doubt, for Cancel a refusal.
func refusedByEMTA(name string, answer badAnswer) badRow {
	return badRow{name: name, answer: answer, init: order.OutcomeUnknown, cancel: order.Refused}
}

const ss, emta = simulator.AtSecurityServer, simulator.AtEMTA

// answerRows are answers that are no fault of a security server.
var answerRows = []badRow{
	fine("nothing wrong", passOn),
	{name: "E, 73 a fault of EMTA's own", mischief: simulator.Mischief{ProviderFault: "soap:Server", FaultText: "out of order", Acted: true}, init: order.OutcomeUnknown, cancel: order.Refused},
	{name: "E, a name of EMTA's list", mischief: simulator.Mischief{Refuse: 403}, init: order.Refused, proven: true, cancel: order.Refused},
	{name: "E, the default name of EMTA's list", mischief: simulator.Mischief{Refuse: 400}, init: order.Refused, proven: true, cancel: order.Refused},
	{name: "E, EMTA's 401 as a plain Client", mischief: simulator.Mischief{ProviderFault: "Client", FaultText: "Unauthorized"}, init: order.Refused, proven: true, cancel: order.Refused},
	refusedByEMTA("E, Server alone", plain(200, "text/xml", fault("Server", "x"))),
	refusedByEMTA("E, a code of a security server behind a prefix", plain(200, "text/xml", fault("s:Server.ServerProxy.AccessDenied", "x"))),
	refusedByEMTA("E, 74 the same with 500", plain(500, "text/xml", fault("s:Server", "x"))),
	refusedByEMTA("E, a fault without code", plain(200, "text/xml", fault("", ""))),
	{name: "74 a security server's fault with 500", answer: func(e *relayed) {
		e.reply(500, "text/xml", []byte(fault("Server.ServerProxy.AccessDenied", "no")))
	}, init: order.Refused, proven: true, cancel: order.Refused},
	lost("a fault in the name of another id", made(func(e *relayed, body []byte) {
		text := fault("Server.ServerProxy.AccessDenied", "no")
		header := `<s:Header><x:id xmlns:x="http://x-road.eu/xsd/xroad.xsd">another</x:id></s:Header><s:Body>`
		e.reply(200, "text/xml", []byte(strings.Replace(text, "<s:Body>", header, 1)))
	})),

	simulated("76 another id", simulator.Mischief{WrongID: true, Place: ss}),
	simulated("76 no userId", simulator.Mischief{MissingUserID: true, Place: ss}),
	lost("76 another client", replaced(ourCode, "memberCode>70000311<")),
	lost("76 another provider", replaced(emtaCode, "memberCode>70000348<")),
	lost("76 another issue", replaced(issueText, "issue>TKTPUB<")),
	lost("an id with a blank", changed(headerID, func(s string) string { return strings.Replace(s, ">", "> ", 1) })),
	lost("two ids", changed(headerEnd, func(s string) string { return `<y:id xmlns:y="http://x-road.eu/xsd/xroad.xsd">2</y:id>` + s })),
	fine("78 a header field more", changed(headerEnd, func(s string) string { return `<n:note xmlns:n="urn:example:note">1</n:note>` + s })),
	lost("the wrapper of another operation", replaced(wrapperName, "cpgOrderNotifyResponse")),
	lost("the wrapper in another namespace", replaced(cpgNamespace, "http://cpg-v7.x-road.eu")),
	simulated("77 wrong hash", simulator.Mischief{WrongHash: true}),
	simulated("77 no hash", simulator.Mischief{NoHash: true}),
	lost("77 hash of an unknown algorithm", replaced(regexp.QuoteMeta("xmlenc#sha512"), "xmlenc#md5")),
	fine("77 hash in lines", changed(hashValue, inLines)),

	strangeAnswer("another order", simulator.Mischief{AnotherOrder: true}).listing(taken), // every order but one, all as ours: it is there
	strangeAnswer("another merchant's stamp", simulator.Mischief{WrongStamp: "ATPUB-1"}),
	strangeAnswer("another reference number", simulator.Mischief{WrongReference: "12344"}),
	strangeAnswer("a state of no contract", simulator.Mischief{UnknownState: "lost"}),
	strangeAnswer("another amount", simulator.Mischief{WrongAmount: new(decimal.RequireFromString("3.00"))}).getting(taken), // ours, but held until accepted

	simulated("79 HTML 502", simulator.Mischief{HTML: 502, Place: ss}),
	simulated("HTML 502 before EMTA", simulator.Mischief{HTML: 502, Place: emta}),
	simulated("HTML 200", simulator.Mischief{HTML: 200, Place: ss}),
	lost("text 503", plain(503, "text/plain", "no server is available")),
	lost("HTML that says it is XML", plain(502, "text/xml", "<html><body><h1>502</h1></body></html>")),
	lost("HTML 404", plain(404, "text/html", "<h1>Not found</h1>")),
	lost("JSON", plain(200, "application/json", `{"error":"x"}`)),
	simulated("garbage", simulator.Mischief{Garbage: true, Place: ss}),
	simulated("garbage before EMTA", simulator.Mischief{Garbage: true, Place: emta}),
	simulated("truncated", simulator.Mischief{Truncate: true, Place: ss}),
	simulated("truncated before EMTA", simulator.Mischief{Truncate: true, Place: emta}),
	lost("shorter than its length", made(func(e *relayed, body []byte) {
		e.write("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 100000\r\n\r\n" + string(body))
	})),
	lost("chunks without end", made(func(e *relayed, body []byte) {
		e.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body))
	})),
	{name: "204", mischief: simulator.Mischief{EmptyBody204: true, Place: ss}, init: order.OutcomeUnknown, cancel: taken},
	{name: "204 before EMTA", mischief: simulator.Mischief{EmptyBody204: true, Place: emta}, init: order.OutcomeUnknown, cancel: taken},
	lost("200 without a body", plain(200, "text/xml", "")),
	lost("200 without a body or type", plain(200, "", "")),
	simulated("wrong content type", simulator.Mischief{WrongContentType: true, Place: ss}),
	simulated("wrong content type before EMTA", simulator.Mischief{WrongContentType: true, Place: emta}),
	lost("no content type", made(func(e *relayed, body []byte) { e.reply(200, "", body) })),
	lost("charset Latin-1", made(func(e *relayed, body []byte) { e.reply(200, "text/xml; charset=iso-8859-1", body) })),
	fine("application/xml", made(func(e *relayed, body []byte) { e.reply(200, "application/xml", body) })),
	fine("200 as 500", made(func(e *relayed, body []byte) { e.reply(500, "text/xml", body) })),
	lost("gzip that nobody asked for", made(gzipped)),
	lost("80 multipart that nobody asked for", made(func(e *relayed, body []byte) {
		e.reply(200, `multipart/related; type="text/xml"; boundary=b`, []byte("--b\r\nContent-Type: text/xml; charset=UTF-8\r\n\r\n"+string(body)+"\r\n--b--\r\n"))
	})),
	lost("two envelopes", made(func(e *relayed, body []byte) { e.reply(200, "text/xml", append(body, body...)) })),
	lost("an answer in an answer", made(func(e *relayed, body []byte) {
		text := string(body)
		e.reply(200, "text/xml", []byte(strings.Replace(text, "?>", `?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>`, 1)+"</s:Body></s:Envelope>"))
	})),
	lost("text after the envelope", changed(envelopeEnd, func(s string) string { return s + "more" })),
	lost("a DOCTYPE", changed(`\?>`, func(s string) string { return s + `<!DOCTYPE a [<!ENTITY b "c">]>` })),
	lost("SOAP 1.2", replaced(regexp.QuoteMeta("http://schemas.xmlsoap.org/soap/envelope/"), "http://www.w3.org/2003/05/soap-envelope")),
	lost("nested without end", plain(200, "text/xml", strings.Repeat("<a>", 100_000))),

	lost("302", plain(302, "text/html", "moved", "Location: /elsewhere")),
	lost("307", plain(307, "text/html", "moved", "Location: /elsewhere")),
	lost("308 without a body", plain(308, "", "", "Location: /elsewhere")),
	lost("101", verbatim("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")),
	lost("100 without end", flooded("", "HTTP/1.1 100 Continue\r\n\r\n")),
	lost("another protocol", verbatim("SSH-2.0-OpenSSH_9.6\r\n")),
	lost("HTTP/0.9", made(func(e *relayed, body []byte) { e.write(string(body)) })),
	lost("two lengths", verbatim("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n<a/>")),
	lost("fields without end", flooded("HTTP/1.1 200 OK\r\n", "X-A: b\r\n")),

	simulated("cut before acting", simulator.Mischief{CutBefore: true, Place: ss}),
	simulated("cut after acting", simulator.Mischief{CutAfter: true, Place: ss}),
	simulated("cut at EMTA", simulator.Mischief{CutAfter: true, Place: emta}),
	lost("reset before acting", brokenAtOnce),
	lost("reset after acting", broken("")),
	lost("reset in the answer", broken("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5000\r\n\r\n<?xml")),
	simulated("79 slow before acting", simulator.Mischief{DelayBefore: 2 * badTimeout, Place: emta}).waiting(),
	simulated("79 slow after acting", simulator.Mischief{DelayAfter: 2 * badTimeout, Place: ss}).waiting(),
	lost("silence", silent).waiting(),
	lost("one byte at a time", dripping).waiting(),
	lost("endless", streamed("text/xml", "<a/>")),
	lost("endless HTML", streamed("text/html", "<p>")),
	lost("endless white space", flooded("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n", strings.Repeat(" ", 16))),
}
