// SPDX-License-Identifier: MIT

// The action fade, and the curve by which a PWM output follows a value.

package action

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"reflexd/agent/output"
	"reflexd/config"
	"reflexd/sources"
)

var fadeKind = Kind{
	Key:   "fade",
	Also:  "dim ramp",
	Doc:   "bring LEDs or PWM outputs from the level that they have to another one, step by step",
	Plain: true,
	New: func() (config.Value, func(*Check) Action) {
		a := &fadeOutputs{}
		fields := append(a.target.fields()[1:],
			config.Field{Name: "to", Doc: "the level at the end: a percentage, on or off; of a LED, how light it looks (CIE 1931)", Required: true,
				Value: config.At(&a.toAt, config.Parsed(&a.want, "on, off or a percentage", parseWanted))},
			config.Field{Name: "over", Also: "for duration", Doc: "how long it takes", Required: true, Value: config.Parsed(&a.over, "duration", parseSpan)})
		return config.Whole(&a.whole, config.At(&a.at, config.Object(fields...))), a.check
	},
}

type fadeOutputs struct {
	target
	want wanted
	toAt config.Pos
	over time.Duration
}

func (a *fadeOutputs) check(c *Check) Action {
	a.target.check(c)
	switch a.want.word {
	case "toggle":
		c.Problems.Errorf(a.toAt, "expected on, off or a percentage such as 40%%, found %q", "toggle")
	case sources.On:
		a.want.level = sources.Full
	}
	return a
}

// Describe implements Action.
func (a *fadeOutputs) Describe(e *sources.Event) string {
	return fmt.Sprintf("fade %s to %s over %v", a.describe(e), sources.Percent(a.want.level), a.over)
}

// Start implements Action. It is over once the fades have begun.
func (a *fadeOutputs) Start(r *Run) (Pending, error) {
	return a.each(r, func(o output.Output, done func(error)) { r.Env.Outputs.Fade(o, a.want.level, a.over, done) })
}

// curve is a level for each value: straight lines between points, and flat before the
// first and after the last.
type curve struct {
	from []*sources.Number
	to   []int // up to sources.Full
}

func (m *curve) value() config.Value {
	return config.Object(
		config.Field{Name: "from", Doc: "values, rising: [40, 80]", Required: true,
			Value: config.ListOf(&m.from, func(n **sources.Number) config.Value { return sources.NumberValue(n, false) })},
		config.Field{Name: "to", Doc: "the level at each of them: [20%, 100%]; before the first and after the last it stays", Required: true,
			Value: config.ListOf(&m.to, func(n *int) config.Value { return config.Parsed(n, "a percentage such as 40%", sources.ParsePercent) })},
	)
}

func (m *curve) check(at config.Pos, c *Check) {
	for i := 1; i < len(m.from); i++ {
		if m.from[i].Compare(*m.from[i-1]) <= 0 {
			c.Problems.Errorf(at, "the values in from must rise: %s comes after %s", m.from[i], m.from[i-1])
			return
		}
	}
	switch {
	case len(m.from) != len(m.to) || len(m.from) < 2:
		c.Problems.Errorf(at, "from has %d values and to %d: expected as many, at least two", len(m.from), len(m.to))
	case c.Fields != nil && !slices.Contains(c.Fields, "VALUE"):
		c.Problems.Errorf(at, "map needs events with a VALUE, such as those of sensors")
	}
}

// level returns the level for the VALUE of e.
func (m *curve) level(e *sources.Event) (int, error) {
	field, ok := e.Lookup("VALUE")
	n, isNumber := field.Number()
	if !ok || !isNumber {
		return 0, errors.New("map: the event has no VALUE that is a number")
	}
	i := slices.IndexFunc(m.from, func(p *sources.Number) bool { return n.Compare(*p) < 0 })
	switch i {
	case 0:
		return m.to[0], nil
	case -1:
		return m.to[len(m.to)-1], nil
	}
	low, high := m.from[i-1].Float(), m.from[i].Float()
	part := (n.Float() - low) / (high - low)
	return m.to[i-1] + int(part*float64(m.to[i]-m.to[i-1])), nil
}
