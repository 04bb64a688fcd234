// SPDX-License-Identifier: MIT

// The action set: output lines and LEDs.

package action

import (
	"errors"
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
	Doc:   "set an output line or LED",
	Plain: true,
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
	case a.toAt.Line == 0 && a.line != "":
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
	if a.line == "" {
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
		if a.line != "" && a.to != "toggle" {
			lines[a.line] = a.to
		}
	}
	return lines
}

// Describe implements Action.
func (a *set) Describe(*sources.Event) string {
	s := "set " + a.target.String()
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
	switch {
	case a.line == "":
		setting := output.Setting{To: a.to, Trigger: a.trigger}
		if a.brightness != nil {
			setting.Brightness = *a.brightness
		}
		return r.await(func(done func(error)) { r.Env.Outputs.SetLED(a.led, setting, done) })
	case a.to == "toggle":
		return nil, r.Env.Outputs.ToggleLine(a.line, r)
	}
	return nil, r.Env.Outputs.SetLine(a.line, a.to == "on", r)
}

// target is which output is meant: the keys `line` and `led`, of which there
// must be one.
type target struct {
	at     config.Pos // of the mapping
	whole  bool       // it was read without complaint
	line   string
	lineAt config.Pos
	led    string
	ledAt  config.Pos
}

func (t *target) fields() []config.Field {
	return []config.Field{
		{Name: "line", Doc: "the name of an output under `lines`; or use `led`",
			Value: config.At(&t.lineAt, config.Word(&t.line, "the name of a line"))},
		{Name: "led", Doc: "a LED of /sys/class/leds, by its name or a pattern that matches one",
			Value: config.At(&t.ledAt, config.Parsed(&t.led, "the name of a LED", parseFileName))},
	}
}

// parseFileName reads the name of something in sysfs.
func parseFileName(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, "/\x00") || s == "." || s == ".." {
		return "", errors.New("expected a name without slashes, as in /sys/class/leds")
	}
	return s, nil
}

func (t *target) check(c *Check) {
	switch missing := t.lineAt.Line == 0 && t.ledAt.Line == 0; {
	case missing && !t.whole:
	case missing:
		c.Problems.Errorf(t.at, "one of the keys line and led is missing")
	case t.lineAt.Line > 0 && t.ledAt.Line > 0:
		c.Problems.Errorf(t.ledAt, "both line and led: leave out one")
	case t.line != "" && !c.Output(t.line):
		c.Problems.Errorf(t.lineAt, "%q is not an output line%s", t.line, config.Unknown(t.line, func() []string { return c.Outputs }, "lines: {"+t.line+": {output: …}}"))
	case t.led != "":
		c.Uses.LEDs = append(c.Uses.LEDs, t.led)
	}
}

func (t *target) output() output.Output { return output.Output{Line: t.line, LED: t.led} }

// String returns the output as Describe calls it.
func (t *target) String() string {
	if t.line != "" {
		return t.line
	}
	return t.output().String()
}
