// SPDX-License-Identifier: MIT

// Encoder: steps of a rotary encoder from the levels of its two lines.

package gesture

import "reflexd/sources"

// Encoder counts the steps of one knob. Contacts that bounce go to and fro
// between two neighbouring levels, which makes no step: so there is no debounce, and
// must be none, since one that works a line at a time loses the order of the
// two lines.
type Encoder struct {
	table []row
	state uint8
	known bool // the levels were told of at least once
	// batch is how many steps make one gesture, ahead how many of them were
	// made: clockwise ones are positive.
	batch, ahead int
}

// row says, for the levels a<<1|b, what the next state is and what step was
// made.
type row [4]cell

type cell struct {
	next uint8
	step int8
}

// The states of the table of full steps: where in its turn the knob is, by
// the levels 00, 10, 11, 01 clockwise.
const (
	idle uint8 = iota
	ccw1
	ccw2
	ccw3
	cw1
	cw2
	cw3
)

// fullSteps tells a step when the knob is back at rest with both lines
// inactive, having passed all other levels: four edges.
var fullSteps = []row{
	idle: {{idle, 0}, {ccw1, 0}, {cw1, 0}, {idle, 0}},
	ccw1: {{idle, 0}, {ccw1, 0}, {ccw3, 0}, {ccw2, 0}},
	ccw2: {{idle, 0}, {ccw1, 0}, {ccw3, 0}, {ccw2, 0}},
	ccw3: {{idle, -1}, {idle, 0}, {ccw3, 0}, {ccw2, 0}},
	cw1:  {{idle, 0}, {cw3, 0}, {cw1, 0}, {cw2, 0}},
	cw2:  {{idle, 0}, {cw3, 0}, {cw1, 0}, {cw2, 0}},
	cw3:  {{idle, +1}, {cw3, 0}, {idle, 0}, {cw2, 0}},
}

// The states of the table of half steps: at rest with both lines inactive or
// both active, or half way from there.
const (
	low uint8 = iota
	lowCW
	lowCCW
	high
	highCW
	highCCW
)

// halfSteps tells a step at each of two places of rest: two edges.
var halfSteps = []row{
	low:     {{low, 0}, {lowCCW, 0}, {lowCW, 0}, {high, 0}},
	lowCW:   {{low, 0}, {lowCCW, 0}, {lowCW, 0}, {high, +1}},
	lowCCW:  {{low, 0}, {lowCCW, 0}, {lowCW, 0}, {high, -1}},
	high:    {{low, 0}, {highCW, 0}, {highCCW, 0}, {high, 0}},
	highCW:  {{low, +1}, {highCW, 0}, {highCCW, 0}, {high, 0}},
	highCCW: {{low, -1}, {highCW, 0}, {highCCW, 0}, {high, 0}},
}

// quarterSteps tells a step at each edge; the states are the levels.
var quarterSteps = []row{
	0b00: {{0b00, 0}, {0b01, -1}, {0b10, +1}, {0b11, 0}},
	0b01: {{0b00, +1}, {0b01, 0}, {0b10, 0}, {0b11, -1}},
	0b10: {{0b00, -1}, {0b01, 0}, {0b10, 0}, {0b11, +1}},
	0b11: {{0b00, 0}, {0b01, +1}, {0b10, -1}, {0b11, 0}},
}

// NewEncoder returns an encoder of the make that spec says.
func NewEncoder(spec sources.Encoder) *Encoder {
	e := &Encoder{table: fullSteps, batch: max(1, spec.Steps)}
	switch spec.Edges {
	case 1:
		e.table = quarterSteps
	case 2:
		e.table = halfSteps
	}
	return e
}

// Next tells the encoder of the levels of its lines. It returns +1 for a step
// clockwise (line A leads), -1 for one counter-clockwise, else 0. Levels that
// were found and not seen to change make no step.
func (e *Encoder) Next(p sources.Phase) int {
	levels := p & (sources.PhaseA | sources.PhaseB)
	if p&sources.PhaseSeen == 0 || !e.known {
		// From the state of rest the table knows where these levels lead.
		e.state, e.ahead, e.known = e.table[0][levels].next, 0, true
		return 0
	}
	c := e.table[e.state][levels]
	e.state = c.next
	if c.step == 0 {
		return 0
	}
	e.ahead += int(c.step)
	if e.ahead < e.batch && e.ahead > -e.batch {
		return 0
	}
	e.ahead = 0
	return int(c.step)
}
