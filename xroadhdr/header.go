package xroadhdr

// Namespaces of the X-Road message protocol 4.0 (§1.2). Prefixes are free.
const (
	NamespaceXRoad          = "http://x-road.eu/xsd/xroad.xsd"
	NamespaceIdentifiers    = "http://x-road.eu/xsd/identifiers"
	NamespaceRepresentation = "http://x-road.eu/xsd/representation.xsd"
	NamespaceSecurityToken  = "http://x-road.eu/xsd/security-token.xsd"
)

// ProtocolVersion is what we send; any 4.x is accepted (§2.2).
const ProtocolVersion = "4.0"

// Header is the X-Road message header, as SOAP header blocks (§2.1) or as HTTP
// fields (§6.2). A nil pointer is an absent field; a pointer to "" an empty one:
// the two differ on the wire. It holds personal data and secrets: log Client, Service and ID, never the whole.
type Header struct {
	Client           ClientID
	Service          ServiceID
	CentralService   *CentralServiceID // read only (§2.2)
	ID               string
	UserID           *string // opaque (§2.2)
	Issue            *string
	ProtocolVersion  string // SOAP only; as it came, or "" for ProtocolVersion when written
	RepresentedParty *RepresentedParty
	SecurityServer   *SecurityServerID
	SecurityToken    *SecurityToken // SOAP only; sensitive: never logged
	RequestHash      *RequestHash   // set by the provider's security server in answers only; in a request it means nothing
	RequestID        string         // REST only: X-Road-Request-Id, made by the security server
}

// RepresentedParty is on whose behalf the client acts (§2.2).
type RepresentedParty struct {
	PartyClass string // empty: no class
	PartyCode  string
}

// SecurityToken is a token for the provider (§2.2). It is sensitive.
type SecurityToken struct {
	TokenType string // URI
	Value     string
}

// String hides the token, so that formatting a header does not tell it.
func (SecurityToken) String() string { return "[security token]" }

// RequestHash is the digest of the request that an answer belongs to (§2.3).
type RequestHash struct {
	AlgorithmID string // XML-DSIG URI, as it came
	Value       string // Base64, as it came: it may hold line breaks
}

// Validate checks h strictly for sending over SOAP, in the order protocolVersion,
// client, id, service, then the optional fields. The error is a *FieldError.
func (h Header) Validate() error {
	if h.ProtocolVersion != "" && h.ProtocolVersion != ProtocolVersion {
		return &FieldError{Code: CodeInvalidProtocolVersion, Field: "protocolVersion", Rule: "must be " + ProtocolVersion}
	}
	if err := h.Client.Validate(); err != nil {
		return err
	}
	if err := validateText("id", h.ID, printable); err != nil {
		return err
	}
	if err := h.Service.Validate(); err != nil {
		return err
	}
	if h.UserID != nil {
		if err := validateText("userId", *h.UserID, text); err != nil {
			return err
		}
	}
	if h.Issue != nil {
		if err := validateText("issue", *h.Issue, text); err != nil {
			return err
		}
	}
	if err := h.RepresentedParty.validate(); err != nil {
		return err
	}
	if h.SecurityServer != nil {
		if err := h.SecurityServer.Validate(); err != nil {
			return err
		}
	}
	if h.SecurityToken != nil {
		if err := validateText("securityToken/@tokenType", h.SecurityToken.TokenType, printable); err != nil {
			return err
		}
		return validateText("securityToken", h.SecurityToken.Value, printable)
	}
	return nil
}

func validateText(field, value string, rule rule) error {
	if broken := rule(value); broken != "" {
		return &FieldError{Code: CodeInvalidHeaderField, Field: field, Rule: broken}
	}
	return nil
}

// validate accepts nil. The codes of parties are not X-Road's to register, so only what
// would be read back as something else is refused.
func (p *RepresentedParty) validate() error {
	if p == nil {
		return nil
	}
	if p.PartyClass != "" {
		if err := validateText("representedParty/partyClass", p.PartyClass, lenient); err != nil {
			return err
		}
	}
	return validateText("representedParty/partyCode", p.PartyCode, lenient)
}

// Differs compares an answer's header with its request's, by the parsed values
// of client, service, id, userId, issue and representedParty, as a security server does (§2.1). It returns
// the name of the first field that differs, or "". Absent and empty differ.
func (h Header) Differs(answer Header) string {
	switch {
	case h.Client != answer.Client:
		return "client"
	case h.Service != answer.Service:
		return "service"
	case h.ID != answer.ID:
		return "id"
	case !same(h.UserID, answer.UserID):
		return "userId"
	case !same(h.Issue, answer.Issue):
		return "issue"
	case !same(h.RepresentedParty, answer.RepresentedParty):
		return "representedParty"
	}
	return ""
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
