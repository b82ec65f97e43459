package order

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"ametlikudteadaanded.ee/adapter/rest"
)

// Retry has a parked notification tried once more, now, at somebody's wish, who is written to the audit log (design §4). It
// returns the notification as it then stands. One that fails again is parked again.
func (m *Module) Retry(ctx context.Context, id int64, actor string) (Notification, error) {
	parked, err := m.store.ParkedNotifications(ctx, id-1, 1)
	if err != nil {
		return Notification{}, err
	}
	if len(parked) == 0 || parked[0].ID != id {
		return Notification{}, &Error{Code: NotFound}
	}
	var retried Notification
	err = m.store.Notified(ctx, parked[0].EMTAOrderID, func(k Known) (Change, error) {
		if k.Open == nil || k.Open.ID != id || k.Open.ParkedAt.IsZero() {
			return Change{}, ErrNotFound // it was processed, or somebody was faster
		}
		d := m.decision()
		c := d.retried(k)
		c.Audits = []Audit{{At: d.now, NotificationID: id, Actor: actor, Action: "retry"}}
		retried = c.Notifications[0]
		return c, nil
	})
	if errors.Is(err, ErrNotFound) {
		return Notification{}, &Error{Code: NotFound, Err: err}
	}
	if err == nil {
		m.log.Info("parked notification retried", "notification", id)
		m.Wake()
	}
	return retried, err
}

// coreNotification is a notification as the core sees it.
type coreNotification struct {
	ID          int64  `json:"id"`
	EMTAOrderID string `json:"emtaOrderId"`
	OrderID     int64  `json:"orderId,omitempty"` // absent: no order of ours has the id
	Notified    string `json:"notified"`
	Attempts    int    `json:"attempts"`
	Failure     string `json:"failure,omitempty"`
	Parked      string `json:"parked,omitempty"`
}

func (m *Module) coreNotificationOf(ctx context.Context, n Notification) (coreNotification, error) {
	c := coreNotification{ID: n.ID, EMTAOrderID: n.EMTAOrderID, Notified: moment(n.NotifiedAt), Attempts: n.Attempts, Failure: n.Failure, Parked: moment(n.ParkedAt)}
	o, err := m.store.OrderByEMTA(ctx, n.EMTAOrderID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return c, err
	}
	c.OrderID = o.ID
	return c, nil
}

type coreNotifications struct {
	Items []coreNotification `json:"items"`
	Next  string             `json:"next,omitempty"`
}

func (m *Module) getParked(r *http.Request) (rest.Answer, error) {
	values, err := rest.Query(r, "after", "limit")
	if err != nil {
		return rest.Answer{}, err
	}
	q := query{values: values}
	after, limit := q.integer("after", 0, 0, 1<<62), int(q.integer("limit", defaultPage, 1, maxPage))
	if len(q.errs) > 0 {
		return rest.Answer{}, rest.Invalid(q.errs...)
	}
	parked, err := m.store.ParkedNotifications(r.Context(), after, limit+1) // one more shows whether there is a next page
	if err != nil {
		return rest.Answer{}, err
	}
	list := coreNotifications{Items: []coreNotification{}}
	for i, n := range parked {
		if i == limit {
			list.Next = strconv.FormatInt(parked[i-1].ID, 10)
			break
		}
		c, err := m.coreNotificationOf(r.Context(), n)
		if err != nil {
			return rest.Answer{}, err
		}
		list.Items = append(list.Items, c)
	}
	return rest.Answer{Body: list}, nil
}

func (m *Module) postRetry(r *http.Request) (rest.Answer, error) {
	id, err := pathID(r)
	if err != nil {
		return rest.Answer{}, err
	}
	n, err := m.Retry(r.Context(), id, rest.ActingUser(r))
	if err != nil {
		return rest.Answer{}, problem(err)
	}
	c, err := m.coreNotificationOf(r.Context(), n)
	return rest.Answer{Body: c}, err
}
