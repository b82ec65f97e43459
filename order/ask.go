package order

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shopspring/decimal"
)

// Ask is the core's wish for a payment (AT-CC-002). It is checked by [Ask.Check] before anything is sent.
type Ask struct {
	AnnouncementID  int64
	Amount          string // "30.00"
	Currency        string
	ReferenceNumber string
	Payer           Payer
	Language        string // "et" or "en"
	RedirectURL     string // may carry ${id}, which EMTA replaces by its order id
}

// Payer is who pays; it is passed on to EMTA and never stored.
type Payer struct {
	Code    string // registry or personal code, with or without the country in front
	Country string // ISO 3166-1 alpha-2; neither code nor country without the other
	Email   string // may be empty
}

// FieldError is one field of an Ask that breaks a rule.
type FieldError struct {
	Path    string // as in the internal API, e.g. "payer.email"
	Rule    string // stable word
	Message string
}

// Limits that EMTA sets for what it is sent (EMTA §4, checks).
const (
	maxDescription = 75
	maxReference   = 35
	maxCode        = 20
	maxEmail       = 128
	// maxRedirect is ours: the address travels through X-Road, a browser and EMTA's pages,
	// and 2,000 characters is what all of them carry.
	maxRedirect = 2000
)

// asked is an Ask that was checked.
type asked struct {
	Ask
	amount decimal.Decimal
}

// Check returns what is wrong with the ask, nothing if EMTA would take it.
func (a Ask) Check() []FieldError {
	_, errs := a.check()
	return errs
}

func (a Ask) check() (asked, []FieldError) {
	var errs []FieldError
	wrong := func(path, rule, message string) { errs = append(errs, FieldError{path, rule, message}) }

	if a.AnnouncementID <= 0 {
		wrong("announcementId", "required", "must be the announcement's id, a positive integer")
	}
	amount, rule := parseAsked(a.Amount)
	if rule != "" {
		wrong("amount", rule, `must be a string like "30.00": more than zero, at most 13 digits before and 2 after the point`)
	}
	if a.Currency != "EUR" {
		wrong("currency", "enum", "must be EUR")
	}
	switch {
	case a.ReferenceNumber == "":
		wrong("referenceNumber", "required", "must be given")
	case len(a.ReferenceNumber) > maxReference:
		wrong("referenceNumber", "max-length", "must have at most 35 digits")
	case !ReferenceNumberValid(a.ReferenceNumber):
		wrong("referenceNumber", "check-digit", "must be digits that end in their 7-3-1 check digit")
	}
	errs = append(errs, a.Payer.check()...)
	if a.Language != "et" && a.Language != "en" {
		wrong("language", "enum", "must be et or en")
	}
	if rule, message := checkRedirect(a.RedirectURL); rule != "" {
		wrong("redirectUrl", rule, message)
	}
	return asked{Ask: a, amount: amount}, errs
}

// amountForm allows the 15 digits of numeric(15,2), 2 of them after the point.
var amountForm = regexp.MustCompile(`^[0-9]{1,13}(\.[0-9]{1,2})?$`)

func parseAsked(s string) (d decimal.Decimal, rule string) {
	if s == "" {
		return d, "required"
	}
	if !amountForm.MatchString(s) {
		return d, "format"
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return d, "format"
	}
	if !d.IsPositive() {
		return d, "positive"
	}
	return d, ""
}

var (
	codeForm    = regexp.MustCompile(`^[0-9A-Za-z]+$`)
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
)

func (p Payer) check() []FieldError {
	var errs []FieldError
	wrong := func(path, rule, message string) { errs = append(errs, FieldError{path, rule, message}) }
	switch {
	case p.Code == "" && p.Country != "":
		wrong("payer.code", "required", "must be given where the country is")
	case p.Code != "" && p.Country == "":
		wrong("payer.country", "required", "must be given where the code is")
	}
	if p.Code != "" && !codeForm.MatchString(p.Code) {
		wrong("payer.code", "format", "must be letters and digits")
	} else if len(p.bareCode()) > maxCode {
		wrong("payer.code", "max-length", "must have at most 20 characters")
	} else if p.Code != "" && p.bareCode() == "" {
		wrong("payer.code", "format", "must be more than the country")
	}
	if p.Country != "" && (!countryForm.MatchString(p.Country) || !isCountry(p.Country)) {
		wrong("payer.country", "format", "must be an ISO 3166-1 alpha-2 code like EE")
	}
	if p.Email != "" {
		switch {
		case utf8.RuneCountInString(p.Email) > maxEmail:
			wrong("payer.email", "max-length", "must have at most 128 characters")
		case !EmailValid(p.Email):
			wrong("payer.email", "format", "must be an e-mail address")
		}
	}
	return errs
}

// bareCode is the code without the country in front: the internal API's codes carry it (design §8), EMTA's do not.
func (p Payer) bareCode() string { return strings.TrimPrefix(p.Code, p.Country) }

func checkRedirect(s string) (rule, message string) {
	const absolute = "must be an absolute http or https address"
	if s == "" {
		return "required", absolute
	}
	if len(s) > maxRedirect {
		return "max-length", "must have at most 2000 characters"
	}
	// The placeholder stands for EMTA's order id; with it replaced the rest must be a plain address.
	u, err := url.Parse(strings.ReplaceAll(s, "${id}", "id"))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil {
		return "format", absolute
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return "format", absolute
	}
	for _, r := range s { // a browser reads a backslash as a slash
		if r <= ' ' || r > 0x7e || strings.ContainsRune(`<>"\`, r) {
			return "format", absolute + ", percent-encoded"
		}
	}
	return "", ""
}
