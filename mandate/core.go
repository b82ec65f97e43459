package mandate

import "time"

// coreMandate is a mandate as the core sees it (design §8). Members that are not known are absent.
type coreMandate struct {
	ID           int64           `json:"id"`
	Representee  coreRepresentee `json:"representee"`
	Delegate     coreDelegate    `json:"delegate"`
	Role         string          `json:"role"`
	State        State           `json:"state"`
	From         string          `json:"from,omitempty"`
	Through      string          `json:"through,omitempty"`
	SubDelegable bool            `json:"subDelegable"`
	Parent       int64           `json:"parent,omitempty"`
	Added        string          `json:"added,omitempty"`
	AddedBy      string          `json:"addedBy,omitempty"`
	Ended        *coreEnding     `json:"ended,omitempty"`
}

type coreRepresentee struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

type coreDelegate struct {
	Code      string `json:"code"`
	FirstName string `json:"firstName"`
	Surname   string `json:"surname"`
}

type coreEnding struct {
	At  string `json:"at"`
	How How    `json:"how"`
	By  string `json:"by,omitempty"`
}

func coreMandateOf(m Mandate, today Date) coreMandate {
	c := coreMandate{
		ID: m.ID, Representee: coreRepresentee{Code: string(m.Representee.Identifier), Name: m.Representee.Name},
		Delegate: coreDelegate{Code: string(m.Delegate.Identifier), FirstName: m.Delegate.FirstName, Surname: m.Delegate.Surname},
		Role:     string(m.Role), State: m.State(today), From: string(m.Period.From), Through: string(m.Period.Through),
		SubDelegable: m.SubDelegable, Parent: m.Parent, Added: moment(m.AddedAt), AddedBy: m.AddedBy,
	}
	if !m.Ended.At.IsZero() && c.State == Ended {
		c.Ended = &coreEnding{At: moment(m.Ended.At), How: m.Ended.How, By: m.Ended.By}
	}
	return c
}

// moment is the time in UTC as RFC 3339, "" for one that is not known.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
