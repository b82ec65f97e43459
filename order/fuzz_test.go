package order

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

// seed adds the messages of testdata that match.
func seed(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(f, err)
	require.NotEmpty(f, files, pattern)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(raw)
	}
}

// small bounds what a fuzzed message may cost; the real bounds are soap's.
var small = soap.Limits{Bytes: 1 << 16, Depth: 32, Nodes: 2000}

// fuzzed is the wrapper that the bytes hold, read as every answer is; nil if they hold none.
func fuzzed(raw []byte) *etree.Element {
	m, err := soap.ParseAnswer(raw, small)
	if err != nil {
		return nil
	}
	return m.Body
}

func FuzzDecodeOrder(f *testing.F) {
	seed(f, "testdata/answer/*.xml")
	seed(f, "testdata/list/*.xml")
	f.Fuzz(func(t *testing.T, raw []byte) {
		body := fuzzed(raw)
		if body == nil {
			return
		}
		a, err := decodeOrderAnswer(body)
		if err != nil {
			require.Equal(t, answer{}, a, "nothing half read")
			return
		}
		requireReadable(t, a)
	})
}

func FuzzDecodeList(f *testing.F) {
	seed(f, "testdata/list/*.xml")
	seed(f, "testdata/answer/*.xml")
	f.Fuzz(func(t *testing.T, raw []byte) {
		body := fuzzed(raw)
		if body == nil {
			return
		}
		p, err := decodeList(body)
		require.GreaterOrEqual(t, p.total, 0)
		if err != nil {
			require.Empty(t, p.answers, "nothing half read")
			return
		}
		require.LessOrEqual(t, len(p.answers)+p.broken, len(body.FindElements(".//Order")))
		for _, a := range p.answers {
			requireReadable(t, a)
		}
	})
}

func FuzzDecodeNotify(f *testing.F) {
	seed(f, "testdata/notify/*.xml")
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := soap.ParseRequest(raw, small)
		if err != nil {
			return
		}
		id, err := decodeNotify(m.Body)
		if err != nil {
			require.Empty(t, id)
			return
		}
		require.True(t, utf8.ValidString(id))
		require.NotEmpty(t, strings.TrimSpace(id))
		require.LessOrEqual(t, utf8.RuneCountInString(id), 128)

		request := etree.NewElement("cpgOrderNotifyRequest")
		request.CreateElement("id").SetText(id)
		again, err := decodeNotify(reread(t, request))
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}

// The values of an order whatever its shape.
func FuzzDecodeMembers(f *testing.F) {
	f.Add("30.00", "2026-03-02T12:00:00+02:00", "https://emta.example/pay/12")
	f.Add("+01.000", "2026-07-02T12:00:00.123456789", "javascript:alert(1)")
	f.Add(".5", "2026-03-29T03:30:00", "https://emta.example@evil.example/")
	f.Add("1e5", "9999-12-31T23:59:59Z", "//evil.example/${id}")
	f.Fuzz(func(t *testing.T, amount, at, href string) {
		order := etree.NewElement("Order")
		add(order, "Amount", amount)
		add(order, "Expires", at)
		add(order.CreateElement("Links").CreateElement("Link"), "Href", href)
		if a, err := decodeOrder(order); err == nil {
			requireReadable(t, a)
		}
	})
}

// requireReadable checks what holds of every answer that was taken.
func requireReadable(t *testing.T, a answer) {
	t.Helper()
	require.LessOrEqual(t, utf8.RuneCountInString(a.id), 128)
	require.False(t, a.amount.IsNegative())
	require.True(t, a.amount.LessThanOrEqual(maxAmount))
	require.True(t, a.amount.Equal(euros(a.amount.StringFixed(2))), "two decimals say all of %s", a.amount)
	for _, at := range []struct{ zero, utc, micro bool }{
		{a.created.IsZero(), a.created.Location().String() == "UTC", a.created.Nanosecond()%1000 == 0},
		{a.expires.IsZero(), a.expires.Location().String() == "UTC", a.expires.Nanosecond()%1000 == 0},
		{a.finished.IsZero(), a.finished.Location().String() == "UTC", a.finished.Nanosecond()%1000 == 0},
	} {
		require.True(t, at.zero || at.utc && at.micro)
	}
	require.True(t, a.paymentURL == "" || strings.HasPrefix(strings.ToLower(a.paymentURL), "http"), a.paymentURL)
	for _, s := range []string{a.id, a.state, a.currency, a.stamp, a.reference, a.paymentURL} {
		require.Equal(t, strings.TrimSpace(s), s)
	}
	require.NotEmpty(t, a.raw)

	again, err := decodeOrder(reread(t, written(a)))
	require.NoError(t, err)
	require.True(t, a.amount.Equal(again.amount))
	again.raw, again.amount = a.raw, a.amount
	require.Equal(t, a, again)
}

// written is an order that says what a says, as EMTA writes one.
func written(a answer) *etree.Element {
	order := etree.NewElement("Order")
	addIf(order, "Id", a.id)
	addIf(order, "State", a.state)
	for name, at := range map[string]time.Time{"Created": a.created, "Expires": a.expires, "Finished": a.finished} {
		if !at.IsZero() {
			add(order, name, at.In(tallinn).Format(time.RFC3339Nano))
		}
	}
	add(order, "Amount", a.amount.StringFixed(2))
	addIf(order, "Currency", a.currency)
	addIf(order.CreateElement("Merchant"), "Stamp", a.stamp)
	addIf(order.CreateElement("Customer"), "ReferenceNumber", a.reference)
	link := order.CreateElement("Links").CreateElement("Link")
	addIf(link, "Href", a.paymentURL)
	addIf(link, "Rel", "web-portal")
	return order
}

// reread is the element after a way over the wire.
func reread(t *testing.T, el *etree.Element) *etree.Element {
	t.Helper()
	doc := etree.NewDocumentWithRoot(el)
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true}
	raw, err := doc.WriteToBytes()
	require.NoError(t, err)
	back := etree.NewDocument()
	require.NoError(t, back.ReadFromBytes(raw))
	return back.Root()
}
