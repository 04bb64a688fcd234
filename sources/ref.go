// SPDX-License-Identifier: MIT

// Ref: how triggers and conditions refer to what the configuration declares.

package sources

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"reflexd/config"
)

// Ref refers to something that the configuration declares: by its name, or by
// a pattern of names.
type Ref struct {
	Name string // "" if it was complained of when it was read
	At   config.Pos
}

// RefValue returns what reads a Ref, for config.OneOrMore and config.ListOf.
// what is what a name is, "the name of a line".
func RefValue(what string) func(*Ref) config.Value {
	return func(r *Ref) config.Value { return config.At(&r.At, config.Word(&r.Name, what)) }
}

// IsPattern reports whether name is a pattern of names, as Glob reads it.
func IsPattern(name string) bool {
	return strings.IndexByte(name, '*') >= 0 || strings.IndexByte(name, '?') >= 0 || strings.IndexByte(name, '[') >= 0
}

// Declared is what a Ref is looked up among: everything of one kind that the
// configuration declares.
type Declared[T any] struct {
	What   string       // one of them, as complaints call it: "line"
	ByName map[string]T // all of them

	// Example shows how one is declared if there is none yet, with %s for its
	// name: "lines: {%s: {button: …}}".
	Example string

	// Eligible says which of them a pattern may match, nil for all. Only these
	// are suggested for a name that nobody declared; Eligibles is what they are
	// called, "input or button".
	Eligible  func(T) bool
	Eligibles string
}

// One returns what r refers to as a plain name. It complains if there is none.
func (d *Declared[T]) One(r Ref, ps *config.Problems) (t T, ok bool) {
	if r.Name == "" {
		return t, false
	}
	if t, ok = d.ByName[r.Name]; !ok {
		ps.Errorf(r.At, "no %s %q is declared%s", d.What, r.Name, config.Unknown(r.Name, d.Names, fmt.Sprintf(d.Example, r.Name)))
	}
	return t, ok
}

// Find returns the name that r is, or the names that it matches as a pattern,
// sorted. It complains if there is none. A name is found whether it is eligible
// or not: why it cannot be meant is better said by the caller.
func (d *Declared[T]) Find(r Ref, ps *config.Problems) []string {
	if _, ok := d.ByName[r.Name]; ok || !IsPattern(r.Name) {
		if _, ok := d.One(r, ps); !ok {
			return nil
		}
		return []string{r.Name}
	}
	names := d.matching(r.Name)
	if all := d.Names(); len(names) == 0 && len(all) > 0 {
		ps.Errorf(r.At, "no declared %s matches %q%s", cmp.Or(d.Eligibles, d.What), r.Name, config.Unknown(r.Name, func() []string { return all }, ""))
	} else if len(names) == 0 {
		ps.Errorf(r.At, "no declared %s matches %q", cmp.Or(d.Eligibles, d.What), r.Name)
	}
	return names
}

// FindAll returns what Find finds for all refs, in their order and each once.
func (d *Declared[T]) FindAll(refs []Ref, ps *config.Problems) []string {
	if len(refs) == 1 {
		return d.Find(refs[0], ps)
	}
	var names []string
	seen := map[string]bool{}
	for _, r := range refs {
		for _, name := range d.Find(r, ps) {
			if !seen[name] {
				names, seen[name] = append(names, name), true
			}
		}
	}
	return names
}

// Names returns the names of all that is eligible, sorted.
func (d *Declared[T]) Names() []string { return d.matching("*") }

// matching returns the names, sorted, of what is eligible and matches pattern.
func (d *Declared[T]) matching(pattern string) []string {
	var names []string
	for name, t := range d.ByName {
		if Glob(pattern, name) && (d.Eligible == nil || d.Eligible(t)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
