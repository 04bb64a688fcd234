// SPDX-License-Identifier: MIT

package input

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

const kiosk = `
inputs: {kiosk: {name: "A keyboard", grab: auto, pass: others}}
rules:
  - {key: KEY_B, is: pressed}
  - {key: KEY_LEFTCTRL, is: pressed, from: other}
  - {axis: REL_WHEEL}
`

// far are the far ends of twins: what other programs read, and what the device
// is told.
type far struct {
	r           *rig
	twin, back  int
	passed, led []byte
}

// twins has twins made of socket pairs.
func (r *rig) twins() *far {
	f := &far{r: r, twin: -1, back: -1}
	r.source.kernel.twin = func(string, string) (*twin, error) {
		var t, b [2]int
		var err error
		for _, p := range []*[2]int{&t, &b} {
			if *p, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
				return nil, err
			}
		}
		f.twin, f.back = t[1], b[1]
		r.mu.Lock()
		r.byFD[t[0]], r.byFD[b[0]] = &fake{path: "twin", fd: -1}, &fake{path: "back", fd: -1}
		r.mu.Unlock()
		return &twin{fd: t[0], back: b[0], sysname: "input7", repeats: true}, nil
	}
	r.t.Cleanup(func() { unix.Close(f.twin); unix.Close(f.back) })
	return f
}

// expect waits until the twin said exactly these, and forgets them.
func (f *far) expect(want ...string) {
	f.r.t.Helper()
	var got []string
	f.r.Await(fmt.Sprintf("the twin says %q", want), func() bool {
		f.passed = append(f.passed, f.read(f.twin)...)
		got = lines(f.r.t, f.passed)
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		f.r.t.Errorf("the twin says %q, expected %q", got, want)
	}
	f.passed = nil
}

func (f *far) read(fd int) []byte {
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// lines writes records as the tests compare them: "KEY_A 1", "--".
func lines(t testing.TB, b []byte) []string {
	t.Helper()
	var all []string
	for ; len(b) >= eventSize; b = b[eventSize:] {
		switch r := decode(b); r.typ {
		case evSyn:
			all = append(all, "--")
		case evKey:
			all = append(all, fmt.Sprintf("%s %d", KeyName(r.code), r.value))
		case evRel, evAbs:
			all = append(all, fmt.Sprintf("%s %d", axis{r.typ, r.code}.name(), r.value))
		default:
			all = append(all, fmt.Sprintf("%d/%d %d", r.typ, r.code, r.value))
		}
	}
	return all
}

func kioskRules(more string) string {
	return strings.Replace(strings.Replace(kiosk, "inputs: {", "inputs: {other: {name: nobody}, ", 1), "rules:", more+"rules:", 1)
}

// openKiosk returns a rig with a keyboard whose other keys a twin sends on.
func openKiosk(t *testing.T) (*rig, *far, *fake) {
	t.Helper()
	r := newRig(t)
	far := r.twins()
	f := r.plug("A keyboard", "KEY_A", "KEY_B")
	r.apply(kioskRules(""))
	r.isOpen(f)
	r.isGrabbed(f)
	return r, far, f
}

func TestOtherKeysArePassedOn(t *testing.T) {
	r := newRig(t)
	far := r.twins()
	f := withScans(r.plug("A keyboard", "KEY_A", "KEY_B", "KEY_LEFTCTRL", "REL_X", "REL_WHEEL"))
	r.apply(kioskRules(""))
	r.isOpen(f)
	r.isGrabbed(f)
	r.send(f, scan(1, 0x70004), ev(t, 1, "KEY_A", 1), report,
		scan(2, 0x70005), ev(t, 2, "KEY_B", 1), report,
		ev(t, 300, "KEY_A", 2), report,
		ev(t, 301, "REL_X", 5), ev(t, 301, "REL_WHEEL", -1), raw(301, evRel, 0x0b, -120), report,
		scan(302, 0x70005), ev(t, 302, "KEY_B", 0), report,
		scan(303, 0x70004), ev(t, 303, "KEY_A", 0), report,
		ev(t, 304, "KEY_LEFTCTRL", 1), ev(t, 304, "KEY_LEFTCTRL", 0), report)
	far.expect("4/4 458756", "KEY_A 1", "--", "REL_X 5", "--", "4/4 458756", "KEY_A 0", "--", "KEY_LEFTCTRL 1", "KEY_LEFTCTRL 0", "--")
	r.expect("key KEY_B down", "axis REL_WHEEL changed 0->-1", "key KEY_B up")
	if st := r.status("kiosk"); !st.OK || !strings.Contains(st.Detail, "grabbed, other keys are passed on through input7") {
		t.Errorf("status is %+v", st)
	}
}

// LEDs that the desktop sets on the twin are set on the device.
func TestLEDsGoBack(t *testing.T) {
	r, far, _ := openKiosk(t)
	if _, err := unix.Write(far.twin, slices.Concat(raw(1, evLED, 1, 1), report, raw(1, 0x101, 1, 1))); err != nil {
		t.Fatal(err)
	}
	r.Await("the LED is set", func() bool {
		far.led = append(far.led, far.read(far.back)...)
		return slices.Equal(lines(t, far.led), []string{"17/1 1", "--"})
	})
}

// A key that is down at the twin is released when the device goes, and when the
// configuration passes nothing on any more; and one whose press was taken is
// released for nobody.
func TestPassedKeysAreReleased(t *testing.T) {
	r, far, f := openKiosk(t)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	far.expect("KEY_A 1", "--")
	r.apply(`{inputs: {kiosk: {name: "A keyboard", grab: auto}}, rules: [{key: KEY_B, is: pressed}]}`)
	far.expect("KEY_A 0", "--")
	r.send(f, ev(t, 2, "KEY_A", 0), report)
	r.apply(kioskRules(""))
	r.Await("there is a twin again", func() bool { return r.source.nodes[f.path].device.pass.active() })
	r.send(f, ev(t, 3, "KEY_B", 1), report, ev(t, 4, "KEY_A", 1), report)
	far.expect("KEY_A 1", "--")
	r.unplug(f)
	far.expect("KEY_A 0", "--")
}

// A rule that comes with a reload while its key is down gets the next press.
func TestTakenWhileDown(t *testing.T) {
	r, far, f := openKiosk(t)
	r.send(f, ev(t, 1, "KEY_A", 1), report)
	far.expect("KEY_A 1", "--")
	r.apply(strings.Replace(kioskRules(""), "key: KEY_B", "key: KEY_A", 1))
	r.send(f, ev(t, 2, "KEY_A", 0), report, ev(t, 3, "KEY_A", 1), report, ev(t, 4, "KEY_A", 0), report, ev(t, 5, "KEY_B", 1), report)
	far.expect("KEY_A 0", "--", "KEY_B 1", "--")
}

func TestPassAfterALoss(t *testing.T) {
	r := newRig(t)
	far := r.twins()
	f := r.plug("A keyboard", "KEY_A", "KEY_B", "KEY_C", "KEY_D")
	r.apply(kioskRules(""))
	r.isOpen(f)
	r.isGrabbed(f)
	r.send(f, ev(t, 1, "KEY_A", 1), ev(t, 1, "KEY_C", 1), report)
	far.expect("KEY_A 1", "KEY_C 1", "--")
	r.mu.Lock()
	f.levels = levels{}
	for _, name := range []string{"KEY_B", "KEY_C", "KEY_D"} {
		_, code := codeOf(t, name)
		setBit(f.levels.keys[:], code, true)
	}
	r.mu.Unlock()
	if _, err := unix.Write(f.write, slices.Concat(ev(t, 2, "KEY_A", 0), dropped, ev(t, 2, "KEY_D", 1), report)); err != nil {
		t.Fatal(err)
	}
	far.expect("KEY_A 0", "--", "KEY_D 1", "--")
}

// A keyboard of which nothing can be passed on stays with the other programs,
// and so does one whose twin goes.
func TestNoTwinNoGrab(t *testing.T) {
	r := newRig(t)
	far := r.twins()
	make := r.source.kernel.twin
	var loaded atomic.Bool // the module
	r.source.kernel.twin = func(path, uinput string) (*twin, error) {
		if !loaded.Load() {
			return nil, fmt.Errorf("open /dev/uinput: %w", unix.ENOENT)
		}
		return make(path, uinput)
	}
	f := r.plug("A keyboard", "KEY_A", "KEY_B")
	r.apply(kioskRules(""))
	r.isOpen(f)
	r.Await("it is known why", func() bool { return r.source.nodes[f.path].device.grab.err != nil })
	if st := r.status("kiosk"); st.OK || !strings.Contains(st.Error, "modprobe uinput") || see(r, f, func(f *fake) bool { return f.grabbed }) {
		t.Errorf("status is %+v", st)
	}
	r.send(f, ev(t, 1, "KEY_B", 1), report, ev(t, 2, "KEY_B", 0), report) // rules see it all the same
	r.expect("key KEY_B down", "key KEY_B up")

	r.apply(kioskRules("")) // a reload changes nothing about that
	loaded.Store(true)
	active := func() bool { return r.source.nodes[f.path].device.pass.active() }
	r.Await("it is tried again", active)
	unix.Close(far.twin)
	r.Await("it is given back", func() bool { return strings.Contains(r.logged(), "its virtual device input7 failed") })
	r.Await("it is tried again", active)
	if st := r.status("kiosk"); !st.OK {
		t.Errorf("status is %+v", st)
	}
}

// The keys of a text are not passed on.
func TestTextIsNotPassedOn(t *testing.T) {
	r := newRig(t)
	far := r.twins()
	f := r.plug("A keyboard", "KEY_1", "KEY_ENTER", "KEY_F1")
	r.apply(strings.Replace(kioskRules("")+"  - {input: kiosk, is: typed}\n", "pass: others", "pass: others, text: {layout: us}", 1))
	r.isOpen(f)
	r.isGrabbed(f)
	c := newClock(r)
	r.send(f, c.keys("12\n")...)
	r.send(f, ev(t, c.ms+1, "KEY_F1", 1), report)
	far.expect("KEY_F1 1", "--")
	r.expectTexts("kiosk 12")
}

func TestPassNeedsAGrab(t *testing.T) {
	if _, ps := compile(`{inputs: {k: {name: x, pass: others}}}`); !ps.Failed() || !strings.Contains(ps.Error(), "pass goes with `grab: auto`") {
		t.Error(ps.Error())
	}
}

// Whatever a device sends, the twin releases each key that it pressed, and
// presses none that a rule takes.
func FuzzPass(f *testing.F) {
	f.Add([]byte{0, 1, 9, 0, 1, 0, 9, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p[1])
		d, _ := quietDevice()
		d.kernel = &kernel{levels: func(_ int, _ *codes, l *levels) error { l.keys[0] = 0xf0; return nil }, close: unix.Close}
		d.received, d.grab = everyCode, grab{mode: GrabAuto, held: true}
		d.id.has.keys[0] = 0xff
		d.pass = &passer{device: d, twin: &twin{fd: p[0], back: -1}}
		d.pass.takes.add(evKey, 2)
		for ; len(script) >= 2; script = script[2:] {
			r := raw(1, evKey, uint16(script[0]%8), int32(script[1]%3))
			switch script[0] % 16 {
			case 8:
				r = dropped
			case 9, 10:
				r = report
			case 11:
				r = raw(1, evMsc, mscScan, int32(script[1]))
			}
			d.take(r)
		}
		d.pass.releaseAll()
		unix.Close(p[0])
		down := map[uint16]bool{}
		b := make([]byte, 1<<20)
		n, err := unix.Read(p[1], b)
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Fatal(err)
		}
		for b = b[:n]; len(b) >= eventSize; b = b[eventSize:] {
			if r := decode(b); r.typ == evKey {
				if r.code == 2 || r.value == 1 && down[r.code] || r.value != 1 && !down[r.code] {
					t.Errorf("key %d has value %d, and was down: %t", r.code, r.value, down[r.code])
				}
				down[r.code] = r.value != 0
			}
		}
		for code, is := range down {
			if is {
				t.Errorf("key %d stays down", code)
			}
		}
	})
}

func BenchmarkPass(b *testing.B) {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(null)
	d, _ := quietDevice()
	d.grab = grab{mode: GrabAuto, held: true}
	d.pass = &passer{device: d, twin: &twin{fd: null, back: -1}}
	d.wanted = codes{}
	press := slices.Concat(scan(1, 0x70004), ev(b, 1, "KEY_A", 1), report, scan(1, 0x70004), ev(b, 1, "KEY_A", 0), report)
	b.ReportAllocs()
	for b.Loop() {
		d.take(press)
	}
}
