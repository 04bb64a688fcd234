// SPDX-License-Identifier: MIT

package config

import (
	"testing"
	"time"
)

// A rule declares dozens of Values and uses a few: each is one piece of memory at
// most, or thousands of rules make megabytes of garbage.
func TestValuesAreOnePieceOfMemory(t *testing.T) {
	var (
		text  string
		on    bool
		span  time.Duration
		count int
		at    Pos
		list  []string
		words = []string{"a", "b"}
		parse = func(s string) (string, error) { return s, nil }
		elem  = Text
		value Value
	)
	for name, declare := range map[string]func(){
		"Text":      func() { value = Text(&text) },
		"Word":      func() { value = Word(&text, "a name") },
		"Bool":      func() { value = Bool(&on) },
		"Duration":  func() { value = Duration(&span) },
		"Int":       func() { value = Int(&count, 1, 10) },
		"OneOf":     func() { value = OneOf(&text, words...) },
		"Parsed":    func() { value = Parsed(&text, "a name", parse) },
		"ListOf":    func() { value = ListOf(&list, elem) },
		"OneOrMore": func() { value = OneOrMore(&list, elem) },
		"At":        func() { value = At(&at, value) },
	} {
		if got := testing.AllocsPerRun(10, declare); got > 1 {
			t.Errorf("%s takes %v pieces of memory", name, got)
		}
	}
	_ = value
}
