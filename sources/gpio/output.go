// SPDX-License-Identifier: MIT

// Outputs: setting lines, leaving them, and asking what lines are.

package gpio

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// Set makes the output name on or off, logically: with active: low, on is the
// low level. It returns when the line is set, which behind I²C takes about a
// millisecond, and allocates nothing unless a rule asks for the line's state:
// then it emits that, caused by cause, which is nil for who is outside. While
// the line is waited for it fails, and the line will begin with the value when
// it opens.
func (s *Source) Set(name string, on bool, cause sources.Cause) error {
	l := s.lines[name]
	if l == nil || !l.output {
		return fmt.Errorf("set line %s: it is not a declared output", name)
	}
	return l.set(on, cause)
}

// Toggle makes the output name what it is not, as Set does.
func (s *Source) Toggle(name string, cause sources.Cause) error {
	l := s.lines[name]
	if l == nil || !l.output {
		return fmt.Errorf("toggle line %s: it is not a declared output", name)
	}
	return l.set(!l.on, cause)
}

// Level returns the logical level of the line name: of an output the one that
// was last set, of an input with both edges the one last emitted. It is not ok
// for a line that is not open or not declared. An input that watches one edge is
// read, which behind I²C takes about a millisecond.
func (s *Source) Level(name string) (on, ok bool) {
	l := s.lines[name]
	if l == nil {
		return false, false
	}
	if l.output || l.stateful() || l.fd < 0 {
		return l.level()
	}
	now, err := l.read()
	return now[0] != l.activeLow(), err == nil
}

// Since returns since when the output name is what it is, by CLOCK_MONOTONIC. It
// is not ok for other lines, and for one that is not open.
func (s *Source) Since(name string) (at time.Duration, ok bool) {
	l := s.lines[name]
	if l == nil || !l.output || l.fd < 0 {
		return 0, false
	}
	return l.changed, true
}

// idle reports whether r is an output that is left alone.
func (r *request) idle() bool { return r.output && r.source.host.DryRun }

func (r *request) set(on bool) error {
	if r.fd < 0 {
		r.on, r.settled = on, true
		if r.idle() {
			return nil
		}
		return fmt.Errorf("line %s is not open: %w", r.name, r.err)
	}
	err := r.source.kernel.set(r.fd, on != r.activeLow())
	if err == nil {
		r.on = on
		return nil
	}
	if err == unix.ENODEV {
		r.on = on
		r.gone(err)
	}
	return fmt.Errorf("set line %s: %w", r.name, err)
}

// leave makes of an open output what its on_exit says.
func (r *request) leave() error {
	switch r.onExit {
	case "keep":
		return nil
	case "input":
		return r.source.kernel.toInput(r.fd, biasFlags.of(r.bias))
	}
	on := r.onExit == "on"
	return r.source.kernel.set(r.fd, on != r.activeLow())
}
