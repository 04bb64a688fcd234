// SPDX-License-Identifier: MIT

// Order: rules that undo each other's outputs upon the very same event.

package lint

import (
	"maps"
	"slices"

	"reflexd/agent/rule"
	"reflexd/config"
	"reflexd/sources"
)

// occasion is an event, whatever its fields, or that its state has lasted.
type occasion struct {
	topic   sources.Topic
	lasting sources.Lasting
}

// setting is a line that is set on an occasion.
type setting struct {
	occasion
	line string
}

// latest are the latest rules that set a line on and off.
type latest map[string]*rule.Rule

// Order warns of two rules that fire upon the same event, of which the later
// undoes what the one before it did to a line.
func Order(rules []*rule.Rule, ps *config.Problems) {
	before, effort := map[setting]latest{}, 1_000_000
	for _, r := range rules {
		sets := r.Do.Sets()
		if len(sets) == 0 || r.Disabled || len(r.If) > 0 {
			continue
		}
		occasions := plain(r)
		if effort -= len(occasions) * len(sets); effort < 0 {
			return
		}
		for _, line := range slices.Sorted(maps.Keys(sets)) {
			undo(r, line, sets[line], occasions, before, ps)
		}
	}
}

// undo notes that r sets line, and warns of those before it that set it to
// something else.
func undo(r *rule.Rule, line, to string, occasions []occasion, before map[setting]latest, ps *config.Problems) {
	var undone []*rule.Rule
	for _, o := range occasions {
		s := setting{o, line}
		for was, first := range before[s] {
			if was != to && first != r && !slices.Contains(undone, first) {
				undone = append(undone, first)
				ps.Warnf(r.Pos, "rule %q fires on the same event as rule %q and sets line %s to %s, which that one sets to %s", r.Name, first.Name, line, to, was)
			}
		}
		if before[s] == nil {
			before[s] = latest{}
		}
		before[s][to] = r
	}
}

// plain are the occasions on which r fires whatever the fields are.
func plain(r *rule.Rule) []occasion {
	var all []occasion
	for i := range r.Triggers {
		t := &r.Triggers[i]
		if t.Match != nil || len(t.Where) > 0 {
			continue
		}
		for _, topic := range t.Topics {
			all = append(all, occasion{topic, t.Lasting})
		}
	}
	return all
}
