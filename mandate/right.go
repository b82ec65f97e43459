package mandate

import "slices"

// mayChange says whether whoever asks may change mandates at all (Pääsuke §§2, 5); nil: yes.
func (a Actor) mayChange() error {
	switch {
	case a.User == "":
		return forbidden(FieldUser, RuleNoUser)
	case !a.User.Natural():
		return forbidden(FieldUser, RuleForeignUser)
	}
	return nil
}

// may says whether a user, who may change mandates at all, may change one in which one of parties has a say (Pääsuke §5, "who may"); nil: yes.
// Rights depend on the header: the represented party must be one of parties, and the user must be that party, or be shown
// to act for it by an authorization from the configured list or a managing mandate.
func (d decision) may(v View, authorizations []Authorization, parties ...Identifier) error {
	user, party := d.actor.User, d.actor.party()
	switch {
	case !slices.Contains(parties, party):
		return forbidden(FieldParty, RuleParty)
	case user == party, d.manages(v.Held):
		return nil
	}
	for _, a := range authorizations {
		if a.User == user && slices.Contains(d.settings.AuthorizedRoles, a.Role) && d.shown(v, a.Role) {
			return nil
		}
	}
	return forbidden(FieldAuthorizations, RuleNoAuthorization)
}

// party is whom the user represents: a natural person who acts for himself may leave it out.
func (a Actor) party() Identifier {
	if a.RepresentedParty == "" {
		return a.User
	}
	return a.RepresentedParty
}

// shown reports whether a claimed role counts: AT's own are looked up, others are Pääsuke's to know.
func (d decision) shown(v View, whole string) bool {
	claimed, ours := d.settings.role(whole)
	if !ours {
		return !d.settings.inNamespace(whole)
	}
	return slices.ContainsFunc(v.Held, func(m Mandate) bool { return m.Role == claimed.Code && m.ValidOn(d.today) })
}

// manages reports whether one of the held mandates is a managing one that is valid today.
func (d decision) manages(held []Mandate) bool {
	return slices.ContainsFunc(held, func(m Mandate) bool { return d.settings.managing(m.Role) && m.ValidOn(d.today) })
}

// formerFor is how many days Pääsuke may still think that somebody manages: it keeps a copy for up to 7 (1.0.5 §4.4).
const formerFor = 8

// formerManager reports whether, of one person's mandates of one representee, a managing one ended lately and none is valid
// (Pääsuke §4).
func (d decision) formerManager(mandates []Mandate) bool {
	if d.settings.AllowFormerManager || d.manages(mandates) {
		return false
	}
	return slices.ContainsFunc(mandates, func(m Mandate) bool {
		last := m.lastDay(d.today)
		return d.settings.managing(m.Role) && last != "" && last >= m.Period.From && last >= d.today.Plus(-formerFor)
	})
}

// lastDay is the last day on which an ended mandate was valid; "" of one that has not ended, or where nobody knows.
func (m Mandate) lastDay(today Date) Date {
	switch {
	case m.State(today) != Ended:
		return ""
	case !m.Ended.At.IsZero():
		return earlier(DateOf(m.Ended.At), m.Period.Through)
	case m.Period.Over(today):
		return m.Period.Through
	case m.On || m.Known == Active: // switched off, or with what it was passed on from, since last night
		return today
	}
	return ""
}

// foreign reports whether the header names a person of another country, or somebody without one: a query then finds nothing
// (AT-PAASUKE-008).
func (a Actor) foreign() bool {
	return a.User != "" && a.User.Code() == "" || a.RepresentedParty != "" && a.RepresentedParty.Code() == ""
}
