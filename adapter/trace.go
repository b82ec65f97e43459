package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"ametlikudteadaanded.ee/adapter/event"
	"ametlikudteadaanded.ee/adapter/order"
	"ametlikudteadaanded.ee/adapter/store"
)

// newTracer sends traces to the collector at the settings' endpoint (OTLP over HTTP), or makes none where there is no endpoint. A collector that
// is away costs nothing but the spans. stop sends what waits.
func newTracer(ctx context.Context, s Trace) (tracer trace.Tracer, stop func(context.Context) error, err error) {
	if s.Endpoint == "" {
		return noop.NewTracerProvider().Tracer(""), func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(s.Endpoint))
	if err != nil {
		return nil, nil, fmt.Errorf("setting trace.endpoint: %w", err)
	}
	host, _ := os.Hostname() // a trace without the host's name is a trace
	b := thisBuild()
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(float64(s.Percent)/100))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "adapter"), attribute.String("service.version", b.Version),
			attribute.String("service.instance.id", host))))
	return provider.Tracer("ametlikudteadaanded.ee/adapter"), provider.Shutdown, nil
}

// tracedStore notes with each event of the payment module the trace that it happened in.
type tracedStore struct{ store.Store }

// Start is order.Store's.
func (s tracedStore) Start(ctx context.Context, announcementID int64, lease order.Lease, decide func([]order.Order) (order.Change, error)) (order.Order, error) {
	return s.Store.Start(ctx, announcementID, lease, func(orders []order.Order) (order.Change, error) {
		c, err := decide(orders)
		return noted(ctx, c), err
	})
}

// Change is order.Store's.
func (s tracedStore) Change(ctx context.Context, id int64, token string, decide func(order.View) (order.Change, error)) (order.Order, error) {
	return s.Store.Change(ctx, id, token, func(v order.View) (order.Change, error) {
		c, err := decide(v)
		return noted(ctx, c), err
	})
}

// Notified is order.Store's.
func (s tracedStore) Notified(ctx context.Context, emtaOrderID string, decide func(order.Known) (order.Change, error)) error {
	return s.Store.Notified(ctx, emtaOrderID, func(k order.Known) (order.Change, error) {
		c, err := decide(k)
		return noted(ctx, c), err
	})
}

// ChangeNotification is order.Store's.
func (s tracedStore) ChangeNotification(ctx context.Context, id int64, token string, decide func(order.Notification) (order.Change, error)) error {
	return s.Store.ChangeNotification(ctx, id, token, func(n order.Notification) (order.Change, error) {
		c, err := decide(n)
		return noted(ctx, c), err
	})
}

// noted gives the change's events the trace that ctx is in.
func noted(ctx context.Context, c order.Change) order.Change {
	parent := traceParent(ctx)
	if parent == "" || len(c.Events) == 0 {
		return c
	}
	events := make([]event.Event, 0, len(c.Events))
	for _, e := range c.Events {
		e.TraceParent = parent
		events = append(events, e)
	}
	c.Events = events
	return c
}
