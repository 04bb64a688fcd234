// SPDX-License-Identifier: MIT

// What the agent does with rules while they run: enable and disable them, stop
// what they do.

package rule

import (
	"fmt"
	"maps"
	"slices"
	"time"

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

// Firings returns how often rule fired, and when it did last, by the event's
// time.
func (r *Runner) Firings(rule *Rule) (count int, last time.Duration) {
	p := r.of(rule)
	return p.Fired, p.last
}

// named returns what there is to know of the rule of that name.
func (r *Runner) named(name string) (*progress, error) {
	p := r.perRule[name]
	if p == nil || p.rule == nil {
		return nil, fmt.Errorf("no rule is called %q%s", name, config.Suggest(name, slices.Sorted(maps.Keys(r.perRule))))
	}
	return p, nil
}

// Cancel ends what the rule of that name is doing, and drops the firings that
// wait. It returns how many of both there were. The rule may fire again.
func (r *Runner) Cancel(name string) (runs, waiting int, err error) {
	p, err := r.named(name)
	if err != nil {
		return 0, 0, err
	}
	runs, waiting = len(p.runs), len(p.waiting)
	p.forget()
	for _, run := range slices.Clone(p.runs) {
		run.Stop()
	}
	if runs+waiting > 0 {
		r.env.Log.Info("cancelled", "rule", name, "runs", runs, "waiting", waiting)
	}
	return runs, waiting, nil
}

// Enable has the rule of that name fire, or not. What a rule that is disabled
// is doing it finishes; what waits is dropped.
func (r *Runner) Enable(name string, on bool) error {
	p, err := r.named(name)
	if err != nil {
		return err
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
	for _, p := range sources.InOrder(r.perRule) {
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
