package mandate

import (
	"cmp"
	"context"
	"slices"
)

// Query narrows a list of mandates (Pääsuke §4). The zero value keeps all.
type Query struct {
	Namespaces     []string   // roles of these; nil: all
	Delegate       Identifier // "": any; of ByRepresentee alone
	SubDelegatedBy Identifier // passed on by this person; "": all
}

// Triplet is what one representee gave to one delegate: at most maxTriplet mandates, by key. More of the pair are in further
// triplets.
type Triplet struct {
	Representee Representee
	Delegate    Delegate
	Mandates    []Mandate
}

// maxTriplet is Pääsuke's own bound (Pääsuke §4).
const maxTriplet = 100

// ByRepresentee is what a representee gave that is valid or will be (AT-PAASUKE-009), by delegate, then key. Nobody unknown has
// any, and persons of other countries see none (AT-PAASUKE-008). The error is an *Error Forbidden to a former manager, or a
// failure of ours.
func (m *Module) ByRepresentee(ctx context.Context, a Actor, representee Identifier, q Query) ([]Triplet, error) {
	d := m.decision(a, "")
	if a.foreign() || representee.Code() == "" {
		return nil, nil
	}
	if a.RepresentedParty == representee && a.User != "" && a.User != representee && !m.settings.AllowFormerManager {
		own, err := m.store.Mandates(ctx, Filter{Representee: representee, Delegate: a.User, History: true, Today: d.today})
		if err != nil {
			return nil, err
		}
		if d.formerManager(own) {
			return nil, forbidden(FieldUser, RuleFormerManager)
		}
	}
	if !q.ours(m.settings) || q.Delegate != "" && q.Delegate.Code() == "" {
		return nil, nil
	}
	found, err := m.store.Mandates(ctx, Filter{Representee: representee, Delegate: q.Delegate, Today: d.today})
	if err != nil {
		return nil, err
	}
	return triplets(d.shownOf(found, q)), nil
}

// ByDelegate is what a delegate holds that is valid or will be (AT-PAASUKE-010), by representee, then key. Query.Delegate is not
// looked at.
func (m *Module) ByDelegate(ctx context.Context, a Actor, delegate Identifier, q Query) ([]Triplet, error) {
	d := m.decision(a, "")
	if a.foreign() || delegate.Code() == "" || !q.ours(m.settings) {
		return nil, nil
	}
	found, err := m.store.Mandates(ctx, Filter{Delegate: delegate, Today: d.today})
	if err != nil {
		return nil, err
	}
	return triplets(d.shownOf(found, q)), nil
}

// ours reports whether the query keeps AT's roles.
func (q Query) ours(s Settings) bool {
	return q.Namespaces == nil || slices.Contains(q.Namespaces, s.Namespace)
}

// shownOf are the mandates that Pääsuke is to see: not ended, of a role that it knows, between people whom it can name.
func (d decision) shownOf(mandates []Mandate, q Query) []Mandate {
	return slices.DeleteFunc(mandates, func(m Mandate) bool {
		byOther := q.SubDelegatedBy != "" && (m.SubDelegator == nil || m.SubDelegator.Identifier != q.SubDelegatedBy)
		return m.State(d.today) == Ended || !d.settings.has(m.Role) || byOther || !named(m.Representee.Identifier) || !named(m.Delegate.Identifier)
	})
}

func named(i Identifier) bool {
	_, err := ParseIdentifier(string(i))
	return err == nil
}

// triplets groups mandates by pair.
func triplets(mandates []Mandate) []Triplet {
	slices.SortFunc(mandates, func(a, b Mandate) int {
		return cmp.Or(cmp.Compare(a.Representee.Identifier, b.Representee.Identifier), cmp.Compare(a.Representee.ID, b.Representee.ID),
			cmp.Compare(a.Delegate.Identifier, b.Delegate.Identifier), cmp.Compare(a.Delegate.ID, b.Delegate.ID), cmp.Compare(a.ID, b.ID))
	})
	var list []Triplet
	for _, m := range mandates {
		last := len(list) - 1
		if last < 0 || list[last].Representee.ID != m.Representee.ID || list[last].Delegate.ID != m.Delegate.ID || len(list[last].Mandates) == maxTriplet {
			list = append(list, Triplet{Representee: m.Representee, Delegate: m.Delegate})
			last++
		}
		list[last].Mandates = append(list[last].Mandates, m)
	}
	return list
}

// MayPassOn reports whether a listed mandate gets the link of Pääsuke to pass it on: whether that may be done today (AT-PAASUKE-010).
func (m *Module) MayPassOn(listed Mandate) bool {
	return m.settings.passable(listed) && listed.ValidOn(DateOf(m.now()))
}

// Settings are the module's, with defaults: the roles and what the wire needs.
func (m *Module) Settings() Settings { return m.settings }
