// SPDX-License-Identifier: MIT

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

// press sends what happened to the declared line bell, so long ago.
func (r *rig) press(p sources.Press, ago time.Duration) {
	r.t.Helper()
	r.do(func() { r.touch(p, ago) })
}

// touch does so on the loop's thread.
func (r *rig) touch(p sources.Press, ago time.Duration) {
	r.agent.emit(&sources.Event{
		Time: r.agent.loop.Now() - ago, Topic: sources.Topic{Kind: "line", Name: "bell"}, Source: "gpio:bell", Press: p,
		Fields: []sources.Field{{Name: "LINE", Value: sources.Text("bell")}},
	})
}

const bellRules = `
gestures: {click_gap: 20ms}
lines: {bell: {button: nowhere, hold: 30ms}}
rules:
  - {name: clicked, when: {line: bell, is: clicked}, do: {log: "one ${CLICKS}"}}
  - {name: twice, when: {line: bell, is: double-clicked}, do: {log: "two ${CLICKS}"}}
  - {name: held, when: {line: bell, is: held}, do: {log: "held ${HELD_MS}"}}
  - {name: longer, when: {line: bell, is: held, for: 60ms, repeat: 20ms}, limit: 2/1h, do: {log: "longer ${HELD_MS}"}}
  - {name: changed my mind, when: {line: bell, is: released, after: 30ms, before: 60ms}, do: {log: "mind ${HELD_MS}"}}
`

// The loop wakes up for what time alone brings.
func TestGesturesInRealTime(t *testing.T) {
	r := start(t, strings.Replace(bellRules, "repeat: 20ms", "repeat: 400ms", 1)) // the machine may be busy
	r.press(sources.StartsUp, 0)
	r.press(sources.Down, 0)
	r.expect(`msg="held 30"`)
	r.expect(`msg="longer 60"`)
	r.expect(`msg="longer 460"`)
	r.press(sources.Up, 0)
	r.do(func() { // not so late that it is held
		r.touch(sources.Down, 0)
		r.touch(sources.Up, 0)
	})
	r.expect(`msg="one 1"`)
	if n := r.count("msg=fired", "rule=twice") + r.count("msg=fired", `rule="changed my mind"`); n != 0 {
		t.Errorf("%s", r.log)
	}
}

// Events that are read late, all at once, come to the same by their stamps.
func TestGesturesOfLateEvents(t *testing.T) {
	r := start(t, bellRules)
	r.press(sources.StartsUp, time.Second)
	r.do(func() {
		now := r.agent.loop.Now()
		for i, ms := range []int{900, 850, 600, 595, 590, 585} {
			press := sources.Down
			if i%2 == 1 {
				press = sources.Up
			}
			r.agent.emit(&sources.Event{
				Time: now - time.Duration(ms)*time.Millisecond, Topic: sources.Topic{Kind: "line", Name: "bell"}, Source: "gpio:bell", Press: press,
			})
		}
	})
	r.expect(`msg="held 30"`)
	r.expect(`msg="mind 50"`)
	r.expect(`msg="two 2"`)
	if r.count(`msg="one`) != 0 || r.count("longer") != 0 {
		t.Errorf("%s", r.log)
	}
}

// A hold goes on over a reload, and what it is past does not come again.
func TestReloadInTheMiddleOfAHold(t *testing.T) {
	rules := strings.Replace(bellRules, "for: 60ms, repeat: 20ms", "for: 1s", 1)
	r := start(t, rules)
	r.press(sources.StartsUp, 0)
	r.press(sources.Down, 0)
	r.expect(`msg="held 30"`)
	r.write(rules + "  - {name: more, when: {line: bell, is: held, for: 15ms}, do: {log: more}}\n")
	r.do(func() { r.agent.reload("test", false, func(error) {}) })
	r.expect("msg=reloaded")
	r.expect(`msg="longer 1000"`)
	if r.count(`msg="held 30"`) != 1 || r.count("msg=more") != 0 {
		t.Errorf("%s", r.log)
	}
}

// knob turns the encoder "knob" of a running agent.
type knob struct {
	*rig
	at int // in its turn, in edges
}

func startKnob(t *testing.T, rules string) *knob {
	t.Helper()
	return knobOf(start(t, "encoders: {knob: {a: nowhere, b: neither}}\nrules:\n"+rules))
}

func knobOf(r *rig) *knob {
	k := &knob{rig: r}
	k.do(func() { k.emit(0) })
	return k
}

var phases = []sources.Phase{0, sources.PhaseA, sources.PhaseA | sources.PhaseB, sources.PhaseB}

func (k *knob) emit(seen sources.Phase) {
	k.agent.emit(&sources.Event{
		Time: k.agent.loop.Now(), Topic: sources.Topic{Kind: "encoder", Name: "knob"}, Source: "gpio:knob",
		Phase: phases[k.at%4] | sources.PhaseKnown | seen,
	})
}

// turn turns it by steps, one after the other; clockwise ones are positive.
func (k *knob) turn(steps ...int) {
	k.do(func() {
		for _, n := range steps {
			for range 4 * max(n, -n) {
				k.at += 4 + n/max(n, -n)
				k.emit(sources.PhaseSeen)
			}
		}
	})
}

// A knob that is turned while its rule runs loses no step. In a rule on one
// direction, their number is positive.
func TestCoalescedStepsAddUp(t *testing.T) {
	for _, c := range []struct {
		is   string
		turn int
	}{{"clockwise", 7}, {"counter-clockwise", -7}} {
		k := startKnob(t, `  - {name: r, when: {encoder: knob, is: `+c.is+`}, mode: coalesce, do: [{log: "by ${STEPS}"}, {wait: 50ms}]}`)
		k.turn(c.turn)
		k.expect(`msg="by 1"`)
		k.expect(`msg="by 6"`)
	}
}

// Turned to and fro, a knob is in the end where its steps together lead.
func TestCoalescedStepsInBothDirections(t *testing.T) {
	for _, c := range []struct {
		steps []int
		then  string
	}{{[]int{1, 5, -2}, `knob clockwise by 3"`}, {[]int{1, -1, 2, -6}, `knob counter-clockwise by -5"`}} {
		k := startKnob(t, `
  - {name: r, when: {encoder: knob, is: turned}, mode: coalesce, do: [{log: "${REFLEXD_EVENT} by ${STEPS}"}, {wait: 50ms}]}
`)
		k.turn(c.steps...) // all in one turn of the loop
		k.expect(`knob clockwise by 1"`)
		k.expect(c.then)
	}
}

// Each rule sees a turn in its own way: with a sign if it is on both directions,
// in whatever words, and also in its where and if.
func TestStepsHaveASignInRulesOnBothDirections(t *testing.T) {
	k := startKnob(t, `
  - {name: one, when: {encoder: knob, is: counter-clockwise}, do: {log: "one ${STEPS}"}}
  - {name: turned, when: {encoder: knob, is: turned}, do: {log: "turned ${STEPS}"}}
  - {name: list, when: {encoder: knob, is: [clockwise, counter-clockwise]}, do: {log: "list ${STEPS}"}}
  - {name: two, when: [{encoder: "k*", is: clockwise}, {encoder: knob, is: counter-clockwise}], do: {log: "two ${STEPS}"}}
  - {name: where, when: {encoder: knob, is: turned, where: {STEPS: {below: 0}}}, do: {log: "where ${STEPS}"}}
  - {name: if, when: {encoder: knob, is: turned}, if: {where: {STEPS: {below: 0}}}, do: {log: "if ${STEPS}"}}
  - {name: program, when: {encoder: knob, is: turned}, do: {shell: 'echo "program $STEPS"'}}
  - {name: again, when: {encoder: knob, is: counter-clockwise}, do: {log: "again ${STEPS}"}}
`)
	k.turn(-1)
	for _, want := range []string{"one 1", "turned -1", "list -1", "two -1", "where -1", "if -1", "again 1", "program -1"} {
		k.expect(`"` + want + `"`)
	}
	k.turn(1)
	for _, want := range []string{"turned 1", "list 1", "two 1", "program 1"} {
		k.expect(`"` + want + `"`)
	}
	if k.count("one 1") != 1 || k.count("if 1") != 0 || k.count("where 1") != 0 {
		t.Errorf("%s", k.log)
	}
}

// The example's knob and wheel are louder in one direction and softer in the
// other, by as much as they were turned.
func TestExampleOfOneRuleForBothDirections(t *testing.T) {
	text, err := os.ReadFile("../examples/volume-steps.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, name := range []string{"amixer", "mpc"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho \"called $0 $*.\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	yaml := strings.NewReplacer("GPIO5", "nowhere", "GPIO6", "neither").Replace(string(text))
	k := knobOf(start(t, yaml))
	k.turn(1)
	k.expect("amixer -q set Master 2%+.")
	k.turn(-1)
	k.expect("amixer -q set Master 2%-.")
	for _, c := range []struct {
		steps int64
		want  string
	}{{1, "mpc -q volume +1."}, {-2, "mpc -q volume -2."}} {
		k.do(func() {
			k.agent.emit(&sources.Event{Time: k.agent.loop.Now(), Topic: sources.Topic{Kind: "axis", Name: "REL_WHEEL", State: "changed"},
				Fields: []sources.Field{{Name: sources.Steps, Value: sources.Int(c.steps)}}})
		})
		k.expect(c.want)
	}
}
