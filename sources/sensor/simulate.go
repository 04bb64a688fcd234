// SPDX-License-Identifier: MIT

package sensor

import (
	"fmt"

	"reflexd/sources"
)

// Absent is the value that makes a simulated sensor unreadable.
const Absent = absent

// SimulateInitial says what a sensor of p begins with, before p is applied.
func (s *Source) SimulateInitial(p *Plan, name, text string) error {
	if _, err := p.simulated(name, text); err != nil {
		return err
	}
	if s.given == nil {
		s.given = map[string]string{}
	}
	s.given[name] = text
	return nil
}

// begin gives sensors what a simulation begins with. Others are not known before
// a step gives them a value.
func (s *Source) begin(fresh []*node) {
	for _, n := range fresh {
		if text, ok := s.given[n.name]; ok {
			delete(s.given, n.name)
			v, _ := s.plan.simulated(n.name, text)
			n.simulate(v, text)
		}
	}
}

// SimulateSensor gives a sensor a value in its unit, or makes it Absent. One that
// is filtered was through the sensor's filter already.
func (s *Source) SimulateSensor(name, text string, filtered bool) error {
	v, err := s.plan.simulated(name, text)
	if err != nil {
		return err
	}
	n := s.nodes[name]
	if n == nil {
		return fmt.Errorf("no rule uses the sensor %q", name)
	}
	if filtered {
		n.window = n.window[:0]
	}
	n.simulate(v, text)
	return nil
}

func (n *node) simulate(v value, text string) {
	if text == absent {
		n.lose(notThere("simulated"))
	} else {
		u := n.expected()
		if n.named {
			u.name = n.settings.unit
		}
		n.measure(v, u.name, text)
	}
	n.tried = true
}

// simulated returns the value that text is.
func (p *Plan) simulated(name, text string) (value, error) {
	d := p.sensors[name]
	number, ok := sources.ParseNumber(text)
	switch {
	case d == nil:
		return value{}, fmt.Errorf("no sensor %q is declared", name)
	case text == absent || ok && text != "":
	case d.kind == path || d.kind == powerSupply:
	default:
		return value{}, fmt.Errorf("sensor %s: expected a number or absent, found %q", name, text)
	}
	if ok {
		return numeric(number), nil
	}
	return value{text: text}, nil
}
