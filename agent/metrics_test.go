// SPDX-License-Identifier: MIT

package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/agent/action"
	"reflexd/agent/rule"
	"reflexd/agent/spawn"
	"reflexd/sources"
)

// awaitFile waits until the file holds text, or until it is gone if text is "".
func (r *rig) awaitFile(path, text string) string {
	r.t.Helper()
	names, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		r.t.Fatal(err)
	}
	defer unix.Close(names)
	if _, err := unix.InotifyAddWatch(names, filepath.Dir(path), unix.IN_MOVED_TO|unix.IN_DELETE|unix.IN_CLOSE_WRITE); err != nil {
		r.t.Fatal(err)
	}
	var got []byte
	for end := time.Now().Add(patience); time.Now().Before(end); {
		got, err = os.ReadFile(path)
		if text == "" && os.IsNotExist(err) || text != "" && strings.Contains(string(got), text) {
			return string(got)
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(names), Events: unix.POLLIN}}, int(time.Until(end).Milliseconds()))
		var changes [4096]byte
		_, _ = unix.Read(names, changes[:])
	}
	r.t.Fatalf("%s never holds %q:\n%s", path, text, got)
	return ""
}

func TestMetricsFile(t *testing.T) {
	const yaml = "metrics: {file: DIR/reflexd.prom, every: 1s}\nrules: [{name: it, when: {event: go}, do: {run: [\"true\"]}}]\n"
	r := start(t, yaml)
	file := filepath.Join(r.dir, "reflexd.prom")
	r.awaitFile(file, `reflexd_rule_firings_total{rule="it"} 0`)
	r.do(func() {
		r.agent.emit(&sources.Event{Topic: sources.Topic{Kind: "event", Name: "go", State: "sent"}, Source: "event"})
		h := sources.Host{Loop: r.agent.loop, Emit: r.agent.emit, Log: r.agent.log}
		h.Lost("gpio", "bell", 7, "x")
		h.Lost("gpio", "bell", 0, "x")
	})
	text := r.awaitFile(file, `reflexd_action_duration_seconds_count{action="run"} 1`)
	for _, want := range []string{`reflexd_rule_firings_total{rule="it"} 1`, `reflexd_losses_total{source="gpio:bell"} 2`, `reflexd_lost_events_total{source="gpio:bell"} 7`, "reflexd_build_info{version=\"test\"} 1"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	if leftovers, _ := filepath.Glob(file + "?*"); leftovers != nil {
		t.Errorf("beside the file there are %s", leftovers)
	}
	r.write(strings.Replace(yaml, "reflexd.prom", "other.prom", 1))
	r.do(func() { r.agent.reload("test", false, func(error) {}) })
	r.awaitFile(filepath.Join(r.dir, "other.prom"), "reflexd_reloads_total 1")
	r.awaitFile(file, "")
	r.stop()
	r.awaitFile(filepath.Join(r.dir, "other.prom"), "")
}

// TestPrometheusFormat holds the text against the format: comments before samples, each family once, and no line that
// is neither.
func TestPrometheusFormat(t *testing.T) {
	d := action.Durations{}
	for _, span := range []time.Duration{0, 10 * time.Millisecond, 11 * time.Millisecond, time.Hour} {
		d.Add("run", span)
	}
	s := Status{Version: `a"b\c`, Events: 1 << 60, Memory: 4096, Actions: d, Running: []spawn.Running{{}},
		Rules:   []rule.Status{{Name: "two\nlines", Enabled: true, Running: []string{"x"}}},
		Sources: []SourceStatus{{"gpio", []sources.State{{Name: "bell", OK: true}, {Name: "bell"}}}}}
	text := s.Prometheus()
	family, families := "", map[string]bool{}
	sample := regexp.MustCompile(`^([a-z_]+?)(_bucket|_sum|_count)?(\{[a-z]+="([^"\\\n]|\\.)*"(,[a-z]+="([^"\\\n]|\\.)*")*\})? [0-9.e+]+$`)
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			family, _, _ = strings.Cut(help, " ")
			if families[family] || !strings.HasSuffix(help, ".") {
				t.Errorf("a second time, or without an end: %s", line)
			}
			families[family] = true
			continue
		}
		if strings.HasPrefix(line, "# TYPE "+family+" ") {
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil || m[1] != family && m[1]+m[2] != family {
			t.Errorf("in the family %s there is the line %s", family, line)
		}
		name, _, _ := strings.Cut(line, " ")
		if seen[name] {
			t.Errorf("twice: %s", name)
		}
		seen[name] = true
	}
	for _, want := range []string{
		`reflexd_build_info{version="a\"b\\c"} 1`, `reflexd_rule_enabled{rule="two\nlines"} 1`, `reflexd_source_ready{source="gpio",name="bell"} 1`,
		`reflexd_action_duration_seconds_bucket{action="run",le="0.01"} 2`, `reflexd_action_duration_seconds_bucket{action="run",le="600"} 3`,
		`reflexd_action_duration_seconds_bucket{action="run",le="+Inf"} 4`, `reflexd_action_duration_seconds_sum{action="run"} 3600.021`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}
