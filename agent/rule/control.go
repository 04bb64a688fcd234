// SPDX-License-Identifier: MIT

// What the agent does with rules while they run: enable and disable them, stop
// what they do.

package rule

import (
	"fmt"
	"maps"
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// switched is whether a rule fires. What it was told at run time holds until
// the configuration changes its mind about the rule.
type switched struct {
	off    bool
	byFile bool // what the configuration said of off when it was last looked at
}

// follow takes over what the configuration says, if that is something else
// than before.
func (s *switched) follow(rule *Rule) {
	if rule.Disabled != s.byFile {
		s.off, s.byFile = rule.Disabled, rule.Disabled
	}
}

// Enabled reports whether rule may fire.
func (r *Runner) Enabled(rule *Rule) bool { return !r.of(rule).off }

// Enable has the rule of that name fire, or not. What a rule that is disabled
// is doing it finishes; what waits is dropped.
func (r *Runner) Enable(name string, on bool) error {
	p := r.perRule[name]
	if p == nil || p.rule == nil {
		return fmt.Errorf("no rule is called %q%s", name, config.Suggest(name, slices.Sorted(maps.Keys(r.perRule))))
	}
	if p.off == !on {
		return nil
	}
	p.off = !on
	if p.off {
		p.forget()
	}
	r.env.Log.Info("rule switched", "rule", name, "enabled", on)
	return nil
}

// StopWhere stops the runs of all rules whose event match holds for, and
// drops the firings that wait with such an event.
func (r *Runner) StopWhere(match func(*sources.Event) bool) {
	for _, p := range r.perRule {
		before := len(p.waiting)
		p.waiting = slices.DeleteFunc(p.waiting, match)
		p.Dropped += before - len(p.waiting)
		for _, run := range slices.Clone(p.runs) {
			if match(run.Event) {
				r.env.Log.Info("stopped", "rule", run.Rule, "event", run.Event.Describe())
				run.Stop()
			}
		}
	}
}
