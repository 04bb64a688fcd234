// SPDX-License-Identifier: MIT

// What an input types is not logged, by whatever action sees it.

package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflexd/client"
	"reflexd/sources"
)

const secretRules = `
inputs: {pad: {name: "no such pad", text: {layout: us}}}
rules:
  - name: all
    when: {input: pad, is: typed, where: {TEXT: "sesame*"}}
    do:
      - log: "typed ${TEXT}"
      - emit: {name: passed-on, fields: {TAG: "tag ${TEXT}"}}
      - {write: {path: "DIR/no/${TEXT}", text: x}, ignore_failure: on}
      - {run: ["DIR/${TEXT}"], ignore_failure: on}
      - shell: test "$TEXT" = sesame-badge && echo right
      - run: [DIR/missing, "${TEXT}"]
    on_failure: {log: "failed: ${ERROR}"}
  - when: {event: passed-on}
    do: {log: "second: ${TAG}"}
`

// typeSecret types a text of letters: digits may stand in any time that is shown.
func typeSecret(r *rig) {
	r.do(func() {
		e := &sources.Event{
			Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "input", Name: "pad", State: "typed"}, Source: "input:pad",
			Fields: []sources.Field{{Name: "INPUT", Value: sources.Text("pad")}, {Name: "TEXT", Value: sources.Text("sesame-badge").Secret()}},
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
		if r.count("sesame") > 0 {
			t.Errorf("dry run %t: the log has the text:\n%s", dry, r.log)
		}
		r.stop()
	}
}

// A variable that is set to what somebody typed is as secret as that, and so is
// what is made of it.
const secretVars = `
inputs: {pad: {name: "no such pad", text: {layout: us}}}
vars: {code: {keep: true}, copy: {}, count: {initial: 0}, open: {initial: fine}}
state_file: DIR/state
rules:
  - when: {input: pad, is: typed}
    do: {var: {code: "${TEXT}"}}
  - name: on-code
    when: {var: code}
    if: {var: code, is: {not: nothing}}
    do:
      - {var: {copy: "c-${var.code}", count: {add: 1}}}
      - log: "of the event ${VALUE} after ${PREVIOUS}"
      - {run: [DIR/missing, "${var.copy}"], ignore_failure: on}
      - {write: {path: "DIR/no/${var.code}", text: x}}
    on_failure: [{log: "failed: ${ERROR}"}, {emit: {name: failed, fields: {WHY: "${ERROR}"}}}]
  - name: later
    when: {event: later}
    if: {var: copy, is: "c-*"}
    do:
      - log: "later ${var.code}, ${var.open}"
      - emit: {name: passed-on, fields: {TAG: "${var.copy}"}}
      - shell: test "$VAR_CODE" = sesame-badge && echo right && exec sleep 60
  - when: {event: passed-on}
    do: {log: "passed ${TAG}"}
control: {allow: [{uid: 54321, may: act}]}
`

func TestVariablesOfTypedTextAreSecret(t *testing.T) {
	r := start(t, secretVars)
	r.public()
	var seen strings.Builder // by whoever asks
	show := func(v any, err error) {
		b, _ := json.Marshal(v)
		fmt.Fprintln(&seen, string(b), err)
	}
	watcher := r.dial()
	if err := watcher.Watch(client.Filter{}); err != nil {
		t.Fatal(err)
	}
	typeSecret(r)
	r.expect("of the event *** after")
	r.expect("no/***")
	c := r.dial()
	if _, err := c.Emit("later", nil); err != nil {
		t.Fatal(err)
	}
	r.expect(`msg="later ***, fine"`)
	r.expect("output", "line=right")
	r.expect(`msg="passed ***"`)

	r.do(func() { show(r.agent.Status(), nil) })
	r.do(func() { show(r.agent.Snapshot(), nil) })
	show(c.Why(""))
	for n := (client.Notice{}); n.Name != "passed-on"; {
		var err error
		if n, err = watcher.Next(); err != nil {
			t.Fatal(err)
		}
		show(n, err)
	}
	for _, name := range []string{"code", "copy"} {
		if s, err := c.Get(name); err != nil || !strings.HasSuffix(s.State, "sesame-badge") || s.Masked {
			t.Errorf("admin: %s is %q, %v", name, s.State, err)
		}
	}
	as(t, 54321, 54321, nil, func() {
		c := dial(t, r)
		for _, name := range []string{"code", "copy"} {
			s, err := c.Get(name)
			if show(s, err); s.State != "***" || !s.Masked {
				t.Errorf("act: %s is %q", name, s.State)
			}
		}
		show(c.Why(""))
		if s, err := c.Set("code", "known"); err != nil || s.State != "known" || s.Masked {
			t.Errorf("what a client has set is not shown: %+v, %v", s, err)
		}
	})
	if seen := seen.String(); strings.Contains(seen, "sesame") || !strings.Contains(seen, "***") || !strings.Contains(seen, "on-code") {
		t.Errorf("it is shown:\n%s", seen)
	}
	if r.count("sesame") > 0 {
		t.Errorf("the log has it:\n%s", r.log)
	}
}

// What is kept stays secret over a restart.
func TestKeptSecretStaysSecret(t *testing.T) {
	yaml := strings.Replace(secretVars, "DIR/state", filepath.Join(t.TempDir(), "state"), 1)
	r := start(t, yaml)
	typeSecret(r)
	r.expect("of the event ***")
	r.stop()
	r = start(t, yaml)
	if s := r.detailOf("vars", "code"); !strings.Contains(s, "***") {
		t.Error(s)
	}
}

func TestTypedTextIsNotExposed(t *testing.T) {
	const yaml = `
inputs: {pad: {name: pad, text: {}LOG}}
vars: {code: {}, copy: {}, other: {}}
rules:
  - when: {var: code}
    do: {var: {copy: "${var.code}"}}
  - when: {input: pad, is: typed}
    do: {var: {code: "no ${TEXT}", other: "${INPUT}"}}
mqtt: {broker: mqtts://broker.lan, expose: [copy, other]}
`
	complaints := func(log string) string {
		file := filepath.Join(t.TempDir(), "t.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(yaml, "LOG", log, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, ps, err := Load([]string{file})
		if err != nil {
			t.Fatal(err)
		}
		return ps.Error()
	}
	if got := complaints(""); !strings.Contains(got, "copy cannot be exposed: a rule sets it to what input pad types") || strings.Contains(got, "other") {
		t.Error(got)
	}
	if got := complaints(", log_text: on"); strings.Contains(got, "cannot be exposed") {
		t.Error(got)
	}
}
