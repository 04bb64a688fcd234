// SPDX-License-Identifier: MIT

package agent

import "testing"

func TestWaitForAState(t *testing.T) {
	r := start(t, `
vars: {door: {values: [closed, open], initial: open}}
rules:
  - when: {event: leave}
    do: [{wait: {var: door, is: closed}}, {log: locked}]
  - when: {event: hurry}
    do: [{wait: {var: door, is: closed, timeout: 10ms}}, {log: in time}]
    on_failure: {log: "late: ${ERROR}"}
  - when: {event: stay}
    do: [{wait: {var: door, is: closed, for: 20ms}}, {log: stayed}]
  - {when: {event: close}, do: {var: {door: closed}}}
  - {when: {event: open}, do: {var: {door: open}}}
`)
	r.send("hurry")
	r.expect(`msg="late: {var: door, is: closed, timeout: 10ms} did not come within 10ms"`)
	r.send("leave")
	r.send("close")
	r.expect("msg=locked")
	r.send("hurry")
	r.expect(`msg="in time"`)
	r.send("open")
	r.send("stay")
	r.send("close")
	r.expect("msg=stayed")
}
