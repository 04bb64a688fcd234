// SPDX-License-Identifier: MIT

package input

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"reflexd/sources"
)

// As linux/uinput.h has them, worked out by a C compiler.
func TestUinputRequests(t *testing.T) {
	phys := uintptr(0x4004556c)
	if longSize == 8 {
		phys = 0x4008556c
	}
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"UI_DEV_CREATE", uiDevCreate, 0x5501},
		{"UI_DEV_SETUP", uiDevSetup(), 0x405c5503},
		{"UI_SET_EVBIT", uiSetEvBit, 0x40045564},
		{"UI_SET_KEYBIT", uiSetKeyBit, 0x40045565},
		{"UI_SET_PHYS", uiSetPhys(), phys},
		{"UI_GET_SYSNAME(64)", uiGetSysname(64), 0x8040552c},
		{"sizeof(struct uinput_setup)", unsafe.Sizeof(uinputSetup{}), 92},
	} {
		if c.got != c.want {
			t.Errorf("%s is %#x, expected %#x", c.name, c.got, c.want)
		}
	}
}

// typist makes virtual devices of pipes.
type typist struct {
	*rig
	made  []string // name and keys of each
	read  []int    // the far ends
	fails error
}

func newTypist(t *testing.T) *typist {
	ty := &typist{rig: newRig(t)}
	ty.source.makeVirtual = func(path, name, phys string, keys []byte) (int, string, error) {
		ty.mu.Lock()
		defer ty.mu.Unlock()
		if ty.fails != nil {
			return -1, "", ty.fails
		}
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
			return -1, "", err
		}
		text := name
		for key := range eachBit(keys) {
			text += " " + KeyName(key)
		}
		ty.made, ty.read = append(ty.made, text), append(ty.read, p[0])
		ty.byFD[p[1]] = &fake{path: "virtual " + name, fd: p[1], write: -1}
		return p[1], "input7", nil
	}
	t.Cleanup(func() {
		for _, fd := range ty.read {
			unix.Close(fd)
		}
	})
	return ty
}

// use applies a plan that has the virtual devices.
func (ty *typist) use(virtual map[string][]uint16) {
	ty.t.Helper()
	ty.Do(func() { ty.source.Apply(&Plan{Virtual: virtual}) })
	ty.quiet()
}

// said returns what the virtual device that was made n-th said: keys, and a
// dot for each report.
func (ty *typist) said(n int) string {
	ty.t.Helper()
	buf := make([]byte, 4096)
	size, err := unix.Read(ty.read[n], buf)
	if err != nil {
		return err.Error()
	}
	var words []string
	for b := buf[:size]; len(b) > 0; b = b[eventSize:] {
		switch r := decode(b); {
		case r.typ == evSyn:
			words = append(words, ".")
		case r.value == 1:
			words = append(words, "+"+KeyName(r.code))
		default:
			words = append(words, "-"+KeyName(r.code))
		}
	}
	return strings.Join(words, " ")
}

func (ty *typist) strike(device, is string, names ...string) (result error) {
	ty.t.Helper()
	stroke := Stroke{Is: is}
	for _, name := range names {
		_, code := codeOf(ty.t, name)
		stroke.Keys = append(stroke.Keys, code)
	}
	told := false
	ty.Do(func() {
		ty.source.Strike(device, stroke, func(err error) { result, told = err, true })
	})
	ty.Await("the outcome is told", func() bool { return told })
	return result
}

func keysOf(t *testing.T, names ...string) (keys []uint16) {
	for _, name := range names {
		_, code := codeOf(t, name)
		keys = append(keys, code)
	}
	return keys
}

func TestStroke(t *testing.T) {
	ty := newTypist(t)
	ty.use(map[string][]uint16{"pad": keysOf(t, "KEY_C", "KEY_LEFTCTRL")})
	if want := []string{"pad KEY_LEFTCTRL KEY_C"}; !slices.Equal(ty.made, want) {
		t.Errorf("made %q", ty.made)
	}
	ty.must(ty.strike("pad", Tap, "KEY_LEFTCTRL", "KEY_C"))
	if got := ty.said(0); got != "+KEY_LEFTCTRL . +KEY_C . -KEY_C . -KEY_LEFTCTRL ." {
		t.Error(got)
	}
	ty.must(ty.strike("pad", Press, "KEY_LEFTCTRL", "KEY_C"))
	ty.must(ty.strike("pad", Release, "KEY_C"))
	if got := ty.said(0); got != "+KEY_LEFTCTRL . +KEY_C . -KEY_C ." {
		t.Error(got)
	}
	if s := ty.status("pad"); !s.OK || s.Detail != "virtual device input7, down: KEY_LEFTCTRL" {
		t.Errorf("%+v", s)
	}
	ty.Do(ty.source.Close)
	if got := ty.said(0); got != "-KEY_LEFTCTRL ." {
		t.Errorf("at the end: %s", got)
	}
}

func TestVirtualDeviceOverReloads(t *testing.T) {
	ty := newTypist(t)
	ab := map[string][]uint16{"pad": keysOf(t, "KEY_A", "KEY_B")}
	ty.use(ab)
	ty.must(ty.strike("pad", Press, "KEY_A"))
	ty.use(map[string][]uint16{"pad": keysOf(t, "KEY_A")}) // fewer keys
	if got := ty.said(0); got != "+KEY_A . -KEY_A ." || len(ty.made) != 1 || len(ty.closed) != 0 {
		t.Error(got, ty.made, ty.closed)
	}
	ty.use(map[string][]uint16{"pad": keysOf(t, "KEY_A", "KEY_C"), "other": keysOf(t, "KEY_D")})
	if want := []string{"pad KEY_A KEY_B", "other KEY_D", "pad KEY_A KEY_C"}; !slices.Equal(slices.Sorted(slices.Values(ty.made)), slices.Sorted(slices.Values(want))) {
		t.Errorf("made %q", ty.made)
	}
	if !slices.Equal(ty.closed, []string{"virtual pad"}) {
		t.Errorf("closed %q", ty.closed)
	}
	ty.use(nil)
	if len(ty.closed) != 3 {
		t.Errorf("closed %q", ty.closed)
	}
}

func TestVirtualDeviceThatCannotBeMadeIsTriedAgain(t *testing.T) {
	ty := newTypist(t)
	ty.fails = unix.EACCES
	ty.use(map[string][]uint16{"pad": keysOf(t, "KEY_A")})
	err := ty.strike("pad", Tap, "KEY_A")
	if !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), `GROUP="input"`) {
		t.Error(err)
	}
	if n := strings.Count(ty.logged(), "cannot press keys"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if s := ty.status("pad"); s.OK || !strings.Contains(s.Error, "permission denied") {
		t.Errorf("%+v", s)
	}
	ty.mu.Lock()
	ty.fails = nil
	ty.mu.Unlock()
	ty.must(ty.strike("pad", Tap, "KEY_A"))
	if got := ty.said(0); got != "+KEY_A . -KEY_A ." {
		t.Error(got)
	}
}

// The kernel's own answer to a missing node.
func TestKernelWithoutUinput(t *testing.T) {
	_, _, err := makeVirtual(filepath.Join(t.TempDir(), "uinput"), "pad", ownPhys(), []byte{0, 1})
	if err = explainUinput("pad", err); !strings.Contains(err.Error(), "modprobe uinput") {
		t.Error(err)
	}
}

func TestOurOwnDevicesAreNeverListenedTo(t *testing.T) {
	r := newRig(t)
	ours := r.plug("reflexd", "KEY_A")
	ours.id.phys = ownPhys()
	theirs := r.plug("reflexd", "KEY_A")
	theirs.id.phys = "reflexd-1/keys"
	r.apply(`
inputs: {all: {name: "*", grab: on}}
rules: [{key: KEY_A, is: pressed}]
`)
	r.isOpen(theirs)
	r.quiet()
	r.Do(func() {
		if r.source.nodes[ours.path].device != nil {
			t.Error("it is kept open")
		}
	})
	if see(r, ours, func(f *fake) bool { return f.grabbed }) {
		t.Error("it is grabbed")
	}
	if s := r.status("all"); !strings.Contains(s.Detail, "it is reflexd's own") {
		t.Errorf("%+v", s)
	}
}

func TestDryRunMakesNoVirtualDevice(t *testing.T) {
	ty := newTypist(t)
	ty.Do(func() {
		ty.source.host.DryRun = true
		ty.source.Apply(&Plan{Virtual: map[string][]uint16{"pad": keysOf(t, "KEY_A")}})
	})
	ty.quiet()
	if len(ty.made) > 0 {
		t.Errorf("made %q", ty.made)
	}
	var states []sources.State
	ty.Do(func() { states = ty.source.Status() })
	if len(states) != 1 || !states[0].OK {
		t.Errorf("%+v", states)
	}
}
