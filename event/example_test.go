package event_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"time"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/store"
)

func ExampleNewFeed() {
	ctx := context.Background()
	s, err := store.Open(ctx, "sqlite::memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	// A counterpart appends an event in the transaction that makes it true.
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	_, err = s.Start(ctx, 1204, order.Lease{Token: "t", Until: now}, func([]order.Order) (order.Change, error) {
		return order.Change{
			New:    &order.Order{AnnouncementID: 1204, State: order.Creating, Currency: "EUR", AskedCurrency: "EUR", Started: now},
			Events: []event.Event{{ID: "e1", Type: "order.created", Time: now, Data: json.RawMessage(`{"id":1}`)}},
		}, nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	api := rest.NewEndpoint(rest.EndpointOptions{}, event.NewFeed(s, event.FeedOptions{})...)
	for _, query := range []string{"limit=10", "after=MQ"} {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/events?"+query, nil))
		fmt.Print(w.Body)
	}
	// Output:
	// {"items":[{"specversion":"1.0","id":"e1","source":"/adapter","type":"order.created","subject":"order/1","time":"2027-03-01T12:00:00Z","datacontenttype":"application/json","data":{"id":1}}],"next":"MQ"}
	// {"items":[],"next":"MQ"}
}
