// Package xroadhdr holds X-Road identifiers and the X-Road message header, as SOAP header
// blocks (message protocol 4.0) and as HTTP fields (message protocol r1), and the error codes
// that security servers answer with. Sections in brackets (§2.1) are those of the X-Road fact sheet.
//
// Reading is lenient: what a security server lets through is accepted unless it could be taken
// for something else, such as a "/" inside an identifier part. Writing is strict: only what the
// protocol allows leaves us. Every refusal is a *FieldError that names the field and the rule and never
// repeats the value, since user ids and represented parties are personal data.
//
// The package holds values only. Repeating a request's header in an answer, field by field and
// foreign blocks included, is done with the original elements by whoever keeps the envelope (§10).
package xroadhdr
