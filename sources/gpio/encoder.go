// SPDX-License-Identifier: MIT

// Rotary encoders: two lines in one request, so that the kernel keeps the
// order of their edges. What the edges mean is the recogniser's affair.

package gpio

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/warthog618/go-gpiocdev/uapi"

	"reflexd/config"
	"reflexd/sources"
)

// Knob is the Kind of a Line that stands for an encoder: Spec is its line A,
// SpecB its line B.
const Knob = "encoder"

// turned is what `is` says for both directions.
const turned = "turned"

// The fields of an encoder's events.
var encoderFields = []string{"ENCODER", "CHIP", sources.Direction, sources.Steps}

// The makes of encoders: how many edges of the two lines make a step.
var edgesPerStep = []struct {
	word  string
	edges int
}{{"full", 4}, {"half", 2}, {"quarter", 1}}

func newKnob(name string) Line {
	l := NewLine(Button, name, "")
	l.Kind, l.Debounce = Knob, 0
	l.Encoder = sources.Encoder{Edges: 4, Steps: 1}
	return l
}

// encodersField is the section `encoders`.
func (p *Plan) encodersField() config.Field {
	return config.Field{
		Name: "encoders", Doc: "rotary encoders, under the names that the rules use",
		Value: config.MapOf(&p.encoders, func(l *Line) *config.Pos { return &l.At }, encoderValue),
	}
}

func encoderValue(name string, l *Line) config.Value {
	at := l.At
	*l = newKnob(name)
	l.At = at
	fields := config.Object(
		config.Field{Name: "a", Also: "clk", Required: true, Value: specValue(&l.Spec), Doc: "the line that changes first when it is turned clockwise, as in `lines`"},
		config.Field{Name: "b", Also: "dt", Required: true, Value: specValue(&l.SpecB), Doc: "the other line, of the same chip"},
		config.Field{Name: "steps", Default: "full", Value: stepsValue(&l.Encoder.Edges),
			Doc: "how many edges of the two lines make a step: four, two or one"},
		config.Field{Name: "detent", Default: "1", Value: config.Int(&l.Encoder.Steps, 1, 1000),
			Doc: "how many steps make one event"},
		config.Field{Name: "bias", Default: l.Bias, Doc: "the resistors in the chip, where it has them",
			Value: config.OneOf(&l.Bias, "pull-up", "pull-down", "disabled", "as-is")},
		config.Field{Name: "active", Default: l.Active, Doc: "the physical level of a contact that is closed",
			Value: config.OneOf(&l.Active, "high", "low")},
	)
	return config.Wrap(fields, func(n config.Node, ps *config.Problems) {
		fields.Read(withoutDebounce(n, ps), ps)
	})
}

// withoutDebounce says why an encoder has none.
func withoutDebounce(n config.Node, ps *config.Problems) config.Node {
	n.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e config.Entry) bool {
		if e.Key != "debounce" {
			return false
		}
		ps.Errorf(e.At, "an encoder takes no debounce: the kernel debounces each line by itself, "+
			"and the order of the two would be lost; the table of steps rejects bounce")
		return true
	})
	return n
}

func stepsValue(edges *int) config.Value {
	var words []string
	for _, s := range edgesPerStep {
		words = append(words, s.word)
	}
	word := new(string)
	one := config.OneOf(word, words...)
	return config.Wrap(one, func(n config.Node, ps *config.Problems) {
		one.Read(n, ps)
		for _, s := range edgesPerStep {
			if s.word == *word {
				*edges = s.edges
			}
		}
	})
}

// checkEncoders complains of encoders that cannot be.
func (p *Plan) checkEncoders(ps *config.Problems) {
	all := p.Lines()
	for _, name := range slices.Sorted(maps.Keys(p.encoders)) {
		e := p.encoders[name]
		if first := p.declared[name]; first != nil {
			ps.Errorf(e.At, "%s is the name of a line already, declared at %s", name, first.At)
		}
		if e.Spec == e.SpecB && e.Spec != "" {
			ps.Errorf(e.At, "encoder %s: a and b are the same line", name)
		}
		for _, other := range all {
			if other != e && e.uses(other) != "" && (other.Kind != Knob || other.Name < name) {
				ps.Errorf(e.At, "encoder %s: line %s is declared already as %s at %s", name, e.uses(other), other.Name, other.At)
			}
		}
	}
}

// uses returns the LINE that l and other both are of, or "".
func (l *Line) uses(other *Line) string {
	for _, mine := range []string{l.Spec, l.SpecB} {
		if mine != "" && (mine == other.Spec || mine == other.SpecB) {
			return mine
		}
	}
	return ""
}

// onEncoder is a trigger on declared encoders.
type onEncoder struct {
	plan *Plan
	refs []ref
	is   []string
}

func (p *Plan) newOnEncoder() ([]config.Field, func(*sources.Trigger, *config.Problems)) {
	o := &onEncoder{plan: p}
	word := func(s *string) config.Value {
		return config.OneOf(s, turned, sources.Clockwise, sources.CounterClockwise)
	}
	return []config.Field{
		{Name: "encoder", Required: true, Doc: "the name of a declared encoder, a pattern of names, or a list of them",
			Value: config.OneOrMore(&o.refs, refValue)},
		{Name: "is", Required: true, Doc: "which way it is turned, one or a list", Value: config.OneOrMore(&o.is, word)},
	}, o.compile
}

func (o *onEncoder) compile(t *sources.Trigger, ps *config.Problems) {
	states := o.is
	if slices.Contains(states, turned) {
		states = []string{sources.Clockwise, sources.CounterClockwise}
	}
	for _, r := range o.refs {
		for _, l := range o.plan.findEncoders(r, ps) {
			for _, state := range states {
				t.Topics = append(t.Topics, sources.Topic{Kind: Knob, Name: l.Name, State: state})
			}
			t.Wants = append(t.Wants, sources.Want{Kind: Knob, Name: l.Name, Encoder: &l.Encoder})
		}
	}
}

// findEncoders returns the encoders that r means.
func (p *Plan) findEncoders(r ref, ps *config.Problems) []*Line {
	names := func() []string { return slices.Sorted(maps.Keys(p.encoders)) }
	switch e := p.encoders[r.name]; {
	case e != nil:
		return []*Line{e}
	case r.name == "":
		return nil
	case !strings.ContainsAny(r.name, "*?["):
		ps.Errorf(r.at, "no encoder %q is declared%s", r.name, config.Unknown(r.name, names, "encoders: {"+r.name+": {a: …, b: …}}"))
		return nil
	}
	var found []*Line
	for _, name := range names() {
		if sources.Glob(r.name, name) {
			found = append(found, p.encoders[name])
		}
	}
	if len(found) == 0 {
		ps.Errorf(r.at, "no declared encoder matches %q", r.name)
	}
	return found
}

// knob is what a line has that stands for an encoder.
type knob struct {
	offset int    // of line B
	seqnoB uint32 // of its last edge
	a, b   bool   // physical levels

	edges [batch]record // scratch: what a wake-up read, in order of time
}

// resolveB finds line B, which must be of the same chip.
func (l *line) resolveB(s *survey, chip *openChip) error {
	other, offset, err := s.resolve(l.decl.SpecB)
	if err != nil {
		return err
	}
	if other != chip {
		return fmt.Errorf("%s is a line of %s and %s one of %s: the order of their edges is known only on one chip",
			l.decl.Spec, chip.Label, l.decl.SpecB, other.Label)
	}
	if holder := l.source.holder(chip.Name, offset); holder != nil {
		return openAlready(chip, offset, holder.decl.Name)
	}
	l.knob.offset = offset
	return nil
}

// addLineB makes the request for line A one for both.
func (k *knob) addLineB(r *uapi.LineRequest) {
	r.Lines = 2
	r.Offsets[1] = uint32(k.offset)
}

// findPhase reads both levels, and tells them as found.
func (l *line) findPhase() error {
	a, b, err := l.source.kernel.levels(l.fd)
	if err != nil {
		return err
	}
	l.knob.a, l.knob.b, l.readAt = a, b, l.source.host.Loop.Now()
	l.tellPhase(l.readAt, 0)
	return nil
}

// readPhase reads both levels after a loss, and tells them if they are not what
// was told last: as if the edges that are missing had come at once, which the
// table of steps makes the best of.
func (l *line) readPhase() error {
	a, b, err := l.source.kernel.levels(l.fd)
	if err == nil && (a != l.knob.a || b != l.knob.b) {
		l.knob.a, l.knob.b, l.readAt = a, b, l.source.host.Loop.Now()
		l.tellPhase(l.readAt, sources.PhaseSeen)
	}
	return err
}

// takeKnob sends the edges in b on in the order of their stamps: each line has
// an interrupt thread of its own, and on a busy machine one may be overtaken by
// the other on its way to the queue, after the edge got its stamp.
func (l *line) takeKnob(b []byte) {
	edges := l.knob.edges[:0]
	for ; len(b) >= recordSize; b = b[recordSize:] {
		r := decode(b)
		if !r.valid(l) {
			l.dropped()
			continue
		}
		at := len(edges)
		for at > 0 && edges[at-1].time > r.time {
			at--
		}
		edges = slices.Insert(edges, at, r)
	}
	for i := range edges {
		l.knobEdge(&edges[i])
	}
	if len(b) > 0 {
		l.dropped()
	}
}

// knobEdge tells of one edge of either line. An edge that changes nothing is
// the end of a bounce that was over before its interrupt was served, or was
// seen when the levels were read.
func (l *line) knobEdge(r *record) {
	high := r.id == uapi.LineEventRisingEdge
	level, seqno := &l.knob.a, &l.seqno
	if int(r.offset) == l.knob.offset {
		level, seqno = &l.knob.b, &l.knob.seqnoB
	}
	l.count(seqno, r.seqno)
	if *level != high {
		*level = high
		l.tellPhase(r.time, sources.PhaseSeen)
	}
}

func (l *line) tellPhase(t time.Duration, phase sources.Phase) {
	phase |= sources.PhaseKnown
	if l.knob.a != l.activeLow() {
		phase |= sources.PhaseA
	}
	if l.knob.b != l.activeLow() {
		phase |= sources.PhaseB
	}
	l.fields[0] = sources.Field{Name: "ENCODER", Value: sources.Text(l.decl.Name)}
	l.event.Time, l.event.Phase = t, phase
	l.event.Topic = sources.Topic{Kind: Knob, Name: l.decl.Name}
	l.event.Fields = l.fields[:2] // and CHIP
	l.source.host.Emit(&l.event)
}
