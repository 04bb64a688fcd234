// SPDX-License-Identifier: MIT

// Lines without a kernel, for tests of rules: every line of the plan is there,
// and its edges come from the test. What they mean is worked out as ever.

package gpio

import (
	"fmt"

	"github.com/warthog618/go-gpiocdev/uapi"
	"golang.org/x/sys/unix"
)

// simulated are the physical levels of the lines, by their names.
type simulated map[string]levels

// noKernel is the kernel of a simulated source.
var noKernel = kernel{
	set:     func(int, bool) error { return nil },
	toInput: func(int, uapi.LineFlagV2) error { return nil },
}

// SimulateInitial makes on what the line is when it is opened. It must be
// called before the plan is applied.
func (s *Source) SimulateInitial(p *Plan, name string, on bool) error {
	l := p.lines[name]
	if l == nil {
		return undeclaredLine(p, name)
	}
	s.levels[name] = levels{on != (l.Active == "low")}
	return nil
}

// SimulateEdge makes an input on or off, now.
func (s *Source) SimulateEdge(name string, on bool) error {
	l := s.lines[name]
	if l == nil || l.output {
		return fmt.Errorf("line %s is not a declared input", name)
	}
	return s.SimulateLevel(name, on != l.activeLow())
}

// SimulateLevel makes an input high or low, now.
func (s *Source) SimulateLevel(name string, high bool) error {
	l := s.lines[name]
	if l == nil || l.output {
		return fmt.Errorf("line %s is not a declared input", name)
	}
	if s.levels[name][0] == high {
		return nil
	}
	s.levels[name] = levels{high}
	if l.edges == bothEdges || (l.edges == rising) == high {
		l.edge(s.host.Loop.Now(), 0, high)
	}
	return nil
}

// Declared returns the name under which the line called name is declared, if it
// is by that name or as that line; else name.
func (p *Plan) Declared(name string) string {
	if p.lines[name] != nil {
		return name
	}
	for _, declared := range p.Names() {
		if p.Spec(declared) == name {
			return declared
		}
	}
	return name
}

// SimulateTurn turns an encoder by so many events' worth of steps, negative
// counter-clockwise, now.
func (s *Source) SimulateTurn(name string, events int) error {
	for _, r := range s.requests {
		if e, ok := r.user.(*encoder); ok && r.name == name {
			e.simulateTurn(events)
			return nil
		}
	}
	return fmt.Errorf("no encoder %q is declared", name)
}

// simulateTurn makes the edges of the two lines: clockwise, A changes first.
func (e *encoder) simulateTurn(events int) {
	edges, first := events*e.edgesPerEvent, 0
	if edges < 0 {
		edges, first = -edges, 1
	}
	for range edges {
		i := first
		if e.last[0] != e.last[1] { // the other one follows
			i = 1 - first
		}
		e.edge(e.source.host.Loop.Now(), i, !e.last[i])
	}
}

// openSimulated opens r without a chip.
func (r *request) openSimulated() error {
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a simulated line: %w", err)
	}
	r.fd, r.node, r.label, r.settled = fd, "gpiochip0", "simulated", true
	if _, known := r.source.levels[r.name]; !known {
		idle := r.activeLow()
		r.source.levels[r.name] = levels{idle, idle}
	}
	r.readAt = r.source.host.Loop.Now()
	r.user.found(r.source.levels[r.name])
	return nil
}

// undeclaredLine says that no line has the name.
func undeclaredLine(p *Plan, name string) error {
	return fmt.Errorf("no line %q is declared", name)
}
