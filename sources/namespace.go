// SPDX-License-Identifier: MIT

// Namespaces: values that sources have by name, and that the strings of rules
// refer to: ${var.mode}, ${line.door}.

package sources

import "strings"

// Namespaced is a Plan whose source has values that strings may refer to.
type Namespaced interface {
	Namespaces() []Namespace
}

// Namespace is the values of one kind, by the names that the plan declares.
type Namespace struct {
	Key     string // what stands before the dot, in lower-case letters: "var"
	What    string // one of them, as complaints call it: "variable"
	Example string // how one is declared, with %s for its name
	// Has reports whether a name is declared; Names returns all, sorted. They are
	// called after Plan.Resolve.
	Has   func(name string) bool
	Names func() []string
	// Asked is called once for each name that a rule refers to, before the plan is
	// applied. It may be nil.
	Asked func(name string)
	// Value returns the value of a name now. It is not ok if it is not known, as
	// before the plan is applied. It is called on the loop's thread and allocates
	// nothing.
	Value func(name string) (Value, bool)
}

// Environ returns the name of the environment variable that has the value of a
// name: VAR_MODE. Characters that such a name cannot have become _, so two names
// may have the same.
func (s *Namespace) Environ(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, s.Key+"_"+name)
}
