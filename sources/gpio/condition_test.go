// SPDX-License-Identifier: MIT

package gpio

import (
	"strings"
	"testing"

	"reflexd/config"
	"reflexd/sources"
)

// ask makes a condition of the plan.
func ask(t *testing.T, p *Plan, text string) *sources.Question {
	t.Helper()
	ps := &config.Problems{}
	n, _ := config.Parse("f", []byte(text), ps)
	fields, compile := p.Conditions()[0].New()
	config.Object(fields...).Read(n, ps)
	question := compile(ps)
	if ps.Failed() {
		t.Fatal(ps)
	}
	return &question
}

func TestConditionsOnLines(t *testing.T) {
	b := newBench(t)
	p := plan(t, "lines: {bell: {button: BELL}, door: {contact: DOOR}, lamp: {output: LAMP, initial: on}, pulse: {input: PULSE, edges: rising}, far: {input: FAR}}")
	var questions []*sources.Question
	for _, text := range []string{
		"{line: bell, is: pressed}", "{line: door, is: off}", "{line: lamp, is: on}", "{line: pulse, is: off}", "{line: far, is: released}",
	} {
		questions = append(questions, ask(t, p, text))
	}
	answers := func(when string, want ...sources.Truth) {
		t.Helper()
		b.Do(func() {
			for i, q := range questions {
				var got sources.Truth
				if got = b.table.Ask(q, 0); q.Ask != nil {
					got = q.Ask()
				}
				if got != want[i] {
					t.Errorf("%s: answer %d is %d, want %d", when, i, got, want[i])
				}
			}
		})
	}
	answers("before anything is known", 0, 0, 0, 0, 0)
	c := b.plug("gpiochip0", "pinctrl", "BELL", "DOOR", "LAMP", "PULSE")
	b.apply(p)
	b.expect("bell  StartsUp", "door  StartsUp")
	answers("at first; far is not there", sources.No, sources.Yes, sources.Yes, sources.Yes, 0)
	b.Do(func() {
		if err := b.Set("lamp", false, nil); err != nil {
			t.Error(err)
		}
	})
	b.write(b.line(c, 0), edge{high: false})
	b.expect("lamp off ", "bell falling Down")
	answers("after the first edge", sources.Yes, sources.Yes, sources.No, sources.Yes, 0)
	b.write(b.line(c, 0), edge{high: true})
	b.expect("bell rising Up")
	answers("after the second", sources.No, sources.Yes, sources.No, sources.Yes, 0)
	b.unplug(c)
	b.Await("the chip to be missed", func() bool { return b.Source.lines["bell"].fd < 0 })
	answers("without the chip", 0, 0, 0, 0, 0)
}

// For how long a line has been what it is must be seen.
func TestHowLongNeedsBothEdges(t *testing.T) {
	p := plan(t, "lines: {pulse: {input: PULSE, edges: rising}}")
	ps := &config.Problems{}
	n, _ := config.Parse("f", []byte("{line: pulse, is: on, for: 1s}"), ps)
	fields, compile := p.Conditions()[0].New()
	config.Object(fields...).Read(n, ps)
	compile(ps)
	if got, want := ps.Error(), "f:1:19: for needs both edges: line pulse is declared with edges: rising"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// A string that names a line sees it as a condition does.
func TestValuesOfLines(t *testing.T) {
	b := newBench(t)
	p := plan(t, "lines: {bell: {button: BELL}, lamp: {output: LAMP, initial: on}, far: {input: FAR}}")
	space := p.Namespaces()[0]
	if !space.Has("bell") || space.Has("moon") || strings.Join(space.Names(), " ") != "bell far lamp" {
		t.Error(space.Names())
	}
	value := func(name string) (text string) {
		b.Do(func() {
			if v, ok := space.Value(name); ok {
				text = v.String()
			}
		})
		return text
	}
	if got := value("lamp"); got != "" {
		t.Errorf("before the plan is applied: %q", got)
	}
	c := b.plug("gpiochip0", "pinctrl", "BELL", "LAMP")
	b.apply(p)
	b.expect("bell  StartsUp")
	if got := value("bell") + " " + value("lamp") + " " + value("far"); got != "off on " {
		t.Errorf("at first: %q", got)
	}
	b.write(b.line(c, 0), edge{high: false})
	b.expect("bell falling Down")
	if got := value("bell"); got != "on" {
		t.Errorf("pressed: %q", got)
	}
}

// An encoder is no line: it is not what was meant.
func TestConditionsSuggestLines(t *testing.T) {
	p := plan(t, "lines: {bell: {button: V}}\nencoders: {volume: {a: A, b: B}}")
	ps := &config.Problems{}
	n, _ := config.Parse("f", []byte("{line: volum, is: on}"), ps)
	fields, compile := p.Conditions()[0].New()
	config.Object(fields...).Read(n, ps)
	compile(ps)
	if got, want := ps.Error(), `f:1:8: no line "volum" is declared; declared: bell`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
