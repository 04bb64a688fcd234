// SPDX-License-Identifier: MIT

// Metrics: the file that the agent writes again and again for Prometheus' node
// exporter, and what is counted for it.

package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"reflexd/config"
	"reflexd/regular"
	"reflexd/sources"
)

// metricsSection is the section `metrics`.
type metricsSection struct {
	file  string
	every time.Duration
}

const (
	defaultMetricsEvery = 15 * time.Second
	leastMetricsEvery   = time.Second
)

func (m *metricsSection) section() config.Field {
	m.every = defaultMetricsEvery
	file := config.Parsed(&m.file, "an absolute path", func(s string) (string, error) {
		if !filepath.IsAbs(s) || !strings.HasSuffix(s, ".prom") {
			return "", errors.New("expected an absolute path that ends in .prom, which node_exporter reads")
		}
		return filepath.Clean(s), nil
	})
	every := config.Parsed(&m.every, "duration", func(s string) (time.Duration, error) {
		d, err := config.ParseDuration(s)
		if err == nil && d < leastMetricsEvery {
			err = errors.New("at least " + leastMetricsEvery.String())
		}
		return d, err
	})
	return config.Field{Name: "metrics", Doc: "a file of metrics for the textfile collector of Prometheus' node_exporter", Value: config.Object(
		config.Field{Name: "file", Doc: "the file, replaced at once each time: NAME.prom in the collector's folder", Required: true, Value: file},
		config.Field{Name: "every", Doc: "how often it is written", Default: defaultMetricsEvery.String(), Value: every},
	)}
}

// metrics writes the file of metrics. Its methods are for the loop's thread.
type metrics struct {
	metricsSection
	timer  sources.Timer
	failed bool         // the last time, and the log knows
	over   *atomic.Bool // the file is to be gone, whoever still writes it
}

// applyMetrics has the file written from now on as c asks for it.
func (a *Agent) applyMetrics(c *Configuration) {
	if c.metrics == a.metrics.metricsSection {
		return
	}
	if a.metrics.timer != nil {
		a.metrics.timer.Stop()
	}
	if a.metrics.file != c.metrics.file {
		a.removeMetrics()
	}
	a.metrics = metrics{metricsSection: c.metrics, over: &atomic.Bool{}}
	if a.metrics.file != "" && !a.opts.DryRun {
		a.metrics.timer = a.loop.After(0, a.writeMetrics)
	}
}

// writeMetrics writes the file, in the background, and sees to the next time.
func (a *Agent) writeMetrics() {
	status := a.Status()
	text, file, over := status.Prometheus(), a.metrics.file, a.metrics.over
	var err error
	a.loop.Beside(func() {
		if err = regular.Swap(file, text, 0o644); over.Load() {
			_ = os.Remove(file)
		}
	}, func() {
		if over != a.metrics.over {
			return // of the configuration before
		}
		if err != nil && !a.metrics.failed {
			a.log.Warn("cannot write metrics", "error", err)
		}
		a.metrics.failed = err != nil
		a.metrics.timer = a.loop.After(a.metrics.every, a.writeMetrics)
	})
}

// removeMetrics removes the file: what stands there would look like the state
// of an agent that runs.
func (a *Agent) removeMetrics() {
	if a.metrics.file == "" || a.opts.DryRun {
		return
	}
	a.metrics.over.Store(true)
	if err := os.Remove(a.metrics.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("cannot remove metrics", "error", err)
	}
}

// countLoss counts a loss of events.
func (a *Agent) countLoss(e *sources.Event) {
	if a.losses == nil {
		a.losses = map[string]Loss{}
	}
	loss := a.losses[e.Source]
	loss.Times++
	if count, ok := e.Lookup("COUNT"); ok {
		n, _ := count.Int()
		loss.Events += uint64(max(0, n))
	}
	a.losses[e.Source] = loss
}

// residentMemory returns the bytes of memory that the process has, 0 if that is
// unknown: proc_pid_statm(5).
func residentMemory(proc string) uint64 {
	text, err := os.ReadFile(filepath.Join(proc, "self/statm"))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}
