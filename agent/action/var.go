// SPDX-License-Identifier: MIT

// The action var: variables.

package action

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"reflexd/agent/expand"
	"reflexd/agent/vars"
	"reflexd/config"
	"reflexd/sources"
)

var varKind = Kind{
	Key:   "var",
	Also:  "vars variable assign let",
	Brief: true,
	Doc:   "set variables, add to them or toggle them; a change fires rules on `var`",
	New: func() (config.Value, func(*Check) Action) {
		a := &setVars{}
		at := func(v *assignment) *config.Pos { return &v.pos }
		value := func(_ string, v *assignment) config.Value { return v.read() }
		return config.Whole(&a.whole, config.At(&a.pos, config.MapOf(&a.values, at, value))), a.check
	},
}

type setVars struct {
	pos    config.Pos
	whole  bool // it was read without complaint
	values map[string]*assignment
	names  []string // of values, sorted
}

// assignment is what becomes of one variable.
type assignment struct {
	variable             // to set it to
	long     bool        // it is written as a mapping: an addition or a toggle
	add      expand.Text // what to add, if it was read
	sum      vars.Sum    // without Add
	toggle   bool
	toggleAt config.Pos
	wrapAt   config.Pos
}

func (v *assignment) read() config.Value {
	long := config.Object(
		config.Field{Name: "add", Doc: "a number to add, such as 1, -0.5 or ${STEPS}", Value: expand.Value(&v.add)},
		config.Field{Name: "min", Doc: "with add: the result is at least this", Value: sources.NumberValue(&v.sum.Min, false)},
		config.Field{Name: "max", Doc: "with add: the result is at most this", Value: sources.NumberValue(&v.sum.Max, false)},
		config.Field{Name: "wrap", Doc: "with add: after max comes min (default here: 0), and before min comes max; for integers", Default: "off",
			Value: config.At(&v.wrapAt, config.Bool(&v.sum.Wrap))},
		config.Field{Name: "toggle", Doc: "instead of add: change to the other one of its two `values`", Value: config.At(&v.toggleAt, config.Bool(&v.toggle))},
	)
	return config.Either(expand.Value(&v.value), config.Wrap(long, func(n config.Node, ps *config.Problems) {
		v.long = true
		long.Read(n, ps)
	}))
}

func (a *setVars) check(c *Check) Action {
	if a.names = slices.Sorted(maps.Keys(a.values)); len(a.names) == 0 && a.whole {
		c.Problems.Errorf(a.pos, "expected variables with their values, such as {mode: night}")
	}
	for _, name := range a.names {
		v := a.values[name]
		err := c.Vars.Declares(name)
		switch c.Text(v.value); {
		case err != nil:
		case v.long && a.whole:
			err = v.checkLong(c, name)
		case !v.long && !v.value.HasFields():
			err = v.checkLiteral(c, name)
		}
		if err != nil {
			c.Problems.Errorf(v.pos, "%v", err)
		}
	}
	return a
}

// checkLiteral returns why the variable cannot be set to what is written, or
// warns of what can hardly be meant.
func (v *assignment) checkLiteral(c *Check, name string) error {
	text := v.value.Expand(&sources.Event{})
	err := c.Vars.Allows(name, text)
	declared := err == nil && c.Vars.Lists(name)
	switch meant := sumMeant(text); {
	case declared:
	case text == "toggle" && err != nil:
		return fmt.Errorf("%w; to change to the other one of its two values, write {toggle: true}", err)
	case text == "toggle":
		c.Problems.Warnf(v.pos, "%s is set to the string %q; to switch it, declare two `values` and write {toggle: true}", name, text)
	case meant != "" && c.Vars.Counts(name) == nil:
		return fmt.Errorf("%q sets %s to that string: to add, write {add: %s}", text, name, meant)
	case meant != "" && err == nil:
		c.Problems.Warnf(v.pos, "%s is set to the string %q; to add, write {add: %s}", name, text, meant)
	}
	return err
}

// sumMeant returns the number that the writer of +1, +=1, -=1, ++ or -- will want
// to add; "" for other texts.
func sumMeant(text string) string {
	switch text {
	case "++":
		return "1"
	case "--":
		return "-1"
	}
	sign := ""
	number, ok := strings.CutPrefix(text, "+")
	if minus, found := strings.CutPrefix(text, "-="); found {
		sign, number, ok = "-", minus, true
	}
	number = strings.TrimSpace(strings.TrimPrefix(number, "="))
	if _, isNumber := sources.ParseNumber(number); !ok || !isNumber {
		return ""
	}
	return sign + number
}

// checkLong checks an addition or a toggle.
func (v *assignment) checkLong(c *Check, name string) error {
	c.Text(v.add)
	adds := v.add.Pos.Line != 0
	switch limited := v.sum.Min != nil || v.sum.Max != nil || v.wrapAt.Line != 0; {
	case adds && v.toggleAt.Line != 0:
		return fmt.Errorf("both add and toggle: leave out one")
	case !adds && limited:
		return fmt.Errorf("min, max and wrap go with add")
	case !adds && !v.toggle:
		return fmt.Errorf("expected a value, {add: N} or {toggle: true}")
	case v.toggle:
		return c.Vars.Toggles(name)
	}
	if !v.add.HasFields() {
		if _, err := addend(v.add, &sources.Event{}); err != nil {
			c.Problems.Errorf(v.add.Pos, "%v", err)
		}
	}
	if err := v.checkLimits(); err != nil {
		return err
	}
	return c.Vars.Counts(name)
}

func (v *assignment) checkLimits() error {
	s := &v.sum
	if s.Wrap && s.Min == nil {
		s.Min = &sources.Number{}
	}
	switch {
	case s.Wrap && s.Max == nil:
		return fmt.Errorf("wrap needs max: after which number does it begin again?")
	case s.Min != nil && s.Max != nil && s.Min.Compare(*s.Max) >= 0:
		return fmt.Errorf("min: %s is not less than max: %s", s.Min, s.Max)
	case !s.Wrap:
		return nil
	}
	add, err := addend(v.add, &sources.Event{})
	if !s.Min.IsInteger() || !s.Max.IsInteger() || err == nil && !add.IsInteger() {
		return fmt.Errorf("wrap is for integers: add, min and max must be integers")
	}
	return nil
}

// addend returns what is to be added.
func addend(t expand.Text, e *sources.Event) (sources.Number, error) {
	text := t.Expand(e)
	n, ok := sources.ParseNumber(text)
	if !ok {
		return n, fmt.Errorf("add: expected a number, found %q", text)
	}
	return n, nil
}

// Describe implements Action.
func (a *setVars) Describe(e *sources.Event) string {
	var sets, others []string
	for _, name := range a.names {
		switch v := a.values[name]; {
		case v.toggle:
			others = append(others, "toggle "+name)
		case v.long:
			others = append(others, "add "+v.add.Expand(e)+" to "+name)
		default:
			sets = append(sets, name+" to "+v.value.Expand(e))
		}
	}
	if sets != nil {
		others = append([]string{"set " + strings.Join(sets, ", ")}, others...)
	}
	return strings.Join(others, ", ")
}

// Start implements Action. What each becomes is worked out before the first is
// set. If one of the values is not allowed, none is set.
func (a *setVars) Start(r *Run) (Pending, error) {
	var few [4]sources.Value // most set no more
	values := few[:0]
	for _, name := range a.names {
		value, err := a.values[name].becomes(name, r)
		if err == nil {
			err = r.Env.Vars.Allows(name, value.String())
		}
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	for i, name := range a.names {
		if err := r.Env.Vars.Put(name, values[i], r.Chain()); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// becomes returns what the variable is to be.
func (v *assignment) becomes(name string, r *Run) (sources.Value, error) {
	switch {
	case v.toggle:
		return r.Env.Vars.Other(name)
	case !v.long:
		return v.value.Secretly(r.Event), nil
	}
	add, err := addend(v.add, r.Event)
	if err != nil {
		return sources.Value{}, fmt.Errorf("variable %s: %w", name, err)
	}
	sum := v.sum
	sum.Add = add
	value, err := r.Env.Vars.Add(name, &sum)
	if v.add.Reveals(r.Event) {
		value = value.Secret()
	}
	return value, err
}

// Assigns calls f with each variable that s sets, and the strings that its value
// is made of.
func (s *Step) Assigns(f func(name string, from expand.Text)) {
	a, ok := s.Action.(*setVars)
	if !ok {
		return
	}
	for _, name := range a.names {
		f(name, a.values[name].value)
		f(name, a.values[name].add)
	}
}

// goesOn reports whether v makes the variable another one each time that it is
// done, without end.
func (v *assignment) goesOn() bool {
	if !v.long || v.toggle || v.sum.Wrap {
		return v.toggle || v.sum.Wrap
	}
	add, err := addend(v.add, &sources.Event{})
	up, down := add.Compare(sources.Number{}) > 0, add.Compare(sources.Number{}) < 0
	if v.add.HasFields() || err != nil {
		up, down = true, true
	}
	return up && v.sum.Max == nil || down && v.sum.Min == nil
}
