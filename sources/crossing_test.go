// SPDX-License-Identifier: MIT

package sources

import (
	"strings"
	"testing"

	"reflexd/config"
)

func crossing(t *testing.T, yaml string) (*Trigger, *config.Problems) {
	t.Helper()
	var c Crossing
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
