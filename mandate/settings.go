package mandate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Settings of the mandates. The zero value works.
type Settings struct {
	Namespace          string           // RIA's namespace of AT's roles; "": AT
	Roles              []RoleDefinition // nil: ESINDAJA and AVALDAJA
	AuthorizedRoles    []string         // whole roles that let a user act for a represented party; nil: the register's and the managing ones
	AllowFormerManager bool             // who managed until a few days ago may still read (Pääsuke §4)
	EmitNamespace      bool             // mandates carry the namespace apart, as the text of 1.0.5 says and its examples do not
	Origin             string           // where a person sees the mandates; "": https://ametlikudteadaanded.ee/
}

// RoleDefinition is one of AT's roles, as it is handed in to RIA.
type RoleDefinition struct {
	Code         Role
	Managing     bool         // its holder adds and removes others' mandates
	SubDelegable SubDelegable // whether it may be passed on
	Title        Text
	Description  Text
}

// SubDelegable says whether mandates of a role may be given with the right to pass them on.
type SubDelegable string

// Whether they may.
const (
	SubDelegableNo  SubDelegable = "NO"
	SubDelegableYes SubDelegable = "YES"
	SubDelegableAsk SubDelegable = "ASK" // whoever adds the mandate says
)

// Text is a text in Pääsuke's languages. ET is always there.
type Text struct{ ET, EN, RU string }

var namespaceForm = regexp.MustCompile(`^[A-Z0-9_-]{1,64}$`)

var roleForm = regexp.MustCompile(`^[!-~]{1,100}$`)

// WithDefaults returns the settings with what is missing filled in, or says which are wrong.
func (s Settings) WithDefaults() (Settings, error) {
	if s.Namespace == "" {
		s.Namespace = "AT"
	}
	if !namespaceForm.MatchString(s.Namespace) {
		return s, fmt.Errorf("namespace must be of capital letters, digits, _ and -")
	}
	if s.Roles == nil {
		s.Roles = []RoleDefinition{
			{Code: "ESINDAJA", Managing: true, SubDelegable: SubDelegableAsk,
				Title: Text{ET: "Esindaja", EN: "Representative", RU: "Представитель"},
				Description: Text{ET: "Lisab kasutajaid, muudab nende olekut ja avaldab teadaandeid", EN: "Adds users, changes their status and publishes announcements",
					RU: "Добавляет пользователей, меняет их статус и публикует объявления"}},
			{Code: "AVALDAJA", SubDelegable: SubDelegableNo,
				Title:       Text{ET: "Avaldaja", EN: "Publisher", RU: "Публикующий"},
				Description: Text{ET: "Avaldab teadaandeid", EN: "Publishes announcements", RU: "Публикует объявления"}},
		}
	}
	for i, r := range s.Roles {
		switch {
		case !roleForm.MatchString(string(r.Code)):
			return s, fmt.Errorf("roles[%d].code must be 1 to 100 letters, digits and signs", i)
		case slices.IndexFunc(s.Roles, func(o RoleDefinition) bool { return o.Code == r.Code }) != i:
			return s, fmt.Errorf("roles[%d].code is there twice", i)
		case !slices.Contains([]SubDelegable{SubDelegableNo, SubDelegableYes, SubDelegableAsk}, r.SubDelegable):
			return s, fmt.Errorf("roles[%d].subDelegable must be NO, YES or ASK", i)
		case r.Title.ET == "":
			return s, fmt.Errorf("roles[%d].title.et must be there", i)
		}
	}
	if s.AuthorizedRoles == nil {
		s.AuthorizedRoles = []string{"BR_REPRIGHT:SOLEREP", "BR_REPRIGHT:GROUPREP", "BR_REPRIGHT:JUHL", "BR_REPRIGHT:JUHL_SOLEREP", "NAT_REPRIGHT:SOLEREP"}
		for _, r := range s.Roles {
			if r.Managing {
				s.AuthorizedRoles = append(s.AuthorizedRoles, s.WholeRole(r.Code))
			}
		}
	}
	if s.Origin == "" {
		s.Origin = "https://ametlikudteadaanded.ee/"
	}
	return s, nil
}

// WholeRole is a role as Pääsuke writes it, with its namespace.
func (s Settings) WholeRole(r Role) string { return s.Namespace + ":" + string(r) }

// role is the definition of a whole role; false if it is none of ours.
func (s Settings) role(whole string) (RoleDefinition, bool) {
	for _, r := range s.Roles {
		if s.WholeRole(r.Code) == whole {
			return r, true
		}
	}
	return RoleDefinition{}, false
}

// has reports whether a role is one of ours.
func (s Settings) has(r Role) bool {
	_, ok := s.role(s.WholeRole(r))
	return ok
}

// passable reports whether a mandate was given with the right to pass it on, and its role may still be.
func (s Settings) passable(m Mandate) bool {
	d, ok := s.role(s.WholeRole(m.Role))
	return ok && d.SubDelegable != SubDelegableNo && m.SubDelegable
}

// managing reports whether a role's holder manages.
func (s Settings) managing(r Role) bool {
	d, ok := s.role(s.WholeRole(r))
	return ok && d.Managing
}

// inNamespace reports whether a whole role claims to be one of AT's.
func (s Settings) inNamespace(whole string) bool { return strings.HasPrefix(whole, s.Namespace+":") }
