// SPDX-License-Identifier: MIT

// Seeking: of many triggers on one topic, those that ask for literals are looked up by
// what the event has, so that it costs the same however many there are. See
// docs/decisions/046-index-by-where.md.

package rule

import "reflexd/sources"

// mostWalked is how many triggers are compared one by one. To look them up is faster
// from three on, but what the conditions of their rules would have said of what they miss
// is not known any more then.
const mostWalked = 8

// mostGroups is how many fields of an event are looked up.
const mostGroups = 8

// list has the triggers on a topic.
type list struct {
	walked  []entry // that are compared one by one
	*sought         // the others; nil for none
}

// sought are triggers that are looked up.
type sought struct {
	groups []group
	// notes says that some of them refuse events by their Where. Their rules take that
	// down when they need to know it; until then the last events are kept.
	notes  bool
	recent [2 * remembered]noted
	next   int // the place in recent of the oldest
}

// group are triggers that ask for literals of the same field.
type group struct {
	field string
	keys  map[string][]entry // see sources.Literals
}

// noted is an event that is kept; the zero value is none.
type noted struct {
	*Kept
	number uint64 // of all that were noted
}

// sort moves those of the triggers to be looked up for which that is worth it.
func (l *list) sort(rules []*Rule, mostWalked int) {
	s := &sought{}
	for len(s.groups) < mostGroups {
		g := group{differing(l.walked, mostWalked), map[string][]entry{}}
		if g.field == "" {
			break
		}
		all := l.walked
		l.walked = nil
		for _, e := range all {
			asked, ok := e.trigger.Literals(g.field)
			if !ok {
				l.walked = append(l.walked, e)
				continue
			}
			asked.Keys(func(key string) {
				if there := g.keys[key]; len(there) == 0 || there[len(there)-1] != e {
					g.keys[key] = append(there, e)
				}
			})
			if asked.Refused {
				s.notes, rules[e.rule].misses = true, true
			}
		}
		s.groups = append(s.groups, g)
		l.sought = s
	}
}

// differing returns the field of which the triggers ask for the most values; "" if
// these are few.
func differing(entries []entry, mostWalked int) (best string) {
	values := map[string]map[string]bool{}
	most := mostWalked
	for _, e := range entries {
		for _, field := range e.trigger.Asked() {
			asked, ok := e.trigger.Literals(field)
			if !ok {
				continue
			}
			of := values[field]
			if of == nil {
				of = map[string]bool{}
				values[field] = of
			}
			asked.Keys(func(key string) { of[key] = true })
			if len(of) > most {
				best, most = field, len(of)
			}
		}
	}
	return best
}

// of returns the group of t, and what it asks of its field; nil if it is in none.
func (s *sought) of(t *sources.Trigger) (*group, sources.Literals) {
	for i := range s.groups {
		if asked, ok := t.Literals(s.groups[i].field); ok {
			return &s.groups[i], asked
		}
	}
	return nil, sources.Literals{}
}

// list returns the triggers on exactly that topic; nil for none.
func (b *Index) list(topic sources.Topic) *list {
	k := b.kinds[topic.Kind]
	if k == nil || k.names[topic.Name] == nil {
		return nil
	}
	return k.names[topic.Name].find(topic.State)
}

// seek tries the triggers that ask for what e has.
func (b *Index) seek(s *sought, e *sources.Event) {
	for i := range s.groups {
		g := &s.groups[i]
		if key, ok := e.Key(g.field, b.room[:]); ok {
			b.match(&list{walked: g.keys[key]}, e)
		}
	}
	if s.notes && b.runner != nil {
		s.note(&b.runner.copies, e)
	}
}

// note keeps e.
func (s *sought) note(c *copies, e *sources.Event) {
	n := &s.recent[s.next]
	s.next = (s.next + 1) % len(s.recent)
	c.drop(n.Kept)
	c.noted++
	n.Kept, n.number = c.of(e), c.noted
}

// miss is an event that a trigger is about and that its Where has refused.
type miss struct {
	noted
	trigger *sources.Trigger
}

// missed adds to all, which are in their order, the events after the one of that number
// that were not shown to t because its Where does not take them.
func (s *sought) missed(all []miss, t *sources.Trigger, after uint64, room []byte) []miss {
	g, asked := s.of(t)
	if g == nil || !asked.Refused {
		return all
	}
	for _, n := range s.recent {
		if n.number <= after {
			continue
		}
		key, ok := n.Event.Key(g.field, room)
		cut := !ok && n.all > len(n.fields) // it may have had the field
		if !(ok && asked.Has(key)) && !cut && (t.Match == nil || t.Match(&n.Event)) {
			all = append(all, miss{n, t})
			for i := len(all) - 1; i > 0 && all[i-1].number > n.number; i-- {
				all[i-1], all[i] = all[i], all[i-1]
			}
		}
	}
	return all
}

// settle takes down what the rule of p has missed since it was last asked for. What
// its conditions would have answered is not known any more.
func (r *Runner) settle(p *progress) {
	if p.rule == nil || !p.rule.misses || p.settled == r.copies.noted {
		return
	}
	r.missed = r.missed[:0]
	for i := range p.rule.Triggers {
		t := &p.rule.Triggers[i]
		for _, topic := range t.Topics {
			if l := r.index.list(topic); l != nil && l.sought != nil && t.Lasting.For == 0 {
				r.missed = l.missed(r.missed, t, p.settled, r.index.room[:])
			}
		}
	}
	p.settled = r.copies.noted
	for _, m := range r.missed {
		rec := r.record(&p.history.others, p.rule, &m.Event, Missed, "")
		rec.Trigger = m.trigger
		rec.answers.forget()
		rec.Kept = m.Kept
		m.records++
	}
}
