package xroadhdr_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func fieldsOf(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestReadHTTPGood(t *testing.T) {
	shop := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11000001", SubsystemCode: "shop"}
	for _, row := range []struct {
		name   string
		fields http.Header
		want   xroadhdr.Header
	}{
		{"82 client only", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/shop"), xroadhdr.Header{Client: shop}},
		{"member", fieldsOf("X-Road-Client", "ee-dev/COM/11000001"), xroadhdr.Header{Client: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11000001"}}},
		{"lower case names", fieldsOf("x-road-client", "ee-dev/COM/11000001/shop", "x-road-userid", "EE60001019906"), xroadhdr.Header{Client: shop, UserID: new("EE60001019906")}},
		{"encoded", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/s_h%C3%B5"), xroadhdr.Header{Client: xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "COM", MemberCode: "11000001", SubsystemCode: "s_hõ"}}},
		{"ids", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/shop", "X-Road-Id", "1", "X-Road-Request-Id", "2"), xroadhdr.Header{Client: shop, ID: "1", RequestID: "2"}},
		{"empty issue", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/shop", "X-Road-Issue", ""), xroadhdr.Header{Client: shop, Issue: new("")}},
		{"service", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/shop", "X-Road-Service", "ee-dev/COM/11000001/shop/sell"), xroadhdr.Header{Client: shop, Service: shop.Service("sell", "")}},
		{"94 party", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/shop", "X-Road-Represented-Party", "COM/123"), xroadhdr.Header{Client: shop, RepresentedParty: &xroadhdr.RepresentedParty{PartyClass: "COM", PartyCode: "123"}}},
		{"94 party without class", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/shop", "X-Road-Represented-Party", "123"), xroadhdr.Header{Client: shop, RepresentedParty: &xroadhdr.RepresentedParty{PartyCode: "123"}}},
		{"security server", fieldsOf("X-Road-Client", "ee-dev/COM/11000001/shop", "X-Road-Security-Server", "EE/GOV/1/ss1"), xroadhdr.Header{Client: shop, SecurityServer: &xroadhdr.SecurityServerID{Instance: "EE", MemberClass: "GOV", MemberCode: "1", ServerCode: "ss1"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := xroadhdr.ReadHTTP(row.fields)
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}

func TestReadHTTPBad(t *testing.T) {
	for _, row := range []struct{ name, value, code, field string }{
		{"X-Road-Client", "", "InvalidIdentifier", "X-Road-Client"},
		{"X-Road-Client", "EE/GOV", "InvalidIdentifier", "X-Road-Client"},
		{"X-Road-Client", "EE/GOV/1/a/b", "InvalidIdentifier", "X-Road-Client"},
		{"X-Road-Client", "EE/GOV/1/a, EE/GOV/2/b", "InvalidIdentifier", "X-Road-Client"},
		{"X-Road-Client", "EE/GOV/1%2Fa", "InvalidIdentifier", "X-Road-Client/memberCode"},
		{"X-Road-Client", "EE/GOV/1/a%3Ab", "InvalidIdentifier", "X-Road-Client/subsystemCode"},
		{"X-Road-Client", "EE/GOV/1/%", "InvalidIdentifier", "X-Road-Client/subsystemCode"},
		{"X-Road-Service", "EE/GOV/1/a", "InvalidIdentifier", "X-Road-Service"},
		{"X-Road-Service", "EE/GOV/1/a/b%5C", "InvalidIdentifier", "X-Road-Service/serviceCode"},
		{"X-Road-Represented-Party", "A/B/C", "InvalidIdentifier", "X-Road-Represented-Party"},
		{"X-Road-Represented-Party", "", "InvalidIdentifier", "X-Road-Represented-Party/partyCode"},
		{"X-Road-Represented-Party", "/1", "InvalidIdentifier", "X-Road-Represented-Party/partyClass"},
		{"X-Road-Represented-Party", "COM/", "InvalidIdentifier", "X-Road-Represented-Party/partyCode"},
		{"X-Road-Security-Server", "EE/GOV/1", "InvalidIdentifier", "X-Road-Security-Server"},
		{"X-Road-Security-Server", "EE/GOV/1/a%2Fb", "InvalidIdentifier", "X-Road-Security-Server/serverCode"},
	} {
		fields := fieldsOf("X-Road-Client", "EE/GOV/1/a")
		fields.Set(row.name, row.value)
		got, err := xroadhdr.ReadHTTP(fields)
		requireFieldError(t, err, row.code, row.field)
		require.Zero(t, got)
	}
	_, err := xroadhdr.ReadHTTP(http.Header{})
	requireFieldError(t, err, "MissingHeaderField", "X-Road-Client")
}

// Row 83, and the same for every other field that is single by definition (§10).
func TestReadHTTPDuplicate(t *testing.T) {
	for _, name := range []string{"X-Road-Client", "X-Road-Service", "X-Road-Id", "X-Road-Request-Id", "X-Road-Request-Hash",
		"X-Road-UserId", "X-Road-Issue", "X-Road-Represented-Party", "X-Road-Security-Server", "X-Road-Error"} {
		fields := fieldsOf("X-Road-Client", "EE/GOV/1/a")
		fields.Del(name)
		fields.Add(name, "EE/GOV/1/a")
		fields.Add(name, "EE/GOV/1/a")
		_, err := xroadhdr.ReadHTTP(fields)
		requireFieldError(t, err, "DuplicateHeaderField", name)
	}
}

func TestWriteHTTP(t *testing.T) {
	fields := fieldsOf("X-Road-Client", "EE/GOV/9/old", "X-Road-Client", "EE/GOV/8/older", "Accept", "application/json")
	require.NoError(t, fullHeader().WriteHTTP(fields))
	require.Equal(t, fieldsOf(
		"Accept", "application/json",
		"X-Road-Client", "ee-dev/COM/11000001/shop",
		"X-Road-Id", "5f0a7a6e-6d0f-4d3c-9d36-0a6b7f6f1c11",
		"X-Road-UserId", "EE60001019906",
		"X-Road-Issue", "a&b",
		"X-Road-Represented-Party", "COM/11000002",
		"X-Road-Security-Server", "ee-dev/GOV/70000001/ss1",
	), fields)

	require.NoError(t, xroadhdr.Header{Client: baseHeader().Client, ID: "2"}.WriteHTTP(fields))
	require.Equal(t, fieldsOf("Accept", "application/json", "X-Road-Client", "ee-dev/COM/11000001/shop", "X-Road-Id", "2"), fields)
}

func TestWriteHTTPStrict(t *testing.T) {
	for _, row := range []struct {
		change      func(h *xroadhdr.Header)
		code, field string
	}{
		{func(h *xroadhdr.Header) { h.Client = xroadhdr.ClientID{} }, "InvalidIdentifier", "client/xRoadInstance"},
		{func(h *xroadhdr.Header) { h.Client.SubsystemCode = "a_b" }, "InvalidIdentifier", "client/subsystemCode"},
		{func(h *xroadhdr.Header) { h.ID = "" }, "MissingHeaderField", "X-Road-Id"},
		{func(h *xroadhdr.Header) { h.ID = "1\r\nX-Road-Client: EE/GOV/2" }, "InvalidHeaderField", "X-Road-Id"},
		{func(h *xroadhdr.Header) { h.UserID = new("õ") }, "InvalidHeaderField", "X-Road-UserId"},
		{func(h *xroadhdr.Header) { h.Issue = new(" 1") }, "InvalidHeaderField", "X-Road-Issue"},
		{func(h *xroadhdr.Header) { h.RepresentedParty.PartyCode = "" }, "InvalidHeaderField", "representedParty/partyCode"},
		{func(h *xroadhdr.Header) { h.RepresentedParty.PartyCode = "B/C" }, "InvalidHeaderField", "representedParty/partyCode"},
		{func(h *xroadhdr.Header) { h.SecurityServer.ServerCode = "" }, "InvalidIdentifier", "securityServer/serverCode"},
	} {
		h, fields := fullHeader(), fieldsOf("X-Road-Issue", "before")
		row.change(&h)
		requireFieldError(t, h.WriteHTTP(fields), row.code, row.field)
		require.Equal(t, fieldsOf("X-Road-Issue", "before"), fields, "nothing may be changed")
	}
}

func TestHTTPRoundTrip(t *testing.T) {
	ascii := rapid.StringMatching(`[!-~]([ -~]{0,10}[!-~])?`)
	rapid.Check(t, func(t *rapid.T) {
		want := drawHeader(t)
		want.ID, want.UserID, want.Issue = ascii.Draw(t, "id"), rapid.Ptr(ascii, true).Draw(t, "userId"), rapid.Ptr(ascii, true).Draw(t, "issue")
		fields := http.Header{}
		require.NoError(t, want.WriteHTTP(fields))
		got, err := xroadhdr.ReadHTTP(fields)
		require.NoError(t, err)
		want.Service, want.ProtocolVersion, want.SecurityToken = xroadhdr.ServiceID{}, "", nil // not HTTP fields of a request
		require.Equal(t, want, got)
	})
}
