// SPDX-License-Identifier: MIT

// Circles: rules that set each other off for ever, as far as that can be seen
// before they run. What stops them when they do is rule's brake.

package agent

import (
	"slices"
	"strings"

	"reflexd/agent/rule"
	"reflexd/config"
	"reflexd/sources"
)

// circles looks for circles among the rules that nothing slows down.
type circles struct {
	book *rule.Book
	ps   *config.Problems
	way  []*rule.Rule // from where the search began to where it is
	seen map[*rule.Rule]bool
}

// doubtCircles warns of them.
func (c *Configuration) doubtCircles(ps *config.Problems) {
	search := circles{book: rule.NewBook(c.Rules), ps: ps, seen: map[*rule.Rule]bool{}}
	for _, r := range c.Rules {
		search.from(r)
	}
}

// from goes on from r to all rules that it sets off at once, and whenever it
// comes to one that is on the way already, that is a circle.
func (s *circles) from(r *rule.Rule) {
	if i := slices.Index(s.way, r); i >= 0 {
		s.tell(s.way[i:])
		return
	}
	if s.seen[r] || slowedDown(r) {
		return
	}
	s.seen[r] = true
	s.way = append(s.way, r)
	for _, next := range s.setOff(r) {
		s.from(next)
	}
	s.way = s.way[:len(s.way)-1]
}

// slowedDown reports whether something keeps r from being part of a circle
// without end, or may do so.
func slowedDown(r *rule.Rule) bool {
	return r.Disabled || r.Cooldown > 0 || r.Limit.Count > 0 || len(r.If) > 0 ||
		r.Mode == rule.Single && r.Do.Waits() || r.Do.Disables()
}

// setOff returns the rules that hear what r sends at once.
func (s *circles) setOff(r *rule.Rule) []*rule.Rule {
	var all []*rule.Rule
	for _, e := range r.Do.Sends() {
		s.book.Find(e, func(next *rule.Rule) {
			if !slices.Contains(all, next) {
				all = append(all, next)
			}
		})
	}
	return all
}

// tell warns of a circle, unless it ends by itself because a variable has its
// value already.
func (s *circles) tell(circle []*rule.Rule) {
	for i, r := range circle {
		if !goesOn(r, circle[(i+1)%len(circle)], circle) {
			return
		}
	}
	const mend = "give one of them a cooldown or a limit, or have it wait before it sends"
	first := circle[0]
	if len(circle) == 1 {
		s.ps.Warnf(first.Triggers[0].Pos, "the rule sets itself off for ever, by what it sends; give it a cooldown or a limit, or have it wait before it sends")
		return
	}
	var names []string
	for _, r := range append(slices.Clone(circle), first) {
		names = append(names, r.Name)
	}
	s.ps.Warnf(first.Triggers[0].Pos, "rules set each other off for ever: %s; %s", strings.Join(names, " -> "), mend)
}

// goesOn reports whether r sets next off each time that the circle comes
// round: by an event, or by a variable that the circle makes something else
// in between.
func goesOn(r, next *rule.Rule, circle []*rule.Rule) bool {
	for _, e := range r.Do.Sends() {
		if hears(next, e) && (e.Topic.Kind != "var" || len(valuesOf(e.Topic.Name, circle)) > 1) {
			return true
		}
	}
	return false
}

func hears(r *rule.Rule, e *sources.Event) bool {
	found := false
	rule.NewBook([]*rule.Rule{r}).Find(e, func(*rule.Rule) { found = true })
	return found
}

// valuesOf returns the values that the rules of a circle give the variable, as
// far as they are known.
func valuesOf(variable string, circle []*rule.Rule) []string {
	var values []string
	for _, r := range circle {
		for _, e := range r.Do.Sends() {
			v, known := e.Lookup("VALUE")
			if e.Topic.Kind == "var" && e.Topic.Name == variable && known && !slices.Contains(values, v.String()) {
				values = append(values, v.String())
			}
		}
	}
	return values
}

// doubtEvents warns of rules that hear an event which nothing is seen to send
// and whose name is nearly that of one that a rule sends. Others may come from
// outside.
func (c *Configuration) doubtEvents(ps *config.Problems) {
	var sent []string
	for _, r := range c.Rules {
		sent = append(sent, r.Do.Emits()...)
		sent = append(sent, r.OnFailure.Emits()...)
	}
	heard := c.eventsHeard()
	var unheard []string // a name that rules hear as well is not what is meant
	for _, name := range sent {
		if !slices.Contains(heard, name) {
			unheard = append(unheard, name)
		}
	}
	for _, r := range c.Rules {
		for _, name := range r.Events() {
			if slices.Contains(sent, name) {
				continue
			}
			if near := config.Nearest(name, unheard); near != "" {
				ps.Warnf(r.Triggers[0].Pos, "no rule sends the event %q, and none hears %q, which one sends: is it the same?", name, near)
			}
		}
	}
}
