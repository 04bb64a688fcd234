// SPDX-License-Identifier: MIT

// Values of sources in strings, tests and environments.

package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflexd/sources"
)

// A string has the values that they have when its action starts.
func TestValuesInStrings(t *testing.T) {
	r := start(t, `
vars: {n: {initial: 5}, empty: {}, "a name with spaces": {initial: x}}
lines: {door: {input: "nowhere:1"}}
rules:
  - name: told
    when: {event: tell}
    do:
      - log: "n=${var.n} door=${line.door} or ${line.door:-unknown} ${var.empty:-${var.a name with spaces}}"
      - var: {n: 6, empty: "${var.n} and ${WHO}"}
      - log: "now ${var.n} ${var.empty}"
`)
	r.send("tell", "WHO=me")
	r.expect(`msg="n=5 door= or unknown x"`)
	r.expect(`msg="now 6 5 and me"`)
}

// A reload may take the variable away from a rule that still runs.
func TestValuesThatAReloadTakes(t *testing.T) {
	const yaml = `
vars: {n: {initial: 5}}
rules:
  - {name: slow, when: {event: go}, do: [{run: [sh, -c, "until [ -e DIR/over ]; do sleep 0.01; done"]}, {log: "n=${var.n:-gone}."}]}` + barrier
	r := start(t, yaml)
	r.send("go")
	r.write("rules:" + barrier)
	r.reload()
	if err := os.WriteFile(filepath.Join(r.dir, "over"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.expect(`msg="n=gone."`)
}

// Programs find the values that their rule names, as they are when each starts,
// and no others. A field of an event cannot take the place of one.
func TestValuesInEnvironments(t *testing.T) {
	r := start(t, `
vars: {n: {initial: 5}, "a name-ü": {initial: odd}, secret: {initial: x}, script: {initial: "42"}}
lines: {door: {input: "nowhere:1"}}
rules:
  - name: names
    when: {event: go}
    do:
      - run: [sh, -c, 'env >DIR/first']
      - var: {n: 6}
      - shell: 'env >DIR/second; : $VAR_SCRIPT'
      - run: {command: [sh, -c, "env >DIR/third"], env: {VAR_N: "mine ${var.n}"}}
      - run: [env] # no shell, which would make one of two variables with the same name
      - log: "over ${line.door:-} ${var.a name-ü}"
`)
	r.send("go", "VAR_SECRET=outside", "VAR_SCRIPT=outside")
	r.expect("msg=\"over ")
	r.expect("msg=output", `line="VAR_SCRIPT=42"`)
	if r.count("msg=output", "outside") != 0 {
		t.Error("a field took the place of a variable")
	}
	for file, want := range map[string]string{"first": "VAR_N=5", "second": "VAR_N=6", "third": "VAR_N=mine 6"} {
		text, err := os.ReadFile(filepath.Join(r.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for _, want := range []string{want, "LINE_DOOR=", "VAR_A_NAME__=odd", "VAR_SCRIPT=42"} {
			if !slices.Contains(lines, want) {
				t.Errorf("%s lacks %s:\n%s", file, want, text)
			}
		}
		if strings.Contains(string(text), "VAR_SECRET") || strings.Count(string(text), "VAR_SCRIPT") != 1 {
			t.Errorf("%s holds what nobody named:\n%s", file, text)
		}
	}
}

// Tests compare with what the value is when they are asked.
func TestValuesInTests(t *testing.T) {
	r := start(t, `
vars: {max: {initial: 10}, n: {initial: 0}, name: {initial: "a*"}, last: {}}
rules:
  - {name: set, when: {event: set}, do: {var: {n: "${N}"}}}
  - {name: limit, when: {event: limit}, do: {var: {max: "${N}"}}}
  - {name: over, when: {var: n, is: {above: "${var.max}"}}, do: {log: "over ${VALUE}"}}
  - {name: same, when: {event: same}, if: {where: {A: {not: ["${B}", "${var.last}"]}}}, do: {log: "differs ${A}"}}
  - {name: no pattern, when: {event: same, where: {A: "${var.name}"}}, do: {log: "called ${A}"}}
  - {name: asked, when: {event: ask}, if: [{var: n, is: {below: "${var.max}", above: 0.5}}, {not: {var: n, is: "1${var.last}"}}], do: {log: "below ${var.n}"}}`+barrier)
	r.send("set", "N=11")
	r.expect(`msg="over 11"`)
	r.send("limit", "N=20.5")
	r.send("set", "N=20.25")
	r.send("ask")
	r.expect(`msg="below 20.25"`)
	r.send("limit", "N=none") // no number is above it, or below
	r.send("set", "N=99")
	r.send("ask")
	r.send("same", "A=x", "B=x")
	r.send("same", "A=abc", "B=y")
	r.send("same", "A=a*", "B=a*")
	r.expect(`msg="differs abc"`)
	r.expect(`msg="called a*"`)
	r.barrier()
	if n := r.count("msg=\"over"); n != 1 {
		t.Errorf("%d times over", n)
	}
	if r.count("msg=\"below") != 1 || r.count("msg=\"differs") != 1 || r.count("msg=\"called") != 1 {
		t.Error(r.log)
	}
}

// A test with a reference costs no more memory than one without.
func TestReferringAllocatesNothing(t *testing.T) {
	r := start(t, `
vars: {max: {initial: 10}, n: {initial: 3}}
rules:
  - {name: x, when: {event: x, where: {A: "${B}", N: {above: "${var.max}"}}}, if: {var: n, is: "${var.max}"}, do: {log: x}}`+barrier)
	e := &sources.Event{Topic: sources.Topic{Kind: "event", Name: "x", State: "sent"}, Fields: []sources.Field{
		{Name: "A", Value: sources.Text("same")}, {Name: "B", Value: sources.Text("same")}, {Name: "N", Value: sources.Int(12)},
	}}
	r.do(func() {
		found := 0
		if n := testing.AllocsPerRun(100, func() {
			r.agent.hearing = r.agent.hearing[:0]
			r.agent.index.Find(e, r.agent.hear)
			found += len(r.agent.hearing)
		}); n != 0 || found != 101 {
			t.Errorf("%v allocations, found %d times", n, found)
		}
	})
}

// A scalar is taken as it is written, whatever YAML has it be.
func TestInitialValuesAreStrings(t *testing.T) {
	r := start(t, `
vars: {a: {initial: on}, b: {initial: yes}, c: {initial: 007}, d: {initial: 1.50}, e: {initial: "off"}, f: {initial: 0x1F}, g: {initial: ~}, h: {values: [on, off]}}
rules:
  - {name: told, when: {event: tell}, if: [{var: a, is: on}, {var: c, is: {above: 6, below: 8}}, {var: h, is: [on]}], do: {log: "${var.a} ${var.b} ${var.c} ${var.d} ${var.e} ${var.f} ${var.g} ${var.h}"}}`)
	r.send("tell")
	r.expect(`msg="on yes 007 1.50 off 0x1F ~ on"`)
}
