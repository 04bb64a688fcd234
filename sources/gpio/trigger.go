// SPDX-License-Identifier: MIT

// Triggers: `line: NAME`, `button: LINE`, which declares a button in place, and
// `encoder: NAME`.

package gpio

import (
	"slices"

	"reflexd/config"
	"reflexd/sources"
)

// changed is what `is` says for rising or falling.
const changed = "changed"

// states are the words of `is`.
var states = append([]string{sources.On, sources.Off, rising, falling, changed}, sources.ButtonStates...)

// The fields of a line's events.
var eventFields = []string{"LINE", "CHIP", "OFFSET", "LEVEL", "EDGE", "SYNTHETIC", sources.HeldMS, sources.Clicks}

// turned is what `is` says for both directions.
const turned = "turned"

// The fields of an encoder's events.
var encoderFields = []string{"ENCODER", "CHIP", sources.Direction, sources.Steps}

// Triggers implements sources.Plan.
func (p *Plan) Triggers() []sources.TriggerKind {
	return []sources.TriggerKind{
		{Key: "line", Doc: "a declared line is on or off, has an edge, or is a button of which a gesture is made", Fields: eventFields, New: p.newOnLine},
		{Key: "lines", Doc: "several lines together: a chord or a sequence", Fields: eventFields, New: p.newOnLines},
		{Key: "button", Doc: "the same, for a button that is declared here", Fields: eventFields, New: p.newInPlace},
		{Key: "encoder", Doc: "a turn of a rotary encoder", Fields: encoderFields, New: p.newOnEncoder},
	}
}

// edges is the `is` of a trigger, with its place.
type edges struct {
	sources.Button
	isAt config.Pos
}

// fieldsAfter returns the YAML fields of g after the first one.
func (g *edges) fieldsAfter(first config.Field) []config.Field {
	fields := g.Button.Fields([]config.Field{first}, states...)
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
	refs []sources.Ref
	edges
}

// lineRef reads a reference to a line.
var lineRef = sources.RefValue("the name of a line")

func (p *Plan) newOnLine() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	o := &onLine{plan: p}
	line := config.Field{
		Name: "line", Also: "gpio pin", Required: true, Doc: "the name of a declared line, a pattern of names, or a list of them",
		Value: config.OneOrMore(&o.refs, lineRef),
	}
	return o.fieldsAfter(line), o.compile
}

func (o *onLine) compile(t *sources.Trigger, ps *config.Problems) {
	lines := o.plan.inputs()
	if o.IsState() {
		lines = o.plan.declaredLines()
		lines.Eligible, lines.Eligibles = (*Line).stateful, "line that is on or off"
	}
	refs := slices.DeleteFunc(o.refs, func(r sources.Ref) bool { return !o.usable(r, ps) })
	names := lines.FindAll(refs, ps)
	o.edges.compile(t, names, ps)
	for _, name := range names {
		o.plan.Follow(name)
	}
}

// declaredLines is what a reference to a line may mean.
func (p *Plan) declaredLines() *sources.Declared[*Line] {
	return &sources.Declared[*Line]{What: "line", ByName: p.lines, Example: "lines: {%s: {button: …}}"}
}

// inputs is declaredLines for who listens to edges.
func (p *Plan) inputs() *sources.Declared[*Line] {
	d := p.declaredLines()
	d.Eligible, d.Eligibles = (*Line).listened, "input or button"
	return d
}

// usable reports whether the line that r names, if it names one, has the edges
// that are asked for.
func (o *onLine) usable(r sources.Ref, ps *config.Problems) bool {
	l := o.plan.lines[r.Name]
	switch {
	case l == nil:
		return true
	case l.Spec == "": // complained of
		return false
	case l.Kind == Output && !o.IsState():
		ps.Errorf(r.At, "line %s is an output: it has no edges; ask whether it is on or off", r.Name)
		return false
	case l.Kind == Output:
		return true
	}
	o.check(l, ps)
	return true
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
		Value: config.ListOf(&o.refs, lineRef),
	}
	return append([]config.Field{lines}, o.GroupTrigger.Fields()...), o.compile
}

func (o *onLines) compile(t *sources.Trigger, ps *config.Problems) {
	var names []string
	o.Is, o.isAt = []string{sources.Pressed}, t.Pos // needs both edges
	inputs := o.plan.inputs()
	for _, r := range o.refs {
		if !o.usable(r, ps) {
			return
		}
		found := inputs.Find(r, ps)
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
		Name: "button", Required: true, Doc: "the line of the button, as in `lines`",
		Value: config.Wrap(spec, func(n config.Node, ps *config.Problems) {
			b.at = n.Pos
			spec.Read(n, ps)
			p.buttons = append(p.buttons, b)
		}),
	}
	return b.fieldsAfter(button), b.compile
}

// declare finds the line that is declared for the same LINE already, under
// whatever name, or declares a button under the LINE as its name.
func (b *inPlace) declare(p *Plan, ps *config.Problems) {
	if b.spec == "" {
		return
	}
	switch first := p.holders[key(p.board, b.spec)].(type) {
	case *Encoder:
		ps.Errorf(b.at, "line %s is one of the encoder %s, declared at %s%s", b.spec, first.Name, first.At, p.alias(b.spec, first))
	case *Line:
		if first.Kind == Output {
			ps.Errorf(b.at, "line %s is declared as the output %s at %s%s", b.spec, first.Name, first.At, p.alias(b.spec, first))
			return
		}
		b.line = first
	default:
		if named := p.lines[b.spec]; named != nil {
			ps.Errorf(b.at, "%s is the name of another line, declared at %s: write `line: %s` if you mean that",
				b.spec, named.At, b.spec)
			return
		}
		button := NewLine(Button, b.spec, b.spec)
		button.At = b.at
		p.put(&button)
		b.line = &button
	}
}

func (b *inPlace) compile(t *sources.Trigger, ps *config.Problems) {
	if b.line == nil {
		return
	}
	b.check(b.line, ps)
	b.edges.compile(t, []string{b.line.Name}, ps)
}

// onEncoder is a trigger on declared encoders.
type onEncoder struct {
	plan *Plan
	refs []sources.Ref
	is   []string
}

func (p *Plan) newOnEncoder() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	o := &onEncoder{plan: p}
	word := func(s *string) config.Value {
		return config.OneOf(s, turned, sources.Clockwise, sources.CounterClockwise)
	}
	return []config.Field{
		{Name: "encoder", Required: true, Doc: "the name of a declared encoder, a pattern of names, or a list of them",
			Value: config.OneOrMore(&o.refs, sources.RefValue("the name of an encoder"))},
		{Name: "is", Required: true, Doc: "the direction, one or a list; in a rule on both directions, STEPS is negative for counter-clockwise", Value: config.OneOrMore(&o.is, word)},
	}, o.compile
}

func (o *onEncoder) compile(t *sources.Trigger, ps *config.Problems) {
	states := o.is
	if slices.Contains(states, turned) {
		states = []string{sources.Clockwise, sources.CounterClockwise}
	}
	encoders := sources.Declared[*Encoder]{What: "encoder", ByName: o.plan.encoders, Example: "encoders: {%s: {a: …, b: …}}"}
	for _, name := range encoders.FindAll(o.refs, ps) {
		for _, state := range states {
			t.Topics = append(t.Topics, sources.Topic{Kind: "encoder", Name: name, State: state})
		}
		t.Wants = append(t.Wants, sources.Want{Kind: "encoder", Name: name, Encoder: &o.plan.encoders[name].Make})
	}
}
