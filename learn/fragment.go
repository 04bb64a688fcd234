// SPDX-License-Identifier: MIT

// fragment: a whole configuration, short enough to be pasted, in the making.

package learn

import "strings"

// fragment is what was concluded of one thing that happened.
//
// Where there are several ways to say something they are handed around as one
// text: a line for each, the best one first, and behind a tab what speaks for
// it. A tab never stands in a word that Word has made.
type fragment struct {
	kind  string
	what  string // in plain words
	yaml  strings.Builder
	rules bool // there is one
	// first is the first trigger: two fragments with the same one may be the
	// same news.
	first string
}

// fill returns the template with each % replaced by the next of words.
func fill(template string, words ...string) string {
	var b strings.Builder
	for _, word := range words {
		text, rest, _ := strings.Cut(template, "%")
		b.WriteString(text)
		b.WriteString(word)
		template = rest
	}
	b.WriteString(template)
	return b.String()
}

// newFragment returns one that says what happened.
func newFragment(kind, what string, words ...string) *fragment {
	f := &fragment{kind: kind, what: fill(what, words...)}
	f.note(f.what)
	return f
}

// note adds a comment.
func (f *fragment) note(text string, words ...string) {
	f.yaml.WriteString("# " + fill(text, words...) + "\n")
}

// section adds an entry of a top-level key, `inputs: {name: …}`; without a name
// it is the key's value.
func (f *fragment) section(key, name, choices string) {
	if name == "" {
		writeChoices(&f.yaml, "", "# ", key+": %", choices)
		return
	}
	f.yaml.WriteString(key + ":\n")
	writeChoices(&f.yaml, "  ", "  # ", name+": %", choices)
}

// rule adds a rule that logs when it fires. In the template % stands for the
// choices; log ends the rule.
func (f *fragment) rule(template, choices string) {
	if !f.rules {
		f.yaml.WriteString("rules:\n")
		f.first, _, _ = strings.Cut(fill(template, choices), "\n")
	}
	f.rules = true
	writeChoices(&f.yaml, "  - ", "    # ", "when: {"+template+"}", choices)
}

// other adds more ways to fire the rule that was just added.
func (f *fragment) other(template, choices string) {
	const comment = "    # "
	writeChoices(&f.yaml, comment, comment, "when: {"+template+"}", choices)
}

func (f *fragment) log(text string) {
	f.yaml.WriteString("    do: {log: \"" + text + "\"}\n")
}

// writeChoices writes the choices as the template has them: the first one, and
// the others as comments.
func writeChoices(b *strings.Builder, first, rest, template, choices string) {
	for choices != "" {
		var choice string
		choice, choices, _ = strings.Cut(choices, "\n")
		yaml, why, reasoned := strings.Cut(choice, "\t")
		b.WriteString(first + fill(template, yaml))
		if reasoned {
			b.WriteString("   # " + why)
		}
		b.WriteString("\n")
		first = rest
	}
}
