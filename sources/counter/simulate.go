// SPDX-License-Identifier: MIT

// Counters in a simulation: what they begin with, and how many pulses make a
// total. The pulses themselves are edges of their lines, as ever.

package counter

import (
	"errors"
	"fmt"

	"reflexd/sources"
)

// SimulateInitial gives a counter of p a total to begin with, before p is applied.
func (s *Source) SimulateInitial(p *Plan, name, total string) error {
	n, ok := sources.ParseNumber(total)
	switch {
	case p.counters[name] == nil:
		return undeclared(name)
	case !ok:
		return fmt.Errorf("counter %s: expected a number, found %q", name, total)
	}
	if s.given == nil {
		s.given = map[string]sources.Number{}
	}
	s.given[name] = n
	return nil
}

func undeclared(name string) error { return fmt.Errorf("no counter %q is declared", name) }

// Line returns the line whose pulses a counter counts.
func (p *Plan) Line(name string) (string, error) {
	c := p.counters[name]
	if c == nil {
		return "", undeclared(name)
	}
	return c.line, nil
}

// Until returns how many pulses a counter has to count until its total is to.
func (s *Source) Until(name string, to sources.Number) (int64, error) {
	t := s.tallies[name]
	if t == nil {
		return 0, undeclared(name)
	}
	left, err := to.Add(t.total().Neg())
	places := max(left.Places(), t.scale.Places())
	distance, ok := left.Fixed(places)
	pulse, okPulse := t.scale.Fixed(places)
	switch {
	case err != nil || !ok || !okPulse:
		return 0, errors.New("the total is too large")
	case distance < 0:
		return 0, fmt.Errorf("the total of counter %s is %s already, and pulses make it only more", name, t.total())
	case distance%pulse != 0:
		return 0, fmt.Errorf("no number of pulses makes the total of counter %s %s: it is %s, and each adds %s", name, to, t.total(), t.scale)
	}
	return distance / pulse, nil
}

// Now returns the total of a counter, and its rate if that is known.
func (s *Source) Now(name string) (total sources.Number, rate *sources.Number, err error) {
	t := s.tallies[name]
	if t == nil {
		return total, nil, undeclared(name)
	}
	if t.rate.known {
		r := t.rate.value
		rate = &r
	}
	return t.total(), rate, nil
}
