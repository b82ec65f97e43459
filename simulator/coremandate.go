package simulator

import (
	"context"
	"net/http"
	"net/url"
)

// CoreMandate is a mandate as the internal API tells of it.
type CoreMandate struct {
	ID                    string
	Representee, Delegate string // codes with their country
	Role, State           string
	From, Through         string
	Parent                string // the mandate that it was passed on from
	EndedHow              string
}

type coreMandateWire struct {
	ID          textual               `json:"id"`
	Representee struct{ Code string } `json:"representee"`
	Delegate    struct{ Code string } `json:"delegate"`
	Role        string                `json:"role"`
	State       string                `json:"state"`
	From        string                `json:"from"`
	Through     string                `json:"through"`
	Parent      textual               `json:"parent"`
	Ended       struct{ How string }  `json:"ended"`
}

func (w coreMandateWire) decode() CoreMandate {
	return CoreMandate{ID: string(w.ID), Representee: w.Representee.Code, Delegate: w.Delegate.Code, Role: w.Role, State: w.State, From: w.From, Through: w.Through,
		Parent: string(w.Parent), EndedHow: w.Ended.How}
}

// Mandates lists what a delegate holds at a representee, which is what the core looks up when somebody logs in. With history ended ones too.
func (c *Core) Mandates(ctx context.Context, representee, delegate string, history bool) ([]CoreMandate, error) {
	query := url.Values{"representee": {representee}, "delegate": {delegate}}
	if history {
		query.Set("history", "true")
	}
	var w struct {
		Items []coreMandateWire `json:"items"`
	}
	_, err := c.call(ctx, http.MethodGet, "/mandates?"+query.Encode(), nil, &w)
	list := make([]CoreMandate, len(w.Items))
	for i, item := range w.Items {
		list[i] = item.decode()
	}
	return list, err
}
