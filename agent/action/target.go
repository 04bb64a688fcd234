// SPDX-License-Identifier: MIT

// Targets: which outputs the actions set, pulse and blink mean.

package action

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"reflexd/agent/expand"
	"reflexd/agent/output"
	"reflexd/config"
	"reflexd/sources"
)

// target is which outputs are meant: the keys `line`, `led` and `pwm`, of which there
// must be one.
type target struct {
	at     config.Pos // of the mapping
	whole  bool       // it was read without complaint
	lines  []aim
	lineAt config.Pos
	leds   []aim
	ledAt  config.Pos
	pwms   []aim
	pwmAt  config.Pos

	declared *Outputs // the lines or PWM outputs
	all      []found  // what is meant
	varies   bool     // it depends on the event
}

// aim is one entry of a target as it is written: a name, a pattern, or a string
// with fields.
type aim struct {
	name   string
	text   expand.Text
	refers bool // it is text
	at     config.Pos
}

// found is an output that is meant, or why there is none, or the aim that an event
// makes an output of.
type found struct {
	output.Output
	err error
	aim *aim
}

// mostTargets bounds what the patterns of many actions match in all, as
// rule's mostTopics does for triggers.
const mostTargets = 100_000

func (t *target) fields() []config.Field {
	value := func(what string, check func(string) error) func(*aim) config.Value {
		return func(a *aim) config.Value {
			var at config.Pos
			return config.At(&at, config.Parsed(a, what, func(s string) (aim, error) { return parseAim(s, at, check) }))
		}
	}
	return []config.Field{
		{Name: "line", Doc: "an output under `lines`: its name, a pattern of names, a string with ${FIELDS} that is a name, or a list of them; or use `led`",
			Value: config.At(&t.lineAt, config.OneOrMore(&t.lines, value("the name of a line", checkName)))},
		{Name: "led", Doc: "a LED of /sys/class/leds, by its name or a pattern that matches one, a string with ${FIELDS} that is a name, or a list of them",
			Value: config.At(&t.ledAt, config.OneOrMore(&t.leds, value("the name of a LED", checkFileName)))},
		{Name: "pwm", Doc: "an output under `pwm`: its name, a pattern of names, a string with ${FIELDS} that is a name, or a list of them",
			Value: config.At(&t.pwmAt, config.OneOrMore(&t.pwms, value("the name of a PWM output", checkName)))},
	}
}

// parseAim reads an aim, whose name check must allow.
func parseAim(s string, at config.Pos, check func(name string) error) (a aim, err error) {
	a = aim{name: s, refers: strings.Contains(s, "${"), at: at}
	if !a.refers {
		return a, check(s)
	}
	a.text, err = expand.Parse(s)
	if err == nil && sources.IsPattern(a.text.Expand(nothing)) {
		err = fmt.Errorf("%q: a pattern cannot have fields", s)
	}
	return a, err
}

func checkName(name string) error {
	if name == "" {
		return errors.New("expected a name, found empty quotes")
	}
	return nil
}

// checkFileName returns an error for what cannot be the name of something in sysfs.
func checkFileName(name string) error {
	_, err := parseFileName(name)
	return err
}

// parseFileName reads the name of something in sysfs.
func parseFileName(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, "/\x00") || s == "." || s == ".." {
		return "", errors.New("expected a name without slashes, as in /sys/class/leds")
	}
	return s, nil
}

func (t *target) check(c *Check) {
	switch missing := t.lineAt.Line == 0 && t.ledAt.Line == 0 && t.pwmAt.Line == 0; {
	case missing && !t.whole:
	case missing:
		c.Problems.Errorf(t.at, "one of the keys line, led and pwm is missing")
	case t.lineAt.Line > 0 && t.ledAt.Line > 0:
		c.Problems.Errorf(t.ledAt, "both line and led: leave out one")
	case t.pwmAt.Line > 0 && (t.lineAt.Line > 0 || t.ledAt.Line > 0):
		c.Problems.Errorf(t.pwmAt, "pwm goes with neither line nor led: leave out one")
	default:
		t.find(c)
	}
}

// find resolves the names and patterns, as far as no field stands in them.
func (t *target) find(c *Check) {
	if c.Uses.targets > mostTargets {
		return // complained of
	}
	t.declared = c.Outputs
	named := t.lines
	if t.isPWM() {
		t.declared, named = c.PWMs, t.pwms
	}
	seen := map[string]bool{}
	for i := range named {
		a := &named[i]
		if a.refers {
			t.vary(a, c)
			continue
		}
		for _, name := range t.declared.FindAll([]sources.Ref{{Name: a.name, At: a.at}}, c.Problems) {
			if !seen[name] {
				t.all = append(t.all, found{Output: t.outputCalled(name)})
			}
			seen[name] = true
		}
	}
	for i := range t.leds {
		switch a := &t.leds[i]; {
		case a.refers:
			t.vary(a, c)
			c.Uses.AnyLED = true
		case a.name != "" && !seen[a.name]:
			seen[a.name] = true
			c.Uses.LEDs = append(c.Uses.LEDs, a.name)
			t.all = append(t.all, found{Output: output.Output{LED: a.name}})
		}
	}
	if c.Uses.targets += len(t.all); c.Uses.targets > mostTargets {
		c.Problems.Errorf(t.at, "the actions up to here name more than %d outputs, counting what patterns match", mostTargets)
	}
}

// vary adds an entry that only an event, or the time, makes a name of.
func (t *target) vary(a *aim, c *Check) {
	a.text.Pos = a.at
	c.Text(a.text)
	t.all, t.varies = append(t.all, found{aim: a}), true
}

// outputs returns the outputs that are meant upon the event of r, in their order
// and each once. It allocates nothing if they do not depend on the event.
func (t *target) outputs(r *Run) []found {
	if !t.varies {
		return t.all
	}
	r.own()
	all := make([]found, 0, len(t.all))
	for _, f := range t.all {
		switch {
		case f.aim == nil:
		case !t.isLED():
			f = t.declaredAs(f.aim.text.Expand(r.Event))
		default:
			f = ledCalled(f.aim.text.Expand(r.Event))
		}
		if f.err != nil || !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}

// isLine reports whether lines are meant, isLED whether LEDs are, isPWM whether PWM
// outputs are.
func (t *target) isLine() bool { return t.lineAt.Line > 0 }
func (t *target) isLED() bool  { return t.ledAt.Line > 0 }
func (t *target) isPWM() bool  { return t.pwmAt.Line > 0 }

// outputCalled returns the line or PWM output of a name.
func (t *target) outputCalled(name string) output.Output {
	if t.isPWM() {
		return output.Output{PWM: name}
	}
	return output.Output{Line: name}
}

// declaredAs returns the line or PWM output of a name that an event brought.
func (t *target) declaredAs(name string) found {
	if _, ok := t.declared.ByName[name]; !ok && t.isPWM() {
		return found{err: fmt.Errorf("pwm %.60q is not declared", name)}
	} else if !ok {
		return found{err: fmt.Errorf("line %.60q is not a declared output", name)}
	}
	return found{Output: t.outputCalled(name)}
}

// ledCalled returns the LED of a name that an event brought.
func ledCalled(name string) found {
	if err := checkFileName(name); err != nil || sources.IsPattern(name) {
		return found{err: fmt.Errorf("%.60q is not the name of a LED", name)}
	}
	return found{Output: output.Output{LED: name}}
}

// each gives an order to all outputs, one after the other, whether one fails or
// not, and ends with the first failure when all are done.
func (t *target) each(r *Run, order func(o output.Output, done func(error))) (Pending, error) {
	all := t.outputs(r)
	return r.await(func(done func(error)) {
		failures, left := make([]error, len(all)), len(all)
		for i, f := range all {
			over := func(err error) {
				failures[i] = err
				if left--; left == 0 {
					done(firstOf(failures))
				}
			}
			if f.err != nil {
				over(f.err)
				continue
			}
			order(f.Output, over)
		}
	})
}

func firstOf(failures []error) error {
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// describe returns the outputs as Action.Describe calls them.
func (t *target) describe(e *sources.Event) string {
	var words []string
	for _, a := range slices.Concat(t.lines, t.leds, t.pwms) {
		name := a.name
		if a.refers {
			name = a.text.Expand(e)
		}
		switch {
		case t.isLED():
			name = output.Output{LED: name}.String()
		case t.isPWM():
			name = output.Output{PWM: name}.String()
		}
		words = append(words, name)
	}
	return strings.Join(words, ", ")
}
