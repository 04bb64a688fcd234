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
type Text struct {
	Pos   config.Pos
	parts []part
	text  string // as it was written
}

// part is literal text, or a field with its default.
type part struct {
	literal    string
	field      string
	byDefault  []part
	hasDefault bool
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

// parseField reads NAME} or NAME:-default}.
func parseField(s string, depth int) (p part, rest string, err error) {
	end := strings.IndexFunc(s, func(r rune) bool { return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9') })
	if end < 0 {
		return part{}, "", fmt.Errorf("${%s is not closed by a }", s)
	}
	p.field = s[:end]
	s = s[end:]
	switch {
	case p.field == "":
		return part{}, "", fmt.Errorf("${ must be followed by the upper-case name of a field; a plain dollar is $$")
	case s[0] == '}':
		return p, s[1:], nil
	case !strings.HasPrefix(s, ":-"):
		return part{}, "", fmt.Errorf("${%s must be followed by } or :-default}, found %q", p.field, s[:1])
	}
	p.hasDefault = true
	p.byDefault, rest, err = parseParts(s[2:], depth+1)
	if err == nil && rest == "" {
		err = fmt.Errorf("${%s:-… is not closed by a }", p.field)
	}
	return p, strings.TrimPrefix(rest, "}"), err
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

// Expand fills in the fields of e.
func (t Text) Expand(e *sources.Event) string {
	var b strings.Builder
	expand(&b, t.parts, e)
	return b.String()
}

func expand(b *strings.Builder, parts []part, e *sources.Event) {
	for _, p := range parts {
		if p.field == "" {
			b.WriteString(p.literal)
			continue
		}
		v, found := e.Lookup(p.field)
		if s := v.String(); found && s != "" {
			b.WriteString(s)
		} else {
			expand(b, p.byDefault, e)
		}
	}
}

// Reveals reports whether t names a field of e that is secret.
func (t Text) Reveals(e *sources.Event) (reveals bool) {
	t.Each(func(name string, _ bool) {
		v, _ := e.Lookup(name)
		reveals = reveals || v.IsSecret()
	})
	return reveals
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
	return len(t.parts) > 0 && t.parts[0].field == "" && !strings.HasPrefix(t.parts[0].literal, "/")
}

// HasFields reports whether anything is to be filled in.
func (t Text) HasFields() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.field != "" })
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
			eachField(p.byDefault, f)
		}
	}
}
