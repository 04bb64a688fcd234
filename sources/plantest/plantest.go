// SPDX-License-Identifier: MIT

// Package plantest reads what plans declare, for the tests of sources.
package plantest

import (
	"slices"
	"testing"

	"reflexd/config"
	"reflexd/sources"
)

// Read reads text as the value v and, if that is in order, calls then. It returns what
// is complained of.
func Read(v config.Value, text string, then func(*config.Problems)) *config.Problems {
	ps := &config.Problems{}
	if n, ok := config.Parse("f", []byte(text), ps); ok {
		v.Read(n, ps)
	}
	if !ps.Failed() && then != nil {
		then(ps)
	}
	return ps
}

// Triggers returns the triggers that texts are. What is complained of fails the test.
func Triggers(t testing.TB, kind sources.TriggerKind, texts []string) []sources.Trigger {
	t.Helper()
	triggers := make([]sources.Trigger, len(texts))
	for i, text := range texts {
		fields, compile := kind.New()
		if ps := Read(config.Object(fields...), text, func(ps *config.Problems) { compile(&triggers[i], ps) }); ps.Failed() {
			t.Fatal(ps)
		}
	}
	return triggers
}

// Fired calls fired with the place of each trigger that e fires. An event that is only
// about what was there before fires none, and a trigger that waits for a state to last
// is fired by no event.
func Fired(triggers []sources.Trigger, e *sources.Event, fired func(i int)) {
	for i := range triggers {
		if t := &triggers[i]; t.Lasting.For == 0 && e.Standing == sources.Begins && slices.Contains(t.Topics, e.Topic) && t.Accepts(e) {
			fired(i)
		}
	}
}
