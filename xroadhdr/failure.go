package xroadhdr

import "strings"

// FailureKind says whose failure it is; the four kinds of log, metric and retry
// (design §5). Only Network and Timeout are repeated by themselves, and only where repeating is safe.
type FailureKind string

// The four kinds.
const (
	Ours    FailureKind = "ours"
	Theirs  FailureKind = "theirs"
	Network FailureKind = "network"
	Timeout FailureKind = "timeout"
)

// Group is the fact sheet's grouping of error codes (§5.4).
type Group string

// The groups of §5.4.
const (
	GroupOurs           Group = "A" // our bug or configuration: never retried
	GroupDenied         Group = "B" // access denied or service disabled: a human must act
	GroupInfrastructure Group = "C" // network, security servers
	GroupAnswer         Group = "D" // the provider's answer was malformed
	GroupProvider       Group = "E" // the provider's own fault
)

// Group classifies the code by §5.4. text is the faultstring: a few codes mean
// different things by their text. Unknown codes fall back by origin (§5.3): the client's are
// ours, the security servers' are infrastructure.
func (c ErrorCode) Group(text string) Group {
	switch {
	case c.Origin == "":
		return GroupProvider
	case c.Origin == originClient, c.blamesUs(text):
		return GroupOurs
	case c.denies():
		return GroupDenied
	case c.blamesAnswer():
		return GroupAnswer
	}
	return GroupInfrastructure
}

// Kind is whose failure the code tells of. Access denied is ours: rights are for us to arrange.
func (c ErrorCode) Kind(text string) FailureKind {
	switch c.Group(text) {
	case GroupOurs, GroupDenied:
		return Ours
	case GroupInfrastructure:
		if c.Origin == originServerProxy && c.Name == "ioerror" { // the provider timed out or broke off
			return Timeout
		}
		return Network
	}
	return Theirs
}

// BeforeProvider reports whether the code proves that the provider's system was never
// reached, so that nothing can have happened there: the listed codes of groups A and B, and the
// NetworkError or UnknownHost of either security server (no connection was made). An
// unknown code proves nothing, not even one that Group counts as ours.
func (c ErrorCode) BeforeProvider(text string) bool {
	switch c.Origin {
	case originClient:
		return c.isKnownOfClient()
	case originClientProxy, originServerProxy:
		return c.blamesUs(text) || c.denies() ||
			c.Name == "networkerror" && (len(c.Contexts) == 0 || c.isServiceFailed())
	}
	return false
}

// isKnownOfClient lists group A of origin Client, and BadRequest of the REST specification (§6.5).
func (c ErrorCode) isKnownOfClient() bool {
	if len(c.Contexts) > 0 {
		return false
	}
	switch c.Name {
	case "invalidhttpmethod", "invalidsoapaction", "invalidcontenttype", "mimeparsingfailed",
		"missingsoap", "invalidsoap", "invalidxml", "missingheader", "missingbody", "invalidbody",
		"missingheaderfield", "duplicateheaderfield", "invalidprotocolversion", "inconsistentheaders",
		"internalerror", "invalidrequest", "badrequest":
		return true
	}
	return false
}

// blamesUs lists group A of the security servers. Codes with a context, such as
// CannotCreateSignature.Signer, are the servers' own affair whatever their last part.
func (c ErrorCode) blamesUs(text string) bool {
	if len(c.Contexts) > 0 {
		return false
	}
	switch c.Origin {
	case originClientProxy:
		switch c.Name {
		case "invalidclientidentifier", "unknownmember", "invalidsecurityserver":
			return true
		case "sslauthenticationfailed": // also of the servers' own certificates
			return strings.HasPrefix(strings.TrimSpace(text), "Client (")
		case "internalerror":
			return refusesRequest(text)
		}
	case originServerProxy:
		switch c.Name {
		case "invalidsecurityserver", "unknownservice", "servicetype", "invalidrequest":
			return true
		}
	}
	return false
}

// refusesRequest tells by its text an InternalError that a bad REST request caused (§§5.4, 6.6)
// from a security server's own. A text that is not recognised is the server's own.
func refusesRequest(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	if what, ok := strings.CutPrefix(text, "invalid "); ok {
		for _, known := range []string{"request uri", "percent encoding", "percent-encoding", "protocol version"} {
			if strings.HasPrefix(what, known) {
				return true
			}
		}
		words := strings.Fields(what)
		for _, word := range words[:min(len(words), maxWordsToID)] {
			if strings.TrimRight(word, ".,:") == "id" {
				return true
			}
		}
		return false
	}
	if quoted, ok := strings.CutPrefix(text, "'"); ok {
		_, rest, _ := strings.Cut(quoted, "'")
		return strings.HasPrefix(rest, " must not be blank")
	}
	return strings.HasPrefix(text, "no enum constant")
}

// maxWordsToID bounds where "Invalid … Id" may have its last word: "security server id" is the longest.
const maxWordsToID = 3

// denies lists group B.
func (c ErrorCode) denies() bool {
	return c.Origin == originServerProxy && len(c.Contexts) == 0 &&
		(c.Name == "accessdenied" || c.Name == "servicedisabled")
}

// blamesAnswer lists group D.
func (c ErrorCode) blamesAnswer() bool {
	switch c.Origin {
	case originClientProxy:
		return c.Name == "inconsistentresponse" && (len(c.Contexts) == 0 || c.isServiceFailed())
	case originServerProxy:
		if !c.isServiceFailed() {
			return false
		}
		switch c.Name {
		case "invalidcontenttype", "invalidsoap", "invalidmessage", "missingheader", "missingheaderfield",
			"duplicateheaderfield", "invalidxml", "invalidprotocolversion", "missingbody", "invalidbody",
			"inconsistentheaders", "mimeparsingfailed":
			return true
		}
	}
	return false
}

func (c ErrorCode) isServiceFailed() bool {
	return len(c.Contexts) == 1 && c.Contexts[0] == "servicefailed"
}
