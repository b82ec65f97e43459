package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"ametlikudteadaanded.ee/adapter/simulator"
)

var (
	metricName  = regexp.MustCompile(`\badapter_[a-z0-9_]+`)
	describedAs = regexp.MustCompile(`fqName: "([^"]+)"`)
)

// metricsIn are the adapter's metrics that a file speaks of, without what Prometheus adds to histograms.
func metricsIn(t *testing.T, paths ...string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, name := range metricName.FindAllString(string(text), -1) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			names[name] = true
		}
	}
	require.NotEmpty(t, names)
	return names
}

// registered are the adapter's own metrics, also those that have no series yet.
func registered(t *testing.T, program *Program) map[string]bool {
	t.Helper()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		program.registry.Describe(descriptions)
		close(descriptions)
	}()
	names := map[string]bool{}
	for d := range descriptions {
		if name := describedAs.FindStringSubmatch(d.String())[1]; strings.HasPrefix(name, "adapter_") {
			names[name] = true
		}
	}
	return names
}

// What alert rules and the board speak of exists, and no counter is one that nobody looks at.
func TestRulesAndBoardKnowTheMetrics(t *testing.T) {
	program, _ := running(t, simulator.Options{}, nil)
	exist := registered(t, program)
	rules := metricsIn(t, "../deploy/prometheus/alerts.yaml")
	shown := metricsIn(t, "../deploy/prometheus/alerts.yaml", "../deploy/grafana/adapter.json")
	for name := range shown {
		require.True(t, exist[name], "no such metric: %s", name)
	}
	for name := range exist {
		if strings.HasSuffix(name, "_total") {
			require.True(t, shown[name], "neither rule nor board looks at %s", name)
		}
	}
	for name := range rules {
		require.Contains(t, operationsPages(t), name, "docs/operations*.md does not say what to do about %s", name)
	}
}

// operationsPages is what operators read.
func operationsPages(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"../docs/operations.md", "../docs/operations-postgres.md"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
