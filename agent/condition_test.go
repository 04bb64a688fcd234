// SPDX-License-Identifier: MIT

package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"reflexd/client"
)

// barrier sends an event and waits until its rule, which every configuration
// here has, has logged it: what was sent before has been dealt with.
func (r *rig) barrier() {
	r.t.Helper()
	n := r.count("msg=barrier")
	r.send("barrier")
	for r.expect("msg=barrier"); r.count("msg=barrier") == n; {
		r.do(func() {})
	}
}

const barrier = "\n  - {name: barrier, when: {event: barrier}, do: {log: barrier}}\n"

// Conditions are looked at before any rule acts: each press toggles once.
func TestRulesThatToggleAVariable(t *testing.T) {
	r := start(t, `
vars: {mode: {values: [day, night]}}
rules:
  - {name: to night, when: {event: press}, if: {var: mode, is: day}, do: {var: {mode: night}}}
  - {name: to day, when: {event: press}, if: {var: mode, is: night}, do: {var: {mode: day}}}
  - {name: told, when: {var: mode}, do: {log: "${PREVIOUS} to ${VALUE}"}}
  - {name: dark, when: {var: mode, is: night}, do: {log: dark}}
  - {name: light, when: {var: mode, is: {not: night}}, do: {log: light}}`+barrier)
	for range 3 {
		r.send("press")
		r.barrier()
	}
	for want, words := range map[int]string{2: `"day to night"`, 1: `"night to day"`} {
		if got := r.count(words); got != want {
			t.Errorf("%s %d times, want %d", words, got, want)
		}
	}
	if r.count("msg=dark") != 2 || r.count("msg=light") != 1 {
		t.Error(r.log)
	}
	if r.count("condition does not hold", `rule="to night"`, "reflexd.yaml:4:") == 0 {
		t.Errorf("the log does not say what kept a rule from firing:\n%s", r.log)
	}
}

func TestSettingVariables(t *testing.T) {
	r := start(t, `
vars: {mode: {values: [day, night]}, name: {}, count: {initial: "3"}}
rules:
  - {name: same, when: {event: same}, do: {var: {mode: day}}}
  - {name: both, when: {event: both}, do: [{var: {mode: "${MODE}", name: "${NAME}"}}, {log: went on}], on_failure: {log: "because ${ERROR}"}}
  - {name: told, when: [{var: mode}, {var: name}], do: {log: "${VAR} is ${VALUE}"}}
  - {name: many, when: {event: many}, if: {var: count, is: {above: 2}}, do: {log: many}}`+barrier)
	r.send("same")
	r.send("both", "MODE=nigth", "NAME=x")
	r.expect(`because set variable mode: \"nigth\" is not one of its values; did you mean \"night\"?`)
	r.barrier()
	if r.count("went on")+r.count("rule=told") > 0 {
		t.Errorf("something was set all the same:\n%s", r.log)
	}
	r.send("both", "MODE=night", "NAME="+strings.Repeat("x", 5000))
	r.expect("a value of 5000 bytes is too long")
	r.send("both", "MODE=night", "NAME=Joe's \\ \"stick\"\n")
	r.expect("mode is night")
	r.expect("name is Joe's")
	r.send("many")
	r.expect("msg=many")
}

func TestVariablesSurviveAReload(t *testing.T) {
	const yaml = `
vars: {mode: {values: [VALUES]}, other: {}}
rules:
  - {name: set, when: {event: set}, do: {var: {mode: "${TO}", other: x}}}
  - {name: told, when: {var: mode}, do: {log: "mode ${VALUE}"}}
  - {name: other, when: {event: ask}, if: {var: other, is: x}, do: {log: "other is x"}}` + barrier
	r := start(t, strings.Replace(yaml, "VALUES", "day, dusk, night", 1))
	r.send("set", "TO=dusk")
	r.expect("mode dusk")
	r.write(strings.Replace(yaml, "VALUES", "night, dusk", 1))
	r.reload()
	r.barrier()
	if r.count("msg=\"mode") != 1 {
		t.Errorf("a reload that changes nothing was told:\n%s", r.log)
	}
	r.write(strings.Replace(yaml, "VALUES", "night, day", 1))
	r.reload()
	r.expect("level=WARN", "falls back", "var=mode", "value=dusk", "initial=night")
	r.expect("mode night")
	r.send("ask")
	r.expect("other is x")
}

func (r *rig) reload() {
	r.t.Helper()
	if err := client.Call(filepath.Join(r.dir, "socket"), client.Request{Verb: "reload"}, nil, patience); err != nil {
		r.t.Fatal(err)
	}
}

func TestKeptVariablesSurviveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made", "at need", "state")
	yaml := "state_file: " + file + `
vars: {mode: {values: [day, night], keep: true}, gone: {}}
rules:
  - {name: set, when: {event: set}, do: {var: {mode: night, gone: x}}}
  - {name: night, when: {event: ask}, if: {var: mode, is: night}, do: {log: still night}}
  - {name: gone, when: {event: ask}, if: {var: gone, is: x}, do: {log: still there}}` + barrier
	r := start(t, yaml)
	r.barrier()
	if _, err := os.Stat(file); err == nil {
		t.Error("the file was made without need")
	}
	r.send("set")
	r.stop() // at once: the last value is written before the end
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	r = start(t, yaml)
	r.send("ask")
	r.expect("still night")
	r.barrier()
	if r.count("still there") != 0 {
		t.Error("a variable without keep was kept")
	}
}

func TestDryRunTellsOfConditionsAndKeepsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, "state_file: "+file+`
vars: {mode: {values: [day, night], keep: true}}
rules:
  - {name: set, when: {event: go}, do: {var: {mode: night}}}
  - {name: at night, when: {event: go}, if: {var: mode, is: night}, do: {log: x}}`+barrier,
		func(o *Options) { o.DryRun = true })
	r.send("go")
	r.expect("would set mode to night")
	r.expect("level=INFO", "would not fire: a condition does not hold", `rule="at night"`)
	r.stop()
	if text, _ := os.ReadFile(file); string(text) != "nonsense" {
		t.Errorf("the file was touched: %q", text)
	}
}

func TestRulesAreEnabledAndDisabled(t *testing.T) {
	const yaml = `
rules:
  - {name: worker, when: {event: work}, enabled: ENABLED, do: {log: worked}}
  - {name: off, when: {event: off}, do: {rule: {disable: worker}}}
  - {name: on, when: {event: on}, do: {rule: {enable: [worker]}}}
  - {name: swap, when: {event: swap}, do: [{rule: {disable: worker}}, {log: swapped}]}
  - {name: after, when: {event: swap}, do: {log: after}}` + barrier
	r := start(t, strings.Replace(yaml, "ENABLED", "off", 1))
	works := func(want bool, when string) {
		t.Helper()
		n := r.count("msg=worked")
		r.send("work")
		r.barrier()
		if got := r.count("msg=worked") > n; got != want {
			t.Errorf("%s: it worked: %t", when, got)
		}
	}
	works(false, "disabled by the file")
	r.send("on")
	works(true, "enabled by a rule")
	r.reload()
	works(true, "after a reload of the same file")
	r.send("off")
	works(false, "disabled by a rule")
	r.write(strings.Replace(yaml, "ENABLED", "on", 1))
	r.reload()
	works(true, "after the file changed its mind")
	socket := filepath.Join(r.dir, "socket")
	if err := client.Call(socket, client.Request{Verb: "disable", Name: "worker"}, nil, patience); err != nil {
		t.Fatal(err)
	}
	works(false, "disabled by the verb")
	err := client.Call(socket, client.Request{Verb: "enable", Name: "worke"}, nil, patience)
	if err == nil || !strings.Contains(err.Error(), `did you mean "worker"?`) {
		t.Error(err)
	}
	r.do(func() {
		for _, s := range r.agent.runner.Status(r.agent.config.Rules) {
			if s.Enabled != (s.Name != "worker") {
				t.Errorf("%+v", s)
			}
		}
	})
}

// A rule that a reload disables begins nothing that was waiting.
func TestReloadThatDisablesARule(t *testing.T) {
	const rules = `
rules:
  - {name: slow, when: {event: go}, ENABLED do: [{log: "at ${N}"}, {wait: 300ms}, {log: "after ${N}"}]}` + barrier
	r := start(t, strings.Replace(rules, "ENABLED", "", 1))
	r.send("go", "N=1")
	r.send("go", "N=2")
	r.expect(`msg="at 1"`)
	r.write(strings.Replace(rules, "ENABLED", "enabled: off,", 1))
	r.reload()
	r.expect(`msg="after 1"`)
	r.barrier()
	if r.count(`msg="at 2"`) != 0 {
		t.Errorf("what waited began after the rule was disabled:\n%s", r.log)
	}
}

// wallClock is a clock on the wall that the test sets.
type wallClock struct{ at atomic.Pointer[time.Time] }

func (c *wallClock) set(text string) {
	at, err := time.ParseInLocation(time.DateTime, text, time.UTC)
	if err != nil {
		panic(err)
	}
	c.at.Store(&at)
}

func TestTimeOfTheDay(t *testing.T) {
	clock := &wallClock{}
	clock.set("1970-01-01 23:30:00")
	r := start(t, `
rules:
  - {name: night, when: {event: go}, if: {time: 22:00-06:00}, do: {log: "night ${N}"}}
  - {name: day, when: {event: go}, if: {not: {time: 22:00-06:00}}, do: {log: "day ${N}"}}
  - {name: either, when: {event: go}, if: {any: [{time: 00:00-24:00}, {where: {N: "0"}}]}, do: {log: "either ${N}"}}`+barrier,
		func(o *Options) { o.Wall = func() time.Time { return *clock.at.Load() } })
	for n, at := range []string{"1970-01-01 23:30:00", "1970-01-01 12:00:00", "2026-05-01 12:00:00", "2026-05-01 22:00:00", "2026-05-02 06:00:00"} {
		clock.set(at)
		r.send("go", fmt.Sprint("N=", n))
		r.barrier()
	}
	var fired []string
	for n := range 5 {
		for _, name := range []string{"night", "day", "either"} {
			if r.count(fmt.Sprintf(`msg="%s %d"`, name, n)) > 0 {
				fired = append(fired, fmt.Sprint(name, n))
			}
		}
	}
	if got, want := strings.Join(fired, " "), "either0 day2 either2 night3 either3 day4 either4"; got != want {
		t.Errorf("fired %s, want %s", got, want)
	}
	if n := r.count("the clock is not set"); n != 1 {
		t.Errorf("told %d times that the clock is not set", n)
	}
}

// A cooldown counts from when the rule fired, not from when it would have.
func TestConditionsComeBeforeCooldown(t *testing.T) {
	r := start(t, `
vars: {armed: {values: ["no", "yes"]}}
rules:
  - {name: alarm, when: {event: go}, if: {var: armed, is: "yes"}, cooldown: 1h, do: {log: alarm}}
  - {name: arm, when: {event: arm}, do: {var: {armed: "yes"}}}`+barrier)
	r.send("go")
	r.send("arm")
	r.barrier()
	r.send("go")
	r.expect("msg=alarm")
	r.do(func() {
		if s := r.agent.runner.Status(r.agent.config.Rules)[0]; s.Unmet != 1 || s.Fired != 1 || s.Dropped != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCheckOfVariablesAndConditions(t *testing.T) {
	const vars = "vars: {mode: {values: [day, night]}, free: {}}\n"
	const inputs = "inputs: {remote: {name: x}}\nlines: {door: {input: X}, lamp: {output: Y}}\n"
	if_ := func(text string) string {
		return vars + inputs + "rules: [{when: {button: Z, is: pressed}, if: " + text + ", do: {log: x}}]"
	}
	do := func(text string) string {
		return vars + "rules: [{name: alarm, when: {event: go}, do: " + text + "}]"
	}
	for _, test := range []struct{ yaml, want string }{
		{if_("{var: mod, is: day}"), `4:52: no variable "mod" is declared; did you mean "mode"?`},
		{if_("{var: mode, is: dya}"), `mode: "dya" is not one of its values; did you mean "day"?`},
		{if_("{var: mode, is: {not: nigth}}"), `mode: "nigth" is not one of its values; did you mean "night"?`},
		{if_(`{var: mode, is: "x*"}`), `mode: none of its values matches ["day" "night"]`},
		{if_("{var: mode}"), `the key "is" is missing`},
		{if_("{line: dor, is: on}"), `no line "dor" is declared; did you mean "door"?`},
		{if_("{line: lamp, is: pressed}"), "line lamp is an output: it is on or off"},
		{if_("{line: Z, is: up}"), `expected pressed, released, on or off, found "up"`},
		{if_("{key: KEY_CTRL, is: pressed}"), `no key is called "KEY_CTRL"`},
		{if_("{key: KEY_A, is: pressed, from: remot}"), `no input "remot" is declared; did you mean "remote"?`},
		{if_("{input: remot, is: present}"), `no input "remot" is declared; did you mean "remote"?`},
		{if_("{where: {LIEN: door}}"), `no event of this rule has a field LIEN; did you mean "LINE"?`},
		{if_("{time: 22-6}"), `expected two times such as 22:00-06:00, found "22-6"`},
		{if_("{time: 24:00-06:00}"), `expected two times`},
		{if_("{time: 06:00-25:00}"), `expected two times`},
		{if_("{time: 06:00-06:00}"), `is empty: write 00:00-24:00 for a whole day`},
		{if_("{time: 06:00-08:00, days: mo}"), `did you mean "mon"?`},
		{if_("{any: {var: mode, is: day}}"), "expected a list of conditions, found a mapping"},
		{if_("{not: [{var: mode, is: day}]}"), "expected one condition; for none of a list, write not: {any: […]}"},
		{if_("{not: {vra: mode, is: day}}"), `unknown condition "vra"; did you mean "var"?`},
		{if_("[]"), "the list is empty"},
		{do("{var: {mod: day}}"), `no variable "mod" is declared; did you mean "mode"?`},
		{do("{var: {mode: dya}}"), `2:53: "dya" is not one of its values; did you mean "day"?`},
		{do("{var: {}}"), "expected variables with their values"},
		{do("{rule: {enable: alrm}}"), `no rule is called "alrm"; did you mean "alarm"?`},
		{do("{rule: {}}"), "expected enable or disable"},
		{do("{rule: {enable: alarm, disable: alarm}}"), "both enabled and disabled"},
		{"vars: {mode: {values: [day, night], initial: dusk}}", `1:46: "dusk" is not one of its values: day, night`},
		{"vars: {mode: {values: [day, day]}}", `the value "day" is twice`},
		{"state_file: here", `expected the absolute path of a file, found "here"`},
		{"rules: [{when: {var: mode}, do: {log: x}}]", "no variable \"mode\" is declared; declare it: vars: {mode: {}}"},
		{inputs + "rules: [{when: {input: remote, is: idle}, do: {log: x}}]", "idle and active need a time: for: 10m"},
		{inputs + "rules: [{when: {input: remote, is: [present, idle], for: 1m}, do: {log: x}}]", "for has another meaning with idle"},
		{inputs + "rules: [{when: {input: remote, is: idle, for: 1m, at_start: on}, do: {log: x}}]", "repeat and at_start do not go with idle and active"},
		{inputs + "rules: [{when: {input: remote, is: present, repeat: 1m}, do: {log: x}}]", "repeat goes with for"},
		{"rules: [{when: {link: eth0, is: [down, removed], for: 1m}, do: {log: x}}]", "for, repeat and at_start go with `is: up` or `is: down` only"},
		{"rules: [{when: {mount: \"*\", is: failed, for: 1m}, do: {log: x}}]", "for, repeat and at_start go with `is: mounted` or `is: unmounted` only"},
		{"rules: [{when: {agent: stopping, for: 1m}, do: {log: x}}]", "for, repeat and at_start go with `agent: started` only"},
		{"rules: [{when: {switch: SW_LID, is: changed, for: 1m}, do: {log: x}}]", "for, repeat and at_start go with `is: on` or `is: off` only"},
		{"vars: {n: {}}\nrules: [{when: {var: n, for: 1m}, do: {log: x}}]", "for, repeat and at_start go with `is: VALUE` or `above: N` only"},
		{"lines: {b: {button: X}}\nrules: [{when: {line: b, is: pressed, for: 1m}, do: {log: x}}]", "write `is: held` for a button that is held down, `is: on` or `is: off` for a line that stays so"},
		{"lines: {b: {button: X}}\nrules: [{when: {line: b, is: pressed, at_start: on}, do: {log: x}}]", "a button that is down at the start must be released first"},
		{"lines: {b: {input: X, edges: rising}}\nrules: [{when: {line: b, is: on}, do: {log: x}}]", "on needs both edges"},
		{"lines: {b: {contact: X, class: dor}}", `did you mean "door"?`},
		{"lines: {b: {button: X, class: door}}", "class goes with input and contact, not with button"},
		{inputs + `rules: [{when: {input: remote, is: present}, do: {log: "${IDLE_MS}"}}]`, "no event of this rule has a field IDLE_MS"},
	} {
		file := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(file, []byte(test.yaml), 0o644); err != nil {
			t.Fatal(err)
		}
		_, ps, err := Load([]string{file})
		if got := ps.Error(); err != nil || !ps.Failed() || !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("%s:\ngot  %s\nwant %s", test.yaml, got, test.want)
		}
	}
}
