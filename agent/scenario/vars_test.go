// SPDX-License-Identifier: MIT

package scenario

import "testing"

// A variable beyond a limit is a state, with its hysteresis and its texts.
func TestVariablesBeyondALimit(t *testing.T) {
	playAll(t, `
vars: {n: {initial: 0}, limit: {initial: 10}}
lines: {door: {contact: X}}
rules:
  - {name: high, when: {var: n, above: 10, hysteresis: 3, for: 1m}, do: {log: "${var.n} over ${var.limit}, door ${line.door}"}}
  - {name: at once, when: {var: n, above: 10, hysteresis: 3, at_start: on}, do: {log: now}}
  - {name: more, when: {event: more}, do: {var: {n: {add: 1, max: 99}}}}
`, `
  - name: beyond
    given: {lines: {door: on}}
    steps:
      - {var: n, is: 11}
      - expect: {log: now}
      - wait: 50s
      - {var: n, is: 8}
      - {var: n, is: 12}
      - {event: more}
      - {expect: {log: "13 over 10, door on"}, within: 10s}
      - {expect: [{rule: at once, fired: 1}, {rule: high, fired: 1}]}
      - {var: n, is: 7}
      - {var: n, is: 11}
      - expect: {log: now}
      - wait: 59s
      - expect: nothing
      - {var: n, is: 7}
      - wait: 1m
      - expect: nothing
  - name: at the start
    given: {vars: {n: 20}}
    steps:
      - expect: {rule: at once, fired: 1}
      - {expect: {log: "20 over*"}, within: 1m}
`)
}
