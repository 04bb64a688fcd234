// SPDX-License-Identifier: MIT

// What is emitted of devices that are found rather than announced, and of those
// that come and go while they are looked for.

package uevent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/sources"
	"reflexd/sources/nl"
)

const (
	warm = "uevent: {SUBSYSTEM: fake}"
	cold = "{uevent: {SUBSYSTEM: fake, ACTION: add}, at_start: true}"
)

func TestColdplugInOrderAndBounded(t *testing.T) {
	var paths, want []string
	for i := range 200 {
		paths = append(paths, fmt.Sprintf("/devices/p/%03d", i))
	}
	paths = append(paths, "/devices/p", "/devices/p/000/child")
	slices.Sort(paths)
	for _, p := range paths {
		want = append(want, "1 add "+p+" COLDPLUG=1 SYNTHETIC=1")
	}
	r := newRig(t, fakeSys(t, paths...), defaultBuffer)
	r.apply(warm, cold)
	r.Await("devices", func() bool { return len(r.heard) >= len(want) })
	r.quiet()
	r.expect(want...)
	r.Do(func() {
		if r.turnMost > emitAtOnce {
			t.Errorf("%d events in one turn", r.turnMost)
		}
	})
}

// Who asks for changes alone gets them without sysfs being read, nor is anything kept of the devices. A reload that asks
// for more finds those that are there.
func TestChangesAloneNeedNoDevices(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a", "/devices/b"), defaultBuffer)
	change := "uevent: {SUBSYSTEM: fake, ACTION: change}"
	known := func(want int) {
		t.Helper()
		r.quiet()
		r.Do(func() {
			if n := len(r.source.table.devices); n != want {
				t.Errorf("%d devices are known, want %d", n, want)
			}
		})
	}
	r.apply(change)
	r.Await("socket", func() bool { return r.source.socket != nil })
	r.announce("change", "/devices/a", "SUBSYSTEM=fake")
	r.announce("add", "/devices/c", "SUBSYSTEM=fake")
	known(0)
	r.apply(change, cold)
	r.Await("devices", func() bool { return len(r.heard) >= 3 })
	known(2)
	r.announce("change", "/devices/b", "SUBSYSTEM=fake")
	r.expect("0 change /devices/a", "1 add /devices/a COLDPLUG=1 SYNTHETIC=1", "1 add /devices/b COLDPLUG=1 SYNTHETIC=1", "0 change /devices/b")
}

// A trigger that is there already is not served again when another one comes,
// and the socket stays.
func TestColdplugOfNewTriggerOnly(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a"), defaultBuffer)
	r.apply(cold)
	r.Await("device", func() bool { return len(r.heard) > 0 })
	r.quiet()
	r.expect("0 add /devices/a COLDPLUG=1 SYNTHETIC=1")
	var socket *nl.Socket
	r.Do(func() { socket = r.source.socket })

	r.apply("{uevent: {SUBSYSTEM: fake, DEVTYPE: thing}, coldplug: true}", cold)
	r.Await("device", func() bool { return len(r.heard) > 0 })
	r.quiet()
	r.expect("0 add /devices/a COLDPLUG=1 SYNTHETIC=1")
	r.Do(func() {
		if r.source.socket != socket {
			t.Error("the socket was opened anew")
		}
	})
}

// The trigger that comes while another one waits for the end of a walk is
// served too, each with what it has missed.
func TestColdplugOfTriggerDuringWalk(t *testing.T) {
	sys := fakeSys(t, "/devices/a")
	r := newRig(t, sys, defaultBuffer)
	r.loop.hold = true
	r.apply(cold)
	plug(t, sys, "/devices/b", "")
	r.announce("add", "/devices/b")
	r.apply(cold, "{uevent: {DEVPATH: '/devices/?', SUBSYSTEM: fake}, coldplug: true}")
	r.expect("0 add /devices/b")
	r.Do(r.loop.release)
	r.Await("devices", func() bool { return len(r.heard) >= 3 })
	r.quiet()
	r.expect("0 add /devices/a COLDPLUG=1 SYNTHETIC=1", "1 add /devices/a COLDPLUG=1 SYNTHETIC=1", "1 add /devices/b COLDPLUG=1 SYNTHETIC=1")
}

// The second trigger is about a subsystem that the walk does not look for.
func TestWiderScopeDuringWalk(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a"), defaultBuffer)
	r.loop.hold = true
	r.apply("{uevent: {SUBSYSTEM: other}, coldplug: true}")
	r.apply("{uevent: {SUBSYSTEM: other}, coldplug: true}", cold)
	r.Do(r.loop.release)
	r.quiet()
	r.expect("1 add /devices/a COLDPLUG=1 SYNTHETIC=1")
}

func TestAddedWhileWalking(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.loop.hold = true
	r.apply(warm, cold)
	plug(t, sys, "/devices/a", "")
	r.announce("add", "/devices/a")
	r.Do(r.loop.release)
	r.quiet()
	r.expect("0 add /devices/a", "1 add /devices/a")
}

// The walk finds a disk long before the kernel announces it.
func TestAnnouncedAfterColdplug(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a"), defaultBuffer)
	r.apply(warm, cold)
	r.Await("device", func() bool { return len(r.heard) > 0 })
	r.quiet()
	r.announce("add", "/devices/a")
	r.expect("1 add /devices/a COLDPLUG=1 SYNTHETIC=1", "0 add /devices/a COLDPLUG=again")
	r.announce("remove", "/devices/a")
	r.announce("add", "/devices/a")
	r.expect("0 remove /devices/a", "0 add /devices/a", "1 add /devices/a")
}

func TestRemovedWhileWalking(t *testing.T) {
	sys := fakeSys(t, "/devices/a", "/devices/b")
	r := newRig(t, sys, defaultBuffer)
	r.loop.hold = true
	r.apply(warm, cold)
	r.announce("remove", "/devices/a") // its folder is still found
	r.Do(r.loop.release)
	r.Await("device", func() bool { return len(r.heard) >= 2 })
	r.quiet()
	r.expect("0 remove /devices/a", "1 add /devices/b COLDPLUG=1 SYNTHETIC=1")
	r.lose()
	r.expect("0 add /devices/a RESCAN=1 SYNTHETIC=1", "1 add /devices/a RESCAN=1 SYNTHETIC=1") // it has come back unheard
}

// lose makes the source believe in a loss and waits for the repair.
func (r *rig) lose() {
	r.t.Helper()
	r.Do(func() { r.source.lose(0) })
	r.quiet()
}

func TestRescanBeforeAnnouncement(t *testing.T) {
	sys := fakeSys(t, "/devices/a")
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	plug(t, sys, "/devices/b", "")
	unplug(t, sys, "/devices/a")
	r.lose()
	want := []string{"0 remove /devices/a RESCAN=1 SYNTHETIC=1", "0 add /devices/b RESCAN=1 SYNTHETIC=1"}
	r.expect(want...)
	// Now the kernel says so itself.
	r.announce("remove", "/devices/a")
	r.announce("add", "/devices/b")
	r.expect()
	r.announce("remove", "/devices/b")
	r.expect("0 remove /devices/b")
	r.announce("add", "/devices/a")
	r.expect("0 add /devices/a")
}

func TestChangeOfUnknownWhileRescanning(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	r.Do(func() { r.loop.hold = true })
	plug(t, sys, "/devices/a", "")
	r.Do(func() { r.source.lose(0) })
	r.Await("walk", func() bool { return r.source.walk != nil })
	r.announce("change", "/devices/a")
	r.Do(r.loop.release)
	r.quiet()
	r.expect("0 change /devices/a", "0 add /devices/a RESCAN=1 SYNTHETIC=1")
}

// What the walk saw before the kernel said otherwise does not count.
func TestWalkOlderThanAnnouncements(t *testing.T) {
	sys := fakeSys(t, "/devices/back")
	plug(t, sys, "/devices/other", "DEVNAME=x\nDISKSEQ=1\n")
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	unplug(t, sys, "/devices/back")
	r.Do(func() {
		r.loop.hold, r.loop.early = true, true
		r.source.lose(0)
	})
	r.Await("walk", func() bool { return r.source.walk != nil })
	plug(t, sys, "/devices/back", "")
	r.announce("add", "/devices/back")
	r.announce("remove", "/devices/other")
	r.announce("add", "/devices/other", "DEVNAME=y", "DISKSEQ=2")
	r.Do(r.loop.release)
	r.quiet()
	r.expect("0 add /devices/back", "0 remove /devices/other", "0 add /devices/other")
}

// A loss during a walk leaves its findings too old to repair the loss.
func TestLossWhileWalking(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	r.Do(func() { r.loop.hold, r.loop.early = true, true })
	r.apply(warm, cold)
	plug(t, sys, "/devices/a", "")
	r.Do(func() { r.source.lose(0) })
	r.Do(r.loop.release)
	r.quiet()
	r.expect("0 add /devices/a RESCAN=1 SYNTHETIC=1", "1 add /devices/a RESCAN=1 SYNTHETIC=1")
}

// After a loss an add is no belated one: a removal may have been lost.
func TestAddAfterLoss(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a"), defaultBuffer)
	r.apply(cold)
	r.quiet()
	r.expect("0 add /devices/a COLDPLUG=1 SYNTHETIC=1")
	r.lose()
	r.announce("add", "/devices/a")
	r.expect("0 add /devices/a")
}

// What lies in the socket when a walk ends is read before its findings are
// emitted.
func TestAnnouncedAtEndOfWalk(t *testing.T) {
	needEvents(t)
	sys := fakeSys(t)
	plug(t, sys, nullDevice, "DEVNAME=null\n")
	link := filepath.Join(sys, nullDevice, "subsystem")
	if err := errors.Join(os.Remove(link), os.Symlink("../../class/mem", link)); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, sys, defaultBuffer)
	r.Do(func() { r.loop.hold, r.loop.early = true, true })
	r.apply("{uevent: {SUBSYSTEM: mem, ACTION: add, DEVPATH: " + nullDevice + "}, coldplug: true}")
	r.Do(func() {
		causeEvent(t, "add "+uuid(t))
		r.loop.release()
	})
	r.quiet()
	r.expect("0 add " + nullDevice)
}

// Kobjects below a device announce themselves too but have no uevent file: a
// walk does not find them, and they are there all the same.
func TestRescanOfWhatHasNoFile(t *testing.T) {
	sys := fakeSys(t, "/devices/eth0")
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	r.announce("add", "/devices/eth0/queue")
	r.expect("0 add /devices/eth0/queue")
	if err := mkdir(sys + "/devices/eth0/queue"); err != nil {
		t.Fatal(err)
	}
	r.lose()
	r.expect()
	unplug(t, sys, "/devices/eth0/queue")
	r.lose()
	r.expect("0 remove /devices/eth0/queue RESCAN=1 SYNTHETIC=1")
}

func mkdir(path string) error { return unix.Mkdir(path, 0o755) }

func TestReplacedUnheard(t *testing.T) {
	sys := fakeSys(t)
	plug(t, sys, "/devices/sda", "DEVNAME=sda\nDISKSEQ=4\n")
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	// Both messages are lost.
	unplug(t, sys, "/devices/sda")
	plug(t, sys, "/devices/sda", "DEVNAME=sda\nDISKSEQ=5\n")
	r.lose()
	r.expect("0 remove /devices/sda RESCAN=1 SYNTHETIC=1", "0 add /devices/sda RESCAN=1 SYNTHETIC=1")
	// The first one is.
	r.announce("add", "/devices/sda", "DEVNAME=sda", "DISKSEQ=6")
	r.expect("0 remove /devices/sda RESCAN=1 SYNTHETIC=1", "0 add /devices/sda")
}

// Somebody who writes to a uevent file neither adds nor removes anything.
func TestSyntheticEvents(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a"), defaultBuffer)
	r.apply(warm)
	r.quiet()
	r.announce("remove", "/devices/a", "SYNTH_UUID=0")
	r.announce("add", "/devices/a", "SYNTH_UUID=0")
	r.expect("0 remove /devices/a", "0 add /devices/a")
	r.announce("remove", "/devices/a", "SYNTH_UUID=0")
	r.lose()
	r.expect("0 remove /devices/a")
}

func TestRenamed(t *testing.T) {
	sys := fakeSys(t, "/devices/net/eth0", "/devices/net/eth0/below", "/devices/net/eth01")
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	unplug(t, sys, "/devices/net/eth0")
	plug(t, sys, "/devices/net/lan", "")
	plug(t, sys, "/devices/net/lan/below", "")
	r.announce("move", "/devices/net/lan", "DEVPATH_OLD=/devices/net/eth0")
	r.lose()
	r.expect("0 move /devices/net/lan")
	unplug(t, sys, "/devices/net/lan/below")
	r.lose()
	r.expect("0 remove /devices/net/lan/below RESCAN=1 SYNTHETIC=1")
}

// The remembered properties of what was missed are emitted.
func TestRemoveTellsProperties(t *testing.T) {
	sys := fakeSys(t)
	plug(t, sys, "/devices/a", "DEVNAME=bus/a\nDRIVER=x\n")
	r := newRig(t, sys, defaultBuffer)
	r.apply("uevent: {ACTION: remove, SUBSYSTEM: fake, DEVNAME: /dev/bus/a, DRIVER: y}")
	r.quiet()
	r.announce("bind", "/devices/a", "DEVNAME=bus/a", "DRIVER=y")
	unplug(t, sys, "/devices/a")
	r.lose()
	r.expect("0 remove /devices/a RESCAN=1 SYNTHETIC=1")
}

// Subsystems that a new plan adds are not taken for what was lost.
func TestWiderScopeAfterLoss(t *testing.T) {
	sys := fakeSys(t, "/devices/a")
	r := newRig(t, sys, defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: other}")
	r.quiet()
	r.Do(func() { r.source.lose(0) })
	r.apply("uevent: {SUBSYSTEM: [other, fake]}")
	r.quiet()
	r.expect()
	r.Do(func() {
		if len(r.source.table.devices) != 1 {
			t.Errorf("%d devices are known", len(r.source.table.devices))
		}
	})
}

func TestSocketOnlyWhileWanted(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a"), defaultBuffer)
	state := func(want bool) {
		t.Helper()
		r.Do(func() {
			if open := r.source.socket != nil; open != want {
				t.Errorf("socket open: %v", open)
			}
			if states := r.source.Status(); (len(states) == 1 && states[0].OK) != want {
				t.Errorf("status is %+v", states)
			}
		})
	}
	r.apply()
	state(false)
	r.Do(func() { r.loop.hold = true })
	r.apply(cold)
	state(true)
	r.apply() // in the middle of a walk
	state(false)
	r.Do(r.loop.release)
	r.Do(func() { r.source.Apply(&Plan{Everything: true}) })
	state(true)
	r.quiet()
	r.expect()
	// The trigger is new again.
	r.apply()
	r.apply(cold)
	r.Await("device", func() bool { return len(r.heard) > 0 })
	r.expect("0 add /devices/a COLDPLUG=1 SYNTHETIC=1")
}

// A walk for which there are no descriptors is made again: what is there is neither
// taken for gone nor missed.
func TestWalkWithoutDescriptors(t *testing.T) {
	r := newRig(t, fakeSys(t, "/devices/a"), defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: other}")
	r.quiet()
	plan, compiled := compile(t, cold)
	r.Do(func() {
		var most unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &most); err != nil {
			t.Error(err)
		}
		none := most
		none.Cur = 0
		r.loop.hold, r.loop.early = true, true // the walk is made at once
		r.triggers = compiled
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
			t.Error(err)
		}
		r.source.Apply(plan)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &most); err != nil {
			t.Error(err)
		}
	})
	r.Do(r.loop.release)
	r.Await("device", func() bool { return len(r.heard) > 0 })
	r.expect("0 add /devices/a COLDPLUG=1 SYNTHETIC=1")
}

// A broken socket is a state, and what it missed is emitted when it is back.
func TestSocketFails(t *testing.T) {
	sys := fakeSys(t)
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm)
	r.quiet()
	other := r.notASocket()
	r.Do(func() {
		s := r.source
		if err := unix.Dup3(other, s.socket.FD, unix.O_CLOEXEC); err != nil {
			t.Error(err)
			return
		}
		s.ready(0)
		states := s.Status()
		if states[0].OK || !strings.Contains(states[0].Error, "read uevent socket") {
			t.Errorf("status is %+v", states)
		}
		plug(t, sys, "/devices/a", "")
	})
	r.Await("end of the storm", func() bool { return r.source.storm == nil })
	r.Do(r.source.opener.Visit) // rather than wait
	r.quiet()
	r.expect("0 add /devices/a RESCAN=1 SYNTHETIC=1")
	// Of the new socket the kernel counts anew.
	r.Do(func() { r.source.lose(1) })
	r.Await("loss", func() bool { return len(r.losses) == 2 })
	r.Do(func() {
		if count, _ := r.losses[1].Lookup("COUNT"); count != sources.Int(1) {
			t.Errorf("%s lost", count)
		}
	})
}

func (r *rig) notASocket() int {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { unix.Close(fd) })
	return fd
}
