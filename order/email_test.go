package order_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

var goodEmails = []string{
	"maksja@example.ee",
	"maksja.naidis@example.com",
	"m@e.ee",
	"maksja+teadaanne@example.ee",
	"MAKSJA@EXAMPLE.EE",
	"m_aksja-n@sub.sub-domain.example.ee",
	"o'maksja@example.ie",
	"1@2.ee",
	"maksja@1example.ee",
	"!#$%&'*+/=?^_`{|}~-@example.ee",
	// AT-SF-29: more than 6 letters after the last dot
	"maksja@example.museum",
	"maksja@example.systems",
	"maksja@example.academy",
	"maksja@example.photography",
	"maksja@example.international",
	"maksja@example.construction",
	"maksja@example.travelersinsurance",
	"maksja@example.northwesternmutual",
	"maksja@example.xn--p1ai",
	"maksja@example.xn--vermgensberatung-pwb",
	"maksja@example.XN--P1AI",
	"maksja@xn--mail-kqa.ee",
	"maksja@example." + strings.Repeat("a", 63),
	strings.Repeat("m", 64) + "@example.ee",
	"m@" + strings.Repeat("d", 63) + ".ee",
}

var badEmails = []string{
	"",
	"maksja",
	"maksja@",
	"@example.ee",
	"maksja@example",
	"maksja@example.",
	"maksja@.ee",
	"maksja@example..ee",
	"maksja@example.e",
	"maksja@example.1",
	"maksja@example.e1",
	"maksja@example.123",
	"maksja@10.0.0.1",
	"maksja@[10.0.0.1]",
	"maksja@-example.ee",
	"maksja@example-.ee",
	"maksja@exa_mple.ee",
	"maksja@example.xn--",
	"maksja@example.xn--a-",
	".maksja@example.ee",
	"maksja.@example.ee",
	"mak..sja@example.ee",
	"mak sja@example.ee",
	" maksja@example.ee",
	"maksja@example.ee ",
	"maksja@example.ee\n",
	"maksja@example.ee\r\nBcc: x@example.ee",
	"maksja@exam\x00ple.ee",
	"maksja@@example.ee",
	"maksja@teine@example.ee",
	"\"mak sja\"@example.ee",
	"Maksja <maksja@example.ee>",
	"maksja@example.ee, teine@example.ee",
	"maksja(1)@example.ee",
	"mäksja@example.ee",
	"maksja@exämple.ee",
	"maksja@example.рф",
	"maksja@example.ee/x",
	"maksja@example." + strings.Repeat("a", 64),
	strings.Repeat("m", 65) + "@example.ee",
	"m@" + strings.Repeat("d", 64) + ".ee",
}

func TestEmailValid(t *testing.T) {
	for _, s := range goodEmails {
		require.True(t, order.EmailValid(s), "%q", s)
	}
	for _, s := range badEmails {
		require.False(t, order.EmailValid(s), "%q", s)
	}
}

// What is taken is an address to a mail library too, in plain letters, and still one in other case.
func FuzzEmailValid(f *testing.F) {
	for _, s := range append(goodEmails, badEmails...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !order.EmailValid(s) {
			return
		}
		for _, r := range s {
			require.True(t, r > ' ' && r < 0x7f, "%q", s)
		}
		require.Equal(t, 1, strings.Count(s, "@"), "%q", s)
		require.True(t, order.EmailValid(strings.ToLower(s)) && order.EmailValid(strings.ToUpper(s)), "%q", s)
		if _, domain, _ := strings.Cut(s, "@"); len(domain) > 253 {
			return // some libraries refuse what no name server would know
		}
		a, err := mail.ParseAddress(s)
		require.NoError(t, err, "%q", s)
		require.Equal(t, s, a.Address)
	})
}
