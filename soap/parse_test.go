package soap_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func TestParseRequestReadsEveryGoodFile(t *testing.T) {
	for name, raw := range goodFiles(t) {
		t.Run(name, func(t *testing.T) {
			m, err := soap.ParseRequest(raw, soap.Limits{})
			require.NoError(t, err)
			require.Equal(t, raw, m.Raw, "the bytes as they came")
			require.Equal(t, "cpgOrderNotify", m.XRoad.Service.ServiceCode)
			require.NotEmpty(t, m.XRoad.ID)
			require.NotEmpty(t, m.XRoad.Client.MemberCode)
			require.Equal(t, notifyRequest.Local, m.Body.Tag)
			require.Equal(t, notifyRequest.Space, m.Body.NamespaceURI())
		})
	}
}

// The numbers are those of the fact sheet's §9.1.
func TestParseRequestReadsFields(t *testing.T) {
	empty, opaque, escaped := "", "EE:PIN:abc", "a&b<c>\rde"
	tests := []struct {
		name  string
		file  string
		check func(*testing.T, *soap.Message)
	}{
		{"2 absent userId", "empty-issue", func(t *testing.T, m *soap.Message) { require.Nil(t, m.XRoad.UserID) }},
		{"3 empty issue", "empty-issue", func(t *testing.T, m *soap.Message) { require.Equal(t, &empty, m.XRoad.Issue) }},
		{"4 member", "member-client", func(t *testing.T, m *soap.Message) { require.Empty(t, m.XRoad.Client.SubsystemCode) }},
		{"5 no version", "member-service-without-version", func(t *testing.T, m *soap.Message) { require.Empty(t, m.XRoad.Service.ServiceVersion) }},
		{"12 escapes", "comments-cdata", func(t *testing.T, m *soap.Message) { require.Equal(t, &escaped, m.XRoad.Issue) }},
		{"12 body", "comments-cdata", func(t *testing.T, m *soap.Message) {
			require.Equal(t, "order-1&õ", m.Body.SelectElement("id").Text())
		}},
		{"14 class", "foreign-blocks", func(t *testing.T, m *soap.Message) { require.Equal(t, "COM", m.XRoad.RepresentedParty.PartyClass) }},
		{"14 no class", "party-without-class", func(t *testing.T, m *soap.Message) { require.Empty(t, m.XRoad.RepresentedParty.PartyClass) }},
		{"17 version", "version-4.1", func(t *testing.T, m *soap.Message) { require.Equal(t, "4.1", m.XRoad.ProtocolVersion) }},
		{"18 user", "user-id-opaque", func(t *testing.T, m *soap.Message) { require.Equal(t, &opaque, m.XRoad.UserID) }},
		{"21 central", "central-service", func(t *testing.T, m *soap.Message) {
			require.Equal(t, "orderNotify", m.XRoad.CentralService.ServiceCode)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := soap.ParseRequest(goodFiles(t)[test.file], soap.Limits{})
			require.NoError(t, err)
			test.check(t, m)
		})
	}
}

// cut removes everything from the first mark to the end of the second.
func cut(t testing.TB, s, from, to string) string {
	t.Helper()
	before, rest, ok := strings.Cut(s, from)
	require.True(t, ok, from)
	_, after, ok := strings.Cut(rest, to)
	require.True(t, ok, to)
	return before + after
}

func swap(t testing.TB, s, from, to string) string {
	t.Helper()
	require.Contains(t, s, from)
	return strings.Replace(s, from, to, 1)
}

// The numbers are those of the fact sheet's §9.2; without a number it is what §10 adds.
func TestParseRequestRefuses(t *testing.T) {
	const v5 = "http://x-road.ee/xsd/x-road.xsd"
	b := base(t)
	sw := func(from, to string) string { return swap(t, b, from, to) }
	ct := func(from, to string) string { return cut(t, b, from, to) }
	without := func(name string) string { return ct("<xrd:"+name, "</xrd:"+name+">") }
	client := "<xrd:client" + strings.Split(strings.Split(b, "<xrd:client")[1], "</xrd:client>")[0] + "</xrd:client>"
	tests := []struct {
		name, message, reason, field string
	}{
		{"22 empty", "", soap.ReasonInvalidSOAP, "message"},
		{"22 blank", "\uFEFF \n", soap.ReasonInvalidSOAP, "message"},
		{"23 truncated", b[:len(b)-30], soap.ReasonInvalidSOAP, "message"},
		{"23 truncated in a tag", b[:200], soap.ReasonInvalidSOAP, "message"},
		{"23 undeclared prefix", sw("<id>order", "<no:id xmlns:yes='urn:x'/><id>order"), soap.ReasonInvalidSOAP, "message"},
		{"23 undeclared attribute prefix", sw("<id>order", "<id no:a='1'>order"), soap.ReasonInvalidSOAP, "message"},
		{"23 prefix out of scope", sw("<id>order", "<a:b xmlns:a='urn:a'/><a:c/><id>order"), soap.ReasonInvalidSOAP, "message"},
		{"24 entity", sw("<soapenv:Env", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><soapenv:Env`), soap.ReasonInvalidSOAP, "message"},
		{"24 laughs", sw("<soapenv:Env", `<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><soapenv:Env`), soap.ReasonInvalidSOAP, "message"},
		{"24 bare", sw("<soapenv:Env", `<!DOCTYPE x><soapenv:Env`), soap.ReasonInvalidSOAP, "message"},
		{"24 entity without declaration", sw("order-1", "&e;"), soap.ReasonInvalidSOAP, "message"},
		{"25 SOAP 1.2", strings.ReplaceAll(b, soap.NamespaceEnvelope, "http://www.w3.org/2003/05/soap-envelope"), soap.ReasonInvalidSOAP, "Envelope"},
		{"25 other root", "<html/>", soap.ReasonInvalidSOAP, "Envelope"},
		{"25 no namespace", "<Envelope><Body><a/></Body></Envelope>", soap.ReasonInvalidSOAP, "Envelope"},
		{"26 no Header", ct("<soapenv:Header>", "</soapenv:Header>"), soap.ReasonMissingHeader, "Header"},
		{"27 no Body", ct("<soapenv:Body>", "</soapenv:Body>"), soap.ReasonMissingBody, "Body"},
		{"28 empty Body", ct("<tkt:cpg", "</tkt:cpgOrderNotifyRequest>"), soap.ReasonInvalidBody, "Body"},
		{"28 text only", swap(t, ct("<tkt:cpg", "</tkt:cpgOrderNotifyRequest>"), "<soapenv:Body>", "<soapenv:Body>text"), soap.ReasonInvalidBody, "Body"},
		{"28 comment only", swap(t, ct("<tkt:cpg", "</tkt:cpgOrderNotifyRequest>"), "<soapenv:Body>", "<soapenv:Body><!--c-->"), soap.ReasonInvalidBody, "Body"},
		{"28 text beside", sw("<soapenv:Body>", "<soapenv:Body>text"), soap.ReasonInvalidBody, "Body"},
		{"29 two elements", sw("</soapenv:Body>", "<tkt:more/></soapenv:Body>"), soap.ReasonInvalidBody, "Body"},
		{"33 two clients", sw(client, client+client), xroadhdr.CodeDuplicateHeaderField, "client"},
		{"33 two clients, the second in other clothes", sw(client, client+`<c:client xmlns:c="http://x-road.eu/xsd/xroad.xsd"/>`), xroadhdr.CodeDuplicateHeaderField, "client"},
		{"34 two member codes", sw("<id:memberCode>", "<id:memberCode>1</id:memberCode><id:memberCode>"), xroadhdr.CodeDuplicateHeaderField, "client/memberCode"},
		{"35 client", without("client"), xroadhdr.CodeMissingHeaderField, "client"},
		{"35 id", without("id"), xroadhdr.CodeMissingHeaderField, "id"},
		{"35 service", without("service"), xroadhdr.CodeMissingHeaderField, "service"},
		{"35 version", without("protocolVersion"), xroadhdr.CodeMissingHeaderField, "protocolVersion"},
		{"35 all", ct("<xrd:client", "</xrd:protocolVersion>"), xroadhdr.CodeMissingHeaderField, "protocolVersion"},
		{"35 three", cut(t, cut(t, without("client"), "<xrd:id", "</xrd:id>"), "<xrd:service", "</xrd:service>"), xroadhdr.CodeMissingHeaderField, "client"},
		{"35 two", cut(t, without("id"), "<xrd:service", "</xrd:service>"), xroadhdr.CodeMissingHeaderField, "id"},
		{"36 central only", cut(t, string(goodFiles(t)["central-service"]), "<xrd:service", "</xrd:service>"), xroadhdr.CodeMissingHeaderField, "service"},
		{"37 version 3.5", sw(">4.0<", ">3.5<"), xroadhdr.CodeInvalidProtocolVersion, "protocolVersion"},
		{"37 version foo", sw(">4.0<", ">foo<"), xroadhdr.CodeInvalidProtocolVersion, "protocolVersion"},
		{"37 version empty", sw(">4.0<", "><"), xroadhdr.CodeInvalidProtocolVersion, "protocolVersion"},
		{"37 version with blank", sw(">4.0<", "> 4.0<"), xroadhdr.CodeInvalidProtocolVersion, "protocolVersion"},
		{"37 version 4", sw(">4.0<", ">4<"), xroadhdr.CodeInvalidProtocolVersion, "protocolVersion"},
		{"38 no objectType", sw(` id:objectType="SERVICE"`, ""), xroadhdr.CodeInvalidXML, "service/@objectType"},
		{"39 objectType without namespace", sw(` id:objectType="SERVICE"`, ` objectType="SERVICE"`), xroadhdr.CodeInvalidXML, "service/@objectType"},
		{"40 server as client", sw(`"SUBSYSTEM"`, `"SERVER"`), xroadhdr.CodeInvalidXML, "client/@objectType"},
		{"40 unknown type", sw(`"SERVICE"`, `"FOO"`), xroadhdr.CodeInvalidXML, "service/@objectType"},
		{"41 empty member code", sw(">70000349<", "><"), xroadhdr.CodeInvalidIdentifier, "client/memberCode"},
		{"41 blank member code", sw(">70000349<", ">  <"), xroadhdr.CodeInvalidIdentifier, "client/memberCode"},
		{"42 v5 namespace", sw("http://x-road.eu/xsd/xroad.xsd", v5), xroadhdr.CodeMissingHeaderField, "protocolVersion"},
		{"43 parts in the wrong namespace", strings.NewReplacer("<id:member", "<xrd:member", "</id:member", "</xrd:member").Replace(b), xroadhdr.CodeInvalidIdentifier, "client/memberClass"},
		{"44 control character", sw(">70000349<", ">700&#9;49<"), xroadhdr.CodeInvalidIdentifier, "client/memberCode"},
		{"44 slash", sw(">70000349<", ">700/49<"), xroadhdr.CodeInvalidIdentifier, "client/memberCode"},
		{"Fault as request", swap(t, ct("<tkt:cpg", "</tkt:cpgOrderNotifyRequest>"), "<soapenv:Body>", "<soapenv:Body><soapenv:Fault/>"), soap.ReasonInvalidBody, "Body"},

		{"two roots", b + "<a/>", soap.ReasonInvalidSOAP, "message"},
		{"text after the root", b + "a", soap.ReasonInvalidSOAP, "message"},
		{"text before the root", "a" + b, soap.ReasonInvalidSOAP, "message"},
		{"CDATA after the root", b + "<![CDATA[ ]]>", soap.ReasonInvalidSOAP, "message"},
		{"reference after the root", b + "&#32;", soap.ReasonInvalidSOAP, "message"},
		{"instruction after the root", b + "<?a b?>", soap.ReasonInvalidSOAP, "message"},
		{"instruction inside", sw("order-1", "order<?a b?>-1"), soap.ReasonInvalidSOAP, "message"},
		{"declaration not at the beginning", "\n" + b, soap.ReasonInvalidSOAP, "message"},
		{"declaration twice", sw("<soapenv:Env", `<?xml version="1.0"?><soapenv:Env`), soap.ReasonInvalidSOAP, "message"},
		{"declaration in capitals", sw("<?xml", "<?XML"), soap.ReasonInvalidSOAP, "message"},
		{"declaration of UTF-16", sw(`"UTF-8"`, `"UTF-16"`), soap.ReasonInvalidSOAP, "message"},
		{"declaration of Latin-1", sw(`"UTF-8"`, `'ISO-8859-1'`), soap.ReasonInvalidSOAP, "message"},
		{"declaration of XML 1.1", sw(`"1.0"`, `"1.1"`), soap.ReasonInvalidSOAP, "message"},
		{"declaration with a stray part", sw(`"UTF-8"`, `"UTF-8" encodinG="UTF-16"`), soap.ReasonInvalidSOAP, "message"},
		{"declaration cut short", "<?xml version='1.0'", soap.ReasonInvalidSOAP, "message"},
		{"comment only", "<!-- a -->", soap.ReasonInvalidSOAP, "message"},
		{"long unbound prefix", sw("<id>order", "<"+strings.Repeat("õ", 100)+":a/><id>order"), soap.ReasonInvalidSOAP, "message"},
		{"two byte order marks", "\uFEFF\uFEFF" + b, soap.ReasonInvalidSOAP, "message"},
		{"UTF-16", "\xFF\xFE<\x00a\x00/\x00>\x00", soap.ReasonInvalidSOAP, "message"},
		{"invalid UTF-8", sw("order-1", "order-\xE4"), soap.ReasonInvalidSOAP, "message"},
		{"invalid UTF-8 in a comment", sw("order-1", "<!-- \xE4 -->"), soap.ReasonInvalidSOAP, "message"},
		{"overlong UTF-8", sw("order-1", "\xC0\xBC"), soap.ReasonInvalidSOAP, "message"},
		{"control character in a comment", sw("order-1", "<!-- \x01 -->"), soap.ReasonInvalidSOAP, "message"},
		{"U+FFFE", sw("order-1", "\uFFFE"), soap.ReasonInvalidSOAP, "message"},
		{"reference to NUL", sw("order-1", "&#0;"), soap.ReasonInvalidSOAP, "message"},
		{"reference to half a pair", sw("order-1", "&#x000000000000000000000D800;"), soap.ReasonInvalidSOAP, "message"},
		{"reference to half a pair in an attribute", sw("<id>order", "<id a='&#55296;'>order"), soap.ReasonInvalidSOAP, "message"},
		{"attribute twice", sw("<id>order", "<id a='1' a='2'>order"), soap.ReasonInvalidSOAP, "message"},
		{"attribute twice by namespace", sw("<id>order", "<id xmlns:p='urn:x' xmlns:q='urn:x' p:a='1' q:a='2'>order"), soap.ReasonInvalidSOAP, "message"},
		{"declaration twice in one element", sw("<id>order", "<id xmlns:p='urn:x' xmlns:p='urn:y'>order"), soap.ReasonInvalidSOAP, "message"},
		{"attributes not apart", sw("<id>order", "<id a='1'b='2'>order"), soap.ReasonInvalidSOAP, "message"},
		{"attribute without quotes", sw("<id>order", "<id a=1>order"), soap.ReasonInvalidSOAP, "message"},
		{"less-than in an attribute", sw("<id>order", "<id a='<'>order"), soap.ReasonInvalidSOAP, "message"},
		{"prefix unbound", sw("<id>order", "<id xmlns:xrd=''>order"), soap.ReasonInvalidSOAP, "message"},
		{"xml rebound", sw("<id>order", "<id xmlns:xml='urn:x'>order"), soap.ReasonInvalidSOAP, "message"},
		{"xmlns bound", sw("<id>order", "<id xmlns:xmlns='urn:x'>order"), soap.ReasonInvalidSOAP, "message"},
		{"xmlns as an element", sw("<id>order", "<xmlns:a/><id>order"), soap.ReasonInvalidSOAP, "message"},
		{"colon first", sw("<id>order", "<:a/><id>order"), soap.ReasonInvalidSOAP, "message"},
		{"two colons", sw("<id>order", "<tkt:a:b/><id>order"), soap.ReasonInvalidSOAP, "message"},
		{"digit after the colon", sw("<id>order", "<tkt:1a/><id>order"), soap.ReasonInvalidSOAP, "message"},
		{"crossed elements", sw("<id>order-1</id>", "<id><a></id></a>"), soap.ReasonInvalidSOAP, "message"},
		{"closed by another prefix", sw("<id>order-1</id>", "<a:id xmlns:a='urn:x' xmlns:b='urn:x'></b:id>"), soap.ReasonInvalidSOAP, "message"},
		{"two dashes in a comment", sw("order-1", "<!-- -- -->"), soap.ReasonInvalidSOAP, "message"},
		{"end of CDATA in text", sw("order-1", "]]>"), soap.ReasonInvalidSOAP, "message"},
		{"unclosed", sw("</soapenv:Envelope>", ""), soap.ReasonInvalidSOAP, "message"},
		{"two Headers", sw("<soapenv:Body>", "<soapenv:Header/><soapenv:Body>"), soap.ReasonInvalidSOAP, "Envelope"},
		{"two Bodies", sw("</soapenv:Envelope>", "<soapenv:Body/></soapenv:Envelope>"), soap.ReasonInvalidSOAP, "Envelope"},
		{"element after Body", sw("</soapenv:Envelope>", "<tkt:a/></soapenv:Envelope>"), soap.ReasonInvalidSOAP, "Envelope"},
		{"text in Envelope", sw("</soapenv:Envelope>", "a</soapenv:Envelope>"), soap.ReasonInvalidSOAP, "Envelope"},
		{"text in Header", sw("</soapenv:Header>", "a</soapenv:Header>"), soap.ReasonInvalidSOAP, "Header"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := soap.ParseRequest([]byte(test.message), soap.Limits{})
			var f *soap.Fault
			require.ErrorAs(t, err, &f, test.message)
			require.Equal(t, "Client", f.Code)
			require.Equal(t, test.reason, f.Reason, f.String)
			require.Equal(t, test.field, f.Field, f.String)
			require.Contains(t, f.String, test.field+": ", "the text names the field and the rule")
			raw, err := soap.ReplyFault(m, f)
			require.NoError(t, err, "a fault can always be written")
			answer, err := soap.ParseAnswer(raw, soap.Limits{})
			require.NoError(t, err, string(raw))
			require.Equal(t, "Client", answer.Fault.Code)
			require.Equal(t, test.reason, childText(answer.Fault.Detail, "reason"))
		})
	}
}

func TestParseRequestKeepsWithinLimits(t *testing.T) {
	b := base(t)
	deep := swap(t, b, "order-1", strings.Repeat("<a>", 10)+strings.Repeat("</a>", 10))
	attributes := ""
	for i := range 65 {
		attributes += fmt.Sprintf(" a%d='1'", i)
	}
	tests := []struct {
		name, message string
		limits        soap.Limits
		reason        string // "" where it is accepted
	}{
		{"bytes, exact", b, soap.Limits{Bytes: int64(len(b))}, ""},
		{"bytes", b, soap.Limits{Bytes: int64(len(b)) - 1}, soap.ReasonTooLarge},
		{"depth, exact", deep, soap.Limits{Depth: 14}, ""},
		{"depth", deep, soap.Limits{Depth: 13}, soap.ReasonTooDeep},
		{"nodes", b, soap.Limits{Nodes: 20}, soap.ReasonTooManyNodes},
		{"comments are nodes", swap(t, b, "order-1", strings.Repeat("<!---->", 200)), soap.Limits{Nodes: 200}, soap.ReasonTooManyNodes},
		{"attributes, exact", swap(t, b, "<id>order", "<id a='1' b='2' c='3' d='4' e='5'>order"), soap.Limits{Attributes: 5}, ""},
		{"attributes", swap(t, b, "<id>order", "<id a='1' b='2' c='3' d='4' e='5' f='6'>order"), soap.Limits{Attributes: 5}, soap.ReasonTooManyAttributes},
		{"attributes by default", swap(t, b, "<id>order", "<id"+attributes+">order"), soap.Limits{}, soap.ReasonTooManyAttributes},
		{"depth by default", swap(t, b, "order-1", strings.Repeat("<a>", 100_000)), soap.Limits{}, soap.ReasonTooDeep},
		{"nodes by default", swap(t, b, "order-1", strings.Repeat("<a/>", 200_001)), soap.Limits{}, soap.ReasonTooManyNodes},
		{"bytes by default", swap(t, b, "order-1", strings.Repeat("a", 5<<20)), soap.Limits{}, soap.ReasonTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := soap.ParseRequest([]byte(test.message), test.limits)
			if test.reason == "" {
				require.NoError(t, err)
				return
			}
			var f *soap.Fault
			require.ErrorAs(t, err, &f)
			require.Equal(t, test.reason, f.Reason, f.String)
		})
	}
}

// Each message is costly for a reader that is not linear: eight times the length should take about eight times as long.
func BenchmarkParseRequestOfGrowingLength(b *testing.B) {
	message := base(b)
	wide := ""
	for i := range 60 {
		wide += fmt.Sprintf(" xmlns:p%d='urn:%d'", i, i)
	}
	unlimited := soap.Limits{Bytes: 1 << 40, Nodes: 1 << 30}
	tests := []struct {
		name   string
		attack func(n int) string
	}{
		{"siblings with a far prefix", func(n int) string {
			return swap(b, swap(b, message, "order-1", strings.Repeat("<p59:a p0:b='1'/>", n)), "<soapenv:Envelope", "<soapenv:Envelope"+wide)
		}},
		{"header blocks with a far prefix", func(n int) string {
			return swap(b, swap(b, message, "</soapenv:Header>", strings.Repeat("<p59:client/>", n)+"</soapenv:Header>"), "<soapenv:Envelope", "<soapenv:Envelope"+wide)
		}},
		{"references", func(n int) string { return swap(b, message, "order-1", strings.Repeat("&#65;", n)) }},
		{"CDATA", func(n int) string { return swap(b, message, "order-1", strings.Repeat("<![CDATA[&#]]>", n)) }},
		{"brackets", func(n int) string { return swap(b, message, "order-1", strings.Repeat("]]&gt;", n)) }},
		{"quotes in an attribute", func(n int) string { return swap(b, message, "<id>", "<id a='"+strings.Repeat(`"`, n)+"'>") }},
		{"redeclaring", func(n int) string {
			return swap(b, message, "order-1", strings.Repeat("<a xmlns='urn:a'><b xmlns=''/></a>", n))
		}},
	}
	for _, test := range tests {
		for _, n := range []int{2_000, 16_000} {
			raw := []byte(test.attack(n))
			b.Run(fmt.Sprintf("%s/%d", test.name, n), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					_, err := soap.ParseRequest(raw, unlimited)
					require.NoError(b, err)
				}
			})
		}
	}
}

func TestParseAnswerReadsFaults(t *testing.T) {
	fault := func(children string) string {
		return `<s:Envelope xmlns:s="` + soap.NamespaceEnvelope + `"><s:Body><s:Fault>` + children + `</s:Fault></s:Body></s:Envelope>`
	}
	tests := []struct {
		name, answer              string
		code, text, actor, origin string
	}{
		{"75 no header", fault(`<faultcode>s:Server</faultcode><faultstring>a &amp; b</faultstring>`), "Server", "a & b", "", ""},
		{"classic", fault(`<faultcode>Server.ServerProxy.AccessDenied</faultcode><faultstring>no</faultstring><faultactor/><detail><faultDetail>x</faultDetail></detail>`), "Server.ServerProxy.AccessDenied", "no", "", "server.serverproxy"},
		{"snake", fault(`<faultcode>server.serverproxy.access_denied</faultcode><faultstring>no</faultstring>`), "server.serverproxy.access_denied", "no", "", "server.serverproxy"},
		{"other prefix for the code", fault(`<faultcode xmlns:t="` + soap.NamespaceEnvelope + `">t:Client</faultcode>`), "Client", "", "", ""},
		{"foreign prefix", fault(`<faultcode xmlns:t="urn:x">t:Client</faultcode>`), "t:Client", "", "", ""},
		{"unbound prefix", fault(`<faultcode>nix:Client</faultcode>`), "nix:Client", "", "", ""},
		{"plain", fault(`<faultcode> Server </faultcode><faultactor>urn:me</faultactor>`), "Server", "", "urn:me", ""},
		{"qualified children", fault(`<s:faultcode>s:Server</s:faultcode><s:faultstring>x</s:faultstring>`), "Server", "x", "", ""},
		{"foreign children", fault(`<a:faultcode xmlns:a="urn:a">s:Client</a:faultcode><faultcode>s:Server</faultcode>`), "Server", "", "", ""},
		{"empty", fault(``), "", "", "", ""},
		{"broken header", strings.Replace(fault(`<faultcode>s:Server</faultcode>`), "<s:Body>", "<s:Header><a/></s:Header><s:Body>", 1), "Server", "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := soap.ParseAnswer([]byte(test.answer), soap.Limits{})
			require.NoError(t, err)
			require.Equal(t, []string{test.code, test.text, test.actor, test.origin}, []string{m.Fault.Code, m.Fault.String, m.Fault.Actor, m.Fault.XRoad.Origin})
		})
	}
}

func TestParseAnswerRefuses(t *testing.T) {
	b := strings.ReplaceAll(base(t), "cpgOrderNotifyRequest", "cpgOrderNotifyResponse")
	tests := []struct{ name, answer, code string }{
		{"empty", "", soap.ReasonInvalidSOAP},
		{"not SOAP", "<a/>", soap.ReasonInvalidSOAP},
		{"no header", cut(t, b, "<soapenv:Header>", "</soapenv:Header>"), soap.ReasonMissingHeader},
		{"no body", cut(t, b, "<soapenv:Body>", "</soapenv:Body>"), soap.ReasonMissingBody},
		{"empty body", cut(t, b, "<tkt:cpg", "</tkt:cpgOrderNotifyResponse>"), soap.ReasonInvalidBody},
		{"no client", cut(t, b, "<xrd:client", "</xrd:client>"), xroadhdr.CodeMissingHeaderField},
		{"two ids", swap(t, b, "<xrd:id>", "<xrd:id>1</xrd:id><xrd:id>"), xroadhdr.CodeDuplicateHeaderField},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := soap.ParseAnswer([]byte(test.answer), soap.Limits{})
			var field *xroadhdr.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, test.code, field.Code)
			require.False(t, errors.As(err, new(*soap.Fault)), "only a received fault is a Fault")
		})
	}
}

func TestParseAnswerForgivesObjectType(t *testing.T) {
	b := swap(t, base(t), `"SUBSYSTEM"`, `"?"`)
	_, err := soap.ParseAnswer([]byte(b), soap.Limits{})
	require.NoError(t, err, "EMTA's own sample has it")
	_, err = soap.ParseRequest([]byte(b), soap.Limits{})
	require.Error(t, err)
}

// The fault text of a request that cannot be read must not repeat a piece of it.
func TestFaultTextHoldsNothingOfTheMessage(t *testing.T) {
	for _, message := range []string{"&Mari Maasikas;", "<id Mari Maasikas>", "</Mari Maasikas>", "<!Mari Maasikas>", "<?Mari Maasikas?>"} {
		_, err := soap.ParseRequest([]byte(swap(t, base(t), "order-1", message)), soap.Limits{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Maasikas", message)
	}
}
