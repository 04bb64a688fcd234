// SPDX-License-Identifier: MIT

// Outputs: setting lines, and asking what they are.

package gpio

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Set makes the output name on or off, logically: with active: low, on is the
// low level. It returns when the line is set, which behind I²C takes about a
// millisecond, and allocates nothing. While the line is waited for it fails,
// and the line will begin with the value when it opens.
func (s *Source) Set(name string, on bool) error {
	l := s.byName[name]
	if l == nil || !l.output {
		return fmt.Errorf("set line %s: it is no declared output", name)
	}
	return l.set(on)
}

// Toggle makes the output name what it is not, as Set does.
func (s *Source) Toggle(name string) error {
	l := s.byName[name]
	if l == nil || !l.output {
		return fmt.Errorf("toggle line %s: it is no declared output", name)
	}
	return l.set(!l.on)
}

func (l *line) set(on bool) error {
	if l.fd < 0 {
		l.on, l.settled = on, true
		if l.idle() {
			return nil
		}
		return fmt.Errorf("line %s is not open: %w", l.decl.Name, l.cause)
	}
	err := l.source.kernel.set(l.fd, on != l.activeLow())
	if err == nil {
		l.on = on
		return nil
	}
	if err == unix.ENODEV {
		l.on = on
		l.gone(err)
	}
	return fmt.Errorf("set line %s: %w", l.decl.Name, err)
}

// Level returns the logical level of the line name: of an output the one that
// was last set, of an input with both edges the one last told by an event. It
// is not ok for a line that is not open or not declared. An input that watches
// one edge is read, which behind I²C takes about a millisecond.
func (s *Source) Level(name string) (on, ok bool) {
	l := s.byName[name]
	switch {
	case l == nil:
		return false, false
	case l.output:
		return l.on, l.fd >= 0 || l.idle()
	case l.fd < 0:
		return false, false
	case l.stateful():
		return l.pressed(), true
	}
	high, err := s.kernel.get(l.fd)
	return high != l.activeLow(), err == nil
}
