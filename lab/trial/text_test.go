// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"reflexd/lab"
)

// Codes that a USB keyboard types, each of which is one event.
func TestTypedCodes(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.keyboard(t, "scanner")
		a := b.start(t, `
inputs: {scanner: {name: "*USB Keyboard", grab: auto, text: {layout: us, pause: 0}, log_text: on}}
rules:
  - {name: code, when: {input: scanner, is: typed, where: {TEXT: "4*"}}, do: {log: "code ${TEXT}."}}
  - {name: other, when: {input: scanner, is: typed, where: {TEXT: {not: "4*"}}}, do: {log: "other ${TEXT}."}}
`)
		a.expect("input device grabbed")
		var want strings.Builder
		for i := range 20 {
			code := fmt.Sprintf("4%03d", i*37)
			if err := b.Type(t.Context(), append(strings.Split(code, ""), "ret")...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&want, "code %s.\n", code)
			a.expect("code " + code + `\.`) // the queue of QEMU's keyboard holds no more than one
		}
		var got strings.Builder
		for line := range strings.Lines(a.log()) {
			if _, rest, ok := strings.Cut(line, `msg="`); ok && strings.Contains(rest, ".\"") {
				text, _, _ := strings.Cut(rest, `"`)
				fmt.Fprintln(&got, text)
			}
		}
		if got.String() != want.String() {
			t.Errorf("read\n%s\nexpected\n%s", got.String(), want.String())
		}
	})
}

// Keys of a grabbed keyboard that no rule takes reach other programs, LEDs reach
// the keyboard, and no key stays down when either end goes.
func TestOtherKeysArePassedOn(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.keyboard(t, "kiosk")
		led := strings.TrimSpace(b.shell(t, "echo /sys/class/leds/input*::capslock"))
		a := b.start(t, `
inputs: {kiosk: {name: "*USB Keyboard", grab: auto, pass: others}}
rules:
  - {name: taken, when: {key: KEY_B, is: pressed}, do: {log: taken}}
`)
		a.expect("virtual device created.*at=input")
		a.expect("input device grabbed")
		m, err := b.Start(t.Context(), lab.Command{Args: []string{"reflexd", "monitor", "inputs"}}, "/tmp/monitor.log")
		if err != nil {
			t.Fatal(err)
		}
		other := func(pattern string) {
			t.Helper()
			if _, err := m.Log.Await(t.Context(), pattern); err != nil {
				text, _ := m.Log.Text(context.Background())
				t.Fatalf("%v; there is\n%s", err, text)
			}
		}
		t.Cleanup(func() { _ = m.Signal(context.Background(), syscall.SIGKILL) })
		other("watching")
		b.holdKey(t, a.proc.Log, "b", "msg=taken")
		b.key(t, "b", false)
		b.key(t, "a", true)
		other("key KEY_A pressed .*USB Keyboard")
		b.key(t, "a", false)
		other("key KEY_A released")

		b.shell(t, "for led in /sys/class/leds/input*::capslock; do test $led = "+led+" || echo 1 > $led/brightness; done")
		if _, err := b.AwaitMatch(t.Context(), led+"/brightness", "^1"); err != nil {
			t.Error(err)
		}

		b.key(t, "x", true)
		other("key KEY_X pressed")
		b.unplugKeyboard(t, "kiosk")
		other("key KEY_X released")
		b.keyboard(t, "kiosk")
		a.expect("input device grabbed")
		b.holdKey(t, m.Log, "y", "key KEY_Y pressed")
		a.kill()
		other("key KEY_Y released")
		if text, err := m.Log.Text(t.Context()); err != nil || strings.Contains(text, "KEY_B") {
			t.Errorf("a key that a rule takes reached another program:\n%s", text)
		}
	})
}

// necSignal returns what a remote control sends for a key, as printf(1) writes the
// microseconds of its pulses and pauses.
func necSignal(address, command byte) string {
	spans := []uint32{9000, 4500}
	for _, octet := range []byte{address, ^address, command, ^command} {
		for bit := range 8 {
			pause := uint32(560)
			if octet&(1<<bit) != 0 {
				pause = 1690
			}
			spans = append(spans, 560, pause)
		}
	}
	spans = append(spans, 560)
	var text strings.Builder
	for _, span := range spans {
		for _, octet := range binary.LittleEndian.AppendUint32(nil, span) {
			fmt.Fprintf(&text, `\%03o`, octet)
		}
	}
	return text.String()
}

// A key of a remote control that no keymap has: through the kernel's decoder to a
// rule that names its scancode.
func TestKeyOfARemoteControl(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		a := b.start(t, `
inputs: {ir: {path: /dev/lirc0}}
rules:
  - {name: here, when: {input: ir, is: present}, do: {log: "receiver ${NAME}"}}
  - {name: press, when: {key: "nec:0x4012", is: pressed, from: ir}, do: {log: "press ${KEY} ${CODE}"}}
  - {name: release, when: {key: "nec:0x4012", is: released}, do: {log: "release after ${HELD_MS}"}}
`)
		b.shell(t, "modprobe ir-nec-decoder && modprobe rc-loopback && echo nec > /sys/class/rc/rc0/protocols")
		t.Cleanup(func() { _, _ = b.Shell(context.Background(), "rmmod rc-loopback") })
		a.expect("receiver rc-core loopback device")
		b.shell(t, "printf '"+necSignal(0x40, 0x12)+"' > /dev/lirc0")
		a.expect("press nec:0x4012 16402")
		a.expect("release after ")
		m, err := b.Start(t.Context(), lab.Command{Args: []string{"reflexd", "monitor", "inputs"}}, "/tmp/monitor.log")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Signal(context.Background(), syscall.SIGKILL) })
		if _, err := m.Log.Await(t.Context(), "watching"); err != nil {
			t.Fatal(err)
		}
		b.shell(t, "printf '"+necSignal(0x40, 0x13)+"' > /dev/lirc0")
		if _, err := m.Log.Await(t.Context(), "key nec:0x4013 pressed"); err != nil {
			t.Fatal(err)
		}
		b.shell(t, "rmmod rc-loopback")
		a.expect("receiver of remote controls lost")
	})
}

// The kernel waits for half a minute until a line that is closed has sent all that was written to it. Nothing
// else may wait for that, whether a reload or a rule closes it; what is sent while the agent stops gets through if the line takes it in time.
func TestSerialLineThatTakesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.module(t, "stalled")
		b.load(t, "stalled")
		set := b.parameters(t, "stalled")
		expect := func(want string) {
			t.Helper()
			if got := strings.Join(strings.Fields(b.shell(t, "cd /sys/module/stalled/parameters && cat closed waiting sent")), " "); got != want {
				t.Errorf("closed, waiting, sent: %s, want %s", got, want)
			}
		}
		const alive = `
rules:
  - {when: {signal: SIGUSR1}, do: {log: alive}}
`
		const line = `
files: {line: {path: /dev/ttyLAB0, serial: {speed: 115200}, read: line}}
`
		for round := range 6 {
			set("after", "-1")
			set("chip", []string{"0", "100"}[round%2]) // the kernel keeps the bytes, or the adapter
			a := b.startProgram(t, programs[round/2%2], line+alive+`
  - {when: {signal: SIGUSR2}, do: {send: {file: line, text: "twelve bytes"}}}
  - {when: {signal: SIGWINCH}, do: {source: {close: line}}}
`)
			a.expect("file opened")
			a.send(syscall.SIGUSR2)
			if err := b.AwaitText(t.Context(), "/sys/module/stalled/parameters/waiting", "12"); err != nil {
				t.Fatal(err)
			}
			if round < 4 {
				a.configure(alive)
				a.send(syscall.SIGHUP)
				a.expect("msg=reloaded")
			} else {
				a.send(syscall.SIGWINCH)
				a.expect("action failed.*not all was sent; it is closed after that")
			}
			a.send(syscall.SIGUSR1)
			a.expect("alive")
			expect(fmt.Sprintf("%d 12 %d", round, 12*round)) // it is being closed
			set("after", "0")
			if err := b.AwaitText(t.Context(), "/sys/module/stalled/parameters/closed", strconv.Itoa(round+1)); err != nil {
				t.Fatal(err)
			}
			a.finish()
		}
		const farewell = line + `
rules:
  - {when: {agent: stopping}, do: {send: {file: line, text: "goodbye\n"}}}
`
		set("after", "200")
		a := b.start(t, farewell)
		a.expect("file opened")
		a.finish()
		expect("7 0 80")
		set("after", "-1")
		set("chip", "0")
		a = b.start(t, farewell)
		a.expect("file opened")
		a.finish()
		expect("8 0 80") // what would never get through is dropped
	})
}

// A serial line on a USB adapter that is plugged in, spoken with, unplugged and
// plugged in again.
func TestSerialLine(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.shell(t, "modprobe ftdi_sio")
		a := b.start(t, `
files: {gps: {path: /dev/ttyUSB0, serial: {speed: 4800, mode: 7E1, dtr: off}, read: line, end: "\r"}}
rules:
  - {name: line, when: {file: gps, where: {TEXT: "$GP*"}}, do: [{log: "read ${TEXT}."}, {send: {file: gps, text: "ok\n"}}]}
  - {name: gone, when: {file: gps, is: hung-up}, do: {log: gone}}
`)
		for i := range 2 {
			id := fmt.Sprintf("gps%d", i)
			line, err := b.PlugSerial(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { line.Close() })
			a.expect("file opened")
			// The shell must not become stty: the leader of a session hangs up its terminal when it ends.
			out := b.shell(t, "stty -a -F /dev/ttyUSB0; true")
			for _, want := range []string{"speed 4800 baud", " cs7 ", "\nparenb -parodd", " -hupcl ", " -icanon ", " inpck "} {
				if !strings.Contains(out, want) {
					t.Errorf("it is not set as asked: %q is missing in\n%s", want, out)
				}
			}
			if _, err := fmt.Fprintf(line, "noise\r$GPRMC,%d\r", i); err != nil {
				t.Fatal(err)
			}
			a.expect(fmt.Sprintf(`read \$GPRMC,%d\.`, i))
			if answer, err := bufio.NewReader(line).ReadString('\n'); err != nil || answer != "ok\n" {
				t.Errorf("answered %q, %v", answer, err)
			}
			if strings.Contains(t.Name(), lab.Pi3.String()) {
				a.finish() // QEMU's model of the Pi's controller aborts if a device goes away while it is read
				b.unplug(t, id)
				return
			}
			b.unplug(t, id)
			a.expect("msg=gone")
		}
	})
}
