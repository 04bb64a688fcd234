// SPDX-License-Identifier: MIT

// Contradictions: rules whose `if` cannot hold when their `when` occurs, as
// far as their words show it.

package rule

import (
	"slices"
	"strconv"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// claims are what a trigger or a condition says of things: which states each
// of them may be in, by the thing's kind and name.
type claims map[string][]string

// add notes that the thing is in one of the states, beside what is known.
func (c claims) add(thing string, states []string) {
	if known, ok := c[thing]; ok {
		states = slices.DeleteFunc(slices.Clone(states), func(s string) bool { return !slices.Contains(known, s) })
	}
	c[thing] = states
}

// allow says whether what other claims follows from c (Yes) or contradicts it
// (No).
func (c claims) allow(other claims) sources.Truth {
	all := sources.Yes
	for thing, states := range other {
		known, ok := c[thing]
		in := func(s string) bool { return slices.Contains(states, s) }
		switch {
		case !ok || len(known) == 0:
			all = min(all, sources.Unknown)
		case !slices.ContainsFunc(known, in):
			return sources.No
		case slices.ContainsFunc(known, func(s string) bool { return !in(s) }):
			all = min(all, sources.Unknown)
		}
	}
	return all
}

// isUp and isDown are the words of `is` by which a button, or a device, is
// known to be in a state at the time of the event.
var (
	isDown = []string{"pressed", "held", "repeated", "on"}
	isUp   = []string{"released", "off"}
)

// claimsOf returns what the words of a trigger or condition claim. Patterns and
// comparisons claim nothing.
func claimsOf(n config.Node, isTrigger bool) claims {
	c := claims{}
	is := literals(valueAt(n, "is"))
	for _, e := range n.Entries {
		switch name := e.Value.Text; e.Key {
		case "line":
			c.addState("line "+name, is)
		case "key":
			from := valueAt(n, "from").Text
			if isTrigger && slices.Contains(is, "released") {
				continue // it may be down on another device
			}
			c.addState("key "+name+" "+from, is)
			if isTrigger {
				c.addState("key "+name+" ", is)
			}
		case "input":
			if len(is) == 1 && (is[0] == "present" || is[0] == "absent") {
				c.add("input "+name, is)
			}
		case "var":
			if len(is) > 0 {
				c.add("var "+name, is)
			}
		case "where", "uevent":
			for _, field := range e.Value.Entries {
				if values := literals(field.Value); len(values) > 0 {
					c.add("field "+field.Key, values)
				}
			}
		}
	}
	return c
}

// addState adds that a button is down or up, if is says nothing else.
func (c claims) addState(thing string, is []string) {
	only := func(words []string) bool {
		return len(is) > 0 && !slices.ContainsFunc(is, func(s string) bool { return !slices.Contains(words, s) })
	}
	switch {
	case only(isDown):
		c.add(thing, []string{"on"})
	case only(isUp):
		c.add(thing, []string{"off"})
	}
}

func valueAt(n config.Node, key string) config.Node {
	for _, e := range n.Entries {
		if e.Key == key {
			return e.Value
		}
	}
	return config.Node{}
}

// literals returns the plain texts of a value or a list, numbers in one
// spelling; nil if it is something else, or holds something else.
func literals(n config.Node) []string {
	items := []config.Node{n}
	if n.Kind == config.List {
		items = n.Items
	}
	var texts []string
	for _, item := range items {
		text := item.Text
		if item.Kind != config.Scalar || text == "" || strings.ContainsAny(text, "*?[") {
			return nil
		}
		if number, err := strconv.ParseInt(text, 0, 64); err == nil {
			text = strconv.FormatInt(number, 10)
		}
		texts = append(texts, text)
	}
	return texts
}

// judge says whether a condition holds (Yes) or cannot (No) where c is known.
func (c claims) judge(n config.Node) sources.Truth {
	if len(n.Entries) == 1 && n.Entries[0].Key == "any" {
		items := n.Entries[0].Value.Items
		if len(items) == 0 {
			return sources.Unknown // complained of
		}
		most := sources.No
		for _, item := range items {
			most = max(most, c.judge(item))
		}
		return most
	}
	if len(n.Entries) == 1 && n.Entries[0].Key == "not" {
		return -c.judge(n.Entries[0].Value)
	}
	other := claimsOf(n, false)
	says := c.allow(other)
	if fields := valueAt(n, "where").Entries; len(other) == 0 || len(other) < len(fields) {
		says = min(says, sources.Unknown) // it asks for more
	}
	return says
}

// contradicted returns the first of the conditions that cannot hold upon the
// trigger.
func contradicted(when config.Node, ifs []*ifSpec) (found *ifSpec) {
	known := claimsOf(when, true)
	for _, s := range ifs {
		if known.judge(s.node) == sources.No {
			return s
		}
		for thing, states := range claimsOf(s.node, false) {
			known.add(thing, states)
		}
	}
	return nil
}

// checkContradictions complains of a rule that never fires.
func (c *Compiler) checkContradictions(s *Spec) {
	c.checkTimes(s.ifs)
	var never *ifSpec
	for _, t := range s.triggers {
		if never = contradicted(t.node, s.ifs); never == nil {
			return
		}
	}
	if never != nil {
		c.Problems.Errorf(never.pos, "this does not hold when the rule's `when` occurs: the rule would never fire")
	}
}

// checkTimes complains of times of which there is none that is in all of them.
func (c *Compiler) checkTimes(ifs []*ifSpec) {
	var left []bool // the minutes of the day
	for _, s := range ifs {
		node := valueAt(s.node, "time")
		items := []config.Node{node}
		if node.Kind == config.List {
			items = node.Items
		}
		var spans []span
		for _, item := range items {
			if span, err := parseSpan(item.Text); err == nil {
				spans = append(spans, span)
			}
		}
		if len(spans) == 0 {
			continue
		}
		if left == nil {
			left = slices.Repeat([]bool{true}, wholeDay)
		}
		for minute := range left {
			left[minute] = left[minute] && slices.ContainsFunc(spans, func(s span) bool { return s.holds(minute) })
		}
		if !slices.Contains(left, true) {
			c.Problems.Errorf(s.pos, "there is no time of the day that is in all of the rule's `time` conditions: the rule would never fire")
			return
		}
	}
}

// holds reports whether the minute of some day is in s.
func (s span) holds(minute int) bool {
	if s.from < s.to {
		return s.from <= minute && minute < s.to
	}
	return minute >= s.from || minute < s.to
}
