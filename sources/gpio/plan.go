// SPDX-License-Identifier: MIT

// Plan: the lines that a configuration declares.

package gpio

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"reflexd/board"
	"reflexd/config"
	"reflexd/sources"
)

// Plan is what a configuration asks of GPIO. The zero value is empty.
type Plan struct {
	board    *board.Board // which the configuration names; nil for the one that this is
	detected *board.Board // the one that this is, nil if the tables do not have it
	detect   bool         // whether detected says so
	lines    map[string]*Line
	encoders map[string]*Encoder
	buttons  []*inPlace
	holders  map[string]declared // by the key of LINE
	// followed are the outputs whose states rules ask for.
	followed map[string]bool
	source   *Source // that serves it, once it is applied
}

// all returns the declared lines and encoders, but for those that were
// complained of, by place, and those without a place by name.
func (p *Plan) all() []declared {
	var all byPlace
	for _, l := range p.lines {
		if l.Spec != "" {
			all = append(all, l)
		}
	}
	for _, e := range p.encoders {
		if e.A != "" && e.B != "" {
			all = append(all, e)
		}
	}
	sort.Sort(all)
	return all
}

// Names returns the names of all lines and encoders, sorted.
func (p *Plan) Names() []string {
	var names []string
	for _, d := range p.all() {
		names = append(names, d.common().Name)
	}
	slices.Sort(names)
	return names
}

// Outputs returns the names of the outputs, sorted.
func (p *Plan) Outputs() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.lines)), func(name string) bool { return !p.Output(name) })
}

// Output reports whether name is declared as an output.
func (p *Plan) Output(name string) bool {
	l := p.lines[name]
	return l != nil && l.Kind == Output
}

// State returns which state of the line name a word of `is` stands for: on or
// off, and "" for a button, which has gestures, or what is not declared.
func (p *Plan) State(name, word string) string {
	l := p.lines[name]
	if l == nil || l.Kind == Button {
		return ""
	}
	switch word {
	case sources.On, sources.Pressed:
		return sources.On
	case rising, falling:
		return sources.OnOff((word == rising) == (l.Active == "high"))
	}
	return sources.Off
}

// Follow has the source report the states of the line name, if it is an
// output.
func (p *Plan) Follow(name string) {
	if !p.Output(name) {
		return
	}
	if p.followed == nil {
		p.followed = map[string]bool{}
	}
	p.followed[name] = true
}

// Line returns what is declared as name, nil for nothing and for encoders. It
// must not be changed.
func (p *Plan) Line(name string) *Line { return p.lines[name] }

// Timing returns the times of its own that the line called name has.
func (p *Plan) Timing(name string) sources.Timing {
	if l := p.lines[name]; l != nil {
		return l.Timing
	}
	return sources.Timing{}
}

// Spec returns the LINE that is declared as name, "" for none.
func (p *Plan) Spec(name string) string {
	if l := p.lines[name]; l != nil {
		return l.Spec
	}
	return ""
}

// Add declares l, as a configuration would.
func (p *Plan) Add(l Line) error {
	if first := p.lines[l.Name]; first != nil {
		return fmt.Errorf("line %s is already declared, as %s", first.Name, first.Spec)
	}
	if first := p.holders[key(p.board, l.Spec)]; first != nil {
		return fmt.Errorf("line %s is already declared, under the name %s", l.Spec, first.common().Name)
	}
	if _, err := parseSpec(l.Spec); err != nil {
		return err
	}
	if err := l.check(); err != nil {
		return err
	}
	p.put(&l)
	return nil
}

// AddInput declares the line spec as an input of that name, to watch both its
// edges and to change nothing about it.
func (p *Plan) AddInput(spec string) error { return p.Add(NewLine(Input, spec, spec)) }

func (p *Plan) put(l *Line) {
	if p.lines == nil {
		p.lines = map[string]*Line{}
	}
	p.lines[l.Name] = l
	p.claim(l.Spec, l)
}

// claim makes d the holder of the LINE spec, unless another is, which it
// returns.
func (p *Plan) claim(spec string, d declared) declared {
	spec = key(p.board, spec)
	if first := p.holders[spec]; first != nil && first != d {
		return first
	}
	if p.holders == nil {
		p.holders = map[string]declared{}
	}
	p.holders[spec] = d
	return nil
}

// Extras implements sources.Plan.
func (p *Plan) Extras() sources.Extras {
	return sources.Extras{Conditional: p, Namespaced: p, Examiner: p}
}

// Resolve implements sources.Plan. It also declares the lines that triggers
// declare in place.
func (p *Plan) Resolve(ps *config.Problems) {
	for _, d := range p.all() {
		if l, ok := d.(*Line); ok {
			p.resolveLine(l, ps)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.encoders)) {
		p.resolveEncoder(p.encoders[name], ps)
	}
	for _, b := range p.buttons {
		b.declare(p, ps)
	}
	for _, d := range p.all() {
		p.checkPins(d, ps)
	}
}

func (p *Plan) resolveLine(l *Line, ps *config.Problems) {
	if err := l.check(); err != nil {
		ps.Errorf(l.At, "%v", err)
	}
	if sources.IsPattern(l.Name) {
		ps.Errorf(l.At, "line %q: a name with *, ? or [ looks like a pattern", l.Name)
	}
	if first := p.claim(l.Spec, l); first != nil {
		ps.Errorf(l.At, "line %s is already declared as %s at %s%s", l.Spec, first.common().Name, first.common().At, p.alias(l.Spec, first))
	}
}

func (p *Plan) resolveEncoder(e *Encoder, ps *config.Problems) {
	if first := p.lines[e.Name]; first != nil {
		ps.Errorf(e.At, "%s is already the name of a line, declared at %s", e.Name, first.At)
	}
	if e.A != "" && key(p.board, e.A) == key(p.board, e.B) {
		ps.Errorf(e.At, "encoder %s: a and b are the same line", e.Name)
	}
	var before declared
	for _, spec := range e.specs() {
		if spec == "" { // complained of
			continue
		}
		if first := p.claim(spec, e); first != nil && first != before {
			before = first
			ps.Errorf(e.At, "encoder %s: line %s is already declared as %s at %s%s", e.Name, spec, first.common().Name, first.common().At, p.alias(spec, first))
		}
	}
}

// Pulse returns which edge of a declared input is one to its active level, and
// whether the line reports those of both directions.
func (p *Plan) Pulse(name string) (edge string, both bool, err error) {
	l := p.lines[name]
	switch {
	case l == nil:
		return "", false, fmt.Errorf("no line %q is declared%s", name, config.Unknown(name, p.declaredLines().Names, "lines: {"+name+": {input: …}}"))
	case l.Kind == Output:
		return "", false, fmt.Errorf("line %s is an output: it has no pulses", name)
	}
	if edge = rising; l.Active == "low" {
		edge = falling
	}
	if l.Edges != bothEdges && l.Edges != edge {
		return "", false, fmt.Errorf("line %s is declared with edges: %s, but its pulses are %s edges, to its active level", name, l.Edges, edge)
	}
	return edge, l.Edges == bothEdges, nil
}
