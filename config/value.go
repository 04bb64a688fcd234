// SPDX-License-Identifier: MIT

// Values: how one place of the configuration is read into a Go variable, and
// how it describes itself for the schema and the reference page. Each field
// of the language is declared once, by one of these.

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Value reads a Node into the variable that it was made for, and describes
// what it takes.
type Value interface {
	// Read stores n, or complains to ps.
	Read(n Node, ps *Problems)
	// Shape describes the accepted values.
	Shape() Shape
}

// Shape describes what a Value accepts.
type Shape struct {
	Type     string   // "text", "duration", "on/off", "list", ...: for people
	Words    []string // the words that an enumeration takes
	Elem     *Shape   // of a list or of a mapping with free keys
	Fields   []Field  // of a mapping with fixed keys
	Variants []Variant
	Or       *Shape // a second form
}

// Field is one key of a mapping.
type Field struct {
	Name     string
	Doc      string // one line, for the reference page
	Default  string // as it would be written; "" for none
	Required bool
	// Also are words that people write for Name, from habit or from elsewhere,
	// with blanks between them: they are not taken, but the complaint knows
	// what is meant.
	Also  string
	Value Value
}

// reader is a Value made of a function.
type reader struct {
	shape Shape
	read  func(n Node, ps *Problems)
}

func (r reader) Read(n Node, ps *Problems) { r.read(n, ps) }
func (r reader) Shape() Shape              { return r.shape }

// Func returns a Value that reads by calling read.
func Func(shape Shape, read func(n Node, ps *Problems)) Value {
	return reader{shape, read}
}

// want complains unless n is of the kind, and present.
func want(n Node, kind Kind, what string, ps *Problems) bool {
	switch {
	case n.Kind == kind && (kind != Scalar || !n.Absent()):
		return true
	case kind == List && n.Kind == Map:
		ps.Errorf(n.Pos, "expected %s, whose entries begin with \"- \", found %s", what, n.Found())
	case kind == List && n.Kind == Scalar && !n.Absent():
		ps.Errorf(n.Pos, "expected %s such as [%s], found %s", what, n.Text, n.Found())
	default:
		ps.Errorf(n.Pos, "expected %s, found %s", what, n.Found())
	}
	return false
}

// article puts the article before the name of a type that has none.
func article(what string) string {
	first, _, _ := strings.Cut(what, " ")
	if slices.Contains([]string{"a", "an", "one", "on", "on,", "text", "the", "either", "auto", "kernel,"}, first) || strings.ContainsAny(first, ":/-") {
		return what
	}
	return "a " + what
}

// Parsed returns a Value for a scalar that parse understands. what names the
// type for people. The error of parse is the complaint, after the text.
func Parsed[T any](p *T, what string, parse func(text string) (T, error)) Value {
	return Func(Shape{Type: what}, func(n Node, ps *Problems) {
		if !want(n, Scalar, article(what), ps) {
			return
		}
		v, err := parse(n.Text)
		if err != nil {
			ps.Errorf(n.Pos, "%v", err)
			return
		}
		*p = v
	})
}

// Text returns a Value for any scalar, taken as it is written. It may be
// empty only in quotes.
func Text(p *string) Value {
	return Parsed(p, "text", func(s string) (string, error) { return s, nil })
}

// Word is Text that is not empty.
func Word(p *string, what string) Value {
	return Parsed(p, what, func(s string) (string, error) {
		if s == "" {
			return "", fmt.Errorf("expected %s, found empty quotes", what)
		}
		return s, nil
	})
}

// Bool returns a Value for on/off, also written true/false.
func Bool(p *bool) Value { return Parsed(p, "on or off", ParseBool) }

// ParseBool understands on, off, true and false.
func ParseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "on", "true":
		return true, nil
	case "off", "false":
		return false, nil
	}
	return false, fmt.Errorf("expected on or off, found %q", s)
}

// Int returns a Value for a whole number from low to high.
func Int(p *int, low, high int) Value {
	what := fmt.Sprintf("a whole number from %d to %d", low, high)
	return Parsed(p, what, func(s string) (int, error) {
		v, err := strconv.Atoi(s)
		if err != nil || v < low || v > high {
			return 0, fmt.Errorf("expected %s, found %q", what, s)
		}
		return v, nil
	})
}

// OneOf returns a Value for one of the words.
func OneOf(p *string, words ...string) Value {
	one := Parsed(p, "one of "+either(words), func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("expected %s, found %q%s", either(words), s, Suggest(s, words))
		}
		return s, nil
	})
	return Func(Shape{Type: "word", Words: words}, one.Read)
}

// either joins words as a sentence does: "a, b or c".
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// At returns v, and has the place of what v reads stored in p.
func At(p *Pos, v Value) Value {
	return Func(v.Shape(), func(n Node, ps *Problems) {
		*p = n.Pos
		v.Read(n, ps)
	})
}

// Whole returns v, and has stored in p whether it was read without complaint:
// if it was not, what seems to be missing may well be there.
func Whole(p *bool, v Value) Value {
	return Func(v.Shape(), func(n Node, ps *Problems) {
		before := len(ps.list)
		v.Read(n, ps)
		*p = len(ps.list) == before
	})
}

// ListOf returns a Value for a list whose elements elem reads. The elements
// are appended to what *p holds.
func ListOf[T any](p *[]T, elem func(*T) Value) Value {
	shape := elem(new(T)).Shape()
	return Func(Shape{Type: "list", Elem: &shape}, func(n Node, ps *Problems) {
		if n.Kind == List || want(n, List, "a list", ps) {
			readItems(p, n.Items, elem, ps)
		}
	})
}

// OneOrMore returns a Value for a list, or for a single element without the
// brackets.
func OneOrMore[T any](p *[]T, elem func(*T) Value) Value {
	shape := elem(new(T)).Shape()
	return Func(Shape{Type: "one or a list", Elem: &shape}, func(n Node, ps *Problems) {
		items := []Node{n}
		if n.Kind == List {
			items = n.Items
		}
		if n.Kind == List && len(items) == 0 {
			ps.Errorf(n.Pos, "the list is empty")
		}
		readItems(p, items, elem, ps)
	})
}

func readItems[T any](p *[]T, items []Node, elem func(*T) Value, ps *Problems) {
	for _, item := range items {
		v := new(T)
		elem(v).Read(item, ps)
		*p = append(*p, *v)
	}
}

// MapOf returns a Value for a mapping from names that the user chooses. A
// name that is there already, from this file or an earlier one, is refused
// with the place of the first.
func MapOf[T any](p *map[string]*T, at func(*T) *Pos, elem func(name string, v *T) Value) Value {
	shape := elem("", new(T)).Shape()
	return Func(Shape{Type: "mapping", Elem: &shape}, func(n Node, ps *Problems) {
		if n.Kind != Map {
			want(n, Map, "a mapping from names, NAME: …", ps)
			return
		}
		if *p == nil {
			*p = map[string]*T{}
		}
		for _, e := range n.Entries {
			if first, ok := (*p)[e.Key]; ok {
				ps.Errorf(e.At, "%q is declared already at %s", e.Key, *at(first))
				continue
			}
			v := new(T)
			*at(v) = e.At
			(*p)[e.Key] = v
			elem(e.Key, v).Read(e.Value, ps)
		}
	})
}

// Object returns a Value for a mapping with the given keys. Unknown and
// repeated keys and missing required ones are complained about.
func Object(fields ...Field) Value {
	return Func(Shape{Type: "mapping", Fields: fields}, func(n Node, ps *Problems) {
		if n.Kind != Map {
			want(n, Map, "a mapping with "+keysAmong(fields), ps)
			return
		}
		readFields(n, fields, ps)
	})
}

func readFields(n Node, fields []Field, ps *Problems) {
	seen := map[string]Pos{}
	var guessed []string // keys that stand there under another name
	for _, e := range n.Entries {
		if first, ok := seen[e.Key]; ok {
			ps.Errorf(e.At, "the key %q stands already at line %d", e.Key, first.Line)
			continue
		}
		seen[e.Key] = e.At
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == e.Key })
		if i < 0 {
			hint, meant := suggestField(e.Key, fields)
			if before, _, ok := strings.Cut(e.Key, ":"); ok && before != "" {
				hint, meant = fmt.Sprintf("; a space is missing after %q", before+":"), before
			}
			ps.Errorf(e.At, "unknown key %q%s", e.Key, hint)
			guessed = append(guessed, meant)
			continue
		}
		fields[i].Value.Read(e.Value, ps)
	}
	for _, f := range fields {
		if _, ok := seen[f.Name]; f.Required && !ok && !slices.Contains(guessed, f.Name) {
			ps.Errorf(n.Pos, "the key %q is missing: %s", f.Name, f.wanted())
		}
	}
}

// wanted says what belongs to the key.
func (f *Field) wanted() string {
	shape := f.Value.Shape()
	if shape.Elem != nil {
		shape = *shape.Elem
	}
	if len(shape.Words) > 0 {
		return either(shape.Words)
	}
	return f.Doc
}

// suggestField returns what to say of an unknown key, and the key that was
// meant if that can be guessed.
func suggestField(key string, fields []Field) (hint, meant string) {
	var names []string
	for _, f := range fields {
		if f.isAlso(key) {
			return didYouMean(f.Name), f.Name
		}
		names = append(names, f.Name)
	}
	if meant := Nearest(key, names); meant != "" {
		return didYouMean(meant), meant
	}
	return "; known here: " + strings.Join(names, ", "), ""
}

func (f *Field) isAlso(key string) bool {
	return slices.Contains(strings.Fields(f.Also), strings.ToLower(key))
}

func keysAmong(fields []Field) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if len(names) == 1 {
		return "the key " + names[0]
	}
	return "keys among " + strings.Join(names, ", ")
}

// Either returns a Value that reads a mapping with long and everything else
// with short: the form with all the fields, and the abbreviation.
func Either(short, long Value) Value {
	shape, or := short.Shape(), long.Shape()
	shape.Or = &or
	return Func(shape, func(n Node, ps *Problems) {
		if n.Kind == Map {
			long.Read(n, ps)
		} else {
			short.Read(n, ps)
		}
	})
}

// Variant is one of several kinds of mapping that are told apart by a key
// that only this kind has: `line:` among the triggers, `run:` among the
// actions.
type Variant struct {
	Key string // the telling key
	Doc string
	// Fields are the keys of this kind of mapping, the telling one among
	// them, as they describe themselves.
	Fields []Field
}

// Choice returns a Value for a mapping that is one of the variants; common
// are keys that every variant has beside its own. begin is called with the
// telling key and the mapping's place, and returns the variant's fields, bound
// to the variables that this mapping is to be read into.
func Choice(what string, variants []Variant, common []Field, begin func(key string, at Pos) []Field) Value {
	return Func(Shape{Type: what, Variants: variants, Fields: common}, func(n Node, ps *Problems) {
		if n.Kind != Map {
			ps.Errorf(n.Pos, "expected a mapping with one of %s, found %s", keysOf(variants), n.Found())
			return
		}
		v, ok := pick(n, what, variants, common, ps)
		if !ok {
			return
		}
		readFields(n, append(begin(v.Key, n.Pos), common...), ps)
	})
}

// pick finds the one variant whose telling key the mapping has.
func pick(n Node, what string, variants []Variant, common []Field, ps *Problems) (Variant, bool) {
	var found []Variant
	for _, e := range n.Entries {
		i := slices.IndexFunc(variants, func(v Variant) bool { return v.Key == e.Key })
		if i >= 0 && !slices.ContainsFunc(found, func(v Variant) bool { return v.Key == e.Key }) {
			found = append(found, variants[i])
		}
	}
	switch len(found) {
	case 0:
		unknownVariant(n, what, variants, common, ps)
		return Variant{}, false
	case 1:
		return found[0], true
	}
	ps.Errorf(n.Pos, "both %q and %q: one mapping is one %s", found[0].Key, found[1].Key, what)
	return Variant{}, false
}

func unknownVariant(n Node, what string, variants []Variant, common []Field, ps *Problems) {
	var telling, all []Field
	for _, v := range variants {
		for _, f := range v.Fields {
			if f.Name == v.Key {
				telling = append(telling, f)
			}
		}
		all = append(all, v.Fields...)
	}
	all = append(all, common...)
	for _, e := range n.Entries {
		if hint, meant := suggestField(e.Key, telling); meant != "" {
			ps.Errorf(e.At, "unknown %s %q%s", what, e.Key, hint)
			return
		}
	}
	for _, e := range n.Entries {
		if !slices.ContainsFunc(all, func(f Field) bool { return f.Name == e.Key }) {
			ps.Errorf(e.At, "unknown %s %q; known: %s", what, e.Key, keysOf(variants))
			return
		}
	}
	ps.Errorf(n.Pos, "the mapping does not say which %s it is, by one of the keys %s", what, keysOf(variants))
}

func keysOf(variants []Variant) string {
	var names []string
	for _, v := range variants {
		names = append(names, v.Key)
	}
	return strings.Join(names, ", ")
}
