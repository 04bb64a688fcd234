// SPDX-License-Identifier: MIT

// What a line is: the condition `line`, and values in strings, ${line.door}.

package gpio

import (
	"reflexd/config"
	"reflexd/sources"
)

// lineIs is one such condition.
type lineIs struct {
	plan *Plan
	line sources.Ref
	is   string // pressed, released, on, off
	isAt config.Pos
	sources.Question
}

// Conditions implements sources.Conditional.
func (p *Plan) Conditions() []sources.ConditionKind {
	return []sources.ConditionKind{{
		Key: "line", Doc: "the state of a declared line, by its active level; a line that is not open has none",
		New: func() ([]config.Field, func(*config.Problems) sources.Question) {
			c := &lineIs{plan: p}
			return []config.Field{
				{Name: "line", Doc: "the name of a line under `lines`", Required: true,
					Value: lineRef(&c.line)},
				{Name: "is", Doc: "the required state; pressed and released are for inputs", Required: true,
					Value: config.At(&c.isAt, config.OneOf(&c.is, sources.Pressed, sources.Released, sources.On, sources.Off))},
				c.ForField(),
			}, c.compile
		},
	}}
}

func (c *lineIs) compile(ps *config.Problems) sources.Question {
	c.Kind, c.Name = "line", c.line.Name
	on := c.is == sources.On || c.is == sources.Pressed
	c.IsOneOf(sources.OnOff(on))
	l, ok := c.plan.declaredLines().One(c.line, ps)
	switch {
	case !ok:
	case l.Kind == Output && c.is != sources.On && c.is != sources.Off:
		ps.Errorf(c.isAt, "line %s is an output: it is on or off", c.line.Name)
	case !l.stateful() && c.For != 0:
		ps.Errorf(c.isAt, "for needs both edges: line %s is declared with edges: %s", l.Name, l.Edges)
	case c.For == 0 && (l.Kind == Output || !l.stateful()):
		// A rule sees at once what the one before it has set; the level of a
		// line whose edges are not all seen must be read.
		if !l.stateful() {
			c.Is = nil
		}
		c.Ask = func() sources.Truth {
			level, ok := c.plan.source.level(c.Name)
			if !ok {
				return sources.Unknown
			}
			return sources.Whether(level == on)
		}
	}
	c.plan.Follow(c.Name)
	return c.Question
}

// level is Level, of a source that may be nil and then knows nothing.
func (s *Source) level(name string) (on, ok bool) {
	if s == nil {
		return false, false
	}
	return s.Level(name)
}

// Namespaces implements sources.Namespaced. A line is on or off, by its active
// level, as a condition sees it.
func (p *Plan) Namespaces() []sources.Namespace {
	return []sources.Namespace{{
		Key: "line", What: "line", Example: "lines: {%s: {button: …}}",
		Has:   func(name string) bool { return p.Spec(name) != "" },
		Names: func() []string { return p.declaredLines().Names() },
		Value: func(name string) (sources.Value, bool) { return p.source.value(name) },
	}}
}

// value returns on or off, as rules have seen the line: several edges may have
// been read of which they have not seen all. A nil source knows nothing.
func (s *Source) value(name string) (sources.Value, bool) {
	on, ok := s.level(name)
	if !ok {
		return sources.Value{}, false
	}
	if l := s.lines[name]; !l.output && l.stateful() && s.host.State != nil {
		state := s.host.State("line", name)
		return sources.Text(state), state != ""
	}
	return sources.Text(sources.OnOff(on)), true
}
