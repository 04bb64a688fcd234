// SPDX-License-Identifier: MIT

// Explaining: what a rule asks, item by item, for those who want to know why it
// fired or did not.

package rule

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// Part is one condition of a rule's `if`, as it stands there.
type Part struct {
	Text string // in one line
	At   config.Pos
}

// Parts returns the conditions of the rule, all of which must hold.
func (r *Rule) Parts() []Part {
	var all []Part
	for _, c := range r.If {
		if p, ok := c.(placed); ok {
			all = append(all, Part{p.text, p.at})
		}
	}
	return all
}

// Matching returns the numbers of the rule's triggers that e fires, or has
// fired by lasting.
func (r *Rule) Matching(e *sources.Event) []int {
	var all []int
	for i := range r.Triggers {
		t := &r.Triggers[i]
		if slices.ContainsFunc(t.Topics, func(topic sources.Topic) bool { return covers(topic, e.Topic) }) && t.Lasts(e) {
			all = append(all, i)
		}
	}
	return all
}

// covers reports whether what is indexed under topic hears an event of the
// other.
func covers(topic, of sources.Topic) bool {
	return topic.Kind == of.Kind && (topic.Name == "" || topic.Name == of.Name) && (topic.State == "" || topic.State == of.State)
}
