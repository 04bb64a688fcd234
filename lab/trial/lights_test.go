// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"reflexd/lab"
)

// edge is a change of a watched file.
type edge struct {
	at   time.Duration // CLOCK_MONOTONIC of the guest
	text string
}

// watcher is a program on the board that prints the changes of a file.
type watcher struct {
	t    *testing.T
	proc *lab.Process
}

func (b *board) watch(t *testing.T, path string) *watcher {
	t.Helper()
	proc, err := b.Start(t.Context(), lab.Command{Args: []string{"probe", "watch", path}}, fmt.Sprintf("/tmp/watch%d", instances.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Signal(cleanupContext(t), proc.PID, syscall.SIGKILL) })
	w := &watcher{t, proc}
	w.next() // what it is at first
	return w
}

// next waits for the next change.
func (w *watcher) next() edge {
	w.t.Helper()
	e, err := w.await(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

func (w *watcher) await(ctx context.Context) (edge, error) {
	line, err := w.proc.Log.Await(ctx, `^at \d+: `)
	if err != nil {
		return edge{}, err
	}
	var us int64
	var text string
	_, err = fmt.Sscanf(line, "at %d: %s", &us, &text)
	return edge{time.Duration(us) * time.Microsecond, text}, err
}

const ms = time.Millisecond

const lights = `
lines: {lamp: {output: GPIO27, on_exit: off}, other: {output: GPIO26}}
rules:
  - {name: blink, when: {signal: SIGRTMIN+1}, do: {blink: {line: lamp, every: 400ms}}}
  - {name: steady, when: {signal: SIGRTMIN+2}, do: {set: {line: lamp, to: on}}}
  - {name: pattern, when: {signal: SIGRTMIN+3}, do: {blink: {line: lamp, pattern: [200ms, 300ms, 400ms, 200ms], times: 2}}}
  - {name: pulse, when: {signal: SIGRTMIN+4}, do: {pulse: {line: lamp, for: 300ms}}}
  - {name: toggle, when: {signal: SIGRTMIN+5}, do: {set: {line: lamp, to: toggle}}}
  - {name: duty, when: {signal: SIGRTMIN+6}, do: [{set: {line: other, to: off}}, {blink: {line: other, every: 500ms, duty: 30%, times: 3}}]}
`

// real is SIGRTMIN+n as glibc counts.
func real(n int) syscall.Signal { return syscall.Signal(34 + n) }

func (a *agent) signal(s syscall.Signal) {
	a.t.Helper()
	if err := a.proc.Signal(a.t.Context(), s); err != nil {
		a.t.Fatal(err)
	}
}

// late is how much earlier or later than due an edge may be. The loop's timers
// count in whole milliseconds, rounded up, and the watcher looks every 2 ms:
// where the host has nothing else to do, the median edge is 3 ms late. On a
// busy host an emulated board stands still for up to half a second now and
// then, and what was due meanwhile is skipped. So it is the median that counts
// for a long row of edges, and the best of several tries for a short one.
const late = 50 * ms

func TestBlinkKeepsTime(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, lights)
		lamp := b.watch(t, b.header.ValueFile(27))
		a.signal(real(1))
		lamp.keepsTime(200 * ms)

		// Patterns: after so many rounds the lamp is what it was before.
		a.signal(real(2))
		a.expect("fired rule=steady")
		b.awaitLine(t, 27, true)
		lamp.attempt(func() { a.signal(real(3)) }, "0 1 0 1 0 1 0 1", 300*ms, 700*ms, 900*ms, 1100*ms, 1400*ms, 1800*ms, 2000*ms)

		lamp.attempt(func() { a.signal(real(4)) }, "1 0", 300*ms)
		other := b.watch(t, b.header.ValueFile(26))
		other.attempt(func() { a.signal(real(6)) }, "1 0 1 0 1 0", 150*ms, 500*ms, 650*ms, 1000*ms, 1150*ms)
	})
}

// keepsTime fails if what blinks drifts away from the multiples of half a
// period, or misses many of them, however often it is looked at.
func (w *watcher) keepsTime(half time.Duration) {
	w.t.Helper()
	const n, tries = 40, 3
	for range tries {
		var edges []edge
		for range n {
			edges = append(edges, w.next())
		}
		begin, end, fits := phases(edges, half)
		w.t.Logf("beside their multiple of %v, at the median: the first quarter of %d edges %v, the last %v; %d are to the level that was due", half, n, begin, end, fits)
		// A timer that is set anew at each edge would be 80 ms late by then.
		if drift := end - begin; drift.Abs() <= late && fits >= n*8/10 {
			return
		}
	}
	w.t.Error("it drifts, or is not at the level that is due")
}

// phases compares edges with the multiples of half a period, counted from that
// one of the first edges which most others agree with. It returns how far the
// first and the last quarter are away from theirs, at the median, and how many
// edges are to the level that was due.
func phases(edges []edge, half time.Duration) (begin, end time.Duration, fits int) {
	n := len(edges)
	for _, first := range edges[:n/4] {
		var lags []time.Duration
		agree := 0
		for _, e := range edges {
			since := e.at - first.at + half/2 + 1000*half
			lags = append(lags, since%half-half/2)
			if same := since/half%2 == 0; same == (e.text == first.text) {
				agree++
			}
		}
		if agree > fits {
			begin, end, fits = median(lags[:n/4]), median(lags[3*n/4:]), agree
		}
	}
	return begin, end, fits
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// attempt does something, several times if need be, upon which the changes
// must be to the texts, the later ones at the given times after the first.
func (w *watcher) attempt(do func(), texts string, after ...time.Duration) {
	w.t.Helper()
	var why string
	for range 20 {
		if err := w.proc.Log.Skip(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		do()
		if why = w.compare(strings.Fields(texts), after); why == "" {
			return
		}
		w.t.Log(why)
		time.Sleep(time.Second) // until what was skipped is over
	}
	w.t.Errorf("not once as it should be: %s", why)
}

// compare returns what is wrong with the next changes. One that was skipped is
// waited for in vain.
func (w *watcher) compare(texts []string, after []time.Duration) string {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	var seen []edge
	for range texts {
		e, err := w.await(ctx)
		if err != nil {
			return err.Error()
		}
		seen = append(seen, e)
	}
	var worst time.Duration
	for i, want := range texts {
		at, due := seen[i].at-seen[0].at, time.Duration(0)
		if i > 0 {
			due = after[i-1]
		}
		if worst = max(worst, (at - due).Abs()); seen[i].text != want || worst > late {
			return fmt.Sprintf("change %d is to %s after %v, expected %s after %v", i, seen[i].text, at, want, due)
		}
	}
	w.t.Logf("%d changes, at most %v away from when they were due", len(texts), worst)
	return ""
}

func TestOrdersToABlinkingLine(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, lights)
		lamp := b.watch(t, b.header.ValueFile(27))
		a.signal(real(1))
		for range 4 {
			lamp.next()
		}
		// A reload with other rules beside it leaves it alone.
		a.configure(strings.Replace(lights, "name: steady", "name: solid", 1))
		a.verb("reload")
		if err := lamp.proc.Log.Skip(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			lamp.next()
		}
		if status := a.verb("status"); !strings.Contains(status, "line lamp") || !strings.Contains(status, "200ms on, 200ms off") {
			t.Error(status)
		}
		a.signal(real(5)) // what blinks counts as on
		a.expect("fired rule=toggle")
		b.awaitLine(t, 27, false)
		a.signal(real(5))
		a.expect("fired rule=toggle")
		b.awaitLine(t, 27, true)
		if status := a.verb("status"); strings.Contains(status, "line lamp") {
			t.Error(status)
		}
	})
}

// The lamp is gone with a reload that does not know it: it is left as it was
// before it blinked, since its on_exit is keep.
func TestBlinkingLineThatAReloadDropsRestsFirst(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, `
lines: {lamp: {output: GPIO27}}
rules: [{when: {agent: started}, do: {blink: {line: lamp, every: 100ms}}}]
`)
	lamp := b.watch(t, b.header.ValueFile(27))
	for range 4 {
		lamp.next()
	}
	a.configure("rules: [{when: {agent: started}, do: {log: x}}]")
	a.verb("reload")
	a.expect("msg=reloaded")
	b.awaitLine(t, 27, false)
	if status := a.verb("status"); strings.Contains(status, "lamp") {
		t.Error(status)
	}
}

func TestBlinkGoesOnWhenItsChipIsBack(t *testing.T) {
	b := on(t, lab.Virt)
	chip, err := b.Chip(t.Context(), lab.ChipSpec{Name: "plug", Label: "plug", Lines: []string{"PLUG0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer chip.Close(t.Context())
	a := b.start(t, "lines: {lamp: {output: PLUG0}}\nrules: [{when: {agent: started}, do: {blink: {line: lamp, every: 100ms}}}]")
	for range 2 {
		if err := chip.AwaitValue(t.Context(), 0, true); err != nil {
			t.Fatal(err)
		}
		if err := chip.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.expect("cannot set output")
		if err := chip.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.expect("output can be set again")
	}
	if n := count(a.log(), "cannot set output"); n != 2 {
		t.Errorf("told %d times that it does not follow", n)
	}
	a.finish()
}

// What becomes of a line when its owner ends, by each way of ending.
func TestLineWhenItsOwnerEnds(t *testing.T) {
	b := on(t, lab.Virt)
	yaml := func(onExit string) string {
		return "lines: {lamp: {output: GPIO25, initial: on, on_exit: " + onExit + "}}\nrules: [{when: {agent: started}, do: {log: x}}]"
	}
	direction := func() string {
		out, err := b.Output(t.Context(), "reflexd", "lines", "--json")
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(out, `"name": "GPIO25"`)
		_, line, _ = strings.Cut(line, `"direction": "`)
		direction, _, _ := strings.Cut(line, `"`)
		return direction
	}
	for _, end := range []struct {
		onExit string
		pullUp bool
		kill   bool
		high   bool
	}{
		{onExit: "keep", pullUp: true, high: true},
		{onExit: "keep", pullUp: false, high: false},
		{onExit: "off", pullUp: true, high: true}, // driven to 0, then let go of, and gpio-sim falls to its pull
		{onExit: "input", pullUp: true, high: true},
		{onExit: "input", pullUp: false, high: false},
		{onExit: "off", pullUp: true, kill: true, high: true},
	} {
		t.Run(fmt.Sprintf("%+v", end), func(t *testing.T) {
			b.pull(t, 25, end.pullUp)
			a := b.start(t, yaml(end.onExit))
			b.awaitLine(t, 25, true)
			if end.kill {
				a.signal(syscall.SIGKILL)
				if _, err := a.proc.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				a.ended = true
			} else {
				a.finish()
			}
			b.awaitLine(t, 25, end.high)
			if d, input := direction(), end.onExit == "input"; (d == "input") != input {
				t.Errorf("it is left as %s", d)
			}
		})
	}
}

// The Pi's own chip, with the driver of a mainline kernel: a line that is let
// go of becomes an input, whatever its on_exit.
func TestLineOfThePiWhenItsOwnerEnds(t *testing.T) {
	b := on(t, lab.Pi3)
	pin := func() string {
		out, err := b.Shell(t.Context(), `
			test -d /sys/kernel/debug/pinctrl || mount -t debugfs none /sys/kernel/debug
			grep -h "^pin 25 " /sys/kernel/debug/pinctrl/*gpio*/pins`)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, onExit := range []string{"keep", "on", "input"} {
		a := b.start(t, `
lines: {lamp: {output: "pinctrl-bcm2835:25", initial: on, on_exit: `+onExit+`}}
rules: [{when: {agent: started}, do: {log: x}}]
`)
		if out := pin(); !strings.Contains(out, "gpio_out") {
			t.Errorf("while it is held: %s", out)
		}
		a.finish()
		if out := pin(); !strings.Contains(out, "gpio_in") {
			t.Errorf("on_exit: %s: %s", onExit, out)
		}
	}
}

func TestLED(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.keyboard(t, "kbd")
		a := b.start(t, `
rules:
  - {name: blink, when: {signal: SIGRTMIN+1}, do: {blink: {led: "input*::capslock", every: 300ms, times: 5}}}
  - {name: alive, when: {signal: SIGRTMIN+2}, do: {set: {led: "input*::capslock", trigger: kbd-numlock}}}
  - {name: on, when: {signal: SIGRTMIN+3}, do: {set: {led: "input*::capslock", to: on}}, on_failure: {log: "failed: ${ERROR}"}}
  - {name: for ever, when: {signal: SIGRTMIN+4}, do: {blink: {led: "input*::capslock", every: 300ms}}}
  - {name: mistyped, when: {signal: SIGRTMIN+5}, do: {set: {led: "input*::capslok", to: on}}, on_failure: {log: "failed: ${ERROR}"}}
`)
		led := func() string {
			out, err := b.Shell(t.Context(), "echo /sys/class/leds/input*::capslock")
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(out)
		}
		// It has a trigger of its own, which it gets back.
		await := func(attribute, text string) {
			t.Helper()
			if _, err := b.AwaitMatch(t.Context(), led()+"/"+attribute, text); err != nil {
				t.Fatal(err)
			}
		}
		await("trigger", `\[kbd-capslock\]`)
		light := b.watch(t, led()+"/brightness")
		a.signal(real(1))
		for i, want := range []string{"1", "0", "1"} {
			if e := light.next(); e.text != want {
				t.Errorf("change %d is to %s", i, e.text)
			}
		}
		await("trigger", `\[kbd-capslock\]`)

		a.signal(real(2))
		await("trigger", `\[kbd-numlock\]`)
		a.signal(real(3))
		await("trigger", `\[none\]`)
		await("brightness", `^1`)
		a.signal(real(5))
		a.expect(`failed: LED input\*::capslok is not in /sys/class/leds; did you mean .*::capslock`)

		// A blinking LED is pulled out, and plugged in again under another name.
		a.signal(real(4))
		a.expect("fired rule=.for ever")
		await("brightness", "^0") // it blinks
		b.unplugKeyboard(t, "kbd")
		a.expect("cannot set output")
		a.signal(real(3))
		a.expect("failed: LED ")
		a.signal(real(4))
		a.expect("action failed. rule=.for ever")
		b.keyboard(t, "kbd")
		a.expect("output can be set again")
		again := b.watch(t, led()+"/brightness")
		again.next()
		again.next()
		if n := count(a.log(), "cannot set output"); n != 1 {
			t.Errorf("told %d times that it does not follow", n)
		}
		a.finish()
		await("brightness", "^0")
	})
}

func TestKeys(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		const yaml = `
rules:
  - {name: mute, when: {signal: SIGRTMIN+1}, do: {key: KEY_MUTE}}
  - {name: copy, when: {signal: SIGRTMIN+2}, do: {key: {keys: [KEY_LEFTCTRL, KEY_C], device: typist}}}
  - {name: hold, when: {signal: SIGRTMIN+3}, do: {key: {keys: KEY_A, is: press}}}
  - {name: own, when: {key: [KEY_MUTE, KEY_C, KEY_A], is: pressed}, do: {log: "heard myself"}}
`
		const listener = `
inputs: {ours: {name: reflexd, grab: on}, typist: {name: typist}}
rules:
  - {name: heard, when: {key: [KEY_MUTE, KEY_A, KEY_B], is: [pressed, released], from: ours}, do: {log: "heard ${KEY} ${VALUE}"}}
  - {name: typed, when: {key: [KEY_LEFTCTRL, KEY_C], is: [pressed, released], from: typist}, do: {log: "heard ${KEY} ${VALUE}"}}
`
		a := b.startProgram(t, "/usr/bin/reflexd6", yaml) // its ioctls are others than the kernel's
		a.expect("virtual device created")
		a.expect("virtual device created")
		ear := b.start(t, listener)
		ear.expect("input device grabbed")
		a.signal(real(1))
		ear.expect("heard KEY_MUTE 1")
		ear.expect("heard KEY_MUTE 0")
		a.signal(real(2))
		for _, want := range []string{"LEFTCTRL 1", "C 1", "C 0", "LEFTCTRL 0"} {
			ear.expect("heard KEY_" + want)
		}
		// What is held is released by a reload, which leaves the device where
		// it is, and by the end.
		for range 2 {
			a.signal(real(3))
			ear.expect("heard KEY_A 1")
			if status := a.verb("status"); !strings.Contains(status, "down: KEY_A") {
				t.Error(status)
			}
			a.verb("reload")
			ear.expect("heard KEY_A 0")
		}
		if n := count(a.log(), "virtual device created"); n != 2 {
			t.Errorf("%d virtual devices were made", n)
		}
		// A key that the device lacks makes a new one.
		a.configure(strings.Replace(yaml, "key: KEY_MUTE", "key: [KEY_MUTE, KEY_B]", 1))
		a.verb("reload")
		a.expect("virtual device created. .*device=reflexd")
		ear.expect("input device grabbed")
		a.signal(real(1))
		for _, want := range []string{"MUTE 1", "B 1", "B 0", "MUTE 0"} {
			ear.expect("heard KEY_" + want)
		}
		a.signal(real(3))
		ear.expect("heard KEY_A 1")
		a.finish()
		ear.expect("heard KEY_A 0")
		ear.expect("input device (lost|closed)")
		if n := count(a.log(), "heard myself"); n != 0 {
			t.Errorf("it heard itself %d times", n)
		}
	})
}

func TestKeysWithoutUinput(t *testing.T) {
	b := on(t, lab.Virt)
	if _, err := b.Shell(t.Context(), "mv /dev/uinput /dev/uinput.away"); err != nil {
		t.Fatal(err)
	}
	restore := func() { _, _ = b.Shell(t.Context(), "mv /dev/uinput.away /dev/uinput") }
	defer restore()
	a := b.start(t, `
rules:
  - {name: mute, when: {signal: SIGRTMIN+1}, do: {key: KEY_MUTE}, on_failure: {log: "failed: ${ERROR}"}}
`)
	a.expect("cannot press keys.*modprobe uinput")
	a.signal(real(1))
	a.expect("failed: create virtual device .*modprobe uinput")
	restore()
	a.signal(real(1))
	a.expect("virtual device created")
	a.signal(real(1))
	a.expect("fired rule=mute")
	if n := count(a.log(), "failed: "); n != 1 {
		t.Error(a.log())
	}
}
