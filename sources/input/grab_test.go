// SPDX-License-Identifier: MIT

package input

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func grabbed(f *fake) bool { return f.grabbed }

func (r *rig) isGrabbed(f *fake) {
	r.t.Helper()
	r.Await("it is grabbed", func() bool { return see(r, f, grabbed) })
}

func TestGrabAuto(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	_, c := codeOf(t, "KEY_C")
	setBit(f.levels.keys[:], c, true)
	r.apply("inputs: {desk: {name: '*', grab: auto}}\n" + keyA)
	r.isOpen(f)
	passes := func(f *fake) bool { return f.mask.has(evKey, c) }
	if see(r, f, grabbed) || !see(r, f, passes) {
		t.Fatal("grabbed, or deaf to the key that is down")
	}
	if st := r.status("desk"); !strings.Contains(st.Detail, "to be grabbed when all keys are released") {
		t.Errorf("status is %+v", st)
	}
	// Another key goes down before the first is up.
	r.send(f, ev(t, 1, "KEY_A", 1), report, ev(t, 2, "KEY_C", 0), report)
	r.expect("key KEY_A down")
	if see(r, f, grabbed) {
		t.Error("grabbed with KEY_A down")
	}
	r.send(f, ev(t, 3, "KEY_A", 0), report)
	r.isGrabbed(f)
	r.expect("key KEY_A up")
	if see(r, f, passes) {
		t.Error("the mask stays open after the grab")
	}
	if st := r.status("desk"); !st.OK || !strings.HasSuffix(st.Detail, ", grabbed") {
		t.Errorf("status is %+v", st)
	}
}

func TestGrabOn(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", "KEY_C") // nothing that a rule asks for
	_, c := codeOf(t, "KEY_C")
	setBit(f.levels.keys[:], c, true)
	r.apply("inputs: {desk: {name: '*', grab: true}}\n" + keyA)
	r.isGrabbed(f)
}

// Grabs change on devices that are open, whose other keys nobody listened to.
func TestGrabReload(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	r.apply(keyA)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_C", 1), report)
	r.apply("inputs: {desk: {name: '*', grab: auto}}\n" + keyA)
	if see(r, f, grabbed) {
		t.Error("grabbed with KEY_C down")
	}
	r.send(f, ev(t, 1, "KEY_C", 0), report)
	r.isGrabbed(f)
	r.apply("inputs: {desk: {name: '*', grab: off}}\n" + keyA)
	r.apply("inputs: {desk: {name: '*', grab: on}}\n" + keyA) // while it is being given back
	r.quiet()
	r.isGrabbed(f)
	r.apply("inputs: {desk: {name: '*', grab: off}}\n" + keyA)
	r.quiet()
	if see(r, f, grabbed) {
		t.Error("still grabbed")
	}
	r.expect()
	if r.opens[f.path] != 1 {
		t.Errorf("opened %d times", r.opens[f.path])
	}
}

func TestGrabBusy(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	f.grabErr = unix.EBUSY
	r.apply("inputs: {desk: {name: '*', grab: auto}}\n" + keyA)
	r.isOpen(f)
	r.send(f, ev(t, 1, "KEY_A", 1), report, ev(t, 2, "KEY_A", 0), report)
	r.expect("key KEY_A down", "key KEY_A up")
	if st := r.status("desk"); st.OK || !strings.Contains(st.Error, "another program") {
		t.Errorf("status is %+v", st)
	}
	if n := strings.Count(r.logged(), "level=WARN"); n != 1 {
		t.Errorf("told %d times", n)
	}
	r.mu.Lock()
	f.grabErr = nil
	r.mu.Unlock()
	r.apply("inputs: {desk: {name: '*', grab: auto}}\n" + keyA)
	r.isGrabbed(f)
}

// A device that goes while it is being given back is read no more, and closed
// when that is done.
func TestGoneWhileUngrabbing(t *testing.T) {
	r := newRig(t)
	f := r.plug("A keyboard", everything...)
	f.giving = make(chan struct{})
	r.apply("inputs: {desk: {name: '*', grab: on}}\n" + keyA)
	r.isGrabbed(f)
	r.apply(keyA)
	r.unplug(f)
	r.Await("it is forgotten", func() bool { return len(r.source.nodes) == 0 })
	noSpin(t, r)
	closed := func(*fake) int { return len(r.closed) }
	if n := see(r, f, closed); n != 0 {
		t.Errorf("closed %d times under the kernel's hands", n)
	}
	close(f.giving)
	r.quiet()
	if n := see(r, f, closed); n != 1 {
		t.Errorf("closed %d times", n)
	}
}
