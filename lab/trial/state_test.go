// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"reflexd/lab"
)

// kill ends the agent as the kernel's out-of-memory killer does.
func (a *agent) kill() {
	a.t.Helper()
	a.ended = true
	if err := a.proc.Signal(a.t.Context(), syscall.SIGKILL); err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.proc.Wait(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

const modes = `
state_file: /var/lib/reflexd-%d/state
lines: {bell: {button: GPIO22}, door: {input: GPIO23, active: high}, lamp: {output: GPIO27, on_exit: off}}
vars: {mode: {values: [day, night], keep: true}}
rules:
  - name: to night
    when: {line: bell, is: pressed}
    if: {var: mode, is: day}
    do: {var: {mode: night}}
  - name: to day
    when: {line: bell, is: pressed}
    if: [{var: mode, is: night}, {line: lamp, is: off}, {not: {line: door, is: on}}]
    do: {var: {mode: day}}
  - name: told
    when: [{var: mode}, {agent: started}]
    do: {log: "mode ${PREVIOUS:-} ${VALUE:-}"}
  - name: night at start
    when: {agent: started}
    if: {var: mode, is: night}
    do: {log: it is night}
`

// A button toggles a kept variable, unless the door is open; the value is
// there after an orderly restart and after kill -9.
func TestStateVariablesConditionsAndTheirFile(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for i, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			yaml := fmt.Sprintf(modes, i)
			file := fmt.Sprintf("/var/lib/reflexd-%d/state", i)
			b.pull(t, 22, true)
			b.pull(t, 23, false)
			a := b.startProgram(t, program, yaml)
			b.press(t, 22)
			a.expect(`msg="mode day night"`)
			if _, err := b.AwaitMatch(t.Context(), file, `"mode" "night"`); err != nil {
				t.Fatal(err)
			}
			a.kill()

			a = b.startProgram(t, program, yaml)
			a.expect("it is night")
			b.pull(t, 23, true)
			b.press(t, 22)
			a.expect(`condition does not hold.* rule="to day"`)
			b.pull(t, 23, false)
			b.press(t, 22)
			a.expect(`msg="mode night day"`)
			b.press(t, 22)
			a.expect(`msg="mode day night"`)
			b.press(t, 22)
			a.expect(`msg="mode night day"`)
			b.press(t, 22)
			a.expect(`msg="mode day night"`)
			a.finish() // with the last change still to be written

			a = b.startProgram(t, program, yaml)
			a.expect("it is night")
			status := a.verb("status")
			if !strings.Contains(status, `"night", kept`) || !strings.Contains(status, file) {
				t.Errorf("the status is\n%s", status)
			}
			a.finish()
		}
	})
}

// The file system is full or read-only: the agent goes on, logs it once, and
// writes when it can.
func TestStateFileThatCannotBeWritten(t *testing.T) {
	b := on(t, lab.Virt)
	shell := func(script string) {
		t.Helper()
		if _, err := b.Shell(t.Context(), script); err != nil {
			t.Fatal(err)
		}
	}
	shell("mkdir -p /tmp/readonly && mount -t tmpfs -o ro none /tmp/readonly")
	t.Cleanup(func() { b.Shell(context.Background(), "umount /tmp/readonly") })
	a := b.start(t, strings.Replace(modes, "/var/lib/reflexd-%d/state", "/tmp/readonly/deep/state", 1))
	b.pull(t, 22, true)
	b.press(t, 22)
	a.expect("cannot save variables.*read-only file system")
	b.pull(t, 23, false)
	if status := a.verb("status"); !strings.Contains(status, "waiting: /tmp/readonly/deep/state, writes: 1: save variables") {
		t.Errorf("the status is\n%s", status)
	}
	shell("mount -o remount,rw /tmp/readonly")
	a.finish()
	if _, err := b.AwaitMatch(t.Context(), "/tmp/readonly/deep/state", `"mode" "night"`); err != nil {
		t.Error(err)
	}
}

// A keyboard comes, is used, falls silent, is used again by a key that no
// rule wants, and goes; a key acts only while another is held.
func TestStateOfAKeyboard(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, `
inputs: {kbd: {name: "*USB Keyboard"}}
rules:
  - {name: came, when: {input: kbd, is: present}, do: {log: "came ${DEVICE}"}}
  - {name: went, when: {input: kbd, is: absent}, do: {log: "went ${DEVICE}"}}
  - {name: idle, when: {input: kbd, is: idle, for: 1500ms}, do: {log: "silent for ${IDLE_MS}"}}
  - {name: active, when: {input: kbd, is: active, for: 1500ms}, do: {log: "used after ${IDLE_MS}"}}
  - {name: chord, when: {key: KEY_B, is: pressed}, if: {key: KEY_LEFTCTRL, is: pressed}, do: {log: chord}}
  - {name: plain, when: {key: KEY_B, is: pressed}, if: {not: {key: KEY_LEFTCTRL, is: pressed}}, do: {log: plain}}
  - {name: without, when: {signal: SIGUSR1}, if: {input: kbd, is: absent}, do: {log: no keyboard}}
`)
		a.expect("silent for 1500") // there never was one
		if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		a.expect("no keyboard")
		node := b.keyboard(t, "kbd")
		a.expect("came " + node)
		a.expect("used after ")
		b.holdKey(t, a.proc.Log, "b", "msg=plain")
		b.key(t, "b", false)
		a.expect("silent for 1500")
		b.key(t, "z", true)
		a.expect("used after [0-9]+")
		b.key(t, "z", false)
		b.key(t, "ctrl", true)
		b.key(t, "b", true)
		b.key(t, "b", false)
		b.key(t, "ctrl", false)
		a.expect("msg=chord")
		a.expect("silent for 1500")
		b.unplugKeyboard(t, "kbd")
		a.expect("went " + node)
		a.board.expectIdle(t, a)
		if n := count(a.log(), "msg=plain"); n != 1 {
			t.Errorf("plain %d times", n)
		}
	})
}

// A mouse that moves for seconds wakes the agent a few times, and is idle
// only afterwards.
func TestStateOfAMovingMouse(t *testing.T) {
	b := on(t, lab.Virt)
	if err := b.PlugMouse(t.Context(), "mouse"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AwaitInput(t.Context(), "QEMU USB Mouse"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Unplug(context.Background(), "mouse")
		b.AwaitNoInput(context.Background(), "QEMU USB Mouse")
	})
	a := b.start(t, `
inputs: {mouse: {name: "*USB Mouse"}}
rules:
  - {name: idle, when: {input: mouse, is: idle, for: 4s}, do: {log: "silent for ${IDLE_MS}"}}
  - {name: active, when: {input: mouse, is: active, for: 4s}, do: {log: "used after ${IDLE_MS}"}}
`)
	a.expect("silent for 4000")
	move := func() {
		t.Helper()
		if err := b.Move(t.Context(), "x", 3); err != nil {
			t.Fatal(err)
		}
	}
	move()
	a.expect("used after ")
	before := wakeups(t, a)
	const moves = 300
	for range moves {
		move()
	}
	n := wakeups(t, a) - before
	t.Logf("%d wake-ups for %d movements", n, moves)
	if n > moves/2 {
		t.Errorf("%d wake-ups for %d movements", n, moves)
	}
	a.expect("silent for 4000")
}

// The clock of a board without a battery is set late, and then goes on.
func TestStateTimeOfTheDay(t *testing.T) {
	b := on(t, lab.Virt)
	date := func(text string) {
		t.Helper()
		if _, err := b.Shell(t.Context(), "date -s "+text); err != nil {
			t.Fatal(err)
		}
	}
	now, err := b.Output(t.Context(), "date", "+%s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Shell(context.Background(), "date -s @"+now) })
	date("'1970-01-01 23:00:00'")
	a := b.start(t, `
rules:
  - {name: night, when: {signal: SIGUSR1}, if: {time: 22:00-06:00}, do: {log: by night}}
  - {name: day, when: {signal: SIGUSR1}, if: {not: {time: 22:00-06:00}}, do: {log: by day}}
  - {name: friday, when: {signal: SIGUSR1}, if: {time: 22:00-06:00, days: fri}, do: {log: friday night}}
  - {name: heard, when: {signal: SIGUSR1}, do: {log: heard}}
`)
	var story []string
	for _, at := range []string{"", "'2026-05-01 12:00:00'", "'2026-05-01 22:00:00'", "'2026-05-02 05:59:50'", "'2026-05-02 06:00:00'"} {
		if at != "" {
			date(at)
		}
		before := len(a.log())
		if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		a.expect("msg=heard")
		var fired []string
		for _, word := range []string{"by night", "by day", "friday night"} {
			if strings.Contains(a.log()[before:], fmt.Sprintf("msg=%q", word)) {
				fired = append(fired, word)
			}
		}
		story = append(story, strings.Join(fired, "+"))
	}
	if got, want := strings.Join(story, "|"), "|by day|by night+friday night|by night+friday night|by day"; got != want {
		t.Errorf("fired %s, want %s", got, want)
	}
	if n := count(a.log(), "the clock is not set"); n != 1 {
		t.Errorf("told %d times that the clock is not set", n)
	}
}
