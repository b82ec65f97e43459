package mandate

import "context"

// CoreAdd adds a mandate for the core's own screens, by the same rules as Add; who may is the core's to know. by is the person
// who acts. The error is an *Error Invalid, or a failure of ours.
func (m *Module) CoreAdd(ctx context.Context, by string, ask Ask) (Mandate, error) {
	s := Scope{Representee: ask.Representee.Identifier, Delegate: ask.Delegate.Identifier}
	written, _, err := m.change(ctx, Actor{}, Request{}, s, func(v View) (Change, outcome, error) {
		c, err := m.decision(Actor{}, by).added(v, ask)
		return c, outcome{}, err
	})
	return first(written), err
}

// CoreChange gives a mandate another last day, or none (AT-PAASUKE-007), and cuts what was passed on from it. The error is an
// *Error NotFound, IsEnded, Invalid, Forbidden to whose own it is, or a failure of ours.
func (m *Module) CoreChange(ctx context.Context, by string, id int64, through Date) (Mandate, error) {
	return m.onOne(ctx, by, id, func(d decision, v View) (Change, error) { return d.changedThrough(v, through) })
}

// CoreEnd ends a mandate with all that was passed on from it. The error is an *Error NotFound or IsEnded, or a failure of ours.
func (m *Module) CoreEnd(ctx context.Context, by string, id int64) (Mandate, error) {
	return m.onOne(ctx, by, id, func(d decision, v View) (Change, error) {
		if v.Mandate.State(d.today) == Ended {
			return Change{}, &Error{Code: IsEnded}
		}
		return d.endedBranch(v, *v.Mandate, ByCore, nil, Document{}), nil
	})
}

// onOne changes one mandate for the core, and returns it as it is then.
func (m *Module) onOne(ctx context.Context, by string, id int64, decide func(d decision, v View) (Change, error)) (Mandate, error) {
	var seen Mandate
	written, _, err := m.change(ctx, Actor{}, Request{}, Scope{MandateID: id}, func(v View) (Change, outcome, error) {
		if v.Mandate == nil {
			return Change{}, outcome{}, &Error{Code: NotFound}
		}
		seen = *v.Mandate
		c, err := decide(m.decision(Actor{}, by), v)
		return c, outcome{}, err
	})
	if len(written) > 0 {
		seen = written[0]
	}
	return seen, err
}
