package simulator

import (
	"time"

	"github.com/beevik/etree"
	"github.com/shopspring/decimal"
)

// writeOrder appends <Order>. CpgOrder is xs:all, so its members come in an
// order drawn by the seed; numbers and times come in one of their valid forms.
func (e *EMTA) writeOrder(parent *etree.Element, o *Order, m Mischief) {
	shown := e.shown(o, m)
	members := []*etree.Element{
		text("Id", shown.ID), text("State", string(shown.State)), description(shown),
		text("Created", e.moment(shown.Created)), text("Amount", e.amount(shown.Amount)), text("Currency", shown.Currency),
		methods(shown), merchant(shown), customer(shown), callback(shown),
	}
	if !m.NoExpires {
		members = append(members, text("Expires", e.moment(shown.Expires)))
	}
	if !shown.Finished.IsZero() {
		members = append(members, text("Finished", e.moment(shown.Finished)))
	} else if e.rng.IntN(3) == 0 {
		members = append(members, text("Finished", "")) // the text speaks of the field being unfilled
	}
	if !m.NoLink {
		members = append(members, e.links(shown))
	}
	if e.o.Payments {
		members = append(members, e.payments(shown))
	}
	e.rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	order := parent.CreateElement("Order")
	for _, el := range members {
		order.AddChild(el)
	}
}

// shown is o as m would have it.
func (e *EMTA) shown(o *Order, m Mischief) Order {
	shown := o.copy()
	if m.AnotherOrder {
		shown = e.another(o)
	}
	if m.WrongAmount != nil {
		shown.Amount = *m.WrongAmount
	}
	if m.WrongReference != "" {
		shown.Reference = m.WrongReference
	}
	if m.WrongStamp != "" {
		shown.Stamp = m.WrongStamp
	}
	if m.UnknownState != "" {
		shown.State = OrderState(m.UnknownState)
	}
	return shown
}

// another is the newest order that is not o, or an invented one.
func (e *EMTA) another(o *Order) Order {
	for i := len(e.orders) - 1; i >= 0; i-- {
		if e.orders[i].ID != o.ID {
			return e.orders[i].copy()
		}
	}
	other := o.copy()
	other.ID, other.Stamp, other.Reference = e.o.NewID(), "foreign", "13"
	other.State, other.Finished = OrderCompleted, e.o.Clock()
	return other
}

func text(tag, value string) *etree.Element {
	el := etree.NewElement(tag)
	if value != "" {
		el.SetText(value)
	}
	return el
}

// group is a sequence; members without a value are left out.
func group(tag string, pairs ...string) *etree.Element {
	el := etree.NewElement(tag)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			el.CreateElement(pairs[i]).SetText(pairs[i+1])
		}
	}
	return el
}

func description(o Order) *etree.Element {
	return group("Description", "ET", o.DescriptionET, "EN", o.DescriptionEN, "RU", o.DescriptionRU)
}

func merchant(o Order) *etree.Element {
	return group("Merchant", "Id", o.Merchant.MemberCode, "Name", o.MerchantName, "Stamp", o.Stamp, "Notes", o.Notes)
}

func customer(o Order) *etree.Element {
	return group("Customer", "Code", o.CustomerCode, "Email", o.CustomerEmail, "Country", o.CustomerCountry,
		"Language", o.Language, "ReferenceNumber", o.Reference)
}

func methods(o Order) *etree.Element {
	el := etree.NewElement("PaymentMethods")
	for _, code := range o.Methods {
		el.AddChild(group("PaymentMethod", "Code", code))
	}
	return el
}

// callback has no Notify/Url, as EMTA's own sample has none.
func callback(o Order) *etree.Element {
	el := group("Callback", "Redirect", o.Redirect)
	if o.Notify {
		el.AddChild(group("Notify", "Method", "xroad"))
	}
	return el
}

// links sometimes has a link of another kind before the payer's.
func (e *EMTA) links(o Order) *etree.Element {
	el := etree.NewElement("Links")
	if e.rng.IntN(2) == 0 {
		el.AddChild(group("Link", "Href", o.PayURL+"/terms", "Rel", "terms", "Method", "GET"))
	}
	el.AddChild(group("Link", "Href", o.PayURL, "Rel", "web-portal"))
	return el
}

func (e *EMTA) payments(o Order) *etree.Element {
	el := etree.NewElement("Payments")
	for _, p := range o.Payments {
		payment := group("Payment", "State", string(p.State), "Created", e.moment(p.Created), "Amount", e.amount(p.Amount),
			"Method", "creditcard", "Broker", "nets", "Stamp", p.Stamp)
		if !p.Finished.IsZero() {
			payment.CreateElement("Finished").SetText(e.moment(p.Finished))
		}
		members := payment.ChildElements() // CpgPayment is xs:all too
		e.rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		for _, member := range members {
			payment.AddChild(member)
		}
		el.AddChild(payment)
	}
	return el
}

// amount writes 30 as 30, 30.0 or 30.00, and 30.55 as it is.
func (e *EMTA) amount(a decimal.Decimal) string {
	forms := []string{a.StringFixed(2)}
	if a.Equal(a.Truncate(1)) {
		forms = append(forms, a.StringFixed(1))
	}
	if a.Equal(a.Truncate(0)) {
		forms = append(forms, a.StringFixed(0))
	}
	return forms[e.rng.IntN(len(forms))]
}

// moments are forms of xs:dateTime that toolkits write, all with an offset.
var moments = []struct {
	layout string
	zone   *time.Location
}{
	{"2006-01-02T15:04:05.000-07:00", time.FixedZone("", 3*3600)},
	{"2006-01-02T15:04:05.000-07:00", time.FixedZone("", 2*3600)},
	{"2006-01-02T15:04:05.999999Z07:00", time.UTC},
	{"2006-01-02T15:04:05.000000000-07:00", time.UTC},
	{"2006-01-02T15:04:05.999Z07:00", time.FixedZone("", -(3*3600 + 1800))},
}

func (e *EMTA) moment(t time.Time) string {
	form := moments[e.rng.IntN(len(moments))]
	return t.In(form.zone).Format(form.layout)
}
