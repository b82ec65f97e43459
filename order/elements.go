package order

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Estonian time must be known on a machine without zones too
	"unicode/utf8"

	"github.com/beevik/etree"
	"github.com/shopspring/decimal"
)

// element is a piece of XML as it is on the wire. Other files pass it on; only this one looks into it.
type element = etree.Element

// namespaceCPG is that of EMTA's four services (mkrliides.wsdl). Their children are unqualified.
const namespaceCPG = "http://cpg-v6.x-road.eu"

// The wire structs below follow EMTA §4's table and the CpgOrder type of mkrliides.wsdl.

// initOrder is what cpgOrderInitRequest/Order carries. Created and Notify/Url are mandatory in the published
// schema and omitted by EMTA's prose and samples; we follow those.
type initOrder struct {
	description  Description
	amount       decimal.Decimal
	currency     string
	merchantName string
	stamp        string
	payer        Payer
	language     string
	reference    string
	redirect     string
}

func (o initOrder) wrapper() *etree.Element {
	request := wrapper("cpgOrderInitRequest")
	order := request.CreateElement("Order")
	description := order.CreateElement("Description")
	add(description, "ET", o.description.ET)
	add(description, "EN", o.description.EN)
	add(description, "RU", o.description.RU)
	add(order, "Amount", o.amount.StringFixed(2))
	add(order, "Currency", o.currency)
	add(order.CreateElement("PaymentMethods").CreateElement("PaymentMethod"), "Code", "creditcard")
	merchant := order.CreateElement("Merchant")
	addIf(merchant, "Name", o.merchantName)
	add(merchant, "Stamp", o.stamp)
	customer := order.CreateElement("Customer")
	addIf(customer, "Code", o.payer.bareCode())
	addIf(customer, "Email", o.payer.Email)
	addIf(customer, "Country", o.payer.Country)
	add(customer, "Language", o.language)
	add(customer, "ReferenceNumber", o.reference)
	callback := order.CreateElement("Callback")
	add(callback, "Redirect", o.redirect)
	add(callback.CreateElement("Notify"), "Method", "xroad")
	return request
}

// idWrapper is the request of cpgOrderGet and cpgOrderCancel.
func idWrapper(name, id string) *etree.Element {
	request := wrapper(name)
	add(request, "Id", id)
	return request
}

// listQuery is what cpgOrderListRequest carries; the meaning of its strings is undocumented (EMTA §7).
type listQuery struct {
	count, page int
	sort        string
	to, from    string
}

func (q listQuery) wrapper() *etree.Element {
	request := wrapper("cpgOrderListRequest")
	add(request, "count", strconv.Itoa(q.count))
	add(request, "page", strconv.Itoa(q.page))
	addIf(request, "sort", q.sort)
	addIf(request, "to", q.to)
	addIf(request, "from", q.from)
	return request
}

func wrapper(name string) *etree.Element {
	el := etree.NewElement("cpg:" + name)
	el.CreateAttr("xmlns:cpg", namespaceCPG)
	return el
}

func add(parent *etree.Element, name, text string) { parent.CreateElement(name).SetText(text) }

func addIf(parent *etree.Element, name, text string) {
	if text != "" {
		add(parent, name, text)
	}
}

// elementError names the element of an answer that could not be read.
type elementError struct{ path, rule string }

func (e *elementError) Error() string { return fmt.Sprintf("answer: %s %s", e.path, e.rule) }

// decodeOrderAnswer reads the Order of cpgOrderInitResponse or cpgOrderGetResponse.
func decodeOrderAnswer(response *etree.Element) (answer, error) {
	order, err := one(response, "Order")
	if err != nil {
		return answer{}, err
	}
	if order == nil {
		return answer{}, &elementError{"Order", "is missing"}
	}
	return decodeOrder(order)
}

// decodeOrder reads an Order, whose members come in any order (xs:all). Members that we do not use,
// a cancel reason among them (EMTA §9), are left alone.
func decodeOrder(order *etree.Element) (answer, error) {
	var a answer
	var r reader
	a.id = r.text(order, "Id")
	a.state = r.text(order, "State")
	a.created = r.time(order, "Created")
	a.expires = r.time(order, "Expires")
	a.finished = r.time(order, "Finished")
	a.amount = r.amount(order, "Amount")
	a.currency = r.text(order, "Currency")
	if merchant := r.one(order, "Merchant"); merchant != nil {
		a.stamp = r.text(merchant, "Stamp")
	}
	if customer := r.one(order, "Customer"); customer != nil {
		a.reference = r.text(customer, "ReferenceNumber")
	}
	if links := r.one(order, "Links"); links != nil {
		a.paymentURL = paymentLink(links)
	}
	if r.err != nil {
		return answer{}, r.err
	}
	if utf8.RuneCountInString(a.id) > maxOrderID {
		return answer{}, &elementError{"Order/Id", "is longer than 128 characters"}
	}
	a.raw = rawXML(order)
	return a, nil
}

// paymentLink is the Href of the link to the web portal, else of the first link; "" if it is no address that
// a payer's browser can be sent to.
func paymentLink(links *etree.Element) string {
	var first, portal string
	for _, link := range links.ChildElements() {
		if !named(link, "Link") {
			continue
		}
		var r reader
		href, rel := r.text(link, "Href"), r.text(link, "Rel")
		if rule, _ := checkRedirect(href); r.err != nil || rule != "" {
			continue
		}
		if first == "" {
			first = href
		}
		if portal == "" && rel == "web-portal" {
			portal = href
		}
	}
	if portal != "" {
		return portal
	}
	return first
}

// page is one answer of cpgOrderList.
type page struct {
	total   int // Meta/Total
	answers []answer
	broken  int // entries that could not be read
}

func decodeList(response *etree.Element) (page, error) {
	var p page
	var r reader
	if meta := r.one(response, "Meta"); meta != nil {
		total, err := strconv.Atoi(r.text(meta, "Total"))
		if err != nil || total < 0 {
			return p, &elementError{"Meta/Total", "must be a number"}
		}
		p.total = total
	} else if r.err == nil {
		return p, &elementError{"Meta", "is missing"}
	}
	orders := r.one(response, "Orders")
	if r.err != nil {
		return p, r.err
	}
	if orders == nil {
		return p, nil
	}
	for _, el := range orders.ChildElements() {
		if !named(el, "Order") {
			continue
		}
		a, err := decodeOrder(el)
		if err != nil {
			p.broken++
			continue
		}
		p.answers = append(p.answers, a)
	}
	return p, nil
}

// reader reads children and keeps the first error.
type reader struct{ err error }

func (r *reader) fail(el *etree.Element, name, rule string) {
	if r.err == nil {
		r.err = &elementError{el.Tag + "/" + name, rule}
	}
}

func (r *reader) one(parent *etree.Element, name string) *etree.Element {
	el, err := one(parent, name)
	if err != nil {
		r.fail(parent, name, "must not be repeated")
	}
	return el
}

// text is the child's text without surrounding blanks, "" where there is no child.
func (r *reader) text(parent *etree.Element, name string) string {
	el := r.one(parent, name)
	if el == nil {
		return ""
	}
	if len(el.ChildElements()) > 0 {
		r.fail(parent, name, "must be text")
		return ""
	}
	return strings.TrimSpace(textOf(el))
}

// time reads an xs:dateTime; absent or empty is the zero time (EMTA §4), and one without zone is Estonian time.
func (r *reader) time(parent *etree.Element, name string) time.Time {
	s := r.text(parent, name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.ParseInLocation("2006-01-02T15:04:05.999999999", s, tallinn)
	}
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		r.fail(parent, name, "must be a date and time")
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// wireAmount is xs:decimal of at most 15 digits, 2 of them after the point. Zeros more at either end are valid too, and are bounded.
var wireAmount = regexp.MustCompile(`^\+?([0-9]{1,32}(\.[0-9]{0,32})?|\.[0-9]{1,32})$`)

func (r *reader) amount(parent *etree.Element, name string) decimal.Decimal {
	s := r.text(parent, name)
	if s == "" {
		r.fail(parent, name, "is missing")
		return decimal.Decimal{}
	}
	const rule = "must be an amount of at most 15 digits, 2 after the point"
	if !wireAmount.MatchString(s) { // before it is computed with: that takes seconds for a million digits
		r.fail(parent, name, rule)
		return decimal.Decimal{}
	}
	d, err := decimal.NewFromString(strings.TrimSuffix(s, "."))
	if err != nil || !d.Equal(d.Truncate(2)) || d.GreaterThan(maxAmount) {
		r.fail(parent, name, rule)
		return decimal.Decimal{}
	}
	return d.Truncate(2)
}

var maxAmount = decimal.RequireFromString("9999999999999.99")

// tallinn is where a time without zone is meant.
var tallinn = mustLoad("Europe/Tallinn")

func mustLoad(zone string) *time.Location {
	location, err := time.LoadLocation(zone)
	if err != nil {
		panic(err) // the zones are embedded
	}
	return location
}

var errRepeated = errors.New("repeated")

// named reports whether el is EMTA's element of that name. EMTA's children are unqualified; a server that
// qualifies them in the services' own namespace is understood too.
func named(el *etree.Element, name string) bool {
	ns := el.NamespaceURI()
	return el.Tag == name && (ns == "" || ns == namespaceCPG)
}

// one is the only child of that name, nil if there is none.
func one(parent *etree.Element, name string) (*etree.Element, error) {
	var found *etree.Element
	for _, el := range parent.ChildElements() {
		if !named(el, name) {
			continue
		}
		if found != nil {
			return nil, errRepeated
		}
		found = el
	}
	return found, nil
}

// textOf is all of the element's character data, comments left out.
func textOf(el *etree.Element) string {
	var b strings.Builder
	for _, t := range el.Child {
		if c, ok := t.(*etree.CharData); ok {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// rawXML is the element as text. Namespaces bound further up are not repeated: it is for reading, not for parsing.
func rawXML(el *etree.Element) string {
	doc := etree.NewDocument()
	doc.AddChild(el.Copy())
	s, err := doc.WriteToString()
	if err != nil {
		return ""
	}
	return s
}

// maxOrderID is EMTA's limit for an order's id, in characters (cpgOrderNotify.wsdl).
const maxOrderID = 128

// decodeNotify reads cpgOrderNotifyRequest (EMTA §6): one unqualified id of at most 128 characters.
func decodeNotify(request *etree.Element) (string, error) {
	children := request.ChildElements()
	if len(children) == 0 {
		return "", &elementError{"cpgOrderNotifyRequest/id", "is missing"}
	}
	if len(children) > 1 {
		return "", &elementError{"cpgOrderNotifyRequest/id", "must be the only element"}
	}
	el := children[0]
	if el.Tag != "id" || el.NamespaceURI() != "" {
		return "", &elementError{"cpgOrderNotifyRequest/id", "must be an element id without namespace"}
	}
	if len(el.ChildElements()) > 0 {
		return "", &elementError{"cpgOrderNotifyRequest/id", "must be text"}
	}
	id := textOf(el)
	switch n := utf8.RuneCountInString(id); {
	case strings.TrimSpace(id) == "":
		return "", &elementError{"cpgOrderNotifyRequest/id", "must not be empty"}
	case n > maxOrderID:
		return "", &elementError{"cpgOrderNotifyRequest/id", "must have at most 128 characters"}
	}
	return id, nil
}

// tellingNames are the names of elements that hold an error's number or name, whole or as their ending.
var tellingNames = regexp.MustCompile(`(?i)(?:code|status|error|viga|kood|^number|^name)$`)

// detailTexts are what stands below a fault's detail, in document order: telling are detail's own text and those of elements
// whose name says that they hold an error, other are the rest of the texts, tags are the elements' local names. An element
// with nothing in it tells by its name.
func detailTexts(detail *element) (telling, other, tags []string) {
	if detail == nil {
		return nil, nil, nil
	}
	for _, el := range detail.FindElements(".//*") {
		tags = append(tags, el.Tag)
		text := textOf(el)
		switch {
		case len(el.ChildElements()) == 0 && strings.TrimSpace(text) == "":
			telling = append(telling, el.Tag)
		case tellingNames.MatchString(el.Tag):
			telling = append(telling, text)
		default:
			other = append(other, text)
		}
	}
	return append(telling, textOf(detail)), other, tags
}
