// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"reflexd/lab"
)

// Codes that a USB keyboard types, each of which is one event.
func TestTypedCodes(t *testing.T) {
	b := on(t, lab.Virt)
	b.keyboard(t, "scanner")
	a := b.start(t, `
inputs: {scanner: {name: "*USB Keyboard", grab: auto, text: {layout: us, pause: 0}, log_text: on}}
rules:
  - {name: code, when: {input: scanner, is: typed, where: {TEXT: "4*"}}, do: {log: "code ${TEXT}."}}
  - {name: other, when: {input: scanner, is: typed, where: {TEXT: {not: "4*"}}}, do: {log: "other ${TEXT}."}}
`)
	a.expect("input device grabbed")
	var want strings.Builder
	for i := range 20 {
		code := fmt.Sprintf("4%03d", i*37)
		if err := b.Type(t.Context(), append(strings.Split(code, ""), "ret")...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "code %s.\n", code)
	}
	a.expect(`code 4703\.`)
	var got strings.Builder
	for line := range strings.Lines(a.log()) {
		if _, rest, ok := strings.Cut(line, `msg="`); ok && strings.Contains(rest, ".\"") {
			text, _, _ := strings.Cut(rest, `"`)
			fmt.Fprintln(&got, text)
		}
	}
	if got.String() != want.String() {
		t.Errorf("read\n%s\nexpected\n%s", got.String(), want.String())
	}
}

// Keys of a grabbed keyboard that no rule takes reach other programs, LEDs reach
// the keyboard, and no key stays down when either end goes.
func TestOtherKeysArePassedOn(t *testing.T) {
	b := on(t, lab.Virt)
	b.keyboard(t, "kiosk")
	led := strings.TrimSpace(b.shell(t, "echo /sys/class/leds/input*::capslock"))
	a := b.start(t, `
inputs: {kiosk: {name: "*USB Keyboard", grab: auto, pass: others}}
rules:
  - {name: taken, when: {key: KEY_B, is: pressed}, do: {log: taken}}
`)
	a.expect("virtual device created.*at=input")
	a.expect("input device grabbed")
	m, err := b.Start(t.Context(), lab.Command{Args: []string{"reflexd", "monitor", "inputs"}}, "/tmp/monitor.log")
	if err != nil {
		t.Fatal(err)
	}
	other := func(pattern string) {
		t.Helper()
		if _, err := m.Log.Await(t.Context(), pattern); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = m.Signal(context.Background(), syscall.SIGKILL) })
	other("watching")
	b.holdKey(t, a.proc.Log, "b", "msg=taken")
	b.key(t, "b", false)
	b.key(t, "a", true)
	other("key KEY_A pressed .*USB Keyboard")
	b.key(t, "a", false)
	other("key KEY_A released")

	b.shell(t, "for led in /sys/class/leds/input*::capslock; do test $led = "+led+" || echo 1 > $led/brightness; done")
	if _, err := b.AwaitMatch(t.Context(), led+"/brightness", "^1"); err != nil {
		t.Error(err)
	}

	b.key(t, "x", true)
	other("key KEY_X pressed")
	b.unplugKeyboard(t, "kiosk")
	other("key KEY_X released")
	b.keyboard(t, "kiosk")
	a.expect("input device grabbed")
	b.key(t, "y", true)
	other("key KEY_Y pressed")
	a.kill()
	other("key KEY_Y released")
	if text, err := m.Log.Text(t.Context()); err != nil || strings.Contains(text, "KEY_B") {
		t.Errorf("a key that a rule takes reached another program:\n%s", text)
	}
}
