// SPDX-License-Identifier: MIT

// Triggers: `line: NAME`, and `button: LINE`, which declares a button in place.

package gpio

import (
	"slices"
	"strings"
	"sync"

	"reflexd/config"
	"reflexd/sources"
)

// changed is what `is` says for rising or falling.
const changed = "changed"

// states are the words of `is`.
var states = append([]string{rising, falling, changed}, sources.ButtonStates...)

// The fields of a line's events.
var eventFields = []string{"LINE", "CHIP", "OFFSET", "LEVEL", "EDGE", "SYNTHETIC", sources.HeldMS, sources.Clicks}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{
		{Key: "line", Doc: "an edge of a declared line, or what it means to a button", Fields: eventFields, New: p.newOnLine},
		{Key: "lines", Doc: "several lines that act as one: a chord or a sequence", Fields: eventFields, New: p.newOnLines},
		{Key: "button", Doc: "the same, of a button that is declared here", Fields: eventFields, New: p.newInPlace},
		{Key: "encoder", Doc: "a turn of a rotary encoder", Fields: encoderFields, New: p.newOnEncoder},
	}
}

// edges is the `is` of a trigger, with its place.
type edges struct {
	sources.Button
	isAt config.Pos
}

func (g *edges) fields() []config.Field {
	fields := g.Button.Fields(states...)
	for i := range fields {
		if fields[i].Name == "is" {
			fields[i].Value = config.At(&g.isAt, fields[i].Value)
		}
	}
	return fields
}

// compile makes t hear names.
func (g *edges) compile(t *sources.Trigger, names []string, ps *config.Problems) {
	if slices.Contains(g.Is, changed) {
		g.Is = slices.DeleteFunc(g.Is, func(s string) bool { return s == changed || s == rising || s == falling })
		g.Is = append(g.Is, rising, falling)
	}
	g.Button.Compile(t, "line", names, "", ps)
}

// check complains of states that l never comes to.
func (g *edges) check(l *Line, ps *config.Problems) {
	g.CheckHold(l.Debounce, ps)
	if l.Edges == bothEdges {
		return
	}
	for _, state := range g.Is {
		switch state {
		case l.Edges, changed:
		case rising, falling:
			ps.Errorf(g.isAt, "%s can never fire: line %s is declared with edges: %s", state, l.Name, l.Edges)
		default:
			ps.Errorf(g.isAt, "%s needs both edges: line %s is declared with edges: %s", state, l.Name, l.Edges)
		}
	}
}

// onLine is a trigger on declared lines.
type onLine struct {
	plan *Plan
	refs []ref
	edges
}

// ref is a line's name, or a pattern of names, with its place.
type ref struct {
	name string
	at   config.Pos
}

func refValue(r *ref) config.Value {
	return config.At(&r.at, config.Word(&r.name, "the name of a line"))
}

func (p *Plan) newOnLine() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	o := &onLine{plan: p}
	line := config.Field{
		Name: "line", Also: "gpio pin", Required: true, Doc: "the name of a declared line, a pattern of names, or a list of them",
		Value: config.OneOrMore(&o.refs, refValue),
	}
	return append([]config.Field{line}, o.fields()...), o.compile
}

func (o *onLine) compile(t *sources.Trigger, ps *config.Problems) {
	var names []string
	seen := map[string]bool{}
	inputs := sync.OnceValue(o.plan.inputs)
	for _, r := range o.refs {
		for _, name := range o.find(r, inputs, ps) {
			if !seen[name] {
				names, seen[name] = append(names, name), true
			}
		}
	}
	o.edges.compile(t, names, ps)
}

// find returns the names that r means, inputs being those of all inputs.
func (o *onLine) find(r ref, inputs func() []string, ps *config.Problems) []string {
	l := o.plan.declared[r.name]
	switch {
	case r.name == "", l != nil && l.Spec == "": // complained about already
		return nil
	case l != nil && l.Kind == Output:
		ps.Errorf(r.at, "line %s is an output: no edge of it is ever seen", r.name)
		return nil
	case l != nil:
		o.check(l, ps)
		return []string{r.name}
	case !strings.ContainsAny(r.name, "*?["):
		ps.Errorf(r.at, "no line %q is declared%s", r.name, config.Unknown(r.name, inputs, "lines: {"+r.name+": {button: …}}"))
		return nil
	}
	matching := slices.DeleteFunc(slices.Clone(inputs()), func(name string) bool { return !sources.Glob(r.name, name) })
	if len(matching) == 0 {
		ps.Errorf(r.at, "no declared input or button matches %q", r.name)
	}
	return matching
}

// onLines is a trigger on several declared lines that act as one.
type onLines struct {
	onLine
	sources.GroupTrigger
}

func (p *Plan) newOnLines() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	o := &onLines{onLine: onLine{plan: p}}
	lines := config.Field{
		Name: "lines", Required: true, Doc: "the names of declared lines, a list",
		Value: config.ListOf(&o.refs, refValue),
	}
	return append([]config.Field{lines}, o.GroupTrigger.Fields()...), o.compile
}

func (o *onLines) compile(t *sources.Trigger, ps *config.Problems) {
	var names []string
	o.Is, o.isAt = []string{sources.Pressed}, t.Pos // needs both edges
	for _, r := range o.refs {
		found := o.find(r, o.plan.inputs, ps)
		if found == nil {
			return // complained of
		}
		names = append(names, found...)
	}
	o.GroupTrigger.Compile(t, "lines", "line", names, "", ps)
}

// inPlace is a trigger that declares its button.
type inPlace struct {
	spec string
	at   config.Pos
	line *Line // nil if it could not be declared
	edges
}

func (p *Plan) newInPlace() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	b := &inPlace{}
	spec := specValue(&b.spec)
	button := config.Field{
		Name: "button", Required: true, Doc: "which line the button is at, as in `lines`",
		Value: config.Wrap(spec, func(n config.Node, ps *config.Problems) {
			b.at = n.Pos
			spec.Read(n, ps)
			p.buttons = append(p.buttons, b)
		}),
	}
	return append([]config.Field{button}, b.fields()...), b.compile
}

// declare finds the line that is declared for the same LINE already, under
// whatever name, or declares a button under the LINE as its name.
func (b *inPlace) declare(p *Plan, ps *config.Problems) {
	if b.spec == "" {
		return
	}
	l := p.bySpec(b.spec)
	switch named := p.declared[b.spec]; {
	case l != nil && l.Kind == Knob:
		ps.Errorf(b.at, "line %s is one of the encoder %s, declared at %s", b.spec, l.Name, l.At)
		return
	case l != nil && l.Kind == Output:
		ps.Errorf(b.at, "line %s is declared as the output %s at %s", b.spec, l.Name, l.At)
		return
	case l == nil && named != nil:
		ps.Errorf(b.at, "%s is the name of another line, declared at %s: write `line: %s` if that is meant",
			b.spec, named.At, b.spec)
		return
	case l == nil:
		button := NewLine(Button, b.spec, b.spec)
		button.At = b.at
		l = &button
		p.put(l)
	}
	b.line = l
}

func (b *inPlace) compile(t *sources.Trigger, ps *config.Problems) {
	if b.line == nil {
		return
	}
	b.check(b.line, ps)
	b.edges.compile(t, []string{b.line.Name}, ps)
}
