// SPDX-License-Identifier: MIT

package agent

import (
	"strings"
	"testing"
	"time"

	"reflexd/sources"
)

// press sends what happened to the declared line bell, so long ago.
func (r *rig) press(p sources.Press, ago time.Duration) {
	r.t.Helper()
	r.do(func() {
		r.agent.emit(&sources.Event{
			Time: r.agent.loop.Now() - ago, Topic: sources.Topic{Kind: "line", Name: "bell"}, Source: "gpio:bell", Press: p,
			Fields: []sources.Field{{Name: "LINE", Value: sources.Text("bell")}},
		})
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
	r := start(t, bellRules)
	r.press(sources.StartsUp, 0)
	r.press(sources.Down, 0)
	r.expect(`msg="held 30"`)
	r.expect(`msg="longer 60"`)
	r.expect(`msg="longer 80"`)
	r.press(sources.Up, 0)
	r.press(sources.Down, 0)
	r.press(sources.Up, 0)
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
	r.do(func() { r.agent.reload("test", func(error) {}) })
	r.expect("msg=reloaded")
	r.expect(`msg="longer 1000"`)
	if r.count(`msg="held 30"`) != 1 || r.count("msg=more") != 0 {
		t.Errorf("%s", r.log)
	}
}

// A knob that is turned while its rule runs loses no step.
func TestCoalescedStepsAddUp(t *testing.T) {
	r := start(t, `
encoders: {knob: {a: nowhere, b: neither}}
rules:
  - {name: louder, when: {encoder: knob, is: clockwise}, mode: coalesce, do: [{log: "by ${STEPS}"}, {wait: 50ms}]}
`)
	phases := []sources.Phase{0, sources.PhaseA, sources.PhaseA | sources.PhaseB, sources.PhaseB}
	r.do(func() {
		for i := range 4*7 + 1 {
			e := &sources.Event{Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "encoder", Name: "knob"}, Source: "gpio:knob",
				Phase: phases[i%4] | sources.PhaseKnown | sources.PhaseSeen}
			r.agent.emit(e)
		}
	})
	r.expect(`msg="by 1"`)
	r.expect(`msg="by 6"`)
}

// Turned to and fro, a knob is in the end where its steps together lead.
func TestCoalescedStepsInBothDirections(t *testing.T) {
	r := start(t, `
encoders: {knob: {a: nowhere, b: neither}}
rules:
  - {name: louder, when: {encoder: knob, is: turned}, mode: coalesce, do: [{log: "${REFLEXD_EVENT} by ${STEPS}"}, {wait: 50ms}]}
`)
	phases := []sources.Phase{0, sources.PhaseA, sources.PhaseA | sources.PhaseB, sources.PhaseB}
	at := 0
	turn := func(steps ...int) {
		for _, n := range steps {
			for range 4 * max(n, -n) {
				at += 4 + n/max(n, -n)
				r.agent.emit(&sources.Event{
					Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "encoder", Name: "knob"}, Source: "gpio:knob",
					Phase: phases[at%4] | sources.PhaseKnown | sources.PhaseSeen,
				})
			}
		}
	}
	r.do(func() {
		r.agent.emit(&sources.Event{
			Time: r.agent.loop.Now(), Topic: sources.Topic{Kind: "encoder", Name: "knob"}, Source: "gpio:knob", Phase: sources.PhaseKnown,
		})
		turn(1, 5, -2)
	})
	r.expect(`knob clockwise by 1"`)
	r.expect(`knob clockwise by 3"`)
	r.do(func() { turn(-1, 2, -6) })
	r.expect(`knob counter-clockwise by 5"`)
}
