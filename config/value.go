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
	Type     string   // "string", "duration", "on/off", "list", ...: for people
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

// Func returns a Value that reads by calling read.
func Func(shape Shape, read func(n Node, ps *Problems)) Value { return custom{shape, read} }

type custom struct {
	shape Shape
	read  func(n Node, ps *Problems)
}

func (v custom) Read(n Node, ps *Problems) { v.read(n, ps) }
func (v custom) Shape() Shape              { return v.shape }

// Wrap returns a Value that takes what v takes, and reads it by calling read,
// which mostly has v read it and does something more.
func Wrap(v Value, read func(n Node, ps *Problems)) Value { return wrapped{v, read} }

type wrapped struct {
	Value
	read func(n Node, ps *Problems)
}

func (v wrapped) Read(n Node, ps *Problems) { v.read(n, ps) }

// refuse complains of n, which is not of the kind, or absent.
func refuse(n *Node, kind Kind, what string, ps *Problems) {
	switch {
	case kind == List && n.Kind == Map:
		ps.Errorf(n.Pos, "expected %s, whose entries begin with \"- \", found %s", what, n.Found())
	case kind == List && n.Kind == Scalar && !n.Null:
		ps.Errorf(n.Pos, "expected %s such as [%s], found %s", what, n.Text, n.Found())
	default:
		ps.Errorf(n.Pos, "expected %s, found %s", what, n.Found())
	}
}

// article puts the article before the name of a type that has none.
func article(what string) string {
	first, _, _ := strings.Cut(what, " ")
	if slices.Contains([]string{"a", "an", "one", "on", "on,", "the", "either", "auto", "kernel,"}, first) || strings.ContainsAny(first, ":/-") {
		return what
	}
	return "a " + what
}

// Parsed returns a Value for a scalar that parse understands. what names the
// type for people. The error of parse is the complaint, after the text. YAML's
// words for nothing, ~ and null, are taken only in quotes.
func Parsed[T any](p *T, what string, parse func(text string) (T, error)) Value {
	return parsed{scalar{what, false}, store(p, parse)}
}

// Written is Parsed for free text: it is taken as it is written, and ~ and null
// are words like others.
func Written[T any](p *T, what string, parse func(text string) (T, error)) Value {
	return parsed{scalar{what, true}, store(p, parse)}
}

func store[T any](p *T, parse func(text string) (T, error)) func(text string) error {
	return func(text string) error {
		v, err := parse(text)
		if err == nil {
			*p = v
		}
		return err
	}
}

// parsed is a Value for a scalar that store understands and keeps. Each rule
// declares dozens of Values, and uses a few: those that most of them have, below,
// are one piece of memory at most.
type parsed struct {
	scalar
	store func(text string) error
}

func (v parsed) Read(n Node, ps *Problems) {
	if !v.takes(&n, ps) {
		return
	}
	if err := v.store(n.Text); err != nil {
		ps.Errorf(n.Pos, "%v", err)
	}
}

// scalar is what Values for scalars have in common.
type scalar struct {
	what    string
	written bool // ~ and null are words like others
}

func (v scalar) Shape() Shape { return Shape{Type: v.what} }

// takes complains unless n is a scalar that may be parsed.
func (v scalar) takes(n *Node, ps *Problems) bool {
	if n.Kind == Scalar && (!n.Null || v.written && n.Text != "") {
		return true
	}
	refuse(n, Scalar, article(v.what), ps)
	return false
}

// Text returns a Value for any scalar, taken as it is written, ~ and null too.
// It may be empty only in quotes.
func Text(p *string) Value {
	return Written(p, "string", func(s string) (string, error) { return s, nil })
}

// Word is Text that is not empty.
func Word(p *string, what string) Value { return word{scalar{what, false}, p} }

type word struct {
	scalar
	p *string
}

func (v word) Read(n Node, ps *Problems) {
	switch {
	case !v.takes(&n, ps):
	case n.Text == "":
		ps.Errorf(n.Pos, "expected %s, found empty quotes", v.what)
	default:
		*v.p = n.Text
	}
}

// Bool returns a Value for on/off, also written true/false.
func Bool(p *bool) Value { return boolean{p} }

type boolean struct{ p *bool }

func (boolean) Shape() Shape { return Shape{Type: "on or off"} }

func (v boolean) Read(n Node, ps *Problems) { Parsed(v.p, "on or off", ParseBool).Read(n, ps) }

// ParseBool understands on, off, true and false.
func ParseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "on", "true":
		return true, nil
	case "off", "false":
		return false, nil
	}
	return false, fmt.Errorf("expected on or off, found %.60q", s)
}

// Int returns a Value for an integer from low to high.
func Int(p *int, low, high int) Value { return integer{p, low, high} }

type integer struct {
	p         *int
	low, high int
}

func (v integer) Shape() Shape {
	if v.low == v.high {
		return Shape{Type: fmt.Sprintf("the integer %d", v.low)}
	}
	return Shape{Type: fmt.Sprintf("an integer from %d to %d", v.low, v.high)}
}

func (v integer) Read(n Node, ps *Problems) {
	what := v.Shape().Type
	Parsed(v.p, what, func(s string) (int, error) {
		number, err := strconv.Atoi(s)
		if err != nil || number < v.low || number > v.high {
			return 0, fmt.Errorf("expected %s, found %.60q", what, s)
		}
		return number, nil
	}).Read(n, ps)
}

// OneOf returns a Value for one of the words.
func OneOf(p *string, words ...string) Value { return oneOf{p, words} }

type oneOf struct {
	p     *string
	words []string
}

func (v oneOf) Shape() Shape { return Shape{Type: "word", Words: v.words} }

func (v oneOf) Read(n Node, ps *Problems) {
	switch {
	case n.Kind != Scalar || n.Absent():
		refuse(&n, Scalar, article("one of "+either(v.words)), ps)
	case slices.Contains(v.words, n.Text):
		*v.p = n.Text
	default:
		ps.Errorf(n.Pos, "expected %s, found %.60q%s", either(v.words), n.Text, v.suggest(n.Text))
	}
}

// suggest asks for the word that was meant, by its letters or by its meaning.
func (v oneOf) suggest(word string) string {
	written := strings.ReplaceAll(strings.ToLower(word), "_", "-")
	for _, s := range synonyms {
		if !slices.Contains(strings.Fields(s.words), written) {
			continue
		}
		for _, meant := range strings.Fields(s.meant) {
			if slices.Contains(v.words, meant) {
				return didYouMean(meant)
			}
		}
	}
	return Suggest(word, v.words)
}

// synonyms are words that people write for words of the language: the first of
// these that is allowed in the place will be meant.
var synonyms = []struct{ words, meant string }{ // with blanks between them
	{"long-pressed long-press longpress long hold long-clicked", "held"},
	{"press push pushed down", "pressed"},
	{"on", "pressed up present"},
	{"release up let-go", "released"},
	{"off", "released down absent"},
	{"tap tapped click single-clicked short-pressed short", "clicked"},
	{"double-click double-tapped double dblclick", "double-clicked"},
	{"autorepeat repeat", "repeated"},
	{"high", "on rising"},
	{"low", "off falling"},
	{"true yes active", "on"},
	{"false no inactive", "off"},
	{"connected", "present up added mounted"},
	{"plugged", "present added mounted up"},
	{"plugged-in inserted attached", "present added mounted"},
	{"online", "up present"},
	{"disconnected", "absent down removed unmounted"},
	{"unplugged", "absent removed yanked down"},
	{"removed", "absent deleted unmounted"},
	{"detached", "absent removed unmounted"},
	{"offline", "down absent"},
	{"ejected", "unmounted"},
	{"error", "failed"},
	{"modified", "written changed"},
	{"change", "changed"},
	{"new", "created added"},
}

// either joins words as a sentence does: "a, b or c".
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// At returns v, and has the place of what v reads stored in p.
func At(p *Pos, v Value) Value { return located{v, p} }

type located struct {
	Value
	p *Pos
}

func (v located) Read(n Node, ps *Problems) {
	*v.p = n.Pos
	v.Value.Read(n, ps)
}

// Whole returns v, and has stored in p whether it was read without complaint:
// if it was not, what seems to be missing may well be there.
func Whole(p *bool, v Value) Value {
	return Wrap(v, func(n Node, ps *Problems) {
		before := ps.calls
		v.Read(n, ps)
		*p = ps.calls == before
	})
}

// ListOf returns a Value for a list whose elements elem reads. The elements
// are appended to what *p holds.
func ListOf[T any](p *[]T, elem func(*T) Value) Value { return listOf[T]{p, elem, false} }

// OneOrMore returns a Value for a list, or for a single element without the
// brackets.
func OneOrMore[T any](p *[]T, elem func(*T) Value) Value { return listOf[T]{p, elem, true} }

type listOf[T any] struct {
	p     *[]T
	elem  func(*T) Value
	orOne bool
}

func (l listOf[T]) Shape() Shape { return listShape(l.elem(new(T)), l.orOne) }

func (l listOf[T]) Read(n Node, ps *Problems) {
	for _, item := range itemsOf(&n, l.orOne, ps) {
		v := new(T)
		l.elem(v).Read(item, ps)
		*l.p = append(*l.p, *v)
	}
}

// Taken returns an elem for ListOf and OneOrMore, for elements of which there may be
// thousands and whose Value takes more memory than they do: v reads one after the other
// into the same variable. take returns a copy of what was read, and leaves the variable as it was before.
func Taken[T any](v Value, take func() T) (elem func(*T) Value) {
	var to *T
	reads := Wrap(v, func(n Node, ps *Problems) {
		v.Read(n, ps)
		*to = take()
	})
	return func(p *T) Value {
		to = p
		return reads
	}
}

func listShape(elem Value, orOne bool) Shape {
	shape := elem.Shape()
	if orOne {
		return Shape{Type: "one or a list", Elem: &shape}
	}
	return Shape{Type: "list", Elem: &shape}
}

// itemsOf returns the elements of a list, or what stands for a list of one.
func itemsOf(n *Node, orOne bool, ps *Problems) []Node {
	switch {
	case n.Kind != List && orOne:
		return []Node{*n}
	case n.Kind != List:
		refuse(n, List, "a list", ps)
	case orOne && len(n.Items) == 0:
		ps.Errorf(n.Pos, "the list is empty")
	}
	return n.Items
}

// MapOf returns a Value for a mapping from names that the user chooses. A
// name that is there already, from this file or an earlier one, is refused
// with the place of the first.
func MapOf[T any](p *map[string]*T, at func(*T) *Pos, elem func(name string, v *T) Value) Value {
	return mapOf[T]{p, at, elem}
}

type mapOf[T any] struct {
	p    *map[string]*T
	at   func(*T) *Pos
	elem func(name string, v *T) Value
}

func (m mapOf[T]) Shape() Shape {
	elem := m.elem("", new(T)).Shape()
	return Shape{Type: "mapping", Elem: &elem}
}

func (m mapOf[T]) Read(n Node, ps *Problems) {
	if n.Kind != Map {
		refuse(&n, Map, "a mapping from names, NAME: …", ps)
		return
	}
	if *m.p == nil {
		*m.p = map[string]*T{}
	}
	for _, e := range n.Entries {
		if first := (*m.p)[e.Key]; first != nil {
			ps.Errorf(e.At, "%q is already declared at %s", e.Key, *m.at(first))
			continue
		}
		if i := strings.Index(e.Key, ":{"); i > 0 {
			ps.Errorf(e.At, "a space is missing after %q", e.Key[:i+1])
			continue
		}
		v := new(T)
		*m.at(v) = e.At
		(*m.p)[e.Key] = v
		m.elem(e.Key, v).Read(e.Value, ps)
	}
}

// Object returns a Value for a mapping with the given keys. Unknown and
// repeated keys and missing required ones are complained about.
func Object(fields ...Field) Value { return object(fields) }

type object []Field

func (o object) Shape() Shape { return Shape{Type: "mapping", Fields: o} }

func (o object) Read(n Node, ps *Problems) {
	if n.Kind != Map {
		refuse(&n, Map, "a mapping with "+keysAmong(o), ps)
		return
	}
	readFields(n, o, ps)
}

func readFields(n Node, fields []Field, ps *Problems) {
	found := make([]int, len(fields)) // where each key was found, counted from 1
	var unknown map[string]int        // likewise what is no key
	var guessed []string              // keys that stand there under another name
	for k := 0; k < len(n.Entries); k++ {
		e := &n.Entries[k]
		i := indexOf(fields, e.Key)
		first := unknown[e.Key]
		if i >= 0 {
			first = found[i]
		}
		if first > 0 {
			ps.Errorf(e.At, "duplicate key %q, first at line %d", e.Key, n.Entries[first-1].At.Line)
			continue
		}
		if i < 0 {
			if unknown == nil {
				unknown = map[string]int{}
			}
			unknown[e.Key] = k + 1
			hint, meant := suggestField(e.Key, fields)
			if before, _, ok := strings.Cut(e.Key, ":"); ok && before != "" {
				hint, meant = fmt.Sprintf("; a space is missing after %q", before+":"), before
			}
			ps.Errorf(e.At, "unknown key %q%s", e.Key, hint)
			guessed = append(guessed, meant)
			continue
		}
		found[i] = k + 1
		if next := outdented(n.Entries[k:], fields); next > 0 {
			ps.Errorf(n.Entries[k+1].At, "indent %q deeper than %q, if it belongs to that", n.Entries[k+1].Key, e.Key)
			k += next
			continue
		}
		fields[i].Value.Read(e.Value, ps)
	}
	for i := range fields {
		if f := &fields[i]; f.Required && found[i] == 0 && !slices.Contains(guessed, f.Name) {
			ps.Errorf(n.Pos, "the key %q is missing: %s", f.Name, f.wanted())
		}
	}
}

// outdented returns how many entries after the first belong to it, as it seems, and are
// not indented: it has no value, and they have keys that are not among fields.
func outdented(entries []Entry, fields []Field) (n int) {
	if e := &entries[0]; !e.Value.Absent() || len(entries) == 1 || entries[1].At.Line == e.At.Line {
		return 0
	}
	for _, e := range entries[1:] {
		if indexOf(fields, e.Key) >= 0 || n == 0 && slices.ContainsFunc(fields, func(f Field) bool { return distance(e.Key, f.Name) < 2 }) {
			break
		}
		n++
	}
	return n
}

// indexOf returns which of fields has the key, -1 for none.
func indexOf(fields []Field, key string) int {
	for i := range fields {
		if fields[i].Name == key {
			return i
		}
	}
	return -1
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
	for _, f := range fields {
		if f.isAlso(key) {
			return didYouMean(f.Name), f.Name
		}
		if text, ok := strings.CutPrefix(key, f.Name+":"); ok {
			return fmt.Sprintf("; a space is missing after the colon: %s: %s", f.Name, text), f.Name
		}
	}
	names := namesOf(fields)
	if meant := Nearest(key, names); meant != "" {
		return didYouMean(meant), meant
	}
	return "; known here: " + strings.Join(names, ", "), ""
}

func (f *Field) isAlso(key string) bool {
	return slices.Contains(strings.Fields(f.Also), strings.ToLower(key))
}

func namesOf(fields []Field) (names []string) {
	for i := range fields {
		names = append(names, fields[i].Name)
	}
	return names
}

func keysAmong(fields []Field) string {
	names := namesOf(fields)
	if len(names) == 1 {
		return "the key " + names[0]
	}
	return "keys among " + strings.Join(names, ", ")
}

// Either returns a Value that reads a mapping with long and everything else
// with short: the form with all the fields, and the abbreviation.
func Either(short, long Value) Value { return twoForms{short, long} }

type twoForms struct{ short, long Value }

func (v twoForms) Shape() Shape {
	shape, or := v.short.Shape(), v.long.Shape()
	shape.Or = &or
	return shape
}

func (v twoForms) Read(n Node, ps *Problems) {
	if n.Kind == Map {
		v.long.Read(n, ps)
	} else {
		v.short.Read(n, ps)
	}
}

// Variant is one of several kinds of mapping that are told apart by a key
// that only this kind has: `line:` among the triggers, `run:` among the
// actions.
type Variant struct {
	Key string // the key that says the kind
	Doc string
	// Fields returns the keys of this kind of mapping, Key among
	// them, for what describes the language and for complaints. Nothing that is
	// read without complaint calls it.
	Fields func() []Field
}

// Choice returns a Value for a mapping that is one of the variants; common
// are keys that every variant has beside its own. begin is called with the
// key of the kind and the mapping's place, and returns the variant's fields, bound
// to the variables that this mapping is to be read into.
func Choice(what string, variants []Variant, common []Field, begin func(key string, at Pos) []Field) Value {
	return choice{what, variants, common, begin}
}

type choice struct {
	what     string
	variants []Variant
	common   []Field
	begin    func(key string, at Pos) []Field
}

func (c choice) Shape() Shape { return Shape{Type: c.what, Variants: c.variants, Fields: c.common} }

func (c choice) Read(n Node, ps *Problems) {
	if n.Kind != Map {
		ps.Errorf(n.Pos, "expected a mapping with one of %s, found %s", keysOf(c.variants), n.Found())
		return
	}
	if v := pick(n, c.what, c.variants, c.common, ps); v != nil {
		readFields(n, append(c.begin(v.Key, n.Pos), c.common...), ps)
	}
}

// pick finds the one variant whose Key the mapping has. It complains, and returns
// nil, if there is none or more than one.
func pick(n Node, what string, variants []Variant, common []Field, ps *Problems) *Variant {
	var found *Variant
	for i := range n.Entries {
		v := variantOf(variants, n.Entries[i].Key)
		switch {
		case v == nil || v == found:
		case found == nil:
			found = v
		default:
			ps.Errorf(n.Pos, "both %q and %q: a mapping can be only one %s", found.Key, v.Key, what)
			return nil
		}
	}
	if found == nil {
		unknownVariant(n, what, variants, common, ps)
	}
	return found
}

// variantOf returns the variant with that key, nil for none.
func variantOf(variants []Variant, key string) *Variant {
	for i := range variants {
		if variants[i].Key == key {
			return &variants[i]
		}
	}
	return nil
}

func unknownVariant(n Node, what string, variants []Variant, common []Field, ps *Problems) {
	var kindKeys, all []Field
	for _, v := range variants {
		fields := v.Fields()
		for _, f := range fields {
			if f.Name == v.Key {
				kindKeys = append(kindKeys, f)
			}
		}
		all = append(all, fields...)
	}
	all = append(all, common...)
	for _, e := range n.Entries {
		if hint, meant := suggestField(e.Key, kindKeys); meant != "" {
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
	ps.Errorf(n.Pos, "no %s in the mapping: expected one of the keys %s", what, keysOf(variants))
}

func keysOf(variants []Variant) string {
	var names []string
	for _, v := range variants {
		names = append(names, v.Key)
	}
	return strings.Join(names, ", ")
}
