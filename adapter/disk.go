package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Free space below which somebody is told. A day's exchange log of a busy announcer is some hundred MiB.
const (
	littleSpace = 1 << 30
	noSpace     = 64 << 20
)

// disks are the folders that the program writes to, by what they hold.
func (s Settings) disks() map[string]string {
	folders := map[string]string{"log": s.Log.Dir}
	if path, ok := strings.CutPrefix(s.Store, "sqlite:"); ok && !strings.HasPrefix(path, ":") {
		folders["database"] = filepath.Dir(path)
	}
	return folders
}

// diskStatus is the space left for the files that the program writes.
func (p *Program) diskStatus(_ context.Context, r *statusReport) {
	for holds, folder := range p.settings.disks() {
		free, _, err := freeSpace(folder)
		if err != nil {
			continue // a folder that is not there yet is made with the first file
		}
		c := check{Status: statusPass, Observed: free >> 20, Unit: "MiB"}
		if free < littleSpace {
			c.Status, c.Output = statusWarn, fmt.Sprintf("little space left for the %s in %s: make room, or move it (log.dir, store)", holds, folder)
		}
		if free < noSpace {
			c.Status = statusFail
		}
		r.add("disk:"+holds, c)
	}
}

// diskGauge reads the space left whenever metrics are asked for.
type diskGauge struct {
	folders map[string]string
	free    *prometheus.Desc
}

func newDiskGauge(s Settings) *diskGauge {
	return &diskGauge{s.disks(), prometheus.NewDesc("adapter_disk_free_bytes", "Space left for what the program writes, by what that is.", []string{"holds"}, nil)}
}

// Describe is for prometheus.Collector.
func (g *diskGauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.free }

// Collect is for prometheus.Collector.
func (g *diskGauge) Collect(ch chan<- prometheus.Metric) {
	for holds, folder := range g.folders {
		if free, _, err := freeSpace(folder); err == nil {
			ch <- prometheus.MustNewConstMetric(g.free, prometheus.GaugeValue, float64(free), holds)
		}
	}
}
