// SPDX-License-Identifier: MIT

// Circles: rules that set each other off for ever, as far as that can be seen
// before they run. What stops them when they do is rule's brake.

// Package lint finds what is no mistake in any one word of the configuration,
// but can hardly be meant: rules that set each other off for ever, rules that
// never fire, events that nobody sends.
package lint

import (
	"slices"
	"strings"

	"reflexd/agent/rule"
	"reflexd/config"
	"reflexd/sources"
)

// circles looks for circles among the rules that nothing slows down.
type circles struct {
	index *rule.Index
	ps    *config.Problems
	way   []*rule.Rule // from where the search began to where it is
	seen  map[*rule.Rule]bool
	// effort is how many rules are looked at before the search is given up:
	// where each of very many rules sets off all of them, nobody waits for the
	// last circle.
	effort int
}

// Circles warns of them.
func Circles(rules []*rule.Rule, ps *config.Problems) {
	search := circles{index: rule.NewIndex(rules), ps: ps, seen: map[*rule.Rule]bool{}, effort: 1_000_000}
	for _, r := range rules {
		search.from(r)
	}
}

// from goes on from r to all rules that it sets off at once, and whenever it
// comes to one that is on the way already, that is a circle.
func (s *circles) from(r *rule.Rule) {
	if i := slices.Index(s.way, r); i >= 0 {
		s.report(s.way[i:])
		s.effort -= 10 * len(s.way)
		return
	}
	if s.effort < 0 || s.seen[r] || slowedDown(r) {
		return
	}
	s.seen[r] = true
	s.way = append(s.way, r)
	for _, next := range s.setOff(r) {
		if s.effort--; s.effort >= 0 {
			s.from(next)
		}
	}
	s.way = s.way[:len(s.way)-1]
}

// slowedDown reports whether something keeps r from being part of a circle
// without end, or may do so.
func slowedDown(r *rule.Rule) bool {
	return r.Disabled || r.Cooldown > 0 || r.Limit.Count > 0 || len(r.If) > 0 ||
		r.Mode == rule.Single && r.Do.Waits() || r.Do.Disables()
}

// setOff returns the rules that match what r sends at once.
func (s *circles) setOff(r *rule.Rule) []*rule.Rule {
	var all []*rule.Rule
	found := map[*rule.Rule]bool{}
	for _, e := range r.Do.Sends() {
		s.index.Find(e, func(next *rule.Rule) {
			if !found[next] {
				all, found[next] = append(all, next), true
			}
		})
	}
	return all
}

// report warns of a circle, unless it ends by itself because a variable has its
// value already.
func (s *circles) report(circle []*rule.Rule) {
	for i, r := range circle {
		if !goesOn(r, circle[(i+1)%len(circle)], circle) {
			return
		}
	}
	const mend = "give one of them a cooldown or a limit, or a `wait` before it sends"
	first := circle[0]
	if len(circle) == 1 {
		s.ps.Warnf(first.Triggers[0].Pos, "the rule fires itself without end, by what it sends; give it a cooldown or a limit, or a `wait` before it sends")
		return
	}
	var names []string
	for _, r := range append(slices.Clone(circle), first) {
		names = append(names, r.Name)
	}
	s.ps.Warnf(first.Triggers[0].Pos, "rules fire each other without end: %s; %s", strings.Join(names, " -> "), mend)
}

// goesOn reports whether r sets next off each time that the circle comes
// round: by an event, or by a variable that the circle makes something else
// in between.
func goesOn(r, next *rule.Rule, circle []*rule.Rule) bool {
	index, heard := rule.NewIndex([]*rule.Rule{next}), false
	for _, e := range r.Do.Sends() {
		if e.Topic.Kind != "var" || becomes(e.Topic, circle) > 1 {
			index.Find(e, func(*rule.Rule) { heard = true })
		}
	}
	return heard
}

// becomes is how many values the rules of a circle give the variable, as far
// as they are known; many if one of them adds to it or toggles it.
func becomes(variable sources.Topic, circle []*rule.Rule) int {
	const many = 1 << 30
	values := map[sources.Value]bool{}
	for _, r := range circle {
		if r.Do.Alters(variable.Name) {
			return many
		}
		for _, e := range r.Do.Sends() {
			if v, known := e.Lookup("VALUE"); known && e.Topic == variable {
				values[v] = true
			}
		}
	}
	return len(values)
}
