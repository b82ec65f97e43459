package order_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
)

func goodAsk() order.Ask {
	return order.Ask{AnnouncementID: 7, Amount: "30.00", Currency: "EUR", ReferenceNumber: "1232", Language: "et",
		Payer: order.Payer{Code: "EE60001019906", Country: "EE", Email: "maksja@example.ee"}, RedirectURL: "https://core.example/return?order=${id}"}
}

type changedAsk struct {
	name   string
	change func(*order.Ask)
}

func amount(s string) changedAsk {
	return changedAsk{"amount " + s, func(a *order.Ask) { a.Amount = s }}
}
func currency(s string) changedAsk {
	return changedAsk{"currency " + s, func(a *order.Ask) { a.Currency = s }}
}
func reference(s string) changedAsk {
	return changedAsk{"reference " + s, func(a *order.Ask) { a.ReferenceNumber = s }}
}
func language(s string) changedAsk {
	return changedAsk{"language " + s, func(a *order.Ask) { a.Language = s }}
}
func payer(code, country string) changedAsk {
	return changedAsk{"payer " + code + " " + country, func(a *order.Ask) { a.Payer.Code, a.Payer.Country = code, country }}
}
func email(s string) changedAsk {
	return changedAsk{"email " + s, func(a *order.Ask) { a.Payer.Email = s }}
}
func redirect(s string) changedAsk {
	return changedAsk{"redirect " + s, func(a *order.Ask) { a.RedirectURL = s }}
}
func announcement(id int64) changedAsk {
	return changedAsk{"announcement", func(a *order.Ask) { a.AnnouncementID = id }}
}

// longEmail has 128 characters, EMTA's limit; one letter more is too long.
var longEmail = strings.Repeat("m", 56) + "@" + strings.Repeat("d", 60) + ".example.ee"

var goodAsks = []changedAsk{
	{"as it is", func(*order.Ask) {}},
	announcement(1),
	announcement(1<<63 - 1),
	amount("0.01"),
	amount("0.1"),
	amount("1"),
	amount("30"),
	amount("30.5"),
	amount("9999999999999.99"),
	amount("9999999999999"),
	reference("13"),
	reference("00000000000000000000000000000000013"),
	language("en"),
	payer("", ""),
	payer("60001019906", "EE"),
	payer("EE60001019906", "EE"),
	payer("70000310", "EE"),
	payer("EE70000310", "EE"),
	payer("LV4000300365", "LV"),
	payer("40003003650", "LV"),
	payer("ABC123", "FI"),
	payer(strings.Repeat("1", 20), "EE"),
	payer("EE"+strings.Repeat("1", 20), "EE"),
	payer("123", "AX"),
	email(""),
	email("maksja@example.international"),
	email("maksja@example.photography"),
	email("maksja@example.xn--p1ai"),
	email(longEmail),
	redirect("https://core.example/"),
	redirect("https://core.example"),
	redirect("http://core.example:8080/a?b=c&d=${id}#e"),
	redirect("https://core.example/${id}/return"),
	redirect("https://core.example/%C3%B5"),
	redirect("https://[2001:db8::1]:8443/x"),
	redirect("https://core.example/" + strings.Repeat("a", 2000-len("https://core.example/"))),
}

var badAsks = []struct {
	changedAsk
	want string // path and rule of every error
}{
	{announcement(0), "announcementId required"},
	{announcement(-1), "announcementId required"},

	{amount(""), "amount required"},
	{amount("0"), "amount positive"},
	{amount("0.00"), "amount positive"},
	{amount("0000000000000.00"), "amount positive"},
	{amount("-1"), "amount format"},
	{amount("-0.01"), "amount format"},
	{amount("+1"), "amount format"},
	{amount("1e3"), "amount format"},
	{amount("1E1"), "amount format"},
	{amount("1.234"), "amount format"},
	{amount("1.000"), "amount format"},
	{amount("99999999999999"), "amount format"},
	{amount("12345678901234.00"), "amount format"},
	{amount("123456789012345"), "amount format"},
	{amount(" 1"), "amount format"},
	{amount("1 "), "amount format"},
	{amount("1\n"), "amount format"},
	{amount("1."), "amount format"},
	{amount(".5"), "amount format"},
	{amount("."), "amount format"},
	{amount("1,00"), "amount format"},
	{amount("1 000.00"), "amount format"},
	{amount("1'000"), "amount format"},
	{amount("1_0"), "amount format"},
	{amount("0x1"), "amount format"},
	{amount("NaN"), "amount format"},
	{amount("Inf"), "amount format"},
	{amount("Infinity"), "amount format"},
	{amount("３０"), "amount format"},
	{amount("€30"), "amount format"},
	{amount("30 EUR"), "amount format"},
	{amount(strings.Repeat("9", 100_000)), "amount format"},

	{currency(""), "currency enum"},
	{currency("eur"), "currency enum"},
	{currency("USD"), "currency enum"},
	{currency("EUR "), "currency enum"},

	{reference(""), "referenceNumber required"},
	{reference("1233"), "referenceNumber check-digit"},
	{reference("1"), "referenceNumber check-digit"},
	{reference("123 2"), "referenceNumber check-digit"},
	{reference("RF1232"), "referenceNumber check-digit"},
	{reference("000000000000000000000000000000000013"), "referenceNumber max-length"},

	{language(""), "language enum"},
	{language("ru"), "language enum"},
	{language("ET"), "language enum"},
	{language("est"), "language enum"},
	{language("et-EE"), "language enum"},

	{payer("", "EE"), "payer.code required"},
	{payer("60001019906", ""), "payer.country required"},
	{payer("EE60001019906", ""), "payer.country required"},
	{payer("60001019906", "ee"), "payer.country format"},
	{payer("60001019906", "EST"), "payer.country format"},
	{payer("60001019906", "E"), "payer.country format"},
	{payer("60001019906", "ZZ"), "payer.country format"},
	{payer("60001019906", "EU"), "payer.country format"},
	{payer("60001019906", "UK"), "payer.country format"},
	{payer("60001019906", "E "), "payer.country format"},
	{payer("60001019906", "E E"), "payer.country format"},
	{payer("60001019906", "23"), "payer.country format"},
	{payer("EE", "EE"), "payer.code format"},
	{payer("6000 1019906", "EE"), "payer.code format"},
	{payer("600-1019906", "EE"), "payer.code format"},
	{payer(" 60001019906", "EE"), "payer.code format"},
	{payer("60001019906\n", "EE"), "payer.code format"},
	{payer("EE60001019906;", "EE"), "payer.code format"},
	{payer("õ", "EE"), "payer.code format"},
	{payer(strings.Repeat("1", 21), "EE"), "payer.code max-length"},
	{payer("EE"+strings.Repeat("1", 21), "EE"), "payer.code max-length"},

	{email("maksja"), "payer.email format"},
	{email("maksja@example"), "payer.email format"},
	{email("maksja@example.ee\n"), "payer.email format"},
	{email("m" + longEmail), "payer.email max-length"},
	{email(strings.Repeat("@", 100_000)), "payer.email max-length"},

	{redirect(""), "redirectUrl required"},
	{redirect("/return"), "redirectUrl format"},
	{redirect("core.example/return"), "redirectUrl format"},
	{redirect("//core.example/return"), "redirectUrl format"},
	{redirect("https:core.example"), "redirectUrl format"},
	{redirect("https:///return"), "redirectUrl format"},
	{redirect("https://:443/return"), "redirectUrl format"},
	{redirect("javascript:alert(1)"), "redirectUrl format"},
	{redirect("javascript://core.example/%0aalert(1)"), "redirectUrl format"},
	{redirect("data:text/html,x"), "redirectUrl format"},
	{redirect("ftp://core.example/"), "redirectUrl format"},
	{redirect("file:///etc/passwd"), "redirectUrl format"},
	{redirect("mailto:maksja@example.ee"), "redirectUrl format"},
	{redirect("https://user@core.example/"), "redirectUrl format"},
	{redirect("https://user:word@core.example/"), "redirectUrl format"},
	{redirect("https://core.example@evil.example/"), "redirectUrl format"},
	{redirect("https://core.example/\r\nLocation: x"), "redirectUrl format"},
	{redirect("https://core.example/\x00"), "redirectUrl format"},
	{redirect("https://core.example/\x7f"), "redirectUrl format"},
	{redirect("https://core.example/a b"), "redirectUrl format"},
	{redirect("https://core.example/õ"), "redirectUrl format"},
	{redirect("https://õ.example/"), "redirectUrl format"},
	{redirect(`https://core.example/"><script>`), "redirectUrl format"},
	{redirect(`https://core.example\@evil.example/`), "redirectUrl format"},
	{redirect(`https://core.example/\evil`), "redirectUrl format"},
	{redirect("https://core.example/%zz"), "redirectUrl format"},
	{redirect("https://core.example:port/"), "redirectUrl format"},
	{redirect("https://core.example:99999/"), "redirectUrl format"},
	{redirect("https://[::1/"), "redirectUrl format"},
	{redirect(" https://core.example/"), "redirectUrl format"},
	{redirect("https://core.example/ "), "redirectUrl format"},
	{redirect("${id}"), "redirectUrl format"},
	{redirect("${id}://core.example/"), "redirectUrl format"},
	{redirect("https://core.example/" + strings.Repeat("a", 2001-len("https://core.example/"))), "redirectUrl max-length"},

	{changedAsk{"nothing at all", func(a *order.Ask) { *a = order.Ask{} }},
		"announcementId required, amount required, currency enum, referenceNumber required, language enum, redirectUrl required"},
	{changedAsk{"several at once", func(a *order.Ask) { a.Amount, a.Language, a.Payer.Email = "0", "ru", "x" }},
		"amount positive, payer.email format, language enum"},
}

// EMTA §4, checks: the core gets a precise 422 and nothing is sent.
func TestAskCheck(t *testing.T) {
	for _, row := range goodAsks {
		a := goodAsk()
		row.change(&a)
		require.Empty(t, a.Check(), "%.200q", row.name)
	}
	for _, row := range badAsks {
		a := goodAsk()
		row.change(&a)
		var got []string
		for _, e := range a.Check() {
			got = append(got, e.Path+" "+e.Rule)
			require.NotEmpty(t, e.Message)
		}
		assert.Equal(t, row.want, strings.Join(got, ", "), "%.200q", row.name)
	}
}

// What is told of a wrong field never repeats the value: it may be a person's.
func TestAskCheckTellsNoValues(t *testing.T) {
	a := goodAsk()
	a.Payer = order.Payer{Code: "6000101990 6", Country: "XX", Email: "maksja.example.ee"}
	a.Amount, a.RedirectURL = "thirty", "javascript:alert(1)"
	for _, e := range a.Check() {
		for _, value := range []string{a.Payer.Code, a.Payer.Country, a.Payer.Email, a.Amount, a.RedirectURL} {
			require.NotContains(t, e.Message, value)
		}
	}
	require.Len(t, a.Check(), 5)
}
