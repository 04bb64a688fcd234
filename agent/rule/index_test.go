// SPDX-License-Identifier: MIT

package rule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"reflexd/sources"
)

// Whatever the index remembers of the events before, it finds what comparing all topics
// finds.
func TestFindAgreesWithComparing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(prefix string, many int) string {
		if n := random.IntN(many + 1); n < many {
			return fmt.Sprint(prefix, n)
		}
		return ""
	}
	for range 50 {
		names, states := 1+random.IntN(3), 1+random.IntN(2*mostFew)
		topic := func() sources.Topic {
			return sources.Topic{Kind: "k" + word("", 2), Name: word("n", names), State: word("s", states)}
		}
		var rules []*Rule
		for range random.IntN(40) {
			rules = append(rules, ruleOn("", topic(), topic()))
		}
		index := NewIndex(rules)
		for range 200 {
			e := &sources.Event{Topic: topic()}
			var got, want []int
			index.Find(e, func(r *Rule) { got = append(got, slices.Index(rules, r)) })
			for i, r := range rules {
				if e.Topic.State != "" && slices.ContainsFunc(r.Triggers[0].Topics, func(topic sources.Topic) bool { return covers(topic, e.Topic) }) {
					want = append(want, i)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v: rules %v, want %v", e.Topic, got, want)
			}
		}
	}
}
