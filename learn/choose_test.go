// SPDX-License-Identifier: MIT

package learn_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"reflexd/config"
	"reflexd/learn"
	"reflexd/machine"
	"reflexd/sources"
	"reflexd/sources/gpio"
	"reflexd/sources/input"
)

// chips have lines of every sort: used, for something by their name, without a
// name, of a name that two bear, and of one that no configuration can say.
func chips() []gpio.Chip {
	lines := func(names ...string) []gpio.LineInfo {
		var all []gpio.LineInfo
		for i, name := range names {
			name, used := strings.CutPrefix(name, "!")
			all = append(all, gpio.LineInfo{Offset: i, Name: name, Used: used, Consumer: map[bool]string{true: "LED \u2028x: y"}[used]})
		}
		return all
	}
	return []gpio.Chip{
		{Name: "gpiochip0", Label: "soc", Lines: lines("ID_SDA", "GPIO17", "!GPIO4", "", "TWICE", "P9_22 [spi0_sclk]", "7", "A:B")},
		{Name: "gpiochip1", Label: "expander", Lines: lines("DOOR", "TWICE")},
		{Name: "gpiochip2", Label: "expander", Lines: lines("")},
	}
}

func TestAskTakesOnlyAYes(t *testing.T) {
	for _, test := range []struct {
		answers string
		want    string // "" for failure
	}{
		{"y\n\nN\n", "GPIO17 soc:3 soc:4 soc:6 soc:7"},
		{"n\nyes\ny\n", "DOOR gpiochip1:1 gpiochip2:0"},
		{"s\ny\n\nno\nY\n\nwhatever\n\n", "GPIO17 soc:6"},
		{"", ""},
		{"y\n", ""},
	} {
		var out bytes.Buffer
		chosen, err := learn.Ask(strings.NewReader(test.answers), &out, &machine.Lines{Chips: chips()})
		if got := strings.Join(chosen, " "); got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%q: chosen %q, %v, want %q\n%s", test.answers, got, err, test.want, out.String())
		}
		if text := out.String(); !strings.Contains(text, "left out, because their names show another use: ID_SDA, P9_22\n") ||
			strings.Index(text, "can take the pin away") > strings.Index(text, "Watch them?") || strings.Contains(text, "GPIO4") {
			t.Errorf("asked\n%s", text)
		}
	}
	if _, err := learn.Ask(strings.NewReader("y\n"), new(bytes.Buffer), &machine.Lines{}); err == nil {
		t.Error("no line to ask for, and no error")
	}
}

func TestLinesAndInputsAsConfiguration(t *testing.T) {
	var lines bytes.Buffer
	learn.WriteLines(&lines, chips(), &machine.Lines{Chips: chips()})
	check(t, lines.String())
	for _, want := range []string{
		"  gpio17: {input: GPIO17}\n", "  # gpio4: {input: GPIO4}   # used by '\"LED \\u2028x: y\"'\n", "  soc-3: {input: \"soc:3\"}\n",
		"  soc-4: {input: \"soc:4\"}\n", "  gpiochip1-1: {input: \"gpiochip1:1\"}\n", "  door: {input: DOOR}\n",
	} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("no %q in\n%s", want, lines.String())
		}
	}
	var inputs bytes.Buffer
	all := append(board().Inputs, input.Device{Path: "/dev/input/event9", Error: "permission denied"})
	learn.WriteInputs(&inputs, all, all)
	for _, yaml := range variants(inputs.String()) {
		check(t, yaml)
	}
	for _, want := range []string{
		"  keyboard: {name: \"Logitech K400\"}\n", "  twin: {name: Twin, id: \"1234:0001\", phys: usb-2/input0}\n",
		"  twin-2: {name: Twin, id: \"1234:0001\", phys: usb-3/input0}\n", "  # /dev/input/event9: permission denied\n",
	} {
		if !strings.Contains(inputs.String(), want) {
			t.Errorf("no %q in\n%s", want, inputs.String())
		}
	}
	var none bytes.Buffer
	learn.WriteInputs(&none, nil, nil)
	learn.WriteLines(&none, nil, &machine.Lines{})
	check(t, none.String())
}

// A device's name is found again by the pattern that is made of it, whatever
// it holds, and neither the pattern nor a comment ends early.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"", "on", "~", "a: b", "*[x]?\\", "\"'${X}#", "\x1b\x00\u0085\u2028\u202e\ufeff", "é\xff", " x ", "- 1", "[", "]["} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.ContainsRune(name, 0) || len(name) > 1000 {
			return
		}
		var out bytes.Buffer
		devices := []input.Device{{Path: "/dev/input/event0", Name: name, Phys: name, ID: "0001:0002"}}
		learn.WriteInputs(&out, devices, devices)
		check(t, out.String())
		if got := nameIn(out.String()); name != "" && !sources.Glob(got, name) {
			t.Errorf("%q is not found by %q", name, got)
		}
		if lines := strings.Count(out.String(), "\n"); !slices.Contains([]int{3, 4, 5}, lines) || strings.ContainsAny(out.String(), "\x1b\u0085\u2028\u2029\u202e") {
			t.Errorf("%q became\n%s", name, out.String())
		}
	})
}

// nameIn returns the pattern for the name of the first input that yaml
// declares.
func nameIn(yaml string) string {
	node, _ := config.Parse("", []byte(yaml), &config.Problems{})
	for _, e := range node.Entries[0].Value.Entries[0].Value.Entries {
		if e.Key == "name" {
			return e.Value.Text
		}
	}
	return ""
}
