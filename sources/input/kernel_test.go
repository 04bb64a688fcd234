// SPDX-License-Identifier: MIT

// Tests with the kernel's own devices, made through uinput. They are skipped
// where there is no /dev/uinput.

package input

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	goevdev "github.com/holoplot/go-evdev"
	"golang.org/x/sys/unix"
)

const kernelName = "reflexd test device"

// virtual is a device made through uinput.
type virtual struct {
	t   *testing.T
	dev *goevdev.InputDevice
}

// kernelRig returns a rig on the real /dev, and a device.
func kernelRig(t *testing.T) (*rig, *virtual) {
	if _, err := os.Stat("/dev/uinput"); err != nil {
		t.Skip(err)
	}
	return bareRig(t, "/dev"), newVirtual(t)
}

func newVirtual(t *testing.T) *virtual {
	has := map[goevdev.EvType][]goevdev.EvCode{
		goevdev.EV_KEY: {goevdev.KEY_A, goevdev.KEY_B, goevdev.KEY_C},
		goevdev.EV_REL: {goevdev.REL_WHEEL},
		goevdev.EV_SW:  {goevdev.SW_LID},
	}
	dev, err := goevdev.CreateDevice(kernelName, goevdev.InputID{BusType: 3, Vendor: 0x1209, Product: 0xbeef}, has)
	if err != nil {
		t.Fatal(err)
	}
	v := &virtual{t, dev}
	t.Cleanup(v.unplug)
	return v
}

func (v *virtual) unplug() {
	if v.dev != nil {
		_ = goevdev.DestroyDevice(v.dev)
		v.dev.Close()
		v.dev = nil
	}
}

// send writes events, each name followed by its value, as one packet.
func (v *virtual) send(name string, value int32) {
	v.t.Helper()
	typ, code := codeOf(v.t, name)
	for _, e := range []goevdev.InputEvent{
		{Type: goevdev.EvType(typ), Code: goevdev.EvCode(code), Value: value}, {},
	} {
		if err := v.dev.WriteOne(&e); err != nil {
			v.t.Fatal(err)
		}
	}
}

// isOpenByName waits until the source reads from the test's device and
// returns it.
func (r *rig) isOpenByName() (d *device) {
	r.t.Helper()
	r.Await("the device is open", func() bool {
		for _, n := range r.source.nodes {
			if n.device != nil && n.id.name == kernelName {
				d = n.device
			}
		}
		return d != nil
	})
	return d
}

const kernelRules = `
inputs: {it: {name: reflexd test device, id: "1209:beef", has: KEY_A}}
rules:
  - {key: [KEY_A, KEY_B], is: pressed, from: it}
  - {switch: SW_LID, is: changed, from: it}
  - {axis: REL_WHEEL, from: it}
`

func TestKernelEvents(t *testing.T) {
	r, v := kernelRig(t)
	v.send("KEY_B", 1)
	r.apply(kernelRules)
	d := r.isOpenByName()
	r.expect("key KEY_B starts-down synthetic")
	if d.received == everyCode {
		t.Error("no mask is set")
	}
	var before time.Duration
	r.Do(func() { before = r.loop.Now() })
	v.send("KEY_A", 1)
	v.send("KEY_A", 0)
	v.send("SW_LID", 1)
	v.send("REL_WHEEL", -2)
	events := r.expect("key KEY_A down", "key KEY_A up", "switch SW_LID on", "axis REL_WHEEL changed 0->-2")
	r.Do(func() {
		if at := events[0].Time; at < before-time.Millisecond || at > r.loop.Now() {
			t.Errorf("stamped %v, between %v and %v", at, before, r.loop.Now())
		}
	})
	r.quiet()
	var wakeups, after uint64
	r.Do(func() { wakeups = r.loop.Wakeups() })
	for range 100 {
		v.send("KEY_C", 1)
		v.send("KEY_C", 0)
	}
	r.Do(func() { after = r.loop.Wakeups() })
	if after-wakeups > 3 {
		t.Errorf("%d wake-ups for masked events", after-wakeups)
	}
}

func TestKernelDropped(t *testing.T) {
	r, v := kernelRig(t)
	r.apply(kernelRules)
	r.isOpenByName()
	v.send("KEY_B", 1)
	r.expect("key KEY_B down")
	r.Do(func() { // nobody reads meanwhile
		for range 500 {
			v.send("KEY_A", 1)
			v.send("KEY_A", 0)
		}
		v.send("KEY_B", 0)
		v.send("SW_LID", 1)
		v.send("KEY_A", 1)
	})
	told := ""
	r.Await("the state is known again", func() bool {
		told = r.told()
		return strings.Contains(told, "KEY_A down") && strings.Contains(told, "KEY_B up") && strings.Contains(told, "SW_LID on")
	})
	if !strings.Contains(told, "loss input lost") {
		t.Errorf("no loss:\n%s", told)
	}
	r.Do(func() {
		r.mu.Lock()
		r.events = nil
		r.mu.Unlock()
	})
	v.send("KEY_A", 0)
	r.expect("key KEY_A up")
}

func TestKernelUnplug(t *testing.T) {
	r, v := kernelRig(t)
	r.apply(kernelRules)
	r.isOpenByName()
	v.send("KEY_A", 1)
	r.expect("key KEY_A down")
	v.unplug()
	// The kernel releases the keys of a device that goes, or we do.
	r.Await("it is released", func() bool {
		return strings.Contains(r.told(), "key KEY_A up") && strings.Contains(r.told(), "input it absent")
	})
	r.quiet()
	if st := r.status("it"); st.OK {
		t.Errorf("status is %+v", st)
	}
	noSpin(t, r)
	newVirtual(t)
	r.isOpenByName()
}

func TestKernelReload(t *testing.T) {
	r, v := kernelRig(t)
	r.apply(`rules: [{key: KEY_A, is: pressed}]`)
	d := r.isOpenByName()
	v.send("KEY_C", 1)
	r.Do(func() {
		v.send("KEY_A", 1)
		v.send("KEY_A", 0)
		c, _ := compile(`rules: [{key: [KEY_A, KEY_C], is: pressed}]`)
		r.source.Apply(c.plan)
	})
	r.expect("key KEY_A down", "key KEY_A up", "key KEY_C starts-down synthetic")
	if r.isOpenByName() != d {
		t.Error("it was opened again")
	}
	v.send("KEY_C", 0)
	v.send("KEY_C", 1)
	r.expect("key KEY_C up", "key KEY_C down")
}

func TestKernelGrab(t *testing.T) {
	r, v := kernelRig(t)
	v.send("KEY_C", 1)
	r.apply("inputs: {it: {name: reflexd test device, grab: auto}}\n" + keyA)
	d := r.isOpenByName()
	busy := func() bool {
		fd, err := openDevice(d.path)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		err = setGrab(fd, true)
		if err != nil && !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
		return err != nil
	}
	if busy() {
		t.Error("grabbed with a key down")
	}
	v.send("KEY_C", 0)
	r.Await("it is grabbed", func() bool { return d.grab.held })
	if !busy() {
		t.Error("not grabbed")
	}
	r.apply(keyA)
	r.quiet()
	if busy() {
		t.Error("not given back")
	}
	r.Do(func() {
		if d.closed || d.grab.held {
			t.Errorf("closed: %t", d.closed)
		}
	})
}

func TestKernelList(t *testing.T) {
	_, v := kernelRig(t)
	v.send("KEY_A", 0)
	devices, err := List("/dev")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if d.Name == kernelName {
			if d.ID != "1209:beef" || strings.Join(d.Keys, " ") != "KEY_A KEY_C KEY_B" || strings.Join(d.Types, " ") != "key wheel switch" {
				t.Errorf("%+v", d)
			}
			return
		}
	}
	t.Errorf("it is not among %+v", devices)
}
