// SPDX-License-Identifier: MIT

// The reference of the configuration's language, written from the same
// declarations that read it. docs/reference/language.md is this text.

package main

import (
	"fmt"
	"io"
	"strings"

	"reflexd/agent/scenario"
	"reflexd/config"
)

// writeLanguage writes the reference as Markdown.
func writeLanguage(w io.Writer, root config.Shape) {
	fmt.Fprint(w, `# The language

All keys of a configuration file, as `+"`reflexd help language`"+` prints it.

## Top level
`)
	writeFields(w, root.Fields)
	for _, f := range root.Fields {
		entry := f.Value.Shape()
		if entry.Elem == nil {
			writeKeys(w, f.Name, entry.Fields)
			continue
		}
		fmt.Fprintf(w, "\n## An entry of `%s`\n", f.Name)
		if len(entry.Elem.Variants) > 0 {
			writeEntryKinds(w, entry.Elem)
			continue
		}
		writeFields(w, entry.Elem.Fields)
		for _, inner := range entry.Elem.Fields {
			writeVariants(w, inner)
		}
	}
}

// writeKeys writes a chapter for a mapping with fixed keys, and for the entries
// of its lists.
func writeKeys(w io.Writer, name string, fields []config.Field) {
	if len(fields) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## Keys of `%s`\n", name)
	writeFields(w, fields)
	for _, f := range fields {
		if inner := f.Value.Shape(); inner.Elem != nil && len(inner.Elem.Fields) > 0 {
			fmt.Fprintf(w, "\n### An entry of `%s`\n", f.Name)
			writeFields(w, inner.Elem.Fields)
		}
	}
}

// writeTests writes the reference of the form of test files as Markdown.
func writeTests(w io.Writer, root config.Shape) {
	fmt.Fprint(w, `# Files of tests

All keys of a file NAME`+scenario.Suffix+`, as `+"`reflexd help tests`"+` prints it. [Test your
rules](../tutorial/test-your-rules.md) has examples.

## Top level
`)
	writeFields(w, root.Fields)
	test := fieldOf(root, "tests").Value.Shape().Elem
	fmt.Fprint(w, "\n## An entry of `tests`\n")
	writeFields(w, test.Fields)
	fmt.Fprint(w, "\n## `given`\n")
	writeFields(w, fieldOf(*test, "given").Value.Shape().Fields)
	fmt.Fprint(w, `
## An entry of `+"`results`"+`

An action, or the beginning of one as in `+"`expect`"+`, and what it comes to.
`)
	writeFields(w, scenario.ResultFields())
	fmt.Fprint(w, "\n## What `steps` can be\n")
	for _, v := range fieldOf(*test, "steps").Value.Shape().Elem.Variants {
		fmt.Fprintf(w, "\n### `%s`\n\n%s.\n", v.Key, sentence(v.Doc))
		writeFields(w, v.Fields())
	}
	fmt.Fprint(w, `
## What `+"`expect`"+` can be

* `+"`nothing`"+`: no action was done since the `+"`expect`"+` before.
* An action, or some of what it says: of a list its beginning, of a mapping some of its keys, of a
  string a pattern with `+"`*`"+`, `+"`?`"+` and `+"`[]`"+`.
* A state, for what is so now: `+"`{line: lamp, is: on}`"+`.
* A list of these. Its actions must have been done in this order; others may have been done between.

| state | key beside it | value | |
| --- | --- | --- | --- |
`)
	for _, v := range scenario.States() {
		for _, f := range v.Fields()[1:] {
			fmt.Fprintf(w, "| `%s` | `%s` | %s | %s |\n", v.Key, f.Name, typeOf(f.Value.Shape()), f.Doc)
		}
	}
}

func fieldOf(s config.Shape, name string) config.Field {
	for _, f := range s.Fields {
		if f.Name == name {
			return f
		}
	}
	return config.Field{}
}

// writeEntryKinds writes the kinds that an entry can be of.
func writeEntryKinds(w io.Writer, entry *config.Shape) {
	for _, v := range entry.Variants {
		fmt.Fprintf(w, "\n### `%s`\n\n%s.\n", v.Key, sentence(v.Doc))
		writeFields(w, append(v.Fields(), entry.Fields...))
	}
}

// writeVariants writes a chapter for what the field can be, if it can be
// several things: triggers and actions.
func writeVariants(w io.Writer, f config.Field) {
	shape := f.Value.Shape()
	if shape.Elem == nil || len(shape.Elem.Variants) == 0 || f.Name == "on_failure" {
		return
	}
	fmt.Fprintf(w, "\n## What `%s` can be\n", f.Name)
	for _, v := range shape.Elem.Variants {
		fmt.Fprintf(w, "\n### %s: `%s`\n\n%s.\n", shape.Elem.Type, v.Key, sentence(v.Doc))
		fields := v.Fields()
		writeFields(w, fields)
		for _, inner := range fields {
			shape, of := inner.Value.Shape(), ""
			if shape.Or == nil && shape.Elem != nil {
				shape, of = *shape.Elem, "an entry of "
			}
			if long := longForm(shape); len(long) > 0 {
				fmt.Fprintf(w, "\nKeys of %s`%s`:\n", of, inner.Name)
				writeFields(w, long)
			}
		}
	}
	if len(shape.Elem.Fields) > 0 {
		fmt.Fprintf(w, "\n### With every %s\n", shape.Elem.Type)
		writeFields(w, shape.Elem.Fields)
	}
}

func longForm(s config.Shape) []config.Field {
	if s.Or != nil {
		return s.Or.Fields
	}
	return s.Fields
}

func writeFields(w io.Writer, fields []config.Field) {
	fmt.Fprint(w, "\n| key | value | default | |\n| --- | --- | --- | --- |\n")
	for _, f := range fields {
		fallback := f.Default
		if fallback != "" {
			fallback = "`" + fallback + "`"
		}
		if f.Required {
			fallback = "required"
		}
		fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", f.Name, typeOf(f.Value.Shape()), fallback, f.Doc)
	}
}

// typeOf names a type in a table's cell.
func typeOf(s config.Shape) string {
	name := s.Type
	switch {
	case len(s.Words) > 0:
		name = "`" + strings.Join(s.Words, "` `") + "`"
	case s.Elem != nil && s.Type == "list":
		name = "list of " + typeOf(*s.Elem)
	case s.Elem != nil && s.Type == "one or a list":
		name = typeOf(*s.Elem) + ", or a list"
	case s.Elem != nil && s.Elem.Type == "duration":
		name = "mapping from names to durations"
	case s.Elem != nil:
		name = "mapping from names"
	}
	switch {
	case s.Or != nil && s.Or.Elem != nil && len(s.Or.Elem.Variants) > 0:
		name += ", or " + typeOf(*s.Or)
	case s.Or != nil:
		name += ", or a mapping"
	}
	return strings.ReplaceAll(name, "|", `\|`)
}

// sentence begins with a capital letter.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
