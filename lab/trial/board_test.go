// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"reflexd/lab"
)

// The Pi's header is drawn as it lies, with the levels that the running agent
// knows and those alone.
func TestBoardIsDrawn(t *testing.T) {
	b := on(t, lab.Pi3)
	alone := b.shell(t, "reflexd board --socket /nonexistent")
	if !regexp.MustCompile(`^Raspberry Pi 3 Model B \[rpi-3b\]\nLinux .*\n\ngpiochip0 +pinctrl-bcm2835 +54 lines, `).MatchString(alone) {
		t.Errorf("the board is drawn:\n%s", alone)
	}
	golden(t, "board-alone", headers(alone))
	golden(t, "lines", b.shell(t, "reflexd lines 'pin 11' wpi:7 BT_ON"))
	a := b.start(t, `
lines:
  lamp: {output: pin 11}
  door: {input: "wpi:7"}
rules:
  - {when: {agent: started}, do: [{set: {line: lamp, to: on}}, {log: lit}]}
`)
	a.expect("msg=lit")
	golden(t, "board", headers(a.verb("board")))
	golden(t, "board-probed", headers(a.verb("board", "pin 15", "pin 13")))
	if out := b.shell(t, "reflexd board 'pin 11' --socket /nonexistent 2>&1; echo $?"); !regexp.MustCompile(`request pin 11 \(gpiochip0:17\): .*held by "reflexd".*\n1`).MatchString(out) {
		t.Errorf("a line that is held: %q", out)
	}
	a.finish()
}

// headers is what is drawn without the chips, of which other tests have some.
func headers(drawn string) string {
	_, after, _ := strings.Cut(drawn, "\nheader ")
	return after
}

// A board that the tables do not have says so, and what it has.
func TestBoardThatNobodyKnows(t *testing.T) {
	b := on(t, lab.Virt)
	out := b.shell(t, "reflexd board --socket /nonexistent")
	if !strings.HasPrefix(out, "linux,dummy-virt: not in the board tables") || !strings.Contains(out, "9030000.pl061") {
		t.Errorf("drawn:\n%s", out)
	}
}

// A button on a pin of a Pi 5, whose kernel gives its lines no names.
func TestButtonOnAPin(t *testing.T) {
	b := on(t, lab.Virt)
	rp1, err := b.Chip(t.Context(), lab.ChipSpec{Name: "rp1", Label: "pinctrl-rp1", Lines: make([]string, 54)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rp1.Close(context.Background()) })
	a := b.start(t, `
board: rpi-5b
lines:
  bell: {button: pin 36}
rules:
  - {when: {line: bell, is: pressed}, do: {log: "bell ${CHIP}:${OFFSET}"}}
  - {when: {button: "J8:38", is: pressed}, do: {log: "other ${LINE}"}}
`)
	for _, press := range []struct {
		offset int
		told   string
	}{{16, "bell pinctrl-rp1:16"}, {20, "other J8:38"}} {
		for _, up := range []bool{true, false} {
			if err := rp1.Pull(t.Context(), press.offset, up); err != nil {
				t.Fatal(err)
			}
		}
		a.expect(press.told)
	}
}
