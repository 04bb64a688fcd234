// SPDX-License-Identifier: MIT

// Contradictions: rules whose `if` cannot hold when their `when` occurs, as
// far as their words show it.

package lint

import (
	"slices"
	"strconv"
	"strings"

	"reflexd/config"
	"reflexd/sources"
	"reflexd/sources/clock"
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
		case "sun":
			c.addSun(literals(e.Value), valueAt(n, "offset"))
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

// addSun adds where the sun is, or is once it rose or set.
func (c claims) addSun(words []string, offset config.Node) {
	var states []string
	for _, word := range words {
		switch word {
		case "rise":
			word = "up"
		case "set":
			word = "down"
		}
		states = append(states, word)
	}
	if len(states) > 0 && offset.Absent() {
		c.add("sun", states)
	}
}

func valueAt(n config.Node, key string) config.Node {
	for _, e := range n.Entries {
		if e.Key == key {
			return e.Value
		}
	}
	return config.Node{Null: true}
}

// literals returns the plain texts of a value or a list, numbers in one
// spelling; nil if it is something else, or holds something else, such as a
// reference.
func literals(n config.Node) []string {
	if n.Kind != config.List {
		if text, ok := literal(&n); ok {
			return []string{text}
		}
		return nil
	}
	var texts []string
	for i := range n.Items {
		text, ok := literal(&n.Items[i])
		if !ok {
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

// literal is literals for a single value.
func literal(n *config.Node) (text string, ok bool) {
	text = n.Text
	if n.Kind != config.Scalar || text == "" || sources.IsPattern(text) || strings.Contains(text, "${") {
		return "", false
	}
	if c := text[0]; c >= '0' && c <= '9' || c == '-' || c == '+' { // to learn that a word is no number takes longer
		if number, err := strconv.ParseInt(text, 0, 64); err == nil {
			text = strconv.FormatInt(number, 10)
		}
	}
	return text, true
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

// contradicted returns the place of the first of the conditions that cannot
// hold upon the trigger.
func contradicted(when config.Node, ifs []config.Node) (at config.Pos, found bool) {
	if at, found := outOfTime(valueAt(when, "time"), ifs); found {
		return at, true
	}
	known := claimsOf(when, true)
	for _, n := range ifs {
		if known.judge(n) == sources.No {
			return n.Pos, true
		}
		for thing, states := range claimsOf(n, false) {
			known.add(thing, states)
		}
	}
	return config.Pos{}, false
}

// Contradiction complains of a rule that never fires. whens and ifs are its
// triggers and conditions as they are written.
func Contradiction(whens, ifs []config.Node, ps *config.Problems) {
	checkTimes(ifs, ps)
	var never config.Pos
	for _, when := range whens {
		at, found := contradicted(when, ifs)
		if !found {
			return
		}
		never = at
	}
	if len(whens) > 0 {
		ps.Errorf(never, "this cannot hold when the rule's `when` matches: the rule would never fire")
	}
}

// outOfTime returns the place of the first condition `time` that holds at none
// of the times of day at which a trigger fires.
func outOfTime(times config.Node, ifs []config.Node) (at config.Pos, found bool) {
	for _, n := range ifs {
		spans := valueAt(n, "time")
		holds := func(text string) bool {
			minute, ok := clock.Minute(text)
			return !ok || spans.Absent() || inTime(spans, minute)
		}
		if texts := literals(times); len(texts) > 0 && !slices.ContainsFunc(texts, holds) {
			return n.Pos, true
		}
	}
	return config.Pos{}, false
}

// checkTimes complains of times of which there is none that is in all of them.
func checkTimes(ifs []config.Node, ps *config.Problems) {
	ifs = slices.DeleteFunc(slices.Clone(ifs), func(n config.Node) bool { return valueAt(n, "time").Absent() })
	if len(ifs) < 2 {
		return
	}
	for minute := range 24 * 60 {
		if !slices.ContainsFunc(ifs, func(n config.Node) bool { return !inTime(valueAt(n, "time"), minute) }) {
			return
		}
	}
	ps.Errorf(ifs[1].Pos, "no time of day is in all of the rule's `time` conditions: the rule would never fire")
}

// inTime reports whether the minute of the day is in one of the spans, or they
// are complained of already.
func inTime(spans config.Node, minute int) bool {
	if spans.Kind == config.Scalar {
		return clock.InSpan(spans.Text, minute)
	}
	return slices.ContainsFunc(spans.Items, func(n config.Node) bool { return clock.InSpan(n.Text, minute) })
}
