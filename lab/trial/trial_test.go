// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"reflexd/lab"
)

const doorbell = `
lines:
  bell: {button: GPIO22}
  lamp: {output: GPIO27, on_exit: off}
rules:
  - name: lamp
    when: {line: bell, is: [pressed, released]}
    do: {set: {line: lamp, to: toggle}}
  - name: ring
    when: {line: bell, is: released}
    do: {run: [echo, "held ${HELD_MS} ms on ${CHIP}:${OFFSET}"]}
`

func TestEdgeRunsAProgramAndSetsAnOutput(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		for _, program := range []string{"/usr/bin/reflexd", "/usr/bin/reflexd6"} {
			b.pull(t, 22, true)
			a := b.startProgram(t, program, doorbell)
			b.pull(t, 22, false)
			b.awaitLine(t, 27, true)
			b.pull(t, 22, true)
			b.awaitLine(t, 27, false)
			a.expect(`held [0-9]+ ms on header:22`)
			b.pull(t, 22, false)
			b.awaitLine(t, 27, true)
			a.finish()
			b.awaitLine(t, 27, false) // on_exit: off
		}
	})
}

// The bell is held when the agent starts: no rule may fire before it
// was let go. (No pull-up: a simulated line goes where its bias says.)
func TestButtonHeldAtStartFiresNothing(t *testing.T) {
	b := on(t, lab.Virt)
	b.pull(t, 22, false)
	a := b.start(t, strings.Replace(doorbell, "{button: GPIO22}", "{button: GPIO22, bias: disabled}", 1))
	b.pull(t, 22, true)
	a.expect("line bell rising")
	b.press(t, 22)
	a.expect("held [0-9]+ ms")
	if n := count(a.log(), "msg=fired rule=lamp"); n != 2 {
		t.Errorf("fired %d times, want 2", n)
	}
}

func TestExampleRemoteAndDoorbell(t *testing.T) {
	yaml, err := os.ReadFile("../../examples/remote-and-doorbell.yaml")
	if err != nil {
		t.Fatal(err)
	}
	everywhere(t, func(t *testing.T, b *board) {
		if _, err := b.Shell(t.Context(), "rm -f /tmp/calls"); err != nil {
			t.Fatal(err)
		}
		b.pull(t, 22, true)
		a := b.start(t, string(yaml))
		b.pull(t, 22, false)
		b.awaitLine(t, 27, true)
		a.expect("program=aplay .*status=0")
		b.pull(t, 22, true)
		b.awaitLine(t, 27, false)
		// Two presses that follow each other by the guest's clock: of the
		// second, at least, nothing rings.
		b.press(t, 22, 22)
		a.expect(`dropped rule=ring .*why=cooldown`)

		b.keyboard(t, "remote")
		a.expect("QEMU USB Keyboard")
		b.holdKey(t, a.proc.Log, "volumeup", "key KEY_VOLUMEUP pressed")
		b.key(t, "volumeup", false)
		calls, err := b.AwaitMatch(t.Context(), "/tmp/calls", "(?s).*amixer .*\n")
		if err != nil {
			t.Fatal(err)
		}
		bell, amixer := "aplay -q /usr/share/sounds/bell.wav\n", "amixer -q set Master 2%+\n"
		if calls != bell+amixer && calls != bell+bell+amixer {
			t.Errorf("calls %q", calls)
		}

		b.plugStick(t, "stick")
		a.expect(`USB drive: /dev/sd[a-z]1`)
		b.unplug(t, "stick")
		if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		a.expect("asked by [0-9]+")
	})
}

func TestStickReachesRulesBothWays(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, `
rules:
  - {name: add, when: {uevent: {ACTION: add, SUBSYSTEM: block, DEVTYPE: partition}}, do: {log: "in: ${DEVNAME} of ${DEVPATH}"}}
  - {name: remove, when: {uevent: {ACTION: remove, SUBSYSTEM: block, DEVTYPE: partition}}, do: {log: "out: ${DEVNAME}"}}
`)
		b.plugStick(t, "stick")
		line := a.expect(`in: /dev/sd[a-z]1 of /devices/`)
		b.unplug(t, "stick")
		name := line[strings.Index(line, "/dev/sd"):][:len("/dev/sda1")]
		a.expect("out: " + name)
	})
}

func TestColdplugTellsWhatWasThere(t *testing.T) {
	b := on(t, lab.Virt)
	b.plugStick(t, "early")
	if err := b.AwaitFile(t.Context(), "/dev/sda1"); err != nil {
		t.Fatal(err)
	}
	a := b.start(t, `
rules:
  - {name: there, when: {uevent: {SUBSYSTEM: block, DEVTYPE: [disk, partition]}, at_start: true}, do: {log: "there: ${DEVNAME} ${COLDPLUG:-new} ${ACTION}"}}
  - {name: new, when: {uevent: {SUBSYSTEM: block, ACTION: add}}, do: {log: "new: ${DEVNAME}"}}
`)
	a.expect("there: /dev/sda 1 add")
	a.expect("there: /dev/sda1 1 add")
	b.unplug(t, "early")
	a.expect("there: /dev/sda1 new remove")
	if count(a.log(), "new: ") != 0 {
		t.Errorf("coldplug reached a rule that did not ask for it:\n%s", a.log())
	}
}

func TestKeyboardPluggedInAfterStartAndPulledWhileAKeyIsDown(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, `
inputs: {keys: {name: "*Keyboard*"}}
rules:
  - {name: down, when: {key: KEY_A, is: pressed, from: keys}, do: {log: "down ${DEVICE}"}}
  - {name: again, when: {key: KEY_A, is: repeated}, limit: 2/1h, do: {log: "again"}}
  - {name: up, when: {key: KEY_A, is: released, from: keys}, do: {log: "up after ${HELD_MS}, synthetic ${SYNTHETIC:-no}"}}
`)
		for range 2 {
			node := b.keyboard(t, "kbd")
			a.expect("QEMU USB Keyboard")
			b.holdKey(t, a.proc.Log, "a", "key KEY_A pressed")
			a.expect("down " + node)
			b.key(t, "a", false)
			a.expect("up after [0-9]+, synthetic no")
			b.key(t, "a", true)
			a.expect("down " + node)
			// The kernel releases the keys of a device that goes; where it does
			// not, the source does.
			b.unplug(t, "kbd")
			a.expect("up after [0-9]+")
			b.unplugKeyboard(t, "kbd")
		}
		a.board.expectIdle(t, a)
	})
}

// expectIdle fails if the agent spins: with nothing going on, a status and
// what belongs to it are all that wakes it.
func (b *board) expectIdle(t *testing.T, a *agent) {
	t.Helper()
	before := wakeups(t, a)
	if _, err := b.Shell(t.Context(), "sleep 1"); err != nil {
		t.Fatal(err)
	}
	if n := wakeups(t, a) - before; n > 20 {
		t.Errorf("%d wake-ups in a second in which nothing happened", n)
	}
}

func wakeups(t *testing.T, a *agent) (n int) {
	t.Helper()
	status := a.verb("status")
	i := strings.Index(status, "events in ")
	if i < 0 {
		t.Fatal(status)
	}
	if _, err := fmt.Sscanf(status[i:], "events in %d", &n); err != nil {
		t.Fatal(status, err)
	}
	return n
}

func TestGrabbedKeyboardIsHeardByNobodyElse(t *testing.T) {
	b := on(t, lab.Virt)
	const other = `
rules:
  - {name: mark, when: {signal: SIGUSR1}, do: {log: mark}}
  - {name: heard, when: {key: [KEY_A, KEY_B], is: pressed}, do: {log: "heard ${KEY}"}}
`
	listener := b.start(t, other)
	b.keyboard(t, "kbd")
	listener.expect("QEMU USB Keyboard")
	b.holdKey(t, listener.proc.Log, "a", "key KEY_A pressed")
	listener.expect("heard KEY_A")
	grabber := b.start(t, `
inputs: {mine: {name: "*Keyboard*", grab: auto}}
rules: [{name: mine, when: {key: KEY_B, is: pressed, from: mine}, do: {log: "mine ${KEY}"}}]
`)
	// A key is down: auto waits, so that nobody misses the release.
	b.key(t, "a", false)
	listener.expect("key KEY_A released")
	grabber.expect("grab")
	b.key(t, "b", true)
	grabber.expect("mine KEY_B")
	b.key(t, "b", false)
	if err := listener.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	listener.expect("msg=mark")
	if count(listener.log(), "heard KEY_B") != 0 {
		t.Error("the other listener heard a grabbed key")
	}
}

func TestPowerButtonOfGpioKeys(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, `rules: [{when: {key: KEY_POWER, is: pressed}, do: {log: "power on ${NAME}"}}]`)
	if err := b.PressPower(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.expect("power on gpio-keys")
}

func TestSignalsFromProcessesWithTheirValues(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, `
pid_file: /tmp/victim.pid
rules:
  - {name: usr1, when: {signal: SIGUSR1}, do: {log: "asked by ${SENDER_PID} of ${SENDER_UID}"}}
  - {name: value, when: {signal: SIGRTMIN+2, where: {VALUE: 1234}}, do: {log: "value ${VALUE} by ${CODE}"}}
`)
		if err := a.proc.Signal(t.Context(), syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		a.expect("asked by [0-9]+ of 0")
		b.start(t, `rules: [{when: {agent: started}, do: {signal: {to: /tmp/victim.pid, signal: SIGRTMIN+2, value: 1234}}}]`)
		a.expect("value 1234 by queue")
	})
}

// An output that both configurations have is not touched by a reload: read
// as fast as the guest can, it shows one level.
func TestReloadDoesNotMoveAnOutput(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		const yaml = "lines: {fan: {output: GPIO26, initial: on}}\nrules: [{name: a, when: {timer: 1h}, do: {set: {line: fan, to: off}}}]\n"
		a := b.start(t, yaml)
		b.awaitLine(t, 26, true)
		b.watchLine(t, 26)
		for i := range 5 {
			a.configure(strings.Replace(yaml, "name: a", fmt.Sprintf("name: b%d", i), 1) + "inputs: {x: {name: nothing}}\n")
			a.verb("reload")
		}
		a.configure("lines: {fan: {output: GPIO26, initial: oops}}")
		result, err := b.Run(t.Context(), lab.Command{Args: []string{"reflexd", "reload", "--socket", a.dir + "/socket"}})
		if err != nil || result.Code != 2 || !strings.Contains(result.Stderr, `reflexd.yaml:1:40: expected on or off, found "oops"`) {
			t.Errorf("%+v %v", result, err)
		}
		if seen := b.watched(t); seen != "1" {
			t.Errorf("the line was seen at %q", seen)
		}
	})
}

// watchLine records the values of a line in the guest until watched is called.
func (b *board) watchLine(t *testing.T, offset int) {
	t.Helper()
	script := fmt.Sprintf(`v=$(ls -d /sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio%d | head -n1)/value
rm -f /tmp/stop; while [ ! -e /tmp/stop ]; do read x < $v; echo $x; done > /tmp/values`, offset)
	if _, err := b.Start(t.Context(), lab.Command{Args: []string{"/bin/sh", "-c", script}}, "/tmp/watch.log"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AwaitMatch(t.Context(), "/tmp/values", "[01]\n"); err != nil {
		t.Fatal(err)
	}
}

func (b *board) watched(t *testing.T) string {
	t.Helper()
	out, err := b.Shell(t.Context(), "touch /tmp/stop; sort -u /tmp/values")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(out), " ")
}

func TestChipGoesAwayAndComesBack(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		chip, err := b.Chip(t.Context(), lab.ChipSpec{Name: "expander", Label: "expander", Lines: []string{"EXP0", "EXP1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer chip.Close(t.Context())
		a := b.start(t, `
lines:
  door: {input: EXP0}
  fan: {output: "expander:1"}
rules:
  - {name: open, when: {line: door, is: rising}, do: [{log: open}, {set: {line: fan, to: on}}]}
`)
		pull := func(up bool) {
			t.Helper()
			if err := chip.Pull(t.Context(), 0, up); err != nil {
				t.Fatal(err)
			}
		}
		pull(true)
		a.expect("msg=open")
		if err := chip.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.expect("source=gpio")
		if status := a.verb("status"); !strings.Contains(status, "waiting") {
			t.Errorf("status does not tell that the chip is gone:\n%s", status)
		}
		b.expectIdle(t, a)
		if err := chip.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := chip.AwaitValue(t.Context(), 1, true); err != nil {
			t.Errorf("the output did not get its value back: %v", err)
		}
		pull(true)
		a.expect("msg=open")
	})
}

func TestBusyLineNamesItsHolder(t *testing.T) {
	b := on(t, lab.Virt)
	first := b.start(t, "lines: {door: {input: GPIO5}}\nrules: [{when: {line: door, is: rising}, do: {log: one}}]")
	second := b.start(t, "lines: {door: {input: GPIO5}}\nrules: [{when: {line: door, is: rising}, do: {log: two}}]")
	if log := second.log(); !strings.Contains(log, `held by \"reflexd\"`) {
		t.Errorf("nobody is told who has the line:\n%s", log)
	}
	if lines, err := b.Output(t.Context(), "reflexd", "lines", "GPIO5"); err != nil || !strings.Contains(lines, `used by "reflexd"`) {
		t.Errorf("%s %v", lines, err)
	}
	first.finish()
	second.expect("line is open")
	b.pull(t, 5, true)
	second.expect("msg=two")
}

// Real-time signals queue in the order of their numbers, so the one that ends
// the burst is read last.
func TestSignalsWhileProgramsStartAllArrive(t *testing.T) {
	b := on(t, lab.Virt)
	a := b.start(t, `
pid_file: /tmp/burst.pid
rules:
  - {name: count, when: {signal: SIGRTMIN+3}, do: {emit: got}}
  - {name: end, when: {signal: SIGRTMIN+4}, do: {log: "the end"}}
  - {name: start, when: {timer: 20ms}, mode: parallel, do: {run: ["true"]}}
`)
	const script = `pid=$(cat /tmp/burst.pid); i=0; while [ $i -lt 2000 ]; do kill -37 $pid || exit 1; i=$((i+1)); done; kill -38 $pid`
	if _, err := b.Shell(t.Context(), script); err != nil {
		t.Fatal(err)
	}
	a.expect("the end")
	if status := a.verb("status"); !strings.Contains(status, "count  2000 ") {
		t.Errorf("not 2000:\n%s", status)
	}
}

func TestMonitorRefusesALineOfWhichAnotherIsMeant(t *testing.T) {
	b := on(t, lab.Virt)
	out := b.shell(t, "reflexd monitor GPOI6 2>&1; echo $?")
	if want := "no line is called GPOI6; did you mean \"GPIO6\"?\n1\n"; !strings.HasSuffix(out, want) {
		t.Errorf("it told %q, want %q", out, want)
	}
}

func TestMonitorShowsEverySourceWithoutConfiguration(t *testing.T) {
	b := on(t, lab.Virt)
	m, err := b.Start(t.Context(), lab.Command{Args: []string{"reflexd", "monitor", "--json", "inputs", "uevents", "signals", "GPIO6"}}, "/tmp/monitor.log")
	if err != nil {
		t.Fatal(err)
	}
	expect := func(pattern string) {
		t.Helper()
		if _, err := m.Log.Await(t.Context(), pattern); err != nil {
			t.Fatal(err)
		}
	}
	expect("watching")
	b.pull(t, 6, true)
	expect(`"kind":"line","name":"GPIO6".*"state":"rising"`)
	b.keyboard(t, "kbd")
	expect(`"kind":"uevent"`)
	b.holdKey(t, m.Log, "x", `"KEY":"KEY_X".*"state":"pressed"`)
	b.key(t, "x", false)
	if err := m.Signal(t.Context(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	expect(`"SIGUSR2"`)
	if err := m.Signal(t.Context(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if result, err := m.Wait(t.Context()); err != nil || result.Code != 0 {
		t.Errorf("%+v %v", result, err)
	}
	lines, err := b.Output(t.Context(), "reflexd", "lines", "header")
	if err != nil || count(lines, "used by") != 0 {
		t.Errorf("a line is still requested: %s %v", lines, err)
	}
}
