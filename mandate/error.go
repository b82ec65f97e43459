package mandate

import (
	"fmt"
	"strings"
)

// Code is a stable name of what went wrong.
type Code string

// The codes. What is no *Error is a failure of ours.
const (
	Invalid   Code = "invalid"   // the request breaks rules; Broken says which
	Forbidden Code = "forbidden" // whoever asks may not; Broken has one that says why
	NotFound  Code = "not-found" // no such mandate under these parents
	IsEnded   Code = "ended"     // the mandate has ended already: for Pääsuke, not found
	Reused    Code = "reused"    // the same X-Road-Id came with another request before
)

// Field is the part of a request that breaks a rule. Each transport has its own path for it.
type Field string

// The fields.
const (
	FieldRepresentee    Field = "representee"
	FieldDelegate       Field = "delegate" // of passing on: the sub-delegate
	FieldRole           Field = "role"
	FieldCanSubDelegate Field = "canSubDelegate"
	FieldFrom           Field = "from"
	FieldThrough        Field = "through"
	FieldMandate        Field = "mandate" // the mandate that the path names
	FieldUser           Field = "user"    // X-Road-UserId
	FieldParty          Field = "party"   // X-Road-Represented-Party
	FieldAuthorizations Field = "authorizations"
	FieldDocument       Field = "document"
)

// Rule is a stable word for the rule that a field breaks.
type Rule string

// The rules.
const (
	RuleRequired          Rule = "required"
	RuleFormat            Rule = "format"
	RuleUnknownRole       Rule = "unknown-role"        // none of AT's
	RuleNotSubDelegable   Rule = "not-sub-delegable"   // the role, or the mandate, may not be passed on
	RuleThroughBeforeFrom Rule = "through-before-from" //
	RuleThroughInPast     Rule = "through-in-past"     //
	RuleSelf              Rule = "self"                // nobody is their own delegate
	RuleOverlap           Rule = "overlap"             // the same role is held in the same days
	RuleNaturalPerson     Rule = "natural-person"      // AT's roles are for natural persons
	RuleEstonian          Rule = "estonian"            // AT knows Estonian codes alone
	RuleUnknownMandate    Rule = "unknown-mandate"     // of passing on
	RuleNotValid          Rule = "not-valid"           // what is passed on is not valid today
	RuleOutsideParent     Rule = "outside-parent"      // longer than what it was passed on from
	RuleOwn               Rule = "own"                 // nobody changes the last day of their own
	RuleNoUser            Rule = "no-user"             // a background process changes nothing
	RuleForeignUser       Rule = "foreign-user"        // a person of another country changes nothing
	RuleParty             Rule = "represented-party"   // the represented party has no say in this mandate
	RuleNoAuthorization   Rule = "no-authorization"    // nothing shows that the user may act for the party
	RuleFormerManager     Rule = "former-manager"      // held a managing mandate until a few days ago
	RuleTooMany           Rule = "too-many"
	RuleTooLong           Rule = "too-long"
)

// Broken is a rule that a field breaks.
type Broken struct {
	Field Field
	Rule  Rule
}

// Error is why the module did not do what it was asked. It holds nothing of the request, so it may be logged.
type Error struct {
	Code   Code
	Broken []Broken // in the order in which they are to be told; for Invalid and Forbidden at least one
}

func (e *Error) Error() string {
	parts := []string{"mandate: " + string(e.Code)}
	for _, b := range e.Broken {
		parts = append(parts, fmt.Sprintf("%s %s", b.Field, b.Rule))
	}
	return strings.Join(parts, ", ")
}

func forbidden(f Field, r Rule) error { return &Error{Forbidden, []Broken{{f, r}}} }

func invalid(f Field, r Rule) error { return &Error{Invalid, []Broken{{f, r}}} }
