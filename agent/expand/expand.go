// SPDX-License-Identifier: MIT

// Package expand has the strings of the configuration in which ${FIELD} stands
// for a field of the event.
package expand

import (
	"fmt"
	"slices"
	"strings"

	"reflexd/config"
	"reflexd/sources"
)

// Text is a string with fields to fill in: ${NAME}, ${NAME:-default}, where
// the default may hold fields itself and is taken if there is no such field or
// it is empty, and $$ for a dollar. A dollar before anything else is itself.
// ${space.name} is a value that a source has: see sources.Namespace.
type Text struct {
	Pos   config.Pos
	parts []part
	text  string // as it was written
}

// part is literal text, a field of the event, or another value, with its default.
type part struct {
	literal     string
	field       string
	space, name string
	read        Reader // of the value; nil if the text is not bound
	byDefault   []part
	hasDefault  bool
}

// Reader returns what a value is now, on the loop's thread; it is not ok if that
// is not known.
type Reader func() (v sources.Value, ok bool)

func (p *part) isLiteral() bool { return p.field == "" && p.space == "" }

// value returns what is to be filled in.
func (p *part) value(e *sources.Event) (sources.Value, bool) {
	switch {
	case p.read != nil:
		return p.read()
	case p.field == "" || e == nil:
		return sources.Value{}, false
	}
	return e.Lookup(p.field)
}

// textDepth is how deep defaults may nest.
const textDepth = 16

// Parse reads the notation above.
func Parse(s string) (Text, error) {
	parts, rest, err := parseParts(s, 0)
	if err == nil && rest != "" {
		err = fmt.Errorf("} without ${")
	}
	return Text{parts: parts, text: s}, err
}

// parseParts reads up to the end or, inside of a default, to its }.
func parseParts(s string, depth int) (parts []part, rest string, err error) {
	if depth > textDepth {
		return nil, "", fmt.Errorf("defaults nest deeper than %d levels", textDepth)
	}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			parts = append(parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	for s != "" {
		switch {
		case strings.HasPrefix(s, "$$"):
			literal.WriteByte('$')
			s = s[2:]
		case strings.HasPrefix(s, "${"):
			flush()
			var p part
			if p, s, err = parseField(s[2:], depth); err != nil {
				return nil, "", err
			}
			parts = append(parts, p)
		case s[0] == '}' && depth > 0:
			flush()
			return parts, s, nil
		default:
			literal.WriteByte(s[0])
			s = s[1:]
		}
	}
	flush()
	return parts, "", nil
}

// parseField reads NAME} or NAME:-default}, or space.name in the place of NAME.
func parseField(s string, depth int) (p part, rest string, err error) {
	if space, after, ok := strings.Cut(s, "."); ok && isWord(space) {
		return parseReference(space, after, depth)
	}
	end := strings.IndexFunc(s, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
	if end < 0 {
		return part{}, "", fmt.Errorf("${%s is not closed by a }", s)
	}
	p.field = s[:end]
	s = s[end:]
	switch {
	case p.field == "":
		return part{}, "", fmt.Errorf("${ must be followed by the upper-case name of a field, or by one such as var.NAME; a plain dollar is $$")
	case s[0] != '}' && !strings.HasPrefix(s, ":-"):
		return part{}, "", fmt.Errorf("${%s must be followed by } or :-default}, found %q", p.field, s[:1])
	}
	return p.parseDefault(s, depth)
}

// parseReference reads name} or name:-default}. Names are what people call their
// things: all characters up to there belong to it.
func parseReference(space, s string, depth int) (p part, rest string, err error) {
	end := strings.IndexByte(s, '}')
	if i := strings.Index(s, ":-"); i >= 0 && i < end {
		end = i
	}
	switch end {
	case -1:
		return part{}, "", fmt.Errorf("${%s.%.60s is not closed by a }", space, s)
	case 0:
		return part{}, "", fmt.Errorf("${%s. must be followed by a name", space)
	}
	p.space, p.name = space, s[:end]
	return p.parseDefault(s[end:], depth)
}

// parseDefault reads } or :-default} after the name.
func (p part) parseDefault(s string, depth int) (_ part, rest string, err error) {
	if s[0] == '}' {
		return p, s[1:], nil
	}
	p.hasDefault = true
	p.byDefault, rest, err = parseParts(s[len(":-"):], depth+1)
	if err == nil && rest == "" {
		err = fmt.Errorf("${%s:-… is not closed by a }", p.label())
	}
	return p, strings.TrimPrefix(rest, "}"), err
}

// label returns what stands after ${.
func (p *part) label() string {
	if p.space != "" {
		return p.space + "." + p.name
	}
	return p.field
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' })
}

// Value returns the Value that reads a Text.
func Value(t *Text) config.Value {
	var at config.Pos
	return config.At(&at, config.Written(t, "string with ${FIELDS}", func(s string) (Text, error) {
		parsed, err := Parse(s)
		parsed.Pos = at
		return parsed, err
	}))
}

// Expand fills in the fields of e, and other values as they are now.
func (t Text) Expand(e *sources.Event) string {
	return t.ExpandWith(e, func(s string) string { return s })
}

// ExpandWith is Expand, with each value that is filled in made clean first.
func (t Text) ExpandWith(e *sources.Event, clean func(string) string) string {
	if len(t.parts) == 1 && t.parts[0].isLiteral() {
		return t.parts[0].literal
	}
	var b strings.Builder
	expand(&b, t.parts, e, clean)
	return b.String()
}

func expand(b *strings.Builder, parts []part, e *sources.Event, clean func(string) string) {
	for i := range parts {
		p := &parts[i]
		if p.isLiteral() {
			b.WriteString(p.literal)
			continue
		}
		v, found := p.value(e)
		if p.space != "" {
			e.Reveal(v)
		}
		if s := v.String(); found && s != "" {
			b.WriteString(clean(s))
		} else {
			expand(b, p.byDefault, e, clean)
		}
	}
}

// Reveals reports whether t names a field of e, or another value, that is secret.
func (t Text) Reveals(e *sources.Event) bool { return reveals(t.parts, e) }

func reveals(parts []part, e *sources.Event) bool {
	return slices.ContainsFunc(parts, func(p part) bool {
		v, _ := p.value(e)
		return v.IsSecret() || reveals(p.byDefault, e)
	})
}

// References calls f with the space and the name of each value that t refers to.
func (t Text) References(f func(space, name string)) { eachReference(t.parts, f) }

func eachReference(parts []part, f func(space, name string)) {
	for _, p := range parts {
		if p.space != "" {
			f(p.space, p.name)
		}
		eachReference(p.byDefault, f)
	}
}

// Secretly is Expand, and the result is secret if something in it is.
func (t Text) Secretly(e *sources.Event) sources.Value {
	v := sources.Text(t.Expand(e))
	if t.Reveals(e) {
		v = v.Secret()
	}
	return v
}

// Value is Expand for a test. A text that is a single field or value without a
// default is that value, for which nothing is allocated, and not ok if it is not
// known.
func (t Text) Value(e *sources.Event) (v sources.Value, ok bool) {
	if len(t.parts) == 1 && !t.parts[0].isLiteral() && !t.parts[0].hasDefault {
		return t.parts[0].value(e)
	}
	return sources.Text(t.Expand(e)), true
}

// Bind has the values of other names than fields read by what find returns for
// each; nil if there is no such value. Copies of t share it.
func (t Text) Bind(find func(space, name string, hasDefault bool) Reader) { bind(t.parts, find) }

func bind(parts []part, find func(space, name string, hasDefault bool) Reader) {
	for i := range parts {
		p := &parts[i]
		if p.space != "" {
			p.read = find(p.space, p.name, p.hasDefault)
		}
		bind(p.byDefault, find)
	}
}

// Literal returns a Text that is s, whatever s holds.
func Literal(s string) Text { return Text{parts: []part{{literal: s}}, text: s} }

// String returns the text as the configuration has it.
func (t Text) String() string { return t.text }

// Empty reports whether there is nothing in it.
func (t Text) Empty() bool { return len(t.parts) == 0 }

// Relative reports whether it begins with something else than a slash or a
// field.
func (t Text) Relative() bool {
	return len(t.parts) > 0 && t.parts[0].isLiteral() && !strings.HasPrefix(t.parts[0].literal, "/")
}

// HasFields reports whether anything is to be filled in.
func (t Text) HasFields() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return !p.isLiteral() })
}

// Prefix returns the literal text before the first field.
func (t Text) Prefix() string {
	if len(t.parts) == 0 {
		return ""
	}
	return t.parts[0].literal
}

// Fields returns the names of the fields, those in defaults too.
func (t Text) Fields() []string {
	var names []string
	t.Each(func(name string, _ bool) { names = append(names, name) })
	return names
}

// Each calls f for each field that is named, and whether it has a default.
func (t Text) Each(f func(name string, hasDefault bool)) { eachField(t.parts, f) }

// eachField calls f for each field that is named, and whether it has a
// default.
func eachField(parts []part, f func(name string, hasDefault bool)) {
	for _, p := range parts {
		if p.field != "" {
			f(p.field, p.hasDefault)
		}
		eachField(p.byDefault, f)
	}
}
