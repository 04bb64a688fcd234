// SPDX-License-Identifier: MIT

// The section `lines` of the configuration.

package gpio

import (
	"slices"
	"strings"

	"reflexd/config"
)

// Sections implements sources.Plan.
func (p *Plan) Sections() []config.Field {
	return []config.Field{{
		Name:  "lines",
		Doc:   "GPIO lines, under the names that the rules use",
		Value: config.MapOf(&p.declared, func(l *Line) *config.Pos { return &l.At }, lineValue),
	}, p.encodersField(), p.boardField()}
}

// lineKinds are the kinds of line.
var lineKinds = []config.Variant{
	{Key: Input, Doc: "a line whose edges rules hear", Fields: func() []config.Field { return kindFields(Input, new(Line)) }},
	{Key: Output, Doc: "a line that rules set", Fields: func() []config.Field { return kindFields(Output, new(Line)) }},
	{Key: Button, Doc: "an input with a button to ground", Fields: func() []config.Field { return kindFields(Button, new(Line)) }},
}

// lineValue returns the Value that reads one line into l.
func lineValue(name string, l *Line) config.Value {
	choice := config.Choice("kind of line", lineKinds, nil, func(kind string, _ config.Pos) []config.Field {
		at := l.At
		*l = NewLine(kind, name, "")
		l.At = at
		return kindFields(kind, l)
	})
	return config.Wrap(choice, func(n config.Node, ps *config.Problems) {
		choice.Read(withoutMisplaced(n, ps), ps)
	})
}

// goesWith says which keys go with some kinds of line only.
var goesWith = map[string][]string{
	"debounce":  {Input, Button},
	"click_gap": {Input, Button},
	"hold":      {Input, Button},
	"edges":     {Input},
	"drive":     {Output},
	"initial":   {Output},
	"on_exit":   {Output},
}

// withoutMisplaced takes the keys out of n that go with another kind of line,
// and says with which: a better complaint than that they are unknown.
func withoutMisplaced(n config.Node, ps *config.Problems) config.Node {
	kind := kindOf(n)
	if kind == "" {
		return n
	}
	n.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e config.Entry) bool {
		kinds := goesWith[e.Key]
		misplaced := kinds != nil && !slices.Contains(kinds, kind)
		if misplaced {
			ps.Errorf(e.At, "%s goes with %s, not with %s", e.Key, strings.Join(kinds, " and "), kind)
		}
		return misplaced
	})
	return n
}

// kindOf returns the telling key of n, or "" if there is none.
func kindOf(n config.Node) string {
	for _, e := range n.Entries {
		if slices.Contains([]string{Input, Output, Button}, e.Key) {
			return e.Key
		}
	}
	return ""
}

// kindFields returns the keys of a line of the kind, bound to l.
func kindFields(kind string, l *Line) []config.Field {
	d := NewLine(kind, "", "")
	fields := []config.Field{
		{Name: kind, Also: alsoKind(kind), Required: true, Value: specValue(&l.Spec),
			Doc: "which line: GPIO17, `pin 11`, P9_12, whatever the board calls it, or LABEL:OFFSET"},
		{Name: "bias", Also: "pull pud", Default: d.Bias, Doc: "the resistor in the chip, where it has one",
			Value: config.OneOf(&l.Bias, "pull-up", "pull-down", "disabled", "as-is")},
		{Name: "active", Also: "active_low active_high invert inverted", Default: d.Active, Doc: "the physical level that counts as on or pressed",
			Value: config.OneOf(&l.Active, "high", "low")},
	}
	if kind == Output {
		return append(fields, outputFields(l)...)
	}
	debounce := ""
	if d.Debounce > 0 {
		debounce = d.Debounce.String()
	}
	fields = append(fields, config.Field{
		Name: "debounce", Default: debounce, Value: config.Duration(&l.Debounce),
		Doc: "how long the level must be steady before the kernel tells of an edge",
	})
	fields = append(fields, l.Timing.ButtonFields()...)
	if kind == Input {
		fields = append(fields, config.Field{
			Name: "edges", Default: bothEdges, Value: config.OneOf(&l.Edges, bothEdges, rising, falling),
			Doc: "which physical edges are watched; pressed and released need both",
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
	}
	return "switch key"
}

func outputFields(l *Line) []config.Field {
	return []config.Field{
		{Name: "drive", Default: "push-pull", Doc: "how the line is driven",
			Value: config.OneOf(&l.Drive, "push-pull", "open-drain", "open-source")},
		{Name: "initial", Also: "default value", Default: "off", Doc: "what it is when it is first opened; a reload does not move it",
			Value: config.Bool(&l.Initial)},
		{Name: "on_exit", Default: "keep", Doc: "what is made of it before it is closed; with keep nothing is, and the driver decides what it does then",
			Value: config.OneOf(&l.OnExit, "keep", "on", "off", "input")},
	}
}

func specValue(spec *string) config.Value {
	line := config.Parsed(spec, "a GPIO line", parseSpec)
	return config.Wrap(line, func(n config.Node, ps *config.Problems) {
		if n.Kind == config.Scalar && n.Null {
			ps.Errorf(n.Pos, "%v", notASpec(n.Found()))
			return
		}
		line.Read(n, ps)
	})
}
