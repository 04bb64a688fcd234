// SPDX-License-Identifier: MIT

// What devices are, in events: on add and remove, in order, and where a device
// does not answer.

package uevent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/config"
)

// plugUSB makes a device of the subsystem fake on a USB device.
func plugUSB(t *testing.T, sys, path, serial string) {
	t.Helper()
	usb := filepath.Dir(path)
	plug(t, sys, path, "DEVNAME="+filepath.Base(path)+"\n")
	dir := filepath.Join(sys, usb)
	must(t, os.Symlink("../../bus/usb", filepath.Join(dir, "subsystem")))
	link(t, sys, "bus/usb/devices", usb)
	for name, text := range map[string]string{
		"uevent": "DEVTYPE=usb_device\n", "idVendor": "0781\n", "idProduct": "5583\n", "serial": serial + "\n",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}

const sandisk = "uevent: {SUBSYSTEM: fake, ID_VENDOR_ID: 0781, ID_SERIAL_SHORT: A1}"

// sysfs is gone when the kernel announces a removal; what the device was is
// remembered.
func TestIdentifiedOnAddChangeAndRemove(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply(sandisk, warm, "uevent: {SUBSYSTEM: fake, ID_SERIAL_SHORT: {not: A1}}")
	r.quiet()
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	r.announce("add", "/devices/usb1/a")
	r.Await("add", func() bool { return len(r.heard) >= 2 })
	unplug(t, sys, "/devices/usb1")
	r.announce("change", "/devices/usb1/a")
	r.announce("remove", "/devices/usb1/a")
	r.expect("0 add /devices/usb1/a", "1 add /devices/usb1/a", "0 change /devices/usb1/a", "1 change /devices/usb1/a",
		"0 remove /devices/usb1/a", "1 remove /devices/usb1/a")
	// Another device in the same place is another one.
	plugUSB(t, sys, "/devices/usb1/a", "B2")
	r.announce("add", "/devices/usb1/a")
	r.Await("add", func() bool { return len(r.heard) >= 2 })
	r.expect("1 add /devices/usb1/a", "2 add /devices/usb1/a")
}

// A device that was there at start is known when it goes.
func TestIdentifiedAtStart(t *testing.T) {
	sys := fakeSys(t)
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	r.apply(sandisk) // asks for what the plan before did not
	r.quiet()
	unplug(t, sys, "/devices/usb1")
	r.announce("remove", "/devices/usb1/a")
	r.expect("0 remove /devices/usb1/a")
}

// A device that the table does not have yet is looked up by what its event says.
func TestIdentifiedWhileWalking(t *testing.T) {
	sys := fakeSys(t)
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	r := newRig(t, sys, defaultBuffer)
	r.Do(func() { r.loop.hold = true })
	r.apply(sandisk)
	r.announce("change", "/devices/usb1/a")
	r.Do(r.loop.release)
	r.Await("change", func() bool { return len(r.heard) > 0 })
	r.expect("0 change /devices/usb1/a")
}

func TestIdentifiedByColdplug(t *testing.T) {
	sys := fakeSys(t)
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	plugUSB(t, sys, "/devices/usb2/b", "B2")
	r := newRig(t, sys, defaultBuffer)
	r.apply(sandisk, "{"+sandisk+", coldplug: true}")
	r.Await("device", func() bool { return len(r.heard) > 0 })
	r.quiet()
	r.expect("1 add /devices/usb1/a COLDPLUG=1 SYNTHETIC=1")
}

// What comes while a device is looked up comes after it, whosever it is.
func TestOrderWhileLookingUp(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply("uevent: {}", sandisk)
	r.quiet()
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	r.Do(func() { r.loop.hold = true })
	var want []string
	r.announce("add", "/devices/usb1/a")
	r.announce("add", "/module/m")
	want = append(want, "0 add /devices/usb1/a", "1 add /devices/usb1/a", "0 add /module/m")
	for i := range 2 * emitAtOnce {
		r.announce("change", fmt.Sprintf("/module/%d", i))
		want = append(want, fmt.Sprintf("0 change /module/%d", i))
	}
	r.announce("remove", "/devices/usb1/a")
	want = append(want, "0 remove /devices/usb1/a", "1 remove /devices/usb1/a")
	r.expect()
	r.Do(r.loop.release)
	r.Await("events", func() bool { return len(r.heard) >= len(want) })
	r.expect(want...)
	r.Do(func() {
		if r.turnMost > emitAtOnce {
			t.Errorf("%d events in one turn", r.turnMost)
		}
	})
}

// A device that hangs: its attribute is a pipe that nobody writes to.
func TestHangingDevice(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm, sandisk)
	r.quiet()
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	plugUSB(t, sys, "/devices/usb2/b", "A1")
	pipe := filepath.Join(sys, "/devices/usb1/serial")
	must(t, os.Remove(pipe))
	must(t, unix.Mkfifo(pipe, 0o600))
	began := r.now()
	r.announce("add", "/devices/usb1/a")
	r.announce("add", "/devices/usb2/b")
	r.Await("events", func() bool { return len(r.heard) >= 3 })
	if d := r.now() - began; d < lookupPatience || d > 2*lookupPatience {
		t.Errorf("it took %v", d)
	}
	r.expect("0 add /devices/usb1/a", "0 add /devices/usb2/b", "1 add /devices/usb2/b")
	// Nothing waits for it again, and when it answers that is remembered. The
	// machine's own uevents have been held too, and may still be emitted.
	r.announce("change", "/devices/usb1/a")
	r.Await("event", func() bool { return len(r.heard) >= 1 })
	r.expect("0 change /devices/usb1/a")
	must(t, os.WriteFile(pipe, []byte("A1\n"), 0))
	r.Await("answer", func() bool { return r.source.busy == 0 })
	r.announce("remove", "/devices/usb1/a")
	r.Await("events", func() bool { return len(r.heard) >= 2 })
	r.expect("0 remove /devices/usb1/a", "1 remove /devices/usb1/a")
}

// Many devices that hang keep no event for longer than one would.
func TestManyHangingDevices(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: fake, ID_BUS: {not: usb}}")
	r.quiet()
	r.Do(func() { r.loop.hold = true })
	for i := range 4 * mostLookups {
		r.announce("add", fmt.Sprintf("/devices/%d", i))
	}
	r.expect()
	r.Do(func() {
		r.loop.later = lookupPatience
		r.source.drain()
	})
	r.Await("events", func() bool { return len(r.heard) == 4*mostLookups })
	r.Do(func() {
		if len(r.source.waiting) > 0 || r.source.busy != mostLookups || r.source.count.late != 4*mostLookups {
			t.Errorf("%d wait, %d are busy, %d late", len(r.source.waiting), r.source.busy, r.source.count.late)
		}
		r.loop.release()
	})
	r.Await("end of the lookups", func() bool { return r.source.busy == 0 })
}

// Devices that are looked up in turns, slowly, because of many at once, are
// known all the same.
func TestManyDevicesOnASlowBoard(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply(sandisk)
	r.quiet()
	r.Do(func() { r.loop.hold = true })
	const devices = 3 * mostLookups
	for i := range devices {
		plugUSB(t, sys, fmt.Sprintf("/devices/usb%d/a", i), "A1")
		r.announce("add", fmt.Sprintf("/devices/usb%d/a", i))
	}
	r.Await("lookups", func() bool { return len(r.source.held) >= devices })
	for turn := 1; turn <= devices/mostLookups; turn++ {
		r.Do(func() {
			r.loop.later += lookupPatience * 2 / 3
			r.source.drain()
			r.loop.some()
		})
		r.Await("devices", func() bool { return len(r.heard) == turn*mostLookups })
	}
	r.Do(func() {
		if r.source.count.late != 0 {
			t.Errorf("%d devices were given up", r.source.count.late)
		}
	})
}

func TestNobodyAsks(t *testing.T) {
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply(warm, "uevent: {SUBSYSTEM: other, ID_BUS: usb}")
	r.quiet()
	r.Do(func() { r.loop.hold = true })
	r.announce("add", "/devices/a")
	r.expect("0 add /devices/a")
}

func TestIDConditions(t *testing.T) {
	for text, want := range map[string]string{
		"uevent: {ID_VEDNOR: x}":                               `f:1:10: events of the kernel have no ID_VEDNOR; did you mean "ID_VENDOR"?; those of udev need ` + "`stage: udev`",
		"{uevent: {ID_FS_TYPE: vfat}, stage: udev}":            "",
		"{uevent: {ID_BUS: usb}, stage: udev, identify: true}": "f:1:48: udev's events have their ID_ fields: identify goes with stage: kernel",
		"{uevent: {ID_BUS: usb}, stage: user}":                 `f:1:32: expected kernel or udev, found "user"`,
		"uevent: {SUBSYTEM: block}":                            `f:1:10: warning: SUBSYTEM is not a well-known key of the kernel; did you mean "SUBSYSTEM"?`,
		"uevent: {POWER_SUPPLY_ONLINE: 1, SYNTH_ARG_X: 1}":     "",
	} {
		var ps config.Problems
		compileOne(&Plan{}, text, &ps)
		if got := ps.Error(); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", text, got, want)
		}
	}
}
