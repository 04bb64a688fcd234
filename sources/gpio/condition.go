// SPDX-License-Identifier: MIT

// The condition `line`: what a line is.

package gpio

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// lineIs is one such condition.
type lineIs struct {
	plan *Plan
	line sources.Ref
	is   string // pressed, released, on, off
	isAt config.Pos
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "line", Doc: "the state of a declared line, by its active level; a line that is not open has none",
		New: func() ([]config.Field, func(*config.Problems) func() sources.Truth) {
			c := &lineIs{plan: p}
			return []config.Field{
				{Name: "line", Doc: "the name of a line under `lines`", Required: true,
					Value: lineRef(&c.line)},
				{Name: "is", Doc: "the required state; pressed and released are for inputs", Required: true,
					Value: config.At(&c.isAt, config.OneOf(&c.is, sources.Pressed, sources.Released, "on", "off"))},
			}, c.compile
		},
	}}
}

func (c *lineIs) compile(ps *config.Problems) func() sources.Truth {
	c.plan.asked = true
	l, ok := c.plan.declaredLines().One(c.line, ps)
	if ok && l.Kind == Output && slices.Contains([]string{sources.Pressed, sources.Released}, c.is) {
		ps.Errorf(c.isAt, "line %s is an output: it is on or off", c.line.Name)
	}
	return c.holds
}

func (c *lineIs) holds() sources.Truth {
	on, ok := c.plan.source.shown(c.line.Name)
	if !ok {
		return sources.Unknown
	}
	return sources.Whether(on == (c.is == "on" || c.is == sources.Pressed))
}

// Subscribes implements sources.SubscriberPlan: where conditions ask for lines, the
// source wants to know how far its own edges have been heard.
func (p *Plan) Subscribes() []string {
	if p.asked {
		return []string{"line"}
	}
	return nil
}

// Notify implements sources.Subscriber.
func (s *Source) Notify(e *sources.Event) {
	if l := s.lines[e.Topic.Name]; l != nil && e.Press != sources.NoPress {
		l.shown = e.Press == sources.Down || e.Press == sources.StartsDown
	}
}

// shown returns the level of a line as the rules know it: several edges may
// have been read of which the rules have not heard yet, of this line or of
// another, and a rule on the first must not find the world as it is after the
// last. A nil source knows nothing.
func (s *Source) shown(name string) (on, ok bool) {
	if s == nil {
		return false, false
	}
	if l := s.lines[name]; l != nil && !l.output && l.stateful() {
		return l.shown, l.fd >= 0
	}
	return s.Level(name)
}
