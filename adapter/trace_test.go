package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/simulator"
	"ametlikudteadaanded.ee/adapter/store"
)

// gatherer is a collector of traces.
type gatherer struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*spans.Span
}

func newGatherer(t *testing.T) *gatherer {
	t.Helper()
	g := &gatherer{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &sent) != nil {
			t.Error("not a request of OTLP")
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				g.spans = append(g.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// of are the spans of a trace, oldest first.
func (g *gatherer) of(trace string) []*spans.Span {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*spans.Span
	for _, s := range g.spans {
		if hex.EncodeToString(s.TraceId) == trace {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *spans.Span) int { return int(a.StartTimeUnixNano) - int(b.StartTimeUnixNano) })
	return list
}

// withTrace makes the core a part of a trace.
type withTrace struct{ parent string }

// RoundTrip is for http.RoundTripper.
func (w withTrace) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Traceparent", w.parent)
	return http.DefaultTransport.RoundTrip(r)
}

// One trace goes from the core's request through the call to EMTA to the event that the core hears (NA-102).
func TestTrace(t *testing.T) {
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	g := newGatherer(t)
	program, world := running(t, simulator.Options{CoreTransport: withTrace{"00-" + trace + "-" + parent + "-01"}}, func(s *Settings) {
		s.Trace.Endpoint = g.URL + "/v1/traces"
	})
	d := &demo{narrator: &narrator{out: io.Discard, now: time.Now}, world: world, program: program}
	o, _, err := world.Core.StartPayment(t.Context(), d.ask())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(world.Core.Received(), func(d simulator.Delivery) bool { return d.Event.Type == "order.created" })
	}, 20*time.Second, 20*time.Millisecond, "order %v", o.ID)
	require.NoError(t, program.endTraces(t.Context()))

	names := map[string]*spans.Span{}
	for _, s := range g.of(trace) {
		names[s.Name] = s
	}
	post, call, event := names["core in POST /api/v1/orders"], names["emta out cpgOrderInit"], names["core out webhook"]
	require.NotNil(t, post, "%v", names)
	require.NotNil(t, call, "%v", names)
	require.NotNil(t, event, "%v", names)
	require.Equal(t, parent, hex.EncodeToString(post.ParentSpanId))
	require.Equal(t, post.SpanId, call.ParentSpanId)
	require.Equal(t, post.SpanId, event.ParentSpanId, "the event happened in the core's request, whenever it is delivered")
	attributes := map[string]string{}
	for _, a := range call.Attributes {
		attributes[a.Key] = a.Value.GetStringValue()
	}
	require.NotEmpty(t, attributes["xroad.id"])
	require.Equal(t, outcomeOK, attributes["adapter.outcome"])
}

// Whatever writes an event of the payment module notes the trace that it happened in.
func TestTracedStore(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	inner, err := store.Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, inner.Close()) })
	_, err = inner.Migrate(t.Context())
	require.NoError(t, err)
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": parent})
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	lease := order.Lease{Token: "a", Until: now.Add(time.Minute)}
	change := func(id string) (order.Change, error) {
		return order.Change{Events: []event.Event{{ID: id, Type: "t", Subject: "order/1", Time: now, Data: []byte(`{}`)}}}, nil
	}

	s := tracedStore{inner}
	o, err := s.Start(ctx, 5, lease, func([]order.Order) (order.Change, error) {
		c, err := change("start")
		c.New = &order.Order{AnnouncementID: 5, State: order.Creating}
		return c, err
	})
	require.NoError(t, err)
	_, err = s.Change(ctx, o.ID, "", func(order.View) (order.Change, error) { return change("change") })
	require.NoError(t, err)
	require.NoError(t, s.Notified(ctx, "emta-1", func(order.Known) (order.Change, error) {
		c, err := change("notified")
		c.Notifications = []order.Notification{{EMTAOrderID: "emta-1", NotifiedAt: now, NextCheck: now}}
		return c, err
	}))
	n, err := s.OpenNotification(ctx, "emta-1")
	require.NoError(t, err)
	require.NoError(t, s.ChangeNotification(ctx, n.ID, "", func(order.Notification) (order.Change, error) { return change("changed") }))

	events, err := s.Events(ctx, 0, 10)
	require.NoError(t, err)
	require.Len(t, events, 4)
	for _, e := range events {
		require.Equal(t, parent, e.TraceParent, e.ID)
	}
}
