// SPDX-License-Identifier: MIT

// Events of the configuration's own that nothing sends, or that no rule matches.

package lint

import (
	"slices"

	"reflexd/agent/rule"
	"reflexd/config"
	"reflexd/sources"
)

// Subscribed returns the names of the events that rules subscribe to, sorted.
func Subscribed(rules []*rule.Rule) []string {
	var names []string
	eachSubscribed(rules, func(name string, _ *sources.Trigger) { names = append(names, name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// Listening is how many of rules match the event of that name.
func Listening(name string, rules []*rule.Rule) int {
	n := 0
	for _, r := range rules {
		if slices.Contains(Subscribed([]*rule.Rule{r}), name) {
			n++
		}
	}
	return n
}

func eachSubscribed(rules []*rule.Rule, f func(name string, t *sources.Trigger)) {
	for _, r := range rules {
		for i := range r.Triggers {
			for _, topic := range r.Triggers[i].Topics {
				if topic.Kind == "event" {
					f(topic.Name, &r.Triggers[i])
				}
			}
		}
	}
}

// mostUnmatched is how many events that no rule matches are looked through: so many
// are no slips of the pen.
const mostUnmatched = 500

// Events warns of rules that match an event which no rule sends and whose name
// is nearly that of one that is sent and that no rule matches. Others may come
// from outside.
func Events(rules []*rule.Rule, ps *config.Problems) {
	var sent []string
	for _, r := range rules {
		sent = append(append(sent, r.Do.Emits()...), r.OnFailure.Emits()...)
	}
	slices.Sort(sent)
	isSent, matched := among(sent), among(Subscribed(rules))
	unmatched := slices.DeleteFunc(slices.Compact(slices.Clone(sent)), matched)
	if len(unmatched) > mostUnmatched {
		return
	}
	effort := 1_000_000
	eachSubscribed(rules, func(name string, t *sources.Trigger) {
		if isSent(name) {
			return
		}
		if effort -= len(unmatched); effort < 0 {
			return
		}
		if near := config.Nearest(name, unmatched); near != "" {
			ps.Warnf(t.Pos, "no rule sends the event %q, and none matches %q, which one sends: do you mean the same event?", name, near)
		}
	})
}

// among returns what reports whether a name is one of those, which are sorted.
func among(sorted []string) func(string) bool {
	return func(name string) bool {
		_, found := slices.BinarySearch(sorted, name)
		return found
	}
}
