// SPDX-License-Identifier: MIT

// Plan: the lines that a configuration declares.

package gpio

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"reflexd/board"
	"reflexd/config"
	"reflexd/sources"
)

// What a line can be declared as. A button is an input with other defaults.
const (
	Input  = "input"
	Output = "output"
	Button = "button"
)

// Edges, and the states of a line in Topic.State.
const (
	bothEdges = "both"
	rising    = "rising"
	falling   = "falling"
)

// Line is one declared line. All its words are those of the configuration.
type Line struct {
	Name string     // what rules call it
	At   config.Pos // where it is declared
	Spec string     // LINE: which line of which chip it is
	Kind string     // Input, Output, Button or Knob

	SpecB   string          // LINE B of an encoder
	Encoder sources.Encoder // its make

	Bias     string         // pull-up, pull-down, disabled, as-is
	Active   string         // high or low: the physical level that counts as on or pressed
	Drive    string         // push-pull, open-drain, open-source; of an output
	Edges    string         // both, rising, falling; of an input
	Debounce time.Duration  // by the kernel; of an input
	Initial  bool           // logical level of an output when it is first opened
	OnExit   string         // keep, on, off, input: what an output is left as
	Timing   sources.Timing // by which gestures of an input are told apart
}

// NewLine returns a line of the kind with its defaults.
func NewLine(kind, name, spec string) Line {
	l := Line{Name: name, Spec: spec, Kind: kind, Bias: "as-is", Active: "high"}
	switch kind {
	case Output:
		l.Drive, l.OnExit = "push-pull", "keep"
	case Button:
		l.Bias, l.Active, l.Edges, l.Debounce = "pull-up", "low", bothEdges, buttonDebounce
	default:
		l.Edges = bothEdges
	}
	return l
}

// buttonDebounce outlasts the bounce of most switches and is too short for
// anyone to notice.
const buttonDebounce = 10 * time.Millisecond

// Plan is what a configuration asks of GPIO. The zero value is empty.
type Plan struct {
	board    *board.Board // which the configuration names; nil for the one that this is
	declared map[string]*Line
	encoders map[string]*Line
	buttons  []*inPlace
	asked    bool    // conditions ask for lines
	source   *Source // that serves it, once it is applied
}

// Lines returns the declared lines and encoders by place, and those without a
// place by name.
func (p *Plan) Lines() []*Line {
	return slices.SortedFunc(p.all(), (*Line).compare)
}

// all goes through the declared lines and encoders in no order, but for those
// that were complained of.
func (p *Plan) all() iter.Seq[*Line] {
	return func(yield func(*Line) bool) {
		for _, declared := range []map[string]*Line{p.declared, p.encoders} {
			for _, l := range declared {
				if l.Spec != "" && (l.Kind != Knob || l.SpecB != "") && !yield(l) {
					return
				}
			}
		}
	}
}

// compare is for sorting by place, and then by name.
func (l *Line) compare(other *Line) int {
	return cmp.Or(cmp.Compare(l.At.File, other.At.File), cmp.Compare(l.At.Line, other.At.Line),
		cmp.Compare(l.At.Col, other.At.Col), cmp.Compare(l.Name, other.Name))
}

// Names returns the names of all lines and encoders, sorted.
func (p *Plan) Names() []string { return p.names(func(*Line) bool { return true }) }

// Outputs returns the names of the outputs, sorted.
func (p *Plan) Outputs() []string { return p.names(func(l *Line) bool { return l.Kind == Output }) }

// inputs returns the names of the inputs and buttons, sorted.
func (p *Plan) inputs() []string {
	return p.names(func(l *Line) bool { return l.Kind == Input || l.Kind == Button })
}

func (p *Plan) names(want func(*Line) bool) []string {
	var names []string
	for l := range p.all() {
		if want(l) {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Output reports whether name is declared as an output.
func (p *Plan) Output(name string) bool {
	l := p.declared[name]
	return l != nil && l.Kind == Output
}

// Timing returns the times of its own that the line called name has.
func (p *Plan) Timing(name string) sources.Timing {
	if l := p.declared[name]; l != nil {
		return l.Timing
	}
	return sources.Timing{}
}

// Spec returns the LINE that is declared as name, "" for none.
func (p *Plan) Spec(name string) string {
	if l := p.declared[name]; l != nil {
		return l.Spec
	}
	return ""
}

// Add declares l, as a configuration would.
func (p *Plan) Add(l Line) error {
	if first := p.declared[l.Name]; first != nil {
		return fmt.Errorf("line %s is declared already, as %s", first.Name, first.Spec)
	}
	if first := p.bySpec(l.Spec); first != nil {
		return fmt.Errorf("line %s is declared already, under the name %s", first.Spec, first.Name)
	}
	if _, err := parseSpec(l.Spec); err != nil {
		return err
	}
	if err := l.check(); err != nil {
		return err
	}
	p.put(&l)
	return nil
}

// AddInput declares the line spec as an input of that name, to watch both its
// edges and to change nothing about it.
func (p *Plan) AddInput(spec string) error { return p.Add(NewLine(Input, spec, spec)) }

func (p *Plan) put(l *Line) {
	if p.declared == nil {
		p.declared = map[string]*Line{}
	}
	p.declared[l.Name] = l
}

// bySpec returns what is declared for exactly this LINE, first by place.
func (p *Plan) bySpec(spec string) *Line {
	var first *Line
	for l := range p.all() {
		if (l.Spec == spec || l.SpecB == spec) && (first == nil || l.compare(first) < 0) {
			first = l
		}
	}
	return first
}

// Resolve implements sources.Plan. It also declares the lines that triggers
// declare in place.
func (p *Plan) Resolve(ps *config.Problems) {
	bySpec := map[string]*Line{}
	p.checkEncoders(ps)
	for _, l := range p.Lines() {
		if l.Kind == Knob {
			continue
		}
		if err := l.check(); err != nil {
			ps.Errorf(l.At, "%v", err)
		}
		if strings.ContainsAny(l.Name, "*?[") {
			ps.Errorf(l.At, "line %q: a name with *, ? or [ could not be told from a pattern", l.Name)
		}
		if first := bySpec[l.Spec]; first != nil {
			ps.Errorf(l.At, "line %s is declared already as %s at %s", l.Spec, first.Name, first.At)
			continue
		}
		bySpec[l.Spec] = l
	}
	for _, b := range p.buttons {
		b.declare(p, ps)
	}
	for _, l := range p.Lines() {
		p.checkPins(l, ps)
	}
}

// check complains of values that no kernel could take.
func (l *Line) check() error {
	switch {
	case l.Name == "":
		return errors.New("a line needs a name")
	case l.Debounce > math.MaxUint32*time.Microsecond:
		return fmt.Errorf("debounce: %v is longer than the kernel can count (%v)",
			l.Debounce, math.MaxUint32*time.Microsecond)
	case l.Debounce > 0 && l.Debounce < time.Microsecond:
		return fmt.Errorf("debounce: %v is less than the microsecond that the kernel counts in", l.Debounce)
	}
	return nil
}

// settings are the parameters of a request: lines that agree in them and in
// their LINE are the same request.
type settings struct {
	output                     bool
	bias, active, drive, edges string
	debounce                   time.Duration
	specB                      string
}

func (l *Line) settings() settings {
	return settings{l.Kind == Output, l.Bias, l.Active, l.Drive, l.Edges, l.Debounce, l.SpecB}
}

func (s *settings) activeLow() bool { return s.active == "low" }
