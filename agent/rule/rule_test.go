// SPDX-License-Identifier: MIT

package rule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

func topic(words ...string) sources.Topic {
	return sources.Topic{Kind: words[0], Name: words[1], State: words[2]}
}

func ruleOn(name string, topics ...sources.Topic) *Rule {
	return &Rule{Name: name, Triggers: []sources.Trigger{{Topics: topics}}}
}

func found(b *Index, e *sources.Event) string {
	var names []string
	b.Find(e, func(r *Rule) { names = append(names, r.Name) })
	return strings.Join(names, " ")
}

func TestFindKeepsTheOrderOfTheConfigurationAndFiresOnce(t *testing.T) {
	b := NewIndex([]*Rule{
		ruleOn("any-state", topic("line", "door", "")),
		ruleOn("exact", topic("line", "door", "rising")),
		ruleOn("other", topic("line", "window", "rising")),
		ruleOn("anything", topic("line", "", "")),
		ruleOn("twice", topic("line", "door", "rising"), topic("line", "", "rising")),
		ruleOn("any-name", topic("line", "", "rising")),
	})
	for want, e := range map[string]sources.Topic{
		"any-state exact anything twice any-name": topic("line", "door", "rising"),
		"any-state anything":                      topic("line", "door", "falling"),
		"anything twice any-name":                 topic("line", "gate", "rising"),
		"":                                        topic("key", "door", "rising"),
	} {
		if got := found(b, &sources.Event{Topic: e}); got != want {
			t.Errorf("%v: %q, want %q", e, got, want)
		}
	}
	if got := found(b, &sources.Event{Topic: topic("line", "door", "")}); got != "" {
		t.Errorf("an event without a state fired %q", got)
	}
}

func TestTriggerRestrictions(t *testing.T) {
	r := ruleOn("r", topic("line", "door", "rising"))
	r.Triggers[0].Restrict(func(e *sources.Event) bool { return e.Source == "a" })
	r.Triggers[0].RestrictFrom("front")
	b := NewIndex([]*Rule{r})
	for _, c := range []struct {
		source, name, want string
	}{{"a", "front", "r"}, {"a", "back", ""}, {"b", "front", ""}} {
		e := &sources.Event{Topic: topic("line", "door", "rising"), Source: c.source, Names: []string{"x", c.name}}
		if got := found(b, e); got != c.want {
			t.Errorf("%v: %q", c, got)
		}
	}
}

func TestParseLimit(t *testing.T) {
	if l, err := ParseLimit("10/1m"); err != nil || l != (Limit{10, time.Minute}) {
		t.Error(l, err)
	}
	for _, bad := range []string{"", "10", "x/1m", "0/1m", "10/1", "10/0s", "99999/1s", "-1/1s"} {
		if l, err := ParseLimit(bad); err == nil {
			t.Errorf("%q: %v", bad, l)
		}
	}
}

// BenchmarkFind looks among few and many rules on other things: the time must
// not depend on their number.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			var rules []*Rule
			for i := range n {
				rules = append(rules, ruleOn("", topic("line", fmt.Sprint("line", i), "pressed")))
			}
			index := NewIndex(rules)
			e := &sources.Event{Topic: topic("line", "line0", "pressed")}
			hits := 0
			fire := func(*Rule) { hits++ }
			b.ReportAllocs()
			for b.Loop() {
				index.Find(e, fire)
			}
			if hits == 0 {
				b.Error("not found")
			}
		})
	}
}

func TestLimitForgetsOldFirings(t *testing.T) {
	p, r := &progress{}, &Rule{Limit: Limit{3, time.Second}}
	var kept []int
	for i, ms := range []int{0, 100, 200, 300, 999, 1000, 1099, 1100, 5000} {
		if now := time.Duration(ms) * time.Millisecond; p.refuses(r, now) == "" {
			p.fired(r, now)
			kept = append(kept, i)
		}
	}
	if want := []int{0, 1, 2, 5, 7, 8}; !slices.Equal(kept, want) || len(p.recent) > 3 {
		t.Errorf("kept %v, want %v; %d remembered", kept, want, len(p.recent))
	}
}
