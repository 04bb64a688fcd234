// SPDX-License-Identifier: MIT

package uevent

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (r *rig) tell(sel Selection, action string, want int) {
	r.t.Helper()
	found := make(chan int, 1)
	r.Do(func() { r.source.Trigger(sel, action, func(paths []string, err error) { found <- len(paths) }) })
	if n := <-found; n != want {
		r.t.Errorf("%d devices, want %d", n, want)
	}
}

// Triggers match what was asked for whether they have coldplug or not, each
// once, parents first.
func TestTell(t *testing.T) {
	sys := fakeSys(t, "/devices/a/zzz", "/devices/a", "/devices/b")
	r := newRig(t, sys, defaultBuffer)
	r.apply(warm, cold)
	r.Await("devices", func() bool { return len(r.heard) == 3 })
	r.quiet()
	r.Do(func() { r.heard = nil })
	r.tell(Selection{Match: []Match{{"DEVPATH", "*/a*"}}}, "add", 2)
	r.Await("devices", func() bool { return len(r.heard) == 4 })
	r.expect("0 add /devices/a COLDPLUG=1 SYNTHETIC=1", "1 add /devices/a COLDPLUG=1 SYNTHETIC=1", "0 add /devices/a/zzz COLDPLUG=1 SYNTHETIC=1", "1 add /devices/a/zzz COLDPLUG=1 SYNTHETIC=1")
	r.tell(Selection{Subsystem: "f?ke", Match: []Match{{"DEVTYPE", "thing"}, {"DEVPATH", "*b"}}}, "change", 1)
	r.Await("device", func() bool { return len(r.heard) == 1 })
	r.expect("0 change /devices/b COLDPLUG=1 SYNTHETIC=1")
	r.tell(Selection{Subsystem: "none"}, "add", 0)
	r.quiet()
	r.expect()
}

// Two requests at once, in the middle of a coldplug, and with devices that are
// to be looked up.
func TestTellDuringDelivery(t *testing.T) {
	sys := fakeSys(t)
	for i := range 2 * emitAtOnce {
		plug(t, sys, fmt.Sprintf("/devices/%03d", i), "")
	}
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	r := newRig(t, sys, defaultBuffer)
	r.apply(cold, sandisk)
	r.tell(Selection{Match: []Match{{"ID_VENDOR_ID", "0781"}}}, "change", 2)
	r.tell(Selection{Subsystem: "fake"}, "change", 2*emitAtOnce+1)
	r.Await("events", func() bool { return len(r.heard) == 2*emitAtOnce+1+2 })
	r.Do(func() {
		const lookedUp = 2 // come when their lookup ends, perhaps in the same turn
		if r.turnMost > emitAtOnce+lookedUp {
			t.Errorf("%d events in one turn", r.turnMost)
		}
	})
}

func TestFind(t *testing.T) {
	sys := fakeSys(t, "/devices/b", "/devices/a/b")
	plugUSB(t, sys, "/devices/usb1/a", "A1")
	for _, test := range []struct {
		sel  Selection
		want []string
	}{
		{Selection{}, []string{"/devices/a/b", "/devices/b", "/devices/usb1", "/devices/usb1/a"}},
		{Selection{Match: []Match{{"ID_BUS", "usb"}}, Subsystem: "fake"}, []string{"/devices/usb1/a"}},
		{Selection{Match: []Match{{"NONE", "*"}}}, nil},
	} {
		got, err := Find(sys, "/dev", test.sel)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%+v: %v %s", test.sel, err, diff)
		}
	}
	if n, err := Announce(sys, []string{"/devices/b", "/devices/gone"}, "add"); n != 1 || err != nil {
		t.Errorf("announced %d, %v", n, err)
	}
}

func TestParseMatch(t *testing.T) {
	if m, err := ParseMatch("DEVNAME=/dev/a=b*"); err != nil || m != (Match{"DEVNAME", "/dev/a=b*"}) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, s := range []string{"", "DEVNAME", "=x", "devname=x", "ID_X=y"} {
		if _, err := ParseMatch(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}
