package simulator

import (
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
	"github.com/shopspring/decimal"
)

// paymentMethods are those that EMTA has for the merchant.
var paymentMethods = []string{"creditcard", "banklink"}

func (e *EMTA) init(req *message, m Mischief, call *Call) (func(*etree.Element), *refusedCall) {
	el := child(req.body, "", "Order")
	if el == nil {
		return nil, broken("Order", "is missing")
	}
	if refusal := e.checkOrder(el); refusal != nil {
		call.Stamp = textOf(el, "Merchant", "Stamp")
		return nil, refusal
	}
	o := e.create(req, el)
	if m.Duplicate {
		o = e.create(req, el)
	}
	call.OrderID, call.Stamp = o.ID, o.Stamp
	return func(response *etree.Element) { e.writeOrder(response, o, m) }, nil
}

func (e *EMTA) create(req *message, el *etree.Element) *Order {
	now := e.o.Clock()
	id := e.o.NewID()
	amount, _ := decimal.NewFromString(textOf(el, "Amount")) // checked before
	o := &Order{
		ID: id, Merchant: req.client, Issue: req.fields["issue"], State: OrderCreated,
		MerchantName: textOf(el, "Merchant", "Name"), Stamp: textOf(el, "Merchant", "Stamp"), Notes: textOf(el, "Merchant", "Notes"),
		DescriptionET: textOf(el, "Description", "ET"), DescriptionEN: textOf(el, "Description", "EN"), DescriptionRU: textOf(el, "Description", "RU"),
		Amount: amount, Currency: textOf(el, "Currency"), Methods: methodCodes(el),
		CustomerCode: textOf(el, "Customer", "Code"), CustomerCountry: textOf(el, "Customer", "Country"),
		CustomerEmail: textOf(el, "Customer", "Email"), Language: textOf(el, "Customer", "Language"),
		Reference: textOf(el, "Customer", "ReferenceNumber"),
		Redirect:  strings.ReplaceAll(textOf(el, "Callback", "Redirect"), "${id}", url.QueryEscape(id)),
		Notify:    notifiedOverXRoad(el), PayURL: e.o.PayerURL + "/pay/" + url.PathEscape(id),
		Created: now, Expires: now.Add(e.o.Expiry),
	}
	e.orders = append(e.orders, o)
	return o
}

func methodCodes(order *etree.Element) []string {
	var codes []string
	if list := child(order, "", "PaymentMethods"); list != nil {
		for _, method := range list.ChildElements() {
			codes = append(codes, textOf(method, "Code"))
		}
	}
	return codes
}

func notifiedOverXRoad(order *etree.Element) bool {
	callback := child(order, "", "Callback")
	if callback == nil {
		return false
	}
	for _, el := range callback.ChildElements() {
		if el.Tag == "Notify" && textOf(el, "Method") == "xroad" {
			return true
		}
	}
	return false
}

// checkOrder makes the checks of the text's table of cpgOrderInit (EMTA sheet §4).
func (e *EMTA) checkOrder(el *etree.Element) *refusedCall {
	for _, check := range []func(*etree.Element) *refusedCall{checkAmount, e.checkDescription, e.checkMerchant, e.checkCustomer, checkCallback, checkMethods} {
		if refusal := check(el); refusal != nil {
			return refusal
		}
	}
	return nil
}

var amountForm = regexp.MustCompile(`^\+?[0-9]{1,15}(\.[0-9]{1,2})?$`)

func checkAmount(el *etree.Element) *refusedCall {
	written := textOf(el, "Amount")
	if !amountForm.MatchString(written) || len(strings.Trim(strings.Replace(written, ".", "", 1), "+")) > 15 {
		return broken("Amount", "must be a number of at most 15 digits, 2 of them after the point")
	}
	if amount, err := decimal.NewFromString(written); err != nil || !amount.IsPositive() {
		return broken("Amount", "must be above 0")
	}
	if textOf(el, "Currency") != "EUR" {
		return broken("Currency", "must be EUR")
	}
	return nil
}

func (e *EMTA) checkDescription(el *etree.Element) *refusedCall {
	for _, language := range []string{"ET", "EN", "RU"} {
		written := textOf(el, "Description", language)
		if written == "" && (language == "ET" || e.o.TKT) {
			return broken("Description/"+language, "is missing")
		}
		if utf8.RuneCountInString(written) > 75 {
			return broken("Description/"+language, "must have at most 75 characters")
		}
	}
	return nil
}

func (e *EMTA) checkMerchant(el *etree.Element) *refusedCall {
	longest := 128
	if e.o.TKT {
		longest = 10
	}
	if n := utf8.RuneCountInString(textOf(el, "Merchant", "Stamp")); n > longest {
		return broken("Merchant/Stamp", "is too long for this merchant")
	}
	return nil
}

var (
	twoLetters   = regexp.MustCompile(`^[A-Za-z]{2}$`)
	languageForm = regexp.MustCompile(`^(et|en|ru)$`)
)

func (e *EMTA) checkCustomer(el *etree.Element) *refusedCall {
	code, country := textOf(el, "Customer", "Code"), textOf(el, "Customer", "Country")
	if (code == "") != (country == "") {
		return broken("Customer/Code", "code and country come together or not at all")
	}
	if utf8.RuneCountInString(code) > 20 {
		return broken("Customer/Code", "must have at most 20 characters")
	}
	if country != "" && !twoLetters.MatchString(country) { // EMTA's own sample has it in lower case
		return broken("Customer/Country", "must be of ISO 3166-1 alpha-2")
	}
	if email := textOf(el, "Customer", "Email"); email != "" && !validEmail(email) {
		return broken("Customer/Email", "must be an e-mail address of at most 128 characters")
	}
	language := textOf(el, "Customer", "Language")
	if language != "" && !languageForm.MatchString(language) {
		return broken("Customer/Language", "must be et, en or ru")
	}
	reference := textOf(el, "Customer", "ReferenceNumber")
	if reference == "" && e.o.TKT {
		return broken("Customer/ReferenceNumber", "is missing")
	}
	if reference != "" && !validReference(reference) {
		return broken("Customer/ReferenceNumber", "must have at most 35 digits and a check digit by 7-3-1")
	}
	return nil
}

func validEmail(s string) bool {
	address, err := mail.ParseAddress(s)
	return err == nil && address.Address == s && len(s) <= 128
}

// validReference checks the banks' check digit: weights 7, 3, 1 from the right.
func validReference(s string) bool {
	if len(s) < 2 || len(s) > 35 || strings.Trim(s, "0123456789") != "" {
		return false
	}
	sum, weights := 0, [3]int{7, 3, 1}
	for i := range len(s) - 1 {
		sum += int(s[len(s)-2-i]-'0') * weights[i%3]
	}
	return (10-sum%10)%10 == int(s[len(s)-1]-'0')
}

func checkCallback(el *etree.Element) *refusedCall {
	redirect := strings.ReplaceAll(textOf(el, "Callback", "Redirect"), "${id}", "id")
	u, err := url.Parse(redirect)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return broken("Callback/Redirect", "must be an absolute URL")
	}
	if !notifiedOverXRoad(el) {
		return broken("Callback/Notify/Method", "must be xroad")
	}
	return nil
}

func checkMethods(el *etree.Element) *refusedCall {
	codes := methodCodes(el)
	for _, code := range codes {
		if slices.Contains(paymentMethods, code) {
			return nil
		}
	}
	if len(codes) == 0 {
		return nil // the merchant restricts nothing
	}
	return &refusedCall{http.StatusBadRequest, noMethods}
}
