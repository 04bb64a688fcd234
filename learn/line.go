// SPDX-License-Identifier: MIT

// GPIO lines: what is wired to one, concluded from its edges.

package learn

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// edge is a change of a line's physical level.
type edge struct {
	at   time.Duration
	high bool
}

// wire is what was seen of one line.
type wire struct {
	name   string // by which it was asked for
	chip   string // the chip's label
	offset int
	edges  []edge // in order of time; each to another level than the one before
}

// restsHigh reports whether the level was high before the first edge.
func (w *wire) restsHigh() bool { return !w.edges[0].high }

func (w *wire) last() edge { return w.edges[len(w.edges)-1] }

// wires returns the lines of which edges were seen.
func (b *Burst) wires() []*wire {
	var all []*wire
	for _, e := range b.events {
		i := slices.IndexFunc(all, func(w *wire) bool { return w.name == e.Topic.Name })
		if i < 0 {
			i = len(all)
			all = append(all, &wire{name: e.Topic.Name, chip: text(e, "CHIP"), offset: int(number(e, "OFFSET"))})
		}
		all[i].add(edge{e.Time, e.Topic.State == "rising"})
	}
	return all
}

func (w *wire) add(e edge) {
	if len(w.edges) == 0 || w.last().high != e.high {
		w.edges = append(w.edges, e)
	}
}

// linesRest reports whether all lines are back where they were.
func (b *Burst) linesRest() bool {
	return !slices.ContainsFunc(b.wires(), func(w *wire) bool { return w.last().high != w.restsHigh() })
}

// bounceGap is the longest pause between two edges of one contact's closing or
// opening. No finger is as fast.
const bounceGap = 20 * time.Millisecond

// trains returns the edges in groups without a longer pause.
func (w *wire) trains() [][]edge {
	var trains [][]edge
	from := 0
	for i := 1; i <= len(w.edges); i++ {
		if i == len(w.edges) || w.edges[i].at-w.edges[i-1].at > bounceGap {
			trains = append(trains, w.edges[from:i])
			from = i
		}
	}
	return trains
}

func length(train []edge) time.Duration { return train[len(train)-1].at - train[0].at }

// strokes returns what is left without the bounce, as presses of a button
// that is at rest where the line began; bounce is how long it bounced at most.
func (w *wire) strokes() (strokes []stroke, bounce time.Duration) {
	rest := w.restsHigh()
	for _, train := range w.trains() {
		bounce = max(bounce, length(train))
		end := train[len(train)-1].high
		switch {
		case end == rest: // it only flickered
		case end != w.restsHigh():
			strokes = append(strokes, stroke{button: w.name, down: train[0].at})
		default:
			strokes[len(strokes)-1].up = train[0].at
		}
		rest = end
	}
	return strokes, bounce
}

// Neither makes a hand on one line: so many edges, or bounce for so long.
const (
	busyEdges     = 200
	longestBounce = 100 * time.Millisecond
)

// lines concludes what was done with the lines.
func (b *Burst) lines(world *World) []*fragment {
	var all []*fragment
	wires := b.wires()
	for {
		a, c, turns := knob(wires)
		if a == nil {
			break
		}
		all = append(all, world.encoder(a, c, turns))
		wires = slices.DeleteFunc(wires, func(w *wire) bool { return w == a || w == c })
	}
	for _, w := range wires {
		all = append(all, world.line(w))
	}
	return all
}

// line concludes what is wired to one line.
func (world *World) line(w *wire) *fragment {
	strokes, bounce := w.strokes()
	switch {
	case len(w.edges) >= busyEdges || bounce >= longestBounce || len(strokes) == 0:
		return world.signal(w)
	case w.last().high != w.restsHigh():
		return world.contact(w, bounce)
	}
	return world.button(w, strokes, bounce)
}

// button is what comes back to where it was.
func (world *World) button(w *wire, strokes []stroke, bounce time.Duration) *fragment {
	words, is := gestureOf(strokes)
	f := newFragment("line", "% %. It rests %.", Printable(w.name), words, level(w.restsHigh()))
	more := ""
	if !w.restsHigh() {
		more = ", active: high"
	}
	more += world.bias("pull-up") + f.debounce(bounce, usualDebounce)
	if world.Bias == "" && w.restsHigh() {
		f.note("`bias: pull-up`, the default of a button, is for a contact to ground without its own resistor.")
	}
	f.line(world, w, "button", more, is, "${LINE}: ${REFLEXD_EVENT}")
	return f
}

// usualDebounce is that of a button that says nothing of it.
const usualDebounce = 10 * time.Millisecond

// contact is what stays where it was put: a switch, a door.
func (world *World) contact(w *wire, bounce time.Duration) *fragment {
	f := newFragment("line", "% went % and stayed there.", Printable(w.name), level(w.last().high))
	more := world.bias("as-is") + f.debounce(bounce, 0)
	f.line(world, w, "input", more, "changed\n"+w.last().word(), "${LINE} is ${LEVEL}")
	return f
}

// signal is what no hand does: pulses that are over sooner than a contact
// bounces, or edges without end.
func (world *World) signal(w *wire) *fragment {
	span := w.last().at - w.edges[0].at
	f := newFragment("line", "% changed % times in %.", Printable(w.name), strconv.Itoa(len(w.edges)), span.String())
	if span >= longestBounce {
		f.note("No hand does that: it is a signal, or an open wire that needs a bias.")
	} else {
		f.note("That is too fast for a button: a debounce would hide it.")
	}
	f.line(world, w, "input", world.bias("as-is"), w.edges[0].word()+"\nchanged", "${LINE} is ${LEVEL}")
	return f
}

// line declares a line of the kind, and adds a rule for what `is` may ask for.
func (f *fragment) line(world *World, w *wire, kind, more, is, log string) {
	name := slug(w.name, "line")
	f.section("lines", name, fill("{%: %%}", kind, Word(world.spec(w)), more))
	f.rule("line: "+name+", is: %", is)
	f.log(log)
}

func (e edge) word() string {
	if e.high {
		return "rising"
	}
	return "falling"
}

func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

// debounce returns the field that outlasts a contact's bounce, where the usual
// one does not.
func (f *fragment) debounce(bounce, usual time.Duration) string {
	if bounce == 0 {
		return ""
	}
	f.note("It bounced for up to %.", bounce.Round(10*time.Microsecond).String())
	const step = 5 * time.Millisecond
	if wanted := (2*bounce + step - 1).Truncate(step); wanted > usual {
		return ", debounce: " + wanted.String()
	}
	return ""
}

// bias returns the field for the resistor with which lines were watched, where
// that is not the usual one.
func (world *World) bias(usual string) string {
	bias := cmp.Or(world.Bias, "as-is")
	if bias == usual {
		return ""
	}
	return ", bias: " + bias
}

// spec returns the LINE that finds w again: what it was asked for by, unless
// that was a chip's number, which may be another after the next boot.
func (world *World) spec(w *wire) string {
	if !strings.HasPrefix(w.name, "gpiochip") {
		return w.name
	}
	for i := range world.Chips {
		if c := &world.Chips[i]; c.Label == w.chip && w.offset < len(c.Lines) {
			return lineSpec(world.Lines, c, &c.Lines[w.offset])
		}
	}
	return w.name
}
