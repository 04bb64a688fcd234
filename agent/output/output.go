// SPDX-License-Identifier: MIT

// Package output holds what plays on outputs: pulses and blinking of GPIO
// lines and of LEDs of the kernel's LED class
// (Documentation/leds/leds-class.rst).
//
// Each output obeys the last order that it was given, by whatever rule. What
// plays is computed from the time at which it began: an edge that comes late
// does not put off the next one, and a wake-up that is later than several
// edges makes up for none of them.
package output

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// Output names an output: a declared line, a declared PWM output or, if both are
// empty, a LED.
type Output struct {
	Line string
	PWM  string
	LED  string // its name in /sys/class/leds, or a pattern that matches one of them
}

// String returns the output as the log calls it.
func (o Output) String() string {
	switch {
	case o.Line != "":
		return "line " + o.Line
	case o.PWM != "":
		return "pwm " + o.PWM
	}
	return "LED " + o.LED
}

// Lines are the output lines. The GPIO source is one. Levels are logical: on
// is what the line's `active` says. While a line is not open, Set and Toggle
// fail, and it begins with the level when it opens.
type Lines interface {
	Set(name string, on bool, cause sources.Cause) error
	Toggle(name string, cause sources.Cause) error
	// Level returns the level that was set last; ok says that the line is
	// open.
	Level(name string) (on, ok bool)
}

// PWMs are the PWM outputs. The PWM source is one.
type PWMs interface {
	// Set gives one a level up to sources.Full, and calls done when it has it.
	Set(name string, level int, done func(error))
	// Level returns the level that was set last; ok says that there is such an output.
	Level(name string) (level int, ok bool)
}

// Outputs is all outputs. It outlives configurations. All its methods are for
// the loop's thread; a done that they take is called there once, perhaps
// before they return, with what came of the order.
type Outputs struct {
	loop   sources.Loop
	log    *slog.Logger
	lines  Lines
	pwms   PWMs
	leds   string // the folder of LEDs
	stages []*player
}

// New returns an Outputs on which nothing plays. sys is where /sys is.
func New(loop sources.Loop, log *slog.Logger, lines Lines, pwms PWMs, sys string) *Outputs {
	return &Outputs{loop: loop, log: log, lines: lines, pwms: pwms, leds: filepath.Join(sys, "class/leds")}
}

// SetLine drives a line to on or off and ends what plays on it. It allocates
// nothing. cause, here as below, is the rule that says so, nil for who is
// outside.
func (p *Outputs) SetLine(name string, on bool, cause sources.Cause) error {
	if s := p.find(Output{Line: name}); s != nil {
		s.stop()
		s.setBy = ""
		s.face.(*line).showing = false // what it was before is over
	}
	return p.lines.Set(name, on, cause)
}

// ToggleLine drives a line to what it is not. What plays on it is ended and
// counts as on, be it just then on or off.
func (p *Outputs) ToggleLine(name string, cause sources.Cause) error {
	if s := p.find(Output{Line: name}); s != nil {
		if s.play != nil {
			return p.SetLine(name, false, cause)
		}
		s.setBy = ""
	}
	return p.lines.Toggle(name, cause)
}

// SetLED does what s asks of a LED and ends what plays on it, which a toggle
// takes for on.
func (p *Outputs) SetLED(name string, s Setting, done func(error)) {
	st := p.player(Output{LED: name}, nil)
	if st.plays() && s.To == "toggle" {
		s.To = "off"
	}
	st.stop()
	st.setBy = ""
	st.face.(*led).set(s, done)
}

// SetPWM gives a PWM output a level and ends what plays on it.
func (p *Outputs) SetPWM(name string, level int, done func(error)) {
	s := p.player(Output{PWM: name}, nil)
	s.stop()
	s.setBy = ""
	s.face.(*pwm).showing = false
	p.pwms.Set(name, level, done)
}

// TogglePWM turns a PWM output off or, if it is off, full on. What plays on it
// counts as on.
func (p *Outputs) TogglePWM(name string, done func(error)) {
	level := sources.Full
	if now, _ := p.pwms.Level(name); now > 0 || p.player(Output{PWM: name}, nil).plays() {
		level = 0
	}
	p.SetPWM(name, level, done)
}

// Blink plays r. When its rounds are over, the output becomes what it was
// before anything played on it.
func (p *Outputs) Blink(o Output, r Rhythm, cause sources.Cause, done func(error)) {
	s := p.player(o, cause)
	s.begin(&play{stage: s, rhythm: r, end: s.face.rest}, done)
}

// Pulse drives o to a level for a while, and then to the other one.
func (p *Outputs) Pulse(o Output, to bool, r Rhythm, cause sources.Cause, done func(error)) {
	s := p.player(o, cause)
	s.begin(&play{stage: s, rhythm: r, inverted: !to, end: func(done func(error)) { s.face.finish(!to, done) }}, done)
}

// Keep ends what plays on outputs for which kept is false.
func (p *Outputs) Keep(kept func(Output) bool) {
	p.stages = slices.DeleteFunc(p.stages, func(s *player) bool {
		if kept(s.output) {
			return false
		}
		s.finish()
		return true
	})
}

// Rest ends everything that plays. It reports whether all outputs have become
// what they are to be then; if not, they are about to.
func (p *Outputs) Rest() bool {
	all := true
	for _, s := range p.stages {
		s.finish()
		all = all && !s.face.busy()
	}
	return all
}

// Credit notes that the last order to o was given by somebody else than a rule.
// The next order, whoever gives it, ends that.
func (p *Outputs) Credit(o Output, by string) { p.player(o, nil).setBy = by }

// Of returns what plays on o, "" for nothing, and who gave the last order, ""
// for a rule or nobody.
func (p *Outputs) Of(o Output) (playing, setBy string) {
	s := p.find(o)
	if s == nil {
		return "", ""
	}
	if s.plays() {
		playing = s.playing()
	}
	return playing, s.setBy
}

// Status returns what plays, and which outputs were set by somebody else than a
// rule.
func (p *Outputs) Status() []sources.State {
	var states []sources.State
	for _, s := range p.stages {
		var details []string
		if s.plays() {
			details = append(details, s.playing())
		}
		if s.setBy != "" {
			details = append(details, "set by "+s.setBy)
		}
		if details == nil {
			continue
		}
		state := sources.State{Name: s.output.String(), Detail: strings.Join(details, ", "), OK: !s.plays() || s.err == nil}
		if !state.OK {
			state.Error = s.err.Error()
		}
		states = append(states, state)
	}
	return states
}

// player returns the player of an output that something is to be played on.
func (p *Outputs) player(o Output, cause sources.Cause) *player {
	s := p.find(o)
	if s == nil {
		s = &player{panel: p}
		switch {
		case o.Line != "":
			s.face = &line{lines: p.lines, name: o.Line}
		case o.PWM != "":
			s.face = &pwm{pwms: p.pwms, name: o.PWM}
		default:
			s.face = newLED(p, o.LED)
		}
		p.stages = append(p.stages, s)
	}
	s.output = o
	switch f := s.face.(type) {
	case *led:
		f.pattern = o.LED
	case *line:
		f.cause = cause
	}
	return s
}

// find returns the stage of o, nil if nothing was played there yet. Two
// patterns that match the same LED are the same output.
func (p *Outputs) find(o Output) *player {
	for _, s := range p.stages {
		if s.output == o {
			return s
		}
	}
	if o.LED == "" {
		return nil
	}
	name := p.ledName(o.LED)
	for _, s := range p.stages {
		if l, ok := s.face.(*led); ok && name != "" && l.name == name {
			return s
		}
	}
	return nil
}

// ledName returns the name of the LED that pattern is or matches now, "" if
// there is none, of which the order to it will complain. Listing a folder of
// sysfs asks no driver.
func (p *Outputs) ledName(pattern string) string {
	if !sources.IsPattern(pattern) {
		return pattern
	}
	name, _ := findLED(p.leds, pattern)
	return name
}

// ExamineLED returns which LED a name or pattern means, or why it cannot be
// driven, by the trigger unless that is "". Nothing of it is changed.
func ExamineLED(x *sources.Report, pattern, trigger string) (name string, err error) {
	d := &ledDevice{leds: x.Path("/sys/class/leds")}
	if d.name, err = findLED(d.leds, pattern); err != nil {
		return "", err
	}
	if trigger != "" {
		if _, known, err := d.triggers(); err != nil || !slices.Contains(known, trigger) {
			return "", d.noTrigger(trigger, known)
		}
	}
	brightness := filepath.Join("/sys/class/leds", d.name, "brightness")
	if err := x.Access(brightness, unix.W_OK); err != nil {
		return "", sources.PathError("write", brightness, err)
	}
	return d.name, nil
}
