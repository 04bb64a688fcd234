// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"strings"
	"testing"
)

const circles = `
lines: {bell: {button: GPIO22}, lamp: {output: GPIO27, on_exit: off}}
rules:
  - {name: light, when: {event: light}, do: {set: {line: lamp, to: on}}}
  - {name: dark, when: {line: bell, is: pressed}, do: {set: {line: lamp, to: off}}}
  - {name: ping, when: {event: ping}, do: [{emit: pong}, {emit: pong}]}
  - {name: pong, when: {event: pong}, do: {emit: ping}}
  - {name: clock, when: {event: tick}, do: [{log: "tick ${BY}"}, {wait: 200ms}, {emit: {name: tick, fields: {BY: itself}}}]}
`

// A circle that grows at each round, set off from the command line, is
// stopped; the button and a rule that arms itself anew go on meanwhile.
func TestEmitAndCircles(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			b.pull(t, 22, true)
			a := b.startProgram(t, program, circles)
			a.verb("emit", "light")
			b.awaitLine(t, 27, true)
			a.verb("emit", "tick", "BY=hand")
			a.expect(`msg="tick hand"`)
			a.verb("emit", "ping")
			a.expect(`fire each other in a cycle: stopped.* circle="(ping -> pong -> ping|pong -> ping -> pong)"`)
			b.press(t, 22)
			b.awaitLine(t, 27, false)
			a.expect(`msg="tick itself"`)
			a.expect(`msg="tick itself"`)
			status := a.verb("status")
			if !strings.Contains(status, "times in the cycle") {
				t.Errorf("the status is\n%s", status)
			}
			// On a board that stands still for a second now and then, the rounds
			// are counted anew; what nobody stops has no end.
			if n := count(a.log(), "rule=p"); n > 2000 {
				t.Errorf("%d lines of log", n)
			}
			a.finish()
		}
	})
}
