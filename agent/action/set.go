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
	Also:  "gpio output led line",
	Doc:   "set output lines or LEDs",
	Plain: true,
	Brief: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &set{}
		fields := append(a.target.fields(),
			config.Field{Name: "to", Doc: "on, off or toggle; `on` is the line's active level",
				Value: config.At(&a.toAt, config.Parsed(&a.to, "on, off or toggle", parseLevel))},
			config.Field{Name: "brightness", Doc: "of a LED that is on: in the driver's units, or in percent", Default: "100%",
				Value: config.At(&a.brightnessAt, config.Parsed(&a.brightness, "a number or a percentage", parseBrightness))},
			config.Field{Name: "trigger", Doc: "the kernel's trigger for the LED, such as heartbeat; default: none",
				Value: config.At(&a.triggerAt, config.Parsed(&a.trigger, "the name of a trigger", parseFileName))})
		return config.Whole(&a.whole, config.At(&a.at, config.Object(fields...))), a.check
	},
}

type set struct {
	target
	to           string // on, off or toggle
	toAt         config.Pos
	brightness   *output.Brightness
	brightnessAt config.Pos
	trigger      string
	triggerAt    config.Pos
}

func parseLevel(s string) (string, error) {
	if s == "toggle" {
		return s, nil
	}
	on, err := config.ParseBool(s)
	if err != nil {
		return "", fmt.Errorf("expected on, off or toggle, found %q", s)
	}
	if on {
		return "on", nil
	}
	return "off", nil
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
	if a.to != "" {
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
