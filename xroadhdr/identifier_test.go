package xroadhdr_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

func TestParseClientID(t *testing.T) {
	for _, row := range []struct {
		s, display string
		want       xroadhdr.ClientID
	}{
		{"EE/GOV/70000310", "MEMBER:EE/GOV/70000310", xroadhdr.ClientID{Instance: "EE", MemberClass: "GOV", MemberCode: "70000310"}},
		{"ee-dev/GOV/70000310/at", "SUBSYSTEM:ee-dev/GOV/70000310/at", xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "70000310", SubsystemCode: "at"}},
		{"EE/GOV/1/a_b c", "SUBSYSTEM:EE/GOV/1/a_b c", xroadhdr.ClientID{Instance: "EE", MemberClass: "GOV", MemberCode: "1", SubsystemCode: "a_b c"}},
	} {
		got, err := xroadhdr.ParseClientID(row.s)
		require.NoError(t, err, row.s)
		require.Equal(t, row.want, got)
		require.Equal(t, row.s, got.String())
		require.Equal(t, row.display, got.Display())
	}
	for _, row := range []struct{ s, field string }{
		{"", "client"},
		{"EE/GOV", "client"},
		{"EE/GOV/1/a/b", "client"},
		{"EE:GOV:1:a", "client"},
		{"/GOV/1", "client/xRoadInstance"},
		{"EE//1", "client/memberClass"},
		{"EE/GOV/1/", "client/subsystemCode"},
		{"EE/GOV/1/ ", "client/subsystemCode"},
		{"EE/GOV/1\x00/a", "client/memberCode"},
		{"EE/GOV/1/a%20b", "client/subsystemCode"},
		{"SUBSYSTEM:EE/GOV/1/a", "client/xRoadInstance"},
	} {
		got, err := xroadhdr.ParseClientID(row.s)
		requireFieldError(t, err, "InvalidIdentifier", row.field)
		require.Zero(t, got)
	}
}

func TestParseServiceID(t *testing.T) {
	got, err := xroadhdr.ParseServiceID("EE/GOV/70000001/popreg/getPerson/v1")
	require.NoError(t, err)
	provider := xroadhdr.ClientID{Instance: "EE", MemberClass: "GOV", MemberCode: "70000001", SubsystemCode: "popreg"}
	require.Equal(t, provider.Service("getPerson", "v1"), got)
	require.Equal(t, provider, got.Provider())
	require.Equal(t, xroadhdr.MemberID{Instance: "EE", MemberClass: "GOV", MemberCode: "70000001"}, got.Provider().Member())
	require.Equal(t, "EE/GOV/70000001", got.Provider().Member().String())
	require.Equal(t, "SERVICE:EE/GOV/70000001/popreg/getPerson/v1", got.Display())
	require.NotEqual(t, provider.Service("getPerson", ""), got, "without a version it is another service")
	require.Equal(t, "EE/GOV/70000001/popreg/getPerson", provider.Service("getPerson", "").String())

	for _, row := range []struct{ s, field string }{
		{"EE/GOV/1/sub/service", "service"},
		{"EE/GOV/1/service/v1", "service"},
		{"EE/GOV/1/sub/service/v1/x", "service"},
		{"EE/GOV/1//service/v1", "service/subsystemCode"},
		{"EE/GOV/1/sub/service/", "service/serviceVersion"},
	} {
		got, err := xroadhdr.ParseServiceID(row.s)
		requireFieldError(t, err, "InvalidIdentifier", row.field)
		require.Zero(t, got)
	}
}

// Row 81: encoded per part, and decoded back equal.
func TestPath(t *testing.T) {
	c := xroadhdr.ClientID{Instance: "EE", MemberClass: "a/b", MemberCode: "1 2", SubsystemCode: "õ+"}
	require.Equal(t, "EE/a%2Fb/1%202/%C3%B5+", c.Path())
	back, err := xroadhdr.ParseClientPath(c.Path())
	require.NoError(t, err)
	require.Equal(t, c, back)
	require.Equal(t, "EE/a%2Fb/1%202/%C3%B5+/find/v1", c.Service("find", "v1").Path())
	require.Equal(t, "EE/GOV/1/s%3Bs", xroadhdr.SecurityServerID{Instance: "EE", MemberClass: "GOV", MemberCode: "1", ServerCode: "s;s"}.Path())
}

func TestParseClientPathBad(t *testing.T) {
	for _, row := range []struct{ s, field string }{
		{"", "client"},
		{"EE/GOV", "client"},
		{"EE/GOV/1/a/b", "client"},
		{"EE%2FGOV%2F1", "client"},
		{"EE/GOV/1/a b", "client/subsystemCode"},
		{"EE/GOV/1/\"a\"", "client/subsystemCode"},
		{"EE/GOV/1/<a", "client/subsystemCode"},
		{"EE/GOV/1/õ", "client/subsystemCode"},
		{"EE/GOV/1/\xff", "client/subsystemCode"},
		{"EE/GOV/1/a%2", "client/subsystemCode"},
		{"EE/GOV/1/a%zz", "client/subsystemCode"},
		{"EE/GOV/1/%FF", "client/subsystemCode"},
		{"EE/GOV/1/%00", "client/subsystemCode"},
		{"EE/GOV/1/%0A", "client/subsystemCode"},
		{"EE/GOV/1/%20", "client/subsystemCode"},
		{"EE/GOV//a", "client/memberCode"},
		{"EE/GOV/1/", "client/subsystemCode"},
	} {
		got, err := xroadhdr.ParseClientPath(row.s)
		requireFieldError(t, err, "InvalidIdentifier", row.field)
		require.Zero(t, got)
	}
}

// Row 90: a security server encodes more or less than we do; compared is what was decoded.
func TestParseServicePathEncodedOtherwise(t *testing.T) {
	want := xroadhdr.ServiceID{Instance: "EE", MemberClass: "GOV", MemberCode: "1", SubsystemCode: "a,b(c)", ServiceCode: "x'=@"}
	for _, s := range []string{"EE/GOV/1/a,b(c)/x'=@", "EE/GOV/1/a%2Cb%28c%29/x%27%3D%40", "%45E/GOV/1/a%2cb(c)/x'=%40", want.Path()} {
		got, err := xroadhdr.ParseServicePath(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	_, err := xroadhdr.ParseServicePath("EE/GOV/1/service")
	requireFieldError(t, err, "InvalidIdentifier", "service")
}

func TestPathRoundTrip(t *testing.T) {
	part := rapid.StringOfN(rapid.Rune(), 1, 20, -1).Filter(func(s string) bool {
		return strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, unicode.IsControl) && !strings.ContainsAny(s, "\u200b\ufeff\ufffe\uffff")
	})
	rapid.Check(t, func(t *rapid.T) {
		want := xroadhdr.ClientID{Instance: part.Draw(t, "instance"), MemberClass: part.Draw(t, "class"), MemberCode: part.Draw(t, "member"),
			SubsystemCode: rapid.OneOf(rapid.Just(""), part).Draw(t, "subsystem")}
		got, err := xroadhdr.ParseClientPath(want.Path())
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestValidate(t *testing.T) {
	good := xroadhdr.ClientID{Instance: "ee-dev", MemberClass: "GOV", MemberCode: "7'()+,-.=?", SubsystemCode: "at"}
	require.NoError(t, good.Validate())
	require.NoError(t, good.Service("find.Firm", "").Validate())
	for _, part := range []string{" ", "a_b", "a b", "a/b", "a:b", "õ", ".", "..", "a\u200b", "a\n", "\xff", "*", "~"} {
		c := good
		c.SubsystemCode = part
		requireFieldError(t, c.Validate(), "InvalidIdentifier", "client/subsystemCode")
		requireFieldError(t, good.Service("x", part).Validate(), "InvalidIdentifier", "service/serviceVersion")
		server := xroadhdr.SecurityServerID{Instance: "EE", MemberClass: "GOV", MemberCode: "1", ServerCode: part}
		requireFieldError(t, server.Validate(), "InvalidIdentifier", "securityServer/serverCode")
	}
	requireFieldError(t, xroadhdr.ClientID{}.Validate(), "InvalidIdentifier", "client/xRoadInstance")
	requireFieldError(t, good.Service("", "v1").Validate(), "InvalidIdentifier", "service/serviceCode")
}
