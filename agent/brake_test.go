// SPDX-License-Identifier: MIT

package agent

import (
	"testing"
	"time"

	"reflexd/agent/rule"
	"reflexd/sources"
)

func (r *rig) statusOf(name string) rule.Status {
	r.t.Helper()
	var found rule.Status
	r.do(func() {
		for _, s := range r.agent.Status().Rules {
			if s.Name == name {
				found = s
			}
		}
	})
	return found
}

// Circles of all makes are stopped after a hundred rounds, logged once with
// their way, and everything else goes on.
func TestCirclesAreStopped(t *testing.T) {
	for name, c := range map[string]struct{ rules, way string }{
		"alone":  {`[{name: a, when: {event: go}, do: {emit: go}}]`, "a -> a"},
		"second": {`[{name: start, when: {event: go}, do: {emit: x}}, {name: a, when: {event: x}, do: {emit: y}}, {name: b, when: {event: y}, do: {emit: x}}]`, "a -> b -> a"},
		"tree":   {`[{name: a, when: {event: go}, do: [{emit: go}, {emit: go}, {emit: go}]}]`, "a -> a"},
		"variable": {`[{name: a, when: {event: go}, do: {var: {v: 1}}}, {name: b, when: {var: v, is: 1}, do: [{var: {v: 2}}, {log: x}]},
  {name: c, when: {var: v, is: 2}, do: {var: {v: 1}}}]`, "b -> c -> b"},
		"program": {`[{name: a, when: {event: go}, mode: parallel, max: 1000, do: [{emit: go}, {emit: go}, {run: ["true"]}]}]`, "a -> a"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "vars: {v: {}}\nrules: "+c.rules)
			r.send("go")
			r.expect("fire each other in a cycle: stopped", `circle="`+c.way+`"`, "hint=")
			rule := c.way[:1]
			s := r.statusOf(rule)
			if s.Circle != c.way || s.Braked < 1 || s.Fired < 100 || s.Fired > 110 {
				t.Errorf("%+v", s)
			}
			r.send("go") // the first firing of a chain is not of its own making
			r.expect("msg=dropped", "why=circle")
			if n := r.count("in a cycle: stopped"); n != 1 {
				t.Errorf("told %d times", n)
			}
		})
	}
}

// What comes from outside may come as fast as it likes, and what takes its
// time may go round for ever.
func TestWhatIsNoCircleIsNotStopped(t *testing.T) {
	r := start(t, `
rules:
  - {name: knob, when: {event: turned}, do: {emit: louder}}
  - {name: volume, when: {event: louder}, do: {log: "at ${REFLEXD_EVENT}"}}
  - {name: rearm, when: {event: tick}, do: [{log: tick}, {wait: 12ms}, {emit: tick}]}
`)
	r.send("tick")
	for range 300 {
		r.send("turned")
	}
	for s := r.statusOf("rearm"); s.Fired < 150; s = r.statusOf("rearm") {
		r.do(func() {}) // the loop's turn
	}
	if n := r.count("in a cycle"); n != 0 || r.statusOf("volume").Fired != 300 {
		t.Error(n, r.statusOf("volume"))
	}
	r.do(func() {
		r.agent.opts.Observe = func(e *sources.Event) {
			links := 0
			for c := e.Chain; c != nil; c = c.Before {
				links++
			}
			if links > 2 {
				t.Errorf("an endless chain remembers %d links", links)
			}
		}
	})
	fired := r.statusOf("rearm").Fired
	for s := r.statusOf("rearm"); s.Fired < fired+3; s = r.statusOf("rearm") {
		r.do(func() {})
	}
}

// A board may be too slow for a hundred rounds in a second: without a rest
// they count all the same.
func TestSlowCircleWithoutAWaitIsStopped(t *testing.T) {
	r := start(t, `rules: [{name: a, when: {event: x}, do: {log: "round"}}]`)
	fire := func(from, after time.Duration, waited bool) (fired int) {
		before := r.statusOf("a").Fired
		r.do(func() {
			from += r.agent.loop.Now()
			for i := range time.Duration(150) {
				e := sources.Event{Time: from + i*after, Topic: sources.Topic{Kind: "event", Name: "x", State: "sent"},
					Chain: &sources.Chain{Rule: "a", Waited: waited}}
				r.agent.emit(&e)
			}
		})
		r.do(func() {})
		return r.statusOf("a").Fired - before
	}
	if n := fire(0, 20*time.Millisecond, true); n != 150 {
		t.Error("a circle that waits was stopped after", n)
	}
	if n := fire(time.Hour, 500*time.Millisecond, false); n != 100 {
		t.Error("a circle without a rest fired", n)
	}
}

// After its minute a circle may go round again.
func TestBrakeIsReleased(t *testing.T) {
	r := start(t, `rules: [{name: a, when: {event: go}, do: {emit: go}}]`)
	r.send("go")
	r.expect("in a cycle: stopped")
	later := func(d time.Duration) {
		r.do(func() {
			e := sources.Event{Time: r.agent.loop.Now() + d, Topic: sources.Topic{Kind: "event", Name: "go", State: "sent"},
				Chain: &sources.Chain{Rule: "a"}}
			r.agent.emit(&e)
		})
		r.do(func() {})
	}
	before := r.statusOf("a").Fired
	later(59 * time.Second)
	if s := r.statusOf("a"); s.Fired != before {
		t.Error("released early", s)
	}
	later(61 * time.Second)
	if s := r.statusOf("a"); s.Fired == before {
		t.Error("never released", s)
	}
}
