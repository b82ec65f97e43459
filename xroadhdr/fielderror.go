package xroadhdr

// Codes of FieldError. All but CodeInvalidIdentifier are the suffixes that a security server uses
// for the same finding (§2.4); it calls a bad identifier part InternalError, which blames the wrong side.
const (
	CodeMissingHeader          = "MissingHeader"
	CodeMissingHeaderField     = "MissingHeaderField"
	CodeDuplicateHeaderField   = "DuplicateHeaderField"
	CodeInvalidProtocolVersion = "InvalidProtocolVersion"
	CodeInvalidXML             = "InvalidXml"
	CodeInvalidIdentifier      = "InvalidIdentifier"
	CodeInvalidHeaderField     = "InvalidHeaderField" // a value that is no identifier, such as id
)

// FieldError says which field broke which rule. Its text never repeats the
// value of the field, which may be personal (userId, representedParty) or secret (securityToken).
type FieldError struct {
	Code  string // one of the Code constants, without a security server's prefix (§2.4)
	Field string // element path or HTTP field, e.g. "client/memberCode"
	Rule  string // what must hold, in words
	Err   error  // cause, may be nil; not part of the text
}

// Error is the field and the rule, fit for the answer to whoever sent the field.
func (e *FieldError) Error() string { return e.Field + ": " + e.Rule }

// Unwrap returns the cause, nil when there is none.
func (e *FieldError) Unwrap() error { return e.Err }
