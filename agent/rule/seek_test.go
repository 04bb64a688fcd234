// SPDX-License-Identifier: MIT

package rule

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"reflexd/agent/action"
	"reflexd/config"
	"reflexd/sources"
)

// play makes rules and events at random, of few words, so that they often meet. Those
// that are given are among them.
type play struct {
	*rand.Rand
	literals, values []string
	kinds            []string
	plain            bool // a trigger has its Where alone
}

func newPlay(seed uint64, literal, value string) *play {
	words := []string{"", "0", "1", "7", "-7", "07", "0x7", "+7", "1_0", "10", "7.0", "a", "A", "ä", "a b", `a"b`, `"`, `""`,
		"9223372036854775807", "-9223372036854775808", "9223372036854775808"}
	r := &play{rand.New(rand.NewPCG(seed, 1)), append(words, `"a"`, `"7"`, literal), append(words, literal, value), nil, false}
	kinds := []string{"uevent", "udev", "event", encoder}
	r.kinds = []string{kinds[seed%4], kinds[seed/4%4]}
	return r
}

func of(r *play, words ...string) string { return words[r.IntN(len(words))] }

func scalar(text string) config.Node { return config.Node{Pos: config.Pos{Line: 1}, Text: text} }

func mapping(key string, value config.Node) config.Node {
	return config.Node{Pos: config.Pos{Line: 1}, Kind: config.Map, Entries: []config.Entry{{Key: key, Value: value}}}
}

// test is what may be asked of a field.
func (r *play) test(depth int) config.Node {
	n := scalar(of(r, r.literals...))
	switch r.IntN(12) {
	case 0:
		return scalar(of(r, "*", "a*", "?", "[0-9]"))
	case 1:
		return mapping("above", scalar(of(r, "0", "6.9")))
	case 2, 3, 4:
		if depth > 2 {
			return n
		}
		if r.IntN(3) == 0 {
			return mapping("not", r.test(depth+1))
		}
		n.Kind = config.List
		for range 1 + r.IntN(4) {
			n.Items = append(n.Items, r.test(depth+1))
		}
	}
	return n
}

var playedFields = []string{"A", "B", "C", sources.Steps}

// where asks for up to n fields.
func (r *play) where(n int) (w sources.Where) {
	for range r.IntN(n + 1) {
		sources.WhereValue(&w).Read(mapping(of(r, playedFields...), r.test(0)), &config.Problems{})
	}
	return w
}

func (r *play) topic() sources.Topic {
	return sources.Topic{Kind: of(r, r.kinds...), Name: of(r, "n", "m", ""), State: of(r, sources.CounterClockwise, sources.Clockwise, "")}
}

func (r *play) trigger() (t sources.Trigger) {
	for range 1 + r.IntN(3) {
		if topic := r.topic(); !slices.Contains(t.Topics, topic) {
			t.Topics = append(t.Topics, topic)
		}
	}
	t.Where = r.where(2)
	if r.plain {
		return t
	}
	if r.IntN(4) == 0 {
		w := r.where(2)
		t.SelectWhere(w, w.Match)
	}
	switch r.IntN(4) {
	case 0:
		t.RestrictFrom("front")
	case 1: // every other event that it is shown
		odd := false
		t.Restrict(func(*sources.Event) bool { odd = !odd; return odd })
	}
	return t
}

func (r *play) event(at int) *sources.Event {
	e := &sources.Event{Time: time.Duration(at+1) * time.Millisecond, Topic: r.topic(), Names: []string{of(r, "front", "back")}}
	for range r.IntN(5) { // also the same twice
		v := sources.Text(of(r, r.values...))
		switch r.IntN(4) {
		case 0:
			v = sources.Int([]int64{0, 1, 7, -7, 10, math.MaxInt64, math.MinInt64}[r.IntN(7)])
		case 1:
			v = sources.Text(`"` + v.String() + `"`)
		}
		if r.IntN(4) == 0 {
			v = v.Secret()
		}
		e.Fields = append(e.Fields, sources.Field{Name: of(r, playedFields...), Value: v})
	}
	return e
}

func (r *play) rules(many int) (rules []*Rule) {
	for i := range many {
		rule := &Rule{Name: fmt.Sprint(i), Pos: config.Pos{File: "f", Line: i}}
		for range 1 + r.IntN(2) {
			rule.Triggers = append(rule.Triggers, r.trigger())
		}
		rule.bothWays = bothWays(rule.Triggers)
		rules = append(rules, rule)
	}
	return rules
}

// agrees has an index find rules, and compares that with asking each trigger in turn.
func agrees(t *testing.T, seed uint64, literal, value string) (lookedUp bool) {
	const most = 3
	rules, same := newPlay(seed, literal, value).rules(60), newPlay(seed, literal, value).rules(60)
	index, v := newIndex(rules, most), view{}
	for _, k := range index.kinds {
		for _, n := range k.names {
			lookedUp = lookedUp || n.any.sought != nil
		}
	}
	r := newPlay(seed+16, literal, value)
	for i := range 100 {
		e := r.event(i)
		var got, want []string
		index.Find(e, func(r *Rule) { got = append(got, r.Name) })
		for _, rule := range same {
			fires := false
			for i := range rule.Triggers {
				tr := &rule.Triggers[i]
				for _, topic := range tr.Topics {
					if e.Topic.State != "" && covers(topic, e.Topic) {
						fires = tr.Accepts(v.of(rule, e)) || fires
					}
				}
			}
			if fires {
				want = append(want, rule.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %v %v: rules %v, want %v", seed, e.Topic, e.Fields, got, want)
		}
	}
	return lookedUp
}

// Looking up finds what comparing finds, in the order of the configuration, and shows
// triggers that remember events the same ones.
func TestSeekAgreesWithComparing(t *testing.T) {
	lookedUp := 0
	for seed := range uint64(100) {
		if agrees(t, seed, "x", `"x"`) {
			lookedUp++
		}
	}
	if lookedUp < 25 {
		t.Errorf("in %d of 100 something was looked up", lookedUp)
	}
}

func FuzzSeek(f *testing.F) {
	f.Add(uint64(1), "x", "x")
	f.Add(uint64(2), `x"`, `"x""`)
	f.Add(uint64(3), "0b101", "5")
	f.Fuzz(func(t *testing.T, seed uint64, literal, value string) { agrees(t, seed, literal, value) })
}

// What rules say that they have missed is the same whether they are told at once or
// find it out later: over reloads, and beside what else they made of events.
func TestWhatIsMissedIsFoundOutLater(t *testing.T) {
	never := allOf{placed{condition: question{&sources.Question{Ask: func() sources.Truth { return sources.No }}}}}
	type known struct {
		runner *Runner
		index  *Index
	}
	found := 0
	for seed := range uint64(40) {
		var each [2]known
		adopt := func(generation uint64) {
			for i, most := range []int{3, 1000} {
				r := newPlay(seed<<20+16*generation+10, "x", "y")
				r.plain = true
				rules := r.rules(40)
				for j, rule := range rules {
					rule.Triggers = rule.Triggers[:1]
					rule.bothWays = bothWays(rule.Triggers)
					switch j % 5 {
					case 0:
						rule.Disabled = true
					case 1:
						rule.If = never
					case 2:
						rule.Cooldown = 20 * time.Millisecond
					}
				}
				k := &each[i]
				if k.index = newIndex(rules, most); k.runner == nil {
					k.runner = NewRunner(&action.Env{Log: slog.New(slog.DiscardHandler)}, &World{}, false)
					k.runner.Remember = true
				}
				k.runner.Adopt(k.index)
			}
		}
		r := newPlay(16*seed+10, "x", "y") // events alone
		for i := range 150 {
			if i%60 == 0 {
				adopt(uint64(i))
			}
			e := r.event(i)
			var told [2]string
			for j := range each {
				k := &each[j]
				var hear []*Rule
				k.index.Find(e, func(r *Rule) { hear = append(hear, r) })
				k.runner.Fire(hear, e)
				if i%46 == 45 {
					told[j] = made(t, k.runner)
				}
			}
			if told[0] != told[1] {
				t.Fatalf("seed %d, event %d:\n%s\nwant\n%s", seed, i, told[0], told[1])
			}
			found += len(told[0])
		}
	}
	if found == 0 {
		t.Error("nothing")
	}
}

// made returns what the rules of a runner made of events, a line each.
func made(t *testing.T, r *Runner) (text string) {
	records, err := r.History("")
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		text += fmt.Sprintln(rec.At, rec.Rule.Name, rec.Outcome, rec.Why, rec.Trigger != nil, rec.Event.Topic, rec.Event.Fields)
	}
	return text
}

// rulesAsking returns rules on one topic, each of which asks for A to be its number, and
// for B.
func rulesAsking(many int, b string) (rules []*Rule) {
	for i := range many {
		r := ruleOn(fmt.Sprint(i), topic("event", "x", "sent"))
		if sources.WhereValue(&r.Triggers[0].Where).Read(mapping("A", scalar(r.Name)), nil); b != "" {
			sources.WhereValue(&r.Triggers[0].Where).Read(mapping("B", scalar(b)), nil)
		}
		rules = append(rules, r)
	}
	return rules
}

func asking(at int, fields ...sources.Field) *sources.Event {
	return &sources.Event{Time: time.Duration(at) * time.Second, Topic: topic("event", "x", "sent"), Fields: fields}
}

func field(name, value string) sources.Field {
	return sources.Field{Name: name, Value: sources.Text(value)}
}

// A miss that is found out later has no answers of conditions, which nobody asked then;
// not those of the event whose record it takes the place of, either.
func TestFoundOutLaterWithoutAnswers(t *testing.T) {
	rules := rulesAsking(mostWalked+1, "")
	rules[1].If = allOf{placed{condition: question{&sources.Question{Ask: func() sources.Truth { return sources.No }}}}}
	r := remembering(rules...)
	for i := range 3 * remembered {
		a := "1"
		if i >= 2*remembered {
			a = "2"
		}
		var hear []*Rule
		e := asking(i, field("A", a))
		r.index.Find(e, func(r *Rule) { hear = append(hear, r) })
		r.Fire(hear, e)
		if i == remembered {
			if records, _ := r.History("1"); len(records) != remembered || len(records[0].Holds) != 1 {
				t.Fatal(len(records))
			}
		}
	}
	records, _ := r.History("1")
	if len(records) != remembered {
		t.Fatal(len(records))
	}
	for _, rec := range records {
		if rec.Outcome != Missed || len(rec.Holds) != 0 || rec.Trigger != &rules[1].Triggers[0] {
			t.Errorf("%+v", rec)
		}
	}
}

// Rules that see the turns of a knob with a sign are not looked up without it.
func TestTurnsOfAKnobAreCompared(t *testing.T) {
	var rules []*Rule
	for i := range mostWalked + 1 {
		r := ruleOn(fmt.Sprint(i), topic(encoder, "k", sources.Clockwise), topic(encoder, "k", sources.CounterClockwise))
		sources.WhereValue(&r.Triggers[0].Where).Read(mapping(sources.Steps, scalar(fmt.Sprint(-i))), nil)
		r.bothWays = bothWays(r.Triggers)
		rules = append(rules, r)
	}
	e := &sources.Event{Topic: topic(encoder, "k", sources.CounterClockwise), Fields: []sources.Field{{Name: sources.Steps, Value: sources.Int(3)}}}
	if got := found(NewIndex(rules), e); got != "3" {
		t.Errorf("rules %q", got)
	}
}

// Of an event that was too long to keep the field by which rules were looked up, it is
// not known any more whether they missed it.
func TestNothingIsMissedByWhatWasNotKept(t *testing.T) {
	rules := rulesAsking(mostWalked+1, "")
	r := remembering(rules...)
	long := field("LONG", string(make([]byte, longestText)))
	for i, e := range []*sources.Event{asking(1, long, field("A", "1")), asking(2, field("A", "3")), asking(3)} {
		r.index.Find(e, func(*Rule) {})
		for _, name := range []string{"1", "2"} {
			if records, err := r.History(name); err != nil || len(records) != i {
				t.Errorf("event %d, rule %s: %d records, %v", i, name, len(records), err)
			}
		}
	}
}

// A rule that was looked up and asks for more takes down once what it has missed, however
// often the list has its key.
func TestMissedOnce(t *testing.T) {
	rules := rulesAsking(mostWalked+1, "b")
	twice := scalar("1")
	twice.Kind, twice.Items = config.List, []config.Node{scalar("1"), scalar("1"), scalar("0x1")}
	rules[1].Triggers[0].Where = nil
	sources.WhereValue(&rules[1].Triggers[0].Where).Read(mapping("A", twice), nil)
	sources.WhereValue(&rules[1].Triggers[0].Where).Read(mapping("B", scalar("b")), nil)
	r := remembering(rules...)
	r.index.Find(asking(1, field("A", "1"), field("B", "c")), func(*Rule) {})
	if records, err := r.History("1"); err != nil || len(records) != 1 || records[0].Outcome != Missed {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// Nothing is allocated to keep what was missed until somebody asks, nor to find out later.
func TestSeekAllocatesNothing(t *testing.T) {
	rules := rulesAsking(1000, "b")
	hexadecimal := ruleOn("hexadecimal", topic("event", "x", "sent"))
	sources.WhereValue(&hexadecimal.Triggers[0].Where).Read(mapping("A", scalar("0x10000")), nil)
	r := remembering(append(rules, hexadecimal)...)
	var hear []*Rule
	listen := func(r *Rule) { hear = append(hear, r) }
	e := asking(0, sources.Field{Name: "A"}, field("B", "b"))
	at := 0
	next := func() {
		at++
		hear, e.Time, e.Fields[0].Value = hear[:0], time.Duration(at)*time.Second, sources.Int(int64([]int{1, 2, 900, 1000000, 0x10000}[at%5]))
		r.index.Find(e, listen)
		r.Fire(hear, e)
	}
	for range 400 {
		next()
	}
	if allocs := testing.AllocsPerRun(200, next); allocs > 0 {
		t.Errorf("%v an event", allocs)
	}
	if n := len(r.copies.free); n > 400 {
		t.Errorf("%d copies of events are kept for the next", n)
	}
}

// BenchmarkSeek finds none of many rules that ask for other values of the same field,
// and one of them, as they are asked at once and as they are looked up.
func BenchmarkSeek(b *testing.B) {
	for _, n := range []int{4, 8, 16, 32, 10_000} {
		for how, most := range map[string]int{"compared": n, "looked_up": 1} {
			for what, value := range map[string]string{"none": "none", "one": "1"} {
				b.Run(fmt.Sprintf("rules=%d/%s/%s", n, how, what), func(b *testing.B) {
					r := NewRunner(&action.Env{Log: slog.New(slog.DiscardHandler)}, &World{}, false)
					r.Remember = true
					r.Adopt(newIndex(rulesAsking(n, ""), most))
					e := asking(1, field("U", "u"), field("V", "v"), field("A", value))
					b.ReportAllocs()
					for b.Loop() {
						e.Time++
						r.index.Find(e, func(*Rule) {})
					}
				})
			}
		}
	}
}
