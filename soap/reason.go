package soap

// Reasons of the faults that we make ourselves, as Fault.Reason and detail/reason carry them. They are what a
// security server calls the same finding, without its prefix (§2.4); what has no name there has one of ours.
// Findings in the X-Road header carry xroadhdr's codes, such as xroadhdr.CodeMissingHeaderField.
const (
	ReasonInvalidHTTPMethod   = "InvalidHttpMethod"
	ReasonInvalidContentType  = "InvalidContentType"
	ReasonInvalidSOAP         = "InvalidSoap"
	ReasonMissingHeader       = "MissingHeader"
	ReasonMissingBody         = "MissingBody"
	ReasonInvalidBody         = "InvalidBody"
	ReasonInconsistentHeaders = "InconsistentHeaders"
	ReasonUnknownService      = "UnknownService"
	ReasonUnknownMember       = "UnknownMember" // the service asked for belongs to somebody else
	ReasonAccessDenied        = "AccessDenied"
	ReasonMIME                = "MimeParsingFailed"
	ReasonMissingSOAP         = "MissingSoap" // a multipart message without a part

	ReasonTooLarge           = "MessageTooLarge"
	ReasonTooDeep            = "MessageTooDeep"
	ReasonTooManyNodes       = "TooManyNodes"
	ReasonTooManyAttributes  = "TooManyAttributes"
	ReasonTooManyAttachments = "TooManyAttachments"
	ReasonDuplicateContentID = "DuplicateContentId" // two parts of one message
	ReasonUnknownAttachment  = "UnknownAttachment"  // a reference that leads nowhere
	ReasonNotUnderstood      = "NotUnderstood"      // a foreign header block with mustUnderstand (§2.2)
	ReasonInternalError      = "InternalError"      // ours; the request id leads to the cause
	ReasonUnavailable        = "Unavailable"        // ours, for now: nothing was done, and the caller may repeat
)
