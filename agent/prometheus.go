// SPDX-License-Identifier: MIT

// The state of an agent in the text format of Prometheus.

package agent

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"reflexd/agent/action"
	"reflexd/agent/rule"
)

// exposition is a text in Prometheus' format.
type exposition struct{ strings.Builder }

// family begins the samples of a metric.
func (x *exposition) family(name, kind, help string) {
	fmt.Fprintf(x, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample writes one value; labels are names and values by turns.
func (x *exposition) sample(name string, value float64, labels ...string) {
	x.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		x.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		x.WriteString(labels[i] + `="` + labelEscapes.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		x.WriteString("}")
	}
	x.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// single writes a metric of one sample.
func (x *exposition) single(name, kind, help string, value float64) {
	x.family(name, kind, help)
	x.sample(name, value)
}

// Prometheus returns the state in the text format of Prometheus.
func (s *Status) Prometheus() string {
	x := &exposition{}
	x.family("reflexd_build_info", "gauge", "The version of the agent.")
	x.sample("reflexd_build_info", 1, "version", s.Version)
	x.single("reflexd_uptime_seconds", "gauge", "How long the agent has been running.", s.Uptime)
	x.single("reflexd_events_total", "counter", "Events that the agent has handled.", float64(s.Events))
	x.single("reflexd_wakeups_total", "counter", "How often the event loop woke up.", float64(s.Wakeups))
	x.single("reflexd_reloads_total", "counter", "How often the configuration was replaced.", float64(s.Reloads))
	x.single("reflexd_programs", "gauge", "Programs of rules that are running.", float64(len(s.Running)))
	if s.Memory > 0 {
		x.single("reflexd_resident_memory_bytes", "gauge", "Memory that the agent has.", float64(s.Memory))
	}
	s.writeLosses(x)
	s.writeSources(x)
	s.writeRules(x)
	s.writeActions(x)
	return x.String()
}

func (s *Status) writeLosses(x *exposition) {
	names := slices.Sorted(maps.Keys(s.Losses))
	x.family("reflexd_losses_total", "counter", "How often a source lost events.")
	for _, name := range names {
		x.sample("reflexd_losses_total", float64(s.Losses[name].Times), "source", name)
	}
	x.family("reflexd_lost_events_total", "counter", "Events that a source is known to have lost.")
	for _, name := range names {
		x.sample("reflexd_lost_events_total", float64(s.Losses[name].Events), "source", name)
	}
}

func (s *Status) writeSources(x *exposition) {
	x.family("reflexd_source_ready", "gauge", "Whether a line, device, socket, file or mount is open and not waited for.")
	seen := map[[2]string]bool{} // a name may be there twice
	for _, source := range s.Sources {
		for _, state := range source.States {
			key := [2]string{source.Source, state.Name}
			if !seen[key] {
				x.sample("reflexd_source_ready", number(state.OK), "source", source.Source, "name", state.Name)
			}
			seen[key] = true
		}
	}
}

// ruleMetrics are the metrics that each rule has.
var ruleMetrics = []struct {
	name, kind, help string
	of               func(r *rule.Status) float64
}{
	{"reflexd_rule_enabled", "gauge", "Whether a rule is enabled.", func(r *rule.Status) float64 { return number(r.Enabled) }},
	{"reflexd_rule_firings_total", "counter", "How often a rule fired.", func(r *rule.Status) float64 { return float64(r.Fired) }},
	{"reflexd_rule_dropped_total", "counter", "Firings that were dropped by cooldown, limit, mode or a full queue.", func(r *rule.Status) float64 { return float64(r.Dropped) }},
	{"reflexd_rule_unmet_total", "counter", "Events of a rule for which a condition did not hold.", func(r *rule.Status) float64 { return float64(r.Unmet) }},
	{"reflexd_rule_failures_total", "counter", "Firings whose actions failed.", func(r *rule.Status) float64 { return float64(r.Failed) }},
	{"reflexd_rule_running", "gauge", "Firings whose actions are running.", func(r *rule.Status) float64 { return float64(len(r.Running)) }},
	{"reflexd_rule_waiting", "gauge", "Firings that wait for others of the rule.", func(r *rule.Status) float64 { return float64(r.Waiting) }},
}

func (s *Status) writeRules(x *exposition) {
	for _, m := range ruleMetrics {
		x.family(m.name, m.kind, m.help)
		for i := range s.Rules {
			x.sample(m.name, m.of(&s.Rules[i]), "rule", s.Rules[i].Name)
		}
	}
}

// writeActions writes the histograms, whose ranges Prometheus adds up.
func (s *Status) writeActions(x *exposition) {
	const name = "reflexd_action_duration_seconds"
	x.family(name, "histogram", "How long actions took that are waited for.")
	for _, kind := range slices.Sorted(maps.Keys(s.Actions)) {
		h, sum := s.Actions[kind], uint64(0)
		for i, bound := range action.DurationBounds {
			sum += h.Counts[i]
			x.sample(name+"_bucket", float64(sum), "action", kind, "le", strconv.FormatFloat(bound.Seconds(), 'g', -1, 64))
		}
		sum += h.Counts[len(h.Counts)-1]
		x.sample(name+"_bucket", float64(sum), "action", kind, "le", "+Inf")
		x.sample(name+"_sum", h.Sum.Seconds(), "action", kind)
		x.sample(name+"_count", float64(sum), "action", kind)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
