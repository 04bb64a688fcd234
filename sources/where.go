// SPDX-License-Identifier: MIT

// Where: conditions on event fields, the same form wherever the language
// has them: a value, a glob, a list of them, {not: …}, {above: N}, {below: N}.
// What a value is compared with may be a reference: see operand.go.

package sources

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"reflexd/config"
)

// Where is a set of conditions on an event's fields, all of which must hold.
// The zero value always holds.
type Where []condition

type condition struct {
	field string
	test  test
}

// test is what is asked of one field of e, which is nil where no event is
// looked at. It allocates nothing.
type test interface {
	holds(v Value, present bool, e *Event) bool
}

// Match reports whether all conditions hold for e.
func (w Where) Match(e *Event) bool {
	for i := range w {
		if _, _, passes := w[i].ask(e); !passes {
			return false
		}
	}
	return true
}

// ask returns the value that e has, and whether it is what c asks for.
func (c *condition) ask(e *Event) (v Value, present, passes bool) {
	v, present = e.Lookup(c.field)
	v.quoted = e.quotes(v.text)
	return v, present, c.test.holds(v, present, e)
}

// Each calls found with each field that w asks for, the value that e has, and
// whether it passes.
func (w Where) Each(e *Event, found func(field, value string, present, passes bool)) {
	for i := range w {
		v, present, passes := w[i].ask(e)
		found(w[i].field, v.Shown(), present, passes)
	}
}

// quotes reports whether text, a value of e, is in quotes, as some drivers send
// values in uevents: NAME="USB Keyboard". What a pattern without quotes asks for is
// what stands between them.
func (e *Event) quotes(text string) bool {
	return len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' && (e.Topic.Kind == "uevent" || e.Topic.Kind == "udev")
}

// asked returns the text of v that pattern is about.
func (v Value) asked(pattern string) string {
	if v.quoted && strings.IndexByte(pattern, '"') < 0 {
		return v.text[1 : len(v.text)-1]
	}
	return v.text
}

// Equal reports whether w and other ask for the same, in the same order.
func (w Where) Equal(other Where) bool {
	return slices.EqualFunc(w, other, func(a, b condition) bool { return a.field == b.field && equalTests(a.test, b.test) })
}

// equalTests reports whether a and b ask for the same.
func equalTests(a, b test) bool {
	switch a := a.(type) {
	case anyOf:
		b, ok := b.(anyOf)
		return ok && slices.EqualFunc(a, b, equalTests)
	case allOf:
		b, ok := b.(allOf)
		return ok && slices.EqualFunc(a, b, equalTests)
	case not:
		b, ok := b.(not)
		return ok && equalTests(a.test, b.test)
	case *referring:
		b, ok := b.(*referring)
		return ok && a.text == b.text && a.order == b.order
	}
	switch b.(type) {
	case anyOf, allOf, not:
		return false // not comparable
	}
	return a == b
}

// Fields returns the names of the fields that w asks for.
func (w Where) Fields() []string {
	var names []string
	for _, c := range w {
		names = append(names, c.field)
	}
	return names
}

// Without returns w but for what it asks of the fields.
func (w Where) Without(fields ...string) Where {
	return slices.DeleteFunc(slices.Clone(w), func(c condition) bool { return slices.Contains(fields, c.field) })
}

// Exact returns the texts one of which the field must have, if w asks for
// the field by plain texts; else nil.
func (w Where) Exact(field string) []string {
	if t := w.test(field); t != nil {
		return exactTexts(t)
	}
	return nil
}

// test returns what w asks of the field; nil for nothing.
func (w Where) test(field string) test {
	for i := range w {
		if w[i].field == field {
			return w[i].test
		}
	}
	return nil
}

func exactTexts(t test) []string {
	switch t := t.(type) {
	case equal:
		return []string{t.text}
	case anyOf:
		var texts []string
		for _, inner := range t {
			more := exactTexts(inner)
			if more == nil {
				return nil
			}
			texts = append(texts, more...)
		}
		return texts
	}
	return nil
}

// WhereValue returns the Value that reads a Where. Conditions are added to
// what *w holds.
func WhereValue(w *Where) config.Value { return whereValue{w, false} }

// ReferringWhere is WhereValue for a Where that may refer to other values, and on
// which Bind is called.
func ReferringWhere(w *Where) config.Value { return whereValue{w, true} }

type whereValue struct {
	where  *Where
	refers bool // ${…} is a reference
}

func (whereValue) Shape() config.Shape {
	return config.Shape{Type: "mapping of event fields to conditions"}
}

func (v whereValue) Read(n config.Node, ps *config.Problems) {
	if n.Kind != config.Map {
		ps.Errorf(n.Pos, "expected a mapping such as {FIELD: value}, found %s", n.Found())
		return
	}
	for _, e := range n.Entries {
		v.where.read(e, v.refers, ps)
	}
}

func (w *Where) read(e config.Entry, refers bool, ps *config.Problems) {
	switch {
	case !ValidField(e.Key):
		ps.Errorf(e.At, "%q is not an event field: write it in upper case%s", e.Key, upper(e.Key))
	case slices.ContainsFunc(*w, func(c condition) bool { return c.field == e.Key }):
		ps.Errorf(e.At, "duplicate field %s", e.Key)
	default:
		if t := (testReader{ps, refers}).read(e.Value); t != nil {
			*w = append(*w, condition{e.Key, t})
		}
	}
}

func upper(key string) string {
	if u := strings.ToUpper(key); ValidField(u) {
		return ", " + u
	}
	return ""
}

// ValidField reports whether name can be an event field and an environment
// variable.
func ValidField(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// testReader reads what is asked of a value.
type testReader struct {
	ps     *config.Problems
	refers bool // ${…} is a reference
}

func (r testReader) read(n config.Node) test {
	switch {
	case n.Kind == config.List:
		var any anyOf
		for _, item := range n.Items {
			if t := r.read(item); t != nil {
				any = append(any, t)
			}
		}
		if len(n.Items) == 0 {
			r.ps.Errorf(n.Pos, "the list is empty: nothing matches it")
		}
		return any
	case n.Kind == config.Map:
		return r.comparison(n)
	case n.Null && n.Text == "":
		r.ps.Errorf(n.Pos, "expected a value; an empty one is written \"\"")
		return nil
	case r.isReference(n):
		return &referring{text: n.Text, at: n.Pos}
	case IsPattern(n.Text):
		if !ValidGlob(n.Text) {
			r.ps.Errorf(n.Pos, "%q is not a pattern: a [ is not closed", n.Text)
			return nil
		}
		return glob{n.Text}
	}
	return newEqual(n.Text)
}

func (r testReader) isReference(n config.Node) bool {
	return r.refers && n.Kind == config.Scalar && strings.Contains(n.Text, "${")
}

func (r testReader) comparison(n config.Node) test {
	var all allOf
	for _, e := range n.Entries {
		switch e.Key {
		case "not":
			if t := r.read(e.Value); t != nil {
				all = append(all, not{t})
			}
		case "above", "below":
			order := +1
			if e.Key == "below" {
				order = -1
			}
			number, ok := ParseNumber(e.Value.Text)
			switch {
			case r.isReference(e.Value):
				all = append(all, &referring{text: e.Value.Text, at: e.Value.Pos, order: order})
			case !ok || e.Value.Kind != config.Scalar:
				r.ps.Errorf(e.Value.Pos, "%s: expected a number, found %s", e.Key, e.Value.Found())
			default:
				all = append(all, compare{number, order})
			}
		default:
			r.ps.Errorf(e.At, "unknown comparison %q%s", e.Key, config.Known(e.Key, []string{"not", "above", "below"}))
		}
	}
	if len(n.Entries) == 0 {
		r.ps.Errorf(n.Pos, "expected one of not, above, below")
	}
	if all.impossible() {
		r.ps.Errorf(n.Pos, "no number is both above the one and below the other: this can never hold")
	}
	return all
}

// equal asks for a text, or for the number that the text is.
type equal struct {
	text     string
	number   int64
	isNumber bool
}

func newEqual(text string) equal {
	n, err := strconv.ParseInt(text, 0, 64)
	return equal{text, n, err == nil}
}

func (t equal) holds(v Value, present bool, _ *Event) bool {
	if v.isText || !present {
		return present && v.asked(t.text) == t.text
	}
	return t.isNumber && v.number == t.number
}

// glob asks for a pattern. Unlike in a file name, * matches a slash too:
// values such as DEVPATH are full of them.
type glob struct{ pattern string }

func (t glob) holds(v Value, present bool, _ *Event) bool {
	return present && v.isText && Glob(t.pattern, v.asked(t.pattern)) || present && !v.isText && Glob(t.pattern, v.String())
}

type anyOf []test

func (t anyOf) holds(v Value, present bool, e *Event) bool {
	for _, inner := range t {
		if inner.holds(v, present, e) {
			return true
		}
	}
	return false
}

type allOf []test

// impossible reports whether no number can hold.
func (t allOf) impossible() bool {
	for _, low := range t {
		for _, high := range t {
			a, ok := low.(compare)
			b, too := high.(compare)
			if ok && too && a.order > 0 && b.order < 0 && b.limit.Compare(a.limit) <= 0 {
				return true
			}
		}
	}
	return false
}

func (t allOf) holds(v Value, present bool, e *Event) bool {
	for _, inner := range t {
		if !inner.holds(v, present, e) {
			return false
		}
	}
	return true
}

type not struct{ test }

func (t not) holds(v Value, present bool, e *Event) bool { return !t.test.holds(v, present, e) }

// compare asks for a number above the limit, or below it.
type compare struct {
	limit Number
	order int // of the value compared with the limit: +1 or -1
}

func (t compare) holds(v Value, present bool, _ *Event) bool {
	if !v.isText && t.limit.places == 0 { // most are
		return present && cmp.Compare(v.number, t.limit.n) == t.order
	}
	n, ok := v.Number()
	return present && ok && n.Compare(t.limit) == t.order
}
