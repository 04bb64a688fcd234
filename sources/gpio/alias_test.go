// SPDX-License-Identifier: MIT

package gpio

import (
	"strings"
	"testing"

	"reflexd/board"
	"reflexd/config"
)

// A line that is declared twice under two of its names is found before it is
// opened, as far as the board is known, and so are two spellings of one name.
func TestOneLineUnderTwoNames(t *testing.T) {
	for text, want := range map[string]string{
		"lines: {a: {input: GPIO17}, b: {input: pin 11}}\nboard: rpi-4b":                                          "line pin 11 is already declared as a at f.yaml:1:9: GPIO17 and pin 11 are the same line",
		"board: rpi-4b\nlines: {a: {output: pin 11}, b: {input: \"pinctrl-bcm2711:17\"}}":                         "pin 11 and pinctrl-bcm2711:17 are the same line",
		"board: rpi-4b\nlines: {a: {output: \"J8:11\"}, b: {input: \"wpi:0\"}}":                                   "are the same line",
		"board: rpi-4b\nencoders: {k: {a: GPIO17, b: pin 11}}":                                                    "a and b are the same line",
		"board: rpi-4b\nlines: {x: {button: pin 11}}\nencoders: {k: {a: GPIO5, b: GPIO17}}":                       "encoder k: line GPIO17 is already declared as x",
		"board: beaglebone-black\nlines: {a: {input: P8_11}, b: {input: \"P8:11\"}}":                              "are the same line",
		"lines: {a: {input: \"gpiochip0:17\"}, b: {input: \"gpiochip0:017\"}}":                                    "gpiochip0:17 and gpiochip0:017 are the same line",
		"lines: {a: {input: Pin 11}, b: {input: pin 011}}":                                                        "Pin 11 and pin 011 are the same line",
		"lines: {a: {input: GPIO17}, b: {input: pin 11}}":                                                         "", // it depends on the board
		"board: rpi-4b\nlines: {a: {input: GPIO17}, b: {input: pin 13}, c: {input: \"raspberrypi-exp-gpio:17\"}}": "",
	} {
		_, _, ps := read(text)
		if got := ps.Error(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s:\n%q, want %q", text, got, want)
		}
	}
}

// A button in place under another name of a declared line is that line.
func TestButtonInPlaceUnderAnotherName(t *testing.T) {
	p := &Plan{board: namedBoard(t)}
	if err := p.Add(NewLine(Input, "a", "GPIO17")); err != nil {
		t.Fatal(err)
	}
	b := &inPlace{spec: "pin 11"}
	ps := &config.Problems{}
	if b.declare(p, ps); ps.Failed() || b.line != p.lines["a"] {
		t.Errorf("%v, %v", b.line, ps)
	}
}

func namedBoard(t *testing.T) *board.Board {
	b, err := board.Named("rpi-4b")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Of a configuration for any board, check warns where this one has both names
// for one line.
func TestLintWithTheDetectedBoard(t *testing.T) {
	p, _, ps := read("lines: {a: {input: GPIO17}, b: {input: pin 11}, c: {input: pin 13}}")
	if p.Lint(nil, ps); ps.Error() != "" {
		t.Error(ps)
	}
	if p.Lint(namedBoard(t), ps); len(ps.All()) != 1 || ps.Failed() || !strings.Contains(ps.Error(), "pin 11 is the line that a has") {
		t.Error(ps)
	}
}
