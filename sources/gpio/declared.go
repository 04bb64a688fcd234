// SPDX-License-Identifier: MIT

// What can be declared: lines and encoders.

package gpio

import (
	"errors"
	"fmt"
	"math"
	"time"

	"reflexd/config"
	"reflexd/sources"
)

// declared is a Line or an Encoder: what one request is made for.
type declared interface {
	common() *Common
	specs() []string // LINE; of an encoder LINE A and LINE B
	settings() settings
	user(*request) user
}

// Common is what all declarations have. Its words are those of the
// configuration, as are those of Line.
type Common struct {
	Name   string     // what rules call it
	At     config.Pos // where it is declared
	Bias   string     // pull-up, pull-down, disabled, as-is
	Active string     // high or low: the physical level that means on or pressed
}

func (c *Common) common() *Common { return c }

// byPlace sorts declarations by place, and those without a place by name. As a
// sort.Interface, for that is in the program anyway.
type byPlace []declared

func (b byPlace) Len() int      { return len(b) }
func (b byPlace) Swap(i, j int) { b[i], b[j] = b[j], b[i] }

func (b byPlace) Less(i, j int) bool {
	x, y := b[i].common(), b[j].common()
	switch {
	case x.At.File != y.At.File:
		return x.At.File < y.At.File
	case x.At.Line != y.At.Line:
		return x.At.Line < y.At.Line
	case x.At.Col != y.At.Col:
		return x.At.Col < y.At.Col
	}
	return x.Name < y.Name
}

// settings are the parameters of a request: declarations that agree in them and
// in their LINEs ask for the same one.
type settings struct {
	output                     bool
	bias, active, drive, edges string
	debounce                   time.Duration
}

func (s *settings) activeLow() bool { return s.active == "low" }

// stateful reports whether the level is known at all times: with one edge
// only, it is not.
func (s *settings) stateful() bool { return s.edges == bothEdges }

// What a line can be declared as. A button is an input with other defaults.
const (
	Input  = "input"
	Output = "output"
	Button = "button"
	// Contact is what tells a state, such as that of a door: an input with
	// another debounce.
	Contact = "contact"
)

// Edges, and the states of a line in Topic.State.
const (
	bothEdges = "both"
	rising    = "rising"
	falling   = "falling"
)

// Line is one declared line.
type Line struct {
	Common
	Spec     string         // LINE: which line of which chip it is
	Kind     string         // Input, Output, Button or Contact
	Class    string         // what a Contact or an Input is for: "door"; "" if nobody says
	Drive    string         // push-pull, open-drain, open-source; of an output
	Edges    string         // both, rising, falling; of an input
	Debounce time.Duration  // by the kernel; of an input
	Initial  bool           // logical level of an output when it is first opened
	OnExit   string         // keep, on, off, input: what an output is left as
	Timing   sources.Timing // by which gestures of an input are told apart
}

// NewLine returns a line of the kind with its defaults.
func NewLine(kind, name, spec string) Line {
	l := Line{Common: Common{Name: name, Bias: "as-is", Active: "high"}, Spec: spec, Kind: kind}
	switch kind {
	case Output:
		l.Drive, l.OnExit = "push-pull", "keep"
	case Button:
		l.Bias, l.Active, l.Edges, l.Debounce = "pull-up", "low", bothEdges, buttonDebounce
	case Contact:
		l.Edges, l.Debounce = bothEdges, contactDebounce
	default:
		l.Edges = bothEdges
	}
	return l
}

// buttonDebounce outlasts the bounce of most switches and is too short for
// anyone to notice.
const buttonDebounce = 10 * time.Millisecond

// contactDebounce outlasts the bounce of reed contacts in doors, which is
// longer than that of switches.
const contactDebounce = 20 * time.Millisecond

func (l *Line) specs() []string { return []string{l.Spec} }

func (l *Line) settings() settings {
	return settings{l.Kind == Output, l.Bias, l.Active, l.Drive, l.Edges, l.Debounce}
}

func (l *Line) user(r *request) user { return &line{request: r} }

// stateful reports whether it is known at all times whether l is on.
func (l *Line) stateful() bool { return l.Spec != "" && (l.Kind == Output || l.Edges == bothEdges) }

// listened reports whether edges of l are seen.
func (l *Line) listened() bool { return l.Kind != Output && l.Spec != "" }

// check complains of values that no kernel could take.
func (l *Line) check() error {
	switch {
	case l.Name == "":
		return errors.New("a line needs a name")
	case l.Debounce > math.MaxUint32*time.Microsecond:
		return fmt.Errorf("debounce: %v is longer than the kernel's maximum, %v",
			l.Debounce, math.MaxUint32*time.Microsecond)
	case l.Debounce > 0 && l.Debounce < time.Microsecond:
		return fmt.Errorf("debounce: %v is less than the kernel's minimum, 1µs", l.Debounce)
	}
	return nil
}

// Encoder is one declared rotary encoder.
type Encoder struct {
	Common
	A, B string          // LINE A and LINE B
	Make sources.Encoder // how its edges are counted
}

func newEncoder(name string) Encoder {
	return Encoder{
		Common: Common{Name: name, Bias: "pull-up", Active: "low"},
		Make:   sources.Encoder{Edges: 4, Steps: 1},
	}
}

func (e *Encoder) specs() []string { return []string{e.A, e.B} }

func (e *Encoder) settings() settings {
	return settings{bias: e.Bias, active: e.Active, edges: bothEdges}
}

func (e *Encoder) user(r *request) user { return &encoder{request: r} }
