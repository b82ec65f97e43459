package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

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

// alert is a rule of alerts.yaml.
type alert struct {
	Name        string `yaml:"alert"`
	Expr        string
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Do string }
}

// alertsByName are the rules of alerts.yaml.
func alertsByName(t *testing.T) map[string]alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readYAML(t, "../deploy/prometheus/alerts.yaml", &file)
	alerts := map[string]alert{}
	for _, group := range file.Groups {
		for _, a := range group.Rules {
			require.NotContains(t, alerts, a.Name)
			alerts[a.Name] = a
		}
	}
	require.NotEmpty(t, alerts)
	return alerts
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, into))
}

var alertRow = regexp.MustCompile("(?m)^\\| `(Adapter[A-Za-z]+)` \\| (page|ticket) \\| [^|]+ \\| [^|]+ \\|$")

// Whoever is called finds the alert by its name, and what to do; no row speaks of an alert that there is not.
func TestAlertsStandInOperations(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	alerts := alertsByName(t)
	described := map[string]bool{}
	for _, row := range alertRow.FindAllStringSubmatch(string(text), -1) {
		name, severity := row[1], row[2]
		require.Contains(t, alerts, name, "docs/operations.md describes an alert that there is not")
		require.Equal(t, alerts[name].Labels.Severity, severity, name)
		require.False(t, described[name], "%s is described twice", name)
		described[name] = true
	}
	for name, a := range alerts {
		require.True(t, described[name], "docs/operations.md has no row for %s", name)
		require.NotEmpty(t, a.Annotations.Summary, name)
		require.NotEmpty(t, a.Annotations.Do, "%s does not say what to do", name)
	}
}

// Each rule has a series that fires it and one that does not, as promtool runs them in .ci/run.
func TestAlertsAreTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Cases []struct {
				Alert    string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "../deploy/prometheus/alerts_test.yaml", &file)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			if len(c.Expected) > 0 {
				fires[c.Alert] = true
			} else {
				quiet[c.Alert] = true
			}
		}
	}
	for name := range alertsByName(t) {
		require.True(t, fires[name], "no test fires %s", name)
		require.True(t, quiet[name], "no test keeps %s quiet", name)
	}
}
