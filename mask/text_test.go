package mask_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/mask"
)

// maskedTests are texts and what is left of them.
var maskedTests = []struct{ text, want string }{
	// personal codes
	{"60001019906", "***"},
	{"EE60001019906", "EE***"},
	{"kood 60001019906, palun", "kood ***, palun"},
	{"EE:PIN:60001019906", "EE:PIN:***"},
	{"isikukood60001019906x", "isikukood***x"},
	{"311280-11111 un 320000-00017.", "*** un ***."},
	{"/v1/representees/EE60001019906/delegates/EE38302250123/mandates", "/v1/representees/EE***/delegates/EE***/mandates"},
	{"?delegate=EE60001019906&ns=AT", "?delegate=EE***&ns=AT"},
	{"/a%2F60001019906", "/a%2F***"},
	{"/a%2060001019906", "/a%20***"},
	{"%36%30%30%30%31%30%31%39%39%30%36", "***"},
	{"%2536%2530001019906", "***"},
	{"EE6000101990%36", "EE***"},
	{"&#54;&#x30;001019906", "***"},
	{`\u0036\u0030001019906`, "***"},
	{"%60001019906", "%***"}, // not an escape to whoever does not decode
	// e-mails
	{"maksja@example.ee", "***"},
	{"to <mari.maasikas+at@posti.example.ee>.", "to <***>."},
	{"mailto:m%40example.ee", "mailto:***"},
	{"õie@näide.ee ja teine@x", "*** ja ***"},
	{"postgres://at:hunter2@db:5432/at", "postgres://at:***:5432/at"},
	// secrets
	{"Authorization: Bearer abc.def", "Authorization: ***"},
	{`{"Authorization":"Bearer abc"}`, `{"Authorization":"***"}`},
	{"map[Authorization:[Bearer abc def]]", "map[Authorization:[***"},
	{"got bearer abc, refused", "got bearer ***, refused"},
	{"Basic dXNlcjpwYXNz!", "Basic ***!"},
	{"Cookie: a=b; c=d\r\nHost: x", "Cookie: ***\r\nHost: x"},
	{"password=hunter2&user=at", "password=***&user=at"},
	{"client_secret: s3cr3t, next", "client_secret: ***, next"},
	{"ADAPTER_CORE_WEBHOOK_SECRET=whsec_abc", "ADAPTER_CORE_WEBHOOK_SECRET=***"},
	{"secret%3Dabc%26x", "secret%3D***%26x"},
	{"whsec_MfKQ9r8GKYqrTwjU", "whsec_***"},
	{"id_token eyJhbGciOiJub25lIn0.eyJzdWIiOiJFRSJ9.c2ln!", "id_token ***!"},
	{"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "***-----END RSA PRIVATE KEY-----"},
	{"-----BEGIN PRIVATE KEY-----\nMIIE", "***"},
}

func TestTextMasks(t *testing.T) {
	for _, test := range maskedTests {
		require.Equal(t, test.want, mask.Text(test.text), "%q", test.text)
	}
}

// untouchedTests are texts that only look a little like something to hide.
var untouchedTests = []string{
	"", "-", "answered", "ee-dev/GOV/70000349/mkrliides", "70000349", "EE70000349", "600010199066", "6000101990",
	"5f0a7a6e-6d0f-4d3c-9d36-06b7f6f1c112", "5f0a7a6e-6d0f-4d3c-9d36-a60001019906", "0f60001019906c0ffee0f60001019906c0ffee00",
	"2026-11-27T22:58:24.123+02:00", "1795820304123456789", "311280-1111", "311280-111111", "a @ b", "@", "x@", "@x",
	"100% of 3 & more", "%", "%4", "%zz", "&#;", "&#x;", "&#54", `\u00`, `\n`, "the bearer token of the core", "basic authentication failed",
	"Basic a", "eyJ", "http://127.0.0.1:8080/emta?wsdl", "dial tcp 127.0.0.1:5432: connect: connection refused", "-----BEGIN CERTIFICATE-----\nMIIE",
}

func TestTextLeavesTheRest(t *testing.T) {
	for _, text := range untouchedTests {
		require.Equal(t, text, mask.Text(text))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { mask.Text("answered in time, all is well") }))
}

func TestNamed(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"X-Road-UserId", "EE60001019906", "***"},
		{"x-road-userid", "PT12345678", "***"}, // no code that could be recognised
		{"X-Road-Represented-Party", "GOV/EE70000310", "***"},
		{"X-Acting-User", "EE60001019906", "***"},
		{"Authorization", "Bearer x", "***"},
		{"Set-Cookie", "a", "***"},
		{"core.webhook.secret", "a", "***"},
		{"X-Api-Key", "a", "***"},
		{"access_token", "a", "***"},
		{"sessionId", "a", "***"},
		{"surname", "Maasikas", "***"},
		{"surname", "", ""},
		{"User-Agent", "curl/8 (60001019906)", "curl/8 (***)"},
		{"requestId", "5f0a7a6e-6d0f-4d3c-9d36-06b7f6f1c112", "5f0a7a6e-6d0f-4d3c-9d36-06b7f6f1c112"},
		{strings.Repeat("x", 200) + "password", "a", "***"},
	} {
		require.Equal(t, test.want, mask.Named(test.name, test.value), "%s: %s", test.name, test.value)
	}
}

// A partner's text cannot make masking slow: what takes a megabyte takes well under a second.
func TestTextIsLinear(t *testing.T) {
	for _, part := range []string{"12345678901-", "eyJ/", "eyJ.", "whsec_", "whsec_/", "a:", " : ", "@", "a@", "-----BEGIN ", "-----BEGIN PRIVATE KEY", "%25", "&#38;",
		"&amp;", "111111-", "bearer ", "Basic AAAAAAAA", "password=", "\"", "x"} {
		begin := time.Now()
		mask.Text(strings.Repeat(part, 1<<20/len(part)))
		require.Less(t, time.Since(begin), 5*time.Second, "%q", part) // quadratic work takes minutes
	}
}

// FuzzText holds that a personal code is masked whatever stands around it, and that the text stays valid.
func FuzzText(f *testing.F) {
	for _, test := range maskedTests {
		f.Add(test.text)
	}
	for _, text := range untouchedTests {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		require.True(t, !utf8.ValidString(s) || utf8.ValidString(mask.Text(s)), "%q", s)
		require.NotContains(t, mask.Text("EE60001019906 "+s), "60001019906 "+s)
		require.NotContains(t, mask.Text(s+" 60001019906"), s+" 60001019906")
	})
}

func BenchmarkText(b *testing.B) {
	for b.Loop() {
		mask.Text("dial tcp 127.0.0.1:5432: connect: connection refused, tried 3 times in 12 seconds")
	}
}
