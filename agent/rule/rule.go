// SPDX-License-Identifier: MIT

// Package rule decides which rules an event fires, and when a rule that
// fires while it is still running runs again.
package rule

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

// Rule is one rule of the configuration, ready for use. It does not change.
type Rule struct {
	Name     string
	Pos      config.Pos
	Triggers []sources.Trigger
	// If must hold for the rule to fire.
	If allOf
	// Questions are those of If that are asked of states.
	Questions []*sources.Question
	Do        action.List
	// OnFailure is done when an action of Do fails.
	OnFailure action.List
	Mode      Mode
	Max       int // runs waiting (Queued) or under way (Parallel)
	Cooldown  time.Duration
	Limit     Limit
	LogLevel  slog.Level // of its firings
	// Disabled is what the configuration says; a Runner may have been told
	// otherwise since.
	Disabled bool
	// asks is set if its actions look at the fields that every event has.
	asks bool
	// bothWays are the encoders that it matches in both directions.
	bothWays []string
}

// Mode says what happens when a rule fires while it is still running.
type Mode string

// The modes.
const (
	Queued   Mode = "queued"   // it runs again afterwards, Max firings waiting
	Single   Mode = "single"   // the firing is dropped
	Restart  Mode = "restart"  // what runs is stopped, then it runs again
	Parallel Mode = "parallel" // both run, Max at most
	Coalesce Mode = "coalesce" // one firing waits, the newest
)

// DefaultMax is Max where the configuration has none.
const DefaultMax = 16

// Limit allows Count firings in any span of Per; Count 0 allows all.
type Limit struct {
	Count int
	Per   time.Duration
}

// ParseLimit reads "10/1m".
func ParseLimit(s string) (Limit, error) {
	count, per, ok := strings.Cut(s, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if !ok || err != nil || n < 1 || n > 10_000 {
		return Limit{}, fmt.Errorf("expected a number up to 10000 and a time, such as 10/1m, found %q", s)
	}
	d, err := config.ParseDuration(strings.TrimSpace(per))
	if err == nil && d == 0 {
		err = fmt.Errorf("a limit's time must be more than 0")
	}
	return Limit{n, d}, err
}

// Index finds the rules that an event may fire. It does not change after NewIndex.
type Index struct {
	Rules []*Rule
	index map[sources.Topic][]entry
	kinds map[string]shapes // by the topics' kinds
	hits  []int             // scratch
	view  view
	// Missed, if not nil, is called for each trigger that is about an event but
	// whose Where does not take it.
	Missed func(*Rule, *sources.Trigger, *sources.Event)
}

// shapes are which parts the topics of triggers have, beside their kind: what
// none of them has need not be looked for.
type shapes struct{ both, name, state, none bool }

// add takes down the shape of a topic.
func (s shapes) add(t sources.Topic) shapes {
	switch {
	case t.Name != "" && t.State != "":
		s.both = true
	case t.Name != "":
		s.name = true
	case t.State != "":
		s.state = true
	default:
		s.none = true
	}
	return s
}

// entry is a trigger of the rule with that number.
type entry struct {
	rule    int
	trigger *sources.Trigger
}

// NewIndex indexes rules, but for triggers that wait for a state to last.
func NewIndex(rules []*Rule) *Index {
	b := &Index{Rules: rules, index: map[sources.Topic][]entry{}, kinds: map[string]shapes{}}
	for i, r := range rules {
		for j := range r.Triggers {
			t := &r.Triggers[j]
			if t.Lasting.For > 0 {
				continue // it does not fire when the state begins
			}
			for _, topic := range t.Topics {
				b.index[topic] = append(b.index[topic], entry{i, t})
				b.kinds[topic.Kind] = b.kinds[topic.Kind].add(topic)
			}
		}
	}
	return b
}

// Find calls fire for each rule that hears e, in the order of the
// configuration and once, however many of its triggers match. It looks only
// at rules that are indexed under e's topic, and allocates nothing.
func (b *Index) Find(e *sources.Event, fire func(*Rule)) {
	if e.Topic.State == "" {
		return
	}
	t := e.Topic
	b.hits = b.hits[:0]
	have := b.kinds[t.Kind]
	if have.both && t.Name != "" {
		b.look(t, e)
	}
	if have.name && t.Name != "" {
		b.look(sources.Topic{Kind: t.Kind, Name: t.Name}, e)
	}
	if have.state {
		b.look(sources.Topic{Kind: t.Kind, State: t.State}, e)
	}
	if have.none {
		b.look(sources.Topic{Kind: t.Kind}, e)
	}
	slices.Sort(b.hits)
	last := -1
	for _, i := range b.hits {
		if i != last {
			fire(b.Rules[i])
		}
		last = i
	}
}

func (b *Index) look(topic sources.Topic, e *sources.Event) {
	for _, entry := range b.index[topic] {
		switch t, seen := entry.trigger, b.view.of(b.Rules[entry.rule], e); {
		case t.Match != nil && !t.Match(seen):
		case t.Where.Match(seen):
			b.hits = append(b.hits, entry.rule)
		case b.Missed != nil:
			b.Missed(b.Rules[entry.rule], t, seen)
		}
	}
}
