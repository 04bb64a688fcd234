// SPDX-License-Identifier: MIT

// Links without a kernel, for tests of rules.

package link

import (
	"fmt"

	"reflexd/sources"
)

// SimulateLink makes something happen to a link, now, or before the plan is
// applied says what it is at the start. A link that is new is added. more are
// further fields: PREVIOUS of one that was renamed, MTU and the like of one that
// changed, ADDRESS and the like of addresses.
func (s *Source) SimulateLink(called, is string, more []sources.Field) error {
	if len(called) > nameMost {
		return fmt.Errorf("%q is longer than any link name", called)
	}
	l, _ := s.called(called)
	var events []event
	switch is {
	case removed:
		events = s.table.remove(nil, l.index)
	case up, down, added:
		l.up = is == up
		events = s.table.set(nil, l)
	case renamed:
		previous, _ := (&sources.Event{Fields: more}).Lookup("PREVIOUS")
		var known bool
		if l, known = s.called(previous.String()); !known {
			return fmt.Errorf("no link was called %q: say so in fields: {PREVIOUS: NAME}", previous)
		}
		l.name = nameOf(called)
		events = s.table.set(nil, l)
	case changed, addressAdded, addressRemoved:
		s.fill(&event{state: is, link: l})
		e := &sources.Event{Time: s.host.Loop.Now(), Topic: sources.Topic{Kind: "link", Name: called, State: is}, Source: "link:" + called,
			Fields: sources.Overlay(s.fields, more)}
		if s.known {
			s.host.Emit(e.Clone())
		}
		return nil
	default:
		return fmt.Errorf("a link never becomes %q", is)
	}
	if s.known {
		s.emit(events, sources.Begins, false)
	}
	return nil
}

// called returns the link of that name, a new one if there is none.
func (s *Source) called(text string) (l link, known bool) {
	wanted := nameOf(text)
	for _, l := range s.table.links {
		if l.name == wanted {
			return l, true
		}
	}
	return link{index: len(s.table.links) + 1, mtu: 1500, name: wanted}, false
}

func nameOf(text string) (n name) {
	copy(n[:], text)
	return n
}
