// SPDX-License-Identifier: MIT

// Coverage: which rules, triggers and conditions tests have put to use.

package scenario

import (
	"fmt"
	"slices"
	"strconv"

	"reflexd/agent/rule"
	"reflexd/sources"
)

// Coverage is what tests have shown of rules, by where these stand.
type Coverage struct {
	rules []*covered
	at    map[string]*covered // by the places of rules
}

// covered is what tests have shown of one rule.
type covered struct {
	name, at   string
	fired      bool
	triggers   []seen // that fired it
	conditions []seen // that kept it from firing
}

type seen struct {
	at, text string
	shown    bool
}

// NewCoverage returns a Coverage of nothing yet.
func NewCoverage() *Coverage { return &Coverage{at: map[string]*covered{}} }

// declare adds rules that are not there yet.
func (c *Coverage) declare(rules []*rule.Rule) {
	for _, r := range rules {
		if c.at[r.Pos.String()] != nil {
			continue
		}
		one := &covered{name: r.Name, at: r.Pos.String()}
		for _, t := range r.Triggers {
			one.triggers = append(one.triggers, seen{at: t.Pos.String(), text: t.Text})
		}
		for _, p := range r.Parts() {
			one.conditions = append(one.conditions, seen{at: p.At.String(), text: p.Text})
		}
		c.rules, c.at[one.at] = append(c.rules, one), one
	}
}

// note takes note of what a rule made of an event.
func (c *Coverage) note(r *rule.Rule, e *sources.Event, o rule.Outcome, why string) {
	one := c.at[r.Pos.String()]
	switch o {
	case rule.Fired:
		one.fired = true
		for _, i := range r.Matching(e) {
			one.triggers[i].shown = true
		}
	case rule.Unmet:
		for i := range one.conditions {
			one.conditions[i].shown = one.conditions[i].shown || one.conditions[i].at == why
		}
	}
}

// Fired returns how many of the rules fired, in percent.
func (c *Coverage) Fired() float64 {
	if len(c.rules) == 0 {
		return 100
	}
	n := 0
	for _, r := range c.rules {
		if r.fired {
			n++
		}
	}
	return 100 * float64(n) / float64(len(c.rules))
}

// Missing returns what no test has shown, a line each, in the order of the
// configuration: rules that fired, triggers of those that did, and conditions
// that kept one from firing.
func (c *Coverage) Missing() []string {
	var all []string
	for _, r := range c.rules {
		if !r.fired {
			all = append(all, fmt.Sprintf("%s: no test fires the rule %s", r.at, strconv.Quote(r.name)))
			continue
		}
		for _, t := range unseen(r.triggers) {
			all = append(all, fmt.Sprintf("%s: no test fires the rule %s by %s", t.at, strconv.Quote(r.name), t.text))
		}
		for _, t := range unseen(r.conditions) {
			all = append(all, fmt.Sprintf("%s: in no test does %s keep the rule %s from firing", t.at, t.text, strconv.Quote(r.name)))
		}
	}
	return all
}

func unseen(all []seen) []seen {
	return slices.DeleteFunc(slices.Clone(all), func(s seen) bool { return s.shown })
}
