package xroadhdr_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// baseHeader is what testdata/base.xml says.
func baseHeader() xroadhdr.Header {
	shop := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11000001", SubsystemCode: "shop"}
	reg := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000001", SubsystemCode: "reg"}
	return xroadhdr.Header{
		Client:          shop,
		Service:         reg.Service("findFirm", "v1"),
		ID:              "5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11",
		UserID:          new("EE60001019906"),
		Issue:           new("a&b"),
		ProtocolVersion: "4.0",
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// headerOf finds the SOAP Header of an envelope.
func headerOf(t testing.TB, envelope string) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	doc.ReadSettings.PreserveCData = true
	require.NoError(t, doc.ReadFromString(envelope))
	for _, el := range doc.Root().ChildElements() {
		if el.Tag == "Header" {
			return el
		}
	}
	require.Fail(t, "no Header", envelope)
	return nil
}

// edited is base.xml with the first old replaced by text.
func edited(t testing.TB, old, text string) string {
	t.Helper()
	base := readFile(t, "testdata/base.xml")
	require.Contains(t, base, old, "the row's old text must be in base.xml")
	return strings.Replace(base, old, text, 1)
}

const (
	clientOpen     = `<x:client i:objectType="SUBSYSTEM">`
	serviceOpen    = `<x:service i:objectType="SERVICE">`
	idElement      = `<x:id>5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11</x:id>`
	userElement    = `<x:userId>EE60001019906</x:userId>`
	issueElement   = `<x:issue>a&amp;b</x:issue>`
	versionElement = `<x:protocolVersion>4.0</x:protocolVersion>`
	serverElement  = `<x:securityServer i:objectType="SERVER"><i:xRoadInstance>EE</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>1</i:memberCode><i:serverCode>ss1</i:serverCode></x:securityServer>`
	centralElement = `<x:centralService i:objectType="CENTRALSERVICE"><i:xRoadInstance>EE</i:xRoadInstance><i:serviceCode>popReg</i:serviceCode></x:centralService>`
	tokenElement   = `<t:securityToken tokenType="urn:ietf:params:oauth:token-type:jwt">e30.e30.c2ln</t:securityToken>`
	hashElement    = `<x:requestHash algorithmId="http://www.w3.org/2001/04/xmlenc#sha512">AAAA</x:requestHash>`
)

func TestReadSOAPGood(t *testing.T) {
	for _, row := range []struct {
		name, old, text string
		want            func(h *xroadhdr.Header)
	}{
		{"1 base", "", "", func(h *xroadhdr.Header) {}},
		{"2 no userId", userElement, "", func(h *xroadhdr.Header) { h.UserID = nil }},
		{"3 empty issue", issueElement, "<x:issue/>", func(h *xroadhdr.Header) { h.Issue = new("") }},
		{"3 no issue", issueElement, "", func(h *xroadhdr.Header) { h.Issue = nil }},
		{"4 member as client", "<i:subsystemCode>shop</i:subsystemCode>", "", func(h *xroadhdr.Header) { h.Client.SubsystemCode = "" }},
		{"4 object type MEMBER with a subsystem", clientOpen, `<x:client i:objectType="MEMBER">`, func(h *xroadhdr.Header) {}},
		{"5 service of a member", "<i:subsystemCode>reg</i:subsystemCode>", "", func(h *xroadhdr.Header) { h.Service.SubsystemCode = "" }},
		{"5 service without version", "<i:serviceVersion>v1</i:serviceVersion>", "", func(h *xroadhdr.Header) { h.Service.ServiceVersion = "" }},
		{"14 represented party", idElement, idElement + "<r:representedParty><r:partyClass>COM</r:partyClass><r:partyCode>12</r:partyCode></r:representedParty>", func(h *xroadhdr.Header) {
			h.RepresentedParty = &xroadhdr.RepresentedParty{PartyClass: "COM", PartyCode: "12"}
		}},
		{"14 represented party without class", idElement, idElement + "<r:representedParty><r:partyCode>EE:PIN:1</r:partyCode></r:representedParty>", func(h *xroadhdr.Header) { h.RepresentedParty = &xroadhdr.RepresentedParty{PartyCode: "EE:PIN:1"} }},
		{"14 represented party with empty class", idElement, idElement + "<r:representedParty><r:partyClass/><r:partyCode>12</r:partyCode></r:representedParty>", func(h *xroadhdr.Header) { h.RepresentedParty = &xroadhdr.RepresentedParty{PartyCode: "12"} }},
		{"15 security server", idElement, idElement + serverElement, func(h *xroadhdr.Header) {
			h.SecurityServer = &xroadhdr.SecurityServerID{Instance: "EE", MemberClass: "GOV", MemberCode: "1", ServerCode: "ss1"}
		}},
		{"15 security token", idElement, idElement + tokenElement, func(h *xroadhdr.Header) {
			h.SecurityToken = &xroadhdr.SecurityToken{TokenType: "urn:ietf:params:oauth:token-type:jwt", Value: "e30.e30.c2ln"}
		}},
		{"16 request hash", idElement, idElement + hashElement, func(h *xroadhdr.Header) {
			h.RequestHash = &xroadhdr.RequestHash{AlgorithmID: "http://www.w3.org/2001/04/xmlenc#sha512", Value: "AAAA"}
		}},
		{"17 protocol version 4.1", versionElement, "<x:protocolVersion>4.1</x:protocolVersion>", func(h *xroadhdr.Header) { h.ProtocolVersion = "4.1" }},
		{"18 old user id", userElement, "<x:userId>EE:PIN:abc</x:userId>", func(h *xroadhdr.Header) { h.UserID = new("EE:PIN:abc") }},
		{"19 non-ASCII issue", issueElement, "<x:issue>aäõ😀</x:issue>", func(h *xroadhdr.Header) { h.Issue = new("aäõ😀") }},
		{"20 service code with _", "findFirm<", "find_Firm.all<", func(h *xroadhdr.Header) { h.Service.ServiceCode = "find_Firm.all" }},
		{"20 non-ASCII subsystem", "shop<", "põõd<", func(h *xroadhdr.Header) { h.Client.SubsystemCode = "põõd" }},
		{"21 service and central service", idElement, idElement + centralElement, func(h *xroadhdr.Header) {
			h.CentralService = &xroadhdr.CentralServiceID{Instance: "EE", ServiceCode: "popReg"}
		}},
		{"empty id", idElement, "<x:id/>", func(h *xroadhdr.Header) { h.ID = "" }},
		{"outer blanks are another identifier", "11000001<", " 11000001 <", func(h *xroadhdr.Header) { h.Client.MemberCode = " 11000001 " }},
		{"part of another kind", clientOpen, clientOpen + "<i:serverCode>s</i:serverCode>", func(h *xroadhdr.Header) {}},
		{"part in a foreign namespace", clientOpen, clientOpen + `<memberCode xmlns="urn:example:other">2</memberCode>`, func(h *xroadhdr.Header) {}},
	} {
		t.Run(row.name, func(t *testing.T) {
			el := headerOf(t, edited(t, row.old, row.text))
			before := el.Copy()
			want := baseHeader()
			row.want(&want)
			got, err := xroadhdr.ReadSOAP(el)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Equal(t, written(t, before), written(t, el), "the element must stay as it was")
		})
	}
}

// written is the element as a document of its own.
func written(t testing.TB, el *etree.Element) string {
	t.Helper()
	s, err := etree.NewDocumentWithRoot(el.Copy()).WriteToString()
	require.NoError(t, err)
	return s
}

// Rows 6 to 9, 12, 13: other shapes of the base message.
func TestReadSOAPEqual(t *testing.T) {
	paths, err := filepath.Glob("testdata/equal/*.xml")
	require.NoError(t, err)
	require.Len(t, paths, 5)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got, err := xroadhdr.ReadSOAP(headerOf(t, readFile(t, path)))
			require.NoError(t, err)
			require.Equal(t, baseHeader(), got)
		})
	}
}

func TestReadSOAPBad(t *testing.T) {
	for _, row := range []struct{ name, old, text, code, field string }{
		{"33 two clients", idElement, idElement + "<x:client/>", "DuplicateHeaderField", "client"},
		{"33 two services", idElement, idElement + "<x:service/>", "DuplicateHeaderField", "service"},
		{"33 two ids", idElement, idElement + idElement, "DuplicateHeaderField", "id"},
		{"33 two user ids", userElement, userElement + userElement, "DuplicateHeaderField", "userId"},
		{"33 two tokens", idElement, tokenElement + tokenElement, "DuplicateHeaderField", "securityToken"},
		{"33 two ids under two prefixes", idElement, idElement + `<y:id xmlns:y="http://x-road.eu/xsd/xroad.xsd">2</y:id>`, "DuplicateHeaderField", "id"},
		{"34 two member codes", "<i:subsystemCode>shop", "<i:memberCode>2</i:memberCode><i:subsystemCode>shop", "DuplicateHeaderField", "client/memberCode"},
		{"34 two service codes", "<i:serviceVersion>", "<i:serviceCode>x</i:serviceCode><i:serviceVersion>", "DuplicateHeaderField", "service/serviceCode"},
		{"34 two party codes", idElement, idElement + "<r:representedParty><r:partyCode>1</r:partyCode><r:partyCode>1</r:partyCode></r:representedParty>", "DuplicateHeaderField", "representedParty/partyCode"},
		{"35 no client", clientOpen, `<x:client xmlns:x="urn:example:other">`, "MissingHeaderField", "client"},
		{"35 no id", idElement, "", "MissingHeaderField", "id"},
		{"35 no service", serviceOpen, `<x:service xmlns:x="urn:example:other">`, "MissingHeaderField", "service"},
		{"35 no protocol version", versionElement, "", "MissingHeaderField", "protocolVersion"},
		{"37 version 3.5", ">4.0<", ">3.5<", "InvalidProtocolVersion", "protocolVersion"},
		{"37 version foo", ">4.0<", ">foo<", "InvalidProtocolVersion", "protocolVersion"},
		{"37 version empty", ">4.0<", "><", "InvalidProtocolVersion", "protocolVersion"},
		{"37 version with a blank", ">4.0<", "> 4.0<", "InvalidProtocolVersion", "protocolVersion"},
		{"37 version 4", ">4.0<", ">4<", "InvalidProtocolVersion", "protocolVersion"},
		{"38 no object type on service", serviceOpen, "<x:service>", "InvalidXml", "service/@objectType"},
		{"39 object type without namespace", serviceOpen, `<x:service objectType="SERVICE">`, "InvalidXml", "service/@objectType"},
		{"39 object type in another namespace", serviceOpen, `<x:service x:objectType="SERVICE">`, "InvalidXml", "service/@objectType"},
		{"40 object type SERVER on client", clientOpen, `<x:client i:objectType="SERVER">`, "InvalidXml", "client/@objectType"},
		{"40 object type FOO on service", serviceOpen, `<x:service i:objectType="FOO">`, "InvalidXml", "service/@objectType"},
		{"40 object type SERVICE on server", idElement, idElement + strings.Replace(serverElement, "SERVER", "SERVICE", 1), "InvalidXml", "securityServer/@objectType"},
		{"41 empty member code", ">11000001<", "><", "InvalidIdentifier", "client/memberCode"},
		{"41 blank member code", ">11000001<", ">   <", "InvalidIdentifier", "client/memberCode"},
		{"41 no-break blank member code", ">11000001<", ">\u00a0<", "InvalidIdentifier", "client/memberCode"},
		{"41 no member code", "<i:memberCode>11000001</i:memberCode>", "", "InvalidIdentifier", "client/memberCode"},
		{"41 empty subsystem", ">shop<", "><", "InvalidIdentifier", "client/subsystemCode"},
		{"41 no service code", "<i:serviceCode>findFirm</i:serviceCode>", "", "InvalidIdentifier", "service/serviceCode"},
		{"41 empty version", ">v1<", "><", "InvalidIdentifier", "service/serviceVersion"},
		{"41 no server code", idElement, idElement + strings.Replace(serverElement, "<i:serverCode>ss1</i:serverCode>", "", 1), "InvalidIdentifier", "securityServer/serverCode"},
		{"41 no party code", idElement, idElement + "<r:representedParty/>", "InvalidIdentifier", "representedParty/partyCode"},
		{"43 member code in the xroad namespace", "<i:memberCode>11000001</i:memberCode>", "<x:memberCode>11000001</x:memberCode>", "InvalidIdentifier", "client/memberCode"},
		{"44 line break", ">11000001<", ">\n11000001<", "InvalidIdentifier", "client/memberCode"},
		{"44 C1 control character", ">11000001<", ">1\u0085<", "InvalidIdentifier", "client/memberCode"},
		{"44 delete", ">11000001<", ">1\u007f<", "InvalidIdentifier", "client/memberCode"},
		{"44 zero width blank", ">11000001<", ">1\u200b1<", "InvalidIdentifier", "client/memberCode"},
		{"44 slash", ">11000001<", ">1/1<", "InvalidIdentifier", "client/memberCode"},
		{"44 backslash", ">11000001<", `>1\1<`, "InvalidIdentifier", "client/memberCode"},
		{"44 percent", ">findFirm<", ">a%2F<", "InvalidIdentifier", "service/serviceCode"},
		{"44 colon", ">reg<", ">a:b<", "InvalidIdentifier", "service/subsystemCode"},
		{"44 semicolon", ">reg<", ">a;b<", "InvalidIdentifier", "service/subsystemCode"},
		{"no central service code", idElement, idElement + strings.Replace(centralElement, "<i:serviceCode>popReg</i:serviceCode>", "", 1), "InvalidIdentifier", "centralService/serviceCode"},
		{"element in the user id", "EE60001019906", "EE<x:b/>60001019906", "InvalidXml", "userId"},
		{"element in the issue", "a&amp;b", "a<x:b/>b", "InvalidXml", "issue"},
		{"element in the hash", idElement, idElement + "<x:requestHash>AA<x:b/></x:requestHash>", "InvalidXml", "requestHash"},
		{"element in a value", "5f0a7a6e-", "5f0a7a6e-<x:b/>", "InvalidXml", "id"},
		{"processing instruction in a value", ">11000001<", ">1100<?x y?>0001<", "InvalidXml", "client/memberCode"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := xroadhdr.ReadSOAP(headerOf(t, edited(t, row.old, row.text)))
			requireFieldError(t, err, row.code, row.field)
			require.Zero(t, got)
		})
	}
}

func requireFieldError(t testing.TB, err error, code, field string) {
	t.Helper()
	var fe *xroadhdr.FieldError
	require.ErrorAs(t, err, &fe)
	require.Equal(t, [2]string{code, field}, [2]string{fe.Code, fe.Field}, "%v", err)
	require.NotEmpty(t, fe.Rule)
}

// Row 35: with several missing, the order is protocolVersion, client, id, service.
func TestReadSOAPOrderOfMissing(t *testing.T) {
	el := headerOf(t, readFile(t, "testdata/base.xml"))
	kept := map[string]*etree.Element{}
	for _, child := range el.ChildElements() {
		kept[child.Tag] = el.RemoveChild(child).(*etree.Element)
	}
	for _, name := range []string{"protocolVersion", "client", "id", "service"} {
		_, err := xroadhdr.ReadSOAP(el)
		requireFieldError(t, err, "MissingHeaderField", name)
		el.InsertChildAt(0, kept[name])
	}
	_, err := xroadhdr.ReadSOAP(el)
	require.NoError(t, err)
}

// Row 36.
func TestReadSOAPOnlyCentralService(t *testing.T) {
	base := edited(t, idElement, idElement+centralElement)
	from, to := strings.Index(base, serviceOpen), strings.Index(base, "</x:service>")+len("</x:service>")
	_, err := xroadhdr.ReadSOAP(headerOf(t, base[:from]+base[to:]))
	requireFieldError(t, err, "MissingHeaderField", "service")
}

// Row 42: the namespaces of earlier versions and pilots (§1.2).
func TestReadSOAPLegacyNamespaces(t *testing.T) {
	for _, uri := range []string{"http://x-road.ee/xsd/x-road.xsd", "http://x-road.eu/xsd/x-road.xsd", "http://x-road.eu/xsd/sdsb.xsd", "http://x-rd.net/xsd/xroad.xsd"} {
		_, err := xroadhdr.ReadSOAP(headerOf(t, edited(t, xroadhdr.NamespaceXRoad, uri)))
		requireFieldError(t, err, "MissingHeaderField", "protocolVersion")
	}
}

// Row 43, for all parts.
func TestReadSOAPPartsInWrongNamespace(t *testing.T) {
	base := readFile(t, "testdata/base.xml")
	base = strings.NewReplacer("<i:", "<x:", "</i:", "</x:").Replace(base)
	_, err := xroadhdr.ReadSOAP(headerOf(t, base))
	requireFieldError(t, err, "InvalidIdentifier", "client/xRoadInstance")
}

func TestReadSOAPNoHeader(t *testing.T) {
	_, err := xroadhdr.ReadSOAP(nil)
	requireFieldError(t, err, "MissingHeader", "Header")
}

func TestReadAnswerSOAP(t *testing.T) {
	el := headerOf(t, readFile(t, "testdata/answer-object-type.xml"))
	_, err := xroadhdr.ReadSOAP(el)
	requireFieldError(t, err, "InvalidXml", "client/@objectType")

	got, err := xroadhdr.ReadAnswerSOAP(el)
	require.NoError(t, err)
	require.Empty(t, baseHeader().Differs(got))
	require.Equal(t, "http://www.w3.org/2001/04/xmlenc#sha512", got.RequestHash.AlgorithmID)
	require.Contains(t, got.RequestHash.Value, "\n", "the hash stays as it came")

	_, err = xroadhdr.ReadAnswerSOAP(headerOf(t, edited(t, ">11000001<", "><")))
	requireFieldError(t, err, "InvalidIdentifier", "client/memberCode")
}

// Error texts go to the other side and into logs.
func TestReadSOAPErrorsTellNoValues(t *testing.T) {
	const secret = "EE60001019906"
	for _, text := range []string{
		"<r:representedParty><r:partyCode>" + secret + "\t</r:partyCode></r:representedParty>",
		"<t:securityToken>" + secret + "<x:a/></t:securityToken>",
	} {
		_, err := xroadhdr.ReadSOAP(headerOf(t, edited(t, idElement, idElement+text)))
		require.Error(t, err)
		require.NotContains(t, err.Error(), secret)
	}
}
