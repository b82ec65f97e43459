package simulator_test

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

func TestInitAnswersEveryWay(t *testing.T) {
	amounts, prefixes, firsts, finished := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[bool]bool{}
	for seed := uint64(1); seed <= 60; seed++ {
		b := newBench(t, simulator.EMTAOptions{Seed: seed})
		doc := b.call(t, initRequest(t, "7"))
		require.Empty(t, at(doc, "Fault/faultstring"))
		wrapper := doc.FindElement("//Body").ChildElements()[0]
		require.Equal(t, "cpgOrderInitResponse", wrapper.Tag)
		require.Equal(t, "http://cpg-v6.x-road.eu", wrapper.NamespaceURI())
		order := wrapper.SelectElement("Order")
		require.Empty(t, order.NamespaceURI(), "members are unqualified")
		require.Empty(t, order.SelectElement("Id").NamespaceURI())
		require.Equal(t, "00000000-0000-4000-8000-000000000001", at(doc, "Order/Id"))
		require.Equal(t, "created", at(doc, "Order/State"))
		require.Equal(t, "7", at(doc, "Order/Merchant/Stamp"))
		require.Equal(t, "123", at(doc, "Order/Customer/ReferenceNumber"))
		require.Equal(t, "https://xxx/payment?id=00000000-0000-4000-8000-000000000001", at(doc, "Order/Callback/Redirect"))
		created, err := time.Parse(time.RFC3339Nano, at(doc, "Order/Created"))
		require.NoError(t, err)
		require.True(t, created.Equal(b.clock.Now()), "%s", created)
		expires, err := time.Parse(time.RFC3339Nano, at(doc, "Order/Expires"))
		require.NoError(t, err)
		require.Equal(t, 15*time.Minute, expires.Sub(created))
		portal := ""
		for _, link := range doc.FindElements("//Order/Links/Link") {
			if link.SelectElement("Rel").Text() == "web-portal" {
				portal = link.SelectElement("Href").Text()
			}
		}
		require.Equal(t, "http://payer.example/pay/00000000-0000-4000-8000-000000000001", portal)
		amounts[at(doc, "Order/Amount")] = true
		prefixes[doc.Root().Space+" "+wrapper.Space] = true
		firsts[order.ChildElements()[0].Tag] = true
		finished[order.SelectElement("Finished") != nil] = true
	}
	require.Equal(t, map[string]bool{"1": true, "1.0": true, "1.00": true}, amounts)
	require.Len(t, prefixes, 4)
	require.Greater(t, len(firsts), 5)
	require.Len(t, finished, 2)
}

func TestAnswersRepeatTheHeader(t *testing.T) {
	custom := `<o:note xmlns:o="urn:own" o:a="1" b="2"><o:x>a&amp;b</o:x></o:note><xro:issue>`
	request := strings.Replace(initRequest(t, "1"), "<xro:issue>", custom, 1)
	for seed := uint64(1); seed <= 12; seed++ {
		b := newBench(t, simulator.EMTAOptions{Seed: seed})
		doc := b.call(t, request)
		require.Empty(t, at(doc, "Fault/faultstring"))
		var names []string
		for _, el := range doc.FindElement("//Header").ChildElements() {
			names = append(names, el.NamespaceURI()+" "+el.Tag)
		}
		const xroad = "http://x-road.eu/xsd/xroad.xsd "
		require.Equal(t, []string{"urn:own note", xroad + "issue", xroad + "protocolVersion", xroad + "id", xroad + "requestHash",
			xroad + "userId", xroad + "service", xroad + "client"}, names)
		note := doc.FindElement("//note")
		require.Equal(t, "2", note.SelectAttrValue("b", ""))
		require.Equal(t, "a&b", at(doc, "note/x"))
		require.Equal(t, "urn:own", note.ChildElements()[0].NamespaceURI())
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	once := func() string {
		b := newBench(t, simulator.EMTAOptions{Seed: 5})
		_, _, first, err := post(b.server, initRequest(t, "1"))
		require.NoError(t, err)
		_, _, second, err := post(b.server, bodyRequest(t, "cpgOrderList", ""))
		require.NoError(t, err)
		return string(first) + string(second)
	}
	require.Equal(t, once(), once())
}

func TestInitChecks(t *testing.T) {
	redirect := "https://xxx/payment?id=${id}"
	for _, tt := range []struct {
		name, old, new, field string
		tkt                   bool
	}{
		{"no amount", "<Amount>1</Amount>", "", "Amount", false},
		{"zero", "<Amount>1<", "<Amount>0.00<", "Amount", false},
		{"negative", "<Amount>1<", "<Amount>-1<", "Amount", false},
		{"three decimals", "<Amount>1<", "<Amount>1.001<", "Amount", false},
		{"exponent", "<Amount>1<", "<Amount>1e3<", "Amount", false},
		{"16 digits", "<Amount>1<", "<Amount>12345678901234.56<", "Amount", false},
		{"dollars", "EUR", "USD", "Currency", false},
		{"no currency", "<Currency>EUR</Currency>", "", "Currency", false},
		{"no Estonian description", "<ET>DESC ET</ET>", "", "Description/ET", false},
		{"long description", "DESC RU", strings.Repeat("я", 76), "Description/RU", false},
		{"TKT without English", "<EN>DESC EN</EN>", "", "Description/EN", true},
		{"TKT with a long stamp", "", "", "Merchant/Stamp", true},
		{"long stamp", "MERCHANT_UNIQUE_MESSAGE_ID", strings.Repeat("1", 129), "Merchant/Stamp", false},
		{"code without country", "<Country>ee</Country>", "", "Customer/Code", false},
		{"country without code", "<Code>123</Code>\n          <!--Optional:-->\n          <Email>", "<Email>", "Customer/Code", false},
		{"long code", "<Code>123<", "<Code>123456789012345678901<", "Customer/Code", false},
		{"country of three letters", ">ee<", ">EST<", "Customer/Country", false},
		{"not an e-mail", "maksja.naidis@example.com", "maksja.naidis", "Customer/Email", false},
		{"unknown language", ">et<", ">fr<", "Customer/Language", false},
		{"wrong check digit", "<ReferenceNumber>123<", "<ReferenceNumber>124<", "Customer/ReferenceNumber", false},
		{"letters in reference", "<ReferenceNumber>123<", "<ReferenceNumber>12a<", "Customer/ReferenceNumber", false},
		{"relative redirect", redirect, "/payment", "Callback/Redirect", false},
		{"script redirect", redirect, "javascript:alert(1)", "Callback/Redirect", false},
		{"no notify", "<Method>xroad</Method>", "<Method>get</Method>", "Callback/Notify/Method", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{TKT: tt.tkt, Refusals: simulator.Refusals{Form: simulator.InFaultString}})
			message := golden(t, "cpgOrderInitRequest.xml")
			changed := strings.Replace(message, tt.old, tt.new, 1)
			require.True(t, tt.old == "" || changed != message, "the sample has no %q", tt.old)
			if strings.HasPrefix(tt.name, "TKT without") {
				changed = strings.Replace(changed, "MERCHANT_UNIQUE_MESSAGE_ID", "1", 1)
			}
			doc := b.call(t, changed)
			require.True(t, strings.HasPrefix(at(doc, "Fault/faultstring"), "Error: "+tt.field+":"), at(doc, "Fault/faultstring"))
			require.Empty(t, b.emta.Orders())
			require.Len(t, b.emta.Calls(), 1)
		})
	}
}

func TestGoodReferences(t *testing.T) {
	for _, reference := range []string{"13", "123", "2900082401", "00000000000000000000000000000000000"} {
		b := newBench(t, simulator.EMTAOptions{})
		message := strings.Replace(initRequest(t, "1"), "<ReferenceNumber>123<", "<ReferenceNumber>"+reference+"<", 1)
		require.Empty(t, at(b.call(t, message), "Fault/faultstring"), reference)
	}
}

func TestRefusalForms(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		form                      simulator.RefusalForm
		word                      simulator.RefusalWord
		code, text, detail, named string
	}{
		{"faultcode", simulator.InFaultCode, simulator.EnglishName, "CancellingNotAllowed", "The payer is paying already.", "", ""},
		{"faultcode in Estonian", simulator.InFaultCode, simulator.EstonianName, "TyhistamineKeelatud", "The payer is paying already.", "", ""},
		{"faultcode by number", simulator.InFaultCode, simulator.Number, "409", "The payer is paying already.", "", ""},
		{"faultstring", simulator.InFaultString, simulator.EnglishName, "SOAP-ENV:Server", "CancellingNotAllowed: The payer is paying already.", "", ""},
		{"detail", simulator.InDetail, simulator.Number, "SOAP-ENV:Server", "Request failed", "409", ""},
		{"status", simulator.AsHTTPStatus, "", "Server.ServerProxy.ServiceFailed.HttpError", "Server responded with error 409: Conflict", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{Refusals: simulator.Refusals{Form: tt.form, Word: tt.word}})
			id := b.create(t, "1")
			require.NoError(t, b.emta.ChooseMethod(id))
			doc := b.call(t, bodyRequest(t, "cpgOrderCancel", "<Id>"+id+"</Id>"))
			require.Equal(t, tt.code, at(doc, "Fault/faultcode"))
			require.Equal(t, tt.text, at(doc, "Fault/faultstring"))
			require.Equal(t, tt.detail, at(doc, "Fault/detail/error/name"))
			o, _ := b.emta.Order(id)
			require.Equal(t, simulator.OrderPending, o.State)
		})
	}
}

func TestRefusals(t *testing.T) {
	other := strings.NewReplacer("<iden:memberCode>12345678<", "<iden:memberCode>12345679<")
	for _, tt := range []struct {
		name, code string
		refusals   simulator.Refusals
		request    func(b *bench) string
	}{
		{"no methods", "noMethods", simulator.Refusals{}, func(*bench) string {
			return strings.NewReplacer("<Code>creditcard<", "<Code>cheque<", "<Code>banklink<", "<Code>gold<").Replace(initRequest(t, "1"))
		}},
		{"get unknown", "NotFound", simulator.Refusals{}, func(*bench) string { return bodyRequest(t, "cpgOrderGet", "<Id>x</Id>") }},
		{"get another's", "Forbidden", simulator.Refusals{}, func(b *bench) string {
			return other.Replace(bodyRequest(t, "cpgOrderGet", "<Id>"+b.create(t, "1")+"</Id>"))
		}},
		{"cancel unknown", "NotFound", simulator.Refusals{}, func(*bench) string { return bodyRequest(t, "cpgOrderCancel", "<Id>x</Id>") }},
		{"cancel unknown is 204", "Server.ServerProxy.ServiceFailed.HttpError", simulator.Refusals{UnknownIs204: true}, func(*bench) string {
			return bodyRequest(t, "cpgOrderCancel", "<Id>x</Id>")
		}},
		{"cancel twice", "Server.ServerProxy.ServiceFailed.HttpError", simulator.Refusals{}, func(b *bench) string {
			request := bodyRequest(t, "cpgOrderCancel", "<Id>"+b.create(t, "1")+"</Id>")
			require.NotNil(t, b.call(t, request).FindElement("//cpgOrderCancelResponse"))
			return request
		}},
		{"cancel twice as fault", "204", simulator.Refusals{Cancelled: simulator.InFaultCode, Word: simulator.Number}, func(b *bench) string {
			request := bodyRequest(t, "cpgOrderCancel", "<Id>"+b.create(t, "1")+"</Id>")
			require.NotNil(t, b.call(t, request).FindElement("//cpgOrderCancelResponse"))
			return request
		}},
		{"another wrapper", "Error", simulator.Refusals{}, func(*bench) string {
			return strings.ReplaceAll(bodyRequest(t, "cpgOrderGet", "<Id>x</Id>"), "cpgOrderGetRequest", "cpgOrderGet")
		}},
		{"another namespace", "Error", simulator.Refusals{}, func(*bench) string {
			return strings.Replace(bodyRequest(t, "cpgOrderGet", "<Id>x</Id>"), `"http://cpg-v6.x-road.eu"`, `"urn:other"`, 1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{Refusals: tt.refusals})
			rival := shop
			rival.MemberCode = "12345679"
			b.server.Register(rival)
			b.server.Allow(rival, gateway, "cpgOrderGet")
			doc := b.call(t, tt.request(b))
			require.Equal(t, tt.code, at(doc, "Fault/faultcode"), at(doc, "Fault/faultstring"))
		})
	}
}

func TestMoves(t *testing.T) {
	const (
		created, pending     = simulator.OrderCreated, simulator.OrderPending
		completed, cancelled = simulator.OrderCompleted, simulator.OrderCancelled
	)
	type move = func(b *bench, id string) error
	choose := func(b *bench, id string) error { return b.emta.ChooseMethod(id) }
	pay := func(b *bench, id string) error { return b.emta.Pay(id) }
	late := func(b *bench, id string) error { return b.emta.PayCancelled(id) }
	refuse := func(b *bench, id string) error { return b.emta.Refuse(id) }
	back := func(b *bench, id string) error { return b.emta.CancelByPayer(id) }
	annul := func(b *bench, id string) error { return b.emta.Annul(id, false) }
	partly := func(b *bench, id string) error { return b.emta.Annul(id, true) }
	wait := func(b *bench, _ string) error { b.clock.advance(15 * time.Minute); return nil }
	for _, tt := range []struct {
		name   string
		moves  []move
		state  simulator.OrderState
		reason string
	}{
		{"choose", []move{choose}, pending, ""},
		{"pay", []move{choose, pay}, completed, ""},
		{"pay at once", []move{pay}, completed, ""},
		{"refused", []move{choose, refuse}, cancelled, "declined_05"},
		{"goes back", []move{back}, cancelled, "refuse"},
		{"walks away", []move{wait}, cancelled, "expired"},
		{"walks away from the bank", []move{choose, wait}, cancelled, "timedout_broker"},
		{"paid does not expire", []move{pay, wait}, completed, ""},
		{"annulled", []move{pay, annul}, created, ""},
		{"annulled does not expire", []move{pay, annul, wait}, created, ""},
		{"annulled partly", []move{pay, partly}, pending, ""},
		{"annulled and paid again", []move{pay, annul, pay}, completed, ""},
		{"annulled partly and paid again", []move{pay, partly, pay}, completed, ""},
		{"paid after all", []move{back, late}, completed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, simulator.EMTAOptions{Payments: true})
			id := b.create(t, "1")
			for _, m := range tt.moves {
				require.NoError(t, m(b, id))
			}
			doc := b.get(t, id)
			require.Equal(t, string(tt.state), at(doc, "Order/State"))
			o, ok := b.emta.Order(id)
			require.True(t, ok)
			require.Equal(t, tt.reason, o.CancelReason)
			ended := tt.state == completed || tt.state == cancelled
			require.Equal(t, ended, !o.Finished.IsZero())
			require.Equal(t, ended, at(doc, "Order/Finished") != "")
			paid := decimal.Zero
			for _, p := range o.Payments {
				if p.State == completed {
					paid = paid.Add(p.Amount)
				}
			}
			require.Equal(t, tt.state == completed, paid.GreaterThanOrEqual(o.Amount), "paid %s", paid)
		})
	}
}

func TestMovesThatDoNotFit(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	id := b.create(t, "1")
	require.ErrorIs(t, b.emta.Pay("unknown"), simulator.ErrNotFound)
	require.Error(t, b.emta.Annul(id, false))
	require.Error(t, b.emta.PayCancelled(id))
	require.NoError(t, b.emta.Pay(id))
	require.Error(t, b.emta.Pay(id))
	require.Error(t, b.emta.CancelByPayer(id))
	o, _ := b.emta.Order(id)
	require.Equal(t, simulator.OrderCompleted, o.State)
}

func TestKeepsExpiredOnRequest(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{KeepExpired: true, Expiry: time.Minute})
	id := b.create(t, "1")
	b.clock.advance(time.Hour)
	require.Equal(t, "created", at(b.get(t, id), "Order/State"))
	require.NotNil(t, b.call(t, bodyRequest(t, "cpgOrderCancel", "<Id>"+id+"</Id>")).FindElement("//cpgOrderCancelResponse"))
	require.Equal(t, "cancelled", at(b.get(t, id), "Order/State"))
}

func TestChangedAmountStays(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	id := b.create(t, "1")
	require.NoError(t, b.emta.Pay(id))
	require.NoError(t, b.emta.ChangeAmount(id, decimal.RequireFromString("0.55")))
	for range 2 {
		require.Equal(t, "0.55", at(b.get(t, id), "Order/Amount"))
	}
}

func TestCallsAreLogged(t *testing.T) {
	b := newBench(t, simulator.EMTAOptions{})
	id := b.create(t, "1")
	b.get(t, id)
	b.get(t, "unknown")
	now := b.clock.Now()
	require.Equal(t, []simulator.Call{
		{Operation: "cpgOrderInit", OrderID: id, Stamp: "1", Time: now, Acted: true},
		{Operation: "cpgOrderGet", OrderID: id, Stamp: "1", Time: now, Acted: true},
		{Operation: "cpgOrderGet", OrderID: "unknown", Time: now, Acted: true, Refusal: "404 NotFound"},
	}, b.emta.Calls())
}
