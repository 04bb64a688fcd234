// SPDX-License-Identifier: MIT

package gpio

import (
	"slices"
	"strings"
	"testing"

	"reflexd/board"
	"reflexd/sources"
)

func TestDefaultsOfAButton(t *testing.T) {
	p := plan(t, `lines: {power: {button: GPIO3}, door: {input: "chip:5", bias: pull-down}, busy: {output: GPIO17}}`)
	power := p.lines["power"]
	if power.Bias != "pull-up" || power.Active != "low" || power.Debounce != buttonDebounce || power.Edges != "both" {
		t.Errorf("button: %+v", *power)
	}
	if door := p.lines["door"]; door.Bias != "pull-down" || door.Active != "high" || door.Debounce != 0 {
		t.Errorf("input: %+v", *door)
	}
	if !p.Output("busy") || p.Output("power") || p.Output("nobody") || !slices.Equal(p.Outputs(), []string{"busy"}) {
		t.Errorf("outputs: %q", p.Outputs())
	}
}

func TestComplaints(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`lines: {a: {output: X, debounce: 5ms}}`, `f.yaml:1:24: debounce goes with input, button and contact, not with output`},
		{`lines: {a: {input: X, drive: open-drain}}`, `1:23: drive goes with output, not with input`},
		{`lines: {a: {button: X, edges: both}}`, `edges goes with input, not with button`},
		{`lines: {a: {input: X, output: Y}}`, `both "input" and "output"`},
		{`lines: {a: {bias: pull-up}}`, `no kind of line in the mapping: expected one of the keys input, output, button`},
		{`lines: {a: {input: X, bais: pull-up}}`, `unknown key "bais"; did you mean "bias"?`},
		{`lines: {a: {input: X, bias: up}}`, `expected pull-up, pull-down, disabled or as-is, found "up"`},
		{`lines: {a: {input: X, debounce: 2h}}`, `debounce: 2h0m0s is longer than the kernel's maximum, 1h11m34.967295s`},
		{`lines: {a: {input: X, debounce: 5ns}}`, `debounce: 5ns is less than the kernel's minimum`},
		{`lines: {a: {input: X, debounce: 5}}`, `"5" has no unit`},
		{`lines: {a: {input: X}, b: {output: X}}`, `f.yaml:1:24: line X is already declared as a at f.yaml:1:9`},
		{`lines: {"a*": {input: X}}`, `line "a*": a name with *, ? or [`},
		{`lines: {"": {input: X}}`, `a line needs a name`},
		{`lines: {a: {input: pin x}}`, `"pin x": after pin, write its number on the header`},
		{`{board: rpi-4b, lines: {a: {button: pin 41}}}`, `pin 41: header J8 of the Raspberry Pi 4 Model B has no pin 41`},
		{`{board: rpi-4b, encoders: {a: {a: GPIO5, b: "J8:6"}}}`, `J8:6: pin 6 of J8 is GND, not a GPIO line`},
		{"board: rpi-4b\nwhen: [{button: pin 1, is: pressed}]", `f.yaml:2:17: pin 1: pin 1 of J8 is 3V3, not a GPIO line`},
		{`{board: beaglebone-black, lines: {a: {button: pin 11}}}`, `write P8:11 or P9:11`},
		{`board: rpi-4d`, `unknown board "rpi-4d"; did you mean "rpi-4b"?`},
		{`lines: {a: {input: 17}}`, `"17" is ambiguous: write GPIO17`},
		{`lines: {a: {input: "chip:x"}}`, `"chip:x": after the colon, write the line's offset`},
		{`lines: {a: {input: "chip:-1"}}`, `after the colon, write the line's offset`},
		{`lines: {a: {input: ":5"}}`, `":5": before the colon, write a chip's label`},
		{`lines: {a: {input: ""}}`, `expected a line such as GPIO17`},
		{"lines: {door: {input: X}}\nwhen: [{line: dor, is: pressed}]", `f.yaml:2:15: no line "dor" is declared; did you mean "door"?`},
		{"lines: {led: {output: X}}\nwhen: [{line: led, is: pressed}]", `line led is an output: it has no edges; ask whether it is on or off`},
		{"lines: {led: {output: X}}\nwhen: [{line: \"l*\", is: pressed}]", `no declared input or button matches "l*"`},
		{"lines: {a: {input: X, edges: falling}}\nwhen: [{line: a, is: rising}]", `f.yaml:2:22: rising can never fire: line a is declared with edges: falling`},
		{"lines: {a: {input: X, edges: falling}}\nwhen: [{button: X, is: pressed}]", `pressed needs both edges: line a`},
		{"lines: {a: {output: X}}\nwhen: [{button: X, is: pressed}]", `line X is declared as the output a at f.yaml:1:9`},
		{"lines: {X: {input: Y}}\nwhen: [{button: X, is: pressed}]", `X is the name of another line, declared at f.yaml:1:9`},
		{"when: [{button: \"a:b\", is: pressed}]", `"a:b": after the colon`},
		{"when: [{button: X, is: presed}]", `did you mean "pressed"?`},
		{"when: [{button: X, is: rising, after: 1s}]", "after and before go with `is: released` only"},
	} {
		_, _, ps := read(test.text)
		if got := ps.Error(); !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("%s\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

func topics(t *testing.T, text string) [][]sources.Topic {
	t.Helper()
	_, triggers, ps := read(text)
	if ps.Failed() {
		t.Fatal(ps.Error())
	}
	var all [][]sources.Topic
	for _, tr := range triggers {
		all = append(all, tr.Topics)
	}
	return all
}

func TestTriggersHear(t *testing.T) {
	got := topics(t, `
when:
  - {line: [door, "b*"], is: changed}
  - {button: GPIO3, is: [pressed, released]}
  - {button: GPIO4, is: pressed}
  - {line: GPIO4, is: rising}
lines:
  door: {input: GPIO2}
  bell: {button: GPIO3}
  busy: {output: GPIO5}
`)
	want := [][]sources.Topic{
		{{Kind: "line", Name: "door", State: "rising"}, {Kind: "line", Name: "door", State: "falling"},
			{Kind: "line", Name: "bell", State: "rising"}, {Kind: "line", Name: "bell", State: "falling"}},
		{{Kind: "line", Name: "bell", State: "pressed"}, {Kind: "line", Name: "bell", State: "released"}},
		{{Kind: "line", Name: "GPIO4", State: "pressed"}},
		{{Kind: "line", Name: "GPIO4", State: "rising"}},
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("trigger %d:\n got %v\nwant %v", i, got[i], want[i])
		}
	}
}

func TestPlanWithoutYAML(t *testing.T) {
	p := &Plan{}
	if err := p.AddInput("GPIO5"); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		"GPIO5": "already declared", "pin three": "number on the header", "17": "write GPIO17", "a:b": "offset",
	} {
		if err := p.AddInput(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("AddInput(%q) = %v, want an error with %q", spec, err, want)
		}
	}
	if l := p.lines["GPIO5"]; len(p.all()) != 1 || l.Bias != "as-is" || l.Edges != "both" {
		t.Errorf("lines: %v", p.all())
	}
}

func TestSpecsThatAreFound(t *testing.T) {
	s := &survey{dev: "/dev", board: func() *board.Board { return nil }}
	chip := func(name, label string, names ...string) *openChip {
		c := &openChip{Chip: Chip{Name: name, Label: label}, fd: -1, nodes: []string{name}}
		for i, n := range names {
			c.Lines = append(c.Lines, LineInfo{Offset: i, Name: n})
		}
		c.count = len(names)
		s.chips = append(s.chips, c)
		return c
	}
	chip("gpiochip0", "main", "GPIO0", "GPIO1", "P9_22 [spi0_sclk]", "both")
	chip("gpiochip1", "INT34C5:00", "", "both", "P9_22x")
	chip("gpiochip2", "twin", "a", "")
	chip("gpiochip3", "twin", "a", "")
	for spec, want := range map[string]string{
		"GPIO1":             "gpiochip0:1",
		"P9_22":             "gpiochip0:2",
		"P9_22 [spi0_sclk]": "gpiochip0:2",
		"main:3":            "gpiochip0:3",
		"INT34C5:00:1":      "gpiochip1:1",
		"gpiochip3:1":       "gpiochip3:1",
		"both":              "more than one line is called both: write main:3 or INT34C5:00:1",
		"a":                 "write gpiochip2:0 or gpiochip3:0",
		"twin:1":            "more than one chip is labelled twin: write gpiochip2:1 or gpiochip3:1",
		"main:4":            "gpiochip0 (main) has 4 lines, counted from 0: there is no 4",
		"mian:1":            `no chip is called mian; did you mean "main"?`,
		"GPIO12":            `no line is called GPIO12; did you mean "GPIO1"?`,
	} {
		c, offset, err := s.resolve(spec)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = s.places([]place{{c, offset}})
			got = c.Name + got[strings.LastIndexByte(got, ':'):]
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", spec, got, want)
		}
	}
}
