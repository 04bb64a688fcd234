// SPDX-License-Identifier: MIT

package topic

import (
	"slices"
	"strings"
	"testing"
)

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

// Covers and Disjoint agree with what matches, for all filters and topics of two
// words and three levels.
func TestCoversAndOverlap(t *testing.T) {
	var topics, filters []string
	for n := range 3 * 3 * 3 {
		words := []string{"a", "b", ""}
		name := strings.TrimRight(words[n%3]+"/"+words[n/3%3]+"/"+words[n/9], "/")
		if name != "" && !strings.Contains(name, "//") && name[0] != '/' && !slices.Contains(topics, name) {
			topics = append(topics, name)
		}
	}
	for n := range 4 * 5 * 5 {
		words := []string{"a", "b", "+", "#", ""}
		name := strings.TrimRight(words[n%4]+"/"+words[n/4%5]+"/"+words[n/20], "/")
		if _, err := ParseFilter(name); err == nil && !strings.Contains(name, "//") && !slices.Contains(filters, name) {
			filters = append(filters, name)
		}
	}
	if len(topics) < 14 || len(filters) < 40 {
		t.Fatal(topics, filters)
	}
	for _, f := range filters {
		for _, g := range filters {
			// a/# has topics of four levels too.
			covers, overlaps := strings.HasSuffix(f, "#") || !strings.HasSuffix(g, "#"), false
			for _, topic := range topics {
				covers = covers && (Match(f, topic) || !Match(g, topic))
				overlaps = overlaps || Match(f, topic) && Match(g, topic)
			}
			if got := Covers(f, g); got != covers && (f != "+/#" || g != "#") {
				t.Errorf("Covers(%q, %q) is %v", f, g, got)
			}
			if got := overlap(f, g); got != overlaps {
				t.Errorf("overlap(%q, %q) is %v", f, g, got)
			}
			for _, topic := range topics {
				matching := 0
				for _, d := range Disjoint([]string{f, g}, "#") {
					if Match(d, topic) {
						matching++
					}
				}
				if matching > 1 || matching == 0 && (Match(f, topic) || Match(g, topic)) {
					t.Errorf("%q and %q: %d filters match %q", f, g, matching, topic)
				}
			}
		}
	}
}
