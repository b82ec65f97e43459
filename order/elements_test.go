package order

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/soap"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file of testdata, byte by byte.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}

func indented(t *testing.T, el *etree.Element) string {
	t.Helper()
	doc := etree.NewDocumentWithRoot(el)
	doc.Indent(2)
	s, err := doc.WriteToString()
	require.NoError(t, err)
	return s
}

func sampleInit() initOrder {
	return initOrder{
		description:  Description{ET: "Makse '12'", EN: "Payment '12' <&>", RU: "Платёж '12'"},
		amount:       euros("30"),
		currency:     "EUR",
		merchantName: "AT",
		stamp:        "12",
		payer:        Payer{Code: "EE60001019906", Country: "EE", Email: "maksja@example.ee"},
		language:     "et",
		reference:    "1232",
		redirect:     "https://core.example/return?order=${id}&x=1",
	}
}

func TestRequestsGolden(t *testing.T) {
	least := sampleInit()
	least.merchantName, least.payer, least.amount = "", Payer{}, euros("0.5")
	for name, request := range map[string]*etree.Element{
		"cpgOrderInitRequest.xml":       sampleInit().wrapper(),
		"cpgOrderInitRequest-least.xml": least.wrapper(),
		"cpgOrderGetRequest.xml":        idWrapper("cpgOrderGetRequest", "e1656999-01b8-46c5-b453-9ca7039785ea"),
		"cpgOrderCancelRequest.xml":     idWrapper("cpgOrderCancelRequest", "e1656999-01b8-46c5-b453-9ca7039785ea"),
		"cpgOrderListRequest.xml":       listQuery{count: 100, page: 2, from: "2026-03-02T11:00:00+02:00", to: "2026-03-02T14:00:00+02:00", sort: "created"}.wrapper(),
		"cpgOrderListRequest-least.xml": listQuery{count: 1}.wrapper(),
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, indented(t, request)) })
	}
}

// paths are the elements below el, each once.
func paths(el *etree.Element) []string {
	all := map[string]bool{}
	for _, e := range el.FindElements(".//*") {
		all[strings.TrimPrefix(e.GetRelativePath(el), "./")] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// EMTA §4, 3: what is sent is what EMTA's sample sends, but for what its text says is not sent. Created and Notify/Url,
// mandatory in the published schema, are in neither.
func TestInitHasTheSamplesShape(t *testing.T) {
	raw, err := os.ReadFile("testdata/cpgOrderInitRequest-sample.xml")
	require.NoError(t, err)
	sample := etree.NewDocument()
	require.NoError(t, sample.ReadFromBytes(raw))
	want := paths(sample.FindElement("//cpgOrderInitRequest"))
	ours := paths(sampleInit().wrapper())

	notSent := []string{"Order/Merchant/Id", "Order/Merchant/Notes", "Order/PaymentMethods/PaymentMethod/Brokers",
		"Order/PaymentMethods/PaymentMethod/Brokers/Broker", "Order/PaymentMethods/PaymentMethod/Brokers/Broker/Code"}
	for _, path := range notSent {
		require.Contains(t, want, path, "the sample has it")
	}
	want = slices.DeleteFunc(want, func(path string) bool { return slices.Contains(notSent, path) })
	require.Equal(t, want, ours)

	for _, path := range []string{"Order/Created", "Order/Callback/Notify/Url", "Order/Id", "Order/State", "Order/Finished", "Order/Expires", "Order/Links", "Order/Payments"} {
		require.NotContains(t, ours, path)
	}
}

func TestInitOrderValues(t *testing.T) {
	order := sampleInit().wrapper().SelectElement("Order")
	text := func(path string) string { return order.FindElement(path).Text() }
	require.Equal(t, "30.00", text("Amount"))
	require.Equal(t, "60001019906", text("Customer/Code"), "without the country")
	require.Equal(t, "EE", text("Customer/Country"))
	require.Equal(t, "xroad", text("Callback/Notify/Method"))
	require.Equal(t, "https://core.example/return?order=${id}&x=1", text("Callback/Redirect"))
	require.Len(t, order.FindElements("PaymentMethods/PaymentMethod"), 1)
	require.Equal(t, "creditcard", text("PaymentMethods/PaymentMethod/Code"))
	for _, el := range order.FindElements(".//*") {
		require.Empty(t, el.NamespaceURI(), "children are unqualified: %s", el.Tag)
	}
	for amount, want := range map[string]string{"0.01": "0.01", "1": "1.00", "9999999999999.99": "9999999999999.99", "0.1": "0.10", "100": "100.00"} {
		o := sampleInit()
		o.amount = euros(amount)
		require.Equal(t, want, o.wrapper().FindElement("Order/Amount").Text())
	}
}

// answerFile is the wrapper of a whole answer of testdata, read as every answer is.
func answerFile(t testing.TB, path string) *etree.Element {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	m, err := soap.ParseAnswer(raw, soap.Limits{})
	require.NoError(t, err, path)
	return m.Body
}

func utc(s string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return at.UTC()
}

// However an answer is written, it says the same.
func TestDecodeOrderAnswerGolden(t *testing.T) {
	const id = "e1656999-01b8-46c5-b453-9ca7039785ea"
	same := answer{id: id, state: "completed", created: utc("2026-03-02T10:00:00Z"), finished: utc("2026-03-02T10:05:00.123456Z"), expires: utc("2026-03-02T10:15:00Z"),
		amount: euros("30"), currency: "EUR", stamp: "12", reference: "1232", paymentURL: "https://emta.example/pay/12"}
	for name, want := range map[string]answer{
		"other-prefixes":    same,
		"shuffled":          same,
		"qualified":         same,
		"default-namespace": same,
		"foreign-elements":  same,
		"comments-cdata":    same,
		"unfilled":          {id: id, state: "pending", created: utc("2026-03-02T10:00:00Z"), amount: euros("30"), stamp: "12", reference: "1232"},
		"sample": {id: id, state: "created", created: utc("2019-10-10T07:57:27.251Z"), expires: utc("2019-10-10T08:12:27.263Z"), amount: euros("1"), currency: "EUR",
			stamp: "MERCHANT_UNIQUE_MESSAGE_ID", reference: "123", paymentURL: "https://xxx/paymentgateway/e1656999-01b8-46c5-b453-9ca7039785ea"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := decodeOrderAnswer(answerFile(t, "testdata/answer/"+name+".xml"))
			require.NoError(t, err)
			require.True(t, want.amount.Equal(a.amount), "%s", a.amount)
			require.Contains(t, a.raw, "<", "kept whole")
			require.Contains(t, a.raw, "ReferenceNumber")
			a.amount, a.raw = want.amount, ""
			require.Equal(t, want, a)
		})
	}
}

// wrapperOf reads a snippet as the wrapper's content.
func wrapperOf(t testing.TB, content string) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromString(`<cpg:response xmlns:cpg="http://cpg-v6.x-road.eu" xmlns:x="urn:example:other">`+content+`</cpg:response>`))
	return doc.Root()
}

// withMember is an order with one more member, which comes last, or with one less.
func withMember(member string) string {
	order := "<Order>"
	for name, whole := range map[string]string{"Id": "<Id>emta-12</Id>", "State": "<State>created</State>", "Created": "<Created>2026-03-02T10:00:00Z</Created>", "Amount": "<Amount>30</Amount>"} {
		if !strings.HasPrefix(member, "<"+name+">") && member != "no "+name {
			order += whole
		}
	}
	if strings.HasPrefix(member, "no ") {
		member = ""
	}
	return order + member + "</Order>"
}

// EMTA §3: decimals of 15 digits, 2 after the point, in every form that xs:decimal has.
func TestDecodeAmount(t *testing.T) {
	for form, want := range map[string]string{"1": "1", "1.0": "1", "+1": "1", "01.00": "1", "1.000": "1", "1.": "1", ".5": "0.5", "0.50": "0.5", "0": "0", "30.00": "30",
		" 30 ": "30", "\n30\n": "30", "9999999999999.99": "9999999999999.99", "00009999999999999.9900": "9999999999999.99", "0.01": "0.01"} {
		a, err := decodeOrderAnswer(wrapperOf(t, withMember("<Amount>"+form+"</Amount>")))
		require.NoError(t, err, "%q", form)
		require.True(t, a.amount.Equal(euros(want)), "%q is %s", form, a.amount)
		require.GreaterOrEqual(t, a.amount.Exponent(), int32(-2), "%q", form)
	}
	for _, form := range []string{"", " ", "1.001", "0.001", "1e5", "1E5", "1e-2", "-1", "-0.01", "10000000000000", "1234567890123456", "99999999999999.00", "1,00", "1 000", "NaN", "INF",
		"0x10", "1_000", "+", ".", "+.", "--1", "١", "30 EUR", strings.Repeat("9", 100), strings.Repeat("0", 33) + "1", "1." + strings.Repeat("0", 33), "1e999999999", "1e-999999999"} {
		_, err := decodeOrderAnswer(wrapperOf(t, withMember("<Amount>"+form+"</Amount>")))
		require.Error(t, err, "%.60q", form)
		require.Contains(t, err.Error(), "Order/Amount", "%.60q", form)
	}
}

// Estonian time stands in for a zone that is not named; what is kept is UTC to the microsecond.
func TestDecodeTime(t *testing.T) {
	for form, want := range map[string]string{
		"2026-03-02T10:00:00Z":                "2026-03-02T10:00:00Z",
		"2026-03-02T12:00:00+02:00":           "2026-03-02T10:00:00Z",
		"2026-03-02T05:00:00-05:00":           "2026-03-02T10:00:00Z",
		"2026-03-02T10:00:00.5Z":              "2026-03-02T10:00:00.5Z",
		"2026-03-02T10:00:00.123456789Z":      "2026-03-02T10:00:00.123456Z",
		"2026-03-02T12:00:00":                 "2026-03-02T10:00:00Z",
		"2026-07-02T13:00:00":                 "2026-07-02T10:00:00Z",
		"2026-07-02T13:00:00.25":              "2026-07-02T10:00:00.25Z",
		"\n 2026-03-02T10:00:00Z ":            "2026-03-02T10:00:00Z",
		"2026-03-02T10:00:00.123456789012Z":   "2026-03-02T10:00:00.123456Z",
		"2026-03-03T00:00:00.000000001+14:00": "2026-03-02T10:00:00Z",
	} {
		a, err := decodeOrderAnswer(wrapperOf(t, withMember("<Expires>"+form+"</Expires>")))
		require.NoError(t, err, "%q", form)
		require.Equal(t, utc(want), a.expires, "%q", form)
		require.Equal(t, time.UTC, a.expires.Location())
	}
	for _, form := range []string{"2026-03-02", "10:00:00", "2026-02-30T10:00:00Z", "2026-13-01T10:00:00Z", "2026-03-02T25:00:00Z", "2026-03-02 10:00:00Z", "2026-03-02T10:00Z", "02.03.2026",
		"1772445600", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "20260-03-02T10:00:00Z", "-2026-03-02T10:00:00Z", "2026-03-02T10:00:00+99:00", "soon"} {
		_, err := decodeOrderAnswer(wrapperOf(t, withMember("<Expires>"+form+"</Expires>")))
		require.Error(t, err, "%q", form)
		require.Contains(t, err.Error(), "Order/Expires", "%q", form)
		require.NotContains(t, err.Error(), form)
	}
}

func TestDecodeOrderAnswerBad(t *testing.T) {
	for _, row := range []struct{ content, want string }{
		{"", "Order is missing"},
		{"<order/>", "Order is missing"},
		{`<x:Order/>`, "Order is missing"},
		{"<Order/>", "Order/Amount is missing"},
		{withMember("no Amount"), "Order/Amount is missing"},
		{withMember("") + withMember(""), "repeated"},
		{withMember("<Currency>EUR</Currency><Currency>EUR</Currency>"), "Order/Currency must not be repeated"},
		{withMember("<cpg:State>completed</cpg:State>"), "Order/State must not be repeated"},
		{withMember("<Amount>30</Amount><Amount>30</Amount>"), "Order/Amount must not be repeated"},
		{withMember("<Merchant/><Merchant/>"), "Order/Merchant must not be repeated"},
		{withMember("<Merchant><Stamp>12</Stamp><Stamp>12</Stamp></Merchant>"), "Merchant/Stamp must not be repeated"},
		{withMember("<Customer><ReferenceNumber>1</ReferenceNumber><ReferenceNumber>1</ReferenceNumber></Customer>"), "Customer/ReferenceNumber must not be repeated"},
		{withMember("<Links/><Links/>"), "Order/Links must not be repeated"},
		{withMember("<State>created<b/></State>"), "Order/State must be text"},
		{withMember("<Amount><b>30</b></Amount>"), "Order/Amount must be text"},
		{withMember("<Id>" + strings.Repeat("a", 129) + "</Id>"), "Order/Id is longer than 128 characters"},
	} {
		_, err := decodeOrderAnswer(wrapperOf(t, row.content))
		require.Error(t, err, row.content)
		require.Contains(t, err.Error(), row.want, row.content)
	}
}

// What an answer may leave out; that it is then about no order of ours is decided elsewhere.
func TestDecodeOrderAnswerLeftOut(t *testing.T) {
	for _, row := range []struct {
		content string
		want    answer
	}{
		{withMember("no Id"), answer{state: "created", created: utc("2026-03-02T10:00:00Z")}},
		{withMember("no State"), answer{id: "emta-12", created: utc("2026-03-02T10:00:00Z")}},
		{withMember("no Created"), answer{id: "emta-12", state: "created"}},
		{withMember("<Merchant/><Customer/><Links/>"), answer{id: "emta-12", state: "created", created: utc("2026-03-02T10:00:00Z")}},
	} {
		a, err := decodeOrderAnswer(wrapperOf(t, row.content))
		require.NoError(t, err, row.content)
		a.amount, a.raw = row.want.amount, ""
		require.Equal(t, row.want, a, row.content)
	}
}

// The limit is in characters, as that of a notification's id is.
func TestDecodeLongestID(t *testing.T) {
	for _, id := range []string{strings.Repeat("a", 128), strings.Repeat("õ", 128)} {
		a, err := decodeOrderAnswer(wrapperOf(t, withMember("<Id>"+id+"</Id>")))
		require.NoError(t, err)
		require.Equal(t, id, a.id)
	}
	_, err := decodeOrderAnswer(wrapperOf(t, withMember("<Id>"+strings.Repeat("õ", 129)+"</Id>")))
	require.Error(t, err)
}

// EMTA §4, 4: the Href of the link to the web portal, else of the first; none that a browser must not be sent to.
func TestPaymentLink(t *testing.T) {
	link := func(href, rel string) string { return "<Link><Href>" + href + "</Href><Rel>" + rel + "</Rel></Link>" }
	for _, row := range []struct{ name, links, want string }{
		{"none", "", ""},
		{"the portal", link("https://a.example/", "web-portal"), "https://a.example/"},
		{"the portal among others", link("https://a.example/", "self") + link("https://b.example/", "web-portal"), "https://b.example/"},
		{"two portals", link("https://a.example/", "web-portal") + link("https://b.example/", "web-portal"), "https://a.example/"},
		{"no portal: the first", link("https://a.example/", "self") + link("https://b.example/", "next"), "https://a.example/"},
		{"without Rel", "<Link><Href>https://a.example/</Href></Link>", "https://a.example/"},
		{"with Method", "<Link><Method>POST</Method><Rel>web-portal</Rel><Href> https://a.example/?id=1&amp;b=2 </Href></Link>", "https://a.example/?id=1&b=2"},
		{"qualified", "<cpg:Link><cpg:Href>https://a.example/</cpg:Href><cpg:Rel>web-portal</cpg:Rel></cpg:Link>", "https://a.example/"},
		{"another's element", "<x:Link><Href>https://a.example/</Href><Rel>web-portal</Rel></x:Link>", ""},
		{"without Href", "<Link><Rel>web-portal</Rel></Link>", ""},
		{"empty Href", link("", "web-portal"), ""},
		{"javascript", link("javascript:alert(1)", "web-portal"), ""},
		{"javascript with slashes", link("javascript://a.example/%0aalert(1)", "web-portal"), ""},
		{"data", link("data:text/html,x", "web-portal"), ""},
		{"relative", link("/paymentgateway/1", "web-portal"), ""},
		{"without scheme", link("//a.example/", "web-portal"), ""},
		{"with a user", link("https://emta.example@evil.example/", "web-portal"), ""},
		{"a line break inside", link("https://a.example/&#10;b", "web-portal"), ""},
		{"too long", link("https://a.example/"+strings.Repeat("a", 2000), "web-portal"), ""},
		{"repeated Href", "<Link><Href>https://a.example/</Href><Href>https://b.example/</Href><Rel>web-portal</Rel></Link>", ""},
	} {
		a, err := decodeOrderAnswer(wrapperOf(t, withMember("<Links>"+row.links+"</Links>")))
		require.NoError(t, err, row.name)
		require.Equal(t, row.want, a.paymentURL, row.name)
	}
}

// EMTA §7: how much of a list was read is told by what could be read of it.
func TestDecodeListGolden(t *testing.T) {
	for _, row := range []struct {
		name   string
		total  int
		ids    []string
		broken int
	}{
		{"two", 2, []string{"emta-12", "emta-13"}, 0},
		{"first-page", 250, []string{"emta-12"}, 0},
		{"empty", 0, nil, 0},
		{"no-orders", 0, nil, 0},
		{"broken-entry", 3, []string{"emta-12", "emta-14"}, 1},
	} {
		p, err := decodeList(answerFile(t, "testdata/list/"+row.name+".xml"))
		require.NoError(t, err, row.name)
		var ids []string
		for _, a := range p.answers {
			ids = append(ids, a.id)
		}
		require.Equal(t, row.total, p.total, row.name)
		require.Equal(t, row.ids, ids, row.name)
		require.Equal(t, row.broken, p.broken, row.name)
	}
}

func TestDecodeList(t *testing.T) {
	entry := withMember("")
	for _, row := range []struct {
		content string
		total   int
		read    int
		broken  int
	}{
		{"<Meta><Total> 1 </Total></Meta><Orders>" + entry + "</Orders>", 1, 1, 0},
		{"<Orders>" + entry + "</Orders><Meta><Total>1</Total></Meta>", 1, 1, 0},
		{"<Meta><Page>0</Page><Total>7</Total></Meta><Orders/>", 7, 0, 0},
		{"<cpg:Meta><cpg:Total>1</cpg:Total></cpg:Meta><cpg:Orders>" + strings.NewReplacer("<Order>", "<cpg:Order>", "</Order>", "</cpg:Order>").Replace(entry) + "</cpg:Orders>", 1, 1, 0},
		{"<Meta><Total>1</Total></Meta><Orders><x:Order/>" + entry + "<Other/></Orders>", 1, 1, 0},
		{"<Meta><Total>2</Total></Meta><Orders><Order/>" + entry + "</Orders>", 2, 1, 1},
	} {
		p, err := decodeList(wrapperOf(t, row.content))
		require.NoError(t, err, row.content)
		require.Equal(t, row.total, p.total, row.content)
		require.Len(t, p.answers, row.read, row.content)
		require.Equal(t, row.broken, p.broken, row.content)
	}
	for _, row := range []struct{ content, want string }{
		{"", "Meta is missing"},
		{"<Orders>" + entry + "</Orders>", "Meta is missing"},
		{"<Meta/><Orders/>", "Meta/Total must be a number"},
		{"<Meta><Total/></Meta><Orders/>", "Meta/Total must be a number"},
		{"<Meta><Total>-1</Total></Meta><Orders/>", "Meta/Total must be a number"},
		{"<Meta><Total>one</Total></Meta><Orders/>", "Meta/Total must be a number"},
		{"<Meta><Total>1.5</Total></Meta><Orders/>", "Meta/Total must be a number"},
		{"<Meta><Total>99999999999999999999</Total></Meta><Orders/>", "Meta/Total must be a number"},
		{"<Meta><Total>1</Total><Total>1</Total></Meta><Orders/>", "Meta/Total must"},
		{"<Meta><Total>1</Total></Meta><Meta><Total>1</Total></Meta><Orders/>", "Meta must not be repeated"},
		{"<Meta><Total>1</Total></Meta><Orders/><Orders/>", "Orders must not be repeated"},
	} {
		_, err := decodeList(wrapperOf(t, row.content))
		require.Error(t, err, row.content)
		require.Contains(t, err.Error(), row.want, row.content)
	}
}

// EMTA §6: one unqualified id of at most 128 characters.
func TestDecodeNotify(t *testing.T) {
	for content, want := range map[string]string{
		"<id>order-id-n3n78ts</id>":                          "order-id-n3n78ts",
		"\n  <!-- one --><id>a</id>\n":                       "a",
		"<id>a<!-- b -->c<![CDATA[<d>]]></id>":               "ac<d>",
		"<id> a </id>":                                       " a ",
		"<id>" + strings.Repeat("a", 128) + "</id>":          strings.Repeat("a", 128),
		"<id>" + strings.Repeat("õ", 128) + "</id>":          strings.Repeat("õ", 128),
		`<id x:a="b">6a74e85c-8738-4495-af8d</id>`:           "6a74e85c-8738-4495-af8d",
		"<id>&lt;script&gt;' OR 1=1 -- &amp;</id>":           "<script>' OR 1=1 -- &",
		`<id xmlns="">a</id>`:                                "a",
		"<id>" + strings.Repeat("\U0001F600", 128) + "</id>": strings.Repeat("\U0001F600", 128),
	} {
		id, err := decodeNotify(wrapperOf(t, content))
		require.NoError(t, err, "%.60q", content)
		require.Equal(t, want, id)
	}
	for _, row := range []struct{ content, want string }{
		{"", "id is missing"},
		{"text", "id is missing"},
		{"<id/>", "id must not be empty"},
		{"<id> \n </id>", "id must not be empty"},
		{"<Id>a</Id>", "must be an element id without namespace"},
		{"<ID>a</ID>", "must be an element id without namespace"},
		{"<cpg:id>a</cpg:id>", "must be an element id without namespace"},
		{"<x:id>a</x:id>", "must be an element id without namespace"},
		{`<id xmlns="urn:x">a</id>`, "must be an element id without namespace"},
		{"<id>a</id><id>a</id>", "must be the only element"},
		{"<id>a</id><state>completed</state>", "must be the only element"},
		{"<id>a<b/></id>", "must be text"},
		{"<id>" + strings.Repeat("a", 129) + "</id>", "at most 128 characters"},
		{"<id>" + strings.Repeat("õ", 129) + "</id>", "at most 128 characters"},
		{"<id>" + strings.Repeat("a", 1<<20) + "</id>", "at most 128 characters"},
	} {
		_, err := decodeNotify(wrapperOf(t, row.content))
		require.Error(t, err, "%.60q", row.content)
		require.Contains(t, err.Error(), row.want, "%.60q", row.content)
	}
	request, err := os.ReadFile("testdata/notify/sample.xml")
	require.NoError(t, err)
	m, err := soap.ParseRequest(request, soap.Limits{})
	require.NoError(t, err)
	id, err := decodeNotify(m.Body)
	require.NoError(t, err)
	require.Equal(t, "order-id-n3n78ts", id)
}

// A number without end is refused; to compute with it first would take many seconds.
func TestDecodeAmountOversize(t *testing.T) {
	_, err := decodeOrderAnswer(wrapperOf(t, withMember("<Amount>"+strings.Repeat("9", 3<<20)+"</Amount>")))
	require.ErrorContains(t, err, "must be an amount of at most 15 digits")
}
