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
	room  [sources.MostDigits]byte // scratch
	// runner is told of the triggers that are about an event but whose Where
	// does not take it; nil for nobody.
	runner *Runner
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
	any    list // whatever the state
	few    []stateIndex
	states map[string]*list // instead of few, where there are more than mostFew
}

// mostFew is how many states are compared one by one, which is faster than a map.
const mostFew = 8

type stateIndex struct {
	state string
	list  *list
}

// entry is a trigger of the rule with that number.
type entry struct {
	rule    int
	trigger *sources.Trigger
}

// NewIndex indexes rules, but for triggers that wait for a state to last.
func NewIndex(rules []*Rule) *Index { return newIndex(rules, mostWalked) }

// newIndex is NewIndex with another mostWalked.
func newIndex(rules []*Rule, mostWalked int) *Index {
	b := &Index{Rules: rules, kinds: map[string]*kindIndex{}}
	var long []*list
	for i, r := range rules {
		for j := range r.Triggers {
			t := &r.Triggers[j]
			if t.Lasting.For > 0 {
				continue // it does not fire when the state begins
			}
			for _, topic := range t.Topics {
				l := b.kind(topic.Kind).at(topic.Name).of(topic.State)
				l.walked = append(l.walked, entry{i, t})
				if len(l.walked) == mostWalked+1 && topic.Kind != encoder { // there, rules differ in what they see
					long = append(long, l)
				}
			}
		}
	}
	for _, l := range long {
		l.sort(rules, mostWalked)
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

// of returns the list for a state, which it makes if there is none.
func (n *nameIndex) of(state string) *list {
	l := n.find(state)
	if l != nil {
		return l
	}
	l = &list{}
	if n.few = append(n.few, stateIndex{state, l}); n.states == nil && len(n.few) <= mostFew {
		return l
	}
	if n.states == nil {
		n.states = map[string]*list{}
	}
	for _, s := range n.few {
		n.states[s.state] = s.list
	}
	n.few = nil
	return l
}

// find returns the list for a state, nil if there is none.
func (n *nameIndex) find(state string) *list {
	if state == "" {
		return &n.any
	}
	for i := range n.few {
		if n.few[i].state == state {
			return n.few[i].list
		}
	}
	if n.states == nil {
		return nil
	}
	return n.states[state]
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
	if b.runner != nil {
		b.runner.copies.fresh = true
	}
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

// WouldFind is Find for an event that has not happened yet: nobody takes down that it
// was missed.
func (b *Index) WouldFind(e *sources.Event, fire func(*Rule)) {
	r := b.runner
	b.runner = nil
	b.Find(e, fire)
	b.runner = r
}

// look looks for triggers on the state of e.
func (b *Index) look(n *nameIndex, e *sources.Event) {
	if l := &n.any; len(l.walked) > 0 || l.sought != nil {
		b.match(l, e)
	}
	if l := n.find(e.Topic.State); l != nil {
		b.match(l, e)
	}
}

func (b *Index) match(l *list, e *sources.Event) {
	for _, entry := range l.walked {
		switch t, seen := entry.trigger, b.view.of(b.Rules[entry.rule], e); {
		case t.Match != nil && !t.Match(seen):
		case t.Where.Match(seen):
			b.hits = append(b.hits, entry.rule)
		case b.runner != nil:
			b.runner.miss(b.Rules[entry.rule], t, seen)
		}
	}
	if l.sought != nil {
		b.seek(l.sought, e)
	}
}
