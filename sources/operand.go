// SPDX-License-Identifier: MIT

// Operands: what a test compares a value with, where that is no literal but
// refers to another value, such as ${var.max}.

package sources

import "reflexd/config"

// Operand returns what a reference is when the test is asked, on the loop's
// thread. e is nil where no event is looked at. It is not ok if that is not known
// now: then nothing is equal to it, above it or below it.
type Operand func(e *Event) (v Value, ok bool)

// Resolver makes an Operand of a text that refers to values. It complains of what
// it cannot resolve, and then returns nil. Of a text that is a single reference
// the Operand allocates nothing.
type Resolver func(text string, at config.Pos) Operand

// Referrer is a Plan whose triggers and conditions have tests of their own that may
// refer to values; not to fields, since a condition looks at no event.
type Referrer interface {
	// Refer is called before any of them is compiled.
	Refer(resolve Resolver)
}

// referring asks for what a reference is: a value that is equal to it, or a number
// above it or below it. A value that is referred to is never a pattern.
type referring struct {
	text    string
	at      config.Pos
	order   int     // as in compare; 0 for equal
	operand Operand // nil before it is bound, or if it was complained of
}

func (t *referring) holds(v Value, present bool, e *Event) bool {
	if !present || t.operand == nil {
		return false
	}
	operand, ok := t.operand(e)
	if !ok {
		return false
	}
	if t.order == 0 && v.isText && operand.isText {
		return v.text == operand.text
	}
	n, isNumber := v.Number()
	m, areNumbers := operand.Number()
	return isNumber && areNumbers && n.Compare(m) == t.order
}

// Bind resolves the references of w. It is called once all files are read, and
// before w is asked.
func (w Where) Bind(resolve Resolver) {
	for _, c := range w {
		bind(c.test, resolve)
	}
}

// Bind resolves the references of t, as Where.Bind does.
func (t Test) Bind(resolve Resolver) { bind(t.test, resolve) }

// Refers reports whether t has references: then what it asks for is not known
// before it is asked.
func (t Test) Refers() bool {
	found := false
	bind(t.test, func(string, config.Pos) Operand {
		found = true
		return nil
	})
	return found
}

func bind(t test, resolve Resolver) {
	var parts []test
	switch t := t.(type) {
	case *referring:
		if operand := resolve(t.text, t.at); operand != nil {
			t.operand = operand
		}
	case anyOf:
		parts = t
	case allOf:
		parts = t
	case not:
		parts = []test{t.test}
	}
	for _, part := range parts {
		bind(part, resolve)
	}
}
