// SPDX-License-Identifier: MIT

// Button: what triggers on lines and on keys have in common.

package sources

import (
	"slices"
	"time"

	"reflexd/config"
)

// The states of a button, as Topic.State bears them and `is` asks for them.
const (
	Pressed  = "pressed"
	Released = "released"
	Repeated = "repeated"
)

// HeldMS is the field of released events that says for how many milliseconds
// the button was down.
const HeldMS = "HELD_MS"

// Button is the part of a trigger that says what must happen to a button. It
// asks for what the recogniser finds out, so the same holds for lines and
// keys.
type Button struct {
	Is []string
	is config.Pos
	// After and Before bound how long the button was down; 0 for no bound.
	After, Before time.Duration
}

// Fields returns the YAML fields of b. states are the words that `is` takes.
func (b *Button) Fields(states ...string) []config.Field {
	word := func(s *string) config.Value { return config.OneOf(s, states...) }
	return []config.Field{
		{Name: "is", Doc: "what must happen, one or a list", Required: true,
			Value: config.At(&b.is, config.OneOrMore(&b.Is, word))},
		{Name: "after", Doc: "with released: it was down for at least this long",
			Value: config.Duration(&b.After)},
		{Name: "before", Doc: "with released: it was down for less than this",
			Value: config.Duration(&b.Before)},
	}
}

// Compile adds to t the topics of kind that concern names, and the bounds.
func (b *Button) Compile(t *Trigger, kind string, names []string, ps *config.Problems) {
	for _, name := range names {
		for _, state := range b.Is {
			t.Topics = append(t.Topics, Topic{kind, name, state})
		}
	}
	if !slices.Contains(b.Is, Released) {
		t.Fields = slices.DeleteFunc(slices.Clone(t.Fields), func(name string) bool { return name == HeldMS })
	}
	if b.After == 0 && b.Before == 0 {
		return
	}
	if slices.ContainsFunc(b.Is, func(s string) bool { return s != Released }) {
		ps.Errorf(b.is, "after and before go with `is: released` only")
	}
	if b.Before != 0 && b.Before <= b.After {
		ps.Errorf(b.is, "before: %v is no later than after: %v: this can never fire", b.Before, b.After)
	}
	t.Restrict(b.heldLongEnough)
}

func (b *Button) heldLongEnough(e *Event) bool {
	v, _ := e.Lookup(HeldMS)
	ms, ok := v.Int()
	held := time.Duration(ms) * time.Millisecond
	return ok && held >= b.After && (b.Before == 0 || held < b.Before)
}

// Restrict adds a condition to t.
func (t *Trigger) Restrict(more func(*Event) bool) {
	if before := t.Match; before != nil {
		t.Match = func(e *Event) bool { return before(e) && more(e) }
		return
	}
	t.Match = more
}

// FromField returns the YAML field `from`: the name of the declared device
// that an event must come from.
func FromField(from *string, at *config.Pos) config.Field {
	return config.Field{
		Name: "from", Doc: "the name of the declared device that it must come from; any without it",
		Value: config.At(at, config.Word(from, "a name")),
	}
}

// RestrictFrom makes t hear only events of the device declared as from; ""
// is any.
func (t *Trigger) RestrictFrom(from string) {
	if from != "" {
		t.Restrict(func(e *Event) bool { return slices.Contains(e.Names, from) })
	}
}
