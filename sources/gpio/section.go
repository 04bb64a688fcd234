// SPDX-License-Identifier: MIT

// The sections `lines` and `encoders` of the configuration.

package gpio

import (
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name:  "lines",
		Doc:   "GPIO lines, by the names that rules use",
		Value: config.MapOf(&p.lines, func(l *Line) *config.Pos { return &l.At }, lineValues()),
	}, {
		Name:  "encoders",
		Doc:   "rotary encoders, by the names that rules use",
		Value: config.MapOf(&p.encoders, func(e *Encoder) *config.Pos { return &e.At }, encoderValue),
	}, p.boardField()}
}

// lineKinds are the kinds of line.
var lineKinds = []config.Variant{
	{Key: Input, Doc: "a line whose edges rules match", Fields: func() []config.Field { return kindFields(Input, new(Line)) }},
	{Key: Output, Doc: "a line that rules set", Fields: func() []config.Field { return kindFields(Output, new(Line)) }},
	{Key: Button, Doc: "an input with a button to ground", Fields: func() []config.Field { return kindFields(Button, new(Line)) }},
	{Key: Contact, Doc: "an input that is on or off: the contact of a door, a motion detector", Fields: func() []config.Field { return kindFields(Contact, new(Line)) }},
}

// lineValues returns the elem of config.MapOf for lines. All are read into the same variable, by
// fields that are declared once a kind: they take more memory than a line.
func lineValues() (elem func(name string, l *Line) config.Value) {
	var name string
	var line Line
	fields := map[string][]config.Field{}
	choice := config.Choice("kind of line", lineKinds, nil, func(kind string, _ config.Pos) []config.Field {
		if fields[kind] == nil {
			fields[kind] = kindFields(kind, &line)
		}
		at := line.At
		line = NewLine(kind, name, "")
		line.At = at
		return fields[kind]
	})
	return func(called string, l *Line) config.Value {
		return config.Wrap(choice, func(n config.Node, ps *config.Problems) {
			name, line = called, *l
			choice.Read(withoutMisplaced(n, ps), ps)
			*l = line
		})
	}
}

// goesWith returns the kinds of line that the key goes with, if not with all.
func goesWith(key string) []string {
	switch key {
	case "debounce":
		return []string{Input, Button, Contact}
	case "click_gap", "hold":
		return []string{Input, Button}
	case "edges":
		return []string{Input}
	case "class":
		return []string{Input, Contact}
	case "drive", "initial", "on_exit":
		return []string{Output}
	}
	return nil
}

// withoutMisplaced takes the keys out of n that go with another kind of line,
// and says with which: a better complaint than that they are unknown.
func withoutMisplaced(n config.Node, ps *config.Problems) config.Node {
	kind := kindOf(n)
	if kind == "" {
		return n
	}
	var rest []config.Entry // nil as long as nothing was taken out
	for i := range n.Entries {
		e := &n.Entries[i]
		if kinds := goesWith(e.Key); kinds != nil && !slices.Contains(kinds, kind) {
			ps.Errorf(e.At, "%s goes with %s, not with %s", e.Key, listed(kinds), kind)
			if rest == nil {
				rest = append([]config.Entry{}, n.Entries[:i]...)
			}
		} else if rest != nil {
			rest = append(rest, *e)
		}
	}
	if rest != nil {
		n.Entries = rest
	}
	return n
}

// listed writes words as a sentence has them.
func listed(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// kindOf returns the telling key of n, or "" if there is none.
func kindOf(n config.Node) string {
	for _, e := range n.Entries {
		if slices.Contains([]string{Input, Output, Button, Contact}, e.Key) {
			return e.Key
		}
	}
	return ""
}

// The words of keys of a line.
var (
	biases  = []string{"pull-up", "pull-down", "disabled", "as-is"}
	actives = []string{"high", "low"}
	edgesOf = []string{bothEdges, rising, falling}
)

// mostFields is how many keys a line can have.
const mostFields = 8

// kindFields returns the keys of a line of the kind, bound to l.
func kindFields(kind string, l *Line) []config.Field {
	d := NewLine(kind, "", "")
	fields := append(make([]config.Field, 0, mostFields),
		config.Field{Name: kind, Also: alsoKind(kind), Required: true, Value: specValue(&l.Spec),
			Doc: "which line: GPIO17, `pin 11`, P9_12 or another name on the board, or LABEL:OFFSET"},
		config.Field{Name: "bias", Also: "pull pud pull_up pullup pull_down pulldown", Default: d.Bias, Doc: "the pull resistor in the chip, if it has one",
			Value: config.OneOf(&l.Bias, biases...)},
		config.Field{Name: "active", Also: "active_low active_high invert inverted", Default: d.Active, Doc: "the physical level that means on or pressed",
			Value: config.OneOf(&l.Active, actives...)},
	)
	if kind == Output {
		return append(fields, outputFields(l)...)
	}
	debounce := ""
	if d.Debounce > 0 {
		debounce = d.Debounce.String()
	}
	fields = append(fields, config.Field{
		Name: "debounce", Also: "bounce bouncetime bounce_time", Default: debounce, Value: config.Duration(&l.Debounce),
		Doc: "how long the level must be stable before the kernel reports an edge",
	})
	if kind != Button {
		fields = append(fields, config.Field{
			Name: "class", Also: "device_class type", Value: config.OneOf(&l.Class, sources.BinaryClasses...),
			Doc: "what it is for, in the words of Home Assistant",
		})
	}
	if kind == Contact {
		return fields
	}
	fields = append(fields, l.Timing.ButtonFields()...)
	if kind == Input {
		fields = append(fields, config.Field{
			Name: "edges", Default: bothEdges, Value: config.OneOf(&l.Edges, edgesOf...),
			Doc: "the physical edges to watch; pressed and released need both",
		})
	}
	return fields
}

// alsoKind are other words for a kind of line.
func alsoKind(kind string) string {
	switch kind {
	case Input:
		return "in"
	case Output:
		return "out led relay"
	case Contact:
		return "sensor reed door window pir"
	}
	return "switch key"
}

func outputFields(l *Line) []config.Field {
	return []config.Field{
		{Name: "drive", Default: "push-pull", Doc: "how the line is driven",
			Value: config.OneOf(&l.Drive, "push-pull", "open-drain", "open-source")},
		{Name: "initial", Also: "default value", Default: "off", Doc: "its state when it is first opened; a reload does not change it",
			Value: config.Bool(&l.Initial)},
		{Name: "on_exit", Default: "keep", Doc: "its state before it is closed; keep: unchanged, and the driver decides what it does then",
			Value: config.OneOf(&l.OnExit, "keep", "on", "off", "input")},
	}
}

func specValue(spec *string) config.Value { return lineSpec{spec} }

// lineSpec reads a LINE.
type lineSpec struct{ spec *string }

func (v lineSpec) value() config.Value { return config.Parsed(v.spec, "a GPIO line", parseSpec) }

func (v lineSpec) Shape() config.Shape { return v.value().Shape() }

func (v lineSpec) Read(n config.Node, ps *config.Problems) {
	if n.Kind == config.Scalar && n.Null {
		ps.Errorf(n.Pos, "%v", notASpec(n.Found()))
		return
	}
	v.value().Read(n, ps)
}

// edgesPerStep are the makes of encoders: how many edges of the two lines make
// a step.
var edgesPerStep = []struct {
	word  string
	edges int
}{{"full", 4}, {"half", 2}, {"quarter", 1}}

// encoderValue returns the Value that reads one encoder into e.
func encoderValue(name string, e *Encoder) config.Value {
	at := e.At
	*e = newEncoder(name)
	e.At = at
	fields := config.Object(
		config.Field{Name: "a", Also: "clk", Required: true, Value: specValue(&e.A), Doc: "the line that changes first when it is turned clockwise, as in `lines`"},
		config.Field{Name: "b", Also: "dt", Required: true, Value: specValue(&e.B), Doc: "the other line, of the same chip"},
		config.Field{Name: "steps", Default: "full", Value: stepsValue(&e.Make.Edges),
			Doc: "edges of the two lines per step: four, two or one"},
		config.Field{Name: "detent", Default: "1", Value: config.Int(&e.Make.Steps, 1, 1000),
			Doc: "steps per event"},
		config.Field{Name: "bias", Default: e.Bias, Doc: "the pull resistors in the chip, if it has them",
			Value: config.OneOf(&e.Bias, biases...)},
		config.Field{Name: "active", Default: e.Active, Doc: "the physical level of a closed contact",
			Value: config.OneOf(&e.Active, actives...)},
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
		ps.Errorf(e.At, "an encoder has no debounce: the kernel debounces each line separately, "+
			"and the order of the two would be lost; the decoder rejects bounce")
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
