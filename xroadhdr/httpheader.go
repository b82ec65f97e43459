package xroadhdr

import (
	"net/http"
	"net/url"
	"strings"
)

// HTTP fields of the X-Road message protocol r1 (§6.2). Each is single by definition.
const (
	HeaderClient           = "X-Road-Client"
	HeaderService          = "X-Road-Service"
	HeaderID               = "X-Road-Id"
	HeaderRequestID        = "X-Road-Request-Id"
	HeaderRequestHash      = "X-Road-Request-Hash"
	HeaderUserID           = "X-Road-UserId"
	HeaderIssue            = "X-Road-Issue"
	HeaderRepresentedParty = "X-Road-Represented-Party"
	HeaderSecurityServer   = "X-Road-Security-Server"
	HeaderError            = "X-Road-Error" // set by a security server, never by us
)

// ReadHTTP reads a REST request's X-Road fields as a provider gets them (§6.2), leniently; only
// X-Road-Client is mandatory. A field that came twice is refused with code
// DuplicateHeaderField: the security server checked one of them, and it need not be the one that we would read
// (§10). Service comes from the client, unchecked by any security server: take it from the URL instead. The error is a *FieldError.
func ReadHTTP(fields http.Header) (Header, error) {
	for _, name := range []string{HeaderClient, HeaderService, HeaderID, HeaderRequestID, HeaderRequestHash,
		HeaderUserID, HeaderIssue, HeaderRepresentedParty, HeaderSecurityServer, HeaderError} {
		if len(fields.Values(name)) > 1 {
			return Header{}, &FieldError{Code: CodeDuplicateHeaderField, Field: name, Rule: "must come only once"}
		}
	}
	h := Header{
		ID:        fields.Get(HeaderID),
		RequestID: fields.Get(HeaderRequestID),
		UserID:    optionalField(fields, HeaderUserID),
		Issue:     optionalField(fields, HeaderIssue),
	}
	client := optionalField(fields, HeaderClient)
	if client == nil {
		return Header{}, &FieldError{Code: CodeMissingHeaderField, Field: HeaderClient, Rule: "is missing"}
	}
	var err error
	if h.Client, err = parseClientPath(HeaderClient, *client, lenient); err != nil {
		return Header{}, err
	}
	if v := optionalField(fields, HeaderService); v != nil {
		if h.Service, err = parseServicePath(HeaderService, *v, lenient); err != nil {
			return Header{}, err
		}
	}
	if v := optionalField(fields, HeaderRepresentedParty); v != nil {
		h.RepresentedParty = &RepresentedParty{}
		if err := h.RepresentedParty.parsePath(*v); err != nil {
			return Header{}, err
		}
	}
	if v := optionalField(fields, HeaderSecurityServer); v != nil {
		h.SecurityServer = &SecurityServerID{}
		if err := parsePath(HeaderSecurityServer, *v, h.SecurityServer.parts(), 4, lenient); err != nil {
			return Header{}, err
		}
	}
	return h, nil
}

// WriteHTTP sets the REST request fields X-Road-Client, -Id, -UserId, -Issue, -Represented-Party and
// -Security-Server strictly, each identifier part percent-encoded; of these, what h lacks is removed.
// The service goes into the URL (§6.1). An invalid field is a *FieldError and nothing is changed.
func (h Header) WriteHTTP(fields http.Header) error {
	if err := h.validateHTTP(); err != nil {
		return err
	}
	fields.Set(HeaderClient, h.Client.Path())
	fields.Set(HeaderID, h.ID)
	setOptional(fields, HeaderUserID, h.UserID)
	setOptional(fields, HeaderIssue, h.Issue)
	fields.Del(HeaderRepresentedParty)
	if h.RepresentedParty != nil {
		fields.Set(HeaderRepresentedParty, h.RepresentedParty.path())
	}
	fields.Del(HeaderSecurityServer)
	if h.SecurityServer != nil {
		fields.Set(HeaderSecurityServer, h.SecurityServer.Path())
	}
	return nil
}

func (h Header) validateHTTP() error {
	if err := h.Client.Validate(); err != nil {
		return err
	}
	if h.ID == "" {
		return &FieldError{Code: CodeMissingHeaderField, Field: HeaderID, Rule: "must not be empty"}
	}
	if err := validateText(HeaderID, h.ID, fieldValue); err != nil {
		return err
	}
	if h.UserID != nil {
		if err := validateText(HeaderUserID, *h.UserID, fieldValue); err != nil {
			return err
		}
	}
	if h.Issue != nil {
		if err := validateText(HeaderIssue, *h.Issue, fieldValue); err != nil {
			return err
		}
	}
	if err := h.RepresentedParty.validate(); err != nil {
		return err
	}
	if h.SecurityServer != nil {
		return h.SecurityServer.Validate()
	}
	return nil
}

// fieldValue is the rule of what goes unencoded into an HTTP field: HTTP would trim
// outer blanks, and other bytes than ASCII are read differently by different servers.
func fieldValue(value string) string {
	for _, r := range value {
		if r < ' ' || r > '~' {
			return "must hold only printable ASCII characters"
		}
	}
	if strings.TrimSpace(value) != value {
		return "must not begin or end with a blank"
	}
	return ""
}

func setOptional(fields http.Header, name string, value *string) {
	if value == nil {
		fields.Del(name)
		return
	}
	fields.Set(name, *value)
}

func optionalField(fields http.Header, name string) *string {
	values := fields.Values(name)
	if len(values) == 0 {
		return nil
	}
	return &values[0]
}

// path is the field form "class/code" or "code" (§6.2).
func (p *RepresentedParty) path() string {
	if p.PartyClass == "" {
		return url.PathEscape(p.PartyCode)
	}
	return url.PathEscape(p.PartyClass) + "/" + url.PathEscape(p.PartyCode)
}

// parsePath is the inverse of path. The class comes first and is the optional one.
func (p *RepresentedParty) parsePath(s string) error {
	code := part{"partyCode", &p.PartyCode, false}
	if !strings.Contains(s, "/") {
		return parsePath(HeaderRepresentedParty, s, []part{code}, 1, printable)
	}
	return parsePath(HeaderRepresentedParty, s, []part{{"partyClass", &p.PartyClass, false}, code}, 2, printable)
}
