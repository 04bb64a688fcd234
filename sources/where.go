// SPDX-License-Identifier: MIT

// Where: conditions on event fields, the same form wherever the language
// has them: a value, a glob, a list of them, {not: …}, {above: N}, {below: N}.

package sources

import (
	"reflect"
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

// test is what is asked of one field. It allocates nothing.
type test interface {
	holds(v Value, present bool) bool
}

// Match reports whether all conditions hold for e.
func (w Where) Match(e *Event) bool {
	for i := range w {
		v, ok := e.Lookup(w[i].field)
		v.quoted = isQuoted(v.text) && (e.Topic.Kind == "uevent" || e.Topic.Kind == "udev")
		if !w[i].test.holds(v, ok) {
			return false
		}
	}
	return true
}

// isQuoted reports whether text is in quotes, as some drivers send values in
// uevents: NAME="USB Keyboard". What a pattern without quotes asks for is what
// stands between them.
func isQuoted(text string) bool {
	return len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"'
}

// asked returns the text of v that pattern is about.
func (v Value) asked(pattern string) string {
	if v.quoted && strings.IndexByte(pattern, '"') < 0 {
		return v.text[1 : len(v.text)-1]
	}
	return v.text
}

// Equal reports whether w and other ask for the same, in the same order.
func (w Where) Equal(other Where) bool { return reflect.DeepEqual(w, other) }

// Fields returns the names of the fields that w asks for.
func (w Where) Fields() []string {
	var names []string
	for _, c := range w {
		names = append(names, c.field)
	}
	return names
}

// Exact returns the texts one of which the field must have, if w asks for
// the field by plain texts; else nil.
func (w Where) Exact(field string) []string {
	for _, c := range w {
		if c.field == field {
			return exactTexts(c.test)
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
func WhereValue(w *Where) config.Value {
	shape := config.Shape{Type: "mapping of event fields to conditions"}
	return config.Func(shape, func(n config.Node, ps *config.Problems) {
		if n.Kind != config.Map {
			ps.Errorf(n.Pos, "expected a mapping such as {FIELD: value}, found %s", n.Found())
			return
		}
		for _, e := range n.Entries {
			w.read(e, ps)
		}
	})
}

func (w *Where) read(e config.Entry, ps *config.Problems) {
	switch {
	case !ValidField(e.Key):
		ps.Errorf(e.At, "%q is not an event field: write it in upper case%s", e.Key, upper(e.Key))
	case slices.ContainsFunc(*w, func(c condition) bool { return c.field == e.Key }):
		ps.Errorf(e.At, "duplicate field %s", e.Key)
	default:
		if t := readTest(e.Value, ps); t != nil {
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

func readTest(n config.Node, ps *config.Problems) test {
	switch {
	case n.Kind == config.List:
		var any anyOf
		for _, item := range n.Items {
			if t := readTest(item, ps); t != nil {
				any = append(any, t)
			}
		}
		if len(n.Items) == 0 {
			ps.Errorf(n.Pos, "the list is empty: nothing matches it")
		}
		return any
	case n.Kind == config.Map:
		return readComparison(n, ps)
	case n.Null && n.Text == "":
		ps.Errorf(n.Pos, "expected a value; an empty one is written \"\"")
		return nil
	case strings.ContainsAny(n.Text, `*?[`):
		if !ValidGlob(n.Text) {
			ps.Errorf(n.Pos, "%q is not a pattern: a [ is not closed", n.Text)
			return nil
		}
		return glob{n.Text}
	}
	return newEqual(n.Text)
}

func readComparison(n config.Node, ps *config.Problems) test {
	var all allOf
	for _, e := range n.Entries {
		switch e.Key {
		case "not":
			if t := readTest(e.Value, ps); t != nil {
				all = append(all, not{t})
			}
		case "above", "below":
			number, err := strconv.ParseInt(e.Value.Text, 10, 64)
			if err != nil || e.Value.Kind != config.Scalar {
				ps.Errorf(e.Value.Pos, "%s: expected an integer, found %s", e.Key, e.Value.Found())
				continue
			}
			all = append(all, compare{number, e.Key == "above"})
		default:
			ps.Errorf(e.At, "unknown comparison %q%s", e.Key, config.Known(e.Key, []string{"not", "above", "below"}))
		}
	}
	if len(n.Entries) == 0 {
		ps.Errorf(n.Pos, "expected one of not, above, below")
	}
	if all.impossible() {
		ps.Errorf(n.Pos, "no integer is both above the one and below the other: this can never hold")
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

func (t equal) holds(v Value, present bool) bool {
	if v.isText || !present {
		return present && v.asked(t.text) == t.text
	}
	return t.isNumber && v.number == t.number
}

// glob asks for a pattern. Unlike in a file name, * matches a slash too:
// values such as DEVPATH are full of them.
type glob struct{ pattern string }

func (t glob) holds(v Value, present bool) bool {
	return present && v.isText && Glob(t.pattern, v.asked(t.pattern)) || present && !v.isText && Glob(t.pattern, v.String())
}

type anyOf []test

func (t anyOf) holds(v Value, present bool) bool {
	for _, inner := range t {
		if inner.holds(v, present) {
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
			if ok && too && a.above && !b.above && b.limit-1 <= a.limit {
				return true
			}
		}
	}
	return false
}

func (t allOf) holds(v Value, present bool) bool {
	for _, inner := range t {
		if !inner.holds(v, present) {
			return false
		}
	}
	return true
}

type not struct{ test }

func (t not) holds(v Value, present bool) bool { return !t.test.holds(v, present) }

type compare struct {
	limit int64
	above bool
}

func (t compare) holds(v Value, present bool) bool {
	n, ok := v.Int()
	return present && ok && (t.above && n > t.limit || !t.above && n < t.limit)
}
