package xroadhdr

import "strings"

// String is the form of settings and logs: parts joined by "/", unencoded (§1.1).
func (m MemberID) String() string { return join(m.parts(), plain) }

// String is the form of settings and logs: parts joined by "/", unencoded (§1.1).
// ParseClientID is its inverse for identifiers that were read or validated.
func (c ClientID) String() string { return join(c.parts(), plain) }

// String is the form of settings and logs: parts joined by "/", unencoded (§1.1). Without a
// subsystem or version it is ambiguous: compare ServiceIDs, not their strings.
func (s ServiceID) String() string { return join(s.parts(), plain) }

// String is the form of settings and logs: parts joined by "/", unencoded (§1.1).
func (s SecurityServerID) String() string { return join(s.parts(), plain) }

// Display is the form of fault strings and of X-Road's own logs,
// e.g. "SUBSYSTEM:EE/GOV/70000310/at" (§1.1).
func (c ClientID) Display() string { return c.objectType() + ":" + c.String() }

// Display is the form of fault strings and of X-Road's own logs,
// e.g. "SERVICE:EE/GOV/70000310/at/findNotice/v1" (§1.1).
func (s ServiceID) Display() string { return typeService + ":" + s.String() }

// ParseClientID reads "instance/class/member" or "instance/class/member/subsystem",
// unencoded, as settings and logs write it. The error is a *FieldError.
func ParseClientID(s string) (ClientID, error) {
	var c ClientID
	values := strings.Split(s, "/")
	if len(values) != 3 && len(values) != 4 {
		return ClientID{}, &FieldError{Code: CodeInvalidIdentifier, Field: "client",
			Rule: "must be instance/class/member or instance/class/member/subsystem"}
	}
	if err := fill("client", c.parts(), values, lenient); err != nil {
		return ClientID{}, err
	}
	return c, nil
}

// ParseServiceID reads the six-part form "instance/class/member/subsystem/service/version",
// unencoded. One with fewer parts is ambiguous and refused (§1.1). The error is a *FieldError.
func ParseServiceID(s string) (ServiceID, error) {
	var id ServiceID
	values := strings.Split(s, "/")
	if len(values) != 6 {
		return ServiceID{}, &FieldError{Code: CodeInvalidIdentifier, Field: "service",
			Rule: "must be instance/class/member/subsystem/service/version"}
	}
	if err := fill("service", id.parts(), values, lenient); err != nil {
		return ServiceID{}, err
	}
	return id, nil
}

func plain(value string) string { return value }

// join writes the parts that are present, each in the given form.
func join(parts []part, form func(string) string) string {
	var b strings.Builder
	for _, p := range parts {
		if *p.value == "" && p.optional {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(form(*p.value))
	}
	return b.String()
}

// fill sets the first parts to values, of which there are at most as many as parts.
func fill(field string, parts []part, values []string, rule rule) error {
	for i, v := range values {
		*parts[i].value = v
		if broken := rule(v); broken != "" {
			return &FieldError{Code: CodeInvalidIdentifier, Field: field + "/" + parts[i].name, Rule: broken}
		}
	}
	return nil
}
