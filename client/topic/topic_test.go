// SPDX-License-Identifier: MIT

package topic

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a/b", false}, {"a/b", "a", false}, {"+", "a", true}, {"+", "a/b", false},
		{"a/+", "a/b", true}, {"a/+", "a/", true}, {"a/+", "a", false}, {"+/b", "a/b", true}, {"#", "a/b/c", true},
		{"a/#", "a", true}, {"a/#", "a/b/c", true}, {"a/#", "ab", false}, {"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false}, {"a/+/#", "a", false}, {"a/+/#", "a/b", true},
	} {
		if Match(c.filter, c.topic) != c.want {
			t.Errorf("Match(%q, %q) is not %v", c.filter, c.topic, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Match("a/+/c/#", "a/b/c/d") }); n > 0 {
		t.Error(n, "allocations")
	}
}
