// SPDX-License-Identifier: MIT

// Pulses: which edges of a line counters count.

package gpio

import (
	"fmt"

	"reflexd/config"
)

// Pulse returns which edge of a declared input is one to its active level, and
// whether the line reports those of both directions.
func (p *Plan) Pulse(name string) (edge string, both bool, err error) {
	l := p.lines[name]
	switch {
	case l == nil:
		return "", false, fmt.Errorf("no line %q is declared%s", name, config.Unknown(name, p.declaredLines().Names, "lines: {"+name+": {input: …}}"))
	case l.Kind == Output:
		return "", false, fmt.Errorf("line %s is an output: it has no pulses", name)
	}
	if edge = rising; l.Active == "low" {
		edge = falling
	}
	if l.Edges != bothEdges && l.Edges != edge {
		return "", false, fmt.Errorf("line %s is declared with edges: %s, but its pulses are %s edges, to its active level", name, l.Edges, edge)
	}
	return edge, l.Edges == bothEdges, nil
}
