// SPDX-License-Identifier: MIT

//go:build lab

package trial

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"reflexd/lab"
)

// lesson is a reflexd that learns.
type lesson struct {
	t     *testing.T
	board *board
	proc  *lab.Process
	out   string // the file that it prints to
}

// learn starts one that ends when it has learnt one thing: not that what the test
// before has pulled is going.
func (b *board) learn(t *testing.T, program string, args ...string) *lesson {
	t.Helper()
	b.shell(t, `was=; calm=0; i=0; while [ $calm -lt 5 ] || [ -n "$(ls /sys/class/scsi_host)" ]; do
  [ $((i+=1)) -lt 300 ] || { echo "the board does not come to rest"; exit 1; }
  now=$(cat /sys/kernel/uevent_seqnum); [ "$now" = "$was" ] && calm=$((calm+1)) || calm=0; was=$now
  sleep 0.1; done`)
	out := fmt.Sprintf("/tmp/learnt.%d", instances.Add(1))
	script := program + ` learn --count 1 --for 50s "$@" > ` + out
	proc, err := b.Start(t.Context(), lab.Command{Args: append([]string{"/bin/sh", "-c", "exec " + script, "sh"}, args...)}, out+".log")
	if err != nil {
		t.Fatal(err)
	}
	l := &lesson{t, b, proc, out}
	t.Cleanup(func() { _ = proc.Signal(context.Background(), syscall.SIGKILL) })
	if _, err := proc.Log.Await(t.Context(), "press a button"); err != nil {
		t.Fatal(err)
	}
	return l
}

// learnt waits for what was learnt, which the checker must take.
func (l *lesson) learnt() string {
	l.t.Helper()
	result, err := l.proc.Wait(l.t.Context())
	yaml := l.board.shell(l.t, "cat "+l.out)
	if err != nil || result.Code != 0 {
		l.t.Fatalf("%+v %v\n%s", result, err, yaml)
	}
	l.t.Log("\n" + yaml)
	for i, part := range strings.Split(yaml, "\n\n") {
		if file := fmt.Sprintf("%s.%d.yaml", l.out, i); strings.HasPrefix(part, "#") { // not JSON
			if err := l.board.WriteFile(l.t.Context(), file, []byte(part), 0o644); err != nil {
				l.t.Fatal(err)
			}
			l.board.shell(l.t, "reflexd check "+file)
		}
	}
	return yaml
}

func (l *lesson) expect(yaml string, patterns ...string) {
	l.t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(yaml) {
			l.t.Errorf("no %s", p)
		}
	}
}

// What is pressed on a keyboard is learnt, and what was learnt matches it.
func TestLearnAKey(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.keyboard(t, "kbd")
		warm := b.start(t, "rules:\n  - {when: {key: KEY_X, is: pressed}, do: {log: ready}}\n")
		b.holdKey(t, warm.proc.Log, "x", "msg=ready")
		b.key(t, "x", false)
		warm.finish()
		l := b.learn(t, "/usr/bin/reflexd6")
		b.key(t, "volumeup", true)
		b.key(t, "volumeup", false)
		yaml := l.learnt()
		l.expect(yaml, `^# KEY_VOLUMEUP of 'QEMU QEMU USB Keyboard' was pressed and released\.$`, `^  keyboard: \{name: "QEMU QEMU USB Keyboard"\}`,
			`^  - when: \{key: KEY_VOLUMEUP, is: pressed, from: keyboard\}`)
		a := b.start(t, yaml)
		a.expect("QEMU USB Keyboard")
		b.holdKey(t, a.proc.Log, "volumeup", "KEY_VOLUMEUP of QEMU QEMU USB Keyboard")
		b.key(t, "volumeup", false)
	})
}

// A stick is one thing, whatever the kernel has to say about it, and so is its
// being pulled.
func TestLearnAStick(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		l := b.learn(t, "/usr/bin/reflexd", "--count", "2")
		b.plugStick(t, "stick")
		if _, err := b.AwaitMatch(t.Context(), l.out, "yanked"); err != nil {
			t.Fatal(err)
		}
		b.unplug(t, "stick")
		yaml, gone, _ := strings.Cut(l.learnt(), "\n\n")
		l.expect(yaml, `^# A USB device was plugged in: the drive 'QEMU QEMU_HARDDISK', /dev/sd[a-z]1\.$`, `^# /dev/sd[a-z]1 holds vfat 'PHOTOS'$`,
			`^automount: \{match: \{ID_VENDOR_ID: "46f4"`, `^  - when: \{uevent: \{ACTION: add, SUBSYSTEM: block, DEVTYPE: partition, ID_VENDOR_ID: "46f4", ID_MODEL_ID: "0001"`)
		l.expect(gone, `^# A USB device was removed: the drive`, `ACTION: remove, SUBSYSTEM: block, DEVTYPE: partition, ID_VENDOR_ID: "46f4"`)
		a := b.start(t, yaml)
		b.plugStick(t, "stick")
		a.expect(`add /dev/sd[a-z]1`)
		a.expect(`/dev/sd[a-z]1 at /media/PHOTOS: mount /media/PHOTOS mounted`)
		b.unplug(t, "stick")
		a.expect(`yanked`)
	})
}

func TestLearnAKeyboardThatIsPluggedIn(t *testing.T) {
	b := on(t, lab.Virt)
	l := b.learn(t, "/usr/bin/reflexd")
	b.keyboard(t, "new")
	yaml := l.learnt()
	l.expect(yaml, `^# The input device 'QEMU QEMU USB Keyboard' appeared\.$`, `^  - when: \{input: keyboard, is: present\}`, `SUBSYSTEM: usb, DEVTYPE: usb_device, ID_VENDOR_ID: "0627"`)
	b.unplugKeyboard(t, "new")
	a := b.start(t, yaml)
	b.keyboard(t, "new")
	a.expect("input keyboard present")
}

// Only the line that is named is requested.
func TestLearnALine(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		b.pull(t, 22, true)
		l := b.learn(t, "/usr/bin/reflexd6", "GPIO22", "--bias", "pull-up")
		if lines := b.shell(t, "reflexd lines header"); count(lines, "used by") != 1 {
			t.Errorf("requested:\n%s", lines)
		}
		b.press(t, 22)
		yaml := l.learnt()
		l.expect(yaml, `^# GPIO22 was pressed and released\. It rests high\.$`, `^  gpio22: \{button: GPIO22\}$`, `^  - when: \{line: gpio22, is: pressed\}`)
		a := b.start(t, yaml)
		b.press(t, 22)
		a.expect("gpio22: line gpio22 pressed")
	})
}

func TestLearnAKnob(t *testing.T) {
	everywhere(t, func(t *testing.T, b *board) {
		const a, c, step = 5, 6, slowly
		b.pull(t, a, true)
		b.pull(t, c, true)
		turn := []lab.Pull{{After: step, Offset: a}, {After: step, Offset: c}, {After: step, Offset: a, Up: true}, {After: step, Offset: c, Up: true}}
		l := b.learn(t, "/usr/bin/reflexd", "GPIO5", "GPIO6", "--bias", "pull-up")
		b.play(t, turn, turn, turn)
		yaml := l.learnt()
		l.expect(yaml, `^# The knob at GPIO5 and GPIO6 was turned by 12 edges\.$`, `^  knob: \{a: GPIO5, b: GPIO6\}$`)
		agent := b.start(t, yaml)
		b.play(t, turn)
		agent.expect("knob clockwise")
	})
}

func TestLearnALink(t *testing.T) {
	b := on(t, lab.Virt)
	if err := b.SetLink(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	// The address that the link gives itself would be learnt, too.
	const disable = "/proc/sys/net/ipv6/conf/eth0/disable_ipv6"
	b.shell(t, "echo 1 > "+disable+"; ip link set eth0 up")
	t.Cleanup(func() {
		_ = b.SetLink(context.Background(), true)
		_, _ = b.Shell(context.Background(), "ip link set eth0 down; echo 0 > "+disable)
	})
	if _, err := b.AwaitMatch(t.Context(), "/sys/class/net/eth0/carrier", "1"); err != nil {
		t.Fatal(err)
	}
	l := b.learn(t, "/usr/bin/reflexd", "--json")
	if err := b.SetLink(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	json := l.learnt()
	if !regexp.MustCompile(`\{"kind":"link","what":"The link 'eth0': (down|up)`).MatchString(json) || !strings.Contains(json, `- when: {link: eth0, is: [up, down]}`) {
		t.Errorf("printed %s", json)
	}
}

// Whoever names a line is asked nothing; --lines wants a terminal.
func TestLearnAsksAtATerminalOnly(t *testing.T) {
	b := on(t, lab.Virt)
	result, err := b.Run(t.Context(), lab.Command{Args: []string{"reflexd", "learn", "--lines"}})
	if err != nil || result.Code != 2 || !strings.Contains(result.Stderr, "name the lines") {
		t.Errorf("%+v %v", result, err)
	}
	out := b.shell(t, "reflexd lines header --yaml > /tmp/lines.yaml; reflexd inputs --yaml > /tmp/inputs.yaml; reflexd check /tmp/lines.yaml && reflexd check /tmp/inputs.yaml; cat /tmp/lines.yaml /tmp/inputs.yaml")
	t.Log("\n" + out)
	if !strings.Contains(out, "  gpio17: {input: GPIO17}\n") || !strings.Contains(out, "inputs:\n") {
		t.Errorf("printed %s", out)
	}
}

// A thermometer that is warmed, while another one rests.
func TestLearnASensor(t *testing.T) {
	b := on(t, lab.Virt)
	b.thermometers(t)
	l := b.learn(t, "reflexd", "--sensors")
	// Five seconds count once both were read, which takes a busy board its time: so it
	// is warmed again and again.
	warming, err := b.Start(t.Context(), lab.Command{Args: []string{"sh", "-c",
		"for t in 416 488 560 632; do sleep 9; echo $t,400 > /sys/module/thermometers/parameters/sixteenths; done"}}, "/tmp/warming.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = warming.Signal(context.Background(), syscall.SIGKILL) })
	l.expect(l.learnt(), `^# '28-665544332211' rose from [0-9.]+ to [0-9.]+ °C.$`, `^  "28-665544332211": {w1: "28-665544332211"}$`,
		`^  - when: {sensor: "28-665544332211", above: [0-9.]+, hysteresis: [0-9.]+}$`)

	out := b.shell(t, "(sleep 5; echo 352,400 > /sys/module/thermometers/parameters/sixteenths) & timeout -s INT 10 reflexd monitor --yaml sensors 2>&1; wait")
	if !strings.Contains(out, `- when: {sensor: "28-665544332211", is: changed}`) {
		t.Error(out)
	}
}
