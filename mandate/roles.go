package mandate

import (
	"net/http"
	"time"

	"ametlikudteadaanded.ee/adapter/rest"
)

// roleWire is a RoleDefinition. subDelegable has YES and NO as its prose says, not the "true" and "false" of its enum.
type roleWire struct {
	Code            string            `json:"code"`
	Title           rest.Translation  `json:"title"`
	Description     *rest.Translation `json:"description,omitempty"`
	AddableBy       []string          `json:"addableBy"`
	DelegateType    []Kind            `json:"delegateType"`
	RepresenteeType []Kind            `json:"representeeType"`
	SubDelegable    SubDelegable      `json:"subDelegable"`
	SubDelegateType []Kind            `json:"subDelegateType,omitempty"`
	SubDelegableBy  []string          `json:"subDelegableBy,omitempty"`
	WaivableBy      []string          `json:"waivableBy"`
	WithdrawableBy  []string          `json:"withdrawableBy"`
}

// oneself is Pääsuke's role of a natural person who acts for himself.
const oneself = "NAT_REPRIGHT:SOLEREP"

// RoleDefinitions are the roles as they are handed in to RIA and answered to getRoles, to be written as JSON. Who may add and withdraw is who
// we let act for a representee; delegates are natural persons, who waive and pass on for themselves.
func (s Settings) RoleDefinitions() any {
	list := make([]roleWire, 0, len(s.Roles))
	for _, r := range s.Roles {
		w := roleWire{
			Code: s.WholeRole(r.Code), Title: rest.Translation(r.Title), AddableBy: s.AuthorizedRoles, DelegateType: []Kind{NaturalPerson},
			RepresenteeType: []Kind{LegalPerson, NaturalPerson}, SubDelegable: r.SubDelegable, WaivableBy: []string{oneself}, WithdrawableBy: s.AuthorizedRoles,
		}
		if r.Description != (Text{}) {
			d := rest.Translation(r.Description)
			w.Description = &d
		}
		if r.SubDelegable != SubDelegableNo {
			w.SubDelegateType, w.SubDelegableBy = []Kind{NaturalPerson}, []string{oneself}
		}
		list = append(list, w)
	}
	return list
}

// modifiedSince reports whether something of changed, a time in whole seconds, is new to whoever last asked at the time that asked says: as
// HTTP writes it, or by ISO 8601. What cannot be read, or lies in the future, counts as not asked (RFC 9110 §13.1.3).
func modifiedSince(asked string, changed, now time.Time) bool {
	t, err := http.ParseTime(asked)
	if err != nil {
		t, err = time.Parse(time.RFC3339, asked)
	}
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05Z0700", asked)
	}
	return err != nil || t.After(now) || changed.After(t)
}
