package main

import (
	"encoding/binary"
	"strings"
)

const (
	idElement   = "<id>order-id-n3n78ts</id>"
	bodyOpen    = "<e:Body>"
	bodyClose   = "</e:Body>"
	headerOpen  = "<e:Header>"
	headerClose = "</e:Header>"
	xroadID     = "<x:id>5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11</x:id>"
	wrapperOpen = "<n:cpgOrderNotifyRequest>"
)

// laughs is the billion laughs: ten entities, each ten of the one before.
var laughs = `<!DOCTYPE e:Envelope [<!ENTITY l0 "lol">` +
	numbered(9, `<!ENTITY m{n} "&l{n};&l{n};&l{n};&l{n};&l{n};&l{n};&l{n};&l{n};&l{n};&l{n};"><!ENTITY l{n}x "&m{n};">`) + `]>`

// xmlRows are wrong as XML, or try what XML can do beyond elements and text.
var xmlRows = []hostileRow{
	{name: "22 empty body", send: document(""), want: "InvalidSoap message", says: "empty"},
	{name: "white space only", send: document(" \r\n\t"), want: "InvalidSoap message", says: "empty"},
	{name: "byte order mark only", send: document("\uFEFF"), want: "InvalidSoap message", says: "empty"},
	{name: "byte order mark twice", send: before("\uFEFF\uFEFF" + xmlDeclaration), want: "InvalidSoap message"},
	{name: "10 byte order mark once", send: before("\uFEFF" + xmlDeclaration), want: accepted},
	{name: "declaration only", send: document(xmlDeclaration), want: "InvalidSoap message", says: "must hold an element"},
	{name: "no XML but JSON", send: document(`{"id":"order-id-n3n78ts"}`), want: "InvalidSoap message"},
	{name: "a zip archive", send: document("PK\x03\x04\x14\x00\x08\x08\x08\x00\xff\xfe"), want: "InvalidSoap message"},
	{name: "23 truncated in an element", send: edited("</e:Envelope>", ""), want: "InvalidSoap message", says: "cut short"},
	{name: "truncated in a tag", send: edited(idElement+"</n:cpgOrderNotifyRequest></e:Body>\n</e:Envelope>", "<id"), want: "InvalidSoap message", says: "cut short"},
	{name: "truncated in CDATA", send: edited(idElement, "<id><![CDATA[a"), want: "InvalidSoap message"},
	{name: "truncated in a comment", send: edited(idElement, "<!-- "), want: "InvalidSoap message"},
	{name: "23 undeclared prefix", send: edited(wrapperOpen, "<m:cpgOrderNotifyRequest>", "</n:", "</m:"), want: "InvalidSoap message", says: "not bound"},
	{name: "tags that cross", send: edited("</id></n:cpgOrderNotifyRequest>", "</n:cpgOrderNotifyRequest></id>"), want: "InvalidSoap message"},
	{name: "second root", send: edited("</e:Envelope>", "</e:Envelope><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"/>"), want: "InvalidSoap message", says: "one root"},
	{name: "text after the root", send: edited("</e:Envelope>", "</e:Envelope>more"), want: "InvalidSoap message", says: "outside its root"},
	{name: "text before the root", send: before("more"), want: "InvalidSoap message", says: "outside its root"},
	{name: "unescaped ampersand", send: edited(">ATPUB<", ">AT&PUB<"), want: "InvalidSoap message"},
	{name: "]]> in text", send: edited(">ATPUB<", ">AT]]>PUB<"), want: "InvalidSoap message"},
	{name: "-- in a comment", send: edited(idElement, "<!-- a -- b -->"+idElement), want: "InvalidSoap message"},

	{name: "24 external entity", send: edited(xmlDeclaration, `<!DOCTYPE e [<!ENTITY x SYSTEM "{canary}/secret">]>`, "order-id-n3n78ts", "&x;"), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "external entity of a file", send: edited(xmlDeclaration, `<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/hostname">]>`, "order-id-n3n78ts", "&x;"), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "parameter entity", send: before(`<!DOCTYPE e [<!ENTITY % x SYSTEM "{canary}/x.dtd">%x;]>`), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "external subset", send: before(`<!DOCTYPE e SYSTEM "{canary}/x.dtd">`), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "DOCTYPE without entities", send: before(`<!DOCTYPE e>`), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "DOCTYPE in the Envelope", send: edited(headerOpen, "<!DOCTYPE e>"+headerOpen), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "DOCTYPE after the root", send: edited("</e:Envelope>", "</e:Envelope><!DOCTYPE e>"), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "24 billion laughs", send: edited(xmlDeclaration, laughs, "order-id-n3n78ts", "&l9;"), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "quadratic blow-up", send: edited(xmlDeclaration, `<!DOCTYPE e [<!ENTITY x "`+strings.Repeat("x", 100_000)+`">]>`, "order-id-n3n78ts", strings.Repeat("&x;", 10_000)), want: "InvalidSoap message", says: "DOCTYPE"},
	{name: "entity that nobody declared", send: edited("order-id-n3n78ts", "&nbsp;"), want: "InvalidSoap message"},
	{name: "XInclude in the id", send: edited("order-id-n3n78ts", `<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="{canary}/secret"/>`), want: "InvalidBody", says: "must be text"},
	{name: "XInclude in the Body", send: edited(idElement+"</n:cpgOrderNotifyRequest>", "</n:cpgOrderNotifyRequest>", wrapperOpen, `<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{canary}/body.xml"/>`, "</n:cpgOrderNotifyRequest>", ""), want: "InconsistentHeaders Body"},
	{name: "stylesheet", send: edited("<e:Envelope", `<?xml-stylesheet type="text/xsl" href="{canary}/x.xsl"?><e:Envelope`), want: "InvalidSoap message", says: "processing instruction"},
	{name: "schema location", send: edited(wrapperOpen, `<n:cpgOrderNotifyRequest xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://tkt.x-road.eu {canary}/x.xsd">`), want: accepted},
	{name: "processing instruction in the id", send: edited("order-id-", "order-id-<?php ?>"), want: "InvalidSoap message", says: "processing instruction"},
	{name: "XML declaration twice", send: before(xmlDeclaration + xmlDeclaration), want: "InvalidSoap message"},
	{name: "XML 1.1", send: before(`<?xml version="1.1"?>`), want: "InvalidSoap message", says: "declaration"},

	{name: "nested 100,000 deep", send: edited(idElement, strings.Repeat("<a>", 100_000)+strings.Repeat("</a>", 100_000)), want: "MessageTooDeep message"},
	{name: "nested deep and never closed", send: document(strings.Repeat("<a>", 1_000_000)), want: "MessageTooDeep message"},
	{name: "a million siblings", send: edited(idElement, strings.Repeat("<a/>", 1_000_000)), want: "TooManyNodes message", heavy: true},
	{name: "a million empty comments", send: edited(idElement, strings.Repeat("<!---->", 500_000)), want: "TooManyNodes message", heavy: true},
	{name: "siblings within the limit", send: edited(idElement, strings.Repeat("<a/>", 190_000)), want: "InvalidBody", says: "only element", heavy: true},
	{name: "100,000 attributes", send: edited("<id>", "<id"+numbered(100_000, ` a{n}=""`)+">"), want: "TooManyAttributes message"},
	{name: "100,000 namespaces", send: edited("<id>", "<id"+numbered(100_000, ` xmlns:a{n}="urn:a"`)+">"), want: "TooManyAttributes message"},
	{name: "namespaces in each of many elements", send: edited(idElement, strings.Repeat("<a"+numbered(60, ` xmlns:a{n}="urn:{n}"`)+"/>", 1_000)), want: "InvalidBody", says: "only element", heavy: true},
	{name: "a huge attribute", send: edited("<id>", `<id a="`+strings.Repeat("x", 3<<20)+`">`), want: accepted, heavy: true},
	{name: "a huge text", send: edited("order-id-n3n78ts", strings.Repeat("x", 3<<20)), want: "InvalidBody", says: "128", heavy: true},
	{name: "a huge name", send: edited(idElement, "<"+strings.Repeat("x", 3<<20)+"/>"), want: "InvalidBody", heavy: true},
	{name: "a huge prefix that is not bound", send: edited(idElement, "<"+strings.Repeat("x", 3<<20)+":id/>"), want: "InvalidSoap message", says: "not bound", heavy: true},
	{name: "a huge comment", send: edited(idElement, "<!--"+strings.Repeat("x", 3<<20)+"-->"+idElement), want: accepted, heavy: true},
	{name: "many character references", send: edited("order-id-n3n78ts", strings.Repeat("&#x41;", 500_000)), want: "InvalidBody", says: "128", heavy: true},

	{name: "UTF-16 with its mark", send: transcoded(utf16Of(binary.BigEndian), xmlDeclaration, "\uFEFF"), want: "InvalidSoap message", says: "UTF-8"},
	{name: "UTF-16 without a mark", send: transcoded(utf16Of(binary.LittleEndian), xmlDeclaration, ""), want: "InvalidSoap message"},
	{name: "UTF-8 that is declared UTF-16", send: before(`<?xml version="1.0" encoding="UTF-16"?>`), want: "InvalidSoap message", says: "declared as UTF-8"},
	{name: "declared UTF-7", send: edited(xmlDeclaration, `<?xml version="1.0" encoding="UTF-7"?>`, "order-id-n3n78ts", "+ADw-b+AD4-"), want: "InvalidSoap message", says: "declared as UTF-8"},
	{name: "declared Latin-1", send: edited(xmlDeclaration, `<?xml version="1.0" encoding="ISO-8859-1"?>`, ">ATPUB<", ">\xe4<"), want: "InvalidSoap message", says: "UTF-8"},
	{name: "declared EBCDIC", send: before(`<?xml version="1.0" encoding="cp037"?>`), want: "InvalidSoap message", says: "declared as UTF-8"},
	{name: "two encodings declared", send: before(`<?xml version="1.0" encoding="UTF-8" encoding="UTF-7"?>`), want: "InvalidSoap message", says: "declaration"},
	{name: "overlong UTF-8", send: edited("order-id-n3n78ts", "a\xc0\xbcb"), want: "InvalidSoap message", says: "UTF-8"},
	{name: "surrogates in UTF-8", send: edited("order-id-n3n78ts", "a\xed\xa0\x80\xed\xb0\x80"), want: "InvalidSoap message", says: "UTF-8"},
	{name: "beyond Unicode", send: edited("order-id-n3n78ts", "\xf4\x90\x80\x80"), want: "InvalidSoap message", says: "UTF-8"},
	{name: "half a character at the end of a value", send: edited("order-id-n3n78ts", "order\xc3"), want: "InvalidSoap message", says: "UTF-8"},
	{name: "NUL", send: edited("order-id-n3n78ts", "order\x00id"), want: "InvalidSoap message", says: "U+0000"},
	{name: "NUL in a comment", send: edited(idElement, "<!-- \x00 -->"+idElement), want: "InvalidSoap message", says: "U+0000"},
	{name: "escape character", send: edited("order-id-n3n78ts", "\x1b[2J"), want: "InvalidSoap message", says: "U+001B"},
	{name: "noncharacter", send: edited("order-id-n3n78ts", "a\uFFFE"), want: "InvalidSoap message", says: "U+FFFE"},
	{name: "reference to NUL", send: edited("order-id-n3n78ts", "order&#0;"), want: "InvalidSoap message", says: "well-formed"},
	{name: "reference to a control character", send: edited("order-id-n3n78ts", "order&#x1F;"), want: "InvalidSoap message", says: "well-formed"},
	{name: "reference to a surrogate", send: edited("order-id-n3n78ts", "order&#xD800;"), want: "InvalidSoap message", says: "well-formed"},
	{name: "reference beyond Unicode", send: edited("order-id-n3n78ts", "order&#x110000;"), want: "InvalidSoap message", says: "well-formed"},
	{name: "reference of many digits", send: edited("order-id-n3n78ts", "order&#"+strings.Repeat("1", 100_000)+";"), want: "InvalidSoap message"},

	{name: "attribute twice", send: edited("<id>", `<id a="1" a="2">`), want: "InvalidSoap message", says: "twice"},
	{name: "attribute twice under two prefixes", send: edited("<id>", `<id xmlns:p="urn:a" xmlns:q="urn:a" p:a="1" q:a="2">`), want: "InvalidSoap message", says: "twice"},
	{name: "object type twice under two prefixes", send: edited(`<x:client i:objectType="SUBSYSTEM">`, `<x:client xmlns:j="http://x-road.eu/xsd/identifiers" i:objectType="SUBSYSTEM" j:objectType="MEMBER">`), want: "InvalidSoap message", says: "twice"},
	{name: "prefix declared twice", send: edited("<id>", `<id xmlns:p="urn:a" xmlns:p="urn:b">`), want: "InvalidSoap message", says: "twice"},
	{name: "prefix xml bound to something else", send: edited("<id>", `<id xmlns:xml="urn:a">`), want: "InvalidSoap message", says: "rebind"},
	{name: "prefix xmlns declared", send: edited("<id>", `<id xmlns:xmlns="urn:a">`), want: "InvalidSoap message", says: "rebind"},
	{name: "another prefix for the namespace of xml", send: edited("<id>", `<id xmlns:p="http://www.w3.org/XML/1998/namespace">`), want: "InvalidSoap message", says: "rebind"},
	{name: "prefix unbound", send: edited("<id>", `<id xmlns:n="">`), want: "InvalidSoap message", says: "unbind"},
	{name: "attributes that touch", send: edited("<id>", `<id a="1"b="2">`), want: "InvalidSoap message", says: "well-formed"},
	{name: "attribute without quotes", send: edited("<id>", `<id a=1>`), want: "InvalidSoap message", says: "well-formed"},
	{name: "a name with two colons", send: edited(wrapperOpen, "<n:n:cpgOrderNotifyRequest>", "</n:", "</n:n:"), want: "InvalidSoap message"},
}
