package main

import (
	"strconv"
	"strings"
)

// unknown is the answer for an order that nobody knows; the id is the one that was sent (EMTA §6).
func unknown(id string) string { return strconv.Quote("Order not found with id: " + id) }

const mib = 1 << 20

// contentRows have HTTP fields that are not those of a SOAP message, or content of another kind (X-Road §§3.3, 9.3).
var contentRows = []hostileRow{
	{name: "45 application/soap+xml", send: withFields("Content-Type: application/soap+xml"), want: "InvalidContentType Content-Type"},
	{name: "45 application/json", send: withFields("Content-Type: application/json"), want: "InvalidContentType Content-Type"},
	{name: "45 text/html", send: withFields("Content-Type: text/html"), want: "InvalidContentType Content-Type"},
	{name: "45 no media type", send: withFields("Content-Type: blah"), want: "InvalidContentType Content-Type"},
	{name: "a form of a browser", send: withFields("Content-Type: application/x-www-form-urlencoded"), want: "InvalidContentType Content-Type"},
	{name: "46 no Content-Type", send: withFields(), want: "InvalidContentType Content-Type"},
	{name: "empty Content-Type", send: withFields("Content-Type:"), want: "InvalidContentType Content-Type"},
	{name: "two Content-Types", send: withFields(contentTypeXML, "Content-Type: application/json"), want: "InvalidContentType Content-Type"},
	{name: "parameter without value", send: withFields("Content-Type: text/xml; charset"), want: "InvalidContentType Content-Type"},
	{name: "parameter twice", send: withFields("Content-Type: text/xml; charset=utf-8; charset=utf-7"), want: "InvalidContentType Content-Type"},
	{name: "47 other letters and quotes", send: withFields(`Content-Type: Text/XML;charset="utf-8"`), want: accepted},
	{name: "charset Latin-1", send: withFields("Content-Type: text/xml; charset=iso-8859-1"), want: "InvalidContentType Content-Type", says: "UTF-8"},
	{name: "charset UTF-16", send: withFields("Content-Type: text/xml; charset=utf-16"), want: "InvalidContentType Content-Type", says: "UTF-8"},
	{name: "49 SOAPAction without quotes", send: withFields(contentTypeXML, "SOAPAction: urn:x"), want: accepted},
	{name: "49 SOAPAction of another service", send: withFields(contentTypeXML, `SOAPAction: "cpgOrderInit"`), want: accepted},
	{name: "68 Accept-Encoding gzip", send: withFields(contentTypeXML, "Accept-Encoding: gzip, br"), want: accepted},
	{name: "answer wanted as JSON", send: withFields(contentTypeXML, "Accept: application/json"), want: accepted},
	{name: "forged fields of the REST protocol", send: withFields(contentTypeXML, "X-Road-Client: ee-dev/GOV/70000349/mkrliides", "X-HTTP-Method-Override: DELETE"), want: accepted},
	{name: "gzip bomb", send: compressed(64*mib, "Content-Encoding: gzip"), want: "InvalidContentType Content-Encoding", heavy: true},
	{name: "gzip that is not told", send: compressed(1 * mib), want: "InvalidSoap message", says: "U+001F"},
	{name: "encoding that is none", send: withFields(contentTypeXML, "Content-Encoding: identity"), want: "InvalidContentType Content-Encoding"},
	{name: "64 MiB, told before", send: large(64 * mib), want: "MessageTooLarge message", heavy: true},
	{name: "64 MiB, in one chunk", send: largeChunk(64 * mib), want: "MessageTooLarge message", heavy: true},
	{name: "an exbibyte, told before", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: 1152921504606846976\r\n\r\n{message}"), want: "MessageTooLarge message"},
}

// httpRows are wrong as HTTP, or use what of it a security server never uses.
var httpRows = []hostileRow{
	{name: "48 GET", send: requested("GET", "/emta"), want: "InvalidHttpMethod method"},
	{name: "HEAD", send: requested("HEAD", "/emta"), want: "HTTP 500"},
	{name: "PUT", send: requested("PUT", "/emta"), want: "InvalidHttpMethod method"},
	{name: "OPTIONS of a browser", send: requested("OPTIONS", "/emta"), want: "InvalidHttpMethod method"},
	{name: "TRACE", send: requested("TRACE", "/emta"), want: "InvalidHttpMethod method"},
	{name: "CONNECT", send: requested("CONNECT", "{host}"), want: "InvalidHttpMethod method"},
	{name: "a method of nobody", send: requested("SOAP", "/emta"), want: "InvalidHttpMethod method"},
	{name: "post in lower case", send: requested("post", "/emta"), want: "InvalidHttpMethod method"},
	{name: "method that is no word", send: requested("PO ST", "/emta"), want: "HTTP 400"},
	{name: "preface of HTTP/2", send: raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"), want: "InvalidHttpMethod method"},
	{name: "upgrade to HTTP/2", send: withFields(contentTypeXML, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"), want: accepted},
	{name: "HTTP/3", send: raw("POST /emta HTTP/3.0\r\nHost: {host}\r\n\r\n"), want: "HTTP 505"},
	{name: "HTTP/1.0", send: raw("POST /emta HTTP/1.0\r\n" + contentTypeXML + "\r\nContent-Length: {length}\r\n\r\n{message}"), want: accepted},
	{name: "HTTP/0.9", send: raw("POST /emta\r\n"), want: "HTTP 400"},
	{name: "the beginning of TLS", send: raw("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n"), want: "HTTP 400"},
	{name: "another protocol", send: raw("SSH-2.0-OpenSSH_9.6\r\n"), want: "HTTP 400"},
	{name: "a line without end", send: halfClosed(raw("POST /" + strings.Repeat("a", 1_000_000))), want: "HTTP 431"},
	{name: "nothing", send: halfClosed(raw("")), want: "closed"},
	{name: "blank lines first", send: raw("\r\n\r\n\r\n"), want: "HTTP 400"},
	{name: "absolute address", send: requested("POST", "http://{host}/emta"), want: accepted},
	{name: "absolute address of somebody else", send: requested("POST", "http://emta.example/emta"), want: accepted},
	{name: "query beside the address", send: requested("POST", "/emta?wsdl"), want: accepted},
	{name: "address with dots", send: requested("POST", "/x/../emta"), want: "UnknownService service"},
	{name: "address with two slashes", send: requested("POST", "//emta"), want: "UnknownService service"},
	{name: "address of an encoded slash", send: requested("POST", "/emta%2f"), want: "UnknownService service"},
	{name: "address with a broken escape", send: requested("POST", "/emta%zz"), want: "HTTP 400"},
	{name: "the server as a whole", send: requested("POST", "*"), want: "UnknownService service"},
	{name: "the internal API by the wrong door", send: requested("POST", "/api/v1/orders"), want: "UnknownService service"},
	{name: "no Host", send: raw("POST /emta HTTP/1.1\r\n" + contentTypeXML + "\r\nContent-Length: {length}\r\n\r\n{message}"), want: "HTTP 400"},
	{name: "two Hosts", send: withFields(contentTypeXML, "Host: emta.example"), want: "HTTP 400"},
	{name: "NUL in a field", send: withFields(contentTypeXML, "SOAPAction: a\x00b"), want: "HTTP 400"},
	{name: "a field without name", send: withFields(contentTypeXML, ": a"), want: "HTTP 400"},
	{name: "a blank before the colon", send: withFields(contentTypeXML, "Transfer-Encoding : chunked"), want: "HTTP 400"},
	{name: "fields of 1 MiB", send: withFields(contentTypeXML, "SOAPAction: "+strings.Repeat("a", mib)), want: "HTTP 431"},
	{name: "100,000 fields", send: withFields(contentTypeXML, strings.TrimSuffix(numbered(100_000, "a{n}: b\r\n"), "\r\n")), want: "HTTP 431"},
	{name: "expectation that nobody meets", send: withFields(contentTypeXML, "Expect: a-miracle"), want: "HTTP 417"},
	{name: "100-continue for too much", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nExpect: 100-continue\r\nContent-Length: 67108864\r\n\r\n"), want: "MessageTooLarge message"},

	{name: "60 chunks", send: chunked("{size}\r\n{message}\r\n0\r\n\r\n"), want: accepted},
	{name: "chunks of one byte", send: smallChunks, want: accepted},
	{name: "every byte a packet", send: singly(edited()), want: accepted},
	{name: "a chunk's size that is no number", send: chunked("zz\r\n{message}\r\n0\r\n\r\n"), want: "InvalidSoap message", says: "broke off"},
	{name: "a negative size", send: chunked("-1\r\n{message}\r\n0\r\n\r\n"), want: "InvalidSoap message", says: "broke off"},
	{name: "a size beyond 64 bits", send: chunked("fffffffffffffffff\r\n{message}\r\n0\r\n\r\n"), want: "InvalidSoap message", says: "broke off"},
	{name: "a size larger than the chunk", send: halfClosed(chunked("fffff\r\n{message}")), want: "InvalidSoap message", says: "broke off"},
	{name: "a size smaller than the chunk", send: chunked("10\r\n{message}\r\n0\r\n\r\n"), want: "InvalidSoap message", says: "broke off"},
	{name: "a huge extension of a chunk", send: chunked("{size};" + strings.Repeat("a", 100_000) + "\r\n{message}\r\n0\r\n\r\n"), want: "InvalidSoap message", says: "broke off"},
	{name: "no last chunk", send: halfClosed(chunked("{size}\r\n{message}\r\n")), want: "InvalidSoap message", says: "broke off"},
	{name: "fields after the last chunk", send: chunked("{size}\r\n{message}\r\n0\r\nContent-Type: application/json\r\nX-Road-Client: a/b/c/d\r\n\r\n"), want: accepted},
	{name: "gzip as transfer encoding", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), want: "HTTP 501"},
	{name: "two transfer encodings", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"), want: "HTTP 501"},
	{name: "two lengths", send: withFields(contentTypeXML, "Content-Length: 5"), want: "HTTP 400"},
	{name: "a list of lengths", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: {length}, {length}\r\n\r\n{message}"), want: "HTTP 400"},
	{name: "a negative length", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: -1\r\n\r\n{message}"), want: "HTTP 400"},
	{name: "a length with a sign", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: +{length}\r\n\r\n{message}"), want: "HTTP 400"},
	{name: "a length beyond 64 bits", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: 18446744073709551617\r\n\r\n{message}"), want: "HTTP 400"},
	{name: "a length larger than the message", send: halfClosed(raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: 100000\r\n\r\n{message}")), want: "InvalidSoap message", says: "broke off"},
	{name: "a length smaller than the message", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: 100\r\n\r\n{message}"), want: "InvalidSoap message | HTTP 400"},
	{name: "length and chunks, the length right", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{message}"), want: "InvalidSoap message", says: "broke off"},
	{name: "length and chunks, the chunks right, a second request behind", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: 100000\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
		"GET /emta HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), want: "InvalidSoap message | InvalidHttpMethod method"},
	{name: "a transfer encoding that only some see", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: {length}\r\nTransfer-Encoding: xchunked\r\n\r\n{message}"), want: "HTTP 501"},

	{name: "a good request, then garbage", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: {length}\r\n\r\n{message}\x00\xff garbage\r\n\r\n"), want: accepted + " | HTTP 400"},
	{name: "three requests in one packet", send: raw(strings.Repeat("POST /emta HTTP/1.1\r\nHost: {host}\r\n"+contentTypeXML+"\r\nContent-Length: {length}\r\n\r\n{message}", 2) +
		"POST /emta HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), want: accepted + " | " + accepted + " | InvalidContentType Content-Type"},
	{name: "a bad request, then a good one on the same connection", send: raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: 4\r\n\r\n<a/>" +
		"POST /emta HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n" + contentTypeXML + "\r\nContent-Length: {length}\r\n\r\n{message}"), want: "InvalidSoap Envelope | " + accepted},
	{name: "half of the connection closed after the request", send: halfClosed(edited()), want: accepted},
	{name: "half of the connection closed in the fields", send: halfClosed(raw("POST /emta HTTP/1.1\r\nHost: {ho")), want: "HTTP 400"},
	{name: "the connection broken in the fields", send: reset(raw("POST /emta HTTP/1.1\r\nHos")), want: "closed"},
	{name: "the connection broken in the message", send: reset(raw("POST /emta HTTP/1.1\r\nHost: {host}\r\n" + contentTypeXML + "\r\nContent-Length: {length}\r\n\r\n<e:Envelope")), want: "closed"},

	{name: "51 multipart of one part", send: withFields(`Content-Type: multipart/related; type="text/xml"; boundary=b`), want: "InvalidContentType Content-Type"},
	{name: "56 multipart without boundary", send: withFields("Content-Type: multipart/related"), want: "InvalidContentType Content-Type"},
	{name: "MTOM without its parts", send: withFields(`Content-Type: application/xop+xml; type="text/xml"`), want: "InvalidContentType Content-Type"},
}
