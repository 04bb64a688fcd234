// SPDX-License-Identifier: MIT

// Links without a kernel, for tests of rules.

package link

import (
	"fmt"

	"reflexd/sources"
)

// SimulateLink makes a link up, down or removed, now, or before the plan is
// applied what it is at the start. A link that is new is added.
func (s *Source) SimulateLink(called, is string) error {
	if len(called) > nameMost {
		return fmt.Errorf("%q is longer than any link name", called)
	}
	l := link{index: len(s.table.links) + 1, mtu: 1500}
	copy(l.name[:], called)
	for _, known := range s.table.links {
		if known.name == l.name {
			l = known
		}
	}
	var events []event
	switch is {
	case removed:
		events = s.table.remove(nil, l.index)
	case up, down, added:
		l.up = is == up
		events = s.table.set(nil, l)
	default:
		return fmt.Errorf("a link cannot be made %q in a test: it is up, down, added or removed", is)
	}
	if s.known {
		s.emit(events, sources.Begins, false)
	}
	return nil
}
