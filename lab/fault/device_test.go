// SPDX-License-Identifier: MIT

//go:build lab && (amd64 || arm64)

// What needs devices: GPIO lines, input devices and drives. The test has the far end of each. It runs on an emulated
// board, with one CPU: there an edge is in the kernel's queue before whoever caused it goes on.

package fault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	goevdev "github.com/holoplot/go-evdev"
	"golang.org/x/sys/unix"

	"reflexd/client"
)

const deviceRules = `
lines:
  meter: {input: "header:17", bias: pull-down, edges: rising}
  door: {contact: "header:22", bias: pull-down, debounce: 1ms}
  lamp: {output: "header:27"}
encoders:
  knob: {a: "header:5", b: "header:6", bias: pull-down, active: high}
counters:
  pulses: {line: meter}
inputs:
  keys: {name: fault keys, grab: auto, pass: others}
  extra: {name: fault extra}
vars:
  keys: {initial: "0"}
automount: true
rules:
  - {name: pulse, when: {counter: pulses, every: 1}, mode: queued, do: {log: "did pulse ${TOTAL}."}}
  - {name: open, when: {line: door, is: on}, do: [{set: {line: lamp, to: on}}, {log: "did door"}]}
  - {name: closed, when: {line: door, is: off}, do: [{set: {line: lamp, to: off}}, {log: "did door"}]}
  - {name: turn, when: {encoder: knob, is: clockwise}, mode: queued, do: {log: "did turn"}}
  - {name: key, when: {key: KEY_A, is: pressed, from: keys}, mode: queued, do: [{var: {keys: {add: 1}}}, {log: "did key ${var.keys}."}]}
  - {name: wheel, when: {axis: REL_WHEEL, from: keys}, mode: queued, do: {log: "did wheel ${VALUE}."}}
  - {name: plug, when: {input: extra, is: present}, do: {log: "did plug"}}
  - {name: mount, when: {mount: "*", is: mounted}, mode: queued, do: {log: "did mount"}}
  - {name: gone, when: {mount: "*", is: [unmounted, yanked]}, mode: queued, do: {log: "did unmount"}}
  - {name: unmount, when: {event: unmount}, do: {unmount: all}}
`

// more is what every other reload adds.
const more = `
  - {name: more, when: {line: spare, is: on}, do: {log: more}}
`

// devices are the far ends.
type devices struct {
	lines string // the folder with a folder a line
	keys  *goevdev.InputDevice
	extra *goevdev.InputDevice
	scan  string // the file that has a drive found

	twin           twin
	struck, passed int // a key that goes on, since the twin is there

	of      *agent
	missing map[string]int // of what was counted, in all that this agent has done
}

// twin is the virtual device through which keys are passed on, open.
type twin struct {
	fd      int
	sysname string // "" if there is none
}

// newDevices returns the far ends, for a test on a board.
func newDevices(t *testing.T) *devices {
	t.Helper()
	if os.Getenv(OnBoard) == "" {
		t.Skip("lab/trial runs it on a board")
	}
	others, _ := filepath.Glob("/sys/devices/system/cpu/cpu[1-9]/online")
	for _, cpu := range others {
		if err := os.WriteFile(cpu, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	d := &devices{lines: only(t, "/sys/devices/platform/gpio-sim.*/gpiochip*")}
	var err error
	if d.keys, err = newInput("fault keys"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unplugInput(d.keys) })
	return d
}

// newDeviceHost returns the host of agents with devices.
func newDeviceHost(t *testing.T) *host {
	t.Helper()
	d := newDevices(t)
	device, err := filepath.EvalSymlinks(only(t, "/sys/block/sd*") + "/device")
	if err != nil {
		t.Fatal(err)
	}
	d.scan = filepath.Join("/sys/class/scsi_host", regexp.MustCompile(`host\d+`).FindString(device), "scan")
	t.Cleanup(func() { unplugInput(d.extra) })
	t.Cleanup(d.closeTwin)
	return &host{configuration: deviceRules, stimuli: d.stimuli(), lull: time.Second, slow: true, sound: d.sound}
}

// only returns the one file that matches.
func only(t *testing.T, pattern string) string {
	t.Helper()
	all, _ := filepath.Glob(pattern)
	if len(all) != 1 {
		t.Fatalf("%s: there are %v", pattern, all)
	}
	return all[0]
}

func newInput(name string) (*goevdev.InputDevice, error) {
	return goevdev.CreateDevice(name, goevdev.InputID{BusType: 3, Vendor: 0x1209, Product: 0xfa01}, map[goevdev.EvType][]goevdev.EvCode{
		goevdev.EV_KEY: {goevdev.KEY_A, goevdev.KEY_B},
		goevdev.EV_REL: {goevdev.REL_WHEEL},
	})
}

func unplugInput(dev *goevdev.InputDevice) {
	if dev != nil {
		_ = goevdev.DestroyDevice(dev)
		dev.Close()
	}
}

func (d *devices) stimuli() []stimulus {
	return []stimulus{
		{"pulse", func(*agent, int) error { return d.pull(17, true, false) }, "did pulse", true},
		{"door", func(_ *agent, n int) error { return d.pull(22, n%2 == 1) }, "did door", true},
		{"turn", func(*agent, int) error {
			return errors.Join(d.pull(5, true), d.pull(6, true), d.pull(5, false), d.pull(6, false))
		}, "did turn", true},
		{"key", func(*agent, int) error { return d.strike(goevdev.KEY_A) }, "did key", true},
		{"pass", func(*agent, int) error {
			d.drain()
			return d.strikeOther()
		}, "", false},
		{"wheel", func(_ *agent, n int) error { return d.send(goevdev.EV_REL, goevdev.REL_WHEEL, n) }, "did wheel %d.", false},
		{"plug", func(*agent, int) (err error) {
			unplugInput(d.extra)
			d.extra, err = newInput("fault extra")
			return err
		}, "did plug", true},
		{"unmount", func(a *agent, n int) error {
			if n%2 == 0 {
				return nil // it is pulled out while it is mounted
			}
			return a.unmount(n)
		}, "did unmount", true},
		{"drive", func(*agent, int) error { return d.plugDrive() }, "did mount", true},
		{"reload", func(a *agent, n int) error { return a.reconfigure(n%2 == 1) }, "msg=reloaded", false},
		{"status", func(a *agent, n int) error {
			return client.Call(a.path("socket"), client.Request{Verb: "status"}, nil, a.answers)
		}, "", false},
	}
}

// pull pulls a line up and down.
func (d *devices) pull(offset int, ups ...bool) error {
	for _, up := range ups {
		text := "pull-down"
		if up {
			text = "pull-up"
		}
		if err := os.WriteFile(fmt.Sprintf("%s/sim_gpio%d/pull", d.lines, offset), []byte(text), 0); err != nil {
			return err
		}
	}
	return nil
}

func (d *devices) strike(key goevdev.EvCode) error {
	return errors.Join(d.send(goevdev.EV_KEY, key, 1), d.send(goevdev.EV_KEY, key, 0))
}

func (d *devices) send(typ goevdev.EvType, code goevdev.EvCode, value int) error {
	return errors.Join(d.keys.WriteOne(&goevdev.InputEvent{Type: typ, Code: code, Value: int32(value)}), d.keys.WriteOne(&goevdev.InputEvent{}))
}

// unmount has the agent unmount the drive, and waits for that, if not for ever.
func (a *agent) unmount(n int) error {
	if err := a.ask("emit", "unmount", n); err != nil {
		return err
	}
	_ = a.soon(a.lull, func() error {
		table, err := mounts()
		if err == nil && table != "" {
			err = errors.New("it is mounted")
		}
		return err
	})
	return nil
}

// mounts returns what the kernel says of the mounts of drives.
func mounts() (lines string, err error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, " /media/") {
			lines += line
		}
	}
	return lines, err
}

// plugDrive pulls the drive out, and plugs it in.
func (d *devices) plugDrive() error {
	all, _ := filepath.Glob("/sys/block/sd*/device/delete")
	for _, file := range all {
		if err := os.WriteFile(file, []byte("1"), 0); err != nil {
			return err
		}
	}
	return os.WriteFile(d.scan, []byte("- - -"), 0)
}

// reconfigure reloads the configuration, with another line or without.
func (a *agent) reconfigure(with bool) error {
	text := a.configuration
	if with {
		text = strings.Replace(text, "encoders:\n", "  spare: {contact: \"header:23\"}\nencoders:\n", 1) + more
	}
	if err := os.WriteFile(a.path("c.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	past := time.Now().Add(-time.Hour)
	_ = os.Chtimes(a.path("c.yaml"), past, past)
	return client.Call(a.path("socket"), client.Request{Verb: "reload"}, nil, a.answers)
}

// sound returns what is wrong with the devices: the lamp is not as the door is, the drive is mounted twice or not at all,
// keys do not arrive where they are passed on, or pulses or keys are missing, of which nothing is reported.
func (d *devices) sound(a *agent, from int) error {
	if d.of != a {
		d.of, d.missing = a, map[string]int{}
	}
	if err := a.soon(patience, d.isRight); err != nil {
		return err
	}
	if err := a.soon(patience, d.passes); err != nil {
		return err
	}
	for _, what := range []string{"pulse", "key", "pass"} {
		if err := d.isAccounted(a, from, what); err != nil {
			return err
		}
	}
	return nil
}

// isRight returns what is wrong with lamp and drive.
func (d *devices) isRight() error {
	door, _ := os.ReadFile(d.lines + "/sim_gpio22/value")
	lamp, err := os.ReadFile(d.lines + "/sim_gpio27/value")
	if err != nil || string(door) != string(lamp) {
		return fmt.Errorf("the lamp is %q, the door %q, %v", lamp, door, err)
	}
	table, err := mounts()
	if n := strings.Count(table, "\n"); err != nil || n != 1 {
		return fmt.Errorf("%d drives are mounted, %v:\n%s", n, err, table)
	}
	return nil
}

// findTwin opens the virtual device through which the agent passes keys on, if it is another one than before, or none
// was there.
func (d *devices) findTwin() error {
	all, _ := filepath.Glob("/sys/class/input/event*/device/phys")
	for _, file := range all {
		phys, _ := os.ReadFile(file)
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "name"))
		if !strings.HasPrefix(string(phys), "reflexd-") || strings.TrimSpace(string(name)) != "fault keys" {
			continue
		}
		sysname, err := os.Readlink(filepath.Dir(file)) // ../../input7: no other has ever this number
		if err != nil || sysname == d.twin.sysname {
			return err
		}
		d.closeTwin()
		node := filepath.Join("/dev/input", filepath.Base(filepath.Dir(filepath.Dir(file))))
		fd, err := unix.Open(node, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		d.twin = twin{fd: fd, sysname: sysname}
		d.struck, d.passed = 0, 0
		delete(d.missing, "pass")
		return nil
	}
	return fmt.Errorf("no virtual device is there, of %d", len(all))
}

func (d *devices) closeTwin() {
	if d.twin.sysname != "" {
		unix.Close(d.twin.fd)
	}
	d.twin = twin{}
}

// passes strikes a key, and returns an error if it is not passed on soon.
func (d *devices) passes() error {
	const soon = 200 // ms
	if err := d.findTwin(); err != nil {
		return err
	}
	d.drain()
	before := d.passed
	if err := d.strikeOther(); err != nil {
		return err
	}
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(d.twin.fd), Events: unix.POLLIN}}, soon)
	if d.drain(); d.passed == before {
		return errors.New("a key is not passed on")
	}
	return nil
}

// strikeOther strikes the key that no rule takes.
func (d *devices) strikeOther() error {
	d.struck++
	return d.strike(goevdev.KEY_B)
}

// drain counts the keys that were passed on.
func (d *devices) drain() {
	const size, typ, code, value = 24, 16, 18, 20 // of struct input_event
	var buf [64 * size]byte
	for d.twin.sysname != "" {
		n, err := unix.Read(d.twin.fd, buf[:])
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) >= size; b = b[size:] {
			u16 := func(at int) goevdev.EvType { return goevdev.EvType(binary.NativeEndian.Uint16(b[at:])) }
			if u16(typ) == goevdev.EV_KEY && u16(code) == goevdev.EvType(goevdev.KEY_B) && b[value] == 1 {
				d.passed++
			}
		}
	}
}

// isAccounted compares how often something was done with the agent's count. What is missing must have been reported since
// from.
func (d *devices) isAccounted(a *agent, from int, what string) error {
	for len(a.missing(a.latest)) > 0 { // by then the kernel has told what it lost
		if err := a.recover(from); err != nil {
			return err
		}
	}
	before, known := d.missing[what]
	is := a.round - a.lastCount("did "+what+" ")
	if what == "pass" {
		d.drain()
		is = d.struck - d.passed
	}
	d.missing[what] = is
	if known && is != before && unusual(a.since(from)) == "" {
		return fmt.Errorf("silence: of what was done last, %d are missing: %s", is-before, what)
	}
	return nil
}

// lastCount returns the last number in the log after that text, 0 if there is none.
func (a *agent) lastCount(text string) (n int) {
	for _, line := range slices.Backward(a.since(0)) {
		if _, after, ok := strings.Cut(line, text); ok {
			_, _ = fmt.Sscan(strings.TrimRight(after, ".\""), &n)
			return n
		}
	}
	return 0
}

// soon tries again whenever the agent logs something, or a mount or an input device comes or goes, until there is no
// error, the agent has ended or time is over. A line, of which nobody is told, is right when the agent says that it is.
func (a *agent) soon(within time.Duration, try func() error) error {
	end, err := a.follow()
	if err != nil {
		return err
	}
	defer end()
	for late := time.Now().Add(within); ; {
		seen := 0
		a.await(0, 0, func(lines []string) bool { seen = len(lines) + a.changes; return true })
		if err := try(); err == nil || a.isDead() {
			return err
		}
		if !a.await(0, time.Until(late), func(lines []string) bool { return len(lines)+a.changes > seen }) {
			return try()
		}
	}
}

// follow counts changes of the table of mounts, which has POLLPRI then (proc_pid_mountinfo(5)), and of the folder of input
// devices, until the end.
func (a *agent) follow() (end func(), err error) {
	table, err := os.Open("/proc/self/mountinfo")
	inputs, errInputs := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errInputs == nil {
		_, errInputs = unix.InotifyAddWatch(inputs, "/dev/input", unix.IN_CREATE|unix.IN_DELETE)
	}
	read, write, errPipe := os.Pipe()
	if err := errors.Join(err, errInputs, errPipe); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var buf [4096]byte
		fds := []unix.PollFd{{Fd: int32(read.Fd())}, {Fd: int32(table.Fd()), Events: unix.POLLPRI}, {Fd: int32(inputs), Events: unix.POLLIN}}
		for fds[0].Revents == 0 {
			if n, _ := unix.Poll(fds, -1); n <= 0 {
				continue
			}
			_, _ = unix.Read(inputs, buf[:])
			a.mu.Lock()
			a.changes++
			a.more.Broadcast()
			a.mu.Unlock()
		}
	}()
	return func() {
		write.Close()
		<-ended
		read.Close()
		table.Close()
		unix.Close(inputs)
	}, nil
}

// fewFaults are how many of a phase are tried, unless all are.
const fewFaults = 16

// atDevices are the calls at the devices themselves. Unless all are to be tried, those that fail are among them.
var atDevices = []string{"ioctl", "read", "pread64", "write", "openat", "openat2", "mount", "umount2"}

// forDevices says of a place that it is in what serves devices: the rest is tried natively.
func forDevices(site string) bool {
	return slices.ContainsFunc([]string{"sources/gpio", "sources/input", "agent/mount", "blkid", "go-gpiocdev", "go-evdev"}, func(word string) bool {
		return strings.Contains(site, word)
	})
}

// some returns that many of all, or all.
func some(all []*fault, n int) (few []*fault) {
	for i := range min(n, len(all)) {
		few = append(few, all[i*len(all)/min(n, len(all))])
	}
	return few
}

func TestDeviceCallsFail(t *testing.T) {
	if os.Getenv(OnBoard) == "" {
		t.Skip("lab/trial runs it on a board")
	}
	var phases [3]phase
	t.Run("Learn", func(t *testing.T) { phases = newDeviceHost(t).learn(t) })
	for i, with := range []func(*testing.T, *host) attempt{starting, working, ending} {
		t.Run([]string{"AtStart", "AtWork", "AtTheEnd"}[i], func(t *testing.T) {
			all := slices.DeleteFunc(phases[i].faults(i == 1), func(f *fault) bool {
				atWork := i == 2 && slices.Contains(phases[1].sites, f.site) // a drive was being looked at just then
				return atWork || !forDevices(f.site)
			})
			if len(all) == 0 && i < 2 && os.Getenv("FAULT") == "" {
				t.Fatal("it makes no calls for devices: is the stack read rightly?")
			}
			if !everyFault {
				all = some(slices.DeleteFunc(all, func(f *fault) bool { return !slices.Contains(atDevices, f.kind()) }), fewFaults)
			}
			inTurn(t, all, with(t, newDeviceHost(t)))
		})
	}
}

// inTurn tries all faults with one agent at a time, those of a kind together: then it is trapped rarely.
func inTurn(t *testing.T, all []*fault, try attempt) {
	t.Logf("%d calls fail", len(all))
	slices.SortStableFunc(all, func(x, y *fault) int { return strings.Compare(x.kind(), y.kind()) })
	queue := make(chan *fault, len(all))
	for _, f := range all {
		queue <- f
	}
	close(queue)
	t.Logf("%d of %d calls failed", each(t, queue, try), len(all))
}
