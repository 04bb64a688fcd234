// SPDX-License-Identifier: MIT

// Conditions: what a source knows of the state of things, for the `if` of
// rules.

package sources

import (
	"slices"
	"time"

	"reflexd/config"
)

// Truth is the answer of a condition. What is not known is neither true nor
// false, and nor is its opposite: a rule fires only if its condition is Yes.
// The order of the values is that of Kleene's logic: all is the least of its
// parts, any the greatest, not the negative.
type Truth int8

// The values of Truth.
const (
	No      Truth = -1
	Unknown Truth = 0
	Yes     Truth = 1
)

// Whether returns Yes or No.
func Whether(holds bool) Truth {
	if holds {
		return Yes
	}
	return No
}

// Conditional is a Plan whose source knows states that rules may ask for.
type Conditional interface {
	// Conditions are the kinds of `if` that the source answers.
	Conditions() []ConditionKind
}

// ConditionKind declares one kind of `if`.
type ConditionKind struct {
	Key string // the key that says the kind: "line", "var"
	Doc string
	// New returns the YAML fields of one condition, and what makes the
	// question of them when all files are read, after Plan.Resolve. Its
	// functions are called on the loop's thread and allocate nothing; before the
	// plan is applied, Ask returns Unknown.
	New func() (fields []config.Field, compile func(ps *config.Problems) Question)
}

// Question is what a condition asks: of the states that events report or, if
// Ask is set, of the source itself.
type Question struct {
	Text string // as it was written, in one line
	Ask  func() Truth
	// Kind and Name are those of the Topic; a Name of "" stands for any.
	Kind, Name string
	// Among says which of the states of that kind and name are meant, nil for
	// all: those of a device, or whose names match a pattern.
	Among func(*Event) bool
	// Is says whether the state is the one asked for, as the event that
	// reported it has it. It is nil if no events report it, and only Ask knows.
	Is func(*Event) bool
	// All says that all that are meant must have the state, rather than one.
	All bool
	// For is how long it must have lasted.
	For time.Duration
	// Absent is the answer if none is meant; with OnceKnown, not before some
	// state of the kind is known.
	Absent    Truth
	OnceKnown bool
}

// ForField returns the YAML field `for` of a condition on a state.
func (q *Question) ForField() config.Field {
	return config.Field{Name: "for", Doc: "it must have lasted this long, counted from the start if it was so before", Value: config.Duration(&q.For)}
}

// IsOneOf makes q ask whether the state is one of states.
func (q *Question) IsOneOf(states ...string) {
	q.Is = func(e *Event) bool { return slices.Contains(states, e.Topic.State) }
}

// Test is what is asked of one value, in the form that Where has for each
// field. The zero value never holds.
type Test struct{ test test }

// TestValue returns the Value that reads a Test, which may refer to other values:
// Bind is to be called on it.
func TestValue(t *Test) config.Value {
	return config.Func(config.Shape{Type: "value, pattern, list or comparison"}, func(n config.Node, ps *config.Problems) {
		t.test = testReader{ps, true}.read(n)
	})
}

// Holds reports whether the text passes. It allocates nothing.
func (t Test) Holds(text string) bool { return t.test != nil && t.test.holds(Text(text), true, nil) }

// Of returns what asks for t of a field.
func (t Test) Of(field string) Where { return Where{{field, t.test}} }

// Literals returns the plain texts that t names, be it to exclude them.
func (t Test) Literals() []string { return literals(t.test) }

func literals(t test) []string {
	var parts []test
	switch t := t.(type) {
	case equal:
		return []string{t.text}
	case anyOf:
		parts = t
	case allOf:
		parts = t
	case not:
		parts = []test{t.test}
	}
	var texts []string
	for _, part := range parts {
		texts = append(texts, literals(part)...)
	}
	return texts
}
