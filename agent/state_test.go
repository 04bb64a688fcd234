// SPDX-License-Identifier: MIT

package agent

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

// found sends that a state was found so long ago.
func (r *rig) found(kind, name, state string, ago time.Duration, fields ...sources.Field) {
	r.t.Helper()
	r.do(func() {
		r.agent.emit(&sources.Event{Time: r.agent.loop.Now() - ago, Topic: sources.Topic{Kind: kind, Name: name, State: state},
			Source: kind + ":" + name, Standing: sources.Found, Fields: fields})
	})
}

// change is what a declared line does, so long ago.
type change struct {
	press sources.Press
	ago   time.Duration
}

// level sends what the declared line name does, as its source has it. All
// changes come at once, so that time passes between them as they say.
func (r *rig) level(name string, changes ...change) {
	r.t.Helper()
	r.do(func() {
		now := r.agent.loop.Now()
		for _, c := range changes {
			e := sources.Event{Time: now - c.ago, Topic: sources.Topic{Kind: "line", Name: name}, Source: "gpio:" + name,
				Press: c.press, Standing: sources.Begins, Fields: []sources.Field{{Name: "LINE", Value: sources.Text(name)}}}
			switch c.press {
			case sources.Down:
				e.Topic.State = "rising"
			case sources.Up:
				e.Topic.State = "falling"
			default:
				e.Standing = sources.Found
			}
			r.agent.emit(&e)
		}
	})
}

// Of a contact and an input, the end of what was there at start is a release
// and the state off; a button must be let go of first.
func TestEndOfWhatWasOnAtStart(t *testing.T) {
	r := start(t, `
lines: {door: {contact: nowhere}, tank: {input: neither}, bell: {button: never}}
rules:
  - {name: began, when: {line: [door, tank, bell], is: [pressed, on]}, do: {log: "${LINE} began"}}
  - {name: released, when: {line: [door, tank, bell], is: released}, do: {log: "${LINE} held ${HELD_MS}"}}
  - {name: off, when: {line: [door, tank, bell], is: "off"}, do: {log: "${LINE} off ${SYNTHETIC:-}"}}`+barrier)
	for _, line := range []string{"door", "tank"} {
		r.level(line, change{sources.StartsOn, 2 * time.Second}, change{sources.Up, time.Second})
		r.expect(`msg="` + line + ` held 1000"`)
		r.expect(`msg="` + line + ` off "`)
	}
	r.level("bell", change{sources.StartsDown, 2 * time.Second})
	r.level("bell", change{sources.Up, time.Second})
	r.expect(`msg="bell off "`) // a state all the same
	r.barrier()
	if r.count("began") != 0 || r.count("bell held") != 0 {
		t.Errorf("%s", r.log)
	}
}

// Each source's state that is there at the start fires what asks for it, and
// nothing else; what begins afterwards fires both.
func TestWhatIsThereAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	r := start(t, "state_file: "+file+`
vars: {mode: {keep: true}}
rules: [{when: {event: night}, do: {var: {mode: night}}}]`+"\n")
	r.send("night")
	r.stop()
	for name, c := range map[string]struct {
		sections, when string
		happens        func(*rig)
	}{
		"contact":  {"lines: {door: {contact: nowhere}}", "line: door, is: on", func(r *rig) { r.level("door", change{sources.StartsOn, 0}) }},
		"off":      {"lines: {door: {contact: nowhere}}", `line: door, is: "off"`, func(r *rig) { r.level("door", change{sources.StartsUp, 0}) }},
		"button":   {"lines: {door: {button: nowhere}}", "line: door, is: on", func(r *rig) { r.level("door", change{sources.StartsDown, 0}) }},
		"variable": {"state_file: " + file + "\nvars: {mode: {keep: true}}", "var: mode, is: night", nil},
		"initial":  {"vars: {mode: {initial: night}}", "var: mode, is: {not: day}", nil},
		"link":     {"", "link: lo, is: up", nil},
		"no link":  {"", "link: nolink7, is: down", nil},
		"input":    {"inputs: {remote: {name: nobody}}", "input: remote, is: absent", nil},
		"switch":   {"", "switch: SW_LID, is: on", func(r *rig) { r.found("switch", "SW_LID", "on", 0) }},
		"mount":    {"", "mount: /media/*, is: mounted", func(r *rig) { r.found("mount", "/media/X", "mounted", 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, c.sections+`
rules:
  - {name: plain, when: {`+c.when+`}, do: {log: plain}}
  - {name: told, when: {`+c.when+`, at_start: true}, do: {log: "told ${SYNTHETIC}"}}
  - {name: lasting, when: {`+c.when+`, for: 30ms}, do: {log: "lasting ${SYNTHETIC}, ${LASTED_MS}"}}
  - {name: unseen, when: {`+c.when+`, for: 10ms, at_start: false}, do: {log: unseen}}`+barrier)
			if c.happens != nil {
				c.happens(r)
			}
			r.expect(`msg="told 1"`)
			r.expect(`msg="lasting 1, 30"`)
			r.barrier()
			if r.count("msg=plain") != 0 || r.count("msg=unseen") != 0 || r.count(`msg="told`) != 1 || r.count(`msg="lasting`) != 1 {
				t.Errorf("%s", r.log)
			}
			r.reload()
			r.barrier()
			if r.count(`msg="told`) != 1 || r.count(`msg="lasting`) != 1 {
				t.Errorf("a reload of the same fired again:\n%s", r.log)
			}
		})
	}
}

func TestAgentStartedFor(t *testing.T) {
	r := start(t, `rules: [{when: {agent: started, for: 40ms, repeat: 400ms}, do: {log: "up for ${LASTED_MS}"}}]`)
	r.expect(`msg="up for 40"`)
	r.expect(`msg="up for 440"`)
}

// What is counted goes on over a reload that moves the rule, names another or
// removes one; the reload that brings a rule finds what is there.
func TestForOverAReload(t *testing.T) {
	const lines = "lines: {door: {contact: nowhere}, window: {contact: neither}}\n"
	const door = "  - {when: {line: door, is: on, for: 1h}, do: {log: \"open ${LASTED_MS}\"}}\n"
	const named = "  - {name: named, when: {line: door, is: on, for: 1h}, do: {log: \"named ${LASTED_MS}\"}}\n"
	r := start(t, lines+"rules:\n"+door+named+"  - {name: going, when: {line: \"*\", is: on, for: 1h}, do: {log: going}}"+barrier)
	r.level("door", change{sources.Down, time.Hour - 300*time.Millisecond})
	r.level("window", change{sources.Down, time.Hour - 300*time.Millisecond})
	r.barrier()
	r.write(lines + "rules:\n  - {name: new, when: {line: door, is: on, for: 30m}, do: {log: \"new ${LASTED_MS} ${SYNTHETIC}\"}}\n\n\n" + named + door + barrier)
	r.reload()
	r.expect(`msg="new 35`) // it is past its time: now
	if r.count(`msg="open`)+r.count(`msg="named`) != 0 {
		t.Fatalf("it fired before its time:\n%s", r.log)
	}
	r.expect(`msg="open 3600000"`)
	r.expect(`msg="named 3600000"`)
	r.barrier()
	if r.count("msg=going") != 0 {
		t.Errorf("a rule that a reload removed fired:\n%s", r.log)
	}
	r.reload()
	r.barrier()
	if r.count(`msg="new`) != 1 || r.count(`msg="open`) != 1 {
		t.Errorf("a reload fired again:\n%s", r.log)
	}
}

// A rule that is disabled does not fire, and one that a reload enables does
// not make up for what it has missed.
func TestForOfADisabledRule(t *testing.T) {
	const rules = "lines: {door: {contact: nowhere}}\nrules:\n" +
		"  - {name: alarm, ENABLED when: {line: door, is: on, for: 20ms}, do: {log: alarm}}\n" +
		"  - {name: seen, when: {line: door, is: on, for: 20ms}, do: {log: seen}}" + barrier
	r := start(t, strings.Replace(rules, "ENABLED", "enabled: off,", 1))
	r.level("door", change{sources.Down, 0})
	r.expect("msg=seen")
	r.write(strings.Replace(rules, "ENABLED", "", 1))
	r.reload()
	r.barrier()
	if r.count("msg=alarm") != 0 {
		t.Errorf("%s", r.log)
	}
	r.level("door", change{sources.Up, 0})
	r.level("door", change{sources.Down, 0})
	r.expect("msg=alarm")
}

// An agent that stops fires nothing that was counted, however long that takes.
func TestForWhileStopping(t *testing.T) {
	r := start(t, `
lines: {door: {contact: nowhere}}
rules:
  - {name: alarm, when: {line: door, is: on, for: 400ms, repeat: 10ms}, do: {log: alarm}}
  - {name: busy, when: {agent: stopping}, do: {run: [sleep, "0.6"]}}`+barrier)
	r.level("door", change{sources.Down, 0})
	r.barrier()
	r.stop()
	if n := r.count("msg=alarm"); n != 0 {
		t.Errorf("%d alarms:\n%s", n, r.log)
	}
}

func TestForInADryRun(t *testing.T) {
	r := start(t, `
lines: {door: {contact: nowhere}}
rules:
  - {name: alarm, when: {line: door, is: on, for: 20ms}, do: {log: "open for ${LASTED_MS}"}}`,
		func(o *Options) { o.DryRun = true })
	r.level("door", change{sources.StartsOn, 0})
	r.expect("would", "open for 20")
}

// A slow circle of states is no circle to be stopped; a fast one is.
func TestCirclesOfStates(t *testing.T) {
	r := start(t, `
vars: {v: {values: [a, b]}}
rules:
  - {name: go, when: {event: go}, do: {var: {v: b}}}
  - {name: to a, when: {var: v, is: b, for: 10ms}, do: {var: {v: a}}}
  - {name: to b, when: {var: v, is: a, for: 10ms}, do: {var: {v: b}}}`)
	for s := r.statusOf("to b"); s.Fired < 120 && s.Braked == 0; s = r.statusOf("to b") {
		r.do(func() {})
	}
	if r.count("in a cycle") != 0 {
		t.Errorf("a circle that takes its time was stopped:\n%s", r.log)
	}
}

// What lasts within the hysteresis of a limit goes on over a reload.
func TestForWithHysteresisOverAReload(t *testing.T) {
	const rules = `
vars: {n: {initial: "0"}}
rules:
  - {name: set, when: {event: set}, do: {var: {n: "${N}"}}}
  - {name: high, when: {var: n, above: 80, hysteresis: 5, for: 500ms}, do: {log: "high for ${LASTED_MS}"}}` + barrier
	r := start(t, rules)
	r.send("set", "N=82")
	r.barrier()
	r.reload()
	r.send("set", "N=78")
	r.expect(`msg="high for 500"`)
}

// A rule on a state that is found at the start sees the other states that are
// found with it, in whatever order, and comes before what happens afterwards.
func TestConditionsOnWhatIsFoundTogether(t *testing.T) {
	r := start(t, `
lines: {door: {contact: nowhere}, window: {contact: neither}}
rules:
  - {name: both, when: {line: door, is: on, at_start: true}, if: {line: window, is: on}, do: {log: both are open}}
  - {name: door, when: {line: door, is: on, at_start: true}, do: {log: door}}
  - {name: closed, when: {line: door, is: "off"}, do: {log: closed}}`+barrier)
	r.do(func() {
		for i, name := range []string{"door", "window"} {
			r.agent.emit(&sources.Event{Time: r.agent.loop.Now() + time.Duration(i), Topic: sources.Topic{Kind: "line", Name: name}, Source: "gpio:" + name,
				Press: sources.StartsOn, Standing: sources.Found})
		}
		r.agent.emit(&sources.Event{Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "line", Name: "door", State: "falling"}, Source: "gpio:door",
			Press: sources.Up, Standing: sources.Begins})
	})
	r.expect(`msg="both are open"`)
	r.barrier()
	if log := r.log.String(); strings.Index(log, "msg=closed") < strings.Index(log, "msg=door") {
		t.Errorf("the end of a state came before its being found:\n%s", log)
	}
}
