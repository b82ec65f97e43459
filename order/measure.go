package order

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ametlikudteadaanded.ee/adapter/soap"
	"ametlikudteadaanded.ee/adapter/xroadhdr"
)

// measures are what the metrics page shows of the payment module (NA-102). Label values are from fixed lists.
type measures struct {
	calls      *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	suspicions *prometheus.CounterVec
	unknown    prometheus.Counter
	duplicates prometheus.Counter
}

func newMeasures(r prometheus.Registerer, c *circuit) *measures {
	m := &measures{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_emta_calls_total",
			Help: "Calls to EMTA's payment module by operation and outcome (ok, or whose failure)."}, []string{"operation", "outcome"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "adapter_emta_call_seconds",
			Help: "Duration of calls to EMTA's payment module.", Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 90}}, []string{"operation"}),
		suspicions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_order_suspicions_total",
			Help: "Answers of EMTA that were held back, by reason."}, []string{"reason"}),
		unknown: prometheus.NewCounter(prometheus.CounterOpts{Name: "adapter_order_unknown_states_total",
			Help: "Answers of EMTA with a state that the adapter does not know."}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{Name: "adapter_order_duplicates_total",
			Help: "Announcements that were paid for more than once."}),
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "adapter_circuit_open",
		Help:        "1 while calls to the system are kept back, but for one now and then, because it does not answer.",
		ConstLabels: prometheus.Labels{"system": "emta"}}, func() float64 {
		if c.open() {
			return 1
		}
		return 0
	})
	r.MustRegister(m.calls, m.durations, m.suspicions, m.unknown, m.duplicates, open)
	m.begin()
	return m
}

// begin shows every series from the start, at zero: a rule that looks at growth does not see the first step of a series that
// begins with it.
func (m *measures) begin() {
	for _, operation := range []string{"cpgOrderInit", "cpgOrderGet", "cpgOrderList", "cpgOrderCancel"} {
		m.durations.WithLabelValues(operation)
		m.calls.WithLabelValues(operation, "ok")
		for _, kind := range []xroadhdr.FailureKind{xroadhdr.Ours, xroadhdr.Theirs, xroadhdr.Network, xroadhdr.Timeout} {
			m.calls.WithLabelValues(operation, string(kind))
		}
	}
	for _, reason := range []string{foreignID, foreignStamp, foreignReference, foreignAmount, wrongAmount, notFound} {
		m.suspicions.WithLabelValues(reason)
	}
}

func (m *measures) called(operation string, err error, took time.Duration) {
	m.calls.WithLabelValues(operation, outcomeOf(err)).Inc()
	m.durations.WithLabelValues(operation).Observe(took.Seconds())
}

// outcomeOf is "ok", or whose failure a call's error is.
func outcomeOf(err error) string {
	var call *soap.CallError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &call):
		return string(call.Kind())
	}
	return string(xroadhdr.Ours)
}
