package xroadhdr_test

import (
	"flag"
	"os"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

var update = flag.Bool("update", false, "rewrite golden files")

func fullHeader() xroadhdr.Header {
	h := baseHeader()
	h.RepresentedParty = &xroadhdr.RepresentedParty{PartyClass: "COM", PartyCode: "11000002"}
	h.SecurityServer = &xroadhdr.SecurityServerID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000001", ServerCode: "ss1"}
	h.SecurityToken = &xroadhdr.SecurityToken{TokenType: "urn:ietf:params:oauth:token-type:jwt", Value: "e30.e30.c2ln"}
	return h
}

func TestWriteSOAPGolden(t *testing.T) {
	minimal := baseHeader()
	minimal.UserID, minimal.Issue, minimal.ProtocolVersion = nil, nil, ""
	minimal.Client.SubsystemCode, minimal.Service.SubsystemCode, minimal.Service.ServiceVersion = "", "", ""
	empty := baseHeader()
	empty.UserID, empty.Issue = new(""), new("")
	readOnly := baseHeader()
	readOnly.RequestHash = &xroadhdr.RequestHash{AlgorithmID: "urn:x", Value: "AAAA"}
	readOnly.CentralService = &xroadhdr.CentralServiceID{Instance: "EE", ServiceCode: "x"}

	const soap = ` xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"`
	for _, row := range []struct {
		golden, envelope string
		header           xroadhdr.Header
	}{
		{"minimal", `<e:Envelope` + soap + `><e:Header/></e:Envelope>`, minimal},
		{"full", `<e:Envelope` + soap + `><e:Header/></e:Envelope>`, fullHeader()},
		{"empty-fields", `<e:Envelope` + soap + `><e:Header/></e:Envelope>`, empty},
		{"read-only-fields-left-out", `<e:Envelope` + soap + `><e:Header/></e:Envelope>`, readOnly},
		{"prefixes-in-scope", `<e:Envelope` + soap + ` xmlns:x="http://x-road.eu/xsd/xroad.xsd"><e:Header xmlns:i="http://x-road.eu/xsd/identifiers"/></e:Envelope>`, fullHeader()},
		{"prefixes-taken", `<e:Envelope` + soap + ` xmlns:xrd="urn:example:a" xmlns:xrd2="urn:example:b"><e:Header xmlns:id="urn:example:c"/></e:Envelope>`, fullHeader()},
		{"prefix-shadowed", `<e:Envelope` + soap + ` xmlns:xrd="http://x-road.eu/xsd/xroad.xsd"><e:Header xmlns:xrd="urn:example:a"/></e:Envelope>`, fullHeader()},
		{"default-namespace-not-used", `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Header/></Envelope>`, baseHeader()},
	} {
		t.Run(row.golden, func(t *testing.T) {
			el := headerOf(t, row.envelope)
			require.NoError(t, row.header.WriteSOAP(el))
			back, err := xroadhdr.ReadSOAP(el)
			require.NoError(t, err)
			require.Equal(t, asWritten(row.header), back)

			doc := etree.NewDocumentWithRoot(el.Parent())
			doc.Indent(2)
			got, err := doc.WriteToString()
			require.NoError(t, err)
			path := "testdata/written/" + row.golden + ".xml"
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			require.Equal(t, readFile(t, path), got)
		})
	}
}

// asWritten is what reading gives back of a header that was written.
func asWritten(h xroadhdr.Header) xroadhdr.Header {
	h.ProtocolVersion, h.RequestHash, h.CentralService, h.RequestID = "4.0", nil, nil, ""
	return h
}

func TestWriteSOAPStrict(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(h *xroadhdr.Header)
		code   string
		field  string
	}{
		{"zero client", func(h *xroadhdr.Header) { h.Client = xroadhdr.ClientID{} }, "InvalidIdentifier", "client/xRoadInstance"},
		{"no member code", func(h *xroadhdr.Header) { h.Client.MemberCode = "" }, "InvalidIdentifier", "client/memberCode"},
		{"no service code", func(h *xroadhdr.Header) { h.Service.ServiceCode = "" }, "InvalidIdentifier", "service/serviceCode"},
		{"20 service code with _", func(h *xroadhdr.Header) { h.Service.ServiceCode = "find_Firm" }, "InvalidIdentifier", "service/serviceCode"},
		{"outer blank", func(h *xroadhdr.Header) { h.Client.MemberCode = " 1" }, "InvalidIdentifier", "client/memberCode"},
		{"slash", func(h *xroadhdr.Header) { h.Client.MemberCode = "1/2" }, "InvalidIdentifier", "client/memberCode"},
		{"dot segment", func(h *xroadhdr.Header) { h.Service.SubsystemCode = ".." }, "InvalidIdentifier", "service/subsystemCode"},
		{"non-ASCII", func(h *xroadhdr.Header) { h.Client.SubsystemCode = "põõd" }, "InvalidIdentifier", "client/subsystemCode"},
		{"not UTF-8", func(h *xroadhdr.Header) { h.Client.SubsystemCode = "\xff" }, "InvalidIdentifier", "client/subsystemCode"},
		{"no id", func(h *xroadhdr.Header) { h.ID = "" }, "InvalidHeaderField", "id"},
		{"line break in user id", func(h *xroadhdr.Header) { h.UserID = new("EE\n1") }, "InvalidHeaderField", "userId"},
		{"no XML character in issue", func(h *xroadhdr.Header) { h.Issue = new("\uffff") }, "InvalidHeaderField", "issue"},
		{"version 4.1", func(h *xroadhdr.Header) { h.ProtocolVersion = "4.1" }, "InvalidProtocolVersion", "protocolVersion"},
		{"no party code", func(h *xroadhdr.Header) { h.RepresentedParty.PartyCode = "" }, "InvalidHeaderField", "representedParty/partyCode"},
		{"blank party class", func(h *xroadhdr.Header) { h.RepresentedParty.PartyClass = " " }, "InvalidHeaderField", "representedParty/partyClass"},
		{"no server code", func(h *xroadhdr.Header) { h.SecurityServer.ServerCode = "" }, "InvalidIdentifier", "securityServer/serverCode"},
		{"no token type", func(h *xroadhdr.Header) { h.SecurityToken.TokenType = "" }, "InvalidHeaderField", "securityToken/@tokenType"},
		{"no token", func(h *xroadhdr.Header) { h.SecurityToken.Value = "" }, "InvalidHeaderField", "securityToken"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := fullHeader()
			row.change(&h)
			el := headerOf(t, `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header/></e:Envelope>`)
			before := written(t, el.Parent())
			requireFieldError(t, h.WriteSOAP(el), row.code, row.field)
			require.Equal(t, before, written(t, el.Parent()), "nothing may be appended")
		})
	}
}

func TestSOAPRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawHeader(t)
		doc := etree.NewDocument()
		el := doc.CreateElement("e:Envelope").CreateElement("e:Header")
		require.NoError(t, want.WriteSOAP(el))
		wire, err := doc.WriteToBytes()
		require.NoError(t, err)

		back := etree.NewDocument()
		require.NoError(t, back.ReadFromBytes(wire))
		got, err := xroadhdr.ReadSOAP(back.Root().ChildElements()[0])
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// drawHeader draws headers that may be written.
func drawHeader(t *rapid.T) xroadhdr.Header {
	part := rapid.StringMatching(`[A-Za-z0-9'()+,=?-][A-Za-z0-9'()+,.=?-]{0,12}`)
	optionalPart := rapid.OneOf(rapid.Just(""), part)
	text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[ -~õäöüšž😀]{0,20}`))
	visible := rapid.StringMatching(`[!-~õ][ -~õ]{0,20}`)
	h := xroadhdr.Header{
		Client:          xroadhdr.ClientID{Instance: part.Draw(t, "instance"), MemberClass: part.Draw(t, "class"), MemberCode: part.Draw(t, "member"), SubsystemCode: optionalPart.Draw(t, "subsystem")},
		ID:              visible.Draw(t, "id"),
		UserID:          rapid.Ptr(text, true).Draw(t, "userId"),
		Issue:           rapid.Ptr(text, true).Draw(t, "issue"),
		ProtocolVersion: xroadhdr.ProtocolVersion,
	}
	provider := xroadhdr.ClientID{Instance: part.Draw(t, "instance"), MemberClass: part.Draw(t, "class"), MemberCode: part.Draw(t, "member"), SubsystemCode: optionalPart.Draw(t, "subsystem")}
	h.Service = provider.Service(part.Draw(t, "code"), optionalPart.Draw(t, "version"))
	if rapid.Bool().Draw(t, "represented") {
		h.RepresentedParty = &xroadhdr.RepresentedParty{PartyClass: optionalPart.Draw(t, "partyClass"), PartyCode: part.Draw(t, "partyCode")}
	}
	if rapid.Bool().Draw(t, "server") {
		h.SecurityServer = &xroadhdr.SecurityServerID{Instance: part.Draw(t, "instance"), MemberClass: part.Draw(t, "class"), MemberCode: part.Draw(t, "member"), ServerCode: part.Draw(t, "serverCode")}
	}
	if rapid.Bool().Draw(t, "token") {
		h.SecurityToken = &xroadhdr.SecurityToken{TokenType: visible.Draw(t, "tokenType"), Value: visible.Draw(t, "token")}
	}
	return h
}
