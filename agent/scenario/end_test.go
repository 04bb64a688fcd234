// SPDX-License-Identifier: MIT

package scenario

import (
	"strings"
	"testing"
)

// A test ends, with an error at its place, whatever the rules do.
func TestWhatHasNoEnd(t *testing.T) {
	const lamp = "lines: {lamp: {output: X}, bell: {button: Y}}\n"
	for name, test := range map[string]struct{ yaml, steps, at, want string }{
		"a clock that was not set": {
			"rules: [{when: {time: '07:00'}, do: {log: morning}}]",
			"given: {time: '0001-01-01 00:00'}, steps: [{wait: 24h}, {expect: nothing}, {time: '2026-03-01 06:00'}, {wait: 2h}, {expect: {log: morning}}]", "", ""},
		"a clock that is at its end": {
			"rules: [{when: {time: '07:00'}, do: {log: morning}}]",
			"given: {time: '9999-12-31 23:00'}, steps: [{wait: 24h}, {expect: {log: morning}}]", "", ""},
		"an agent that has stopped": {
			"rules: [{when: {agent: stopping}, do: {log: bye}}]",
			"steps: [{agent: stopping}, {expect: {log: bye}}, {expect: {log: more}, within: 1h}]", ":1:68", "nothing was done"},
		"one that has stopped, and does nothing": {
			"rules: [{when: {agent: stopping}, do: {log: bye}}]",
			"steps: [{agent: stopping}, {wait: 1h}, {expect: {log: bye}}, {expect: nothing, within: 1h}]", "", ""},
		"more time than there is": {
			"rules: []", "steps: [{wait: 876000h}, {wait: 876000h}]", ":1:44", "the time is longer than 150 years"},
		"waiting while it blinks": {
			lamp + "rules: [{name: on, when: {line: bell, is: pressed}, do: {blink: {line: lamp, every: 2ms}}}]",
			"steps: [{press: bell}, {expect: {log: x}, within: 87600h}]", ":1:42", `too much happens: 1000000 wake-ups`},
		"waiting while a rule fires": {
			"rules: [{name: tick, when: {timer: 10ms}, do: {log: tick}}]",
			"steps: [{expect: [{log: tick}, {log: tock}], within: 2m}]", ":1:27", "11960 actions, and then\n"},
		"rules that fire each other": {
			"rules: [{when: {event: a}, do: {emit: b}}, {when: {event: b}, do: {emit: a}}]",
			"steps: [{event: a}, {wait: 1h}]", "", ""},
		"rules that fire each other after a while": {
			"rules: [{name: to, when: {event: a}, do: [{wait: 20ms}, {emit: b}]}, {when: {event: b}, do: [{wait: 20ms}, {emit: a}]}]",
			"steps: [{event: a}, {wait: 1h}]", ":1:39", `too much happens: 200000 outcomes of rules; most firings: 50001, of the rule "to" (`},
		"a line that rules switch to and fro": {
			lamp + "rules: [{when: {line: lamp, is: on}, do: {set: {line: lamp, to: off}}}, {when: {line: lamp, is: off}, do: {set: {line: lamp, to: on}}}]",
			"steps: [{wait: 1h}]", "", ""},
	} {
		f := load(t, test.yaml, "tests: [{name: x, "+test.steps+"}]")
		o, err := f.Play(f.Tests[0], NewCoverage())
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want == "" && o.Failure != "":
			t.Errorf("%s: %s", name, o.Failure)
		case !strings.Contains(o.Failure, test.want) || test.at != "" && !strings.HasSuffix(o.At.String(), test.at):
			t.Errorf("%s: failed at %s with %q, want %q at %s", name, o.At, o.Failure, test.want, test.at)
		}
	}
}
