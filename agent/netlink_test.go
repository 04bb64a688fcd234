// SPDX-License-Identifier: MIT

package agent

import (
	"strings"
	"testing"

	"reflexd/config"
)

// Two sockets of the agent's own talk to each other. What is sent while a
// socket is being opened, as at start, waits for that.
func TestSendReachesRules(t *testing.T) {
	r := start(t, `
netlink:
  early: {protocol: usersock, port: 48100, from: 48100}
  left: {protocol: usersock, port: 48101, from: 48102}
  right: {protocol: usersock, port: 48102, from: any}
rules:
  - {name: early, when: {agent: started}, do: {send: {netlink: early, to: 48100, text: "my PID is ${PID}"}}}
  - {name: itself, when: {netlink: early}, do: {log: "said: ${TEXT}"}}
  - name: ask
    when: {event: ask}
    do: [{send: {netlink: left, to: 48102, type: 20, text: "well?"}}, {log: asked}]
  - name: reply
    when: {netlink: right, where: {TYPE: 20}}
    do: {send: {netlink: right, to: "${PORT}", data: "6f6b 00"}}
  - {name: heard, when: {netlink: left}, do: {log: "heard ${TEXT} of ${LENGTH}"}}
  - name: refused
    when: {event: refused}
    do: {send: {netlink: left, to: 48103, file: DIR/reflexd.yaml}}
    on_failure: {log: "failed: ${ERROR}"}
`)
	r.expect("said: my PID is")
	for open := 0; open < 3; {
		r.do(func() {
			open = 0
			for _, st := range r.agent.netlink.Status() {
				if st.OK {
					open++
				}
			}
		})
	}
	r.send("ask")
	r.expect("asked")
	r.expect("heard ok of 3")
	r.send("refused")
	r.expect("failed: send on netlink socket left: connection refused: no socket of this protocol has port 48103")
}

func TestSendIsChecked(t *testing.T) {
	for action, want := range map[string]string{
		"{netlink: tolk}":                             `no netlink socket "tolk" is declared; did you mean "talk"?`,
		"{netlink: talk, to: me}":                     `"me" is not a port`,
		"{netlink: talk, data: 123}":                  `"123" is not hex data: write two digits per byte`,
		"{netlink: talk, data: 12, text: x}":          "text, data and file: only one can be the payload",
		"{netlink: talk, text: \"${TEXT}\"}":          "no event of this rule has a field TEXT",
		"{netlink: talk, file: relative}":             "the path must be absolute",
		"{netlink: talk, type: 3}":                    "expected an integer from 16 to 65535",
		"{netlink: talk, cmd: 3}":                     "cmd goes with a family",
		"{netlink: fam, text: x}":                     "a message to the family x needs its cmd",
		"{netlink: fam, cmd: 1, type: 20}":            "have its number as their type",
		"{netlink: talk, timeout: 0s, flags: [dump]}": `expected echo, replace, excl, create or append, found "dump"`,
		"{netlink: talk, flags: [replace, excl]}":     "are NLM_F_DUMP",
	} {
		c := newConfiguration()
		ps := &config.Problems{}
		n, _ := config.Parse("test.yaml", []byte("netlink: {talk: {protocol: 25}, fam: {family: x}}\n"+
			"rules: [{when: {agent: started}, do: {send: "+action+"}}]"), ps)
		c.root().Read(n, ps)
		c.compile(ps)
		if !ps.Failed() || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %v, want %s", action, ps, want)
		}
	}
}
