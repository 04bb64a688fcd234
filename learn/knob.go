// SPDX-License-Identifier: MIT

// Knobs: two lines that change in turn.

package learn

import "strconv"

// turning is how far a knob turned when its two lines went from one pair of
// levels to another, in edges. In a pair, 1 is not the level of rest; line a is
// the second bit. One line changes at a time.
var turning = [4][4]int{
	0b00: {0b10: 1, 0b01: -1},
	0b10: {0b11: 1, 0b00: -1},
	0b11: {0b01: 1, 0b10: -1},
	0b01: {0b00: 1, 0b11: -1},
}

// turns is how far a knob was turned, in edges of its two lines.
type turns struct {
	least, most, end int
	first            int // the way that it was turned first, 1 or -1
	edges            int
}

// travel is how far it was turned away from where it once was.
func (t *turns) travel() int { return t.most - t.least }

// likely reports whether it is a knob that was turned: noise goes here and
// there, and bounce only here and back.
func (t *turns) likely() bool {
	return t.travel() >= knobEdges && 4*t.travel() >= t.edges
}

// turned follows two lines as those of a knob.
func turned(a, b *wire) turns {
	var t turns
	pair := 0 // both are at rest
	for nextA, nextB := a.edges, b.edges; len(nextA)+len(nextB) > 0; {
		bit := 0b01
		if len(nextB) == 0 || len(nextA) > 0 && nextA[0].at <= nextB[0].at {
			bit, nextA = 0b10, nextA[1:]
		} else {
			nextB = nextB[1:]
		}
		t.take(turning[pair][pair^bit])
		pair ^= bit
	}
	return t
}

func (t *turns) take(by int) {
	t.edges++
	t.end += by
	t.least, t.most = min(t.least, t.end), max(t.most, t.end)
	if half := knobEdges / 2; t.first == 0 {
		t.first = t.end / half
	}
}

// knobEdges is how many edges in one direction make two lines a knob's: two
// whole steps. Two buttons that are pressed one over the other make one.
const knobEdges = 8

// knob finds two lines of one chip that were turned, a being the one that
// changes first; nil if there are none.
func knob(wires []*wire) (a, b *wire, t turns) {
	for i, a := range wires {
		for _, b := range wires[i+1:] {
			t := turned(a, b)
			if a.chip != b.chip || !t.likely() {
				continue
			}
			if t.first < 0 {
				return b, a, turned(b, a)
			}
			return a, b, t
		}
	}
	return nil, nil, turns{}
}

// encoder declares two lines as a knob's.
func (world *World) encoder(a, b *wire, t turns) *fragment {
	rest := t.end & 3
	steps, more := [4]string{"full", "quarter", "half", "quarter"}[rest], ""
	if rest != 0 {
		more = ", steps: " + steps
	}
	if !a.restsHigh() && !b.restsHigh() {
		more += ", active: high"
	}
	f := newFragment("encoder", "The knob at % and % was turned by % edges.", Printable(a.name), Printable(b.name), strconv.Itoa(t.travel()))
	f.note("If it counts the wrong way, swap a and b.")
	f.note("It came to rest as with `steps: %`: if it counts too many or too few, try `full`, `half` or `quarter`.", steps)
	f.section("encoders", "knob", fill("{a: %, b: %%}", Word(world.spec(a)), Word(world.spec(b)), more+world.bias("pull-up")))
	f.rule("encoder: knob, is: %", "turned\nclockwise\ncounter-clockwise")
	f.log("${ENCODER} ${DIRECTION}")
	return f
}
