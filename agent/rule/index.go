// SPDX-License-Identifier: MIT

// Index: which rules an event may fire.

package rule

import (
	"slices"

	"reflexd/sources"
)

// Index finds the rules that an event may fire, by its topic. It does not change after
// NewIndex, but for what it remembers of the event before: the next is often of the same
// thing.
type Index struct {
	Rules []*Rule
	kinds map[string]*kindIndex
	last  *kindIndex
	hits  []int // scratch
	view  view
	// Missed, if not nil, is called for each trigger that is about an event but
	// whose Where does not take it.
	Missed func(*Rule, *sources.Trigger, *sources.Event)
}

// kindIndex is the part of an Index for the topics of one kind.
type kindIndex struct {
	kind  string
	any   *nameIndex // the topics without a name; nil without any
	names map[string]*nameIndex
	last  *nameIndex
}

// nameIndex is the part of a kindIndex for the topics of one name.
type nameIndex struct {
	name   string
	any    []entry // whatever the state
	few    []stateIndex
	states map[string][]entry // instead of few, where there are more than mostFew
}

// mostFew is how many states are compared one by one, which is faster than a map.
const mostFew = 8

type stateIndex struct {
	state   string
	entries []entry
}

// entry is a trigger of the rule with that number.
type entry struct {
	rule    int
	trigger *sources.Trigger
}

// NewIndex indexes rules, but for triggers that wait for a state to last.
func NewIndex(rules []*Rule) *Index {
	b := &Index{Rules: rules, kinds: map[string]*kindIndex{}}
	for i, r := range rules {
		for j := range r.Triggers {
			t := &r.Triggers[j]
			if t.Lasting.For > 0 {
				continue // it does not fire when the state begins
			}
			for _, topic := range t.Topics {
				b.kind(topic.Kind).at(topic.Name).add(topic.State, entry{i, t})
			}
		}
	}
	return b
}

func (b *Index) kind(kind string) *kindIndex {
	k := b.kinds[kind]
	if k == nil {
		k = &kindIndex{kind: kind, names: map[string]*nameIndex{}}
		b.kinds[kind] = k
	}
	return k
}

func (k *kindIndex) at(name string) *nameIndex {
	n := k.names[name]
	if n == nil {
		n = &nameIndex{name: name}
		k.names[name] = n
		if name == "" {
			k.any = n
		}
	}
	return n
}

func (n *nameIndex) add(state string, e entry) {
	if state == "" {
		n.any = append(n.any, e)
		return
	}
	if n.states != nil {
		n.states[state] = append(n.states[state], e)
		return
	}
	i := slices.IndexFunc(n.few, func(s stateIndex) bool { return s.state == state })
	if i < 0 {
		i, n.few = len(n.few), append(n.few, stateIndex{state: state})
	}
	n.few[i].entries = append(n.few[i].entries, e)
	if len(n.few) > mostFew {
		n.states = map[string][]entry{}
		for _, s := range n.few {
			n.states[s.state] = s.entries
		}
		n.few = nil
	}
}

// Find calls fire for each rule that hears e, in the order of the
// configuration and once, however many of its triggers match. It looks only
// at rules that are indexed under e's topic, and allocates nothing.
func (b *Index) Find(e *sources.Event, fire func(*Rule)) {
	k := b.last
	if k == nil || k.kind != e.Topic.Kind {
		if k = b.kinds[e.Topic.Kind]; k == nil {
			return
		}
		b.last = k
	}
	if e.Topic.State == "" {
		return
	}
	b.hits = b.hits[:0]
	if e.Topic.Name != "" && (len(k.names) > 1 || k.any == nil) {
		n := k.last
		if n == nil || n.name != e.Topic.Name {
			if n = k.names[e.Topic.Name]; n != nil {
				k.last = n
			}
		}
		if n != nil {
			b.look(n, e)
		}
	}
	if k.any != nil {
		b.look(k.any, e)
	}
	if len(b.hits) > 1 {
		slices.Sort(b.hits)
	}
	last := -1
	for _, i := range b.hits {
		if i != last {
			fire(b.Rules[i])
		}
		last = i
	}
}

// look looks for triggers on the state of e.
func (b *Index) look(n *nameIndex, e *sources.Event) {
	b.match(n.any, e)
	for i := range n.few {
		if n.few[i].state == e.Topic.State {
			b.match(n.few[i].entries, e)
			return
		}
	}
	if n.states != nil {
		b.match(n.states[e.Topic.State], e)
	}
}

func (b *Index) match(entries []entry, e *sources.Event) {
	for _, entry := range entries {
		switch t, seen := entry.trigger, b.view.of(b.Rules[entry.rule], e); {
		case t.Match != nil && !t.Match(seen):
		case t.Where.Match(seen):
			b.hits = append(b.hits, entry.rule)
		case b.Missed != nil:
			b.Missed(b.Rules[entry.rule], t, seen)
		}
	}
}
