// SPDX-License-Identifier: MIT

package rule

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

// does is an action that a test does.
type does func()

func (does) Describe(*sources.Event) string              { return "" }
func (d does) Start(*action.Run) (action.Pending, error) { d(); return nil, nil }

func remembering(rules ...*Rule) *Runner {
	r := NewRunner(&action.Env{Log: slog.New(slog.DiscardHandler)}, &World{}, false)
	r.Remember = true
	r.Adopt(NewIndex(rules))
	return r
}

// A record has the answers by which the rule fired, not those that there were when the
// rules before it had acted.
func TestHistoryHasTheAnswersThatCounted(t *testing.T) {
	mode := "home"
	is := func(word string) allOf {
		return allOf{placed{condition: question{&sources.Question{Ask: func() sources.Truth { return sources.Whether(mode == word) }}}}}
	}
	first := &Rule{Name: "first", If: is("home"), Do: action.List{{Action: does(func() { mode = "away" })}}}
	second := &Rule{Name: "second", If: is("home"), Do: action.List{{Action: does(func() {})}}}
	third := &Rule{Name: "third", If: is("away")}
	r := remembering(first, second, third)
	r.Fire([]*Rule{first, second, third}, &sources.Event{Time: time.Second, Topic: topic("event", "x", "sent")})
	for name, want := range map[string]struct {
		outcome Outcome
		holds   sources.Truth
	}{"first": {Done, sources.Yes}, "second": {Done, sources.Yes}, "third": {Unmet, sources.No}} {
		records, err := r.History(name)
		if err != nil || len(records) != 1 || records[0].Outcome != want.outcome || records[0].Holds[0] != want.holds {
			t.Errorf("%s: %+v, %v", name, records, err)
		}
	}
}

// The history of all rules has one order, whichever files they are in.
func TestHistoryInOrder(t *testing.T) {
	var rules []*Rule
	var want []string
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		rules = append(rules, &Rule{Name: name, Pos: config.Pos{File: name + ".yaml", Line: 1}})
		want = append(want, name)
	}
	r := remembering(rules...)
	r.Fire(rules, &sources.Event{Time: time.Second, Topic: topic("event", "x", "sent")})
	records, _ := r.History("")
	var got []string
	for _, rec := range records {
		got = append(got, rec.Rule.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// However many rules an event is about, it is kept once; and each record has its own
// event.
func TestHistoryKeepsAnEventOnce(t *testing.T) {
	const many = 1000
	var rules []*Rule
	for i := range many {
		rule := ruleOn(fmt.Sprint(i), topic("event", "x", "sent"))
		rule.If = allOf{question{&sources.Question{Ask: func() sources.Truth { return sources.No }}}}
		rules = append(rules, rule)
	}
	r := remembering(rules...)
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	text := []byte(strings.Repeat("x", 3000))
	for i := range 3 * remembered {
		text[0] = byte('a' + i)
		e := &sources.Event{Time: time.Duration(i/2) * time.Second, Topic: topic("event", "x", "sent"), Borrowed: true,
			Fields: []sources.Field{{Name: "TEXT", Value: sources.Text(sources.Borrow(text))}}}
		r.index.Find(e, func(rule *Rule) { r.Fire([]*Rule{rule}, e) })
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("%d MiB are kept", grown>>20)
	}
	for _, name := range []string{"0", "999"} {
		records, err := r.History(name)
		if err != nil || len(records) != remembered {
			t.Fatal(len(records), err)
		}
		for i, rec := range records {
			want := string(rune('a' + 2*remembered + i))
			if v, _ := rec.Event.Lookup("TEXT"); !strings.HasPrefix(v.String(), want+"xx") || rec.Event.Time != rec.At {
				t.Errorf("record %d of rule %s is of %.3q at %v", i, name, v, rec.Event.Time)
			}
		}
	}
	runtime.KeepAlive(r)
}
