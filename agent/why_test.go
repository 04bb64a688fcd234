// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"strings"
	"testing"

	"reflexd/agent/rule"
	"reflexd/client"
	"reflexd/sources"
)

// whys returns what the rule of that name made of the last events, a line each.
func (r *rig) whys(name string) []string {
	r.t.Helper()
	whys, err := r.dial().Why(name)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []string
	for _, w := range whys {
		line := w.Rule + " " + w.Outcome + " " + w.Why
		for _, part := range append(w.Where, w.If...) {
			line += fmt.Sprintf(" [%s %s %s]", part.Text, part.Holds, part.Seen)
		}
		for _, a := range w.Actions {
			line += fmt.Sprintf(" (%s %s)", a.Action, a.Error)
		}
		all = append(all, line)
	}
	return all
}

func TestWhy(t *testing.T) {
	r := start(t, `
vars: {n: {initial: 0}}
rules:
  - {name: a, when: {event: go, where: {TO: left}}, if: [{var: n, is: 1}, {not: {var: n, is: 7}}], cooldown: 1h, do: [{log: "to ${TO}"}, {emit: gone}]}
  - {name: b, when: {event: gone}, do: {run: ["false"]}, on_failure: {log: "b failed"}}
  - {name: off, when: {event: go}, enabled: off, do: {log: off}}
`)
	r.send("go", "TO=right")
	r.send("go", "TO=left")
	if _, err := r.dial().Set("n", "1"); err != nil {
		t.Fatal(err)
	}
	r.send("go", "TO=left")
	r.expect("b failed")
	r.send("go", "TO=left")
	r.do(func() {})
	ifs := func(holds string, n int) string {
		return fmt.Sprintf(" [{var: n, is: 1} %s %d] [{not: {var: n, is: 7}} yes ]", holds, n)
	}
	for name, want := range map[string][]string{
		"a": {"a missed  [TO no right]" + ifs("no", 0), "a unmet " + ifs("no", 0), "a done " + ifs("yes", 1) + " (log to left ) (emit gone )", "a dropped cooldown" + ifs("yes", 1)},
		"b": {"b failed exit status 1 (run false exit status 1) (log b failed )"},
	} {
		if got := r.whys(name); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if all := strings.Join(r.whys(""), "\n"); !strings.Contains(all, "off disabled") {
		t.Error(all)
	}
	if _, err := r.dial().Why("c"); err == nil || !strings.Contains(err.Error(), `no rule is called "c"`) {
		t.Error(err)
	}
}

// An event that a client sends is one event.
func TestWhyOfWhatAClientSends(t *testing.T) {
	r := start(t, "rules: [{name: a, when: {event: go, where: {TO: left}}, do: {log: x}}]")
	if _, err := r.dial().Emit("go", map[string]string{"TO": "right"}); err != nil {
		t.Fatal(err)
	}
	r.do(func() {})
	if got := r.whys("a"); len(got) != 1 || got[0] != "a missed  [TO no right]" {
		t.Errorf("%q", got)
	}
}

// What is missed by rules that are looked up is as it is for those that are compared,
// but for their conditions; also over a reload, and of events before one that fired.
func TestWhyOfManyRulesOnOneEvent(t *testing.T) {
	text := "vars: {n: {initial: 0}}\nrules:\n"
	for i := range 50 {
		text += fmt.Sprintf("  - {name: r%d, when: {event: go, where: {TO: %[1]d, BY: me}}, if: {var: n, is: 0}, do: {log: x}}\n", i)
	}
	r := start(t, text)
	r.send("go", "TO=7", "BY=me")
	r.send("go", "TO=8", "BY=you")
	r.send("go", "TO=9", "BY=me")
	r.do(func() {})
	r.write(text + "  - {when: {event: other}, do: {log: x}}\n")
	r.reload()
	r.send("go", "TO=8", "BY=me")
	r.do(func() {})
	for name, want := range map[string][]string{
		"r7": {"r7 done  [{var: n, is: 0} yes 0] (log x )", "r7 missed  [TO no 8] [BY no you]", "r7 missed  [TO no 9] [BY yes me]", "r7 missed  [TO no 8] [BY yes me]"},
		"r8": {"r8 missed  [TO no 7] [BY yes me]", "r8 missed  [TO yes 8] [BY no you] [{var: n, is: 0} yes 0]", "r8 missed  [TO no 9] [BY yes me]", "r8 done  [{var: n, is: 0} yes 0] (log x )"},
		"r3": {"r3 missed  [TO no 7] [BY yes me]", "r3 missed  [TO no 8] [BY no you]", "r3 missed  [TO no 9] [BY yes me]", "r3 missed  [TO no 8] [BY yes me]"},
	} {
		if got := r.whys(name); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if all := r.whys(""); len(all) != mostWhys || all[19] != "r49 missed  [TO no 8] [BY yes me]" {
		t.Errorf("%q", all)
	}
}

// However much happens, no more is kept, and misses do not push out firings.
func TestWhyIsBounded(t *testing.T) {
	r := start(t, `
rules:
  - {name: a, when: {event: go, where: {TO: left}}, do: {log: "to ${TO}"}}
`)
	r.send("go", "TO=left")
	for i := range 100 {
		r.send("go", fmt.Sprintf("TO=%d%s", i, strings.Repeat("x", 3000)))
	}
	r.do(func() {})
	got := r.whys("a")
	if len(got) != 9 || !strings.HasPrefix(got[0], "a done") || !strings.Contains(got[8], "[TO no 99xx") {
		t.Errorf("%d: %.300s", len(got), strings.Join(got, "\n"))
	}
}

// Who may only read sees no key that no rule names.
func TestWhyMasksKeys(t *testing.T) {
	r := start(t, "rules: [{name: a, when: {event: go}, do: {log: x}}]")
	rec := &rule.Record{
		Rule: r.agent.config.Rules[0], Outcome: rule.Missed, Trigger: &sources.Trigger{},
		Kept:    &rule.Kept{Event: sources.Event{Topic: sources.Topic{Kind: "key", Name: "KEY_S", State: "pressed"}, Fields: []sources.Field{{Name: "KEY", Value: sources.Text("KEY_S")}}}},
		Actions: []rule.Deed{{What: "run login KEY_S"}},
	}
	var open, masked client.Why
	r.do(func() { open, masked = r.agent.explain(rec, false), r.agent.explain(rec, true) })
	if s := fmt.Sprintf("%+v", masked); strings.Contains(s, "KEY_S") || !masked.Event.Masked {
		t.Error(s)
	}
	if s := fmt.Sprintf("%+v", open); strings.Count(s, "KEY_S") != 3 {
		t.Error(s)
	}
}

// What an action said of a variable is shown as it was then.
func TestWhyOfWhatChangedSince(t *testing.T) {
	r := start(t, `
vars: {mode: {initial: home}}
rules:
  - {name: say, when: {event: go}, do: [{log: "mode ${var.mode}"}, {emit: {name: mode, fields: {MODE: "${var.mode}"}}}]}
`)
	r.send("go")
	r.expect(`msg="mode home"`)
	if _, err := r.dial().Set("mode", "away"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.whys("say"), "\n"); !strings.Contains(got, "log mode home") || strings.Contains(got, "away") {
		t.Error(got)
	}
}
