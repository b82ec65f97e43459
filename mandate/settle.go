package mandate

// settled is the night's work on one representee's mandates (AT-PAASUKE-006, Pääsuke §7): what waits and whose first day has come
// begins, what passed its last day ends, and so does what was passed on from what has ended; what the core switched by itself is
// written down. Only what waits is ever switched on. Twice changes nothing.
func (d decision) settled(v View) Change {
	var c Change
	ended := map[int64]bool{}
	for _, m := range v.Mandates { // parents have smaller keys than what was passed on from them
		if m.Parent != 0 && ended[m.Parent] {
			m.Orphaned = true
		}
		if m.State(d.today) == Ended {
			ended[m.ID] = true
		}
		switch {
		case m.State(d.today) == Ended && (m.On || m.Known != Ended && m.Known != ""):
			d.end(&c, m, m.howEnded(d.today))
			c.Audits = append(c.Audits, d.audit(m.ID, "end", nil, Document{}, string(m.howEnded(d.today))))
		case m.State(d.today) == Waiting && m.Known == Waiting && m.Period.From <= d.today:
			m.On, m.Known = true, Active
			c.Mandates = append(c.Mandates, m)
			c.Happened = append(c.Happened, Happening{m.ID, EventActivated})
			c.Audits = append(c.Audits, d.audit(m.ID, "activate", nil, Document{}, ""))
		case m.On && m.Known != Active:
			switchedOn := m.Known != "" // else it is a row of the core's that we see for the first time
			m.Known, m.Ended = Active, Ending{}
			c.Mandates = append(c.Mandates, m)
			if switchedOn {
				c.Happened = append(c.Happened, Happening{m.ID, EventActivated})
				c.Audits = append(c.Audits, d.audit(m.ID, "activate", nil, Document{}, "switched on by the core"))
			}
		case m.Known == "" && m.State(d.today) == Waiting:
			m.Known = Waiting
			c.Mandates = append(c.Mandates, m)
		}
	}
	return c
}

// howEnded is the way in which a mandate that counts as ended, and is not written down so, did.
func (m Mandate) howEnded(today Date) How {
	switch {
	case m.Period.Over(today):
		return Expired
	case !m.On && m.Known == Active:
		return SwitchedOff
	}
	return WithParent
}
