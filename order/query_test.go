package order_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/rest"
	"ametlikudteadaanded.ee/adapter/store"
)

// coreAPI is the internal API over an empty store, with no EMTA behind it.
func coreAPI(t *testing.T) (http.Handler, store.Store) {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	_, err = s.Migrate(t.Context())
	require.NoError(t, err)
	ids := 0
	m, err := order.New(order.Options{Store: s, Now: func() time.Time { return time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) },
		NewID: func() string { ids++; return fmt.Sprintf("id-%d", ids) }, Random: func() float64 { return 0.5 },
		Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	require.NoError(t, err)
	return rest.NewEndpoint(rest.EndpointOptions{}, m.Routes()...), s
}

// stored writes an order as given, but for its key.
func stored(t *testing.T, s store.Store, o order.Order) order.Order {
	t.Helper()
	o.Currency, o.AskedCurrency, o.AskedAmount, o.ReferenceNumber = "EUR", "EUR", decimal.RequireFromString("30"), "1232"
	o.Started = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	o.InitDeadline = o.Started.Add(2 * time.Minute)
	if o.Amount.IsZero() {
		o.Amount = o.AskedAmount
	}
	o, err := s.Start(context.Background(), o.AnnouncementID, order.Lease{Token: "t", Until: o.Started}, func([]order.Order) (order.Change, error) {
		return order.Change{New: &o}, nil
	})
	require.NoError(t, err)
	return o
}

func asks(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type listed struct {
	Items []struct {
		ID    int64       `json:"id"`
		State order.State `json:"state"`
	} `json:"items"`
	Next string `json:"next"`
}

func (l listed) ids() []int64 {
	ids := []int64{}
	for _, item := range l.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

func listOf(t *testing.T, h http.Handler, query string) listed {
	t.Helper()
	w := asks(h, "GET", "/api/v1/orders"+query, "")
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Contains(t, w.Body.String(), `"items":[`, "an empty list is [], never null")
	var l listed
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &l))
	return l
}

func TestOrdersQuery(t *testing.T) {
	h, s := coreAPI(t)
	stored(t, s, order.Order{AnnouncementID: 7, State: order.Cancelled, EMTAOrderID: "emta-1"})
	stored(t, s, order.Order{AnnouncementID: 8, State: order.Created, EMTAOrderID: "emta-2"})
	stored(t, s, order.Order{AnnouncementID: 7, State: order.Created, EMTAOrderID: "emta-3"})
	stored(t, s, order.Order{AnnouncementID: 9, State: order.Creating, Live: true})
	for _, row := range []struct {
		query string
		ids   []int64
		next  string
	}{
		{"", []int64{1, 2, 3, 4}, ""},
		{"?announcementId=7", []int64{1, 3}, ""},
		{"?announcementId=99", []int64{}, ""},
		{"?emtaOrderId=emta-2", []int64{2}, ""},
		{"?emtaOrderId=EMTA-2", []int64{}, ""},
		{"?state=created", []int64{2, 3}, ""},
		{"?state=creating", []int64{4}, ""},
		{"?state=completed", []int64{}, ""},
		{"?state=created&announcementId=7", []int64{3}, ""},
		{"?limit=4", []int64{1, 2, 3, 4}, ""},
		{"?limit=3", []int64{1, 2, 3}, "3"},
		{"?limit=3&after=3", []int64{4}, ""},
		{"?limit=1&after=1&state=created", []int64{2}, "2"},
		{"?after=4", []int64{}, ""},
		{"?after=0", []int64{1, 2, 3, 4}, ""},
		{"?limit=200", []int64{1, 2, 3, 4}, ""},
	} {
		l := listOf(t, h, row.query)
		require.Equal(t, row.ids, l.ids(), row.query)
		require.Equal(t, row.next, l.Next, row.query)
	}
}

func TestOrdersQueryBad(t *testing.T) {
	h, _ := coreAPI(t)
	for _, row := range []struct {
		query string
		paths string
	}{
		{"?limit=0", "limit"},
		{"?limit=-1", "limit"},
		{"?limit=201", "limit"},
		{"?limit=ten", "limit"},
		{"?limit=1.5", "limit"},
		{"?limit=99999999999999999999", "limit"},
		{"?after=-1", "after"},
		{"?after=x", "after"},
		{"?announcementId=0", "announcementId"},
		{"?announcementId=-7", "announcementId"},
		{"?announcementId=7%20OR%201=1", "announcementId"},
		{"?state=L", "state"},
		{"?state=Created", "state"},
		{"?state=done", "state"},
		{"?page=1", "page"},
		{"?limit=1&limit=2", "limit"},
		{"?limit=0&state=done&after=x", "after limit state"},
	} {
		w := asks(h, "GET", "/api/v1/orders"+row.query, "")
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "%s: %s", row.query, w.Body)
		var p rest.Problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Equal(t, "invalid", p.Code)
		told := map[string]bool{}
		for _, f := range p.Fields {
			told[f.Path] = true
			require.NotEmpty(t, f.Rule)
			require.NotEmpty(t, f.Message)
		}
		for _, path := range strings.Fields(row.paths) {
			require.True(t, told[path], "%s: %s is not told of", row.query, path)
		}
		require.Len(t, told, len(strings.Fields(row.paths)), row.query)
	}
}

// A path that can name no order names none.
func TestOrderPath(t *testing.T) {
	h, s := coreAPI(t)
	stored(t, s, order.Order{AnnouncementID: 7, State: order.Created, EMTAOrderID: "emta-1"})
	require.Equal(t, http.StatusOK, asks(h, "GET", "/api/v1/orders/1", "").Code)
	require.Equal(t, http.StatusOK, asks(h, "GET", "/api/v1/orders/1/log", "").Code)
	for _, id := range []string{"2", "0", "-1", "01", "+1", "1.0", "one", "9223372036854775808", "1%20", "emta-1", "%00"} {
		for _, path := range []string{"", "/log"} {
			w := asks(h, "GET", "/api/v1/orders/"+id+path, "")
			require.Equal(t, http.StatusNotFound, w.Code, "%s%s: %s", id, path, w.Body)
			require.Contains(t, w.Body.String(), `"code":"not-found"`, id)
		}
	}
}

// Without EMTA's identifiers nothing is started or asked; what is stored can be read and confirmed.
func TestNotConfigured(t *testing.T) {
	h, s := coreAPI(t)
	o := stored(t, s, order.Order{AnnouncementID: 7, State: order.Created, EMTAOrderID: "emta-1"})
	body := `{"announcementId":8,"amount":"30.00","currency":"EUR","referenceNumber":"1232","payer":{},"language":"et","redirectUrl":"https://core.example/"}`
	for path, body := range map[string]string{"/api/v1/orders": body, "/api/v1/orders/1/refresh": "", "/api/v1/orders/1/cancel": ""} {
		w := asks(h, "POST", path, body)
		require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s: %s", path, w.Body)
		require.Contains(t, w.Body.String(), `"code":"not-configured"`)
	}
	now, err := s.Order(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, o, now)
	require.Equal(t, []int64{1}, listOf(t, h, "").ids(), "no row for what was not sent")
}

// AT-CC-006, EMTA §3: confirming a claim, accepting another amount. A row is done in order; what stands in it is the code
// of the answer, or "" for 200.
func TestClaimAndAccept(t *testing.T) {
	type do struct{ path, body, code string }
	const claim, accept = "/claim", "/accept"
	why := `{"reason":"agreed by phone"}`
	for _, row := range []struct {
		name  string
		order order.Order
		does  []do
	}{
		{"completed", order.Order{State: order.Completed, CompletionID: "c-1", OfferAttempt: 1}, []do{{claim, "", ""}, {claim, "", ""}, {accept, why, "no-mismatch"}}},
		{"completed, by its completion", order.Order{State: order.Completed, CompletionID: "c-1"}, []do{{claim, `{"completionId":"c-0"}`, "not-completed"}, {claim, `{"completionId":"c-1"}`, ""}}},
		{"confirmed, by another completion", order.Order{State: order.Completed, CompletionID: "c-1", ClaimForwarded: true}, []do{{claim, `{"completionId":"c-0"}`, "not-completed"}, {claim, `{"completionId":"c-1"}`, ""}}},
		{"created", order.Order{State: order.Created}, []do{{claim, "", "not-completed"}, {accept, why, "no-mismatch"}}},
		{"pending", order.Order{State: order.Pending}, []do{{claim, "", "not-completed"}}},
		{"cancelled", order.Order{State: order.Cancelled}, []do{{claim, "", "not-completed"}}},
		{"another amount", order.Order{State: order.Completed, Amount: decimal.RequireFromString("29"), Mismatch: true},
			[]do{{claim, "", "amount-mismatch"}, {accept, `{}`, "invalid"}, {accept, `{"reason":" "}`, "invalid"}, {accept, `{"reason":"` + strings.Repeat("õ", 1001) + `"}`, "invalid"},
				{claim, "", "amount-mismatch"}, {accept, why, ""}, {accept, why, "no-mismatch"}, {claim, "", ""}}},
		{"another amount, still pending", order.Order{State: order.Pending, Amount: decimal.RequireFromString("29"), Mismatch: true},
			[]do{{accept, why, ""}, {claim, "", "not-completed"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h, s := coreAPI(t)
			row.order.AnnouncementID, row.order.EMTAOrderID = 7, "emta-1"
			stored(t, s, row.order)
			for _, d := range row.does {
				before, err := s.Order(t.Context(), 1)
				require.NoError(t, err)
				w := asks(h, "POST", "/api/v1/orders/1"+d.path, d.body)
				after, err := s.Order(t.Context(), 1)
				require.NoError(t, err)
				if d.code != "" {
					require.Contains(t, w.Body.String(), `"code":"`+d.code+`"`, d.path)
					require.Equal(t, before, after, "%s: refused, so nothing changed", d.path)
					continue
				}
				require.Equal(t, http.StatusOK, w.Code, "%s: %s", d.path, w.Body)
				if d.path == claim {
					require.True(t, after.ClaimForwarded)
					require.Zero(t, after.NextOffer)
					continue
				}
				require.False(t, after.Mismatch)
				require.Equal(t, after.State == order.Completed, after.CompletionID != "", "accepting gives the completion that was held")
				audits, err := s.Audits(t.Context(), 1)
				require.NoError(t, err)
				require.Len(t, audits, 1)
				require.Contains(t, audits[0].Detail, "29.00 EUR instead of 30.00 EUR: agreed by phone")
			}
		})
	}
}
