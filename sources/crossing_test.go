// SPDX-License-Identifier: MIT

package sources

import (
	"strings"
	"testing"

	"reflexd/config"
)

func crossing(t *testing.T, yaml string) (*Trigger, *config.Problems) {
	t.Helper()
	c := Crossing{Integers: true}
	ps := &config.Problems{}
	if n, ok := config.Parse("t.yaml", []byte(yaml), ps); ok {
		config.Object(c.Fields()...).Read(n, ps)
	}
	trigger := &Trigger{}
	c.Restrict(trigger, config.Pos{File: "t.yaml", Line: 1}, ps)
	return trigger, ps
}

// A trigger fires when a value enters the range, and again only after it left.
func TestCrossing(t *testing.T) {
	for yaml, want := range map[string]string{
		"{above: 70}":            "......x..x.",
		"{below: 0}":             ".x.........",
		"{above: 10, below: 70}": "...x...x...",
		"{}":                     "xxxxxxxxxxx",
	} {
		trigger, ps := crossing(t, yaml)
		if ps.Failed() {
			t.Fatal(ps)
		}
		var got strings.Builder
		previous := int64(0)
		for _, value := range []int64{0, -1, 0, 20, 50, 70, 71, 30, 70, 99, 80} {
			e := &Event{Fields: []Field{{"VALUE", Int(value)}, {"PREVIOUS", Int(previous)}}}
			if trigger.Accepts(e) {
				got.WriteByte('x')
			} else {
				got.WriteByte('.')
			}
			previous = value
		}
		if got.String() != want {
			t.Errorf("%s: %s, want %s", yaml, got.String(), want)
		}
	}
	if _, ps := crossing(t, "{above: 5, below: 6}"); !ps.Failed() {
		t.Error("a range without an integer")
	}
}

// change is the event that a value became another one.
func change(previous, value string) *Event {
	return &Event{Fields: []Field{{"VALUE", Text(value)}, {"PREVIOUS", Text(previous)}}}
}

// With a hysteresis it fires again only after the value was back by that much;
// what is no number is not back.
func TestHysteresis(t *testing.T) {
	values := []string{"60", "75", "75.1", "72", "76", "absent", "76", "70.1", "76", "70", "76", "0", "x", "80"}
	for yaml, want := range map[string]string{
		"{above: 75, hysteresis: 5}":             "..x.......x..x",
		"{above: 75, hysteresis: 0}":             "..x.x...x.x..x",
		"{below: 72, hysteresis: 5}":             "..............", // it was there, and is not back
		"{below: 72, hysteresis: 4}":             ".......x.x.x..",
		"{above: 72, below: 76, hysteresis: 1}":  ".x............",
		"{above: 69, below: 76, hysteresis: .5}": "",
	} {
		var c Crossing
		ps := &config.Problems{}
		n, _ := config.Parse("t.yaml", []byte(yaml), ps)
		config.Object(c.LatchFields(new(config.Pos))...).Read(n, ps)
		c.Check(config.Pos{}, ps)
		if want == "" {
			if !ps.Failed() {
				t.Errorf("%s is accepted", yaml)
			}
			continue
		}
		var got strings.Builder
		var l Latch
		for i, value := range values {
			mark := byte('.')
			if i > 0 && c.Enters(change(values[i-1], value), &l) {
				mark = 'x'
			}
			got.WriteByte(mark)
		}
		if got.String() != want {
			t.Errorf("%s: %s, want %s", yaml, got.String(), want)
		}
	}
}

func TestCrossingComplains(t *testing.T) {
	for yaml, want := range map[string]string{
		"{hysteresis: 2}":            "hysteresis goes with above or below",
		"{above: 1, hysteresis: -2}": "hysteresis: -2 is less than 0",
		"{above: 2, below: 2}":       "no number is above 2 and below 2",
		"{above: x}":                 "expected a number",
	} {
		var c Crossing
		ps := &config.Problems{}
		n, _ := config.Parse("t.yaml", []byte(yaml), ps)
		config.Object(c.LatchFields(new(config.Pos))...).Read(n, ps)
		if c.Check(config.Pos{}, ps); !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %q lacks %q", yaml, ps.Error(), want)
		}
	}
}

func TestCrossingAllocatesNothing(t *testing.T) {
	trigger, _ := crossing(t, "{above: 70}")
	e := change("69.5", "71")
	if n := testing.AllocsPerRun(100, func() { trigger.Accepts(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
