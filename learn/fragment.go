// SPDX-License-Identifier: MIT

// fragment: a whole configuration, short enough to be pasted.

package learn

import (
	"fmt"
	"strings"
)

// choice is one way to say something, and what speaks for it.
type choice struct {
	yaml string
	why  string // "" for what needs no word
}

// section is an entry of a top-level key: `inputs: {name: …}`. Without a name
// it is the key's value. The first of its choices counts, the others are
// comments, as everywhere here.
type section struct {
	key, name string
	choices   []choice
}

// rule is a rule that tells that it fired.
type rule struct {
	whens []choice // what stands in the braces
	log   string
}

// fragment is what was concluded of one thing that happened.
type fragment struct {
	kind     string
	what     string   // in plain words
	notes    []string // what else there is to say
	sections []section
	rules    []rule
}

// finding returns f as others see it.
func (f *fragment) finding() Finding {
	var b strings.Builder
	for _, line := range append([]string{f.what}, f.notes...) {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	for _, s := range f.sections {
		s.write(&b)
	}
	if len(f.rules) > 0 {
		b.WriteString("rules:\n")
	}
	for _, r := range f.rules {
		r.write(&b)
	}
	return Finding{Kind: f.kind, What: f.what, YAML: b.String()}
}

func (s *section) write(b *strings.Builder) {
	if s.name == "" {
		writeChoices(b, "", s.key+": ", s.choices)
		return
	}
	fmt.Fprintf(b, "%s:\n", s.key)
	writeChoices(b, "  ", s.name+": ", s.choices)
}

func (r *rule) write(b *strings.Builder) {
	const dash = "  - "
	fmt.Fprintf(b, "%swhen: {%s}%s\n", dash, r.whens[0].yaml, reason(r.whens[0].why))
	for _, w := range r.whens[1:] {
		fmt.Fprintf(b, "    # when: {%s}%s\n", w.yaml, reason(w.why))
	}
	fmt.Fprintf(b, "    do: {log: %q}\n", r.log)
}

// writeChoices writes the first choice, and the others as comments.
func writeChoices(b *strings.Builder, indent, key string, choices []choice) {
	for i, c := range choices {
		mark := ""
		if i > 0 {
			mark = "# "
		}
		fmt.Fprintf(b, "%s%s%s%s%s\n", indent, mark, key, c.yaml, reason(c.why))
	}
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return "   # " + why
}
