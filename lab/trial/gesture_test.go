// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"strings"
	"testing"
	"time"

	"reflexd/lab"
)

const gestureRules = `
gestures: {chord_window: 300ms}
lines:
  bell: {button: GPIO22}
  left: {button: GPIO23}
  right: {button: GPIO24}
rules:
  - {name: one, when: {line: bell, is: clicked}, do: {log: "one"}}
  - {name: two, when: {line: bell, is: double-clicked}, do: {log: "two"}}
  - {name: warn, when: {line: bell, is: held, for: 800ms}, do: {log: "stage ${HELD_MS}"}}
  - {name: act, when: {line: bell, is: held, for: 1500ms}, do: {log: "stage ${HELD_MS}"}}
  - {name: mind, when: {line: bell, is: released, after: 800ms, before: 1500ms}, do: {log: "changed my mind"}}
  - {name: both, when: {lines: [left, right], together: true, is: pressed}, do: {log: "both"}}
  - {name: alone, when: {line: left, is: pressed}, do: {log: "left alone"}}
  - {name: code, when: {lines: [left, right, left], in_order: true, is: pressed, within: 10s}, do: {log: "open sesame"}}
`

// press is one press of a line: so long after what came before, for so long.
func pressFor(offset int, after, span time.Duration) []lab.Pull {
	return []lab.Pull{{After: after, Offset: offset}, {After: span, Offset: offset, Up: true}}
}

func TestClicksAndHoldsOnALine(t *testing.T) {
	const short = 100 * time.Millisecond
	everywhere(t, func(t *testing.T, b *board) {
		b.pull(t, 22, true)
		a := b.start(t, gestureRules)
		b.play(t, pressFor(22, short, short))
		a.expect("fired rule=one")
		b.play(t, pressFor(22, short, short), pressFor(22, short, short))
		a.expect("fired rule=two")
		b.play(t, pressFor(22, time.Second, 1100*time.Millisecond))
		a.expect("stage 800")
		a.expect("changed my mind")
		b.play(t, pressFor(22, short, 1800*time.Millisecond))
		a.expect("stage 800")
		a.expect("stage 1500")
		a.expect("line bell released")
		for rule, want := range map[string]int{"one": 1, "two": 1, "mind": 1, "warn": 2, "act": 1} {
			if n := count(a.log(), "msg=fired rule="+rule+" "); n != want {
				t.Errorf("%s fired %d times, want %d", rule, n, want)
			}
		}
	})
}

func TestChordAndSequenceOfLines(t *testing.T) {
	const short = 100 * time.Millisecond
	b := on(t, lab.Virt)
	b.pull(t, 23, true)
	b.pull(t, 24, true)
	a := b.start(t, gestureRules)
	b.play(t, []lab.Pull{{After: short, Offset: 24}, {After: 20 * time.Millisecond, Offset: 23},
		{After: 3 * short, Offset: 24, Up: true}, {After: short, Offset: 23, Up: true}})
	a.expect("msg=both")
	a.expect("lines left.right released")
	if n := count(a.log(), "left alone"); n != 0 {
		t.Error("a member of the chord was heard on its own")
	}
	b.play(t, pressFor(23, 5*short, short), pressFor(24, 5*short, short), pressFor(23, 5*short, short))
	a.expect("open sesame")
	if n := count(a.log(), "left alone"); n == 0 {
		t.Error("the members of a sequence are heard")
	}
}

// The levels of a switch that bounces, faster than any finger.
func bounce(offset int, up bool) []lab.Pull {
	var pulls []lab.Pull
	for i, us := range []int{100_000, 90, 15, 220, 400, 1200, 300, 800, 2000} {
		pulls = append(pulls, lab.Pull{After: time.Duration(us) * time.Microsecond, Offset: offset, Up: up == (i%2 == 0)})
	}
	return pulls
}

func TestBouncingSwitch(t *testing.T) {
	b := on(t, lab.Virt)
	for _, c := range []struct{ name, line string }{
		{"debounced by the kernel", "{button: GPIO22, debounce: 30ms}"},
		{"not debounced", "{button: GPIO22, debounce: 0s}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.pull(t, 22, true)
			a := b.start(t, strings.Replace(gestureRules, "{button: GPIO22}", c.line, 1))
			b.play(t, bounce(22, false), bounce(22, true))
			b.play(t, pressFor(22, time.Second, 1700*time.Millisecond)) // the last level is right: this is a hold
			a.expect("stage 1500")
			a.expect("line bell released")
			if n := count(a.log(), "line bell pressed"); strings.Contains(c.name, "by the kernel") && n != 2 {
				t.Errorf("%d presses, want 2", n)
			}
		})
	}
}

// slowly is how long after another an edge of a knob comes where its speed does not
// matter: long enough for an emulated CPU that stands still on a busy host.
const slowly = 60 * time.Millisecond

// A knob turned quickly both ways: no step is lost, and bounce makes none. On a
// busy host an emulated CPU stands still for longer than an edge lasts now and
// then, and the simulated chip shows nobody both ends of it: of several tries,
// one must be whole.
func TestKnob(t *testing.T) {
	const steps, tries = 20, 4
	everywhere(t, func(t *testing.T, b *board) {
		b.pull(t, 5, true)
		b.pull(t, 6, true)
		a := b.start(t, `
lines: {end: {input: GPIO13}}
encoders: {knob: {a: GPIO5, b: GPIO6}}
rules:
  - {name: up, when: {encoder: knob, is: clockwise}, mode: queued, max: 1000, do: {log: "up"}}
  - {name: down, when: {encoder: knob, is: counter-clockwise}, mode: queued, max: 1000, do: {log: "down"}}
  - {name: sum, when: {encoder: knob, is: turned}, mode: coalesce, do: [{wait: 100ms}, {log: "sum ${STEPS}"}]}
  - {name: end, when: {line: end, is: rising}, do: {log: "the end"}}
`)
		const fast = 20 * time.Millisecond // between two edges: twelve steps a second
		turn := func(first, second int) (pulls []lab.Pull) {
			for range steps {
				pulls = append(pulls, lab.Pull{After: fast, Offset: first}, lab.Pull{After: fast, Offset: second},
					lab.Pull{After: 0, Offset: second, Up: true}, lab.Pull{After: 0, Offset: second}, // bounce
					lab.Pull{After: fast, Offset: first, Up: true}, lab.Pull{After: fast, Offset: second, Up: true})
			}
			return pulls
		}
		end := []lab.Pull{{After: fast, Offset: 13, Up: true}, {After: fast, Offset: 13}}
		for before := 0; ; {
			b.play(t, turn(5, 6), turn(6, 5), end)
			a.expect(`msg="the end"`)
			log := a.log()
			ups, downs := count(log[before:], "msg=up"), count(log[before:], "msg=down")
			if ups == steps && downs == steps {
				return
			}
			t.Logf("%d steps up and %d down, want %d each; losses:\n%s", ups, downs, steps, lostLines(log))
			if count(log, `msg="the end"`) == tries {
				t.Fatal("not once all steps")
			}
			before = len(log)
		}
	})
}

func lostLines(log string) string {
	var lost []string
	for _, line := range strings.Split(log, "\n") {
		if strings.Contains(line, "events lost") {
			lost = append(lost, line)
		}
	}
	return strings.Join(lost, "\n")
}

func TestGesturesOfKeys(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, `
gestures: {click_gap: 1s, chord_window: 500ms}
rules:
  - {name: ready, when: {key: KEY_Z, is: pressed}, do: {log: "ready"}}
  - {name: twice, when: {key: KEY_A, is: double-clicked}, do: {log: "twice"}}
  - {name: chord, when: {keys: [KEY_LEFTCTRL, KEY_B], together: true, is: held, for: 200ms}, do: {log: "chord"}}
  - {name: exact, when: {key: KEY_C, is: pressed, exact: true}, do: {log: "exactly C"}}
  - {name: word, when: {keys: [KEY_H, KEY_E, KEY_Y], in_order: true, is: pressed, within: 10s}, do: {log: "hey"}}
`)
	b.keyboard(t, "gestures")
	a.expect("QEMU USB Keyboard")
	b.holdKey(t, a.proc.Log, "z", "msg=ready")
	b.key(t, "z", false)
	tap := func(qcodes ...string) {
		for _, q := range qcodes {
			b.key(t, q, true)
			b.key(t, q, false)
		}
	}
	tap("a", "a")
	a.expect("msg=twice")
	b.key(t, "ctrl", true)
	b.key(t, "b", true)
	a.expect("msg=chord")
	b.key(t, "c", true) // with others down: not exactly C
	tap("shift")
	b.key(t, "c", false)
	b.key(t, "b", false)
	b.key(t, "ctrl", false)
	tap("h", "x", "e", "y")
	a.expect("msg=hey")
	tap("c")
	a.expect(`msg="exactly C"`)
	if n := count(a.log(), `msg="exactly C"`); n != 1 {
		t.Errorf("exactly C %d times", n)
	}
}
