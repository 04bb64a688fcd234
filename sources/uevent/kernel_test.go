// SPDX-License-Identifier: MIT

// What the running kernel announces.

package uevent

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

const nullDevice = "/devices/virtual/mem/null"

// uuid marks the events that a test causes, on a machine on which others may
// cause theirs.
func uuid(t *testing.T) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", os.Getpid(), len(t.Name()))
}

// causeEvent has the kernel announce something of /dev/null.
func causeEvent(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile("/sys"+nullDevice+"/uevent", []byte(text), 0); err != nil {
		t.Error(err)
	}
}

// needEvents skips the test if we cannot cause events.
func needEvents(t *testing.T) {
	t.Helper()
	if err := unix.Access("/sys"+nullDevice+"/uevent", unix.W_OK); err != nil {
		t.Skipf("cannot cause uevents: %v", err)
	}
}

func TestKernelEvent(t *testing.T) {
	needEvents(t)
	r := newRig(t, fakeSys(t), defaultBuffer)
	mine := "uevent: {SUBSYSTEM: mem, SYNTH_UUID: " + uuid(t) + "}"
	r.apply(mine, "uevent: {DEVNAME: /dev/null, ACTION: remove}")
	var got *sources.Event
	emit := r.source.host.Emit
	r.Do(func() {
		r.source.host.Emit = func(e *sources.Event) {
			if v, _ := e.Lookup("SYNTH_ARG_LUCK"); v == sources.Text("777") {
				got = e.Clone()
			}
			emit(e)
		}
	})
	before := r.now()
	causeEvent(t, "change "+uuid(t)+" LUCK=777")
	causeEvent(t, "remove "+uuid(t))
	r.Await("event", func() bool { return len(r.heard) >= 3 })
	r.expect("0 change "+nullDevice, "0 remove "+nullDevice, "1 remove "+nullDevice)
	want := sources.Topic{Kind: "uevent", Name: "mem", State: "change"}
	if got.Topic != want || got.Source != "uevent" || got.Time < before || got.Time > r.now() {
		t.Errorf("event is %+v", got)
	}
	for name, want := range map[string]string{"DEVNAME": "/dev/null", "ACTION": "change", "DEVPATH": nullDevice, "SUBSYSTEM": "mem", "MAJOR": "1", "MINOR": "3"} {
		if v, _ := got.Lookup(name); v.String() != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
}

// causeMessage has the kernel send a message that it has not made: it adds the
// SEQNUM (uevent_net_broadcast of lib/kobject_uevent.c, Linux 4.18).
func causeMessage(t *testing.T, text string) {
	t.Helper()
	order := binary.NativeEndian
	b := order.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(text)))
	b = order.AppendUint16(b, 16) // any type that is no control message
	b = order.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(append(b, make([]byte, 8)...), text...)
	if err := sendFrame(b, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// A button of OpenWrt's is about no device.
func TestEventAboutNoDevice(t *testing.T) {
	needEvents(t)
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: button, BUTTON: "+uuid(t)+", ACTION: released, SEEN: {above: 4}}",
		"uevent: {SUBSYSTEM: button, BUTTON: "+uuid(t)+"}")
	text := strings.ReplaceAll(routerButton, "BUTTON=reset", "BUTTON="+uuid(t))
	text = strings.ReplaceAll(text, "SEQNUM=596\x00", "")
	causeMessage(t, strings.ReplaceAll(text, "released", "pressed"))
	causeMessage(t, strings.ReplaceAll(text, "released", "remove")) // of no device: refused
	causeMessage(t, text)
	r.Await("events", func() bool { return len(r.heard) >= 3 })
	r.expect("1 pressed ", "0 released ", "1 released ")
	r.Do(func() {
		if r.source.count.malformed == 0 {
			t.Error("a removal of no device is not counted")
		}
	})
}

func TestForeignSenderIgnored(t *testing.T) {
	needEvents(t)
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("uevent: {SUBSYSTEM: fake}", "uevent: {SYNTH_UUID: "+uuid(t)+"}")
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	err = unix.Sendto(fd, kernelMessage("add", "/devices/evil"), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1})
	if err != nil {
		t.Skipf("cannot send to the kernel's group: %v", err)
	}
	causeEvent(t, "change "+uuid(t))
	r.Await("event of the kernel's", func() bool { return len(r.heard) > 0 })
	r.expect("1 change " + nullDevice)
	r.Do(func() {
		if r.source.count.foreign == 0 {
			t.Error("the foreign message was not counted")
		}
	})
}

func TestBurst(t *testing.T) {
	needEvents(t)
	const count = 2000
	r := newRig(t, fakeSys(t), defaultBuffer)
	r.apply("uevent: {SYNTH_UUID: " + uuid(t) + "}")
	r.Do(func() {
		for i := range count {
			causeEvent(t, fmt.Sprintf("change %s N=%d", uuid(t), i))
		}
	})
	r.Await("end of the burst", func() bool { return len(r.heard) >= count })
	r.Do(func() {
		if len(r.heard) != count || r.source.count.lost != 0 {
			t.Errorf("%d of %d, %d losses", len(r.heard), count, r.source.count.lost)
		}
	})
}

// A socket that overflows while the loop is held up: the loss is reported once,
// and then what came and went meanwhile.
func TestOverflowRepaired(t *testing.T) {
	needEvents(t)
	sys := fakeSys(t, "/devices/a", "/devices/a/b", "/devices/a/b/c", "/devices/a/b/d", "/devices/stays")
	r := newRig(t, sys, 4096)
	r.apply("uevent: {SUBSYSTEM: fake}")
	r.quiet()
	r.expect()
	r.Do(func() {
		for range 500 {
			causeEvent(t, "change")
		}
		unplug(t, sys, "/devices/a")
		plug(t, sys, "/devices/c/d", "DEVNAME=d\n")
		plug(t, sys, "/devices/c", "DEVNAME=c\n")
	})
	r.Await("loss", func() bool { return len(r.losses) > 0 })
	r.quiet()
	r.expect(
		"0 remove /devices/a/b/d RESCAN=1 SYNTHETIC=1", "0 remove /devices/a/b/c RESCAN=1 SYNTHETIC=1",
		"0 remove /devices/a/b RESCAN=1 SYNTHETIC=1", "0 remove /devices/a RESCAN=1 SYNTHETIC=1",
		"0 add /devices/c RESCAN=1 SYNTHETIC=1", "0 add /devices/c/d RESCAN=1 SYNTHETIC=1")
	r.Do(func() {
		knob, _ := r.losses[0].Lookup("KNOB")
		if len(r.losses) != 1 || r.losses[0].Source != "uevent" || !strings.Contains(knob.String(), "SO_RCVBUF") {
			t.Errorf("losses: %+v", r.losses)
		}
	})
	// All is as before: the socket still brings what the kernel announces.
	r.apply("uevent: {SYNTH_UUID: " + uuid(t) + "}")
	causeEvent(t, "change "+uuid(t))
	r.Await("event after the repair", func() bool { return len(r.heard) > 0 })
}

func TestColdplugOfThisMachine(t *testing.T) {
	if _, err := os.Stat("/sys" + nullDevice); err != nil {
		t.Skip(err)
	}
	r := newRig(t, "/sys", defaultBuffer)
	r.apply("{uevent: {SUBSYSTEM: mem, ACTION: add, DEVNAME: [/dev/null, /dev/zero], MAJOR: 1}, coldplug: true}")
	r.Await("devices", func() bool { return len(r.heard) >= 2 })
	r.quiet()
	r.expect("0 add "+nullDevice+" COLDPLUG=1 SYNTHETIC=1", "0 add /devices/virtual/mem/zero COLDPLUG=1 SYNTHETIC=1")
}

// Every device that the walk finds is one that the kernel has a number or a
// name for, and parents come first.
func TestWalkOfThisMachine(t *testing.T) {
	w := &walk{sys: "/sys", dev: "/dev", scope: scope{all: true}}
	w.run()
	if w.err != nil {
		t.Skip(w.err)
	}
	table := newTable(0)
	table.begin(w)
	_, fresh := table.merge(w, w.scope)
	seen := map[string]bool{}
	for _, d := range fresh {
		for parent := range seen {
			if strings.HasPrefix(parent, d.path+"/") {
				t.Errorf("%s came before %s", parent, d.path)
			}
		}
		seen[d.path] = true
	}
	if !slices.ContainsFunc(fresh, func(d *device) bool { return d.path == nullDevice && d.subsystem == "mem" }) {
		t.Errorf("%s is not among %d devices", nullDevice, len(fresh))
	}
}
