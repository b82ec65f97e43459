package mandate

import "strings"

// Person is somebody as Pääsuke describes people.
type Person struct {
	Kind       Kind
	Identifier Identifier
	FirstName  string // of a natural person
	Surname    string // of a natural person
	LegalName  string // of a legal person
}

// Kind is the kind of a person.
type Kind string

// The kinds (Pääsuke §4).
const (
	NaturalPerson Kind = "NATURAL_PERSON"
	LegalPerson   Kind = "LEGAL_PERSON"
	UnknownPerson Kind = "UNKNOWN"
	OtherPerson   Kind = "OTHER"
)

// Representee is who gives mandates: the data provider at AT (andmeandja).
type Representee struct {
	ID         int64
	Identifier Identifier
	Name       string // of a natural person first names and surname
}

// Person is the representee for Pääsuke. AT has one name for a natural person too: its last word is taken as the surname.
func (r Representee) Person() Person {
	p := Person{Identifier: r.Identifier}
	switch {
	case r.Identifier.Natural():
		p.Kind, p.Surname = NaturalPerson, r.Name
		if at := strings.LastIndexByte(r.Name, ' '); at > 0 {
			p.FirstName, p.Surname = r.Name[:at], r.Name[at+1:]
		}
	case r.Identifier.Legal():
		p.Kind, p.LegalName = LegalPerson, r.Name
	default:
		p.Kind, p.LegalName = OtherPerson, r.Name
	}
	return p
}

// Delegate is who may act: a user at AT (kasutaja), always a natural person.
type Delegate struct {
	ID         int64
	Identifier Identifier
	FirstName  string
	Surname    string
}

// Person is the delegate for Pääsuke.
func (d Delegate) Person() Person {
	return Person{Kind: NaturalPerson, Identifier: d.Identifier, FirstName: d.FirstName, Surname: d.Surname}
}

// representee is who would be created of p.
func (p Person) representee() Representee {
	name := p.LegalName
	if p.Identifier.Natural() {
		name = strings.TrimSpace(p.FirstName + " " + p.Surname)
	}
	return Representee{Identifier: p.Identifier, Name: name}
}

// delegate is who would be created of p.
func (p Person) delegate() Delegate {
	return Delegate{Identifier: p.Identifier, FirstName: p.FirstName, Surname: p.Surname}
}
