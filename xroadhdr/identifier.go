package xroadhdr

// MemberID names an X-Road member (MEMBER, §1.1). The zero value names nobody and
// is never valid on the wire. Here as in the other identifiers, parts are compared exactly
// and case-sensitively and are never trimmed, so values may be compared with ==.
type MemberID struct {
	Instance    string // xRoadInstance, e.g. "EE"
	MemberClass string // e.g. "GOV"
	MemberCode  string // e.g. "70000310"
}

// ClientID names who asks over X-Road: a member, or with SubsystemCode one of
// its subsystems (§1.1). The object type is derived from the parts, never stored.
type ClientID struct {
	Instance      string
	MemberClass   string
	MemberCode    string
	SubsystemCode string // empty: the member itself
}

// ServiceID names what is asked for (SERVICE, §1.1). SubsystemCode and
// ServiceVersion may be empty; with and without a version are different services (§2.2).
type ServiceID struct {
	Instance       string
	MemberClass    string
	MemberCode     string
	SubsystemCode  string // empty: the service belongs to the member itself
	ServiceCode    string
	ServiceVersion string // empty: no version
}

// SecurityServerID names one security server of a member (SERVER, §1.1).
type SecurityServerID struct {
	Instance    string
	MemberClass string
	MemberCode  string
	ServerCode  string
}

// CentralServiceID names a central service (CENTRALSERVICE, §1.1; removed from X-Road in 7.3). It is
// read only: a provider goes by the service beside it, and nothing of ours ever sends one (§2.2).
type CentralServiceID struct {
	Instance    string
	ServiceCode string
}

// Member is the member that c is, or that owns the subsystem c.
func (c ClientID) Member() MemberID {
	return MemberID{c.Instance, c.MemberClass, c.MemberCode}
}

// Service names a service of the provider c. An empty version is no version.
func (c ClientID) Service(code, version string) ServiceID {
	return ServiceID{c.Instance, c.MemberClass, c.MemberCode, c.SubsystemCode, code, version}
}

// Provider is the member or subsystem that owns the service.
func (s ServiceID) Provider() ClientID {
	return ClientID{s.Instance, s.MemberClass, s.MemberCode, s.SubsystemCode}
}

// Object types of identifiers (§1.1).
const (
	typeMember         = "MEMBER"
	typeSubsystem      = "SUBSYSTEM"
	typeService        = "SERVICE"
	typeServer         = "SERVER"
	typeCentralService = "CENTRALSERVICE"
)

// part is one part of an identifier, in the order of the wire. value points into
// the identifier, so that one list of parts serves reading, checking and writing.
type part struct {
	name     string // element name in the identifiers namespace
	value    *string
	optional bool
}

func (m *MemberID) parts() []part {
	return []part{
		{"xRoadInstance", &m.Instance, false},
		{"memberClass", &m.MemberClass, false},
		{"memberCode", &m.MemberCode, false},
	}
}

func (c *ClientID) parts() []part {
	return []part{
		{"xRoadInstance", &c.Instance, false},
		{"memberClass", &c.MemberClass, false},
		{"memberCode", &c.MemberCode, false},
		{"subsystemCode", &c.SubsystemCode, true},
	}
}

func (s *ServiceID) parts() []part {
	return []part{
		{"xRoadInstance", &s.Instance, false},
		{"memberClass", &s.MemberClass, false},
		{"memberCode", &s.MemberCode, false},
		{"subsystemCode", &s.SubsystemCode, true},
		{"serviceCode", &s.ServiceCode, false},
		{"serviceVersion", &s.ServiceVersion, true},
	}
}

func (s *SecurityServerID) parts() []part {
	return []part{
		{"xRoadInstance", &s.Instance, false},
		{"memberClass", &s.MemberClass, false},
		{"memberCode", &s.MemberCode, false},
		{"serverCode", &s.ServerCode, false},
	}
}

func (c *CentralServiceID) parts() []part {
	return []part{
		{"xRoadInstance", &c.Instance, false},
		{"serviceCode", &c.ServiceCode, false},
	}
}

func (c ClientID) objectType() string {
	if c.SubsystemCode == "" {
		return typeMember
	}
	return typeSubsystem
}
