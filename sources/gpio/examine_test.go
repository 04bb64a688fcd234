// SPDX-License-Identifier: MIT

package gpio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"reflexd/sources"
)

func TestExamine(t *testing.T) {
	b := newBench(t)
	c := b.plug("gpiochip0", "pinctrl-bcm2711", "A", "B", "C", "D", "E", "F", "G", "H", "I", "J")
	c.consumers[1], c.consumers[2], c.consumers[3], c.consumers[4] = "led0", "onewire", consumerName, consumerName
	c.consumers[5], c.consumers[9] = "power", "onewire"
	key := filepath.Join(b.sys, "bus/platform/drivers/gpio-keys/keys")
	for _, dir := range []string{"class/leds/led0", key[len(b.sys):] + "/of_node/power", key[len(b.sys):] + "/input/input3/event7"} {
		if err := os.MkdirAll(filepath.Join(b.sys, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.unplug(b.plug("gpiochip1", "other", "Z"))
	if err := os.WriteFile(filepath.Join(b.dev, "gpiochip2"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := plan(t, `
lines:
  a: {input: A}
  b: {output: B}
  c: {input: C}
  d: {input: D}
  e: {input: E}
  f: {button: F}
  h: {input: "pinctrl-bcm2711:10"}
  twice: {output: "gpiochip0:0"}
  z: {input: GG}
encoders:
  knob: {a: G, b: H}
  stuck: {a: I, b: J}
`)
	x := &sources.Report{Configured: true, Pid: 99, States: map[string][]sources.State{
		"gpio": {{Name: "d", OK: true, Lines: []sources.HeldLine{{Chip: "gpiochip0", Offset: 3, Level: "high"}}}},
	}}
	b.Do(func() { b.Source.examine(p, x) })
	var got []string
	for _, f := range x.Findings {
		got = append(got, fmt.Sprintf("%s %s: %s", f.Mark, f.Subject, f.Found))
	}
	want := `
note board: not detected, not in the board tables: name its lines as the kernel does, or by CHIP:OFFSET
ok GPIO: gpiochip0 [pinctrl-bcm2711], 10 lines
BAD GPIO: open GPIO chip DEV/gpiochip2: no such device
ok line a (A): gpiochip0:0 [pinctrl-bcm2711], free
BAD line b (B): gpiochip0:1: device or resource busy: held by "led0", a LED of the kernel: use it as ` + "`led: led0`" + ` instead
BAD line c (C): gpiochip0:2: device or resource busy: held by "onewire"
ok line d (D): gpiochip0:3 [pinctrl-bcm2711], held by the running agent
BAD line e (E): gpiochip0:4: device or resource busy: held by "reflexd": is another one running?
BAD line f (F): gpiochip0:5: device or resource busy: held by "power", a key of the kernel's gpio-keys driver: use its keys from DEV/input/event7 instead
BAD line h (pinctrl-bcm2711:10): gpiochip0 (pinctrl-bcm2711) has 10 lines, counted from 0: there is no 10
BAD line twice (gpiochip0:0): pinctrl-bcm2711:0 is already open, as line a
BAD line z (GG): no line is called GG; did you mean "G"? on the chips that can be opened: open GPIO chip DEV/gpiochip2: no such device
ok encoder knob (G): gpiochip0:6 [pinctrl-bcm2711], free; gpiochip0:7 [pinctrl-bcm2711], free
BAD encoder stuck (I): gpiochip0:9: device or resource busy: held by "onewire"
`
	if diff := cmp.Diff(want, "\n"+strings.ReplaceAll(strings.Join(got, "\n"), b.dev, "DEV")+"\n"); diff != "" {
		t.Error(diff)
	}
	b.Do(func() {
		if len(b.calls)+len(b.requests) > 0 {
			t.Errorf("lines were touched: %q", b.calls)
		}
		for fd := range b.opened {
			if unix.Fstat(fd, &unix.Stat_t{}) == nil {
				t.Errorf("the descriptor %d of a chip is still open", fd)
			}
		}
	})
}
