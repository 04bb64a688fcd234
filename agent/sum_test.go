// SPDX-License-Identifier: MIT

// Variables that rules add to and toggle, and limits that they pass.

package agent

import (
	"fmt"
	"testing"
)

func TestAddingToVariables(t *testing.T) {
	r := start(t, `
vars: {n: {initial: 98}, volume: {initial: 2.5}, light: {values: [off, on]}, digit: {values: [1, 2]}, word: {initial: 0}}
rules:
  - name: all
    when: {event: all}
    do:
      - var: {n: {add: 1, max: 99, wrap: true}, volume: {add: "-${STEPS}", min: 0}, light: {toggle: true}}
      - log: "n ${var.n} volume ${var.volume} light ${var.light}"
  - {name: digit, when: {event: digit}, do: {var: {digit: {add: 1}, n: {add: 1}}}, on_failure: {log: "because ${ERROR}; n is still ${var.n}"}}
  - {name: word, when: {event: word}, do: [{var: {word: "${WORD}"}}, {var: {word: {add: 1}}}], on_failure: {log: "because ${ERROR}"}}
  - {name: add, when: {event: add}, do: {var: {n: {add: "${BY:-}"}}}, on_failure: {log: "because ${ERROR}"}}
  - {name: both, when: {event: both}, do: [{var: {n: {add: 1}, word: "n was ${var.n}"}}, {log: "${var.word}"}]}
  - {name: changed, when: {var: volume}, do: {log: "volume changed to ${VALUE}"}}`+barrier)
	r.send("all", "STEPS=1.2")
	r.expect(`msg="n 99 volume 1.3 light on"`)
	r.send("all", "STEPS=9")
	r.expect(`msg="n 0 volume 0 light off"`)
	r.send("all", "STEPS=1") // it is at its limit: no change
	r.expect(`msg="n 1 volume 0 light on"`)
	r.barrier()
	if n := r.count(`msg="volume changed`); n != 2 {
		t.Errorf("%d changes of the volume", n)
	}
	r.send("digit")
	r.send("digit") // 3 is none of its values
	r.expect(`because set variable digit: \"3\" is not one of its values`, "n is still 2")
	r.send("word", "WORD=x")
	r.expect(`because add 1 to variable word: its value \"x\" is not a number`)
	r.send("add", "BY=many")
	r.expect(`because variable n: add: expected a number, found \"many\"`)
	r.send("add")
	r.expect(`because variable n: add: expected a number, found \"\"`)
	r.send("add", "BY=9223372036854775807")
	r.expect("because add 9223372036854775807 to variable n: 2 and 9223372036854775807: the result has too many digits")
	r.send("both")
	r.expect(`msg="n was 2"`)
}

func TestDryRunOfSums(t *testing.T) {
	r := start(t, `
vars: {n: {initial: 0}, light: {values: [off, on]}, mode: {}}
rules:
  - {name: all, when: {event: all}, do: {var: {mode: night, n: {add: "${BY}"}, light: {toggle: true}}}}`, func(o *Options) { o.DryRun = true })
	r.send("all", "BY=2")
	r.expect(`msg="would set mode to night, toggle light, add 2 to n"`)
}

// A limit fires once, and again only after the variable was back by the
// hysteresis, over reloads too; as a condition it is a level.
func TestVariablesThatPassALimit(t *testing.T) {
	const yaml = `
vars: {t: {initial: 20}}
rules:
  - {name: set, when: {event: set}, do: {var: {t: "${T}"}}}
  - {name: long, when: {var: t, above: 75, hysteresis: 5, for: 1h}, do: {log: "long"}}
  - {name: hot, when: {var: t, above: 75, hysteresis: 5}, do: {log: "hot ${VALUE}."}}
  - {name: hot too, when: {var: t, above: 75, hysteresis: 5}, do: {log: "hot too ${VALUE}."}}
  - {name: high, when: {var: t, above: 75}, do: {log: "high ${VALUE}."}}
  - {name: level, when: {var: t, is: {above: 75}}, do: {log: "level ${VALUE}."}}
  - {name: more, when: {event: more}, do: {log: "more"}}` + barrier
	r := start(t, yaml)
	set := func(values ...any) {
		for _, v := range values {
			r.send("set", fmt.Sprint("T=", v))
		}
		r.barrier()
	}
	set(75, 75.5, 76, 72, 76, 73)
	r.write(yaml + "  - {name: new, when: {event: new}, do: {log: new}}\n")
	r.reload()
	set(77, 70, 78)
	for word, want := range map[string]int{`msg="hot 75.5."`: 1, `msg="hot 78."`: 1, `msg="hot 7`: 2, `msg="hot too`: 2, `msg="high`: 4, `msg="level`: 5} {
		if got := r.count(word); got != want {
			t.Errorf("%s %d times, want %d", word, got, want)
		}
	}
	if t.Failed() {
		t.Log(r.log)
	}
}

// If one of the readings is no number, no counter is set.
func TestCountersAreSetTogether(t *testing.T) {
	r := start(t, `
lines: {m: {input: nowhere}}
counters: {a: {line: m}, b: {line: m}}
rules:
  - {name: set, when: {event: set}, do: {counter: {a: 7, b: "${N}"}}, on_failure: {log: "not set"}}
  - {name: show, when: {event: show}, do: {log: "a is ${counter.a}, b is ${counter.b}"}}`)
	r.send("set", "N=x")
	r.expect(`msg="not set"`)
	r.send("show")
	r.expect(`msg="a is 0, b is 0"`)
	r.send("set", "N=8")
	r.send("show")
	r.expect(`msg="a is 7, b is 8"`)
}
