// SPDX-License-Identifier: MIT

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/config"
)

func TestLint(t *testing.T) {
	const lines = "lines: {a: {button: A}, b: {button: B}, lamp: {output: L}, door: {contact: D, active: low}, window: {contact: W}}\ninputs: {panel: {name: x, grab: auto}, other: {name: y}}\n"
	const slow = "gestures: {chord_window: 600ms}\n"
	for _, c := range []struct{ rules, want string }{
		{`[{when: {key: KEY_POWER, is: held}, do: {log: x}}]`, "acts on KEY_POWER too: set HandlePowerKey=ignore"},
		{`[{when: {key: KEY_SLEEP, from: other, is: pressed}, do: {log: x}}]`, "acts on KEY_SLEEP too"},
		{`[{when: {key: KEY_POWER, from: panel, is: held}, do: {log: x}}]`, ""},
		{`[{when: {key: KEY_A, is: held}, do: {log: x}}]`, ""},
		{`[{when: {lines: [a, b], together: true, is: pressed, within: 2s}, do: {log: x}}, {name: r, when: {line: a, is: pressed}, do: {log: x}}]`,
			`a press of a is delayed by 2s, in case it becomes the chord, and rule "r" waits for it`},
		{`[{when: {lines: [a, b], together: true, is: pressed, within: 2s, members: heard}, do: {log: x}}, {when: {line: a, is: pressed}, do: {log: x}}]`, ""},
		{`[{when: {lines: [a, b], together: true, is: pressed}, do: {log: x}}, {when: {line: a, is: pressed}, do: {log: x}}]`, ""},
		{`[{when: {lines: [a, b], together: true, is: pressed}, do: {log: x}}, {name: r, when: {line: a, is: pressed}, do: {log: x}}]` + "\n" + slow,
			`a press of a is delayed by 600ms, in case it becomes the chord, and rule "r" waits for it`},
		{`[{name: one, when: {line: a, is: pressed}, do: {set: {line: lamp, to: on}}}, {name: two, when: {line: [b, a], is: pressed}, do: {set: {line: lamp, to: off}}}]`,
			`rule "two" fires on the same event as rule "one" and sets line lamp to off, which that one sets to on`},
		{`[{name: one, when: {line: a, is: pressed}, do: {set: {line: lamp, to: on}}}, {name: two, when: {line: a, is: pressed}, if: {line: b, is: pressed}, do: {set: {line: lamp, to: off}}}]`, ""},
		{`[{name: one, when: {line: a, is: pressed}, do: {set: {line: lamp, to: on}}}, {name: two, when: {line: a, is: released}, do: {set: {line: lamp, to: off}}}]`, ""},
		{`[{name: soon, when: {line: door, is: on}, do: {set: {line: lamp, to: on}}}, {name: late, when: {line: door, is: on, for: 5m}, do: {set: {line: lamp, to: off}}}]`, ""},

		// A wait where the state should last.
		{`[{when: {line: door, is: on}, mode: restart, do: [{wait: 5m}, {log: open}]}]`,
			"the rule waits, and then acts even if line door is not on any more: is `is: on, for: 5m` meant, without the wait?"},
		{`[{when: {line: door, is: rising}, do: [{wait: 1h}, {log: open}]}, {when: {line: door, is: released}, do: {log: closed}}]`,
			"even if line door is not rising any more: is `is: off, for: 1h` meant"},
		{`[{when: {link: eth0, is: down}, mode: restart, do: [{wait: 90s}, {run: [reboot]}]}]`, "is `is: down, for: 1m30s` meant"},
		{`[{when: {input: other, is: absent}, do: [{wait: 5m}, {log: gone}]}, {when: {input: other, is: present}, do: {log: back}}]`, "is `is: absent, for: 5m` meant"},
		{`[{when: {line: door, is: off}, mode: restart, do: [{wait: 5m}, {set: {line: lamp, to: off}}]}]`, "is `is: off, for: 5m` meant"},
		// And such as are right.
		{`[{when: {line: door, is: on}, mode: restart, do: [{set: {line: lamp, to: on}}, {wait: 5m}, {set: {line: lamp, to: off}}]}]`, ""},
		{`[{when: {line: door, is: on}, do: {set: {line: lamp, to: on}}}, {when: {line: door, is: on}, mode: restart, do: [{wait: 5m}, {set: {line: lamp, to: off}}]}]`, ""},
		{`[{when: {line: door, is: on}, do: [{wait: 5m}, {log: open}]}, {when: {line: window, is: off}, do: {log: closed}}]`, ""},
		{`[{when: {line: door, is: on}, mode: restart, do: [{wait: 200ms}, {log: open}]}]`, ""},
		{`[{when: {line: door, is: on, for: 1m}, mode: restart, do: [{wait: 5m}, {log: open}]}]`, ""},
		{`[{when: {line: a, is: pressed}, mode: restart, do: [{wait: 5m}, {log: x}]}]`, ""},
		{`[{when: {event: x}, mode: restart, do: [{wait: 5m}, {log: x}]}]`, ""},
	} {
		path := filepath.Join(t.TempDir(), "reflexd.yaml")
		if err := os.WriteFile(path, []byte(lines+"rules: "+c.rules+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		conf, ps, err := Load([]string{path})
		if err != nil || ps.Failed() {
			t.Fatal(c.rules, err, ps)
		}
		ps = &config.Problems{}
		conf.lint(true, ps)
		var told []string
		for _, p := range ps.All() {
			told = append(told, p.Message)
		}
		if got := strings.Join(told, "\n"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s\n got %s\nwant %s", c.rules, got, c.want)
		}
	}
}
