// SPDX-License-Identifier: MIT

package config

import (
	"testing"
	"time"
)

// A rule declares dozens of Values and uses a few: most are one piece of memory at
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
		elem  = Text
		value Value
	)
	for name, declare := range map[string]func(){
		"Word":      func() { value = Word(&text, "a name") },
		"Bool":      func() { value = Bool(&on) },
		"Duration":  func() { value = Duration(&span) },
		"Int":       func() { value = Int(&count, 1, 10) },
		"OneOf":     func() { value = OneOf(&text, words...) },
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
