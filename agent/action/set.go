// SPDX-License-Identifier: MIT

// The action set: output lines and LEDs.

package action

import (
	"fmt"
	"strconv"
	"strings"

	"reflexd/agent/output"
	"reflexd/config"
	"reflexd/sources"
)

var setKind = Kind{
	Key:   "set",
	Also:  "gpio output led line toggle turn",
	Doc:   "set output lines, PWM outputs or LEDs",
	Plain: true,
	Brief: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &set{}
		fields := append(a.target.fields(),
			config.Field{Name: "to", Doc: "on, off or toggle; `on` is the line's active level; of a PWM output or LED also a percentage: 40%",
				Value: config.At(&a.toAt, config.Parsed(&a.want, "on, off, toggle or a percentage", parseWanted))},
			config.Field{Name: "map", Doc: "of a PWM output: its level follows the VALUE of the event",
				Value: config.At(&a.mapAt, a.curve.value())},
			config.Field{Name: "brightness", Doc: "of a LED that is on: in the driver's units, or in percent", Default: "100%",
				Value: config.At(&a.brightnessAt, config.Parsed(&a.brightness, "a number or a percentage", parseBrightness))},
			config.Field{Name: "trigger", Doc: "the kernel's trigger for the LED, such as heartbeat; default: none",
				Value: config.At(&a.triggerAt, config.Parsed(&a.trigger, "the name of a trigger", parseFileName))})
		object := config.Object(fields...)
		return config.Whole(&a.whole, config.At(&a.at, config.Wrap(object, func(n config.Node, ps *config.Problems) {
			if at := variableIn(&n); at.Line > 0 {
				ps.Errorf(at, "set is for outputs; a variable is set with `var: {NAME: VALUE}`")
				return
			}
			object.Read(n, ps)
		}))), a.check
	},
}

// variableIn returns where n says that a variable is to be set; without a line if it
// does not.
func variableIn(n *config.Node) (at config.Pos) {
	for i := range n.Entries {
		if e := &n.Entries[i]; e.Key == "var" || e.Key == "variable" {
			return e.At
		}
	}
	return at
}

type set struct {
	target
	want         wanted
	to           string // on, off or toggle
	toAt         config.Pos
	curve        curve
	mapAt        config.Pos
	brightness   *output.Brightness
	brightnessAt config.Pos
	trigger      string
	triggerAt    config.Pos
}

// wanted is what an output is to be: on, off or toggle, or a level.
type wanted struct {
	word  string
	level int // up to sources.Full, without a word
}

// parseWanted reads "on", "toggle" or "40%".
func parseWanted(s string) (w wanted, err error) {
	if strings.HasSuffix(s, "%") {
		w.level, err = sources.ParsePercent(s)
		return w, err
	}
	if w.word, err = parseLevel(s); err != nil && s != "" && s[0] <= '9' {
		err = fmt.Errorf("expected on, off, toggle or a percentage such as 40%%, found %q", s)
	}
	return w, err
}

func parseLevel(s string) (string, error) {
	if s == "toggle" {
		return s, nil
	}
	on, err := config.ParseBool(s)
	if err != nil {
		return "", fmt.Errorf("expected on, off or toggle, found %q", s)
	}
	return sources.OnOff(on), nil
}

// parseBrightness reads "40%" or "7".
func parseBrightness(s string) (*output.Brightness, error) {
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || percent && n > 100 {
		return nil, fmt.Errorf("expected a number in the LED driver's units, or a percentage such as 40%%, found %q", s)
	}
	return &output.Brightness{N: int(n), Percent: percent}, nil
}

func (a *set) check(c *Check) Action {
	if a.target.check(c); !a.whole {
		return a
	}
	a.to = a.want.word
	if a.isPWM() {
		a.checkForPWM(c)
		return a
	}
	if a.mapAt.Line > 0 {
		c.Problems.Errorf(a.mapAt, "map goes with pwm")
	}
	a.checkPercent(c)
	a.checkForLine(c)
	if b := a.brightness; b != nil {
		switch {
		case a.to == "off", b.N == 0 && a.to != "":
			c.Problems.Errorf(a.brightnessAt, "brightness is for a LED that is on: leave out brightness or to")
		case b.N == 0:
			a.to = "off"
		case a.to == "":
			a.to = "on"
		}
	}
	switch hasLED := a.brightnessAt.Line > 0 || a.triggerAt.Line > 0; {
	case a.toAt.Line == 0 && a.isLine():
		c.Problems.Errorf(a.at, `the key "to" is missing`)
	case a.toAt.Line == 0 && !hasLED:
		c.Problems.Errorf(a.at, "one of the keys to, brightness and trigger is missing")
	case a.trigger != "" && (a.to == "off" || a.to == "toggle"):
		c.Problems.Errorf(a.triggerAt, "a LED that is set to off loses its trigger: leave out one")
	}
	return a
}

// checkPercent makes of `to: 40%` how light a LED is to look; a line has no levels.
func (a *set) checkPercent(c *Check) {
	switch {
	case a.toAt.Line == 0 || a.want.word != "":
	case a.isLine():
		c.Problems.Errorf(a.toAt, "a line is on or off: a percentage goes with led and pwm")
		a.to = sources.On
	case a.brightness != nil:
		c.Problems.Errorf(a.brightnessAt, "both brightness and a percentage in to: leave out one")
	case a.want.level == 0:
		a.to = sources.Off
	default:
		a.to = sources.On
		a.brightness = &output.Brightness{N: a.want.level, Lightness: true}
	}
}

// checkForPWM complains of what PWM outputs do not have.
func (a *set) checkForPWM(c *Check) {
	for _, at := range []config.Pos{a.brightnessAt, a.triggerAt} {
		if at.Line > 0 {
			c.Problems.Errorf(at, "brightness and trigger go with led, not with pwm; use `to: 40%%`")
			return
		}
	}
	switch {
	case a.mapAt.Line > 0 && a.toAt.Line > 0:
		c.Problems.Errorf(a.mapAt, "both to and map: leave out one")
	case a.mapAt.Line > 0:
		a.curve.check(a.mapAt, c)
	case a.toAt.Line == 0:
		c.Problems.Errorf(a.at, "one of the keys to and map is missing")
	}
}

// checkForLine complains of what lines do not have.
func (a *set) checkForLine(c *Check) {
	if !a.isLine() {
		return
	}
	if a.brightness != nil {
		c.Problems.Errorf(a.brightnessAt, "brightness goes with led, not with line: a line is on or off")
		a.brightness = nil
	}
	if a.trigger != "" {
		c.Problems.Errorf(a.triggerAt, "trigger goes with led, not with line")
		a.trigger = ""
	}
}

// Sets returns to what l sets lines at once, on or off.
func (l List) Sets() map[string]string {
	lines := map[string]string{}
	for _, step := range l {
		a, ok := step.Action.(*set)
		if !ok {
			break
		}
		for _, f := range a.all {
			if f.Line != "" && a.to != "toggle" {
				lines[f.Line] = a.to
			}
		}
	}
	return lines
}

// Describe implements Action.
func (a *set) Describe(e *sources.Event) string {
	s := "set " + a.describe(e)
	switch {
	case a.mapAt.Line > 0:
		s += " by map"
	case a.toAt.Line > 0 && a.want.word == "":
		s += " to " + sources.Percent(a.want.level)
	case a.to != "":
		s += " to " + a.to
	}
	if a.trigger != "" {
		s += " with trigger " + a.trigger
	}
	return s
}

// Start implements Action.
func (a *set) Start(r *Run) (Pending, error) {
	if a.isLine() {
		return nil, a.setLines(r)
	}
	if a.isPWM() {
		return a.setPWMs(r)
	}
	setting := output.Setting{To: a.to, Trigger: a.trigger}
	if a.brightness != nil {
		setting.Brightness = *a.brightness
	}
	return a.each(r, func(o output.Output, done func(error)) { r.Env.Outputs.SetLED(o.LED, setting, done) })
}

// setLines sets all lines, and returns the first failure.
func (a *set) setLines(r *Run) error {
	var first error
	for _, f := range a.outputs(r) {
		err := f.err
		switch {
		case err != nil:
		case a.to == "toggle":
			err = r.Env.Outputs.ToggleLine(f.Line, r)
		default:
			err = r.Env.Outputs.SetLine(f.Line, a.to == "on", r)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (a *set) setPWMs(r *Run) (Pending, error) {
	level := a.want.level
	switch {
	case a.mapAt.Line > 0:
		var err error
		if level, err = a.curve.level(r.Event); err != nil {
			return nil, err
		}
	case a.to == sources.On:
		level = sources.Full
	}
	return a.each(r, func(o output.Output, done func(error)) {
		if a.to == "toggle" {
			r.Env.Outputs.TogglePWM(o.PWM, done)
			return
		}
		r.Env.Outputs.SetPWM(o.PWM, level, done)
	})
}
