// SPDX-License-Identifier: MIT

// Conditions: what a source knows of the state of things, for the `if` of
// rules.

package sources

import "reflexd/config"

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
	Plan
	// Conditions are the kinds of `if` that the source answers.
	Conditions() []ConditionKind
}

// ConditionKind declares one kind of `if`.
type ConditionKind struct {
	Key string // the key that says the kind: "line", "var"
	Doc string
	// New returns the YAML fields of one condition, and what makes the
	// question of them when all files are read, after Plan.Check. ask is called
	// on the loop's thread and allocates nothing; before the plan is applied it
	// returns Unknown.
	New func() (fields []config.Field, compile func(ps *config.Problems) (ask func() Truth))
}

// Test is what is asked of one value, in the form that Where has for each
// field. The zero value never holds.
type Test struct{ test test }

// TestValue returns the Value that reads a Test.
func TestValue(t *Test) config.Value {
	return config.Func(config.Shape{Type: "value, pattern, list or comparison"}, func(n config.Node, ps *config.Problems) {
		t.test = readTest(n, ps)
	})
}

// Holds reports whether the text passes. It allocates nothing.
func (t Test) Holds(text string) bool { return t.test != nil && t.test.holds(Text(text), true) }

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
