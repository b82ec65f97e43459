package mandate

import "github.com/prometheus/client_golang/prometheus"

// measures are what the metrics page shows of mandates. Label values are from fixed lists.
type measures struct {
	changes *prometheus.CounterVec
	night   prometheus.Histogram
}

func newMeasures(r prometheus.Registerer) *measures {
	m := &measures{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "adapter_mandate_changes_total",
			Help: "Changes of mandates by what happened (added, activated, changed, ended)."}, []string{"kind"}),
		night: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "adapter_mandate_night_seconds",
			Help: "Duration of the nightly activation and ending of mandates.", Buckets: []float64{.1, .5, 1, 5, 15, 60, 300, 900}}),
	}
	r.MustRegister(m.changes, m.night)
	return m
}
