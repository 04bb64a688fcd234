// SPDX-License-Identifier: MIT

// What an input types is not logged, by whatever action sees it.

package agent

import (
	"testing"

	"reflexd/sources"
)

const secretRules = `
inputs: {pad: {name: "no such pad", text: {layout: us}}}
rules:
  - name: all
    when: {input: pad, is: typed, where: {TEXT: "47*"}}
    do:
      - log: "typed ${TEXT}"
      - emit: {name: passed-on, fields: {TAG: "tag ${TEXT}"}}
      - {write: {path: "DIR/no/${TEXT}", text: x}, ignore_failure: on}
      - {run: ["DIR/${TEXT}"], ignore_failure: on}
      - shell: test "$TEXT" = 4711-badge && echo right
      - run: [DIR/missing, "${TEXT}"]
    on_failure: {log: "failed: ${ERROR}"}
  - when: {event: passed-on}
    do: {log: "second: ${TAG}"}
`

func typeSecret(r *rig) {
	r.do(func() {
		e := &sources.Event{
			Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "input", Name: "pad", State: "typed"}, Source: "input:pad",
			Fields: []sources.Field{{Name: "INPUT", Value: sources.Text("pad")}, {Name: "TEXT", Value: sources.Text("4711-badge").Secret()}},
		}
		lend(e, r.agent.emit)
	})
}

func TestTypedTextIsNotLogged(t *testing.T) {
	for _, dry := range []bool{false, true} {
		r := start(t, secretRules, func(o *Options) { o.DryRun = dry })
		typeSecret(r)
		if dry {
			r.expect(`"would log typed ***"`)
			r.expect("would run", "missing ***")
		} else {
			r.expect(`"typed ***"`)
			r.expect("second: ***")
			r.expect("output", "line=right")
			r.expect("failed:", "missing")
		}
		if r.count("4711") > 0 {
			t.Errorf("dry run %t: the log has the text:\n%s", dry, r.log)
		}
		r.stop()
	}
}
